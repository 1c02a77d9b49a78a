"""Authentication passes through untouched: every method works, every failure reads as without the proxy."""

import asyncio

import asyncpg
import psycopg
import psycopg2
import pytest

from support.postgres import PASSWORD, PASSWORD_ROLES, PostgresServer
from support.proxy import Holdfast

ROLES = list(PASSWORD_ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_psycopg_logs_in_with_its_password(holdfast: Holdfast, production: str, role: str) -> None:
    with holdfast.connect(production, user=role, password=PASSWORD) as connection:
        assert connection.execute("SELECT current_user").fetchone() == (role,)


@pytest.mark.parametrize("role", ROLES)
def test_psycopg2_logs_in_with_its_password(holdfast: Holdfast, production: str, role: str) -> None:
    connection = psycopg2.connect(
        host=holdfast.host, port=holdfast.port, dbname=production, user=role, password=PASSWORD
    )
    cursor = connection.cursor()
    cursor.execute("SELECT current_user")
    assert cursor.fetchone() == (role,)
    connection.close()


@pytest.mark.parametrize("role", ROLES)
def test_asyncpg_logs_in_with_its_password(holdfast: Holdfast, production: str, role: str) -> None:
    async def who() -> str:
        connection = await asyncpg.connect(
            host=holdfast.host, port=holdfast.port, database=production, user=role, password=PASSWORD
        )
        try:
            return await connection.fetchval("SELECT current_user::text")
        finally:
            await connection.close()

    assert asyncio.run(who()) == role


@pytest.mark.parametrize(
    "attempt",
    [
        *({"user": role, "password": "wrong"} for role in ROLES),
        {"user": "nobody_of_that_name"},
        {"user": "postgres", "dbname": "no_database_of_that_name"},
        {"user": "cid_scram", "password": PASSWORD, "options": "-c no_such_setting=1"},
        {"user": "cid_scram", "password": PASSWORD, "options": "-c work_mem=nonsense"},
    ],
    ids=lambda attempt: " ".join(attempt.values()),
)
def test_a_failed_login_reads_as_it_does_without_the_proxy(
    holdfast: Holdfast, postgres: PostgresServer, production: str, attempt: dict[str, str]
) -> None:
    def failure(host: str, port: int) -> str:
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(host=host, port=port, **{"dbname": production, **attempt})
        return str(caught.value).replace(str(port), "PORT")

    assert failure(holdfast.host, holdfast.port) == failure(postgres.host, postgres.port)


def test_options_and_settings_of_the_startup_packet_reach_the_server(holdfast: Holdfast, production: str) -> None:
    with holdfast.connect(production, options="-c work_mem=12345kB -c my.setting=x", application_name="e2e") as client:
        asked = client.execute(
            "SELECT current_setting('work_mem'), current_setting('my.setting'), current_setting('application_name')"
        )
        assert asked.fetchone() == ("12345kB", "x", "e2e")
