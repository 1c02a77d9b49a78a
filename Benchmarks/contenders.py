"""The programs that are compared: how each is started, whether it lives, how it is ended."""

import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from meters import Meter
from support.certificates import Certificates
from support.postgres import PostgresServer, free_port, open_folder
from support.programs import eventually, program, run, unprivileged
from support.proxy import Holdfast, ProxySettings

DATABASE = "bench"
# A Holdfast that judges nothing, for what the guard costs (Benchmarks/run builds it); empty where there is none.
BARE_BINARY = os.environ.get("HOLDFAST_BARE_BIN", "")
PGBOUNCER = "/usr/sbin/pgbouncer"
HAPROXY = "/usr/sbin/haproxy"

# More than all pools and sessions of a run together.
SERVER_SETTINGS = "shared_buffers = 512MB\nmax_connections = 2000\nlog_min_messages = warning\nmax_wal_size = 8GB"


@dataclass(frozen=True)
class Route:
    """How clients reach a contender, and how it reaches the server; the same for all that are compared."""

    # Clients speak TLS. HAProxy, which only passes bytes on, passes it on to the server.
    has_client_tls: bool = False
    # `tcp` or `tls` on loopback, or its Unix `socket`.
    server: str = "tcp"


class ContenderDied(Exception):
    """A program under test has ended by itself; the text is what it wrote last."""


@dataclass
class Contender:
    """Where clients connect, and the process whose cost is counted; none where there is no proxy."""

    name: str
    route: Route
    host: str
    port: int
    pid: int | None = None
    log: Path | None = None
    _exit_code: Callable[[], int | None] = field(default=lambda: None, repr=False)

    @property
    def is_proxy(self) -> bool:
        return self.pid is not None

    @property
    def meter(self) -> Meter:
        return Meter(self.pid)

    @property
    def environment(self) -> dict[str, str]:
        """libpq's variables for clients of this contender. A client certificate is never shown, GSS never asked for."""
        return {
            "PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": DATABASE,
            "PGSSLMODE": "require" if self.route.has_client_tls else "disable", "PGGSSENCMODE": "disable",
        }  # fmt: skip

    def check(self) -> None:
        """Raises ContenderDied if it has."""
        code = self._exit_code()
        if code is not None:
            text = self.log.read_text(errors="replace") if self.log else ""
            raise ContenderDied(f"{self.name} ended with {code}; it said last:\n" + "\n".join(text.splitlines()[-20:]))


class Field:
    """One PostgreSQL and, in front of it, the contenders that were asked for; closing it ends all of them."""

    database = DATABASE

    def __init__(self, scale: int = 20, loops: int = 0) -> None:
        """`scale` is pgbench's; `loops` is Holdfast's setting, 0 for one a core."""
        self._loops = loops
        self._contenders: dict[tuple[str, Route], Contender] = {}
        self._ends = ExitStack()
        try:
            self.folder = open_folder("holdfast-bench-")
            self._ends.callback(shutil.rmtree, self.folder)
            self.server = PostgresServer(extra_settings=SERVER_SETTINGS)
            self._ends.callback(self.server.remove)
            self.server.use_tls(self.certificates.server, self.certificates.root)
            self.server.start()
            self.server.execute(f"CREATE DATABASE {DATABASE}")
            run(
                program("pgbench"), "--initialize", "--quiet", f"--scale={scale}", "--host", self.server.host,
                "--port", self.server.port, "--username=postgres", DATABASE,
            )  # fmt: skip
            self.server.execute("CHECKPOINT")
        except BaseException:
            self._ends.close()
            raise

    def close(self) -> None:
        """Ends every program and removes every file, also when one of them resists."""
        self._ends.close()

    def __enter__(self) -> "Field":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def certificates(self) -> Certificates:
        folder = self.folder / "certificates"
        folder.mkdir()
        return Certificates(folder)

    def contender(self, name: str, route: Route) -> Contender:
        """Started when it is first asked for, and again if it has died since.

        `direct`, `pgbouncer`, `haproxy`, `holdfast`; `holdfast-write`: its trail with durability "write";
        `holdfast-bare`: the program that judges nothing.
        """
        known = self._contenders.get((name, route))
        if known:
            try:
                known.check()
                return known
            except ContenderDied:
                pass
        started = self._start(name, route)
        self._contenders[name, route] = started
        return started

    def _start(self, name: str, route: Route) -> Contender:
        match name:
            case "direct":
                by_socket = route.server == "socket" and not route.has_client_tls
                host = str(self.server.sockets) if by_socket else self.server.host
                return Contender(name, route, host, self.server.port)
            case "pgbouncer":
                return self._pgbouncer(name, route)
            case "haproxy":
                return self._haproxy(name, route)
            case "holdfast":
                return self._holdfast(name, route)
            case "holdfast-write":
                return self._holdfast(name, route, audit={"file": "audit.jsonl", "durability": "write"})
            case "holdfast-bare":
                return self._holdfast(name, route, program=Path(BARE_BINARY))
        raise ValueError(f"no contender is named {name!r}")

    def _holdfast(self, name: str, route: Route, program: Path | None = None, **settings: Any) -> Contender:
        """With the shipped rules on a production database, judging and trail on: what a user runs."""
        address = f"unix:{self.server.socket_path}" if route.server == "socket" else self.server.address
        if route.has_client_tls:
            identity = self.certificates.server
            settings["client_tls"] = {
                "mode": "require", "certificate": str(identity.certificate), "key": str(identity.key)
            }  # fmt: skip
        if route.server == "tls":
            settings["server_tls"] = {"mode": "require"}
        settings.setdefault("top", {"loops": self._loops})
        proxy = Holdfast(open_folder("holdfast-bench-proxy-"), ProxySettings(server=address, **settings))
        if program:
            proxy.program = program
        self._ends.callback(shutil.rmtree, proxy.folder)
        self._ends.callback(proxy.kill)
        proxy.start()
        return Contender(name, route, proxy.host, proxy.port, proxy.pid, proxy.log, proxy.process.poll)

    def _pgbouncer(self, name: str, route: Route) -> Contender:
        port = free_port()
        host = self.server.sockets if route.server == "socket" else self.server.host
        settings = {
            "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "any",
            "pool_mode": "session", "max_client_conn": 2000, "default_pool_size": 500,
            "ignore_startup_parameters": "extra_float_digits",
            "log_connections": 0, "log_disconnections": 0, "log_stats": 0,
            "server_tls_sslmode": "require" if route.server == "tls" else "disable",
        }  # fmt: skip
        if route.has_client_tls:
            identity = self._readable_identity()
            settings |= {
                "client_tls_sslmode": "require", "client_tls_key_file": identity[1],
                "client_tls_cert_file": identity[0],
            }  # fmt: skip
        file = self.folder / f"pgbouncer-{port}.ini"
        file.write_text(
            f"[databases]\n* = host={host} port={self.server.port} user=postgres\n[pgbouncer]\n"
            + "".join(f"{key} = {value}\n" for key, value in settings.items())
        )
        return self._run(name, route, port, [PGBOUNCER, "--quiet", str(file)], **unprivileged())

    def _readable_identity(self) -> tuple[Path, Path]:
        """The server's certificate and key, for the user that PgBouncer runs as (it refuses to be root)."""
        copies = (self.folder / "pgbouncer.crt", self.folder / "pgbouncer.key")
        identity = self.certificates.server
        for copy, source in zip(copies, (identity.certificate, identity.key), strict=True):
            if not copy.exists():
                copy.write_bytes(source.read_bytes())
                copy.chmod(0o600)
                if os.geteuid() == 0:
                    shutil.chown(copy, "postgres", "postgres")
        return copies

    def _haproxy(self, name: str, route: Route) -> Contender:
        port = free_port()
        server = f"unix@{self.server.socket_path}" if route.server == "socket" else self.server.address
        file = self.folder / f"haproxy-{port}.cfg"
        file.write_text(
            f"global\n  nbthread {self._loops or os.cpu_count()}\n  maxconn 2000\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"listen bench\n  bind 127.0.0.1:{port}\n  server postgres {server}\n"
        )
        return self._run(name, route, port, [HAPROXY, "-q", "-db", "-f", str(file)])

    def _run(self, name: str, route: Route, port: int, command: list[str], **options: Any) -> Contender:
        log = self.folder / f"{name}-{port}.log"
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, **options
            )
        self._ends.callback(end, process)
        contender = Contender(name, route, "127.0.0.1", port, process.pid, log, process.poll)

        def is_listening() -> bool:
            contender.check()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        eventually(is_listening, what=f"{name} listening")
        return contender


def end(process: subprocess.Popen[Any]) -> None:
    """Asks first, then insists."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
