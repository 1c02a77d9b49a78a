"""Where a session can stand when something breaks, and what must be as before once it is over."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from .postgres import PostgresServer
from .programs import eventually
from .proxy import Holdfast
from .wire import FLUSH, WireClient, bind, copy_data, describe, errors, execute, parse, query

# More than the sockets on the way hold: who sends it has to wait for a reader.
LONG = "SELECT repeat('x', 1000) FROM generate_series(1, 30000)"
numbers = itertools.count(1)

# Two ways to be busy: for longer than any test, or until a test opens the gate.
SLEEP = "SELECT pg_sleep(60)"
GATE = "SELECT pg_advisory_xact_lock_shared(7)"

# Brings a session to where it stands when the fault comes, with a statement that keeps the server busy.
Situation = Callable[[WireClient, str], None]


def asked(client: WireClient, sql: str) -> None:
    answer = client.ask(query(sql))
    assert answer and answer[-1].kind == "Z" and not errors(answer), [str(item) for item in answer]


def idle(client: WireClient, busy: str) -> None:
    pass


def in_transaction(client: WireClient, busy: str) -> None:
    # A name of its own: another open transaction's would be waited for.
    name = f"made_in_vain_{next(numbers)}"
    asked(client, f"BEGIN; INSERT INTO t VALUES (1); CREATE TABLE {name} ()")


def in_failed_transaction(client: WireClient, busy: str) -> None:
    asked(client, "BEGIN; INSERT INTO t VALUES (1)")
    assert errors(client.ask(query("SELECT 1/0")))


def running(client: WireClient, busy: str) -> None:
    client.send(query(busy))


def in_result(client: WireClient, busy: str) -> None:
    client.send(query(LONG))
    assert client.until("D")


def in_copy_in(client: WireClient, busy: str) -> None:
    client.send(query("COPY t FROM STDIN"))
    assert client.until("G")
    client.send(copy_data(b"1\n2\n"))


def in_copied_row(client: WireClient, busy: str) -> None:
    in_copy_in(client, busy)
    client.send(copy_data(b"3\n" * 1000)[:500])


def in_copy_out(client: WireClient, busy: str) -> None:
    client.send(query(f"COPY ({LONG}) TO STDOUT"))
    assert client.until("d")


def in_pipeline(client: WireClient, busy: str) -> None:
    one = parse("INSERT INTO t VALUES (1)") + bind() + execute()
    client.send(one, one, FLUSH)
    assert client.until("C", 2)
    client.send(parse(busy), bind(), describe("P"), execute(), one)


def in_half_a_message(client: WireClient, busy: str) -> None:
    client.send(query("CREATE TABLE made_in_vain ()")[:12])


def own_table(client: WireClient) -> str:
    """A table that the client may lose: directly at the server it does."""
    name = f"own_{next(numbers)}"
    asked(client, f"CREATE TABLE {name} ()")
    return name


def with_refusal_owed(client: WireClient, busy: str) -> None:
    client.send(query(busy), query(f"DROP TABLE {own_table(client)}"))


def with_question_to_be_put(client: WireClient, busy: str) -> None:
    drop = parse(f"DROP TABLE {own_table(client)}") + bind() + execute()
    client.send(parse(busy), bind(), execute(), drop, FLUSH)


SITUATIONS: dict[str, Situation] = {
    "idle": idle,
    "in a transaction": in_transaction,
    "in a failed transaction": in_failed_transaction,
    "while a query runs": running,
    "in the middle of a result": in_result,
    "in COPY FROM STDIN": in_copy_in,
    "in the middle of a CopyData": in_copied_row,
    "in COPY TO STDOUT": in_copy_out,
    "in a pipeline": in_pipeline,
    "in the middle of a Query": in_half_a_message,
    # Where Holdfast has something of its own under way.
    "with a refusal owed": with_refusal_owed,
    "with a question to be put": with_question_to_be_put,
}


@dataclass
class Ending:
    """What a client gets to see from a fault on."""

    # SQLSTATEs of the errors, in order, then of the warnings.
    errors: list[str]
    warnings: list[str]

    def __str__(self) -> str:
        said = [f"{code}" for code in self.errors] + [f"warning {code}" for code in self.warnings]
        return ", ".join([*said, "closed"])


def ending(client: WireClient) -> Ending:
    """All that comes until the stream ends; a stream that does not is a failure."""
    rest = client.rest()
    warnings = [item.fields["C"] for item in rest if item.kind == "N"]
    return Ending([error["C"] for error in errors(rest)], warnings)


@dataclass
class Counts:
    """What a process holds."""

    descriptors: int
    threads: int

    @staticmethod
    def of(pid: int) -> "Counts":
        process = Path(f"/proc/{pid}")
        return Counts(len(list((process / "fd").iterdir())), len(list((process / "task").iterdir())))


class Calm:
    """How things are while nobody is connected, to compare with afterwards."""

    def __init__(self, holdfast: Holdfast, server: PostgresServer, database: str) -> None:
        self.holdfast, self.server, self.database = holdfast, server, database
        # What the first session makes stays.
        with WireClient(holdfast.host, holdfast.port) as client:
            client.login(database)
        eventually(lambda: self.backends() == 0, what="the first session's end")
        before = Counts.of(holdfast.pid)
        eventually(lambda: self._same(before), what="a quiet proxy")
        self.before = Counts.of(holdfast.pid)
        self.kilobytes = holdfast.resident_kilobytes()

    def _same(self, before: Counts) -> bool:
        now = Counts.of(self.holdfast.pid)
        same = now == before
        before.descriptors, before.threads = now.descriptors, now.threads
        return same

    def backends(self) -> int:
        """Server processes of the database's sessions."""
        return self.server.value(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{self.database}'"
            f" AND backend_type = 'client backend' AND application_name <> 'gate'"
        )

    def returns(self, backends: bool = True) -> None:
        """No descriptor, thread or session is left over, the trail is whole, and the next client is served."""
        assert self.holdfast.is_alive, self.holdfast.log_text()
        now = Counts(0, 0)

        def is_calm() -> bool:
            nonlocal now
            now = Counts.of(self.holdfast.pid)
            return now.descriptors <= self.before.descriptors and now.threads <= self.before.threads

        eventually(is_calm, what=lambda: f"{self.before}; there are {now}")
        if backends:
            eventually(lambda: self.backends() == 0, what="the end of the server's processes")
        assert self.holdfast.resident_kilobytes() < self.kilobytes + 50_000
        with WireClient(self.holdfast.host, self.holdfast.port) as client:
            asked(client.login(self.database), "SELECT 1")
        self.holdfast.trail.records()  # every line of the trail is whole


def is_reachable(server: PostgresServer) -> bool:
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def backend_of(client: WireClient) -> int:
    (row,) = [item for item in client.ask(query("SELECT pg_backend_pid()")) if item.kind == "D"]
    return int(row.values[0] or 0)


@contextmanager
def session(host: str, port: int, database: str) -> Iterator[tuple[WireClient, int]]:
    """A session that is logged in, and its server process."""
    with WireClient(host, port) as client:
        client.login(database)
        yield client, backend_of(client)
