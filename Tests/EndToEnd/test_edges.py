"""The protocol's edges: pipelines, Flush without Sync, huge fields, fields and messages of any kind, at any time."""

import select
import struct
import threading

import pytest
from psycopg import pq

from conftest import StartHoldfast
from support.badserver import WELCOME, BadServer
from support.postgres import PostgresServer
from support.programs import eventually
from support.proxy import Holdfast
from support.wire import (
    COPY_DONE, FLUSH, SYNC, Message, WireClient, bind, close, copy_data, describe, errors, execute, message, parse, query,
    text, transcript,
)  # fmt: skip

PIPELINE = 50_000
ALLOWED_KILOBYTES = 30_000
FIELD = 1_000_000_000


def server_end(way: PostgresServer | Holdfast) -> tuple[str, int]:
    return way.host, way.port


# ---- Pipelines ------------------------------------------------------------------------------------------------------


def libpq_pipeline(connection: pq.PGconn, count: int, sync_every: int, sql: bytes = b"SELECT $1::int4") -> list[int]:
    """Queues everything through libpq's pipeline mode and gives the numbers that came back, in order. libpq sends and
    reads as the socket allows, as its manual asks for."""
    connection.nonblocking = 1
    connection.enter_pipeline_mode()
    for number in range(count):
        connection.send_query_params(sql, [b"%d" % number])
        if (number + 1) % sync_every == 0:
            connection.pipeline_sync()
        connection.flush()
    connection.pipeline_sync()
    numbers: list[int] = []
    syncs, wanted = 0, count // sync_every + 1
    while syncs < wanted:
        while connection.flush():
            select.select([connection.socket], [connection.socket], [])
            connection.consume_input()
        while connection.is_busy():
            select.select([connection.socket], [], [])
            connection.consume_input()
        result = connection.get_result()
        if result is None:
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            syncs += 1
        else:
            assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
            value = result.get_value(0, 0)
            assert value is not None
            numbers.append(int(value))
    connection.exit_pipeline_mode()
    connection.nonblocking = 0
    return numbers


def test_fifty_thousand_queries_in_flight_through_libpqs_pipeline_mode(
    holdfast: Holdfast, production: str
) -> None:
    before = holdfast.peak_kilobytes()
    for sync_every in (1, 100, PIPELINE):
        with holdfast.connect(production) as connection:
            assert libpq_pipeline(connection.pgconn, PIPELINE, sync_every) == list(range(PIPELINE))
    assert holdfast.peak_kilobytes() < before + ALLOWED_KILOBYTES


def test_fifty_thousand_queries_are_answered_although_none_is_read_until_all_are_sent(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    """A blocking client that sends all before it reads: that goes well as long as all answers fit into the buffers of
    the two kernels and the proxy. Directly they fit when they are small; so they must through the proxy."""
    message_group = parse("SELECT 1") + bind() + execute() + SYNC
    before = holdfast.peak_kilobytes()
    for way in (postgres, holdfast):
        with WireClient(*server_end(way), timeout=60) as client:
            client.login(production)
            client.send(message_group * PIPELINE)
            answers = client.until("Z", PIPELINE)
        assert sum(answer.kind == "D" for answer in answers) == PIPELINE
        assert sum(answer.kind == "Z" for answer in answers) == PIPELINE
    assert holdfast.peak_kilobytes() < before + ALLOWED_KILOBYTES


def test_a_refusal_in_the_middle_of_a_long_pipeline_skips_to_the_next_sync_only(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE people (n int)", production)
    group = parse("INSERT INTO people VALUES (1)") + bind() + execute()
    refused = parse("DROP TABLE people") + bind() + execute()
    with WireClient(holdfast.host, holdfast.port, timeout=60) as client:
        client.login(production)
        sent = []
        for number in range(2_000):
            sent += [group, refused if number % 100 == 50 else group, group, SYNC]
        sender = threading.Thread(target=lambda: client.send(*sent))
        sender.start()
        answers = client.until("Z", 2_000)
        sender.join(60)
    assert [found["C"] for found in errors(answers)] == ["42501"] * 20
    assert postgres.value("SELECT count(*) FROM people", production) == 3 * 1_980


# ---- Flush without Sync ---------------------------------------------------------------------------------------------


def test_answers_come_after_a_flush_without_a_sync(holdfast: Holdfast, production: str) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        client.send(parse("SELECT generate_series(1, 3)", "s"), FLUSH)
        assert transcript([client.receive()]) == ["1"]
        client.send(bind("p", "s"), describe("P", "p"), FLUSH)
        assert transcript([client.receive(), client.receive()]) == ["2", "T"]
        client.send(execute("p", 2), FLUSH)
        assert transcript(client.until("s")) == ["D", "D", "s"]
        client.send(execute("p", 2), FLUSH)
        assert transcript(client.until("C")) == ["D", "C(SELECT 1)"]
        client.send(close("P", "p"), FLUSH)
        assert transcript([client.receive()]) == ["3"]
        assert client.is_quiet()
        client.send(SYNC)
        assert transcript(client.until("Z")) == ["ZI"]


@pytest.mark.parametrize(
    ("sql", "code"), [("SELEC", "42601"), ("COPY people TO PROGRAM 'cat'", "42501"), ("DROP TABLE people", "42501")]
)
def test_an_error_and_a_refusal_come_after_a_flush_and_the_rest_is_skipped_to_the_sync(
    holdfast: Holdfast, postgres: PostgresServer, production: str, sql: str, code: str
) -> None:
    postgres.execute("CREATE TABLE people (n int)", production)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        client.send(parse(sql), FLUSH)
        first = transcript([client.receive()])
        if first == ["1"]:
            # Left to its Execute: by then the table could be a temporary one.
            client.send(bind(), execute(), FLUSH)
            first = transcript(client.until("E"))[-1:]
        assert first == [f"E({code})"]
        client.send(bind(), execute(), FLUSH, parse("SELECT 1"), FLUSH)
        assert client.is_quiet()
        client.send(SYNC)
        assert transcript(client.until("Z")) == ["ZI"]


# ---- Huge fields ----------------------------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_a_field_of_a_gigabyte_goes_out_and_costs_no_memory(
    holdfast: Holdfast, production: str
) -> None:
    before = holdfast.peak_kilobytes()
    with WireClient(holdfast.host, holdfast.port, timeout=120) as client:
        client.login(production)
        client.send(query(f"SELECT repeat('x', {FIELD})"))
        assert client.receive().kind == "T"
        assert skip_field(client) == FIELD
        assert transcript(client.until("Z")) == ["C(SELECT 1)", "ZI"]
    assert holdfast.peak_kilobytes() < before + ALLOWED_KILOBYTES


@pytest.mark.timeout(300)
def test_a_field_of_a_gigabyte_goes_in_by_copy_and_as_a_parameter_and_costs_no_memory(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE UNLOGGED TABLE big (data text); ALTER TABLE big ALTER data SET STORAGE EXTERNAL", production)
    before = holdfast.peak_kilobytes()
    piece = b"y" * 1_000_000
    with WireClient(holdfast.host, holdfast.port, timeout=120) as client:
        client.login(production)
        client.send(query("COPY big FROM STDIN"))
        assert client.receive().kind == "G"
        # 500 MB: a row of COPY's text is held twice by the server, in at most a gigabyte.
        for _ in range(FIELD // 2 // len(piece)):
            client.send(copy_data(piece))
        client.send(copy_data(b"\n"), COPY_DONE)
        assert transcript(client.until("Z")) == ["C(COPY 1)", "ZI"]
        # One Bind of a gigabyte, in pieces.
        client.send(parse("SELECT length($1::bytea)"))
        head = text("") + text("") + struct.pack("!HHHi", 1, 1, 1, FIELD)
        client.send(b"B" + struct.pack("!I", 4 + len(head) + FIELD + 2) + head)
        for _ in range(FIELD // len(piece)):
            client.socket.sendall(piece)
        answers = client.ask(struct.pack("!H", 0), execute(), SYNC)
        assert [answer.values for answer in answers if answer.kind == "D"] == [[str(FIELD)]]
    assert postgres.value("SELECT length(data) FROM big", production) == FIELD // 2
    assert holdfast.peak_kilobytes() < before + ALLOWED_KILOBYTES


def skip_field(client: WireClient) -> int:
    """Reads a DataRow of one field without holding it, and gives the field's length."""
    assert client._need(11)
    kind, length, columns, size = struct.unpack_from("!cIHi", client.buffer)
    assert (kind, columns) == (b"D", 1) and length == size + 10
    left = size + 11 - len(client.buffer)
    client.buffer = b"" if left >= 0 else client.buffer[left:]
    while left > 0:
        received = len(client.socket.recv(min(left, 1 << 20)))
        assert received
        left -= received
    return size


# ---- Errors and notices of any kind ---------------------------------------------------------------------------------


def test_errors_and_notices_with_every_field_arrive_as_the_server_sent_them(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    raised = (
        "DO $$ BEGIN RAISE {} 'words: é %', 1 USING DETAIL = E'a\\nb', HINT = 'hint', ERRCODE = '{}', COLUMN = 'c', "
        "CONSTRAINT = 'k', DATATYPE = 'd', TABLE = 't', SCHEMA = 's'; END $$"
    )
    for level, code in [("WARNING", "01008"), ("NOTICE", "HV00J"), ("INFO", "00000"), ("EXCEPTION", "P0001")]:
        seen = []
        for way in (postgres, holdfast):
            with WireClient(*server_end(way)) as client:
                client.login(production)
                seen.append([(each.kind, each.body) for each in client.ask(query(raised.format(level, code)))])
        assert seen[0] == seen[1]
        assert any(kind in "EN" for kind, _ in seen[0])


ODD_FIELDS = [
    pytest.param(b"SERROR\0VERROR\0C42P01\0Mwords\0xunknown\0Zanother\0\0", id="letters that nobody knows"),
    pytest.param(b"SERROR\0C42P01\0M\0\0", id="an empty message"),
    pytest.param(b"SERROR\0C42P01\0M\xff\xfe\x80\0D\xc3\0\0", id="bytes that are no UTF-8"),
    pytest.param(b"SERROR\0C42P01\0M" + b"long " * 20_000 + b"\0\0", id="a hundred kilobytes"),
    pytest.param(b"Mno severity and no code\0\0", id="no severity and no code"),
    pytest.param(b"SERROR\0C42P01\0Mtwice\0Mtwice\0H\0\0", id="a field twice"),
    pytest.param(b"\0", id="no field"),
]


@pytest.mark.parametrize("fields", ODD_FIELDS)
@pytest.mark.parametrize("kind", ["E", "N"])
def test_fields_that_no_server_of_today_sends_pass_as_they_are(
    start_holdfast: StartHoldfast, kind: str, fields: bytes
) -> None:
    answer = message(kind, fields) + message("C", text("SELECT 0")) * (kind == "N") + message("Z", b"I")
    with BadServer(answer=answer, then_closes=False) as server:
        holdfast = start_holdfast(server=server.address)
        with WireClient(holdfast.host, holdfast.port) as client:
            client.login("shop_test")
            client.send(query("SELECT 1"))
            assert client.receive() == Message(kind, fields)
            assert client.until("Z")[-1].kind == "Z"


# ---- Messages that nobody asked for ---------------------------------------------------------------------------------

NOTIFICATION = message("A", struct.pack("!I", 7) + text("news") + text("hello"))
STATUS = message("S", text("application_name") + text("changed"))
NOTICE = message("N", b"SNOTICE\0VNOTICE\0C00000\0Mby the way\0\0")
ROW_SHAPE = message("T", struct.pack("!H", 1) + text("a") + struct.pack("!IHIhiH", 0, 0, 25, -1, -1, 0))
ROW = message("D", struct.pack("!Hi", 1, 1) + b"1")


def test_asynchronous_messages_between_any_two_others_pass_in_their_place(start_holdfast: StartHoldfast) -> None:
    """Also between the rows of a result, where PostgreSQL 15 itself sends notices only."""
    parts = [ROW_SHAPE, ROW, ROW, message("C", text("SELECT 2")), message("Z", b"I")]
    answer = b"".join(NOTIFICATION + STATUS + NOTICE + part for part in parts) + NOTICE + STATUS + NOTIFICATION
    with BadServer(answer=answer, then_closes=False) as server:
        holdfast = start_holdfast(server=server.address)
        with WireClient(holdfast.host, holdfast.port) as client:
            client.login("shop_test")
            client.send(query("SELECT 1"))
            kinds = [each.kind for each in client.until("Z")] + [client.receive().kind for _ in range(3)]
    assert "".join(kinds) == "ASNTASNDASNDASNCASNZNSA"


def test_asynchronous_messages_around_a_refusal_pass_and_the_refusal_is_recognised(start_holdfast: StartHoldfast) -> None:
    """The server's answer to a refused statement is made by a server that talks in between."""
    with TalkingServer() as server:
        holdfast = start_holdfast(server=server.address)
        with WireClient(holdfast.host, holdfast.port) as client:
            client.login("shop")
            answers = client.ask(query("COPY people TO PROGRAM 'cat'"))
            assert [each.kind for each in answers] == ["A", "S", "N", "E", "A", "S", "N", "Z"]
            (refusal,) = errors(answers)
            assert refusal["C"] == "42501" and "holdfast refused COPY" in refusal["M"]


class TalkingServer(BadServer):
    """Fails every Query as PostgreSQL fails one that cannot be parsed, with asynchronous messages before and after."""

    def __init__(self) -> None:
        super().__init__(then_closes=False)

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(WELCOME)
            while received := connection.recv(1 << 16):
                if received[:1] != b"Q":
                    return
                said = received[5:-1]
                error = b"SERROR\0VERROR\0C42601\0Msyntax error at or near \"" + said + b"\"\0P1\0\0"
                between = NOTIFICATION + STATUS + NOTICE
                connection.sendall(between + message("E", error) + between + message("Z", b"I"))


def test_an_administrators_word_reaches_a_client_between_two_rows(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    """Rows are sent when the server's buffer of 8 KB is full, so the client has some of them and waits for more."""
    with WireClient(holdfast.host, holdfast.port, timeout=60) as client:
        client.login(production, application_name="reader")
        client.send(query("SELECT repeat('x', 1000), pg_sleep(CASE WHEN n = 100 THEN 100 END) FROM generate_series(1, 200) n"))
        assert [client.receive().kind for _ in range(40)] == ["T"] + ["D"] * 39
        find = "SELECT pid FROM pg_stat_activity WHERE application_name = 'reader' AND wait_event = 'PgSleep'"
        ((pid,),) = eventually(lambda: postgres.rows(find))
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        answers = client.rest()
    assert [each.kind for each in answers] == ["D"] * 60 + ["E"]
    assert answers[-1].fields["C"] == "57P01" and answers[-1].fields["S"] == "FATAL"


def test_a_client_that_did_not_read_sees_its_terminated_session_end_as_it_does_directly(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    """A server that is stuck in sending says nothing more: the stream ends, perhaps in the middle of a row. One that found
    room just then says why."""
    for way in (postgres, holdfast):
        with WireClient(*server_end(way), timeout=60) as client:
            client.login(production, application_name="stuck")
            client.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"))
            assert client.receive().kind == "T"
            find = "SELECT pid FROM pg_stat_activity WHERE application_name = 'stuck' AND wait_event = 'ClientWrite'"
            ((pid,),) = eventually(lambda: postgres.rows(find))
            postgres.execute(f"SELECT pg_terminate_backend({pid})")
            rest = client.rest()
            assert {each.kind for each in rest} - {"E"} == {"D"}
            assert all(fields["C"] == "57P01" for fields in errors(rest))


def test_notifications_arrive_in_order_among_refusals(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE people (n int)", production)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        client.ask(query("LISTEN news"))
        for number in range(50):
            postgres.execute(f"NOTIFY news, '{number}'", production)
            client.send(query("DROP TABLE people"))
            client.send(parse("TRUNCATE people"), bind(), execute(), SYNC)
            postgres.execute(f"NOTIFY news, 'more {number}'", production)
        answers = client.until("Z", 100)
        eventually(lambda: sum(each.kind == "A" for each in answers) == 100 or answers.extend(client.ask(query("SELECT 1"))))
        assert [found["C"] for found in errors(answers)] == ["42501"] * 100
        heard = [each.body[4:].split(b"\0")[1].decode() for each in answers if each.kind == "A"]
    assert heard == [words for number in range(50) for words in (str(number), f"more {number}")]


def test_a_changed_setting_is_told_before_the_end_of_its_statement(holdfast: Holdfast, production: str) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        for number in range(3):
            seen = transcript(client.ask(query(f"SET application_name = 'n{number}'")))
            assert seen in (["C(SET)", "S", "ZI"], ["S", "C(SET)", "ZI"])
            assert client.settings["application_name"] == f"n{number}"
