"""How many system calls a transaction costs: most of what a proxy costs is the kernel's work."""

from pathlib import Path

import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import program, run
from support.system_calls import counted_system_calls

TRANSACTIONS = 3000
# Connecting, and the balancer's looks at the loops.
OTHERS = 400


@pytest.fixture
def bench(postgres: PostgresServer, test_database: str) -> str:
    run(
        program("pgbench"), "--initialize", "--scale=1", "--quiet",
        environment={"PGHOST": postgres.host, "PGPORT": str(postgres.port), "PGUSER": "postgres", "PGDATABASE": test_database},
    )  # fmt: skip
    return test_database


def selects(environment: dict[str, str]) -> None:
    printed = run(
        program("pgbench"), "--select-only", "--client=1", f"--transactions={TRANSACTIONS}", "--no-vacuum",
        environment=environment,
    ).stdout  # fmt: skip
    assert f"number of transactions actually processed: {TRANSACTIONS}/{TRANSACTIONS}" in printed


@pytest.mark.parametrize("client", ["tcp", "unix"])
@pytest.mark.parametrize("server", ["tcp", "unix"])
def test_a_transaction_of_one_client_costs_two_reads_two_writes_and_two_waits(
    start_holdfast: StartHoldfast, postgres: PostgresServer, bench: str, tmp_path: Path, client: str, server: str
) -> None:
    holdfast = start_holdfast(
        server=postgres.address if server == "tcp" else f"unix:{postgres.sockets}/.s.PGSQL.{postgres.port}",
        listen=["127.0.0.1:0" if client == "tcp" else f"unix:{tmp_path}/.s.PGSQL.5432"],
    )
    with counted_system_calls(holdfast.pid, tmp_path) as counts:
        selects(holdfast.environment(bench))
    assert counts.pop("recvfrom") <= 2 * TRANSACTIONS + 100
    assert counts.pop("sendto") <= 2 * TRANSACTIONS + 100
    assert counts.pop("epoll_pwait") <= 2 * TRANSACTIONS + 100
    assert sum(counts.values()) < OTHERS, counts
