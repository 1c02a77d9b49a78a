"""Where, when and with what a run was made."""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from contenders import HAPROXY, PGBOUNCER
from meters import CallCounter
from scenarios import Scenario
from support.programs import program, run
from support.proxy import binary


class Load:
    """How busy the machine was with other things before, and how busy it was after; and how long it took."""

    def __init__(self) -> None:
        self._before = os.getloadavg()[0]
        self._began = time.monotonic()
        self._steal = stolen_seconds()

    def facts(self) -> dict[str, str]:
        minutes = (time.monotonic() - self._began) / 60
        stolen = (stolen_seconds() - self._steal) / (minutes * 60) / (os.cpu_count() or 1)
        return {
            "load": f"{self._before:.1f} before, {os.getloadavg()[0]:.1f} at the end (the run's own included);"
            f" {stolen:.1%} of the processors' time went to other machines of the host (steal)",
            "duration": f"{minutes:.0f} minutes",
        }


def stolen_seconds() -> float:
    """Of all processors since the machine started (proc(5), /proc/stat)."""
    return int(Path("/proc/stat").read_text().split()[8]) / os.sysconf("SC_CLK_TCK")


def facts(options: argparse.Namespace, rounds: int, scenarios: list[Scenario]) -> dict[str, str]:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    versions = [
        run(program("postgres"), "--version").stdout.strip(),
        run(PGBOUNCER, "--version").stdout.splitlines()[0],
        run(HAPROXY, "-v").stdout.split(" - ")[0].strip(),
        "Holdfast " + run(binary(), "--version").stdout.strip(),
        run("openssl", "version").stdout.strip(),
    ]
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "commit": commit(),
        "machine": f"{os.cpu_count()} × {model[1] if model else platform.machine()},"
        f" {int(memory[1]) * 1024 / 1e9 if memory else 0:.0f} GB, Linux {platform.release()}",
        "versions": ", ".join(versions),
        "run": f"{rounds} round{'s' if rounds != 1 else ''}, {options.seconds} s a cell, {len(scenarios)} scenarios"
        + (", quick" if options.quick else ""),
        "command": " ".join(["Benchmarks/run", *sys.argv[1:]]),
        "system calls": f"counted by {CallCounter.find_tool() or 'nothing: there is neither perf nor strace'}",
    }


def commit() -> str:
    """Of the sources beside this program; the binary may be another (HOLDFAST_BIN)."""
    folder = Path(__file__).parent
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, text=True
    ).stdout.strip()
    return described or "unknown"
