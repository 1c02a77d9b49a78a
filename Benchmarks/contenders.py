"""The programs that are compared: how each is started, and what it cost."""

import os
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.postgres import PostgresServer, free_port, open_folder
from support.programs import eventually, unprivileged
from support.proxy import Holdfast, ProxySettings

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Contender:
    """Where pgbench connects, and whose CPU time is counted; nobody's where there is no proxy."""

    name: str
    host: str
    port: int
    pid: int | None = None

    def cpu_seconds(self) -> float:
        """User and system time of all threads since the process began."""
        if self.pid is None:
            return 0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_megabytes(self) -> float:
        if self.pid is None:
            return 0
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Field:
    """All contenders in front of one server. Closing it ends what it started."""

    def __init__(self, server: PostgresServer, database: str, loops: int) -> None:
        self._server = server
        self._database = database
        self._loops = loops
        self._folder = open_folder("holdfast-bench-")
        self._processes: list[subprocess.Popen[bytes]] = []
        self._proxies: list[Holdfast] = []

    def close(self) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(10)
        for proxy in self._proxies:
            proxy.stop()
            shutil.rmtree(proxy.folder)
        shutil.rmtree(self._folder)

    def start(self, name: str, by_socket: bool) -> Contender:
        """Starts one contender that reaches the server over TCP, or over its Unix socket."""
        label = f"{name} (socket)" if by_socket else name
        match name:
            case "direct":
                host = str(self._server.sockets) if by_socket else self._server.host
                return Contender(label, host, self._server.port)
            case "pgbouncer":
                return self._pgbouncer(label, by_socket)
            case "haproxy":
                return self._haproxy(label, by_socket)
            case "holdfast":
                return self._holdfast(label, by_socket)
        raise ValueError(name)

    def _holdfast(self, label: str, by_socket: bool) -> Contender:
        """With the shipped rules on a production database, the trail on: what a user runs."""
        server = f"unix:{self._server.socket_path}" if by_socket else self._server.address
        settings = ProxySettings(server=server, top={"loops": self._loops})
        proxy = Holdfast(open_folder("holdfast-bench-proxy-"), settings)
        proxy.start()
        self._proxies.append(proxy)
        return Contender(label, proxy.host, proxy.port, proxy.pid)

    def _pgbouncer(self, label: str, by_socket: bool) -> Contender:
        port = free_port()
        server = self._server.sockets if by_socket else self._server.host
        file = self._folder / f"pgbouncer-{port}.ini"
        file.write_text(
            "[databases]\n"
            f"{self._database} = host={server} port={self._server.port} dbname={self._database} user=postgres\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = session\nmax_client_conn = 500\ndefault_pool_size = 150\n"
            "log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n"
        )
        return self._run(label, port, ["/usr/sbin/pgbouncer", "--quiet", str(file)], **unprivileged())

    def _haproxy(self, label: str, by_socket: bool) -> Contender:
        port = free_port()
        server = f"unix@{self._server.socket_path}" if by_socket else self._server.address
        file = self._folder / f"haproxy-{port}.cfg"
        file.write_text(
            "global\n  nbthread 2\n  maxconn 500\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"listen bench\n  bind 127.0.0.1:{port}\n  server postgres {server}\n"
        )
        return self._run(label, port, ["/usr/sbin/haproxy", "-q", "-db", "-f", str(file)])

    def _run(self, label: str, port: int, command: list[str], **options: object) -> Contender:
        log = open(self._folder / f"{label}.log", "wb")
        process = subprocess.Popen(
            command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options
        )
        self._processes.append(process)

        def is_listening() -> bool:
            assert process.poll() is None, Path(log.name).read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        eventually(is_listening, what=f"{label} listening")
        return Contender(label, "127.0.0.1", port, process.pid)
