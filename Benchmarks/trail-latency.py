#!/usr/bin/env python3
"""What the audit trail adds to a DDL statement of one of many sessions, and to statements that are not recorded.

    PYTHONPATH=Tests/EndToEnd .venv/bin/python Benchmarks/trail-latency.py [sessions] [rounds] [seconds]

Each round has a turn of each contender, in another order: no proxy, and Holdfast with each durability of the trail. In a turn
all sessions run COMMENT ON TABLE as fast as they can; then eight run pgbench's SELECT while half of the others go on with
that. Beside it, how long this machine's fdatasync of one record takes, alone and while the sessions run.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

from contenders import Contender, Field, Route
from figures import Latencies
from scenarios.pgbench import Load, LogFolder

SESSIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 64
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 3
SELECTING = 8
CONTENDERS = ("direct", "async", "write", "fsync")
ROUTE = Route()


class Flushes:
    """Appends a line and has it brought to the disk, again and again, and notes how long that takes."""

    def __init__(self, pause: float) -> None:
        self.times: list[int] = []
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        # Where the proxies have their trails.
        with tempfile.NamedTemporaryFile(prefix="holdfast-bench-flush-") as file:
            while not self._ended.wait(self._pause):
                start = time.perf_counter_ns()
                os.write(file.fileno(), b"x" * 700 + b"\n")
                os.fdatasync(file.fileno())
                self.times.append((time.perf_counter_ns() - start) // 1000)

    def __enter__(self) -> "Flushes":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def started(field: Field) -> dict[str, Contender]:
    found = {"direct": field.contender("direct", ROUTE)}
    for durability in CONTENDERS[1:]:
        found[durability] = field._holdfast(
            durability, ROUTE, audit={"file": "audit.jsonl", "durability": durability}
        )
    return found


def main() -> None:
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    flushes: list[int] = []
    with Field(scale=10) as field, tempfile.TemporaryDirectory() as folder:
        for number in range(SESSIONS):
            field.server.execute(f"CREATE TABLE commented_{number} (id int)", field.database)
        script = Path(folder) / "comment.sql"
        script.write_text("COMMENT ON TABLE commented_:client_id IS 'so many words about it';\n")
        ddl = Load((f"--file={script}",), SESSIONS)
        some_ddl = Load((f"--file={script}",), SESSIONS // 2)
        select = Load(("--builtin=select-only", "--protocol=prepared"), SELECTING)
        contenders = started(field)
        with Flushes(0.002) as alone:
            time.sleep(2)
        for index in range(ROUNDS):
            for name in CONTENDERS[index % len(CONTENDERS) :] + CONTENDERS[: index % len(CONTENDERS)]:
                contender = contenders[name]
                with Flushes(0.02) as beside:
                    run = ddl.run(contender, SECONDS)
                flushes += beside.times
                note(figures[name], "ddl", run)
                with LogFolder() as log:
                    noise = some_ddl._start(contender, log, f"--time={SECONDS + 2}")
                    try:
                        note(figures[name], "select beside ddl", select.run(contender, SECONDS))
                    finally:
                        noise.kill()
                        noise.wait()
                note(figures[name], "select alone", select.run(contender, SECONDS))
    quiet, busy = Latencies(alone.times), Latencies(flushes)
    print(f"fdatasync of one record, µs: alone p50 {quiet.percentile(0.5)}, p99 {quiet.percentile(0.99)};"
          f" while {SESSIONS} sessions run DDL p50 {busy.percentile(0.5)}, p99 {busy.percentile(0.99)}")  # fmt: skip
    for what in ("ddl", "select beside ddl", "select alone"):
        print(f"\n{what}: medians of {ROUNDS} rounds (least to most)")
        for name in CONTENDERS:
            print(f"  {name:7}" + "".join(
                f"  {metric} {shown(figures[name][f'{what} {metric}'])}" for metric in ("rate", "p50", "p99", "cpu")
            ))  # fmt: skip
    for base in ("async", "write"):
        added = [
            [figures["fsync"][f"ddl {metric}"][index] - figures[base][f"ddl {metric}"][index] for index in range(ROUNDS)]
            for metric in ("p50", "p99")
        ]
        print(f"\nfsync over {base}, µs: p50 {shown(added[0])}, p99 {shown(added[1])};"
              f" in times of fdatasync's p50 beside it: {statistics.median(added[0]) / busy.percentile(0.5):.2f},"
              f" {statistics.median(added[1]) / busy.percentile(0.5):.2f}")  # fmt: skip
    for what in ("select beside ddl", "select alone"):
        ratios = [fsync / other for fsync, other in
                  zip(figures["fsync"][f"{what} rate"], figures["async"][f"{what} rate"], strict=True)]  # fmt: skip
        print(f"{what}, rate with fsync to rate with async: {shown(ratios)}")


def note(figures: dict[str, list[float]], what: str, run) -> None:
    figures[f"{what} rate"].append(run.throughput)
    for metric, share in (("p50", 0.5), ("p99", 0.99)):
        figures[f"{what} {metric}"].append(run.latencies.percentile(share))
    figures[f"{what} cpu"].append(run.usage.cpu_seconds / run.transactions * 100_000)


def shown(values: list[float]) -> str:
    def text(value: float) -> str:
        return f"{value:,.0f}" if abs(value) >= 20 else f"{value:.2f}"

    return f"{text(statistics.median(values))} ({text(min(values))} to {text(max(values))})"


if __name__ == "__main__":
    main()
