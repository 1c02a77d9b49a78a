"""Unseen DDL: what the database's own log and the trail do not agree on."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from conftest import StartHoldfast
from support.incident import alembic, application_suite
from support.postgres import PostgresServer
from support.programs import eventually, program, run
from support.proxy import Holdfast, binary, command
from support.wire import WireClient, query

ORDINARY = [
    line
    for line in Path(__file__).with_name("support").joinpath("migrations.sql").read_text().splitlines()
    if not line.startswith("--")
]


# Holdfast's own role, which may read the log and nothing else.
WATCHER = "unseen_watcher"


def install_guard(postgres: PostgresServer, database: str, *options: str) -> None:
    """The guard, as it is installed; with its choices left out it refuses nothing and records all the same."""
    command(
        "guard", "install", "--database", url_of(postgres, database), "--role", WATCHER,
        *(options or ("--exempt", "*.*")),
    )  # fmt: skip


def url_of(postgres: PostgresServer, database: str, user: str = "postgres") -> str:
    return f"postgresql://{user}@{postgres.host}:{postgres.port}/{database}"


@pytest.fixture(scope="module", autouse=True)
def watcher(postgres: PostgresServer) -> None:
    postgres.execute(f"CREATE ROLE {WATCHER} LOGIN")


@pytest.fixture
def shop(postgres: PostgresServer, test_database: str) -> str:
    """A database of the tag `test` with a log of DDL."""
    install_guard(postgres, test_database)
    return test_database


def guard(postgres: PostgresServer, database: str, watch: str = "off") -> dict[str, str]:
    return {"connection": url_of(postgres, database, WATCHER), "watch": watch}


@pytest.fixture
def watched(start_holdfast: StartHoldfast, postgres: PostgresServer, shop: str) -> Iterator[Holdfast]:
    """A proxy that records sessions; nobody compares but the command."""
    yield start_holdfast(guard=guard(postgres, shop))


def unseen(holdfast: Holdfast, *options: str, code: int | None = None) -> list[dict]:
    """The findings of `holdfast audit unseen`, after all sessions have ended."""
    settled(holdfast)
    done = run(binary(), "audit", "unseen", "--config", holdfast.configuration, "--json", *options, check=False)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == ((1 if findings else 0) if code is None else code), done.stderr
    return findings


def settled(holdfast: Holdfast) -> None:
    """Every session that began has ended, and so has told its outcomes."""
    eventually(
        lambda: len(holdfast.trail.records(event="session_start")) == len(holdfast.trail.records(event="session_end"))
    )


def kinds(findings: list[dict]) -> list[str]:
    return [finding["finding"] for finding in findings]


def names(finding: dict) -> list[str]:
    return [item["name"] for item in finding["objects"]]


def test_a_direct_connections_drop_is_another_route(watched: Holdfast, postgres: PostgresServer, shop: str) -> None:
    with watched.connect(shop) as connection:
        connection.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    with postgres.connect(shop, application_name="cron job") as connection:
        connection.execute("DROP TABLE orders")
        pid = connection.info.backend_pid
    (finding,) = unseen(watched)
    assert finding["finding"] == "other_route"
    assert finding["application_name"] == "cron job"
    assert finding["user"] == "postgres"
    assert finding["client"].startswith("127.0.0.1:")
    assert finding["backend_pid"] == pid
    assert finding["commands"] == ["DROP TABLE"]
    assert "public.orders" in names(finding)
    text = subprocess.run(
        [binary(), "audit", "unseen", "--config", watched.configuration], capture_output=True, text=True
    )
    assert text.returncode == 1
    for part in ("OTHER ROUTE", "dropped table public.orders", "cron job", "1 finding: 1 other route"):
        assert part in text.stdout


DROPPER = """
CREATE TABLE victim (id int PRIMARY KEY);
CREATE FUNCTION tidy() RETURNS int LANGUAGE plpgsql AS
    $$BEGIN EXECUTE 'DROP TABLE ' || 'vic' || 'tim'; RETURN 1; END$$;
"""


def test_a_function_that_drops_a_table_did_more_than_was_shown(
    watched: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    with watched.connect(shop) as connection:
        connection.execute("CREATE TABLE other ()")
    postgres.execute(DROPPER, shop)
    with watched.connect(shop) as connection:
        connection.execute("SELECT tidy()")
    route, more = unseen(watched)
    assert route["finding"] == "other_route"
    assert more["finding"] == "more_than_shown"
    assert "public.victim" in names(more)
    assert "intent" not in more
    assert more["session"] and more["tag"] == "test"


def test_a_trigger_of_the_database_that_drops_a_table_is_told_with_the_statement(
    watched: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    postgres.execute(
        "CREATE TABLE victim (); CREATE TABLE shown ();"
        "CREATE FUNCTION also() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$BEGIN DROP TABLE IF EXISTS victim; END$$;"
        "CREATE EVENT TRIGGER also ON ddl_command_start WHEN TAG IN ('COMMENT') EXECUTE FUNCTION also()",
        shop,
    )
    with watched.connect(shop) as connection:
        connection.execute("COMMENT ON TABLE shown IS 'x'")
    (more,) = [finding for finding in unseen(watched) if finding["finding"] != "other_route"]
    (intent,) = watched.trail.records(event="intent", command="COMMENT")
    assert more["finding"] == "more_than_shown"
    assert more["intent"] == intent["id"]
    assert "public.victim" in names(more)


def test_a_cascade_whose_victims_the_record_lists_is_no_finding(watched: Holdfast, shop: str) -> None:
    with watched.connect(shop) as connection:
        connection.execute("CREATE SCHEMA app")
        connection.execute("CREATE TABLE app.one (id serial PRIMARY KEY)")
        connection.execute("DROP SCHEMA app CASCADE")
    (intent,) = watched.trail.records(event="intent", command="DROP SCHEMA")
    assert "app.one" in " ".join(intent["remarks"])
    assert [finding["text"] for finding in unseen(watched)] == []


def test_rolled_back_ddl_is_no_finding(watched: Holdfast, postgres: PostgresServer, shop: str) -> None:
    with watched.connect(shop) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        connection.execute("BEGIN")
        connection.execute("DROP TABLE kept")
        connection.execute("ROLLBACK")
        connection.execute("BEGIN; CREATE TABLE also (); SAVEPOINT a; DROP TABLE kept; ROLLBACK TO a; COMMIT")
        with pytest.raises(psycopg.Error):
            connection.execute("ALTER TABLE kept ADD COLUMN id int")
    with postgres.connect(shop) as connection, connection.transaction(force_rollback=True):
        connection.execute("DROP TABLE kept")
    assert unseen(watched) == []


def test_ordinary_migrations_are_no_finding(watched: Holdfast, postgres: PostgresServer, shop: str) -> None:
    with watched.connect(shop) as connection:
        for statement in ORDINARY:
            connection.execute(statement)
    assert [finding["text"] for finding in unseen(watched)] == []


def test_a_partitioned_table_is_emptied_with_its_partitions_and_without_a_finding(
    start_holdfast: StartHoldfast, postgres: PostgresServer, test_database: str
) -> None:
    # Truncates are recorded of guarded tables; those without a row may be emptied.
    install_guard(postgres, test_database, "--columns", "on")
    holdfast = start_holdfast(guard=guard(postgres, test_database))
    with holdfast.connect(test_database) as connection:
        connection.execute("CREATE TABLE parts (id int) PARTITION BY LIST (id)")
        connection.execute("CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1) PARTITION BY LIST (id)")
        connection.execute("CREATE TABLE parts_1_1 PARTITION OF parts_1 FOR VALUES IN (1)")
        connection.execute("CREATE TABLE named (parts_id int)")
        connection.execute("TRUNCATE parts")
        truncated = "SELECT array_agg(object_identity ORDER BY 1) FROM holdfast.ddl WHERE phase = 'truncate'"
        assert "public.parts_1_1" in postgres.value(truncated, test_database)
        assert unseen_in(holdfast) == []
        # What the guard refuses has not happened.
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="holdfast guard refused"):
            postgres.execute("DROP TABLE parts", test_database)
        connection.execute("BEGIN; CREATE TABLE again (); DROP TABLE again; COMMIT")
    assert unseen(holdfast) == []


def test_ordinary_migrations_in_the_extended_protocol_and_in_one_message_are_no_finding(
    watched: Holdfast, shop: str
) -> None:
    in_transactions = [sql for sql in ORDINARY if "CONCURRENTLY ON" not in sql and not sql.startswith(("BEGIN", "TRUNC"))]
    with watched.connect(shop) as connection, connection.pipeline():
        for statement in in_transactions[:60]:
            connection.execute(statement)
    with watched.connect(shop) as connection:
        connection.execute("DROP TABLE " + ", ".join(
            f'"{name}"' for (name,) in connection.execute(
                "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
            )) + " CASCADE")  # fmt: skip
    findings = unseen(watched)
    # CASCADE takes the views along, which the record does not list.
    assert all(finding["intent"] for finding in findings)
    assert {(item['kind']) for finding in findings for item in finding['objects']} <= {"view", "materialized view"}


def test_a_script_of_many_statements_in_one_message_is_no_finding(watched: Holdfast, shop: str) -> None:
    with watched.connect(shop) as connection:
        connection.execute(";".join(f"CREATE TABLE t{number} (id serial PRIMARY KEY)" for number in range(200)))
        connection.execute(";".join(f"DROP TABLE t{number}" for number in range(200)))
    assert unseen(watched) == []


def test_alembic_and_an_applications_drop_all_are_no_finding(
    watched: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    for driver in ("psycopg", "psycopg2", "asyncpg"):
        alembic(watched, shop, "upgrade", "head", driver="psycopg" if driver == "asyncpg" else driver)
        suite = "test_with_asyncpg" if driver == "asyncpg" else "test_with_engine"
        assert application_suite(watched, shop, suite, driver).returncode == 0
        with watched.connect(shop) as connection:
            connection.execute("DELETE FROM alembic_version WHERE true")
    alembic(watched, shop, "upgrade", "head")
    alembic(watched, shop, "downgrade", "base")
    assert [finding["text"] for finding in unseen(watched)] == []


def test_a_dump_and_its_restore_are_no_finding(watched: Holdfast, postgres: PostgresServer, shop: str) -> None:
    with postgres.database("source_test") as source:
        with postgres.connect(source) as connection:
            for statement in ORDINARY:
                connection.execute(statement)
        dump = watched.folder / "dump"
        run(
            program("pg_dump"), "--format=custom", f"--file={dump}", "--host", postgres.host, "--port",
            str(postgres.port), "--username=postgres", source,
        )  # fmt: skip
    restore = [
        program("pg_restore"), "--host", watched.host, "--port", str(watched.port), "--username=postgres",
        f"--dbname={shop}", "--exit-on-error",
    ]  # fmt: skip
    run(*restore, "--jobs=3", dump)
    assert [finding["text"] for finding in unseen(watched)] == []
    # Dropping one by one what is there, and making it again.
    run(*restore, "--clean", "--single-transaction", dump)
    assert [finding["text"] for finding in unseen(watched)] == []


def test_extensions_come_and_go_without_a_finding(watched: Holdfast, postgres: PostgresServer, shop: str) -> None:
    extensions = postgres.rows("SELECT name FROM pg_available_extensions WHERE name NOT LIKE 'pl%' ORDER BY 1", shop)
    assert len(extensions) > 20
    with watched.connect(shop) as connection:
        for (name,) in extensions:
            connection.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}" CASCADE')
        for (name,) in extensions:
            connection.execute(f'ALTER EXTENSION "{name}" UPDATE')
        left = [name for (name,) in extensions]
        while left:
            for name in list(left):
                try:
                    connection.execute(f'DROP EXTENSION "{name}"')
                    left.remove(name)
                except psycopg.errors.DependentObjectsStillExist:
                    continue
    assert [finding["text"] for finding in unseen(watched)] == []


def test_a_proxy_that_dies_between_intent_and_outcome_is_settled_by_the_databases_log(
    watched: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    with watched.connect(shop) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    settled(watched)
    with postgres.connect(shop) as blocker, WireClient(watched.host, watched.port) as client:
        blocker.execute("BEGIN; LOCK TABLE kept")
        client.login(shop)
        client.send(query("DROP TABLE kept"))
        watched.trail.wait(1, event="intent", command="DROP TABLE")
        eventually(lambda: postgres.rows("SELECT FROM pg_stat_activity WHERE wait_event = 'relation'"))
        watched.kill()
        waiting = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND query LIKE 'DROP TABLE kept%%'"
        blocker.execute("ROLLBACK")
    eventually(lambda: postgres.connect().execute(waiting, [shop]).fetchall() == [])
    dropped = postgres.value("SELECT to_regclass('kept') IS NULL", shop)
    done = run(binary(), "audit", "unseen", "--config", watched.configuration, "--json", check=False)
    found = [json.loads(line)["finding"] for line in done.stdout.splitlines()]
    # The server finished the statement, or noticed in time that its client was gone: the log tells which.
    assert found == ([] if dropped else ["never_executed"])
    assert done.returncode == len(found)


def test_a_statement_that_the_server_never_finished_is_found_after_a_crash(
    watched: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    with watched.connect(shop) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    with postgres.connect(shop) as blocker, WireClient(watched.host, watched.port) as client:
        blocker.execute("BEGIN; LOCK TABLE kept")
        client.login(shop)
        client.send(query("DROP TABLE kept"))
        (intent,) = watched.trail.wait(1, event="intent", command="DROP TABLE")
        blocked = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'relation' AND query LIKE 'DROP TABLE kept%'"
        eventually(lambda: postgres.rows(blocked))
        watched.kill()
        postgres.rows(f"SELECT pg_terminate_backend(pid, 10000) FROM ({blocked}) AS them")
        blocker.execute("ROLLBACK")
    done = run(binary(), "audit", "unseen", "--config", watched.configuration, "--json", check=False)
    (finding,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert finding["finding"] == "never_executed"
    assert finding["intent"] == intent["id"]
    assert done.returncode == 1


def test_without_the_log_or_with_a_damaged_trail_nothing_is_claimed(
    watched: Holdfast, postgres: PostgresServer, shop: str, production: str
) -> None:
    with watched.connect(shop) as connection:
        connection.execute("CREATE TABLE one ()")
        connection.execute("CREATE TABLE two ()")
    settled(watched)
    elsewhere = f"host={postgres.host} port={postgres.port} user=postgres dbname={production}"
    nowhere = "host=127.0.0.1 port=1 user=postgres dbname=x"
    for url, reason in ((elsewhere, "guard is not installed"), (nowhere, "127.0.0.1")):
        done = run(
            binary(), "audit", "unseen", "--config", watched.configuration, "--database", url, check=False
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (2, "")
        assert reason in done.stderr
    lines = watched.trail.path.read_bytes().splitlines(keepends=True)
    damaged = watched.folder / "damaged.jsonl"
    damaged.write_bytes(b"".join(lines[:2] + [lines[2][:40] + b"\n"] + lines[3:]))
    done = run(
        binary(), "audit", "unseen", "--config", watched.configuration, "--file", damaged, check=False
    )  # fmt: skip
    assert done.returncode == 2
    assert "line 3" in done.stderr


def watch(holdfast: Holdfast, **wanted: str) -> list[dict]:
    return holdfast.trail.wait(1, event="finding", **wanted)


def rounds(holdfast: Holdfast) -> int:
    return len(holdfast.trail.records(event="watermark"))


def judged(holdfast: Holdfast, postgres: PostgresServer, shop: str) -> None:
    """The watch has judged every row that is in the log now."""
    last = postgres.value("SELECT max(transaction)::text FROM holdfast.ddl", shop)
    eventually(
        lambda: any(
            int(record["until_xid"]) > int(last)
            for record in holdfast.trail.records(event="watermark", database=shop)
        )
    )


def test_the_watch_writes_each_finding_into_the_trail_and_the_log(
    start_holdfast: StartHoldfast, postgres: PostgresServer, shop: str
) -> None:
    holdfast = start_holdfast(guard=guard(postgres, shop, "200ms"))
    holdfast.trail.wait(1, event="watermark")
    with holdfast.connect(shop) as connection:
        connection.execute("CREATE TABLE orders (id serial PRIMARY KEY)")
    with postgres.connect(shop, application_name="cron job") as connection:
        connection.execute("DROP TABLE orders")
    (finding,) = watch(holdfast)
    assert finding["finding"] == "other_route"
    assert finding["application_name"] == "cron job"
    assert "public.orders" in names(finding)
    assert "unseen DDL: dropped table public.orders" in holdfast.wait_for_log("unseen DDL")
    judged(holdfast, postgres, shop)
    listing = run(binary(), "audit", "--config", holdfast.configuration).stdout
    assert "dropped table public.orders" in listing
    assert "watermark" not in listing
    assert [record["finding"] for record in unseen(holdfast)] == ["other_route"]


def test_the_watch_says_nothing_of_what_the_trail_accounts_for(
    start_holdfast: StartHoldfast, postgres: PostgresServer, shop: str
) -> None:
    holdfast = start_holdfast(guard=guard(postgres, shop, "100ms"))
    holdfast.trail.wait(1, event="watermark")
    with holdfast.connect(shop) as connection:
        for statement in ORDINARY:
            connection.execute(statement)
    judged(holdfast, postgres, shop)
    assert [record["text"] for record in holdfast.trail.records(event="finding")] == []


def test_a_restart_repeats_nothing_and_misses_nothing(
    start_holdfast: StartHoldfast, postgres: PostgresServer, shop: str
) -> None:
    settings = guard(postgres, shop, "100ms")
    holdfast = start_holdfast(guard=settings)
    holdfast.trail.wait(1, event="watermark")
    with holdfast.connect(shop) as connection:
        connection.execute("CREATE TABLE seen ()")
    postgres.execute("CREATE TABLE first ()", shop)
    watch(holdfast)
    judged(holdfast, postgres, shop)
    with holdfast.connect(shop) as connection:
        connection.execute("CREATE TABLE just_before_the_end ()")
    holdfast.kill()
    postgres.execute("CREATE TABLE while_nobody_looked ()", shop)
    for _ in range(2):
        holdfast.restart()
        with holdfast.connect(shop) as connection:
            connection.execute("COMMENT ON TABLE seen IS 'x'")
        judged(holdfast, postgres, shop)
        holdfast.stop()
    found = [names(record) for record in holdfast.trail.records(event="finding")]
    assert found == [["public.first"], ["public.while_nobody_looked"]]


def test_a_transaction_that_ends_late_is_not_missed(
    start_holdfast: StartHoldfast, postgres: PostgresServer, shop: str
) -> None:
    holdfast = start_holdfast(guard=guard(postgres, shop, "100ms"))
    holdfast.trail.wait(1, event="watermark")
    with postgres.connect(shop) as slow:
        slow.execute("BEGIN; CREATE TABLE late ()")
        postgres.execute("CREATE TABLE early ()", shop)
        assert names(watch(holdfast)[0]) == ["public.early"]
        slow.execute("COMMIT")
    holdfast.trail.wait(2, event="finding")
    judged(holdfast, postgres, shop)
    assert [names(record) for record in holdfast.trail.records(event="finding")] == [["public.early"], ["public.late"]]


def test_a_prepared_transaction_is_no_finding_whenever_it_is_committed(
    start_holdfast: StartHoldfast, postgres: PostgresServer, shop: str
) -> None:
    holdfast = start_holdfast(guard=guard(postgres, shop, "100ms"))
    holdfast.trail.wait(1, event="watermark")
    with holdfast.connect(shop) as connection:
        connection.execute("BEGIN; CREATE TABLE prepared (id serial PRIMARY KEY)")
        connection.execute("PREPARE TRANSACTION 'later'")
    holdfast.trail.wait(1, event="outcome", transaction="prepared")
    postgres.execute("CREATE TABLE direct ()", shop)
    assert names(watch(holdfast)[0]) == ["public.direct"]
    postgres.execute("COMMIT PREPARED 'later'", shop)
    judged(holdfast, postgres, shop)
    assert len(holdfast.trail.records(event="finding")) == 1


def test_the_watch_goes_on_after_the_trail_was_rotated(
    start_holdfast: StartHoldfast, postgres: PostgresServer, shop: str
) -> None:
    holdfast = start_holdfast(guard=guard(postgres, shop, "100ms"))
    with holdfast.connect(shop) as connection:
        connection.execute("CREATE TABLE one ()")
        holdfast.trail.wait(1, event="watermark")
        old = holdfast.trail.path.with_name("audit.jsonl.1")
        holdfast.trail.path.rename(old)
        # This session began in the old file.
        connection.execute("CREATE TABLE two ()")
    judged(holdfast, postgres, shop)
    postgres.execute("CREATE TABLE three ()", shop)
    watch(holdfast)
    assert [names(record) for record in holdfast.trail.records(event="finding")] == [["public.three"]]
    assert kinds(unseen_in(holdfast, "--file", str(old), "--file", str(holdfast.trail.path))) == ["other_route"]


def unseen_in(holdfast: Holdfast, *files: str) -> list[dict]:
    done = run(binary(), "audit", "unseen", "--config", holdfast.configuration, "--json", *files, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_database_without_a_log_is_told_once_and_looked_for_again(
    start_holdfast: StartHoldfast, postgres: PostgresServer, test_database: str
) -> None:
    holdfast = start_holdfast(guard=guard(postgres, test_database, "100ms"))
    holdfast.wait_for_log("the guard is not installed there")
    install_guard(postgres, test_database)
    holdfast.wait_for_log("unseen DDL is looked for again")
    assert holdfast.log_text().count("the guard is not installed there") == 1
    holdfast.trail.wait(1, event="watermark")
    postgres.execute("CREATE TABLE direct ()", test_database)
    assert names(watch(holdfast)[0]) == ["public.direct"]


def test_a_server_that_restarts_is_watched_again(start_holdfast: StartHoldfast) -> None:
    own = PostgresServer()
    try:
        own.start()
        own.execute("CREATE DATABASE shop_test")
        own.execute(f"CREATE ROLE {WATCHER} LOGIN")
        install_guard(own, "shop_test")
        holdfast = start_holdfast(server=own.address, guard=guard(own, "shop_test", "100ms"))
        holdfast.trail.wait(1, event="watermark")
        own.stop()
        holdfast.wait_for_log("unseen DDL cannot be looked for")
        own.start()
        own.execute("CREATE TABLE direct ()", "shop_test")
        assert names(watch(holdfast)[0]) == ["public.direct"]
    finally:
        own.remove()
