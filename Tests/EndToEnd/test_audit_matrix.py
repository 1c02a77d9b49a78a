"""Each kind of DDL, by each protocol, in each course of a transaction: the trail says what the catalog shows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from conftest import StartHoldfast
from support.audit import Record
from support.audit_schema import all_records, assert_valid
from support.ddl_kinds import KINDS, Kind
from support.postgres import PostgresServer
from support.programs import eventually
from support.wire import SYNC, Message, WireClient, bind, close, execute, parse, query

PROTOCOLS = ("simple", "extended", "prepared")


@dataclass(frozen=True)
class Course:
    """What happens around the statement."""

    name: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    # What the trail must say of the transaction's end, where the statement succeeds.
    end: str = "committed"
    # Whether the statement's effect is there afterwards.
    lasts: bool = True
    vanishes: bool = False
    is_denied: bool = False
    # What becomes of a prepared transaction.
    decided: str | None = None


COURSES = (
    Course("autocommit"),
    Course("commit", ("BEGIN",), ("COMMIT",)),
    Course("rollback", ("BEGIN",), ("ROLLBACK",), "rolled_back", False),
    Course(
        "savepoint, rolled back", ("BEGIN", "SAVEPOINT s"), ("ROLLBACK TO s", "COMMIT"), "rolled_back_to_savepoint",
        False,
    ),
    Course("savepoint, released", ("BEGIN", "SAVEPOINT s"), ("RELEASE s", "COMMIT")),
    Course(
        "savepoints in savepoints", ("BEGIN", "SAVEPOINT s", "SAVEPOINT t"),
        ("RELEASE t", "SAVEPOINT t", "ROLLBACK TO t", "COMMIT"),
    ),
    Course("error behind it", ("BEGIN",), ("SELECT 1/0", "COMMIT"), "rolled_back", False),
    Course("refused by the server", end="rolled_back", lasts=False, is_denied=True),
    Course("connection lost", ("BEGIN",), (), "lost", False, vanishes=True),
    Course(
        "prepared, committed", ("BEGIN",), ("PREPARE TRANSACTION '{x}'", "COMMIT PREPARED '{x}'"), "prepared",
        decided="committed",
    ),
    Course(
        "prepared, rolled back", ("BEGIN",), ("PREPARE TRANSACTION '{x}'", "ROLLBACK PREPARED '{x}'"), "prepared",
        False, decided="rolled_back",
    ),
)  # fmt: skip


@dataclass
class Cell:
    kind: Kind
    protocol: str
    course: Course
    x: str
    answers: list[Message] = field(default_factory=list)
    happened: bool = False

    def __str__(self) -> str:
        return f"{self.kind.name}, {self.protocol}, {self.course.name} ({self.x})"

    def filled(self, text: str) -> str:
        return text.replace("{x}", self.x)

    @property
    def sql(self) -> str:
        return self.filled(self.kind.statement)

    @property
    def command_tag(self) -> str | None:
        return next((item.body[:-1].decode() for item in self.answers if item.kind == "C"), None)

    @property
    def error(self) -> dict[str, str] | None:
        return next((item.fields for item in self.answers if item.kind == "E"), None)


CELLS = [
    Cell(kind, protocol, course, f"mx{number}")
    for number, (kind, protocol, course) in enumerate(
        (kind, protocol, course) for kind in KINDS for protocol in PROTOCOLS for course in COURSES
    )
]


@pytest.fixture
def matrix(postgres: PostgresServer, test_database: str) -> Iterator[str]:
    postgres.execute("CREATE ROLE mx_owner; CREATE ROLE mx_nobody LOGIN")
    with postgres.connect(test_database) as connection:
        connection.execute("CREATE SCHEMA mx_other")
        for start in range(0, len(CELLS), 50):
            setups = [
                cell.filled(
                    "CREATE TABLE {x} (id int, name text); INSERT INTO {x} VALUES (1, 'a'), (2, 'b');" + cell.kind.setup
                )
                for cell in CELLS[start : start + 50]
            ]
            connection.execute(";".join(setups))
    yield test_database
    with postgres.connect(test_database) as connection:
        connection.execute("DROP OWNED BY mx_owner CASCADE")
    with postgres.connect() as connection:
        for (role,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^mx'").fetchall():
            connection.execute(f'DROP ROLE "{role}"')
        for (name,) in connection.execute("SELECT datname FROM pg_database WHERE datname ~ '^mx'").fetchall():
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def send(client: WireClient, protocol: str, sql: str) -> list[Message]:
    match protocol:
        case "simple":
            return client.ask(query(sql))
        case "extended":
            return client.ask(parse(sql), bind(), execute(), SYNC)
        case _:
            client.ask(parse(sql, "s1"), SYNC)
            answers = client.ask(bind(statement="s1"), execute(), SYNC)
            client.ask(close("S", "s1"), SYNC)
            return answers


def test_the_trail_says_what_the_catalog_shows(
    start_holdfast: StartHoldfast, postgres: PostgresServer, matrix: str
) -> None:
    assert len(KINDS) >= 40 and len({kind.name for kind in KINDS}) == len(KINDS)
    holdfast = start_holdfast()
    truth = postgres.connect(matrix)

    def login(user: str) -> WireClient:
        return WireClient(holdfast.host, holdfast.port).login(matrix, user)

    clients = {"postgres": login("postgres"), "mx_nobody": login("mx_nobody")}
    for cell in CELLS:
        user = "mx_nobody" if cell.course.is_denied else "postgres"
        client = login(user) if cell.course.vanishes else clients[user]
        for text in cell.course.before:
            send(client, cell.protocol, text)
        cell.answers = send(client, cell.protocol, cell.sql)
        if cell.course.vanishes:
            process = int.from_bytes(client.key[:4])
            client.socket.close()
            eventually(
                lambda: truth.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [process]).fetchone() is None,
                what=f"the end of the server's process for {cell}",
            )
        for text in cell.course.after:
            send(client, cell.protocol, cell.filled(text))
        ((cell.happened,),) = truth.execute(f"SELECT {cell.filled(cell.kind.proof)}").fetchall()
    for client in clients.values():
        client.socket.close()
    truth.close()
    holdfast.stop()

    assert_valid(holdfast.folder)
    records = all_records(holdfast.folder)
    intents: dict[str, list[Record]] = {}
    for record in records:
        if record["event"] == "intent":
            intents.setdefault(record["sql"], []).append(record)
    outcomes = {record["id"]: record for record in records if record["event"] == "outcome"}
    decisions = {record["gid"]: record for record in records if record["event"] == "transaction_end"}
    assert Counter(record["id"] for record in records if record["event"] == "outcome").most_common(1)[0][1] == 1
    wrong = [f"{cell}: {fault}" for cell in CELLS for fault in faults(cell, intents, outcomes, decisions)]
    assert not wrong, f"{len(wrong)} of {len(CELLS)} cells:\n" + "\n".join(wrong[:60])
    # The server has done and undone things in about as many cells as it should have.
    done = sum(cell.happened for cell in CELLS)
    assert 0.3 < done / len(CELLS) < 0.6
    assert {record["verdict"] for record in records if record["event"] == "intent"} == {"allow"}


def faults(
    cell: Cell, intents: dict[str, list[Record]], outcomes: dict[str, Record], decisions: dict[str, Record]
) -> Iterator[str]:
    """What the records say that is not so."""
    found = intents.get(cell.sql, [])
    if len(found) != 1:
        yield f"{len(found)} intents"
        return
    (intent,) = found
    outcome = outcomes.get(intent["id"])
    if outcome is None:
        yield "no outcome"
        return
    if not intent["classes"]:
        yield "no class"
    end = outcome["transaction"]
    failed = cell.error is not None
    expects_failure = cell.course.is_denied or (cell.kind.runs_alone and bool(cell.course.before))
    if failed != expects_failure:
        yield f"the server answered {[str(item) for item in cell.answers]}"
    if outcome.get("sqlstate") != (cell.error or {}).get("C"):
        yield f"sqlstate {outcome.get('sqlstate')}, the client was told {cell.error}"
    if failed and outcome.get("message") != cell.error["M"]:
        yield f"message {outcome.get('message')!r}"
    if outcome.get("command_tag") != cell.command_tag:
        yield f"tag {outcome.get('command_tag')}, the client was told {cell.command_tag}"
    count = (cell.command_tag or "").rpartition(" ")[2]
    if outcome.get("rows") != (int(count) if count.isdigit() else None):
        yield f"rows {outcome.get('rows')} for {cell.command_tag}"
    if not outcome.get("duration_us", -1) >= 0:
        yield "no duration"
    if not failed and end != cell.course.end:
        yield f"transaction {end}, not {cell.course.end}"
    if failed and not end.startswith("rolled_back"):
        yield f"transaction {end} of a statement that failed"
    decision = decisions.get(cell.x)
    if not failed and (decision or {}).get("transaction") != cell.course.decided:
        yield f"the prepared transaction: {decision}"
    if not failed and cell.course.decided and outcome.get("gid") != cell.x:
        yield f"gid {outcome.get('gid')}"
    # Against the server: whatever the course is called, what is there was committed, and what was committed is there.
    is_committed = end == "committed" or (end == "prepared" and (decision or {}).get("transaction") == "committed")
    if cell.happened != is_committed:
        yield f"the catalog says {'done' if cell.happened else 'not done'}, the trail {end}, {decision}"
    if cell.happened != (cell.course.lasts and not failed):
        yield f"the course of it: done is {cell.happened}"
