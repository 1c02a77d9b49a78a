"""How many system calls a transaction costs: most of what a proxy costs is the kernel's work."""

from pathlib import Path

import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import program, run
from support.proxy import Holdfast
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


@pytest.fixture(params=["tcp-tcp", "tcp-unix", "unix-tcp", "unix-unix"])
def route(request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path: Path) -> dict[str, object]:
    """How clients reach Holdfast, and how it reaches the server."""
    client, server = request.param.split("-")
    return {
        "server": postgres.address if server == "tcp" else f"unix:{postgres.sockets}/.s.PGSQL.{postgres.port}",
        "listen": ["127.0.0.1:0" if client == "tcp" else f"unix:{tmp_path}/.s.PGSQL.5432"],
    }


def calls_of_selects(holdfast: Holdfast, database: str, folder: Path, protocol: str = "simple") -> dict[str, int]:
    with counted_system_calls(holdfast.pid, folder) as counts:
        printed = run(
            program("pgbench"), "--select-only", "--client=1", f"--transactions={TRANSACTIONS}", "--no-vacuum",
            f"--protocol={protocol}", environment=holdfast.environment(database),
        ).stdout  # fmt: skip
    assert f"number of transactions actually processed: {TRANSACTIONS}/{TRANSACTIONS}" in printed
    return counts


def test_by_epoll_a_transaction_of_one_client_costs_two_reads_two_writes_and_two_waits(
    start_holdfast: StartHoldfast, bench: str, tmp_path: Path, route: dict[str, object]
) -> None:
    counts = calls_of_selects(start_holdfast(**route, top={"selector": "epoll"}), bench, tmp_path)
    assert counts.pop("recvfrom") <= 2 * TRANSACTIONS + 100
    assert counts.pop("sendto") <= 2 * TRANSACTIONS + 100
    assert counts.pop("epoll_pwait") <= 2 * TRANSACTIONS + 100
    assert sum(counts.values()) < OTHERS, counts


@pytest.mark.parametrize("protocol", ["simple", "prepared"])
def test_by_io_uring_a_transaction_of_one_client_costs_two_calls(
    start_holdfast: StartHoldfast, bench: str, tmp_path: Path, route: dict[str, object], protocol: str
) -> None:
    counts = calls_of_selects(start_holdfast(**route, top={"selector": "io_uring"}), bench, tmp_path, protocol)
    assert counts.pop("io_uring_enter") <= 2 * TRANSACTIONS + 100
    assert sum(counts.values()) < OTHERS, counts


def test_a_crowd_goes_over_to_io_uring_and_back(
    start_holdfast: StartHoldfast, postgres: PostgresServer, bench: str, tmp_path: Path
) -> None:
    """With the selector that is the default: 32 clients by the ring, one client afterwards by epoll."""
    holdfast = start_holdfast(top={"selector": "auto", "loops": 1})
    with counted_system_calls(holdfast.pid, tmp_path) as crowded:
        run(
            program("pgbench"), "--select-only", "--client=32", "--transactions=1500", "--no-vacuum",
            environment=holdfast.environment(bench),
        )  # fmt: skip
    # 48,000 transactions: by epoll alone 96,000 reads, and as many writes.
    assert crowded["recvfrom"] < 48_000 and crowded["sendto"] < 48_000, crowded
    assert crowded["io_uring_enter"] > 100, crowded
    alone = calls_of_selects(holdfast, bench, tmp_path)
    assert alone["recvfrom"] > TRANSACTIONS and alone["io_uring_enter"] < 2 * TRANSACTIONS, alone
