"""What a statement does to another database of the server is judged by that database's tag."""

from collections.abc import Iterator

import psycopg
import pytest

from support.postgres import PostgresServer
from support.proxy import Holdfast


@pytest.fixture
def shop(postgres: PostgresServer, production: str) -> Iterator[str]:
    """A production database, and contrib/dblink and postgres_fdw where a test session can use them."""
    postgres.execute("CREATE TABLE leads (id int); INSERT INTO leads VALUES (1)", production)
    yield production


REFUSED = [
    "DROP DATABASE {shop}",
    "DROP DATABASE IF EXISTS {shop} WITH (FORCE)",
    "ALTER DATABASE {shop} RENAME TO gone_test",
    "ALTER DATABASE {shop} WITH ALLOW_CONNECTIONS false",
    "ALTER DATABASE {shop} CONNECTION LIMIT 0",
    "SELECT dblink_exec('dbname={shop}', 'DROP TABLE leads')",
    "SELECT dblink_exec('host=''127.0.0.1'' dbname = ''{shop}'' ', 'DROP TABLE leads')",
    "SELECT dblink_exec('postgresql://127.0.0.1/{shop}', 'DROP TABLE leads')",
    "SELECT dblink_exec('dbname={test} dbname={shop}', 'TRUNCATE leads')",
    "SELECT * FROM dblink('service=prod', 'DROP TABLE leads') AS t (a text)",
    "SELECT dblink_exec('somewhere', 'DROP TABLE leads')",
    "SELECT dblink_exec(current_setting('x.y'), 'DROP TABLE leads')",
    "DO $$ BEGIN PERFORM dblink_exec('dbname={shop}', 'DROP TABLE leads'); END $$",
    "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname '{shop}')",
    "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw",
    "CREATE SUBSCRIPTION s CONNECTION 'dbname={shop}' PUBLICATION p WITH (connect = false)",
]
PASSING = [
    "DROP DATABASE IF EXISTS other_test",
    "DROP TABLE scratch",
    "ALTER TABLE scratch RENAME TO s",
    "SELECT dblink_exec('dbname={test}', 'DROP TABLE IF EXISTS nothing')",
    "CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname '{test}')",
    "CREATE ROLE other_databases_r; DROP ROLE other_databases_r",
]


def extensions(postgres: PostgresServer, database: str) -> None:
    postgres.execute("CREATE EXTENSION dblink; CREATE EXTENSION postgres_fdw; CREATE TABLE scratch (n int)", database)


@pytest.mark.parametrize("statement", REFUSED)
def test_a_production_database_is_safe_from_sessions_in_a_test_database(
    holdfast: Holdfast, postgres: PostgresServer, shop: str, test_database: str, statement: str
) -> None:
    extensions(postgres, test_database)
    with holdfast.connect(test_database) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(statement.format(shop=shop, test=test_database))
    assert "production" in caught.value.diag.message_primary
    assert "target" in caught.value.diag.message_detail
    assert postgres.value("SELECT count(*) FROM leads", shop) == 1


@pytest.mark.parametrize("statement", PASSING)
def test_test_databases_do_with_each_other_as_they_like(
    holdfast: Holdfast, postgres: PostgresServer, shop: str, test_database: str, statement: str
) -> None:
    extensions(postgres, test_database)
    local = f" host=127.0.0.1 port={postgres.port} user=postgres'"
    text = statement.format(shop=shop, test=test_database).replace(f"'dbname={test_database}'", f"'dbname={test_database}{local}")
    with holdfast.connect(test_database) as connection:
        connection.execute(text)


def test_a_test_database_is_made_and_dropped_from_where_test_runners_do_it(holdfast: Holdfast) -> None:
    with holdfast.connect("postgres") as connection:
        connection.execute("CREATE DATABASE made_by_a_runner_test")
        connection.execute("DROP DATABASE made_by_a_runner_test")


def test_a_database_that_is_production_by_its_user_stays_so(start_holdfast, postgres: PostgresServer) -> None:
    tags = [
        {"name": "production", "user": ["postgres"]},
        {"name": "test", "database": ["*_test"]},
    ]
    holdfast = start_holdfast(tags=tags)
    with postgres.database("by_user_test"), holdfast.connect("postgres") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP DATABASE by_user_test")
