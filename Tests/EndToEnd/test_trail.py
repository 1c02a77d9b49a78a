"""The audit trail: what is written, when, and what happens when it cannot be written."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from conftest import StartHoldfast
from support.disk import disk_of
from support.postgres import PostgresServer
from support.programs import eventually
from support.proxy import Holdfast, command
from support.wire import SYNC, WireClient, bind, execute, parse, query, transcript


def test_an_intent_and_an_outcome_tell_who_did_what_and_how_it_ended(holdfast: Holdfast, production: str) -> None:
    statement = "CREATE TABLE leads (id int)"
    with holdfast.connect(production, application_name="e2e suite") as connection:
        connection.execute(statement)
    (intent,) = holdfast.trail.records(event="intent", sql=statement)
    (outcome,) = holdfast.trail.wait(event="outcome", id=intent["id"])
    assert intent["user"] == "postgres"
    assert intent["database"] == production
    assert intent["application_name"] == "e2e suite"
    assert intent["client"].startswith("127.0.0.1")
    assert intent["tag"] == "production"
    assert "create" in intent["classes"]
    assert any(item["name"].endswith("leads") for item in intent["objects"])
    assert outcome["command_tag"] == "CREATE TABLE"
    assert outcome["transaction"] == "committed"
    assert outcome["duration_us"] >= 0


def test_the_outcome_tells_the_servers_error(holdfast: Holdfast, production: str) -> None:
    with holdfast.connect(production) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("ALTER TABLE missing ADD COLUMN x int")
    (outcome,) = holdfast.trail.wait(event="outcome")
    assert outcome["sqlstate"] == "42P01"
    assert outcome["transaction"] == "rolled_back"


def test_the_outcome_waits_for_the_end_of_the_transaction(holdfast: Holdfast, test_database: str) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test_database)
        client.ask(query("CREATE TABLE kept ()"))
        client.ask(query("BEGIN"))
        client.ask(query("DROP TABLE kept"))
        client.ask(query("ROLLBACK"))
        client.ask(query("BEGIN"))
        client.ask(parse("DROP TABLE kept"), bind(), execute(), SYNC)
        client.ask(query("COMMIT"))
    outcomes = holdfast.trail.wait(3, event="outcome")
    assert [outcome["transaction"] for outcome in outcomes] == ["committed", "rolled_back", "committed"]


def extended(*statements: str) -> list[bytes]:
    """A pipeline of them, and one Sync."""
    return [part for statement in statements for part in (parse(statement), bind(), execute())] + [SYNC]


def test_what_commits_at_once_is_committed_although_its_pipeline_fails(
    holdfast: Holdfast, postgres: PostgresServer, test_database: str
) -> None:
    name = f"{test_database}_made"
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test_database)
        client.ask(query("CREATE TABLE kept (n int)"))
        for statement in (f'CREATE DATABASE "{name}"', "CREATE INDEX CONCURRENTLY kept_n ON kept (n)"):
            assert transcript(client.ask(*extended(statement, "SELECT 1/0")), "12nTD")[1:] == ["E(22012)", "ZI"]
    postgres.execute(f'DROP DATABASE "{name}"')
    assert postgres.value("SELECT count(*) FROM pg_class WHERE relname = 'kept_n'", test_database) == 1
    outcomes = holdfast.trail.wait(3, event="outcome")
    assert [outcome["transaction"] for outcome in outcomes] == ["committed"] * 3


def test_a_block_that_may_have_committed_before_it_failed_is_not_called_rolled_back(
    holdfast: Holdfast, postgres: PostgresServer, test_database: str
) -> None:
    block = "DO $$ BEGIN DROP TABLE lost; COMMIT; RAISE EXCEPTION 'done'; END $$"
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test_database)
        client.ask(query("CREATE TABLE lost ()"))
        client.ask(query(block))
        # Its COMMIT takes what stands before it along.
        client.ask(*extended("CREATE TABLE before ()", block.replace("DROP TABLE lost; ", "")))
        # In a transaction block it can commit nothing.
        for statement in ("BEGIN", "CREATE TABLE inside ()", block.replace("DROP TABLE lost; ", ""), "ROLLBACK"):
            client.ask(query(statement))
    tables = postgres.rows("SELECT relname FROM pg_class WHERE relname IN ('lost', 'before', 'inside')", test_database)
    assert tables == [("before",)]
    outcomes = [
        (outcome.get("sqlstate"), outcome["transaction"]) for outcome in holdfast.trail.wait(6, event="outcome")[1:]
    ]
    assert outcomes == [
        ("P0001", "unknown"), (None, "unknown"), ("P0001", "unknown"), (None, "rolled_back"), ("2D000", "rolled_back"),
    ]  # fmt: skip
    listed = command("audit", "--config", holdfast.configuration).stdout
    assert "failed P0001: done, in doubt: it may have committed before" in listed
    report = command("audit", "report", "--config", holdfast.configuration).stdout
    section = report.split("## Nobody knows how it ended")[1].split("##")[0]
    assert "P0001" in section and "table lost" in section


def test_what_the_last_run_left_open_is_said_to_be_so(holdfast: Holdfast, test_database: str) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test_database)
        client.ask(query("BEGIN"))
        client.ask(query("CREATE TABLE half ()"))
        holdfast.kill()
    holdfast.restart()
    holdfast.trail.wait(event="outcome", transaction="unknown")
    assert "in doubt: the proxy ended first" in command("audit", "--config", holdfast.configuration).stdout


def test_a_transaction_whose_client_vanishes_is_not_called_committed(holdfast: Holdfast, test_database: str) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test_database)
        client.ask(query("BEGIN; CREATE TABLE lost ()"))
    (outcome,) = holdfast.trail.wait(event="outcome")
    assert outcome["transaction"] == "lost"


def test_passwords_in_statements_do_not_reach_the_trail_or_the_log(holdfast: Holdfast, test_database: str) -> None:
    with holdfast.connect(test_database) as connection:
        connection.execute("CREATE ROLE trail_role LOGIN PASSWORD 'hunter2secret'")
        connection.execute("ALTER ROLE trail_role PASSWORD 'hunter2secret'")
        with pytest.raises(psycopg.errors.SyntaxError):
            connection.execute("ALTER ROLE trail_role PASSWORD 'hunter2secret' NONSENSE")
        connection.execute("DROP ROLE trail_role")
    holdfast.trail.wait(3, event="outcome")
    assert "hunter2secret" not in holdfast.trail.path.read_text()
    assert "hunter2secret" not in holdfast.log_text()


def test_ordinary_statements_leave_no_trail(holdfast: Holdfast, production: str) -> None:
    with holdfast.connect(production) as connection:
        connection.execute("SELECT 1")
        connection.execute("CREATE TEMP TABLE scratch (id int)")
        connection.execute("INSERT INTO scratch VALUES (1)")
        connection.execute("SELECT * FROM scratch WHERE id = 1")
    texts = " ".join(record.get("sql", "") for record in holdfast.trail.records())
    assert "SELECT" not in texts
    assert "INSERT" not in texts


def test_a_statement_that_holds_newlines_and_quotes_is_one_line_of_the_trail(
    holdfast: Holdfast, production: str
) -> None:
    statement = 'CREATE TABLE "odd\n\t\\""name ü" (id int)\r\n-- \u2028 the end'
    with holdfast.connect(production) as connection:
        connection.execute(statement)
    assert holdfast.trail.statements(event="intent") == [statement]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of one megabyte."""
    with disk_of("1m") as folder:
        yield folder


def test_with_a_full_disk_ddl_is_refused_and_reads_go_on_until_there_is_room_again(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, small_disk: Path
) -> None:
    holdfast = start_holdfast(audit={"file": str(small_disk / "audit.jsonl")})
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        assert transcript(client.ask(query("CREATE TABLE before ()"))) == ["C(CREATE TABLE)", "ZI"]
        ballast = small_disk / "ballast"
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 4096)

        # What the file's last block still holds does not take eight thousand bytes of text.
        refused = client.ask(query("CREATE TABLE during (note text DEFAULT '" + "x" * 8000 + "')"))
        assert [item.kind for item in refused] == ["E", "Z"]
        assert "audit" in refused[0].fields["M"] + refused[0].fields.get("D", "")
        assert transcript(client.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "ZI"]
        assert holdfast.counters()["audit_failures"] >= 1
        assert "critical audit trail" in holdfast.log_text()

        ballast.unlink()
        again = query("CREATE TABLE IF NOT EXISTS after ()")
        eventually(lambda: transcript(client.ask(again))[-2:] == ["C(CREATE TABLE)", "ZI"])
    assert postgres.value("SELECT to_regclass('during') IS NULL", production)
    assert holdfast.trail.statements(event="intent")[0] == "CREATE TABLE before ()"
    command("audit", "--config", holdfast.configuration)


def test_audit_lists_and_filters_the_trail(holdfast: Holdfast, production: str, test_database: str) -> None:
    for database in (production, test_database):
        with holdfast.connect(database) as connection:
            connection.execute("CREATE TABLE listed (id int)")
            try:
                connection.execute("DROP TABLE listed")
            except psycopg.errors.InsufficientPrivilege:
                assert database == production
    holdfast.trail.wait(3, event="outcome")

    def audit(*filters: str) -> list[dict]:
        printed = command("audit", "--config", holdfast.configuration, "--json", *filters).stdout
        return [json.loads(line) for line in printed.splitlines()]

    everything = audit()
    assert {record["database"] for record in everything if record.get("sql")} == {production, test_database}
    assert {record["database"] for record in audit("--database", production)} == {production}
    dropped = audit("--class", "drop_table")
    assert {record["sql"] for record in dropped if record.get("sql")} == {"DROP TABLE listed"}
    assert {record["database"] for record in audit("--verdict", "block")} == {production}
    assert audit("--user", "nobody") == []
    assert audit("--since", "2100-01-01T00:00:00Z") == []
    readable = command("audit", "--config", holdfast.configuration).stdout
    for part in ("DROP TABLE", "listed", "keep tables", production, test_database, "committed"):
        assert part in readable
