"""What happens beside queries: cancel, notifications, notices, replication."""

import asyncio
import subprocess
import threading
from pathlib import Path

import asyncpg
import psycopg
import psycopg2
import pytest
from psycopg import pq

from support.postgres import PostgresServer
from support.programs import eventually, program, run
from support.proxy import Holdfast
from support.wire import TERMINATE, WireClient, query, transcript


def wait_until_running(postgres: PostgresServer, fragment: str) -> None:
    eventually(
        lambda: postgres.value(
            f"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{fragment}%'"
            " AND pid <> pg_backend_pid()"
        )
    )


def results(connection: psycopg.Connection) -> list[pq.abc.PGresult]:
    """What a query sent with libpq's asynchronous calls gave, to the end."""
    return list(iter(connection.pgconn.get_result, None))


def test_psycopg_cancels_a_running_statement(holdfast: Holdfast, postgres: PostgresServer, production: str) -> None:
    with holdfast.connect(production) as connection:

        def cancel() -> None:
            wait_until_running(postgres, "pg_sleep(61)")
            connection.cancel_safe(timeout=10)

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(61)")
        canceller.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_libpq_cancels_a_running_statement(holdfast: Holdfast, postgres: PostgresServer, production: str) -> None:
    with holdfast.connect(production) as connection:
        connection.pgconn.send_query(b"SELECT pg_sleep(62)")
        wait_until_running(postgres, "pg_sleep(62)")
        connection.pgconn.get_cancel().cancel()
        (result,) = results(connection)
        assert result.error_field(pq.DiagnosticField.SQLSTATE) == b"57014"


def test_a_cancel_with_a_wrong_key_cancels_nothing(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    with holdfast.connect(production) as connection:
        connection.pgconn.send_query(b"SELECT pg_sleep(1) IS NOT NULL")
        wait_until_running(postgres, "pg_sleep(1)")
        request = b"\0\0\0\x10\x04\xd2\x16\x2e" + connection.info.backend_pid.to_bytes(4) + b"\1\2\3\4"
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send(request)
            assert client.rest() == []
        assert [result.status for result in results(connection)] == [pq.ExecStatus.TUPLES_OK]


def test_a_notification_reaches_an_idle_client(holdfast: Holdfast, postgres: PostgresServer, production: str) -> None:
    with holdfast.connect(production) as connection:
        connection.execute("LISTEN news")
        postgres.execute("NOTIFY news, 'from outside'", production)
        (notification,) = connection.notifies(timeout=10, stop_after=1)
        assert (notification.channel, notification.payload) == ("news", "from outside")


def test_a_notification_reaches_an_idle_asyncpg_client_of_another_session(
    holdfast: Holdfast, production: str
) -> None:
    async def listen() -> str:
        loop = asyncio.get_running_loop()
        arrived: asyncio.Future[str] = loop.create_future()
        url = holdfast.url(production)
        listener, sender = await asyncpg.connect(url), await asyncpg.connect(url)
        await listener.add_listener("news", lambda _connection, _pid, _channel, payload: arrived.set_result(payload))
        await sender.execute("SELECT pg_notify('news', 'from a neighbour')")
        try:
            return await asyncio.wait_for(arrived, 10)
        finally:
            await listener.close()
            await sender.close()

    assert asyncio.run(listen()) == "from a neighbour"


def test_notices_arrive_in_order_with_all_their_fields(holdfast: Holdfast, production: str) -> None:
    block = """DO $$ BEGIN
        FOR n IN 1..50 LOOP RAISE NOTICE 'notice %', n USING DETAIL = 'detail', HINT = 'hint', ERRCODE = '01234'; END LOOP;
    END $$"""
    seen = []
    with holdfast.connect(production) as connection:
        connection.add_notice_handler(
            lambda notice: seen.append((notice.message_primary, notice.message_detail, notice.sqlstate))
        )
        connection.execute(block)
    assert seen == [(f"notice {number}", "detail", "01234") for number in range(1, 51)]


def test_psycopg2_reads_notices_and_notifications(holdfast: Holdfast, production: str) -> None:
    connection = psycopg2.connect(host=holdfast.host, port=holdfast.port, dbname=production, user="postgres")
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("LISTEN news; NOTIFY news, 'to myself'; DO $$ BEGIN RAISE NOTICE 'noted'; END $$")
    connection.poll()
    assert [notification.payload for notification in connection.notifies] == ["to myself"]
    assert connection.notices == ["NOTICE:  noted\n"]
    connection.close()


def test_settings_reported_by_the_server_reach_the_client(holdfast: Holdfast, production: str) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production, application_name="my program", client_encoding="LATIN1")
        assert client.settings["application_name"] == "my program"
        assert client.settings["client_encoding"] == "LATIN1"
        client.ask(query("SET application_name = 'another'; SET standard_conforming_strings = off"))
        assert client.settings["application_name"] == "another"
        assert client.settings["standard_conforming_strings"] == "off"


def test_a_clients_goodbye_ends_its_server_connection(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    sessions = f"SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '{production}'"
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        assert not postgres.value(sessions)
        client.send(TERMINATE)
        assert client.rest() == []
    eventually(lambda: postgres.value(sessions))


def test_a_client_that_vanishes_ends_its_server_connection(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    sessions = f"SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '{production}'"
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        client.send(query("BEGIN"))
        client.until("Z")
    eventually(lambda: postgres.value(sessions))


def test_answers_still_reach_a_client_that_has_closed_its_sending_side(holdfast: Holdfast, production: str) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        client.send(query("SELECT 1"), TERMINATE)
        client.socket.shutdown(1)
        assert transcript(client.rest())[-2:] == ["C(SELECT 1)", "ZI"]


def test_pg_basebackup_copies_the_whole_server(holdfast: Holdfast, tmp_path: Path) -> None:
    # --wal-method=stream opens a second replication connection beside the first.
    environment = {name: value for name, value in holdfast.environment("").items() if name != "PGDATABASE"}
    run(
        program("pg_basebackup"), "--pgdata", tmp_path / "copy", "--wal-method=stream", "--checkpoint=fast", "--no-sync",
        environment=environment,
    )  # fmt: skip
    run(program("pg_verifybackup"), "--no-parse-wal", tmp_path / "copy")


def test_pg_receivewal_follows_the_servers_log(
    holdfast: Holdfast, postgres: PostgresServer, tmp_path: Path
) -> None:
    environment = {name: value for name, value in holdfast.environment("").items() if name != "PGDATABASE"}
    end = postgres.value("SELECT pg_walfile_name(pg_switch_wal())")
    postgres.execute("CREATE TABLE IF NOT EXISTS wal_mark (); DROP TABLE wal_mark")
    receiver = subprocess.Popen(
        [program("pg_receivewal"), "--directory", str(tmp_path), "--no-loop", "--no-sync"],
        env={"PATH": "/usr/bin", **environment}, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        eventually(lambda: list(tmp_path.iterdir()) or receiver.poll() is not None)
        postgres.execute("SELECT pg_switch_wal()")
        eventually(lambda: [path for path in tmp_path.iterdir() if path.suffix != ".partial" and path.name > end])
        assert receiver.poll() is None
    finally:
        receiver.terminate()
        receiver.wait(10)


def test_logical_replication_streams_changes(
    holdfast: Holdfast, postgres: PostgresServer, production: str, tmp_path: Path
) -> None:
    postgres.execute("CREATE TABLE news (line text)", production)
    postgres.value("SELECT pg_create_logical_replication_slot('news_slot', 'test_decoding')", production)
    try:
        postgres.execute("INSERT INTO news VALUES ('extra')", production)
        end = postgres.value("SELECT pg_current_wal_insert_lsn()", production)
        received = tmp_path / "news"
        run(
            program("pg_recvlogical"), "--start", "--slot=news_slot", f"--file={received}", "--no-loop", f"--endpos={end}",
            f"--dbname={production}", environment=holdfast.environment(production), timeout=30,
        )  # fmt: skip
        assert "table public.news: INSERT: line[text]:'extra'" in received.read_text()
    finally:
        postgres.value("SELECT pg_drop_replication_slot('news_slot')", production)
