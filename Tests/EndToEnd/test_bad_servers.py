"""A server that breaks the protocol, hangs or is not there: its client gets a clear end, the proxy lives on."""


import psycopg
import pytest

from conftest import StartHoldfast
from support.badserver import WELCOME, BadServer
from support.postgres import PostgresServer, free_port
from support.programs import program, run
from support.wire import WireClient, errors, message, query, startup, transcript

BAD_GREETINGS = {
    "an HTTP answer": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a length of 0": b"R\0\0\0\0",
    "a negative length": b"R\xff\xff\xff\xff",
    "an unknown type": message("#", b"what"),
    "nothing at all": b"",
    "an error without SQLSTATE": message("E", b"SFATAL\0Mgo away\0\0"),
    "an empty error": message("E", b"\0"),
    "half a message": WELCOME[:7],
    "an authentication request cut short": message("R", b"\0"),
}


@pytest.mark.parametrize("greeting", BAD_GREETINGS.values(), ids=BAD_GREETINGS)
def test_a_server_that_greets_with_nonsense_ends_that_session_only(
    start_holdfast: StartHoldfast, greeting: bytes
) -> None:
    with BadServer(greeting) as server:
        holdfast = start_holdfast(server=server.address)
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send(startup({"user": "postgres"}))
            assert "Z" not in [item.kind for item in client.rest()]
        assert holdfast.is_alive


BAD_ANSWERS = {
    "a length of 3": b"T\0\0\0\3",
    "a negative length": b"D\x80\0\0\0" + b"x" * 100,
    "an unknown type": message("\x01", b"what"),
    "a ReadyForQuery of an unknown state": message("Z", b"?"),
    "a ReadyForQuery without a state": message("Z", b""),
    "ready twice": message("Z", b"I") * 2,
    "half a row": b"D\0\0\1\0\0\1",
    "an error without an end": message("E", b"SERROR\0C42601\0Mnever ends"),
    "a parameter without a value": message("S", b"client_encoding\0"),
    "a copy nobody asked for": message("G", b"\0\0\0"),
    "a gigabyte to come": b"D\x3f\xff\xff\xff" + b"x" * 1000,
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_server_that_answers_with_nonsense_ends_that_session_only(
    start_holdfast: StartHoldfast, answer: bytes
) -> None:
    with BadServer(answer=answer) as server:
        holdfast = start_holdfast(server=server.address)
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send(startup({"user": "postgres"}))
            client.until("Z")
            client.send(query("SELECT 1"))
            client.rest()  # comes to an end
        assert holdfast.is_alive
        assert holdfast.resident_kilobytes() < 100_000


def test_a_server_that_is_not_there_gives_a_proper_error(start_holdfast: StartHoldfast) -> None:
    address = f"127.0.0.1:{free_port()}"
    holdfast = start_holdfast(server=address)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "postgres", "database": "shop"}))
        (error,) = errors(client.rest())
    assert (error["S"], error["V"], error["C"]) == ("FATAL", "FATAL", "08006")
    shown = run(
        program("psql"), "--command=SELECT 1", environment=holdfast.environment("shop"), check=False
    ).stderr  # fmt: skip
    assert error["M"] in shown
    assert "server closed the connection unexpectedly" not in shown


def test_a_server_socket_that_is_not_there_gives_a_proper_error(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast(server="unix:/nonexistent/.s.PGSQL.5432")
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "postgres"}))
        assert [error["C"] for error in errors(client.rest())] == ["08006"]


def test_a_server_that_never_answers_loses_nothing_but_its_own_client(start_holdfast: StartHoldfast) -> None:
    with BadServer(greeting=b"", then_closes=False) as server:
        holdfast = start_holdfast(server=server.address)
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send(startup({"user": "postgres"}))
            server.wait_for_startup_packet()
        server.wait_for_close()


def test_a_server_killed_in_the_middle_of_a_query_ends_its_clients_sessions(start_holdfast: StartHoldfast) -> None:
    server = PostgresServer()
    try:
        server.start()
        holdfast = start_holdfast(server=server.address)
        with WireClient(holdfast.host, holdfast.port) as idle, WireClient(holdfast.host, holdfast.port) as busy:
            idle.login("postgres")
            busy.login("postgres")
            busy.send(query("SELECT pg_sleep(60)"))
            server.stop("immediate")
            assert [error["C"] for error in errors(busy.rest())] in (["57P02"], ["57P01"], ["08006"], [])
            assert [error["C"] for error in errors(idle.rest())] in (["57P02"], ["57P01"], ["08006"], [])
        with pytest.raises(psycopg.OperationalError):
            holdfast.connect("postgres")
        server.start()
        with holdfast.connect("postgres") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.remove()


def test_a_backend_terminated_by_an_administrator_says_so_to_its_client(
    start_holdfast: StartHoldfast, postgres: PostgresServer
) -> None:
    holdfast = start_holdfast()
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login("postgres")
        (pid,) = client.ask(query("SELECT pg_backend_pid()"))[1].values
        postgres.execute(f"SELECT pg_terminate_backend({pid})")
        assert transcript(client.rest()) == ["E(57P01)"]


def test_too_many_clients_are_told_so(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast(top={"max_clients": 2})
    with WireClient(holdfast.host, holdfast.port) as one, WireClient(holdfast.host, holdfast.port) as two:
        one.login("postgres")
        two.login("postgres")
        with WireClient(holdfast.host, holdfast.port) as three:
            three.send(startup({"user": "postgres"}))
            assert [error["C"] for error in errors(three.rest())] == ["53300"]
        assert transcript(one.ask(query("SELECT 1")))[-1] == "ZI"


def test_a_version_negotiation_passes_to_the_client(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast()
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "postgres", "database": "postgres", "_pq_.fancy": "on"}, protocol=196608 + 1))
        kinds = [item.kind for item in client.until("Z")]
        assert "v" in kinds and kinds[-1] == "Z"
