"""What system calls a process makes, counted by strace."""

import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def counted_system_calls(pid: int, folder: Path) -> Iterator[dict[str, int]]:
    """Counts the calls of all of the process's threads while the block runs; the counts are there after it."""
    table = folder / "system-calls"
    counts: dict[str, int] = {}
    tracer = subprocess.Popen(
        ["strace", "-f", "-c", "-o", str(table), "-p", str(pid)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert tracer.stderr
        said = tracer.stderr.readline()
        assert "attached" in said, said
        yield counts
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=20)
    for line in table.read_text().splitlines():
        # % time, seconds, usecs/call, calls, errors (if any), name
        if row := re.fullmatch(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)", line):
            if row[2] != "total":
                counts[row[2]] = int(row[1])
