"""holdfast-standin (Benchmarks/StandIn): a server, and thousands of clients."""

import json
import os
import resource
import select
import subprocess
from pathlib import Path
from typing import Any, Self

from .proxy import binary

# How many descriptors a process may have: a proxy needs two for a session.
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def standin_binary() -> Path:
    """Built beside the proxy (swift build --product holdfast-standin)."""
    return Path(os.environ.get("HOLDFAST_STANDIN", binary().parent / "holdfast-standin"))


def with_files(command: list[str]) -> list[str]:
    """The command with as many descriptors as it may have."""
    return ["prlimit", f"--nofile={FILES}:{FILES}", *command]


class StandInServer:
    """Plays PostgreSQL."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        """On the port that it had before, if it was killed."""
        self._process = subprocess.Popen(
            with_files([str(standin_binary()), "serve", "--listen", f"127.0.0.1:{self.port}"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), line
        self.port = int(line.rsplit(":", 1)[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.kill()


class StandInClients:
    """Sessions that stay until they are told to go."""

    def __init__(self, address: str, *options: str) -> None:
        self._process = subprocess.Popen(
            with_files([str(standin_binary()), "clients", "--to", address, *options]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip

    def do(self, command: str, timeout: float = 120) -> dict[str, Any]:
        """`open N` or `query`; returns when that is done."""
        assert self._process.stdin
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self.report(timeout)

    def report(self, timeout: float = 120) -> dict[str, Any]:
        """What the clients say next."""
        assert self._process.stdout
        readable, _, _ = select.select([self._process.stdout], [], [], timeout)
        assert readable, f"the clients said nothing within {timeout} s"
        line = self._process.stdout.readline()
        assert line, f"the clients ended with {self._process.wait(10)}"
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)


def connect_often(address: str, count: int, in_flight: int, *options: str, timeout: float = 300) -> dict[str, Any]:
    """Clients that come, ask once and go."""
    completed = subprocess.run(
        with_files([
            str(standin_binary()), "connect", "--to", address, f"--count={count}", f"--in-flight={in_flight}", *options,
        ]),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=timeout, check=True,
    )  # fmt: skip
    return json.loads(completed.stdout)
