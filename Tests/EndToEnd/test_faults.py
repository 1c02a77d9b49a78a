"""What breaks on the way: whoever is left sees what PostgreSQL itself would show, and nothing is left behind."""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from conftest import StartHoldfast
from support.faults import (
    GATE, SITUATIONS, SLEEP, Calm, Ending, asked, ending, is_reachable, session,
)  # fmt: skip
from support.postgres import PostgresServer
from support.programs import eventually, program, run
from support.proxy import REPOSITORY, Holdfast
from support.relay import Relay, reset
from support.network import Network, can_have_network
from support.wire import (
    COPY_DONE, SYNC, WireClient, bind, copy_data, execute, parse, query, startup, transcript,
)  # fmt: skip

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
        assert outcome["transaction"] in ("unknown", "lost", "rolled_back")


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


# The network between the two: a relay that any user can run, and a lossy line where the tests may make one.


def test_a_commit_whose_answer_is_lost_is_called_unknown(
    start_holdfast: StartHoldfast, mortal: PostgresServer
) -> None:
    with Relay((mortal.host, mortal.port)) as relay:
        calm = Calm(start_holdfast(server=relay.address), mortal, "fault")
        with session(calm.holdfast.host, calm.holdfast.port, "fault") as (client, _):
            asked(client, "BEGIN; CREATE TABLE answer_lost ()")
            relay.to_client.at_limit = "reset"
            relay.to_client.limit = relay.to_client.passed
            client.send(query("COMMIT"))
            assert str(ending(client)) == "closed"
        relay.to_client.limit = None
        calm.returns()
        (intent,) = calm.holdfast.trail.records(event="intent")
        (outcome,) = calm.holdfast.trail.wait(event="outcome", id=intent["id"])
        assert outcome["transaction"] == "unknown"
    # It has happened, and the trail says truly that nobody was told.
    mortal.execute("DROP TABLE answer_lost", "fault")


@pytest.mark.parametrize("at_limit", ["close", "reset"])
@pytest.mark.parametrize("cut", [1, 4, 5, 9, 14, 40, 300, 340, 350, 390])
def test_a_server_that_stops_in_the_middle_of_what_it_says_ends_that_session_only(
    start_holdfast: StartHoldfast, mortal: PostgresServer, cut: int, at_limit: str
) -> None:
    with Relay((mortal.host, mortal.port)) as relay:
        calm = Calm(start_holdfast(server=relay.address), mortal, "fault")
        relay.to_client.limit = relay.to_client.passed + cut
        relay.to_client.at_limit = at_limit
        with WireClient(calm.holdfast.host, calm.holdfast.port) as client:
            client.send(startup({"user": "postgres", "database": "fault"}), query("SELECT 1"))
            assert "C" not in [item.kind for item in client.rest()]
        relay.to_client.limit = None
        calm.returns()


CONVERSATION = [
    query("SELECT 1; SELECT 'a' || 'b'"), parse("SELECT $1::int", types=[23]) + bind("", "", ["41"]) + execute() + SYNC,
    query("SELECT nonsense"), query("DROP TABLE t"), query("COPY t FROM STDIN") + copy_data(b"1\n2\n") + COPY_DONE,
    query("COPY t TO STDOUT"), query("SELECT repeat('x', 100000)"), query("TRUNCATE t"), query("DELETE FROM t"),
]  # fmt: skip


@pytest.mark.parametrize("side", ["the client's", "the server's", "both"])
def test_a_network_that_cuts_everything_into_small_late_pieces_changes_nothing(
    start_holdfast: StartHoldfast, mortal: PostgresServer, side: str
) -> None:
    def talk(host: str, port: int) -> list[str]:
        with WireClient(host, port) as client:
            client.login("fault")
            return [line for part in CONVERSATION for line in transcript(client.ask(part))]

    with ExitStack() as stack:
        behind = stack.enter_context(Relay((mortal.host, mortal.port)))
        calm = Calm(start_holdfast(server=behind.address), mortal, "fault")
        before = stack.enter_context(Relay((calm.holdfast.host, calm.holdfast.port)))
        expected = talk(calm.holdfast.host, calm.holdfast.port)
        for relay, is_meant in ((behind, side != "the client's"), (before, side != "the server's")):
            for way in (relay.to_target, relay.to_client):
                # Small where messages begin and end, so that every header is cut.
                way.piece, way.delay = (7, 0.0001) if is_meant and way is relay.to_target else (1021, 0.0001)
        assert talk(before.host, before.port) == expected
        calm.returns()


needs_network = pytest.mark.skipif(
    not can_have_network(), reason="no root, or no /dev/net/tun: the relay's tests say what can be said without"
)


@needs_network
def test_a_slow_and_lossy_network_changes_nothing(start_holdfast: StartHoldfast, mortal: PostgresServer) -> None:
    with ExitStack() as stack:
        line = stack.enter_context(Network(delay=0.002, jitter=0.004, loss=0.02))
        behind = stack.enter_context(Relay((mortal.host, mortal.port), listener=line.listen_there()))
        calm = Calm(start_holdfast(server=behind.address, listen=[f"{line.here}:0"]), mortal, "fault")
        rows = [(number, f"row {number} " + "x" * 200) for number in range(5000)]
        # From there to the proxy, and from the proxy to there: both ways over the line.
        before = stack.enter_context(Relay((calm.holdfast.host, calm.holdfast.port), dial=line.dial_from_there))
        with psycopg.connect(
            host=before.host, port=before.port, user="postgres", dbname="fault", autocommit=True
        ) as connection:
            connection.execute("CREATE TEMP TABLE copied (n int, note text)")
            with connection.cursor().copy("COPY copied FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            with connection.cursor().copy("COPY copied TO STDOUT") as copy:
                copy.set_types(["int4", "text"])
                assert sorted(copy.rows()) == rows
            assert connection.execute("SELECT n, note FROM copied ORDER BY n").fetchall() == rows
        run(program("pgbench"), "--initialize", "--scale=1", "--quiet", "fault", environment=direct_environment(mortal))
        run(
            *line.command(program("pgbench"), "--client=4", "--transactions=20", "--no-vacuum", "--protocol=prepared"),
            "fault", environment=calm.holdfast.environment("fault"),
        )  # fmt: skip
        assert mortal.value("SELECT count(*) FROM pgbench_history", "fault") == 80
        assert line.lost > 0
        calm.returns()


QUICK = {"keepalive_idle": "1s", "keepalive_interval": "1s", "keepalive_count": 2, "user_timeout": "2s"}


@needs_network
def test_a_client_that_vanishes_without_a_word_takes_its_session_along(
    start_holdfast: StartHoldfast, mortal: PostgresServer
) -> None:
    with Network() as line:
        calm = Calm(start_holdfast(server=mortal.address, listen=[f"{line.here}:0"], tcp=QUICK), mortal, "fault")
        before = line.there_do(lambda: socket.create_connection((calm.holdfast.host, calm.holdfast.port)))
        with before:
            before.sendall(startup({"user": "postgres", "database": "fault"}))
            eventually(lambda: calm.backends() == 1, what="the session")
            line.is_cut = True
            eventually(lambda: calm.backends() == 0, 30, what="the end of the session whose client is gone")
            line.is_cut = False
        calm.returns()


@needs_network
def test_a_server_that_vanishes_without_a_word_ends_the_session_as_it_would_directly(
    start_holdfast: StartHoldfast, mortal: PostgresServer
) -> None:
    with ExitStack() as stack:
        line = stack.enter_context(Network())
        behind = stack.enter_context(Relay((mortal.host, mortal.port), listener=line.listen_there()))
        holdfast = start_holdfast(server=behind.address, tcp=QUICK, top={"connect_timeout": "1s"})
        client = stack.enter_context(WireClient(holdfast.host, holdfast.port, timeout=40))
        client.login("fault")
        client.send(query("SELECT pg_sleep(3600)"))
        eventually(
            lambda: mortal.rows("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)'"),
            what="the running query",
        )
        line.is_cut = True
        # Without a proxy libpq reads the end of the stream as well: "server closed the connection unexpectedly".
        assert client.rest() == []
        line.is_cut = False
        mortal.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)'")
        with WireClient(holdfast.host, holdfast.port) as again:
            asked(again.login("fault"), "SELECT 1")


def direct_environment(server: PostgresServer) -> dict[str, str]:
    return {"PGHOST": server.host, "PGPORT": str(server.port), "PGUSER": "postgres"}
