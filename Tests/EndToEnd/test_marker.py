"""holdfast mark: a database that says itself that it is production, whatever proxy.conf says of it."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import eventually, run
from support.proxy import Holdfast, binary

MARK = "holdfast_mark.holdfast_environment"


def url(postgres: PostgresServer, database: str) -> str:
    return f"postgresql://postgres@{postgres.host}:{postgres.port}/{database}"


def mark(postgres: PostgresServer, action: str, database: str, code: int = 0) -> str:
    done = run(binary(), "mark", action, "--database", url(postgres, database), check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


@pytest.fixture
def proxy(start_holdfast: StartHoldfast, postgres: PostgresServer) -> Callable[..., Holdfast]:
    def start(**marker: Any) -> Holdfast:
        connection = f"host={postgres.host} port={postgres.port} user=postgres"
        return start_holdfast(marker={"connection": connection, "refresh": "1s", **marker})

    return start


@pytest.fixture
def marked(postgres: PostgresServer, test_database: str) -> Iterator[str]:
    """A database that proxy.conf tags `test`, and that says that it is production."""
    postgres.execute("CREATE TABLE orders (id int)", test_database)
    mark(postgres, "production", test_database)
    yield test_database


def known(holdfast: Holdfast, database: str) -> None:
    """Returns once the loops know the mark: a session was there, and its database was asked."""
    with holdfast.connect(database):
        holdfast.wait_for_log(f"database {database} is marked as production")
    eventually(lambda: tag(holdfast, database) == "production")


def tag(holdfast: Holdfast, database: str) -> str:
    """What a new session is, as a refusal or the trail shows it."""
    with holdfast.connect(database) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS probe ()")
    return holdfast.trail.wait(event="intent", database=database)[-1]["tag"]


def refusal(holdfast: Holdfast, database: str, statement: str) -> str:
    with holdfast.connect(database) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege as error:
            return str(error)
    return ""


def test_the_command_marks_shows_and_removes(postgres: PostgresServer, production: str) -> None:
    assert "has no mark" in mark(postgres, "show", production, code=1)
    assert "is marked as production" in mark(postgres, "production", production)
    assert "is marked as production (by postgres" in mark(postgres, "show", production)
    mark(postgres, "production", production)
    assert postgres.value(f"SELECT count(*) FROM {MARK}", production) == 1
    assert "is removed" in mark(postgres, "remove", production)
    assert "has no mark" in mark(postgres, "show", production, code=1)
    assert postgres.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'holdfast_mark'", production) == 0


def test_a_role_without_rights_is_told_what_the_server_says(postgres: PostgresServer, production: str) -> None:
    postgres.execute("DROP ROLE IF EXISTS marker_nobody; CREATE ROLE marker_nobody LOGIN")
    address = url(postgres, production).replace("postgres@", "marker_nobody@")
    done = run(binary(), "mark", "production", "--database", address, check=False)
    assert done.returncode != 0 and "permission denied for database" in done.stderr


def test_a_marked_database_is_production_whatever_proxy_conf_says(
    proxy: Callable[..., Holdfast], postgres: PostgresServer, marked: str
) -> None:
    holdfast = proxy()
    known(holdfast, marked)
    text = refusal(holdfast, marked, "DROP TABLE orders")
    assert "on production" in text
    assert "proxy.conf tags this session test, but the database is marked as production" in text
    assert postgres.value("SELECT to_regclass('orders') IS NOT NULL", marked)
    # From another session, too: a database is judged by its own tag.
    assert "on production" in refusal(holdfast, "postgres", f"DROP DATABASE {marked}")


def test_the_mismatch_is_reported_and_audited_once_for_many_sessions(
    proxy: Callable[..., Holdfast], marked: str
) -> None:
    holdfast = proxy(refresh="1h")
    known(holdfast, marked)
    for _ in range(5):
        holdfast.connect(marked).close()
    records = holdfast.trail.wait(event="watch", check="tag_mismatch")
    assert len(records) == 1
    assert (records[0]["subject"], records[0]["database"], records[0]["user"]) == ("test", marked, "postgres")
    assert holdfast.trail.records(event="watch", check="marked", state="raised")[0]["database"] == marked
    assert holdfast.log_text().count("it is treated as production") == 1


def test_an_open_session_is_production_from_its_next_statement_on(
    proxy: Callable[..., Holdfast], postgres: PostgresServer, test_database: str
) -> None:
    holdfast = proxy()
    with holdfast.connect(test_database) as connection:
        connection.execute("CREATE TABLE a (); CREATE TABLE b ()")
        connection.execute("DROP TABLE a")
        mark(postgres, "production", test_database)
        holdfast.wait_for_log(f"database {test_database} is marked as production")

        def is_refused() -> bool:
            try:
                connection.execute("TRUNCATE b")
            except psycopg.errors.InsufficientPrivilege:
                return True
            return False

        eventually(is_refused)
        mark(postgres, "remove", test_database)
        eventually(lambda: not is_refused())
        connection.execute("DROP TABLE b")


def test_a_mark_outlives_a_server_that_is_down(
    start_holdfast: StartHoldfast, postgres: PostgresServer, marked: str
) -> None:
    """What is known of a database stays known when nobody can ask it."""
    postgres.execute("DROP ROLE IF EXISTS marker_asks; CREATE ROLE marker_asks LOGIN")
    connection = f"host={postgres.host} port={postgres.port} user=marker_asks"
    holdfast = start_holdfast(marker={"connection": connection, "refresh": "1s"})
    known(holdfast, marked)
    with holdfast.connect(marked):
        postgres.execute("ALTER ROLE marker_asks NOLOGIN")
        holdfast.wait_for_log("cannot be asked whether it is production; it stays production")
        assert "on production" in refusal(holdfast, marked, "DROP TABLE orders")
        postgres.execute("ALTER ROLE marker_asks LOGIN")
        holdfast.wait_for_log("can be asked again")


@pytest.mark.parametrize(
    "damage",
    [
        f"DELETE FROM {MARK}", f"ALTER TABLE {MARK} DROP COLUMN environment", f"REVOKE ALL ON {MARK} FROM PUBLIC",
        f"ALTER TABLE {MARK} ENABLE ROW LEVEL SECURITY", "REVOKE ALL ON SCHEMA holdfast_mark FROM PUBLIC",
        f"DROP TABLE {MARK}; CREATE VIEW {MARK} AS SELECT 1 AS x",
    ],
)  # fmt: skip
def test_a_mark_that_somebody_meddled_with_is_production(
    start_holdfast: StartHoldfast, postgres: PostgresServer, marked: str, damage: str
) -> None:
    postgres.execute("DROP ROLE IF EXISTS marker_reads; CREATE ROLE marker_reads LOGIN")
    postgres.execute(damage, marked)
    connection = f"host={postgres.host} port={postgres.port} user=marker_reads"
    holdfast = start_holdfast(marker={"connection": connection, "refresh": "1s"})
    with holdfast.connect(marked):
        holdfast.wait_for_log("has a mark that cannot be read and is taken for production")
    eventually(lambda: tag(holdfast, marked) == "production")


def test_what_is_not_known_is_as_configured_or_production(
    start_holdfast: StartHoldfast, postgres: PostgresServer, test_database: str
) -> None:
    connection = "host=127.0.0.1 port=1 user=postgres"
    lenient = start_holdfast(marker={"connection": connection})
    assert tag(lenient, test_database) == "test"
    lenient.wait_for_log("cannot be asked whether it is production; it is what proxy.conf says")
    strict = start_holdfast(marker={"connection": connection, "unknown": "production"})
    assert tag(strict, test_database) == "production"
    strict.wait_for_log("cannot be asked whether it is production; it counts as production")


def test_a_strict_proxy_lets_go_once_a_database_has_said_that_it_is_not_production(
    proxy: Callable[..., Holdfast], test_database: str
) -> None:
    holdfast = proxy(unknown="production")
    eventually(lambda: tag(holdfast, test_database) == "test")


def test_a_reload_keeps_what_the_databases_said(proxy: Callable[..., Holdfast], marked: str) -> None:
    holdfast = proxy()
    known(holdfast, marked)
    holdfast.settings.rules[0]["message"] = "another message"
    holdfast.write(holdfast.settings)
    holdfast.reload()
    holdfast.wait_for_log("was read again")
    eventually(lambda: "another message" in refusal(holdfast, marked, "DROP TABLE orders"))
    assert tag(holdfast, marked) == "production"


REMOVALS = [
    f"DELETE FROM {MARK}", f"DELETE FROM {MARK} WHERE only_row", f"UPDATE {MARK} SET environment = 'x' WHERE only_row",
    f"TRUNCATE {MARK}", f"DROP TABLE {MARK}", "DROP SCHEMA holdfast_mark CASCADE",
    "ALTER SCHEMA holdfast_mark RENAME TO x", f"ALTER TABLE {MARK} RENAME TO x", f"ALTER TABLE {MARK} SET SCHEMA public",
    f"ALTER TABLE {MARK} ALTER environment TYPE text USING 'x'", f"ALTER TABLE {MARK} DROP COLUMN environment",
    f"INSERT INTO {MARK} VALUES (true, 'x', 'x', 'x') ON CONFLICT (only_row) DO UPDATE SET environment = 'x'",
    f"MERGE INTO {MARK} m USING (SELECT 1) s ON true WHEN MATCHED THEN UPDATE SET environment = 'x'",
    f"WITH gone AS (DELETE FROM {MARK} WHERE only_row RETURNING *) SELECT * FROM gone",
    f"COPY {MARK} FROM '/dev/null'",
    "DO $$ BEGIN DELETE FROM holdfast_mark.holdfast_environment WHERE only_row; END $$",
    "SET search_path = holdfast_mark; UPDATE holdfast_environment SET environment = 'x' WHERE only_row",
    "update Holdfast_Mark . Holdfast_Environment set environment = 'x' where only_row",
    'DELETE FROM "holdfast_mark"."holdfast_environment" WHERE only_row',
]  # fmt: skip


def test_removing_the_mark_is_a_guarded_statement(
    proxy: Callable[..., Holdfast], postgres: PostgresServer, marked: str
) -> None:
    holdfast = proxy()
    known(holdfast, marked)
    passed = [statement for statement in REMOVALS if not refusal(holdfast, marked, statement)]
    assert passed == []
    assert postgres.rows(f"SELECT environment FROM {MARK}", marked) == [("production",)]
    # Reading it harms nothing.
    with holdfast.connect(marked) as connection:
        assert connection.execute(f"SELECT environment FROM {MARK}").fetchone() == ("production",)


def test_a_copy_is_production_until_its_mark_is_removed(postgres: PostgresServer, marked: str) -> None:
    with postgres.database("copy_test") as copy:
        postgres.execute(f"DROP DATABASE {copy}")
        postgres.execute(f"CREATE DATABASE {copy} TEMPLATE {marked}")
        shown = mark(postgres, "show", copy)
        assert "is marked as production" in shown and f"it was written in database {marked}" in shown
        mark(postgres, "remove", copy)


def test_a_guarded_database_keeps_the_marks_table_and_takes_its_word_back(
    postgres: PostgresServer, production: str
) -> None:
    mark(postgres, "production", production)
    run(binary(), "guard", "install", "--database", url(postgres, production))
    assert "says none now" in mark(postgres, "remove", production)
    assert "is marked as none" in mark(postgres, "show", production)
    mark(postgres, "production", production)
    assert "is marked as production" in mark(postgres, "show", production)


def test_a_database_is_asked_seldom_however_many_sessions_come(
    proxy: Callable[..., Holdfast], postgres: PostgresServer, marked: str
) -> None:
    holdfast = proxy(refresh="1h")
    known(holdfast, marked)
    before = postgres.value(f"SELECT sessions FROM pg_stat_database WHERE datname = '{marked}'")
    for _ in range(20):
        holdfast.connect(marked).close()
    eventually(
        lambda: postgres.value(f"SELECT sessions FROM pg_stat_database WHERE datname = '{marked}'") >= before + 20
    )
    # Its own sessions, and nobody who asks.
    after = postgres.value(f"SELECT sessions FROM pg_stat_database WHERE datname = '{marked}'")
    assert after <= before + 20 + 2
