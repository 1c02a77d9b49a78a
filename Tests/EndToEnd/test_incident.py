"""The incident, replayed: a test suite's teardown runs drop_all against a database that is not disposable."""

import pytest

from conftest import StartHoldfast
from support.incident import ROWS, TABLES, alembic, application_suite, contents
from support.postgres import PostgresServer
from support.proxy import Holdfast

# Each suite of incident/suite with the driver of its engine.
SUITES = [
    pytest.param("test_with_asyncpg", "asyncpg", id="asyncpg"),
    pytest.param("test_with_engine", "psycopg", id="psycopg3"),
    pytest.param("test_with_engine", "psycopg2", id="psycopg2"),
]


def build_application(holdfast: Holdfast, database: str) -> None:
    alembic(holdfast, database, "upgrade", "head")
    with holdfast.connect(database) as connection:
        connection.execute(ROWS)


def drops(records: list[dict]) -> list[str]:
    """The tables that the DROP TABLE statements among the records name, in their order."""
    statements = [record["sql"].strip() for record in records if "drop_table" in record["classes"]]
    return [statement.removeprefix("DROP TABLE ") for statement in statements]


@pytest.mark.parametrize(("suite", "driver"), SUITES)
def test_on_production_every_table_and_row_survives_drop_all(
    holdfast: Holdfast, postgres: PostgresServer, production: str, suite: str, driver: str
) -> None:
    build_application(holdfast, production)
    before = contents(postgres, production)
    assert sorted(before) == sorted(["alembic_version", *TABLES])
    assert all(before.values())

    nested = application_suite(holdfast, production, suite, driver)

    assert contents(postgres, production) == before
    assert nested.returncode == 1, nested.stdout
    assert "1 passed, 1 error" in nested.stdout
    for part in ("drop_table", "keep tables", "production", "campaign_leads", "disposable"):
        assert part in nested.stdout, f"the test run does not show {part!r}:\n{nested.stdout}"
    (refusal,) = holdfast.trail.wait(event="refusal", database=production)
    assert drops([refusal])[0] in TABLES
    assert refusal["tag"] == "production"
    assert refusal["rule"] == "keep tables"
    assert refusal["user"] == "postgres"


def test_on_production_a_teardown_that_tries_every_table_fails_on_every_table(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    build_application(holdfast, production)
    before = contents(postgres, production)

    nested = application_suite(holdfast, production, "test_with_stubborn_teardown", "psycopg")

    assert contents(postgres, production) == before
    assert nested.stdout.count("InsufficientPrivilege") == len(TABLES), nested.stdout
    assert sorted(drops(holdfast.trail.wait(len(TABLES), event="refusal", database=production))) == TABLES


@pytest.mark.parametrize(("suite", "driver"), SUITES)
def test_on_a_test_database_drop_all_drops_as_before_and_leaves_a_trail(
    holdfast: Holdfast, postgres: PostgresServer, test_database: str, suite: str, driver: str
) -> None:
    build_application(holdfast, test_database)

    nested = application_suite(holdfast, test_database, suite, driver)

    assert nested.returncode == 0, nested.stdout
    assert sorted(contents(postgres, test_database)) == ["alembic_version"]
    intents = [
        record
        for record in holdfast.trail.records(event="intent", database=test_database)
        if "drop_table" in record["classes"]
    ]
    assert sorted(drops(intents)) == TABLES
    outcomes = {
        record["id"]: record for record in holdfast.trail.wait(len(TABLES), event="outcome", transaction="committed")
    }
    assert [outcomes[intent["id"]]["command_tag"] for intent in intents] == ["DROP TABLE"] * len(TABLES)
    assert not holdfast.trail.records(event="refusal")


def test_an_operator_may_except_a_user(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    rule = {"name": "keep tables", "tags": ["production"], "classes": ["table_loss"], "action": "block"}
    holdfast = start_holdfast(rules=[{**rule, "except": {"users": ["postgres"]}}])
    build_application(holdfast, production)
    assert application_suite(holdfast, production, "test_with_engine", "psycopg").returncode == 0
    assert sorted(contents(postgres, production)) == ["alembic_version"]


def test_on_production_alembic_clears_its_version_and_migrates_in_steps(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    alembic(holdfast, production, "upgrade", "0001")
    alembic(holdfast, production, "upgrade", "head", driver="psycopg2")
    alembic(holdfast, production, "check")
    with holdfast.connect(production) as connection:
        assert connection.execute("DELETE FROM alembic_version").rowcount == 1
    assert postgres.value("SELECT count(*) FROM alembic_version", production) == 0
    assert not holdfast.trail.records(event="refusal")


def test_on_production_alembic_downgrade_to_base_is_refused(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    build_application(holdfast, production)
    before = contents(postgres, production)

    downgrade = alembic(holdfast, production, "downgrade", "base", check=False)

    assert downgrade.returncode != 0
    assert "keep tables" in downgrade.stderr
    assert contents(postgres, production) == before


def test_every_create_of_a_migration_is_in_the_trail_with_its_outcome(holdfast: Holdfast, production: str) -> None:
    alembic(holdfast, production, "upgrade", "head")
    intents = holdfast.trail.records(event="intent", database=production)
    created = [record for record in intents if record["sql"].strip().startswith("CREATE TABLE")]
    assert len(created) == len(TABLES) + 1
    committed = {record["id"] for record in holdfast.trail.wait(len(created), event="outcome", transaction="committed")}
    assert {record["id"] for record in created} <= committed
