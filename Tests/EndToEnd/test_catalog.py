"""Code that is in the database before the client comes, and what a statement that runs it is judged by."""

from collections.abc import Iterator

import psycopg
import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.proxy import Holdfast, command

OBJECTS = """
create table accounts (id int);
create table orders (id int, at timestamptz default now());
create table lines (id int);
create table secrets (id int);
create function tidy() returns int language plpgsql as $$ begin drop table accounts; return 1; end $$;
create function tidy_row() returns trigger language plpgsql as $$ begin perform tidy(); return new; end $$;
create function touch() returns trigger language plpgsql as $$ begin new.at := now(); return new; end $$;
create function wrap() returns int immutable language plpgsql as $$ begin return tidy(); end $$;
create function is_tidy(int) returns bool language plpgsql as $$ begin return tidy() = 1; end $$;
create function total() returns bigint language sql as 'select count(*) from orders';
create trigger touched before insert on orders for each row execute function touch();
create trigger swept before insert on lines for each row execute function tidy_row();
create rule gone as on delete to orders do also select tidy();
create table defaulted (id int default tidy());
alter table secrets enable row level security, force row level security;
create policy p on secrets using (is_tidy(id));
create operator ~> (rightarg = int, function = is_tidy);
create domain checked as int check (is_tidy(value));
create view seen as select tidy() as a;
create function plus_tidy(a int, b int) returns int language sql as 'select a + b + tidy()';
create aggregate swept(int) (sfunc = plus_tidy, stype = int, initcond = 0);
create function tidy_text(text) returns checked language sql as 'select 1::checked';
create type mood as enum ('good');
create function tidy_mood(mood) returns int language sql as 'select tidy()';
create cast (mood as int) with function tidy_mood(mood);
create extension pg_trgm;
create extension "uuid-ossp";
create extension plpython3u;
create function py() returns int language plpython3u as 'return 1';
create materialized view refreshed as select id from orders with no data;
"""

REFUSED = [
    "SELECT tidy()", "SELECT public.tidy()", "INSERT INTO lines VALUES (1)", "DELETE FROM orders WHERE id = 1",
    "INSERT INTO defaulted DEFAULT VALUES", "SELECT * FROM secrets", "SELECT ~> 1", "SELECT '1'::checked",
    "TABLE seen", "SELECT swept(1)", "EXPLAIN SELECT wrap()", "SELECT py()", "SELECT 'good'::mood::int",
    "DO $$ BEGIN PERFORM wrap(); END $$", "PREPARE q AS SELECT tidy()",
]  # fmt: skip

PASSING = [
    "SELECT total()", "INSERT INTO orders (id) VALUES (1)", "SELECT * FROM lines", "UPDATE orders SET id = 2 WHERE id = 1",
    "SELECT similarity('a', 'b'), uuid_generate_v4()", "EXPLAIN SELECT tidy()", "REFRESH MATERIALIZED VIEW refreshed",
    "SELECT 1 AS tidied", "SELECT count(*) FROM refreshed", "ANALYZE orders",
]  # fmt: skip


@pytest.fixture
def database(production: str, postgres: PostgresServer) -> str:
    postgres.execute(OBJECTS, production)
    return production


@pytest.fixture
def holdfast(start_holdfast: StartHoldfast, postgres: PostgresServer) -> Holdfast:
    return start_holdfast(catalog={"connection": connection(postgres)})


def connection(postgres: PostgresServer) -> str:
    return f"host={postgres.host} port={postgres.port} user=postgres"


@pytest.fixture
def session(holdfast: Holdfast, database: str) -> Iterator[psycopg.Connection]:
    with holdfast.connect(database, autocommit=True, user="postgres") as session:
        yield session


def test_what_runs_dangerous_code_is_refused_and_everything_else_passes(session: psycopg.Connection) -> None:
    for statement in REFUSED:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="holdfast"):
            session.execute(statement)
    for statement in PASSING:
        session.execute(statement)


def test_the_refusal_and_the_trail_show_the_way(session: psycopg.Connection, holdfast: Holdfast) -> None:
    path = "INSERT INTO lines → trigger swept → function tidy_row → function tidy → DROP TABLE accounts"
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as refusal:
        session.execute("INSERT INTO lines VALUES (1)")
    assert path in str(refusal.value.diag.message_detail)


def test_a_routine_replaced_on_the_server_counts_for_the_next_session(
    holdfast: Holdfast, database: str, postgres: PostgresServer
) -> None:
    with holdfast.connect(database, autocommit=True, user="postgres") as session:
        session.execute("SELECT total()")
    postgres.execute(
        "create or replace function total() returns bigint language sql as 'select tidy()::bigint'", database
    )
    with holdfast.connect(database, autocommit=True, user="postgres") as session:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT total()")
    postgres.execute("create or replace function total() returns bigint language sql as 'select 1::bigint'", database)
    with holdfast.connect(database, autocommit=True, user="postgres") as session:
        session.execute("SELECT total()")


@pytest.mark.parametrize("missing", ["opaque", "mark"])
def test_without_a_catalog_calls_are_what_proxy_conf_says(
    start_holdfast: StartHoldfast, database: str, postgres: PostgresServer, missing: str
) -> None:
    holdfast = start_holdfast(
        catalog={"connection": f"host={postgres.host} port={postgres.port} user=nobody_of_that_name", "missing": missing}
    )
    with holdfast.connect(database, autocommit=True, user="postgres") as session:
        session.execute("SELECT lower('A')")
        if missing == "mark":
            session.execute("SELECT total()")
            (intent,) = holdfast.trail.wait(event="intent")
            assert intent["classes"] == ["unread_call"] and "total" in intent["remarks"][0]
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("SELECT total()")
    assert "cannot be read" in holdfast.log_text()


def test_the_last_session_leaves_no_connection_behind(holdfast: Holdfast, postgres: PostgresServer) -> None:
    with postgres.database("fleeting") as name:
        with holdfast.connect(name, autocommit=True, user="postgres") as session:
            session.execute("SELECT 1")


def test_classify_reads_a_catalog(database: str, postgres: PostgresServer) -> None:
    result = command(
        "classify", "--tag", "production", "--catalog", f"{connection(postgres)} dbname={database}", "SELECT wrap()",
        check=False,
    )  # fmt: skip
    assert result.returncode == 3
    assert "function wrap → function tidy → DROP TABLE accounts" in result.stdout
