"""Connections, idle and fresh: memory of idle sessions, connections per second, the storm after a server's restart."""

import argparse
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from support.certificates import Authority, Identity
from support.postgres import free_port, open_folder
from support.programs import eventually, unprivileged
from support.proxy import Holdfast, ProxySettings
from support.standin import FILES, StandInClients, StandInServer, connect_often, with_files

CONTENDERS = ("holdfast", "pgbouncer")
TICKS = os.sysconf("SC_CLK_TCK")
# How long clients that reconnect are waited for, in seconds. PgBouncer was not seen to take 2,000 or more back in 120.
PATIENCE = 60


@dataclass(frozen=True)
class Figure:
    """One line of the report."""

    name: str
    contender: str
    value: float
    unit: str


@dataclass
class Proxy:
    """A running contender."""

    name: str
    port: int
    pid: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def memory(self) -> dict[str, int]:
        """Kilobytes: resident, and of that what belongs to no file."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        lines = {line.split()[0].rstrip(":"): line.split()[1] for line in rollup[1:]}
        return {"resident": int(lines["Rss"]), "anonymous": int(lines["Anonymous"])}

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))


@dataclass
class Report:
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, contender: str, value: float, unit: str) -> None:
        self.figures.append(Figure(name, contender, round(value, 3), unit))
        print(f"{name:44} {contender:10} {value:12.3f} {unit}", flush=True)


@contextmanager
def running(name: str, server: StandInServer, tls: bool = False) -> Iterator[Proxy]:
    folder = open_folder("holdfast-connections-")
    try:
        identity = Authority(folder, "authority").issue("proxy", "/CN=127.0.0.1", "IP:127.0.0.1") if tls else None
        start = holdfast if name == "holdfast" else pgbouncer
        with start(folder, server, identity) as proxy:
            yield proxy
    finally:
        shutil.rmtree(folder)


@contextmanager
def holdfast(folder: Path, server: StandInServer, identity: Identity | None) -> Iterator[Proxy]:
    """With the shipped rules on a production database, the trail on."""
    settings = ProxySettings(server=server.address, top={"max_clients": FILES // 2})
    if identity:
        settings.client_tls = {"mode": "require", **identity.proxy_settings()}
    proxy = Holdfast(folder, settings)
    proxy.start()
    try:
        yield Proxy("holdfast", proxy.port, proxy.pid)
    finally:
        proxy.kill()


@contextmanager
def pgbouncer(folder: Path, server: StandInServer, identity: Identity | None) -> Iterator[Proxy]:
    """Session mode, and as many server connections as clients ask for."""
    port = free_port()
    lines = [
        "[databases]", f"bench = host=127.0.0.1 port={server.port} dbname=bench user=postgres",
        "[pgbouncer]", f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =",
        "auth_type = any\npool_mode = session\nmax_client_conn = 20000\ndefault_pool_size = 20000",
        "log_connections = 0\nlog_disconnections = 0\nlog_stats = 0",
        # 15 s by default: what a storm takes would be that.
        "server_login_retry = 1",
    ]  # fmt: skip
    if identity:
        lines += [
            "client_tls_sslmode = require", f"client_tls_cert_file = {identity.certificate}",
            f"client_tls_key_file = {identity.key}",
        ]  # fmt: skip
    file = folder / "pgbouncer.ini"
    file.write_text("\n".join(lines) + "\n")
    for path in [folder, *folder.rglob("*")]:
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
    command = with_files(["/usr/sbin/pgbouncer", "--quiet", str(file)])
    with open(folder / "pgbouncer.log", "wb") as log:
        process = subprocess.Popen(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **unprivileged())

    def is_listening() -> bool:
        assert process.poll() is None, (folder / "pgbouncer.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(is_listening, what="pgbouncer listening")
        yield Proxy("pgbouncer", port, process.pid)
    finally:
        process.kill()
        process.wait(10)


def idle(report: Report, counts: list[int], tls: bool) -> None:
    """Sessions that do nothing; then each asks once, and does nothing again."""
    kind = "idle with TLS" if tls else "idle"
    # A pooler opens a server's connection with a client's first query, and Holdfast with its login: like is compared with
    # like only if every session has asked once.
    for name in CONTENDERS:
        with StandInServer() as server, running(name, server, tls) as proxy:
            with StandInClients(proxy.address, "--ask", *(["--tls"] if tls else [])) as clients:
                # What the first session costs is no session's.
                clients.do("open 1")
                first = proxy.memory()
                for count in counts:
                    clients.do(f"open {count}")
                    note_memory(report, f"{kind} {count}", proxy, first, count)
                clients.do("query")
                clients.do("query")
                note_memory(report, f"{kind} {counts[-1]} after all were busy", proxy, first, counts[-1])


def silent(report: Report, count: int) -> None:
    """Sessions that have logged in and asked nothing yet."""
    for name in CONTENDERS:
        with StandInServer() as server, running(name, server) as proxy, StandInClients(proxy.address) as clients:
            clients.do("open 1")
            first = proxy.memory()
            clients.do(f"open {count}")
            note_memory(report, f"never asked {count}", proxy, first, count)


def note_memory(report: Report, name: str, proxy: Proxy, first: dict[str, int], count: int) -> None:
    memory = proxy.memory()
    report.add(f"{name}: resident", proxy.name, memory["resident"] / 1024, "MiB")
    grown = (memory["anonymous"] - first["anonymous"]) * 1024 / max(1, count - 1)
    report.add(f"{name}: anonymous per session", proxy.name, grown, "B")


def connect(report: Report, count: int, in_flight: list[int], rounds: int, tls: bool) -> None:
    """Clients that come, ask once and go; the contenders take turns."""
    for clients in in_flight:
        samples: dict[tuple[str, str], list[float]] = {}
        with StandInServer() as server, running("holdfast", server, tls) as first:
            with running("pgbouncer", server, tls) as second:
                for turn in range(rounds + 1):
                    for proxy in (first, second) if turn % 2 else (second, first):
                        before = proxy.cpu_seconds()
                        result = connect_often(proxy.address, count, clients, *(["--tls"] if tls else []))
                        assert not result["failures"], result
                        if turn == 0:
                            continue
                        cpu = (proxy.cpu_seconds() - before) / count * 1e6
                        for key, value in [
                            ("per_second", result["per_second"]), ("p50_ms", result["p50_ms"]),
                            ("p99_ms", result["p99_ms"]), ("cpu_us", cpu),
                        ]:  # fmt: skip
                            samples.setdefault((proxy.name, key), []).append(value)
        kind = f"connect{' with TLS' if tls else ''}, {clients} at once"
        names = {
            "per_second": ("connections", "1/s"), "p50_ms": ("p50", "ms"), "p99_ms": ("p99", "ms"),
            "cpu_us": ("CPU per connection", "us"),
        }  # fmt: skip
        for (contender, key), values in samples.items():
            report.add(f"{kind}: {names[key][0]}", contender, median(values), names[key][1])


def storm(report: Report, count: int) -> None:
    """The server is killed and started again: until all clients are in."""
    for name in CONTENDERS:
        with StandInServer() as server, running(name, server) as proxy:
            with StandInClients(proxy.address, "--reconnect") as clients:
                clients.do(f"open {count}")
                descriptors = proxy.descriptors()
                server.kill()
                server.start()
                try:
                    back = clients.report(PATIENCE)
                except AssertionError:
                    if name == "holdfast":
                        raise
                    # Given up: at least that.
                    report.add(f"storm of {count}: until all are in", name, PATIENCE, "s")
                    continue
                assert back["sessions"] == count, back
                report.add(f"storm of {count}: until all are in", name, back["seconds"], "s")
                report.add(f"storm of {count}: attempts", name, back["attempts"], "")
                eventually(
                    lambda: abs(proxy.descriptors() - descriptors) <= 8,
                    what=lambda: f"{descriptors} descriptors, not {proxy.descriptors()}",
                )
                clients.do("query")


def main() -> None:
    parser = argparse.ArgumentParser(prog="Benchmarks/connections", description=__doc__)
    parser.add_argument("--only", choices=["idle", "silent", "idle-tls", "connect", "connect-tls", "storm"], action="append")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1_000, 5_000, min(10_000, FILES // 2 - 50)])
    parser.add_argument("--tls-sessions", type=int, default=3_000)
    parser.add_argument("--storm-sessions", type=int, default=5_000)
    parser.add_argument("--connections", type=int, default=5_000, help="a round")
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="writes the figures: a list of name, contender, value, unit")
    wanted = parser.parse_args()
    report = Report()
    parts = {
        "idle": lambda: idle(report, wanted.sessions, tls=False),
        "silent": lambda: silent(report, wanted.sessions[-1]),
        "idle-tls": lambda: idle(report, [wanted.tls_sessions], tls=True),
        "connect": lambda: connect(report, wanted.connections, wanted.in_flight, wanted.rounds, tls=False),
        "connect-tls": lambda: connect(
            report, wanted.connections // 5, wanted.in_flight[-1:], wanted.rounds, tls=True
        ),
        "storm": lambda: storm(report, wanted.storm_sessions),
    }
    for name in wanted.only or parts:
        parts[name]()
    if wanted.json:
        wanted.json.write_text(json.dumps([asdict(figure) for figure in report.figures], indent=1) + "\n")


if __name__ == "__main__":
    main()
