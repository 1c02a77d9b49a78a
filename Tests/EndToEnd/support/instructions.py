"""Counts what Holdfast itself does for a transaction: user-space instructions and allocations, not time.

Valgrind's callgrind runs the proxy, a stand-in plays the server with recorded bytes, and one client sends the same
transaction again and again. Counted is the loop's thread alone, between two dumps, so that neither the start nor what
other threads do by the clock is in the figures: the same program gives the same numbers on any machine of its kind.
"""

import re
import shutil
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .listening import accepted
from .postgres import open_folder
from .programs import eventually, run
from .proxy import Holdfast, ProxySettings, binary
from .wire import SYNC, WireClient, bind, describe, execute, message, parse, query, startup, text

# glibc's entrances to the heap.
ALLOCATORS = ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign")

WARM_UP = 300
COUNTED = 2000


@dataclass(frozen=True)
class Exchange:
    """What the client sends at once, and what the server answers at once."""

    request: bytes
    reply: bytes


@dataclass(frozen=True)
class Scenario:
    name: str
    # The exchanges of one transaction.
    exchanges: list[Exchange]
    # What is sent once before.
    preparation: tuple[Exchange, ...] = ()


@dataclass(frozen=True)
class Count:
    """Of one transaction."""

    instructions: float
    allocations: float
    # Its own instructions by function.
    costs: Counter[str]

    def shown(self, functions: int = 25) -> str:
        """The dearest functions."""
        return "\n".join(f"{cost / COUNTED:10.1f}  {name}" for name, cost in self.costs.most_common(functions))


def row(*values: bytes) -> bytes:
    return message("D", struct.pack("!H", len(values)) + b"".join(struct.pack("!i", len(v)) + v for v in values))


def columns(*names: str) -> bytes:
    described = (text(name) + struct.pack("!IHIhih", 16384, 3, 23, 4, -1, 0) for name in names)
    return message("T", struct.pack("!H", len(names)) + b"".join(described))


def done(tag: str) -> bytes:
    return message("C", text(tag))


IDLE, IN_TRANSACTION = message("Z", b"I"), message("Z", b"T")
PARSED, BOUND, NO_DATA = message("1"), message("2"), message("n")
SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = "
ROWS = columns("abalance") + row(b"0") + done("SELECT 1")


def prepared(name: str, reply: bytes, status: bytes, *parameters: str) -> Exchange:
    """One execution of a prepared statement, as libpq's PQsendQueryPrepared puts it."""
    request = bind("", name, parameters) + describe("P") + execute() + SYNC
    return Exchange(request, BOUND + reply + status)


def preparing(**statements: str) -> tuple[Exchange, ...]:
    return tuple(Exchange(parse(sql, name) + SYNC, PARSED + IDLE) for name, sql in statements.items())


UPDATE = "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2"

SCENARIOS = [
    Scenario("simple", [Exchange(query(f"{SELECT}12345;"), ROWS + IDLE)]),
    Scenario(
        "extended",
        [
            Exchange(
                parse(f"{SELECT}$1;") + bind("", "", ["12345"]) + describe("P") + execute() + SYNC,
                PARSED + BOUND + ROWS + IDLE,
            )
        ],
    ),
    Scenario("prepared", [prepared("P_0", ROWS, IDLE, "12345")], preparing(P_0=f"{SELECT}$1;")),
    Scenario(
        "1,000 rows",
        [
            Exchange(
                query("SELECT aid, filler FROM pgbench_accounts LIMIT 1000"),
                columns("aid", "filler")
                + b"".join(row(str(n).encode(), b"some text of this row") for n in range(1000))
                + done("SELECT 1000")
                + IDLE,
            )
        ],
    ),
    Scenario(
        "pipeline of 10",
        [
            Exchange(
                b"".join(bind("", "P_0", [str(n)]) + describe("P") + execute() for n in range(10)) + SYNC,
                (BOUND + ROWS) * 10 + IDLE,
            )
        ],
        preparing(P_0=f"{SELECT}$1;"),
    ),
    # BEGIN is remembered under its name, so that from then on every name is looked up.
    Scenario(
        "prepared, in a transaction block",
        [
            prepared("P_0", NO_DATA + done("BEGIN"), IN_TRANSACTION),
            prepared("P_1", NO_DATA + done("UPDATE 1"), IN_TRANSACTION, "17", "12345"),
            prepared("P_2", ROWS, IN_TRANSACTION, "12345"),
            prepared("P_3", NO_DATA + done("COMMIT"), IDLE),
        ],
        preparing(P_0="BEGIN;", P_1=UPDATE, P_2=f"{SELECT}$1;", P_3="END;"),
    ),
]

WELCOME = (
    message("R", struct.pack("!I", 0))
    + message("S", text("client_encoding") + text("UTF8"))
    + message("S", text("server_version") + text("15.0"))
    + message("S", text("standard_conforming_strings") + text("on"))
    + message("K", struct.pack("!II", 1, 2))
    + IDLE
)


class RecordedServer:
    """Lets one client after the other in, then answers each exchange as it was recorded."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self._listener.getsockname()[1])
        self._connections: list[socket.socket] = []

    def __enter__(self) -> "RecordedServer":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _serve(self) -> None:
        for connection in accepted(self._listener):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(60)
            connection.recv(1 << 16)
            connection.sendall(WELCOME)
            self._connections.append(connection)

    @property
    def connection(self) -> socket.socket:
        """The newest client's."""
        return self._connections[-1]


def received(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(1 << 20)
        assert piece, f"the connection ended after {len(data)} of {count} bytes"
        data += piece
    return data


class CountedHoldfast:
    """A Holdfast with one loop, under callgrind, in front of a stand-in server."""

    def __init__(self, server: RecordedServer, folder: Path, settings: dict[str, Any]) -> None:
        self._server = server
        self._folder = folder
        self._dumps = 0
        self._output = folder / "callgrind.out"
        prefix = [
            "valgrind", "--tool=callgrind", "--separate-threads=yes", "--combine-dumps=no", "--compress-strings=no",
            "--compress-pos=no", f"--callgrind-out-file={self._output}", f"--log-file={folder / 'valgrind.log'}",
        ]  # fmt: skip
        # Valgrind 3.19 cannot read the debug information that Swift writes; functions keep their names without it.
        program = folder / "holdfast"
        run("objcopy", "--strip-debug", binary(), program)
        options = {"top": {"loops": 1}, "prefix": prefix, **settings}
        self.proxy = Holdfast(folder, ProxySettings(server=server.address, **options))
        self.proxy.program = program

    def start(self) -> None:
        self.proxy.start(timeout=120)

    def stop(self) -> None:
        self.proxy.stop(timeout=60)

    def count(self, scenario: Scenario) -> Count:
        """One session of its own: what a transaction costs once the session has settled."""
        with WireClient(self.proxy.host, self.proxy.port, timeout=60) as client:
            client.login("app")
            ends = client.socket, self._server.connection
            for exchange in scenario.preparation:
                self._play(exchange, *ends)
            self._repeat(scenario, WARM_UP, *ends)
            self.dump()
            self._repeat(scenario, COUNTED, *ends)
            costs, calls = self.dump()
        allocations = sum(calls[name] for name in ALLOCATORS)
        return Count(sum(costs.values()) / COUNTED, allocations / COUNTED, costs)

    def _repeat(self, scenario: Scenario, times: int, client: socket.socket, server: socket.socket) -> None:
        for _ in range(times):
            for exchange in scenario.exchanges:
                self._play(exchange, client, server)

    @staticmethod
    def _play(exchange: Exchange, client: socket.socket, server: socket.socket) -> None:
        client.sendall(exchange.request)
        assert received(server, len(exchange.request)) == exchange.request
        server.sendall(exchange.reply)
        assert received(client, len(exchange.reply)) == exchange.reply

    def dump(self) -> tuple[Counter[str], Counter[str]]:
        """Instructions by function and calls by callee since the last dump, of the loop's thread."""
        self._dumps += 1
        run("callgrind_control", "--dump", str(self.proxy.pid), timeout=60)
        thread = self._loop_thread()
        file = Path(f"{self._output}.{self._dumps}-{thread:02}")
        eventually(file.exists, 30, f"callgrind's dump {file}")
        # Its last line is written last.
        eventually(lambda: re.search(r"^(totals|summary): \d+\s*\Z", file.read_text(), re.M), 30, f"all of {file}")
        return read_profile(file)

    def _loop_thread(self) -> int:
        """Callgrind numbers threads as they are started; the kernel knows their names."""
        tasks = sorted(Path(f"/proc/{self.proxy.pid}/task").iterdir(), key=lambda task: int(task.name))
        names = [(task / "comm").read_text().strip() for task in tasks]
        return 1 + next(index for index, name in enumerate(names) if name.startswith("loop"))


def read_profile(file: Path) -> tuple[Counter[str], Counter[str]]:
    """Own cost by function, and number of calls by callee (callgrind's manual, "Callgrind Format Specification")."""
    costs: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    function, callee, is_call = "", "", False
    for line in file.read_text().splitlines():
        if line.startswith("fn="):
            function = line.removeprefix("fn=")
        elif line.startswith("cfn="):
            callee = line.removeprefix("cfn=")
        elif line.startswith("calls="):
            calls[callee] += int(line.removeprefix("calls=").split()[0])
            is_call = True
        elif line[:1].isdigit():
            # The line behind calls= is the callee's cost, which stands at the callee.
            if not is_call:
                costs[function] += int(line.split()[1])
            is_call = False
    return costs, calls


@contextmanager
def counted_holdfast(**settings: Any) -> Iterator[CountedHoldfast]:
    folder = open_folder("holdfast-counted-")
    try:
        with RecordedServer() as server:
            holdfast = CountedHoldfast(server, folder, settings)
            try:
                holdfast.start()
                yield holdfast
                holdfast.stop()
            finally:
                holdfast.proxy.kill()
    finally:
        shutil.rmtree(folder)
