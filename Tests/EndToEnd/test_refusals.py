"""A refusal leaves client and server with the same view of the transaction, with every way of sending a statement."""

import asyncio

import asyncpg
import psycopg
import psycopg2
import pytest

from support.postgres import PostgresServer
from support.proxy import Holdfast
from support.wire import (
    COPY_DONE, FLUSH, SYNC, WireClient, bind, close, copy_data, describe, errors, execute, parse, query, transcript,
)  # fmt: skip


# What would lose the table `leads` of three rows, and what would not.
LOSING = [
    "DROP TABLE leads",
    "drop table leads",
    "DrOp/* a comment */TABLE\n--another\n\"leads\"",
    "TRUNCATE leads",
    "DROP SCHEMA public CASCADE",
    "ALTER TABLE leads RENAME TO gone",
    "DO $$ BEGIN DROP TABLE leads; END $$",
    "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'leads'; END $$",
    "SELECT 1; DROP TABLE leads",
]
PASSING = [
    "SELECT 'DROP TABLE leads' AS \"drop\"",
    "SELECT name AS delete FROM leads -- DROP TABLE leads",
    "INSERT INTO leads VALUES (9, 'DROP TABLE leads; --')",
    "DELETE FROM leads",
    "UPDATE leads SET name = 'x'",
    "CREATE TABLE more (id int)",
    "ALTER TABLE leads ADD COLUMN phone text",
    "CREATE INDEX ON leads (name)",
    "COMMENT ON TABLE leads IS 'do not drop'",
    "DO $$ BEGIN PERFORM count(*) FROM leads; END $$",
    "EXPLAIN SELECT * FROM leads",
    "CREATE TEMP TABLE scratch (id int); DROP TABLE pg_temp.scratch",
]


@pytest.fixture
def leads(postgres: PostgresServer, production: str) -> str:
    """A production database with one table of three rows."""
    postgres.execute("CREATE TABLE leads (id int PRIMARY KEY, name text)", production)
    postgres.execute("INSERT INTO leads VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cid')", production)
    return production


def count(postgres: PostgresServer, database: str) -> int:
    return postgres.value("SELECT count(*) FROM leads", database)


@pytest.fixture
def client(holdfast: Holdfast, leads: str):
    with WireClient(holdfast.host, holdfast.port) as client:
        yield client.login(leads)


def test_the_refusal_names_class_rule_tag_and_objects_and_what_to_do(holdfast: Holdfast, leads: str) -> None:
    with holdfast.connect(leads) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute("DROP TABLE IF EXISTS public.leads CASCADE")
        diagnostic = caught.value.diag
        told = " ".join((diagnostic.message_primary, diagnostic.message_detail, diagnostic.message_hint))
        for part in ("drop_table", "keep tables", "production", "leads"):
            assert part in told
        assert (diagnostic.severity, diagnostic.severity_nonlocalized, diagnostic.sqlstate) == ("ERROR", "ERROR", "42501")
        assert diagnostic.message_hint
        assert connection.execute("SELECT count(*) FROM leads").fetchone() == (3,)


@pytest.mark.parametrize("statement", LOSING)
def test_what_would_lose_the_table_is_refused(
    holdfast: Holdfast, postgres: PostgresServer, leads: str, statement: str
) -> None:
    with holdfast.connect(leads) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement, prepare=False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            psycopg.ClientCursor(connection).execute(statement)
    assert count(postgres, leads) == 3


@pytest.mark.parametrize("statement", PASSING)
def test_what_loses_no_table_passes(holdfast: Holdfast, leads: str, statement: str) -> None:
    with holdfast.connect(leads) as connection:
        connection.execute(statement)


def test_a_refusal_in_a_transaction_fails_it_and_nothing_is_kept(
    client: WireClient, postgres: PostgresServer, leads: str
) -> None:
    assert transcript(client.ask(query("BEGIN"))) == ["C(BEGIN)", "ZT"]
    client.ask(query("INSERT INTO leads VALUES (4, 'Dee')"))
    assert transcript(client.ask(query("DROP TABLE leads"))) == ["E(42501)", "ZE"]
    assert transcript(client.ask(query("SELECT 1"))) == ["E(25P02)", "ZE"]
    assert transcript(client.ask(query("DROP TABLE leads"))) == ["E(42501)", "ZE"]
    assert transcript(client.ask(query("COMMIT"))) == ["C(ROLLBACK)", "ZI"]
    assert count(postgres, leads) == 3
    assert transcript(client.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "ZI"]


def test_after_a_refusal_a_savepoint_brings_the_transaction_back(
    client: WireClient, postgres: PostgresServer, leads: str
) -> None:
    client.ask(query("BEGIN; INSERT INTO leads VALUES (4, 'Dee'); SAVEPOINT before"))
    assert transcript(client.ask(query("TRUNCATE leads"))) == ["E(42501)", "ZE"]
    assert transcript(client.ask(query("ROLLBACK TO before"))) == ["C(ROLLBACK)", "ZT"]
    assert transcript(client.ask(query("COMMIT"))) == ["C(COMMIT)", "ZI"]
    assert count(postgres, leads) == 4


def test_of_several_statements_in_one_message_none_runs_when_one_is_refused(
    client: WireClient, postgres: PostgresServer, leads: str
) -> None:
    answer = client.ask(query("INSERT INTO leads VALUES (4, 'Dee'); DROP TABLE leads; INSERT INTO leads VALUES (5, 'Eve')"))
    assert transcript(answer) == ["E(42501)", "ZI"]
    assert client.is_quiet()
    assert count(postgres, leads) == 3


def test_a_refused_execute_skips_everything_up_to_sync(client: WireClient, postgres: PostgresServer, leads: str) -> None:
    answer = client.ask(
        parse("INSERT INTO leads VALUES (4, 'Dee')"), bind(), execute(),
        parse("DROP TABLE leads"), bind(), describe("P"), execute(),
        parse("INSERT INTO leads VALUES (5, 'Eve')"), bind(), execute(), SYNC,
    )  # fmt: skip
    assert transcript(answer) == ["1", "2", "C(INSERT 0 1)", "1", "2", "n", "E(42501)", "ZI"]
    assert client.is_quiet()
    assert count(postgres, leads) == 3


def test_a_refused_parse_skips_everything_up_to_sync(client: WireClient, postgres: PostgresServer, leads: str) -> None:
    answer = client.ask(
        parse("INSERT INTO leads VALUES (4, 'Dee')"), bind(), execute(),
        parse("DROP DATABASE leads"), bind(), describe("P"), execute(),
        parse("INSERT INTO leads VALUES (5, 'Eve')"), bind(), execute(), SYNC,
    )  # fmt: skip
    assert transcript(answer) == ["1", "2", "C(INSERT 0 1)", "E(42501)", "ZI"]
    assert client.is_quiet()
    assert count(postgres, leads) == 3


def test_bind_after_a_refused_parse_does_not_run_the_previous_unnamed_statement(
    client: WireClient, postgres: PostgresServer, leads: str
) -> None:
    client.ask(parse("DELETE FROM leads WHERE id = 1"), SYNC)
    assert transcript(client.ask(parse("DROP DATABASE leads"), SYNC)) == ["E(42501)", "ZI"]
    assert transcript(client.ask(bind(), execute(), SYNC)) == ["E(26000)", "ZI"]
    assert count(postgres, leads) == 3


def test_a_refused_named_statement_does_not_exist_afterwards(
    client: WireClient, postgres: PostgresServer, leads: str
) -> None:
    assert transcript(client.ask(parse("DROP DATABASE leads", name="s1"), SYNC)) == ["E(42501)", "ZI"]
    assert transcript(client.ask(bind(statement="s1"), execute(), SYNC)) == ["E(26000)", "ZI"]
    assert transcript(client.ask(parse("SELECT 1", name="s1"), bind(statement="s1"), execute(), SYNC)) == [
        "1", "2", "D", "C(SELECT 1)", "ZI",
    ]  # fmt: skip
    assert transcript(client.ask(close("S", "s1"), SYNC)) == ["3", "ZI"]


def test_a_refusal_that_was_flushed_arrives_before_sync(client: WireClient) -> None:
    client.send(parse("DROP DATABASE leads"), FLUSH)
    assert transcript(client.until("E")) == ["E(42501)"]
    assert transcript(client.ask(SYNC)) == ["ZI"]
    assert client.is_quiet()


def test_queries_sent_ahead_get_one_ready_for_query_each(
    client: WireClient, postgres: PostgresServer, leads: str
) -> None:
    answer = client.ask(
        query("SELECT 1"), query("DROP TABLE leads"), query("SELECT 2"), query("TRUNCATE leads"), query("SELECT 3"),
        syncs=5,
    )  # fmt: skip
    selected = ["T", "D", "C(SELECT 1)", "ZI"]
    refused = ["E(42501)", "ZI"]
    assert transcript(answer) == selected + refused + selected + refused + selected
    assert client.is_quiet()
    assert count(postgres, leads) == 3


def test_pipelined_syncs_get_one_ready_for_query_each(client: WireClient, postgres: PostgresServer, leads: str) -> None:
    good, bad = (parse("SELECT 1"), bind(), execute(), SYNC), (parse("DROP TABLE leads"), bind(), execute(), SYNC)
    answer = client.ask(*good, *bad, *bad, *good, SYNC, syncs=5)
    passed, refused = ["1", "2", "D", "C(SELECT 1)", "ZI"], ["1", "2", "E(42501)", "ZI"]
    assert transcript(answer) == passed + refused + refused + passed + ["ZI"]
    assert client.is_quiet()
    assert count(postgres, leads) == 3


def test_a_query_inside_a_failed_pipeline_is_skipped_like_the_server_skips_it(client: WireClient) -> None:
    answer = client.ask(parse("DROP DATABASE leads"), query("SELECT 1"), bind(), SYNC, query("SELECT 2"), syncs=2)
    assert transcript(answer) == ["E(42501)", "ZI", "T", "D", "C(SELECT 1)", "ZI"]
    assert client.is_quiet()


def test_a_refused_statement_of_sql_prepare_is_not_there_to_execute(
    client: WireClient, postgres: PostgresServer, leads: str
) -> None:
    assert transcript(client.ask(query("EXPLAIN ANALYZE CREATE TABLE copied AS SELECT * FROM leads")))[-1] == "ZI"
    assert transcript(client.ask(query("PREPARE gone AS DELETE FROM leads"))) == ["C(PREPARE)", "ZI"]
    assert transcript(client.ask(query("EXECUTE gone; DROP TABLE leads"))) == ["E(42501)", "ZI"]
    assert count(postgres, leads) == 3


def test_a_copy_under_way_is_not_disturbed_by_a_refusal_behind_it(
    client: WireClient, postgres: PostgresServer, leads: str
) -> None:
    answer = client.ask(
        query("COPY leads FROM STDIN"), copy_data(b"4\tDROP TABLE leads\n"), COPY_DONE, query("DROP TABLE leads"), syncs=2
    )
    assert transcript(answer) == ["G", "C(COPY 1)", "ZI", "E(42501)", "ZI"]
    assert count(postgres, leads) == 4


def test_a_psycopg_pipeline_fails_as_with_any_error_and_the_connection_goes_on(
    holdfast: Holdfast, postgres: PostgresServer, leads: str
) -> None:
    with holdfast.connect(leads) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline() as pipeline:
            connection.execute("INSERT INTO leads VALUES (4, 'Dee')")
            refused = connection.execute("DROP TABLE leads")
            later = connection.execute("INSERT INTO leads VALUES (5, 'Eve')")
            pipeline.sync()
            refused.fetchone()
        del later
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("SELECT count(*) FROM leads").fetchone() == (3,)
    assert count(postgres, leads) == 3


def test_psycopg_statements_prepared_on_the_server_are_refused(
    holdfast: Holdfast, postgres: PostgresServer, leads: str
) -> None:
    with holdfast.connect(leads, prepare_threshold=0) as connection:
        for _ in range(3):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("DROP TABLE leads")
            assert connection.execute("SELECT %s::int", [5]).fetchone() == (5,)
    assert count(postgres, leads) == 3


def test_psycopg2_sees_the_refusal_and_a_failed_transaction(
    holdfast: Holdfast, postgres: PostgresServer, leads: str
) -> None:
    connection = psycopg2.connect(host=holdfast.host, port=holdfast.port, dbname=leads, user="postgres")
    cursor = connection.cursor()
    cursor.execute("INSERT INTO leads VALUES (4, 'Dee')")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        cursor.execute("DROP TABLE leads")
    with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
        cursor.execute("SELECT 1")
    connection.commit()
    cursor.execute("SELECT count(*) FROM leads")
    assert cursor.fetchone() == (3,)
    connection.close()


def test_asyncpg_sees_the_refusal_and_rolls_its_transaction_back(
    holdfast: Holdfast, postgres: PostgresServer, leads: str
) -> None:
    async def attempt() -> int:
        connection = await asyncpg.connect(holdfast.url(leads))
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute("INSERT INTO leads VALUES ($1, $2)", 4, "Dee")
                    await connection.execute("DROP TABLE leads")
            prepared = await connection.prepare("TRUNCATE leads")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await prepared.fetch()
            return await connection.fetchval("SELECT count(*) FROM leads")
        finally:
            await connection.close()

    assert asyncio.run(attempt()) == 3


def test_every_refusal_is_in_the_trail_with_its_full_text(client: WireClient, holdfast: Holdfast) -> None:
    statement = "DROP TABLE leads -- " + "x" * 20_000
    refusals = errors(client.ask(query(statement)))
    (record,) = holdfast.trail.wait(event="refusal")
    assert record["sql"] == statement
    assert record["tag"] == "production"
    assert record["id"] in " ".join(refusals[0].values())
    assert not holdfast.trail.records(event="outcome", id=record["id"])
