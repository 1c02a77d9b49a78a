"""What breaks on the way: whoever is left sees what PostgreSQL itself would show, and nothing is left behind."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from conftest import StartHoldfast
from support.faults import (
    GATE, SITUATIONS, SLEEP, Calm, Ending, asked, ending, is_reachable, session,
)  # fmt: skip
from support.postgres import PostgresServer
from support.programs import eventually
from support.proxy import REPOSITORY, Holdfast
from support.relay import reset
from support.wire import WireClient, query

WRITING = ("in the middle of a result", "in COPY TO STDOUT")
TABLE = REPOSITORY / "docs/faults.md"


@pytest.fixture(scope="module")
def mortal() -> Iterator[PostgresServer]:
    """A server that tests may kill."""
    server = PostgresServer()
    try:
        server.start()
        server.execute("CREATE DATABASE fault")
        server.execute("CREATE TABLE t (n int)", "fault")
        yield server
    finally:
        server.remove()


@pytest.fixture
def calm(start_holdfast: StartHoldfast, mortal: PostgresServer) -> Calm:
    mortal.execute("TRUNCATE t", "fault")
    return Calm(start_holdfast(server=mortal.address), mortal, "fault")


def postmaster_of(server: PostgresServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def revive(server: PostgresServer) -> None:
    """Starts it again as soon as the processes of the one before have gone."""

    def has_started() -> bool:
        try:
            server.start()
        except AssertionError:
            return False
        return True

    eventually(has_started, timeout=60, what="the server's start")


def terminate(server: PostgresServer, backends: list[int]) -> None:
    server.execute(f"SELECT pg_terminate_backend(pid) FROM unnest(ARRAY{backends}) pid")


def kill_backends(server: PostgresServer, backends: list[int]) -> None:
    # The postmaster ends the others when it hears of the first: so it hears of all at once.
    os.kill(postmaster_of(server), signal.SIGSTOP)
    for backend in backends:
        os.kill(backend, signal.SIGKILL)
    os.kill(postmaster_of(server), signal.SIGCONT)


def kill_neighbour(server: PostgresServer, backends: list[int]) -> None:
    with session(server.host, server.port, "postgres") as (_, backend):
        os.kill(backend, signal.SIGKILL)


def kill_postmaster(server: PostgresServer, backends: list[int]) -> None:
    os.kill(postmaster_of(server), signal.SIGKILL)


def stop_at_once(server: PostgresServer, backends: list[int]) -> None:
    server.stop("immediate")


def stop_fast(server: PostgresServer, backends: list[int]) -> None:
    server.stop("fast")


SERVER_FAULTS: dict[str, Callable[[PostgresServer, list[int]], None]] = {
    "pg_terminate_backend": terminate,
    "kill -9 of the server's processes": kill_backends,
    "kill -9 of another session's process": kill_neighbour,
    "kill -9 of the postmaster": kill_postmaster,
    "immediate shutdown": stop_at_once,
    "fast shutdown": stop_fast,
}


@contextmanager
def pairs(calm: Calm, busy: str = SLEEP) -> Iterator[dict[str, list[tuple[WireClient, int]]]]:
    """In each situation two sessions: one directly at the server and one through Holdfast, each with its server process."""
    addresses = [(calm.server.host, calm.server.port), (calm.holdfast.host, calm.holdfast.port)]
    with ExitStack() as stack:
        found = {}
        for name, situation in SITUATIONS.items():
            found[name] = [stack.enter_context(session(*address, calm.database)) for address in addresses]
            for client, _ in found[name]:
                situation(client, busy)
        eventually(lambda: are_settled(calm.server, calm.database), what="the situations")
        yield found


def are_settled(server: PostgresServer, database: str) -> bool:
    """Every session's process waits for its client, or for what keeps it busy."""
    return not server.rows(
        f"SELECT FROM pg_stat_activity WHERE datname = '{database}' AND backend_type = 'client backend'"
        " AND wait_event IS DISTINCT FROM 'ClientRead' AND wait_event IS DISTINCT FROM 'ClientWrite'"
        " AND wait_event IS DISTINCT FROM 'PgSleep' AND wait_event IS DISTINCT FROM 'advisory'"
    )


def assert_as_documented(fault: str, seen: dict[str, list[Ending]]) -> None:
    """Both see the same, and docs/faults.md says so."""
    endings: dict[str, list[str]] = {}
    for situation, (direct, _) in seen.items():
        endings.setdefault(str(direct), []).append(situation)
    common = max(endings, key=lambda text: len(endings[text]))
    for situation, (direct, through) in seen.items():
        # The server has a word for a client that it is not just waiting for to read: which is luck with a proxy that reads.
        allowed = {str(direct), common} if situation in WRITING else {str(direct)}
        assert str(through) in allowed, f"{situation}: directly {direct}; through Holdfast {through}"
    rows = [f"| {fault} | {common} | {common} |"]
    rows += [
        f"| {fault}, {', '.join(situations)} | {text} | {text} |"
        for text, situations in endings.items()
        if text != common
    ]
    assert "\n".join(rows) in TABLE.read_text(), "docs/faults.md lacks\n" + "\n".join(rows)


@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_a_server_that_dies_is_seen_as_it_is_without_holdfast(calm: Calm, mortal: PostgresServer, fault: str) -> None:
    with pairs(calm) as sessions:
        SERVER_FAULTS[fault](mortal, [backend for pair in sessions.values() for _, backend in pair])
        seen = {name: [ending(client) for client, _ in pair] for name, pair in sessions.items()}
    if "postmaster" in fault or "shutdown" in fault:
        revive(mortal)
    eventually(lambda: is_reachable(mortal), what="the server's recovery")
    calm.returns()
    assert mortal.value("SELECT count(*) FROM t", "fault") == 0
    assert_nothing_is_called_committed(calm.holdfast)
    assert_as_documented(fault, seen)


def assert_nothing_is_called_committed(holdfast: Holdfast) -> None:
    intents = [record for record in holdfast.trail.records(event="intent") if "made_in_vain" in record["sql"]]
    assert intents
    for intent in intents:
        (outcome,) = holdfast.trail.wait(event="outcome", id=intent["id"])
        assert outcome["transaction"] in ("unknown", "rolled_back")


CLIENT_FAULTS: dict[str, Callable[[WireClient], None]] = {
    "the client closes": lambda client: client.socket.close(),
    "the client resets": lambda client: reset(client.socket),
}


@contextmanager
def gate(server: PostgresServer) -> Iterator[Callable[[], None]]:
    """Sessions that run GATE wait until what this gives is called."""
    with server.connect("fault", application_name="gate") as keeper:
        keeper.execute("SELECT pg_advisory_lock(7)")
        yield keeper.close


@pytest.mark.parametrize("fault", CLIENT_FAULTS)
def test_a_client_that_dies_leaves_nothing_behind(calm: Calm, mortal: PostgresServer, fault: str) -> None:
    with gate(mortal) as open_gate, pairs(calm, GATE) as sessions:
        for pair in sessions.values():
            for client, _ in pair:
                CLIENT_FAULTS[fault](client)
        open_gate()
        calm.returns()
    assert mortal.value("SELECT count(*) FROM t", "fault") == 0
    assert_nothing_is_called_committed(calm.holdfast)


def test_a_client_that_has_said_its_last_hears_what_it_would_directly(calm: Calm, mortal: PostgresServer) -> None:
    with gate(mortal) as open_gate, pairs(calm, GATE) as sessions:
        for pair in sessions.values():
            for client, _ in pair:
                client.socket.shutdown(socket.SHUT_WR)
        open_gate()
        seen = {name: [ending(client) for client, _ in pair] for name, pair in sessions.items()}
        calm.returns()
    assert mortal.value("SELECT count(*) FROM t", "fault") == 0
    for refused in ("with a refusal owed", "with a question to be put"):
        assert seen.pop(refused) == [Ending([], []), Ending(["42501"], [])], refused
    assert_as_documented("the client half-closes", seen)


def test_a_session_ends_with_a_client_that_is_reset_whatever_it_waits_for(
    calm: Calm, mortal: PostgresServer
) -> None:
    with gate(mortal), session(calm.holdfast.host, calm.holdfast.port, "fault") as (client, _):
        SITUATIONS["with a question to be put"](client, GATE)
        reset(client.socket)
        calm.returns(backends=False)


def test_the_server_notices_that_a_client_has_gone_while_its_query_runs(calm: Calm, mortal: PostgresServer) -> None:
    with session(calm.holdfast.host, calm.holdfast.port, "fault") as (client, _):
        asked(client, "SET client_connection_check_interval = 100")
        client.send(query(SLEEP))
    calm.returns()


def test_a_proxy_that_is_killed_takes_its_sessions_along(calm: Calm, mortal: PostgresServer) -> None:
    holdfast = calm.holdfast
    with gate(mortal) as open_gate, pairs(calm, GATE) as sessions:
        holdfast.kill()
        seen = {name: ending(through) for name, (_, (through, _)) in sessions.items()}
        for direct, _ in (pair[0] for pair in sessions.values()):
            direct.socket.close()
        open_gate()
        assert set(map(str, seen.values())) == {"closed"}
        eventually(lambda: calm.backends() == 0, what="the end of the server's processes")
    assert mortal.value("SELECT count(*) FROM t", "fault") == 0
    # Nobody has seen how the intents ended, and the trail does not pretend to.
    (intent,) = [record for record in holdfast.trail.records(event="intent") if "made_in_vain" in record["sql"]]
    assert not holdfast.trail.records(event="outcome", id=intent["id"])
    holdfast.restart()
    with WireClient(holdfast.host, holdfast.port) as client:
        asked(client.login("fault"), "CREATE TABLE after_the_fall (); DROP TABLE IF EXISTS nothing")
    (intent,) = holdfast.trail.wait(event="intent", sql="CREATE TABLE after_the_fall ()")
    holdfast.trail.wait(event="outcome", transaction="committed", id=intent["id"])
    mortal.execute("DROP TABLE after_the_fall", "fault")
