"""The soak itself: everybody on the stage for so many minutes, then everybody off, then what must hold."""

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from support.programs import eventually

from .actor import Actor
from .bulk import Copies, LargeStatements, LargeValues, SlowReader
from .guarded import Director, Migrations, Refusals
from .ordinary import Connects, Notifications, Pgbench, Pipelines, Prepared, Scripts
from .rude import Cancels, Idlers, Vanishing
from .sampling import Sampler
from .stage import LEDGER_ROWS, LEDGERS, PRODUCTION, TEST, Stage
from .trail import TrailCount, count, unseen
from .trend import Trend, trend

# Shorter soaks end while the process is still warming up.
MINUTES_FOR_A_TREND = 10
# libdispatch makes and ends threads of its pool for grants as it likes.
POOL_THREADS = 2


@dataclass
class Result:
    """`failures` is what did not hold, in words."""

    minutes: float
    selector: str
    counts: dict[str, int]
    counters: dict[str, int]
    series: dict[str, list[float]]
    # Descriptors and threads before the first client and after the last.
    before: tuple[int, int]
    after: tuple[int, int]
    trail: TrailCount
    trends: dict[str, Trend]
    unseen: list[dict[str, Any]]
    failures: list[str] = field(default_factory=list)


def cast(stage: Stage, minutes: float) -> list[Actor]:
    """Everybody; what is meant to happen a few times in an hour happens at least twice in a short soak."""
    return [
        Pgbench(stage, seconds=max(2, min(15, int(minutes * 3))), rate=120),
        Connects(stage), Prepared(stage), Pipelines(stage), Notifications(stage), Scripts(stage),
        Copies(stage), SlowReader(stage), LargeValues(stage), LargeStatements(stage),
        *(Refusals(stage, database) for database in PRODUCTION), Migrations(stage),
        Director(stage, pause=min(60.0, minutes * 60 / 8)),
        Cancels(stage), Vanishing(stage), Idlers(stage, crowd=60),
    ]  # fmt: skip


def soak(stage: Stage, minutes: float, interval: float = 10, restarts: int = 2, say: Any = print) -> Result:
    """Plays a soak on a stage that has been built."""
    warm_up(stage)
    before = settled(stage, None)
    actors = cast(stage, minutes)
    sampler = Sampler(stage)
    for actor in actors:
        actor.start()
    length = minutes * 60
    due = [length * (number + 1) / (restarts + 1) for number in range(restarts)]
    while (elapsed := time.monotonic() - sampler.begun) < length and stage.holdfast.is_alive:
        sample = sampler.take()
        say(sample)
        if due and elapsed >= due[0]:
            due.pop(0)
            stage.restart_server()
        # Samples are taken on the clock, however long they take.
        time.sleep(max(0.0, min(length, (elapsed // interval + 1) * interval) - (time.monotonic() - sampler.begun)))
    stage.stopping.set()
    for actor in actors:
        actor.join(120)
    return judged(stage, minutes, sampler, before)


def warm_up(stage: Stage) -> None:
    """One session on every way into every database: their catalogs are read, the guard is asked for a grant."""
    for number in range(4):
        for database in (*PRODUCTION, TEST):
            with stage.connect(database, number) as session:
                session.execute("SELECT now()")
    with stage.connect(TEST, 0) as session:
        session.execute("CREATE TABLE warm ()")
        session.execute("DROP TABLE warm")


def settled(stage: Stage, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """Descriptors and threads once nobody is there any more, and as they were `wanted` to be, if they come to that."""
    eventually(lambda: stage.sessions() == 0, 60, lambda: f"the end of {stage.sessions()} sessions at the server")
    # Its connection for grants goes after some seconds, a thread of its pool a little later; that of the watch stays.
    eventually(lambda: stage.own_sessions() == 1, 60, lambda: f"{stage.own_sessions()} sessions of Holdfast's own")
    end = time.monotonic() + 30
    states = [stage.descriptors_and_threads()]
    while time.monotonic() < end and not (is_as(states[-1], wanted) if wanted else states[-10:] == states[-1:] * 10):
        time.sleep(0.5)
        states.append(stage.descriptors_and_threads())
    return states[-1]


def is_as(state: tuple[int, int], wanted: tuple[int, int]) -> bool:
    """The same descriptors, and no more threads: the pool of libdispatch gives some back when it likes."""
    return state[0] == wanted[0] and state[1] <= wanted[1]


def judged(stage: Stage, minutes: float, sampler: Sampler, before: tuple[int, int]) -> Result:
    """Looks at everything that must hold after a soak, and ends the proxy."""
    tally, holdfast = stage.tally, stage.holdfast
    failures = list(tally.unexpected)
    if not holdfast.is_alive:
        said = holdfast.log_text()[-5000:]
        raise AssertionError(f"Holdfast died with {holdfast.process.returncode}; it said:\n{said}")
    after = settled(stage, before)
    sampler.take()
    if not is_as(after, before):
        failures.append(f"descriptors and threads: {before} before, {after} after")
    for database in PRODUCTION:
        if stage.ledgers(database) != stage.identities[database]:
            failures.append(f"tables of {database} were dropped, moved, or emptied")
        if stage.ledger_rows(database) != [LEDGER_ROWS] * len(LEDGERS):
            failures.append(f"rows of {database} are lost: {stage.ledger_rows(database)}")
    counters = stage.counters()
    holdfast.stop()
    trail = count(holdfast.trail.path)
    code, findings, complaint = unseen(holdfast.configuration)
    failures += trail_failures(tally.counts, counters, trail)
    if code not in (0, 1):
        failures.append(f"audit unseen: {complaint}")
    # A restart of the server may leave it open whether a statement was executed.
    excused = {"never_executed"} if tally.counts["restarts of the server"] else set()
    failures += [f"unseen: {item['text']}" for item in findings + trail.findings if item["finding"] not in excused]
    series = sampler.as_lists()
    trends = {}
    if minutes >= MINUTES_FOR_A_TREND:
        # The last sample is of the time after the soak.
        trends = {
            name: trend(series["seconds"][:-1], series[name][:-1], allowed)
            for name, allowed in (("resident", 0), ("anonymous", 0), ("descriptors", 0), ("threads", POOL_THREADS))
        }
        failures += [f"not flat: {name}, {found}" for name, found in trends.items() if not found.is_flat]
    return Result(
        minutes, stage.selector, dict(tally.counts), counters, series, before, after, trail, trends, findings, failures
    )


def trail_failures(done: dict[str, int], counters: dict[str, int], trail: TrailCount) -> list[str]:
    """What the actors have counted, what the proxy has, and what stands in the trail must agree.

    What a restart of the server broke off may stand in the trail without having been counted by its actor.
    """
    events = Counter(trail.events)
    failures = []
    if not trail.is_whole:
        failures.append(
            f"{events['gap']} gaps in the trail, and {len(trail.incomplete)} records alone: {trail.incomplete[:5]}"
        )
    for what, recorded, counted in (
        ("refusals", events["refusal"], counters["statements_refused"]),
        ("ends of sessions", events["session_end"], events["session_start"]),
        ("sessions", events["session_start"], counters["logins_completed"]),
        ("reloads", events["reload"], done["reloads"]),
    ):
        if recorded != counted:
            failures.append(f"{what}: {recorded} in the trail, {counted} counted")
    broken = done.get("broken by a restart of the server", 0)
    refused = done["statements refused"] + done["large statements refused"]
    for what, recorded, counted in (
        ("refusals", events["refusal"], refused), ("statements of DDL", trail.migrations, done["statements of DDL"]),
    ):  # fmt: skip
        if not counted <= recorded <= counted + broken:
            failures.append(f"{what}: {recorded} in the trail, {counted} seen by the actors, {broken} turns broken off")
    return failures
