"""Holdfast itself: a proxy.conf, the process, its addresses, its trail."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from .audit import AuditTrail
from .programs import eventually, run

REPOSITORY = Path(__file__).resolve().parents[3]

# Tests run under the tags and rules that users get.
SHIPPED = tomllib.loads((REPOSITORY / "proxy.conf").read_text())
TAGS: list[dict[str, Any]] = SHIPPED["tag"]
RULES: list[dict[str, Any]] = SHIPPED["rule"]


def binary() -> Path:
    return Path(os.environ.get("HOLDFAST_BIN", REPOSITORY / ".build/release/holdfast")).resolve()


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value)


def chosen_selector() -> dict[str, str]:
    """HOLDFAST_TEST_SELECTOR=epoll or io_uring: how the loops of every test's Holdfast wait."""
    chosen = os.environ.get("HOLDFAST_TEST_SELECTOR")
    return {"selector": chosen} if chosen else {}


@dataclass
class ProxySettings:
    """What a test writes into proxy.conf."""

    server: str | list[str]
    listen: list[str] = field(default_factory=lambda: ["127.0.0.1:0"])
    top: dict[str, Any] = field(default_factory=dict)
    log: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=lambda: {"file": "audit.jsonl"})
    embedded: dict[str, Any] = field(default_factory=dict)
    guard: dict[str, Any] = field(default_factory=dict)
    catalog: dict[str, Any] = field(default_factory=dict)
    users: dict[str, Any] = field(default_factory=dict)
    client_tls: dict[str, Any] = field(default_factory=dict)
    server_tls: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    proxy_protocol: dict[str, Any] = field(default_factory=dict)
    tcp: dict[str, Any] = field(default_factory=dict)
    limit: list[dict[str, Any]] = field(default_factory=list)
    marker: dict[str, Any] = field(default_factory=dict)
    watching: dict[str, Any] = field(default_factory=dict)
    watch: list[dict[str, Any]] = field(default_factory=list)
    snapshots: dict[str, Any] = field(default_factory=dict)
    # How many files the process may have open; 0 is as many as this one.
    descriptor_limit: int = 0
    upstream: list[dict[str, Any]] = field(default_factory=list)
    # In front of the command that starts the process.
    prefix: list[str] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=lambda: [dict(tag) for tag in TAGS])
    rules: list[dict[str, Any]] = field(default_factory=lambda: [dict(rule) for rule in RULES])

    def text(self) -> str:
        top = {"listen": self.listen, "server": self.server, **chosen_selector(), **self.top}
        lines = [f"{key} = {toml(value)}" for key, value in top.items()]
        tables = [
            ("[log]", self.log), ("[audit]", self.audit), ("[embedded]", self.embedded), ("[catalog]", self.catalog), ("[guard]", self.guard),
            ("[users]", self.users), ("[client_tls]", self.client_tls), ("[server_tls]", self.server_tls),
            ("[limits]", self.limits), ("[proxy_protocol]", self.proxy_protocol), ("[tcp]", self.tcp),
        ]  # fmt: skip
        tables += [("[snapshots]", self.snapshots)]
        tables += [("[marker]", self.marker)]
        tables += [("[watching]", self.watching)] + [("[[watch]]", watch) for watch in self.watch]
        tables += [("[[upstream]]", upstream) for upstream in self.upstream]
        tables += [("[[limit]]", limit) for limit in self.limit]
        tables += [("[[tag]]", tag) for tag in self.tags] + [("[[rule]]", rule) for rule in self.rules]
        for header, table in tables:
            if table:
                lines += ["", header, *(f"{key} = {toml(value)}" for key, value in table.items())]
        return "\n".join(lines) + "\n"


class Holdfast:
    """One running proxy."""

    def __init__(self, folder: Path, settings: ProxySettings) -> None:
        self.folder = folder
        self.settings = settings
        self.program = binary()
        self.configuration = folder / "proxy.conf"
        self.log = folder / "holdfast.log"
        self.trail = AuditTrail(folder / settings.audit["file"])
        self.addresses: list[str] = []
        self._changed = threading.Condition()
        self.was_ended = False
        self._finished = False
        self.write(settings)

    def write(self, settings: ProxySettings | str) -> None:
        self.configuration.write_text(settings if isinstance(settings, str) else settings.text())

    def start(self, timeout: float = 30) -> None:
        """Returns when every listener has told its address."""
        files = self.settings.descriptor_limit
        prefix = [*self.settings.prefix, *(["prlimit", f"--nofile={files}:{files}"] if files else [])]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, str(self.program), "serve", "--config", str(self.configuration)],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        self._reader = threading.Thread(target=self._read_output, daemon=True)
        self._reader.start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_listening or self._finished, timeout)
        assert self._is_listening, f"Holdfast did not come up; it said:\n{self.log_text()}"

    @property
    def _is_listening(self) -> bool:
        return len(self.addresses) == len(self.settings.listen)

    def _read_output(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("listening on "):
                with self._changed:
                    self.addresses.append(line.removeprefix("listening on ").strip())
                    self._changed.notify_all()
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    @property
    def host(self) -> str:
        return self._split(0)[0]

    @property
    def port(self) -> int:
        return self._split(0)[1]

    def _split(self, index: int) -> tuple[str, int]:
        """Host and port as libpq wants them; for a Unix socket the folder is the host."""
        address = self.addresses[index]
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix:"))
            return str(path.parent), int(path.name.rsplit(".", 1)[1])
        host, port = address.rsplit(":", 1)
        return host.strip("[]"), int(port)

    def address(self, index: int = 0) -> dict[str, Any]:
        host, port = self._split(index)
        return {"host": host, "port": port}

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def connect(self, database: str, index: int = 0, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        options = {"user": "postgres", "autocommit": True, **self.address(index), **options}
        return psycopg.connect(dbname=database, **options)

    def environment(self, database: str) -> dict[str, str]:
        """libpq's variables for programs that connect through the proxy."""
        return {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": database}

    def url(self, database: str, driver: str = "postgresql") -> str:
        return f"{driver}://postgres@{self.host}:{self.port}/{database}"

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for_log(self, fragment: str, since: int = 0, timeout: float = 10) -> str:
        """The log from `since` on, once it holds the fragment."""
        eventually(
            lambda: fragment in self.log_text()[since:], timeout,
            lambda: f"{fragment!r} in the log, which is\n{self.log_text()}",
        )  # fmt: skip
        return self.log_text()[since:]

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    def counters(self) -> dict[str, int]:
        """What has been counted since the start (SIGUSR1)."""
        since = len(self.log_text())
        self.process.send_signal(signal.SIGUSR1)
        eventually(lambda: re.search(r" counters\b.*\n", self.log_text()[since:]), what="the counters in the log")
        (line,) = re.findall(r" counters\b(.*)\n", self.log_text()[since:])
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}

    def descriptors(self) -> int:
        """How many files the process has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def peak_kilobytes(self) -> int:
        """The most memory that the process has had resident at once."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])

    def socket_count(self) -> int:
        """Listeners and the sockets of sessions."""
        count = 0
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                count += os.readlink(descriptor).startswith("socket:")
        return count

    def resident_kilobytes(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def stop(self, timeout: float = 20) -> None:
        """A tidy end: the process is alive until SIGTERM, and then leaves with 0."""
        self.was_ended = True
        assert self.is_alive, f"Holdfast died with {self.process.returncode}; it said:\n{self.log_text()}"
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout)
        assert code == 0, f"Holdfast ended with {code}; it said:\n{self.log_text()}"

    def restart(self) -> None:
        """Starts it again after it was ended."""
        # What reads the old process's output tells at its end that it has ended.
        self._reader.join(10)
        self.addresses.clear()
        self._finished = False
        self.was_ended = False
        self.start()

    def kill(self) -> None:
        self.was_ended = True
        if hasattr(self, "process") and self.is_alive:
            self.process.kill()
            self.process.wait(10)


def command(*arguments: str | Path, input: str | None = None, check: bool = True):
    """One of the other commands of the program (`check`, `audit`, `classify`) run to its end."""
    return run(binary(), *arguments, input=input, check=check)
