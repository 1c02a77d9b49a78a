"""What watches cost: many databases of many tables in one process, and whether sessions notice.

    Benchmarks/watch                         # 500 databases of 200 tables, at an interval of one minute
    Benchmarks/watch --databases 20 --seconds 15

Starts a PostgreSQL of its own, fills it, accepts every database's state, and lets `holdfast serve` watch them all. Needs the
Python packages of Tests/EndToEnd/requirements.txt. HOLDFAST_BIN names the binary; else the release build.
"""

import argparse
import os
import statistics
import subprocess
import time
from pathlib import Path

from support.postgres import PostgresServer, open_folder
from support.programs import eventually, run
from support.proxy import Holdfast, ProxySettings, binary

TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def server_cpu(server: PostgresServer) -> float:
    """The postmaster's, and that of its children that have ended."""
    pid = int((server.data / "postmaster.pid").read_text().split()[0])
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(field) for field in fields[11:15]) / TICK


def fill(server: PostgresServer, databases: int, tables: int) -> None:
    server.execute("CREATE DATABASE model")
    columns = "id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, " + ", ".join(
        f"c{n} varchar(40) NOT NULL DEFAULT 'x'" if n % 2 else f"c{n} timestamptz" for n in range(9)
    )
    with server.connect("model") as connection:
        for table in range(tables):
            connection.execute(f"CREATE TABLE table_{table:03} ({columns})")
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.execute("VACUUM ANALYZE")
    for number in range(databases):
        server.execute(f"CREATE DATABASE shop_{number:03} TEMPLATE model STRATEGY file_copy")


def latencies(holdfast: Holdfast, seconds: float) -> list[float]:
    """One client's SELECTs in milliseconds, as many as fit."""
    samples = []
    end = time.monotonic() + seconds
    with holdfast.connect("postgres") as connection:
        while time.monotonic() < end:
            began = time.perf_counter()
            connection.execute("SELECT 1")
            samples.append((time.perf_counter() - began) * 1000)
            # A client, not a flood: it must not take the machine that it measures.
            time.sleep(0.002)
    return samples


def shown(samples: list[float]) -> str:
    ordered = sorted(samples)
    at = lambda share: ordered[min(len(ordered) - 1, int(len(ordered) * share))]  # noqa: E731
    return f"p50 {statistics.median(ordered):.3f} ms, p99 {at(0.99):.3f} ms ({len(ordered)} statements)"


def resident(pid: int) -> float:
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("VmRSS:")) / 1024  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", type=int, default=500)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60, help="how long serve is measured; also the interval")
    options = parser.parse_args()
    folder = open_folder("holdfast-watch-benchmark-")
    server = PostgresServer()
    try:
        server.start()
        began = time.monotonic()
        fill(server, options.databases, options.tables)
        print(f"filled: {options.databases} databases of {options.tables} tables in {time.monotonic() - began:.0f} s")
        measure(server, folder, options)
    finally:
        server.remove()
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def measure(server: PostgresServer, folder: Path, options: argparse.Namespace) -> None:
    base = f"host={server.host} port={server.port} user=postgres"
    watches = [
        {"name": f"shop_{n:03}", "connection": f"{base} dbname=shop_{n:03}", "interval": f"{options.seconds}s"}
        for n in range(options.databases)
    ]
    state = {"state": str(folder / "state")}
    settings = ProxySettings(server=server.address, watch=watches, watching=state)
    configuration = folder / "watch.conf"
    configuration.write_text(settings.text())
    for what, extra in (("accept and look", ["--accept"]), ("look", [])):
        usage, busy, began = os.times(), server_cpu(server), time.monotonic()
        done = run(binary(), "watch", "--config", configuration, "--json", *extra, timeout=600, check=False)
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        after = os.times()
        used = after.children_user + after.children_system - usage.children_user - usage.children_system
        print(f"{what}: {time.monotonic() - began:.1f} s, Holdfast {used:.2f} s of CPU, "
              f"the server {server_cpu(server) - busy:.2f} s")  # fmt: skip

    (folder / "alone").mkdir()
    alone = Holdfast(folder / "alone", ProxySettings(server=server.address))
    alone.start()
    quiet = latencies(alone, min(20, options.seconds))
    alone.stop()
    (folder / "watching").mkdir()
    watching = Holdfast(folder / "watching", settings)
    watching.start()
    # The first rounds send every catalog whole.
    eventually(lambda: len(list((folder / "state").glob("*.state.json"))) == options.databases, 300, "all first rounds")
    first = cpu(watching.pid)
    used, busy = cpu(watching.pid), server_cpu(server)
    samples = latencies(watching, options.seconds)
    used, busy = cpu(watching.pid) - used, server_cpu(server) - busy
    print(f"serve, first rounds: {first:.2f} s of CPU")
    print(f"serve, then {options.seconds} s: Holdfast {used:.2f} s of CPU ({used / options.seconds * 100:.1f} % of a core, "
          f"{used / options.databases * 1000:.2f} ms a round), the server {busy:.2f} s "
          f"({busy / options.databases * 1000:.1f} ms a round), {resident(watching.pid):.0f} MB resident")  # fmt: skip
    print(f"SELECT 1 through the proxy, no watches: {shown(quiet)}")
    print(f"SELECT 1 through the proxy, watching:   {shown(samples)}")
    assert not watching.trail.records(event="watch"), "a watch found something"
    watching.stop()


if __name__ == "__main__":
    main()
