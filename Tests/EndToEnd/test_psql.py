"""psql through the proxy prints exactly what it prints without it."""

import pytest

from support.postgres import PostgresServer
from support.programs import program, run
from support.proxy import Holdfast
from support.samples import SCHEMA

BACKSLASH_COMMANDS = [
    r"\d", r"\d+", r"\d people", r"\d+ people", r"\d sales.orders", r"\d+ customers", r"\d+ totals", r"\d+ events",
    r"\d events_2025", r"\da", r"\dA", r"\dA+", r"\dAc", r"\dAf", r"\dAo", r"\dAp", r"\db", r"\db+", r"\dc", r"\dC",
    r"\dconfig", r"\dd", r"\dD", r"\dD+", r"\dp", r"\ddp", r"\dE", r"\des", r"\det", r"\deu", r"\dew", r"\df",
    r"\df+", r"\df+ double", r"\dF", r"\dFd", r"\dFp", r"\dFt", r"\dg", r"\dg+", r"\di", r"\di+", r"\dl", r"\dL",
    r"\dm", r"\dm+", r"\dn", r"\dn+", r"\do", r"\dO", r"\dp people", r"\dP", r"\dP+", r"\drds", r"\dRp", r"\dRp+",
    r"\dRs", r"\ds", r"\ds+", r"\dS pg_class", r"\dt", r"\dt+", r"\dt *.*", r"\dT", r"\dT+", r"\du", r"\du+", r"\dv",
    r"\dv+", r"\dx", r"\dx+", r"\dX", r"\dy", r"\l", r"\l+", r"\z", r"\sf double", r"\sv customers", r"\encoding",
    r"\lo_list",
]  # fmt: skip

SCRIPT = r"""
\set ON_ERROR_STOP off
SELECT name AS drop, mail AS "delete" FROM people ORDER BY id \gx
SELECT 'DROP TABLE people' AS text; -- DROP TABLE people
/* DROP TABLE people; */ SELECT $body$ DROP TABLE people; $body$;
SELECT id, name FROM people ORDER BY 1 \crosstabview id name
BEGIN; INSERT INTO people (name) VALUES ('Cid'); SAVEPOINT a; SELECT 1/0; ROLLBACK TO a; COMMIT;
SELECT count(*) FROM people;
\gdesc
PREPARE by_name AS SELECT id FROM people WHERE name = $1; EXECUTE by_name('Bob');
SELECT format('SELECT %s', n) FROM generate_series(1, 3) n \gexec
\copy people (name) FROM stdin
Dee
Eve
\.
\copy people TO stdout
COPY (SELECT name FROM people) TO STDOUT;
DO $$ BEGIN RAISE NOTICE 'a notice'; RAISE WARNING 'a warning' USING HINT = 'none', DETAIL = 'some'; END $$;
SELECT * FROM missing;
DECLARE c CURSOR WITH HOLD FOR SELECT generate_series(1, 5); FETCH 2 FROM c; MOVE 1 IN c; FETCH ALL c; CLOSE c;
EXPLAIN (COSTS OFF) SELECT * FROM people WHERE id = 1;
LISTEN news; NOTIFY news, 'hello'; SELECT 1;
SET search_path = sales; SHOW search_path; SELECT id FROM orders;
\set VERBOSITY verbose
SELECT nothing;
"""


def psql(postgres_or_proxy: PostgresServer | Holdfast, database: str, *arguments: str, input: str | None = None):
    completed = run(
        program("psql"), "--no-psqlrc", "--host", postgres_or_proxy.host, "--port", str(postgres_or_proxy.port),
        "--username=postgres", *arguments, database, input=input, check=False,
    )  # fmt: skip
    return completed.returncode, completed.stdout, completed.stderr


@pytest.fixture
def shop(postgres: PostgresServer, production: str) -> str:
    postgres.execute(SCHEMA, production)
    return production


def test_every_backslash_command_prints_what_it_prints_without_the_proxy(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    # One after the other in one session: a difference in one command's messages would shift all that follow.
    script = "".join(f"\\echo {command[1:]}\n{command}\n" for command in BACKSLASH_COMMANDS)
    assert psql(holdfast, shop, input=script) == psql(postgres, shop, input=script)
    assert not holdfast.trail.records(event="refusal")


def test_a_script_of_everyday_statements_prints_what_it_prints_without_the_proxy(
    holdfast: Holdfast, postgres: PostgresServer
) -> None:
    # Each run has a fresh database of the same name: the script changes it.
    def printed(target: PostgresServer | Holdfast) -> tuple[int, str, str]:
        with postgres.database("everyday") as name:
            postgres.execute(SCHEMA, name)
            return psql(target, name, input=SCRIPT)

    direct, proxied = printed(postgres), printed(holdfast)
    assert "a warning" in direct[2]
    assert [clean(part) for part in proxied] == [clean(part) for part in direct]


def clean(part: object) -> object:
    """Without the process id that a notification names."""
    if not isinstance(part, str):
        return part
    return "\n".join(line.split(" with PID")[0].split(" from server process")[0] for line in part.splitlines())


def test_psql_shows_a_refusal_with_its_rule_its_objects_and_what_to_do(holdfast: Holdfast, shop: str) -> None:
    code, _, error = psql(holdfast, shop, "--command", r"\set VERBOSITY verbose", "--command", "DROP TABLE people")
    assert code == 1
    for part in ("42501", "DETAIL:", "HINT:", "drop_table", "keep tables", "production", "people"):
        assert part in error, f"psql does not show {part!r}:\n{error}"


def test_psql_with_a_refused_statement_in_single_transaction_mode_keeps_nothing(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    script = "INSERT INTO people (name) VALUES ('Zoe');\nDROP TABLE people CASCADE;\nINSERT INTO people VALUES (1);\n"
    code, _, error = psql(holdfast, shop, "--single-transaction", "--file=-", input=script)
    assert "keep tables" in error
    assert "current transaction is aborted" in error
    assert code == 0  # as psql ends without ON_ERROR_STOP
    assert postgres.value("SELECT count(*) FROM people", shop) == 2
