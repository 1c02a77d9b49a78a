"""Holdfast is killed at random points under DDL: what the server has done is in the trail, and the trail is whole."""

import json
import os
import random
import subprocess
import threading
import time
from pathlib import Path

import psycopg

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.proxy import Holdfast, binary

# scripts/crash-audit sets more.
KILLS = int(os.environ.get("HOLDFAST_TEST_KILLS", "12"))
SESSIONS = 6


class Sessions:
    """Threads that make tables, each with a number of its own, and connect again whenever they have lost the proxy."""

    def __init__(self, holdfast: Holdfast, database: str) -> None:
        self._holdfast = holdfast
        self._database = database
        self._stopping = threading.Event()
        self._numbers = iter(range(10_000_000))
        self._lock = threading.Lock()
        self.answered: set[str] = set()
        self._threads = [threading.Thread(target=self._run) for _ in range(SESSIONS)]
        for thread in self._threads:
            thread.start()

    def _number(self) -> int:
        with self._lock:
            return next(self._numbers)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._holdfast.connect(self._database) as connection:
                    while not self._stopping.is_set():
                        name = f"crash_{self._number()}"
                        connection.execute(f"CREATE TABLE {name} (n int)")  # type: ignore[call-overload]
                        self.answered.add(name)
            except (psycopg.Error, OSError, IndexError):
                # The proxy is gone, or has not come back yet.
                self._stopping.wait(0.005)

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)


def lines_of(folder: Path) -> list[str]:
    lines: list[str] = []
    closed = {path.name.removesuffix(".zst"): path for path in sorted(folder.glob("audit-*.jsonl*"), reverse=True)}
    for _, path in sorted(closed.items()):
        if path.suffix == ".zst":
            lines += subprocess.run(["zstdcat", path], capture_output=True, check=True).stdout.decode().split("\n")
        elif path.suffix == ".jsonl":
            lines += path.read_text().split("\n")
    return [line for line in lines + (folder / "audit.jsonl").read_text().split("\n") if line]


def test_whenever_it_is_killed_the_trail_has_what_the_server_did(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    # Files are closed and compressed all the time.
    holdfast = start_holdfast(audit={"file": "audit.jsonl", "rotate_size": "64kB"})
    sessions = Sessions(holdfast, production)
    chance = random.Random(20261126)
    try:
        for _ in range(KILLS):
            # Not an event to be awaited: the kill is to come at any point.
            time.sleep(chance.uniform(0.01, 0.4))
            holdfast.kill()
            holdfast.restart()
    finally:
        sessions.stop()
    holdfast.stop()

    made = {
        row[0]
        for row in postgres.rows("SELECT relname FROM pg_class WHERE relname LIKE 'crash\\_%' AND relkind = 'r'", production)
    }
    assert sessions.answered <= made
    assert len(made) > KILLS
    torn, intents, outcomes = 0, {}, {}
    for line in lines_of(holdfast.folder):
        try:
            record = json.loads(line)
        except ValueError:
            torn += 1
            continue
        if record["event"] == "intent":
            intents[record["id"]] = record["sql"].split()[2]
        elif record["event"] == "outcome":
            assert record["id"] not in outcomes, f"{record['id']} has two outcomes"
            outcomes[record["id"]] = record["transaction"]
    # What the server has, was announced; what was announced has an outcome, and where it says committed, the server has it.
    assert made <= set(intents.values()), made - set(intents.values())
    assert set(intents) == set(outcomes)
    committed = {intents[id] for id, transaction in outcomes.items() if transaction == "committed"}
    assert committed <= made
    assert sessions.answered <= {intents[id] for id in outcomes}
    result = subprocess.run(
        [binary(), "audit", "verify", "--json", "--config", holdfast.configuration], capture_output=True, text=True
    )
    verified = json.loads(result.stdout)
    assert result.returncode == 0, verified["findings"][:5]
    assert verified["recovered"] == torn
    print(
        f"{KILLS} kills: {len(made)} tables, {len(intents)} intents, {verified['records']} records in {verified['files']} "
        f"files, {torn} torn lines, {sum(t == 'unknown' for t in outcomes.values())} unknown outcomes"
    )
