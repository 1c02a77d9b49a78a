"""Timeouts: login, idle, idle in a transaction, statements that run too long."""

import os
import select
import socket
from pathlib import Path

import psycopg
import pytest

from conftest import StartHoldfast
from support.badserver import BadServer
from support.certificates import Certificates
from support.postgres import PASSWORD, PostgresServer
from support.programs import eventually
from support.tls_matrix import OPEN_DATABASE, TRUSTED, users_file
from support.wire import WireClient, copy_data, errors, query, startup, transcript


def limit(**settings) -> list[dict]:
    return [{"name": "short", **settings}]


def test_an_idle_session_is_ended_as_postgresql_ends_it(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    holdfast = start_holdfast(limit=limit(idle_timeout="300ms"))
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        (fields,) = errors(client.rest())
    assert (fields["S"], fields["C"]) == ("FATAL", "57P05")
    assert fields["M"] == "terminating connection due to idle-session timeout"
    assert '"short"' in fields["H"] and "idle_timeout" in fields["H"]
    eventually(lambda: postgres.sessions(production) == 0)
    assert holdfast.counters()["timeouts_idle"] == 1


def test_a_session_that_works_is_not_idle(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(limit=limit(idle_timeout="300ms"))
    with holdfast.connect(production) as connection:
        for _ in range(12):
            connection.execute("SELECT pg_sleep(0.1)")
        connection.execute("SELECT pg_sleep(1)")
        # Neither is one that waits within a transaction: that is another timeout.
        connection.execute("BEGIN")
        with pytest.raises(TimeoutError):
            WaitingSocket(connection).wait(1.0)
        connection.execute("COMMIT")


class WaitingSocket:
    """Nothing comes from the server for so long."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.socket = socket.socket(fileno=os.dup(connection.pgconn.socket))

    def wait(self, seconds: float) -> None:
        with self.socket:
            self.socket.settimeout(seconds)
            self.socket.recv(1, socket.MSG_PEEK)


@pytest.mark.parametrize("has_failed", [False, True], ids=["open", "failed"])
def test_an_idle_transaction_is_ended_and_its_locks_go(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, has_failed: bool
) -> None:
    postgres.execute("CREATE TABLE held (id int)", production)
    holdfast = start_holdfast(limit=limit(idle_in_transaction_timeout="300ms"))
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        client.ask(query("BEGIN"))
        client.ask(query("LOCK TABLE held"))
        if has_failed:
            client.ask(query("SELECT 1/0"))
        (fields,) = errors(client.rest())
    assert (fields["S"], fields["C"]) == ("FATAL", "25P03")
    assert fields["M"] == "terminating connection due to idle-in-transaction timeout"
    eventually(lambda: postgres.sessions(production) == 0)
    postgres.execute("BEGIN; LOCK TABLE held NOWAIT; COMMIT", production)


def test_a_statement_that_runs_too_long_is_cancelled_and_the_session_lives(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast(limit=limit(query_timeout="300ms"))
    with holdfast.connect(production) as connection:
        for _ in range(3):
            with pytest.raises(psycopg.errors.QueryCanceled) as caught:
                connection.execute("SELECT pg_sleep(60)")
            assert caught.value.diag.message_primary == "canceling statement due to statement timeout"
            assert '"short"' in (caught.value.diag.message_hint or "")
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert connection.execute("SELECT pg_sleep(0.1) IS NULL").fetchone() == (False,)
    assert holdfast.counters()["timeouts_query"] == 3


def test_the_context_of_a_cancelled_function_stays(start_holdfast: StartHoldfast, test_database: str) -> None:
    holdfast = start_holdfast(limit=limit(query_timeout="300ms"))
    with holdfast.connect(test_database) as connection, pytest.raises(psycopg.errors.QueryCanceled) as caught:
        connection.execute("DO $$ BEGIN PERFORM pg_sleep(60); END $$")
    assert "PL/pgSQL" in (caught.value.diag.context or "")
    assert caught.value.diag.message_primary == "canceling statement due to statement timeout"


def test_the_statements_of_one_message_have_their_time_together(
    start_holdfast: StartHoldfast, production: str
) -> None:
    """The server keeps its answers back until the last of them, so nobody can tell them apart."""
    holdfast = start_holdfast(limit=limit(query_timeout="500ms"))
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        for _ in range(4):
            assert errors(client.ask(query("SELECT pg_sleep(0.2)"))) == []
        (fields,) = errors(client.ask(query("; ".join(["SELECT pg_sleep(0.2)"] * 300))))
        assert fields["M"] == "canceling statement due to statement timeout"


@pytest.mark.parametrize("sends", [True, False], ids=["sends", "stalls"])
def test_a_copy_runs_like_a_statement(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, sends: bool
) -> None:
    """As statement_timeout counts it. While the server waits for the client it hears of no cancel (ProcessClientReadInterrupt),
    so the session of a client that stalls is ended."""
    postgres.execute("CREATE TABLE copied (id int)", production)
    holdfast = start_holdfast(limit=limit(query_timeout="400ms", idle_in_transaction_timeout="100ms"))
    with WireClient(holdfast.host, holdfast.port, timeout=20) as client:
        client.login(production)
        assert [item.kind for item in client.ask(query("COPY copied FROM STDIN"), syncs=0)] == []
        assert client.until("G")[-1].kind == "G"
        while sends and not select.select([client.socket], [], [], 0.02)[0]:
            client.send(copy_data(b"1\n"))
        (fields,) = errors(client.until("E"))
        assert fields["C"] == "57014" and "statement timeout" in fields["M"]
        assert fields["S"] == ("ERROR" if sends else "FATAL")
    eventually(lambda: postgres.sessions(production) == 0)


def test_what_the_user_cancels_is_not_a_timeout(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    holdfast = start_holdfast(limit=limit(query_timeout="20s"))
    with holdfast.connect(production) as connection:
        connection.pgconn.send_query(b"SELECT pg_sleep(61)")
        eventually(
            lambda: postgres.value(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(61)%'"
                " AND pid <> pg_backend_pid()"
            )
        )
        connection.pgconn.get_cancel().cancel()
        (result,) = iter(connection.pgconn.get_result, None)
        assert b"user request" in result.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY)


def test_what_the_client_sent_behind_a_cancelled_statement_runs(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast(limit=limit(query_timeout="300ms"))
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        client.send(query("SELECT pg_sleep(60)"), query("SELECT 1"))
        answer = transcript(client.until("Z", 2))
    assert answer == ["E(57014)", "ZI", "T", "D", "C(SELECT 1)", "ZI"] or answer == [
        "T", "E(57014)", "ZI", "T", "D", "C(SELECT 1)", "ZI",
    ]  # fmt: skip


def test_a_reload_changes_the_timeouts_of_open_sessions(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(limit=limit(idle_timeout="1h"))
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        holdfast.settings.limit = limit(idle_timeout="200ms")
        holdfast.write(holdfast.settings)
        holdfast.reload()
        assert [fields["C"] for fields in errors(client.rest())] == ["57P05"]


def test_the_first_block_that_gives_a_timeout_decides(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(
        limit=[
            {"name": "patient", "users": ["post*"], "idle_timeout": "off"},
            {"name": "all", "idle_timeout": "100ms", "query_timeout": "300ms"},
        ]
    )
    with holdfast.connect(production) as connection:
        with pytest.raises(TimeoutError):
            WaitingSocket(connection).wait(0.6)
        with pytest.raises(psycopg.errors.QueryCanceled) as caught:
            connection.execute("SELECT pg_sleep(60)")
        assert '"all"' in (caught.value.diag.message_hint or "")


def test_a_replication_connection_is_never_idle(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(limit=limit(idle_timeout="100ms", query_timeout="100ms"))
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production, replication="database")
        assert client.is_quiet(timeout=0.7)
        assert transcript(client.ask(query("IDENTIFY_SYSTEM"))) == ["T", "D", "C(IDENTIFY_SYSTEM)", "ZI"]


def test_a_client_that_never_says_who_it_is_is_ended(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast(top={"login_timeout": "1s"})
    with WireClient(holdfast.host, holdfast.port) as client:
        (fields,) = errors(client.rest())
    assert (fields["S"], fields["C"]) == ("FATAL", "57014")
    assert fields["M"] == "canceling authentication due to timeout"
    assert holdfast.counters()["timeouts_login"] == 1


def test_a_client_that_does_not_answer_the_servers_question_is_ended(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    holdfast = start_holdfast(top={"login_timeout": "1s"})
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "cid_scram", "database": production}))
        received = client.rest()
    assert [item.kind for item in received] == ["R", "E"]
    assert errors(received)[0]["C"] == "57014"


def test_a_server_that_ignores_the_cancel_loses_the_session(start_holdfast: StartHoldfast) -> None:
    with BadServer(answer=b"", then_closes=False) as server:
        holdfast = start_holdfast(server=server.address, limit=limit(query_timeout="200ms"))
        with WireClient(holdfast.host, holdfast.port, timeout=20) as client:
            client.login("d")
            client.send(query("SELECT 1"))
            (fields,) = errors(client.rest())
        server.wait_for_close()
    assert (fields["S"], fields["C"]) == ("FATAL", "57014")
    counters = holdfast.counters()
    assert (counters["timeouts_query"], counters["ended_uncancelled"]) == (1, 1)


def test_a_server_that_accepts_and_says_nothing_is_given_up(start_holdfast: StartHoldfast) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()
        holdfast = start_holdfast(server=f"{host}:{port}", top={"login_timeout": "1s"})
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send(startup({"user": "u", "database": "d"}))
            assert [fields["C"] for fields in errors(client.rest())] == ["57014"]


def test_the_login_timeout_ends_with_the_login(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(top={"login_timeout": "1s"})
    with holdfast.connect(production) as connection:
        connection.execute("SELECT pg_sleep(1.3)")
        with pytest.raises(TimeoutError):
            WaitingSocket(connection).wait(0.3)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_timeouts_hold_with_tls_on_both_sides(
    start_holdfast: StartHoldfast, tls_postgres: PostgresServer, certificates: Certificates
) -> None:
    holdfast = start_holdfast(
        server=f"localhost:{tls_postgres.port}",
        server_tls={"mode": "verify-full", "ca": str(certificates.root)},
        client_tls={"mode": "require", **certificates.server.proxy_settings()},
        limit=limit(query_timeout="300ms", idle_timeout="600ms"),
    )
    with holdfast.connect(OPEN_DATABASE, user=TRUSTED, sslmode="require") as connection:
        with pytest.raises(psycopg.errors.QueryCanceled) as caught:
            connection.execute("SELECT pg_sleep(60)")
        assert caught.value.diag.message_primary == "canceling statement due to statement timeout"
        assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.errors.IdleSessionTimeout):
            # What the server says while nobody asks is read with the next statement.
            WaitingSocket(connection).wait(10)
            connection.execute("SELECT 1")


def test_timeouts_hold_where_holdfast_logs_clients_in_itself(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, tmp_path: Path
) -> None:
    users = tmp_path / "users.txt"
    users.write_text(users_file(postgres))
    users.chmod(0o600)
    holdfast = start_holdfast(
        top={"auth": "scram", "login_timeout": "1s"}, users={"file": str(users)},
        limit=limit(query_timeout="300ms", idle_timeout="1500ms"),
    )  # fmt: skip
    with holdfast.connect(production, user="cid_scram", password=PASSWORD) as connection:
        with pytest.raises(psycopg.errors.QueryCanceled) as caught:
            connection.execute("SELECT pg_sleep(60)")
        assert caught.value.diag.message_primary == "canceling statement due to statement timeout"
        with pytest.raises(psycopg.errors.IdleSessionTimeout):
            WaitingSocket(connection).wait(10)
            connection.execute("SELECT 1")
    counters = holdfast.counters()
    assert counters["logins_completed"] == 1 and "timeouts_login" not in counters
