"""Counts what Holdfast itself does for a transaction: user-space instructions and allocations, not time.

Valgrind's callgrind runs the proxy, a stand-in plays the server with recorded bytes, and one client sends the same
transaction again and again. Counted is the loop's thread, and for long texts the one that judges them, between two
dumps, so that neither the start nor what other threads do by the clock is in the figures: the same program gives the
same numbers on any machine of its kind.
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
from functools import partial
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
    is_numbered: bool = False

    def numbered(self, number: int) -> bytes:
        """The request with another number in place of 12345, so that no text comes twice and none is remembered."""
        return self.request.replace(b"12345", b"%05d" % (20000 + number)) if self.is_numbered else self.request


@dataclass(frozen=True)
class Scenario:
    name: str
    # The exchanges of one transaction.
    exchanges: list[Exchange]
    # What is sent once before.
    preparation: tuple[Exchange, ...] = ()
    warm_up: int = WARM_UP
    counted: int = COUNTED
    # Whose instructions and allocations are counted: long texts are judged beside the loop.
    threads: tuple[str, ...] = ("loop",)


@dataclass(frozen=True)
class Count:
    """Of one transaction."""

    instructions: float
    allocations: float
    # Its own instructions by function, of all that were counted.
    costs: Counter[str]
    counted: int = COUNTED

    def shown(self, functions: int = 25) -> str:
        """The dearest functions."""
        return "\n".join(f"{cost / self.counted:10.1f}  {name}" for name, cost in self.costs.most_common(functions))


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


PARSED_SELECT = SELECT.replace("aid", '(U&"aid"')
JOIN = (
    "SELECT "
    + ", ".join(f"t{n % 4}.column_number_{n} AS c{n}" for n in range(40))
    + " FROM orders t0 JOIN customers t1 ON t1.id = t0.customer_id LEFT JOIN items t2 ON t2.order_id = t0.id"
    + " JOIN prices t3 USING (sku) WHERE "
    + " AND ".join(f"t{n % 4}.column_number_{n} = {n} AND t0.note LIKE '%abc{n}%'" for n in range(14))
    + ' ORDER BY t0.U&"created_at" DESC LIMIT 50 OFFSET 12345'
)
ROWS_OF_INSERT = ", ".join(f"({n}, 12345, 'some text here', 3.5)" for n in range(100))
LITERALS = ", ".join(["'some text that is long, and some more of it'"] * 22000)
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
    # What judging costs, the relaying included. A name that is written in escapes has to be parsed.
    Scenario("judging: pgbench SELECT", [Exchange(query(f"{SELECT}12345;"), ROWS + IDLE, is_numbered=True)]),
    Scenario(
        "judging: pgbench SELECT, parsed",
        [Exchange(query(f"{PARSED_SELECT}12345);"), ROWS + IDLE, is_numbered=True)],
    ),
    Scenario("judging: 2 KB join, parsed", [Exchange(query(JOIN), ROWS + IDLE, is_numbered=True)], counted=500),
    Scenario(
        "judging: INSERT of 100 rows",
        [Exchange(query(f"INSERT INTO t VALUES {ROWS_OF_INSERT}"), done("INSERT 0 100") + IDLE, is_numbered=True)],
        counted=500,
    ),
    Scenario(
        "judging: 1 MB of literals",
        [Exchange(query(f"SELECT 12345, {LITERALS}"), ROWS + IDLE, is_numbered=True)],
        warm_up=3,
        counted=20,
        threads=("loop", "judg"),
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
            self._repeat(scenario, range(scenario.warm_up), *ends)
            self.dump(scenario.threads)
            self._repeat(scenario, range(scenario.warm_up, scenario.warm_up + scenario.counted), *ends)
            costs, calls = self.dump(scenario.threads)
        allocations = sum(calls[name] for name in ALLOCATORS)
        counted = scenario.counted
        return Count(sum(costs.values()) / counted, allocations / counted, costs, counted)

    def _repeat(self, scenario: Scenario, numbers: range, client: socket.socket, server: socket.socket) -> None:
        for number in numbers:
            for exchange in scenario.exchanges:
                self._play(exchange, client, server, number)

    @staticmethod
    def _play(exchange: Exchange, client: socket.socket, server: socket.socket, number: int = 0) -> None:
        request = exchange.numbered(number)
        client.sendall(request)
        assert received(server, len(request)) == request
        server.sendall(exchange.reply)
        assert received(client, len(exchange.reply)) == exchange.reply

    def dump(self, threads: tuple[str, ...] = ("loop",)) -> tuple[Counter[str], Counter[str]]:
        """Instructions by function and calls by callee since the last dump, of the threads with these names."""
        self._dumps += 1
        run("callgrind_control", "--dump", str(self.proxy.pid), timeout=60)
        costs: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        for thread in self._numbers(threads):
            file = Path(f"{self._output}.{self._dumps}-{thread:02}")
            eventually(file.exists, 30, f"callgrind's dump {file}")
            # Its last line is written last.
            eventually(partial(is_complete, file), 30, f"all of {file}")
            some_costs, some_calls = read_profile(file)
            costs += some_costs
            calls += some_calls
        return costs, calls

    def _numbers(self, names: tuple[str, ...]) -> list[int]:
        """Callgrind numbers threads as they are started; the kernel knows their names."""
        tasks = sorted(Path(f"/proc/{self.proxy.pid}/task").iterdir(), key=lambda task: int(task.name))
        threads = enumerate((task / "comm").read_text().strip() for task in tasks)
        return [1 + index for index, name in threads if name.startswith(names)]


def is_complete(file: Path) -> bool:
    return re.search(r"^(totals|summary): \d+\s*\Z", file.read_text(), re.M) is not None


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
