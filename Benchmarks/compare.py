"""Runs pgbench -S through every contender, round by round, and prints medians and ratios."""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from contenders import Contender, Field
from support.postgres import PostgresServer
from support.programs import program, run

DATABASE = "bench"
REFERENCE = "pgbouncer"


@dataclass
class Sample:
    """What one pgbench run gave."""

    throughput: float
    latency_ms: float
    cpu_per_100k: float


@dataclass(frozen=True)
class Cell:
    mode: str
    clients: int


def measure(contender: Contender, cell: Cell, seconds: int) -> Sample:
    before = contender.cpu_seconds()
    printed = run(
        program("pgbench"), "--select-only", "--no-vacuum", f"--protocol={cell.mode}", f"--client={cell.clients}",
        "--jobs=1", f"--time={seconds}", "--host", contender.host, "--port", str(contender.port),
        "--username=postgres", DATABASE, timeout=seconds + 60,
    ).stdout  # fmt: skip
    cpu = contender.cpu_seconds() - before
    transactions = int(found(r"actually processed: (\d+)", printed))
    assert found(r"failed transactions: (\d+)", printed) == "0", printed
    return Sample(
        throughput=float(found(r"tps = ([\d.]+)", printed)),
        latency_ms=float(found(r"latency average = ([\d.]+) ms", printed)),
        cpu_per_100k=cpu / transactions * 100_000,
    )


def found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, f"no {pattern!r} in:\n{text}"
    return match[1]


def middle(samples: list[Sample]) -> Sample:
    return Sample(
        median(sample.throughput for sample in samples),
        median(sample.latency_ms for sample in samples),
        median(sample.cpu_per_100k for sample in samples),
    )


def table(cell: Cell, contenders: list[Contender], samples: dict[tuple[str, Cell], list[Sample]]) -> list[str]:
    lines = [
        "",
        f"### {cell.mode}, {cell.clients} client{'s' if cell.clients > 1 else ''}",
        "",
        "| | transactions/s | latency, ms | CPU s per 100,000 | spread | CPU to PgBouncer | throughput to PgBouncer |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for contender in contenders:
        # A contender on the server's Unix socket is compared with PgBouncer on that socket.
        reference_name = contender.name.replace(contender.name.split()[0], REFERENCE)
        reference = middle(samples[reference_name, cell]) if (reference_name, cell) in samples else None
        runs = samples[contender.name, cell]
        sample = middle(runs)
        costs = [run.cpu_per_100k for run in runs]
        has_cost = contender.pid is not None
        cpu = f"{sample.cpu_per_100k:.2f}" if has_cost else "–"
        spread = f"{min(costs):.2f}–{max(costs):.2f}" if has_cost else "–"
        cpu_ratio = f"{sample.cpu_per_100k / reference.cpu_per_100k:.2f}" if has_cost and reference else "–"
        ratio = f"{sample.throughput / reference.throughput:.2f}" if reference else "–"
        lines.append(
            f"| {contender.name} | {sample.throughput:,.0f} | {sample.latency_ms:.3f} | {cpu} | {spread} | {cpu_ratio} |"
            f" {ratio} |"
        )
    return lines


def introduction(options: argparse.Namespace, contenders: list[Contender], load: tuple[float, float]) -> list[str]:
    model = found(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    versions = [
        run(program("pgbench"), "--version").stdout.strip(),
        run("/usr/sbin/pgbouncer", "--version").stdout.splitlines()[0],
        run("/usr/sbin/haproxy", "-v").stdout.split(" - ")[0].strip(),
        "holdfast " + run(os.environ["HOLDFAST_BIN"], "--version").stdout.strip(),
    ]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    memory = ", ".join(
        f"{contender.name} {contender.resident_megabytes():.0f} MB" for contender in contenders if contender.pid
    )
    return [
        "# Benchmarks",
        "",
        "`pgbench -S` against one PostgreSQL: directly, through PgBouncer (session mode), through HAProxy (TCP, two threads)"
        " and through Holdfast with the shipped rules on a production database, judging and audit trail on. Every round"
        " visits every contender; the tables show medians over the rounds. CPU is the proxy process' user and system time"
        " (all threads). Names with (socket) reach the server over its Unix socket instead of loopback TCP, and are compared with"
        " PgBouncer doing the same.",
        "",
        "Written by `Benchmarks/run --markdown docs/benchmarks.md`. On a shared machine throughput and latency swing with"
        " the neighbours; CPU per transaction swings less, and only figures of one run can be compared.",
        "",
        f"- {time.strftime('%Y-%m-%d')}, commit {commit}, {options.rounds} rounds of {options.seconds} s a cell",
        f"- {os.cpu_count()} × {model}, Linux {platform.release()}, load {load[0]:.1f} before and {load[1]:.1f} after",
        f"- {', '.join(versions)}",
        f"- resident memory after the run: {memory}",
    ]


def integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="Benchmarks/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each run of pgbench (default 5)")
    parser.add_argument("--clients", type=integers, default=[1, 8, 32], help="default 1,8,32")
    parser.add_argument("--modes", type=lambda text: text.split(","), default=["simple", "prepared"])
    parser.add_argument(
        "--contenders", type=lambda text: text.split(","), default=["direct", "pgbouncer", "haproxy", "holdfast"]
    )
    parser.add_argument("--socket", action="store_true", help="also with a Unix socket to the server")
    parser.add_argument("--loops", type=int, default=0, help="Holdfast's event loops (default: one per core)")
    parser.add_argument("--scale", type=int, default=10, help="pgbench's scale (default 10)")
    parser.add_argument("--markdown", type=Path, help="also write the report to this file")
    options = parser.parse_args()

    server = PostgresServer(extra_settings="shared_buffers = 512MB\nlog_min_messages = warning")
    field = Field(server, DATABASE, options.loops)
    try:
        server.start()
        server.execute(f"CREATE DATABASE {DATABASE}")
        run(
            program("pgbench"), "--initialize", "--quiet", f"--scale={options.scale}", "--host", server.host,
            "--port", str(server.port), "--username=postgres", DATABASE,
        )  # fmt: skip
        contenders = [field.start(name, by_socket=False) for name in options.contenders]
        if options.socket:
            contenders += [field.start(name, by_socket=True) for name in options.contenders]
        cells = [Cell(mode, clients) for mode in options.modes for clients in options.clients]
        samples: dict[tuple[str, Cell], list[Sample]] = defaultdict(list)
        load_before = os.getloadavg()[0]
        for round_number in range(options.rounds):
            for cell in cells:
                for index in range(len(contenders)):
                    # Each round begins with another contender, so that none always follows the same one.
                    contender = contenders[(index + round_number) % len(contenders)]
                    sample = measure(contender, cell, options.seconds)
                    samples[contender.name, cell].append(sample)
                    print(
                        f"round {round_number + 1} {cell.mode:9} {cell.clients:3} {contender.name:19}"
                        f" {sample.throughput:9,.0f}/s {sample.cpu_per_100k:6.2f} CPU s per 100,000",
                        file=sys.stderr,
                    )
        report = introduction(options, contenders, (load_before, os.getloadavg()[0]))
        for cell in cells:
            report += table(cell, contenders, samples)
        print("\n".join(report))
        if options.markdown:
            options.markdown.write_text("\n".join(report) + "\n")
    finally:
        field.close()
        server.remove()
    return 0


if __name__ == "__main__":
    sys.exit(main())
