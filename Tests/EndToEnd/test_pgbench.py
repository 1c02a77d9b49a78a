"""pgbench in all its protocols, with many clients at once."""

from pathlib import Path

import pytest

from support.postgres import PostgresServer
from support.programs import program, run
from support.proxy import Holdfast


@pytest.fixture
def bench(holdfast: Holdfast, postgres: PostgresServer, test_database: str) -> str:
    """pgbench's tables, made through the proxy: its initialisation drops and truncates, so this is no production."""
    run(program("pgbench"), "--initialize", "--scale=1", "--quiet", environment=holdfast.environment(test_database))
    assert postgres.value("SELECT count(*) FROM pgbench_accounts", test_database) == 100_000
    return test_database


@pytest.mark.parametrize("protocol", ["simple", "extended", "prepared"])
def test_thirty_two_clients_run_every_transaction(
    holdfast: Holdfast, postgres: PostgresServer, bench: str, protocol: str
) -> None:
    for script in ("select-only", "tpcb-like"):
        printed = run(
            program("pgbench"), f"--protocol={protocol}", "--client=32", "--jobs=2", "--transactions=100", "--no-vacuum",
            f"--builtin={script}", environment=holdfast.environment(bench),
        ).stdout  # fmt: skip
        assert "number of transactions actually processed: 3200/3200" in printed
        assert "number of failed transactions: 0 (0.000%)" in printed
    assert postgres.value("SELECT count(*) FROM pgbench_history", bench) == 3200


@pytest.mark.parametrize("protocol", ["extended", "prepared"])
def test_pipelines_run_every_transaction(holdfast: Holdfast, bench: str, tmp_path: Path, protocol: str) -> None:
    script = tmp_path / "pipeline.sql"
    script.write_text(
        "\\startpipeline\n" + "SELECT abalance FROM pgbench_accounts WHERE aid = 1;\n" * 20 + "\\endpipeline\n"
    )
    printed = run(
        program("pgbench"), f"--protocol={protocol}", "--client=32", "--jobs=2", "--transactions=50", "--no-vacuum",
        f"--file={script}", environment=holdfast.environment(bench),
    ).stdout  # fmt: skip
    assert "number of transactions actually processed: 1600/1600" in printed


def test_a_new_connection_for_every_transaction(holdfast: Holdfast, bench: str) -> None:
    printed = run(
        program("pgbench"), "--connect", "--client=8", "--transactions=25", "--no-vacuum", "--select-only",
        environment=holdfast.environment(bench),
    ).stdout  # fmt: skip
    assert "number of transactions actually processed: 200/200" in printed


def test_pgbench_cannot_initialize_over_production_tables(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE pgbench_accounts (aid int); INSERT INTO pgbench_accounts VALUES (7)", production)
    refused = run(
        program("pgbench"), "--initialize", "--quiet", environment=holdfast.environment(production), check=False
    )
    assert refused.returncode != 0
    assert "keep tables" in refused.stderr
    assert postgres.rows("SELECT aid FROM pgbench_accounts", production) == [(7,)]
