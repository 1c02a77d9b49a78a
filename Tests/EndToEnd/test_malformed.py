"""Bytes that no honest client sends: an error or the end of that session, and nobody else notices."""

import struct
from collections.abc import Iterator

import pytest

from conftest import StartHoldfast
from support.proxy import Holdfast
from support.wire import (
    GSSENC_REQUEST, SSL_REQUEST, SYNC, TERMINATE, Message, WireClient, bind, describe, execute, message, parse, query,
    startup, transcript,
)  # fmt: skip

LOGIN = startup({"user": "postgres", "database": "postgres"})


@pytest.fixture
def neighbour(holdfast: Holdfast) -> Iterator[WireClient]:
    """A session beside the malformed one: it must be there before and answer after, from the same process."""
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login("postgres")
        client.ask(query("BEGIN; CREATE TEMP TABLE mine AS SELECT 7 AS n"))
        yield client
        answer = client.ask(query("SELECT n FROM mine; COMMIT"))
        assert transcript(answer) == ["T", "D", "C(SELECT 1)", "C(COMMIT)", "ZI"]
        assert holdfast.is_alive


def refused(messages: list[Message]) -> bool:
    """At most one ErrorResponse came before the end, and it carries a SQLSTATE."""
    kinds = [item.kind for item in messages]
    return kinds in ([], ["E"]) and all(len(item.fields["C"]) == 5 for item in messages)


def header(length: int, code: int = 196608) -> bytes:
    return struct.pack("!Ii", length & 0xFFFFFFFF, code)


BEFORE_LOGIN = {
    "an empty packet": header(4)[:4],
    "a length of 0": header(0),
    "a length of 3": header(3),
    "a length of 7": header(7) + b"\0" * 10,
    "a negative length": header(-1) + b"\0" * 100,
    "the smallest negative length": header(-(2**31)) + b"\0" * 100,
    "a length over 10000": header(10_001) + b"user\0postgres\0\0",
    "a length of two gigabytes": header(2**31 - 1) + b"user\0postgres\0\0",
    "a startup packet full of options": startup({"user": "postgres", "options": "x" * 20_000}),
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a TLS hello without SSLRequest": bytes.fromhex("16030100a5010000a10303") + b"\x55" * 160,
    "an SSH banner": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    "zeros": b"\0" * 1000,
    "ones": b"\xff" * 1000,
    "a startup packet without the last NUL": header(24) + b"user\0postgres\0xy",
    "a name without a value": header(13) + b"user\0",
    "protocol 2.0": startup({"user": "postgres"}, protocol=2 << 16),
    "protocol 9.9": startup({"user": "postgres"}, protocol=9 << 16 | 9),
    "no user": startup({"database": "postgres"}),
    "a query in place of a startup packet": query("SELECT 1"),
    "bytes behind SSLRequest": SSL_REQUEST + LOGIN + query("SELECT 1"),
    "bytes behind GSSENCRequest": GSSENC_REQUEST + LOGIN,
}


@pytest.mark.parametrize("sent", BEFORE_LOGIN.values(), ids=BEFORE_LOGIN)
def test_before_login(holdfast: Holdfast, neighbour: WireClient, sent: bytes) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(sent)
        client.socket.shutdown(1)
        first = client.byte()
        if first == b"N":  # the answer to SSLRequest or GSSENCRequest, and nothing behind it
            first = client.byte()
        client.buffer = first + client.buffer
        assert refused(client.rest())


@pytest.mark.parametrize("count", range(1, len(LOGIN)))
def test_a_startup_packet_cut_short(holdfast: Holdfast, count: int) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(LOGIN[:count])
        client.socket.shutdown(1)
        assert refused(client.rest())


def test_a_client_may_ask_for_encryption_twice_but_not_for_ever(holdfast: Holdfast, neighbour: WireClient) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        for request in (GSSENC_REQUEST, SSL_REQUEST):
            client.send(request)
            assert client.byte() == b"N"
        client.send(LOGIN)
        assert transcript(client.until("Z"))[-1] == "ZI"


def test_a_client_that_says_nothing_is_let_go(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast(top={"login_timeout": "1s"})
    with WireClient(holdfast.host, holdfast.port) as silent, WireClient(holdfast.host, holdfast.port) as slow:
        slow.send(LOGIN[:10])
        assert refused(silent.rest())
        assert refused(slow.rest())


AFTER_LOGIN = {
    "a length of 0": message("Q", b"", length=0),
    "a length of 3": message("Q", b"", length=3),
    "a negative length": message("Q", b"SELECT 1\0", length=-1),
    "a length that wraps to a small one": message("Q", b"SELECT 1\0", length=0x80000008),
    "a length over the maximum": message("Q", b"SELECT 1\0", length=0x7FFFFFFF),
    "a Sync that is too long": message("S", b"", length=1_000_000),
    "a Terminate that is too long": message("X", b"", length=0x7FFFFFF0),
    "an unknown type": message("z", b"hello"),
    "the type NUL": message("\0", b"hello"),
    "a type above ASCII": message("\xff", b"hello"),
    "a server's message": message("Z", b"I"),
    "a second startup packet": LOGIN,
    "an SSLRequest in the session": SSL_REQUEST,
    "a password nobody asked for": message("p", b"secret\0"),
    "random bytes": bytes(range(255, 0, -1)) * 8,
}


@pytest.mark.parametrize("sent", AFTER_LOGIN.values(), ids=AFTER_LOGIN)
def test_after_login(holdfast: Holdfast, neighbour: WireClient, sent: bytes) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login("postgres")
        client.send(sent)
        client.socket.shutdown(1)
        assert refused(client.rest())


# The frame is whole but its inside is wrong: the server says so and the session goes on.
WRONG_INSIDE = {
    "a Query without NUL": message("Q", b"SELECT 1"),
    "an empty Query body": message("Q", b""),
    "a NUL inside a Query": message("Q", b"SELECT 1\0 DROP TABLE leads\0"),
    "bytes behind a Query's text": message("Q", b"SELECT 1\0x"),
    "a Parse without NUL": message("P", b"\0SELECT 1") + SYNC,
    "a Parse without types": message("P", b"\0SELECT 1\0") + SYNC,
    "a Parse with fewer types than it says": message("P", b"\0SELECT 1\0\0\x09") + SYNC,
    "a Bind with fewer values than it says": parse("SELECT 1") + message("B", b"\0\0\0\0\0\x05") + SYNC,
    "a Bind with a negative length": parse("SELECT $1::text")
    + message("B", b"\0\0" + struct.pack("!HHi", 0, 1, -77) + b"\0\0")
    + SYNC,
    "an Execute without its limit": message("E", b"\0") + SYNC,
    "a Describe of nothing": message("D", b"") + SYNC,
    "a Describe of an unknown kind": message("D", b"Z\0") + SYNC,
    "a Close without NUL": message("C", b"Sname") + SYNC,
    "a FunctionCall cut short": message("F", b"\0\0\0\1"),
    "text that is not UTF-8": query(b"SELECT '\xff\xfe'"),
}


@pytest.mark.parametrize("sent", WRONG_INSIDE.values(), ids=WRONG_INSIDE)
def test_a_message_with_a_wrong_inside_fails_and_the_session_goes_on(
    holdfast: Holdfast, neighbour: WireClient, sent: bytes
) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login("postgres")
        answer = transcript(client.ask(sent), without="12")
        assert len(answer) == 2
        assert answer[0].startswith("E(")
        assert answer[1] == "ZI"
        assert transcript(client.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "ZI"]
        assert client.is_quiet(0.05)


CONVERSATION = [
    query("SELECT 1; SELECT 'a' || 'b'"),
    parse("SELECT $1::int + 1", name="s") + bind("", "s", ["41"]) + describe("P") + execute() + SYNC,
    query("SELECT nonsense"),
    query("CREATE TEMP TABLE t (n int); INSERT INTO t SELECT generate_series(1, 50); TABLE t"),
    query("DROP TABLE pg_catalog.pg_class"),
    SYNC,
]


def test_a_conversation_sent_byte_by_byte_gets_the_same_answers(holdfast: Holdfast) -> None:
    def talk(bytewise: bool) -> list[str]:
        with WireClient(holdfast.host, holdfast.port) as client:
            send = client.send_bytewise if bytewise else client.send
            send(LOGIN)
            said = transcript(client.until("Z"), without="SK")
            for part in CONVERSATION:
                send(part)
                said += transcript(client.until("Z"))
            client.send(TERMINATE)
            assert client.rest() == []
            return said

    assert talk(bytewise=True) == talk(bytewise=False)


def test_a_conversation_sent_in_one_packet_gets_the_same_answers(holdfast: Holdfast) -> None:
    with WireClient(holdfast.host, holdfast.port) as one, WireClient(holdfast.host, holdfast.port) as other:
        one.login("postgres")
        said = [line for part in CONVERSATION for line in transcript(one.ask(part))]
        other.login("postgres")
        assert transcript(other.ask(*CONVERSATION, syncs=len(CONVERSATION))) == said


@pytest.mark.parametrize("count", [1, 4, 5, 6, 20])
def test_a_query_cut_short_runs_nothing(holdfast: Holdfast, neighbour: WireClient, count: int) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login("postgres")
        client.send(query("CREATE TABLE half_sent ()")[:count])
        client.socket.shutdown(1)
        assert refused(client.rest())
    found = neighbour.ask(query("SELECT count(*) FROM pg_class WHERE relname = 'half_sent'"))
    assert found[1].values == ["0"]


def test_the_promise_of_a_gigabyte_costs_no_memory(holdfast: Holdfast, neighbour: WireClient) -> None:
    before = holdfast.resident_kilobytes()
    clients = [WireClient(holdfast.host, holdfast.port).login("postgres") for _ in range(10)]
    for client in clients:
        client.send(message("Q", b"SELECT '", length=1_000_000_000))
        client.send(b"x" * 100_000)
    neighbour.ask(query("SELECT 1"))
    assert holdfast.resident_kilobytes() < before + 60_000
    for client in clients:
        client.socket.close()
