"""What a process uses while something goes on: processor time, context switches, memory, system calls."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from support.programs import eventually

# The kernel's number of the clock that counts one process' time on a processor is made of the process' own number
# and this (CPUCLOCK_SCHED: nanoseconds on any processor, kernel and user, all threads, those that have ended too).
SCHEDULED_TIME = 2


@dataclass(frozen=True)
class Usage:
    """Between two readings of one process."""

    # Seconds since 1970.
    began: float
    ended: float
    cpu_seconds: float
    # Voluntary and involuntary, of the threads that lived at both readings.
    context_switches: int
    # The most that was resident at once, and what was resident at the first reading.
    peak_megabytes: float
    first_megabytes: float

    @property
    def wall_seconds(self) -> float:
        return self.ended - self.began


class Meter:
    """Reads one process; without one (there is no proxy) everything but the wall clock is 0.

    `start` forgets the peak of before; `stop` may be asked more than once.
    """

    def __init__(self, pid: int | None) -> None:
        self.pid = pid

    def start(self) -> None:
        if self.pid is not None:
            # 5 resets the peak of the resident memory (proc(5)).
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        self._memory = self._megabytes("VmRSS")
        self._switches = self._switches_by_thread()
        self._cpu = self.cpu_seconds()
        self._began = time.time()

    def stop(self) -> Usage:
        ended = time.time()
        cpu = self.cpu_seconds()
        switches = sum(count - self._switches.get(thread, 0) for thread, count in self._switches_by_thread().items())
        return Usage(self._began, ended, cpu - self._cpu, switches, self._megabytes("VmHWM"), self._memory)

    def cpu_seconds(self) -> float:
        """Of all threads since the process began."""
        if self.pid is None:
            return 0
        return time.clock_gettime(~self.pid << 3 | SCHEDULED_TIME)

    def _megabytes(self, key: str) -> float:
        if self.pid is None:
            return 0
        return number_in(Path(f"/proc/{self.pid}/status").read_text(), key) * 1024 / 1e6

    def _switches_by_thread(self) -> dict[str, int]:
        if self.pid is None:
            return {}
        counts = {}
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            try:
                status = (thread / "status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            counts[thread.name] = number_in(status, "voluntary_ctxt_switches") + number_in(
                status, "nonvoluntary_ctxt_switches"
            )
        return counts


def number_in(status: str, key: str) -> int:
    """From the text of a /proc/PID/status; memory is in units of 1024 bytes there."""
    match = re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)
    assert match, f"no {key} in {status!r}"
    return int(match[1])


class CallCounter:
    """Counts the system calls of a process between `start` and `stop`.

    By the kernel's own tracepoint through `perf` where that works, else by `strace`, which slows the process down
    a lot; so it is never used while something is timed. `CallCounter.tool` is None where there is neither.
    """

    tool: str | None = None
    _was_looked_for = False

    @classmethod
    def find_tool(cls) -> str | None:
        if not cls._was_looked_for:
            cls._was_looked_for = True
            if shutil.which("perf") and cls._perf_works():
                cls.tool = "perf"
            elif shutil.which("strace") and cls._strace_works():
                cls.tool = "strace"
        return cls.tool

    @staticmethod
    def _perf_works() -> bool:
        attempt = subprocess.run(
            ["perf", "stat", "-x", ";", "-e", "raw_syscalls:sys_enter", "true"], capture_output=True, text=True
        )
        return attempt.returncode == 0 and perf_count(attempt.stderr) is not None

    @staticmethod
    def _strace_works() -> bool:
        """Not where tracing is forbidden, as in some containers."""
        attempt = subprocess.run(["strace", "-c", "-o", "/dev/null", "true"], capture_output=True)
        return attempt.returncode == 0

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def start(self) -> None:
        handle, name = tempfile.mkstemp(prefix="holdfast-bench-calls-")
        os.close(handle)
        self._output = Path(name)
        if self.find_tool() == "perf":
            command = ["perf", "stat", "-x", ";", "-e", "raw_syscalls:sys_enter", "-o", name, "-p", str(self._pid)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            # perf says nothing when it has begun; it holds one event for each thread by then.
            threads = len(os.listdir(f"/proc/{self._pid}/task"))
            eventually(lambda: self._events() >= threads or self._has_ended(), what="perf counting")
        else:
            command = ["strace", "-f", "-c", "-o", name, "-p", str(self._pid)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            eventually(lambda: self._is_traced() or self._has_ended(), what="strace attached")

    def stop(self) -> int:
        self._process.send_signal(signal.SIGINT)
        _, said = self._process.communicate(timeout=20)
        printed = self._output.read_text()
        self._output.unlink()
        count = perf_count(printed) if self.tool == "perf" else strace_count(printed)
        assert count is not None, f"{self.tool} counted nothing:\n{printed}\n{said.decode(errors='replace')}"
        return count

    def _has_ended(self) -> bool:
        return self._process.poll() is not None

    def _events(self) -> int:
        links = 0
        try:
            for descriptor in Path(f"/proc/{self._process.pid}/fd").iterdir():
                links += "perf_event" in os.readlink(descriptor)
        except OSError:
            return 0
        return links

    def _is_traced(self) -> bool:
        tasks = Path(f"/proc/{self._pid}/task").iterdir()
        return all(number_in((task / "status").read_text(), "TracerPid") for task in tasks)


def perf_count(printed: str) -> int | None:
    """From what `perf stat -x ';'` prints; None where it could not count."""
    for line in printed.splitlines():
        fields = line.split(";")
        if len(fields) > 2 and fields[2].startswith("raw_syscalls") and fields[0].isdigit():
            return int(fields[0])
    return None


def strace_count(printed: str) -> int | None:
    """From the table of `strace -c`: the calls of its last line."""
    for line in reversed(printed.splitlines()):
        fields = line.split()
        if fields and fields[-1] == "total":
            # % time, seconds, usecs/call, calls, errors (left out where there are none).
            return int(fields[3])
    return None
