"""pgbench as a load: one run, its transactions with their times, what the proxy used meanwhile."""

import math
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from contenders import Contender
from figures import PERCENTILES, Latencies
from meters import CallCounter, Usage
from support.programs import program

from .base import Measurement

# Left out at the end of a run, so that no session has ended within the measured time (as much as it takes until the
# first transactions are through goes at the beginning).
TAIL = 0.2
# What is too short to be measured.
SHORTEST = 0.3
# So long a load goes on before system calls are counted.
SETTLING = 0.7


class LoadFailed(Exception):
    """pgbench ended badly, or transactions failed; the text is what it printed."""


@dataclass(frozen=True)
class Transaction:
    """A line of pgbench's log (the manual: pgbench, Per-Transaction Logging)."""

    microseconds: int
    # Seconds since 1970, when it was complete.
    completed: float


def transactions_in(log: str) -> list[Transaction]:
    """From the text of a log; its last line may have been cut off."""
    complete, _, _ = log.rpartition("\n")
    found = []
    for line in complete.splitlines():
        _, _, microseconds, _, seconds, fraction, *_ = line.split()
        found.append(Transaction(int(microseconds), int(seconds) + int(fraction) / 1e6))
    return found


def check_report(printed: str, exit_code: int) -> int:
    """How many transactions pgbench processed, all of them well; else LoadFailed."""
    processed = re.search(r"actually processed: (\d+)", printed)
    failed = re.search(r"failed transactions: (\d+)", printed)
    if exit_code != 0 or not processed or not failed or failed[1] != "0" or "aborted" in printed:
        raise LoadFailed(f"pgbench ended with {exit_code}:\n{printed}")
    return int(processed[1])


@dataclass(frozen=True)
class Run:
    """What happened between two moments of a run at which all sessions were at work."""

    transactions: int
    latencies: Latencies
    usage: Usage

    @property
    def throughput(self) -> float:
        return self.transactions / self.usage.wall_seconds

    def measurements(self, is_proxy: bool) -> list[Measurement]:
        found = [Measurement("throughput", self.throughput, "transactions/s")]
        for name, share in PERCENTILES.items():
            found.append(Measurement(f"latency-{name}", self.latencies.percentile(share) / 1000, "ms"))
        if is_proxy:
            usage = self.usage
            found += [
                Measurement("cpu", usage.cpu_seconds / self.transactions * 100_000, "s per 100,000 transactions"),
                Measurement("switches", usage.context_switches / self.transactions, "per transaction"),
                Measurement("memory", usage.peak_megabytes, "MB"),
            ]
        return found


@dataclass(frozen=True)
class Load:
    """What pgbench does: `arguments` choose script and protocol."""

    arguments: tuple[str, ...]
    clients: int

    def run(self, contender: Contender, seconds: int) -> Run:
        """Runs for so many whole seconds; measures while all sessions are at work, so a little less.

        Many clients, whose connecting goes off pgbench's time, are given a second more.
        """
        length = seconds + self.clients // 100
        with LogFolder() as folder:
            process = self._start(contender, folder, f"--time={length}")
            try:
                start = time.time()
                folder.wait_for_first(process, length / 2)
                meter = contender.meter
                meter.start()
                ended_early = wait_for(process, max(SHORTEST, start + length - TAIL - time.time()))
                usage = meter.stop()
                printed, _ = process.communicate(timeout=60)
            finally:
                process.kill()
                process.wait()
            contender.check()
            check_report(printed, process.returncode)
            if ended_early:
                raise LoadFailed(f"pgbench ended before its time:\n{printed}")
            found = [one for one in transactions_in(folder.text()) if usage.began <= one.completed <= usage.ended]
        if not found:
            raise LoadFailed(f"no transaction was complete within {seconds} s:\n{printed}")
        return Run(len(found), Latencies(one.microseconds for one in found), usage)

    def run_count(self, contender: Contender, transactions: int) -> Run:
        """So many transactions of each client, from connecting to disconnecting: for trying out, not for timing."""
        with LogFolder() as folder:
            meter = contender.meter
            meter.start()
            printed = self._complete(contender, transactions, folder)
            usage = meter.stop()
            processed = check_report(*printed)
            found = transactions_in(folder.text())
        if len(found) != processed:
            raise LoadFailed(f"{len(found)} of {processed} transactions are in the log")
        return Run(processed, Latencies(one.microseconds for one in found), usage)

    def calls_per_transaction(self, contender: Contender, seconds: float) -> float | None:
        """System calls in so many seconds in the middle of a run, by the transactions that were completed meanwhile.

        Not from a run's beginning to its end: connecting would be in it, and a proxy that goes by what its load is like
        has not made up its mind yet. None where nothing can count them.
        """
        if contender.pid is None or CallCounter.find_tool() is None:
            return None
        counter = CallCounter(contender.pid)
        with LogFolder() as folder:
            process = self._start(contender, folder, f"--time={math.ceil(2 * SETTLING + seconds + TAIL)}")
            try:
                folder.wait_for_first(process, SETTLING)
                wait_for(process, SETTLING)
                counter.start()
                began = time.time()
                ended_early = wait_for(process, seconds)
                ended = time.time()
                count = counter.stop()
                printed, _ = process.communicate(timeout=120)
            finally:
                process.kill()
                process.wait()
            contender.check()
            check_report(printed, process.returncode)
            if ended_early:
                raise LoadFailed(f"pgbench ended before its time:\n{printed}")
            found = [one for one in transactions_in(folder.text()) if began <= one.completed <= ended]
        if not found:
            raise LoadFailed(f"no transaction was complete within {seconds} s:\n{printed}")
        return count / len(found)

    def _complete(self, contender: Contender, transactions: int, folder: "LogFolder") -> tuple[str, int]:
        process = self._start(contender, folder, f"--transactions={transactions}")
        try:
            printed, _ = process.communicate(timeout=120)
        finally:
            process.kill()
            process.wait()
        contender.check()
        return printed, process.returncode

    def _start(self, contender: Contender, folder: "LogFolder", length: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                program("pgbench"), "--no-vacuum", "--log", f"--log-prefix={folder.path}/log", "--jobs=1", length,
                f"--client={self.clients}", *self.arguments,
            ],
            env={**os.environ, "LC_ALL": "C.UTF-8", **contender.environment}, cwd=folder.path,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip


class LogFolder:
    """Where pgbench writes its log: in memory where that is possible, so that no disk is measured."""

    def __enter__(self) -> "LogFolder":
        memory = Path("/dev/shm")
        parent = memory if os.access(memory, os.W_OK) else None
        self.path = Path(tempfile.mkdtemp(prefix="holdfast-bench-log-", dir=parent))
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path)

    def text(self) -> str:
        return "".join(file.read_text() for file in self.path.glob("log.*"))

    def wait_for_first(self, process: subprocess.Popen[str], seconds: float) -> None:
        """Until pgbench has written the first buffer of its log: all sessions are connected by then.

        Slow transactions take long to fill it, so it is waited for no longer than this.
        """
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            for file in self.path.glob("log.*"):
                if file.stat().st_size > 0:
                    return
            time.sleep(0.002)


def wait_for(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether it ended before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
