"""What much data and TLS cost: system calls and memory. Counts only: times depend on the machine."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartHoldfast
from support.certificates import Certificates
from support.postgres import PostgresServer
from support.programs import program, run
from support.proxy import REPOSITORY, Holdfast
from support.system_calls import counted_system_calls
from support.tls_matrix import OPEN_DATABASE

sys.path.insert(0, str(REPOSITORY / "Benchmarks"))

from bulkload import LOADS, PREPARATION, Address, handshakes

MEGABYTES = 50
# What one read brings at most (SessionLoop, and OpenSSL's buffer), and a record of TLS.
READ, RECORD = 65536, 16384
SESSIONS = 4
SESSION_KILOBYTES = 2000
TRANSACTIONS = 2000
# Connecting, and the balancer's looks at the loops.
OTHERS = 400
HANDSHAKES = 50
CALLS_PER_HANDSHAKE = 28

# How clients and the server are met: TLS with the client, TLS with the server.
ROUTES = {"plain": (False, False), "TLS with the client": (True, False), "TLS on both sides": (True, True)}


@pytest.fixture(scope="module")
def database(tls_postgres: PostgresServer) -> Iterator[str]:
    """Where everybody is let in, with or without TLS, holding pgbench's tables and those of the bulk loads."""
    for statement in PREPARATION:
        tls_postgres.execute(statement, OPEN_DATABASE)
    environment = {
        "PGHOST": tls_postgres.host, "PGPORT": str(tls_postgres.port), "PGUSER": "postgres", "PGDATABASE": OPEN_DATABASE
    }  # fmt: skip
    pgbench = (program("pgbench"), "--initialize", "--scale=1", "--quiet")
    run(*pgbench, environment=environment)
    yield OPEN_DATABASE
    run(*pgbench, "--init-steps=d", environment=environment)
    tls_postgres.execute("DROP TABLE bulk_source, bulk_sink", OPEN_DATABASE)


@pytest.fixture
def start(start_holdfast: StartHoldfast, tls_postgres: PostgresServer, certificates: Certificates):
    """A proxy for the route of that name."""

    def start(route: str) -> Holdfast:
        has_client_tls, has_server_tls = ROUTES[route]
        return start_holdfast(
            server=tls_postgres.address, server_tls={"mode": "require"} if has_server_tls else {},
            client_tls={"mode": "require", **certificates.server.proxy_settings()} if has_client_tls else {},
            top={"selector": "auto"},
        )  # fmt: skip

    return start


def address(holdfast: Holdfast, route: str, database: str) -> Address:
    return Address(holdfast.host, holdfast.port, database, has_tls=ROUTES[route][0])


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("route", ["plain", "TLS on both sides"])
def test_much_data_costs_a_read_for_each_wait_and_full_buffer_and_a_write_for_each_read(
    start, database: str, tmp_path: Path, route: str, load: str
) -> None:
    """How often the proxy wakes is the server's doing (it sends 8 KB at a time, and may have to wait for a core); what
    it does then is its own: 33 calls a megabyte where data is always there, 96 with TLS. HAProxy makes 130 to 140,
    PgBouncer 600 to 790."""
    holdfast = start(route)
    with counted_system_calls(holdfast.pid, tmp_path) as counts:
        moved = LOADS[load](address(holdfast, route, database), MEGABYTES)
    assert moved >= MEGABYTES * 0.95e6
    reads = counts.pop("read", 0) + counts.pop("recvfrom", 0)
    writes = counts.pop("write", 0) + counts.pop("sendto", 0)
    waits = counts.pop("epoll_pwait")
    # Where a read ended within a record OpenSSL reads once more, for its rest.
    reads_allowed = moved / READ * (1 if route == "plain" else 2)
    assert reads <= 1.1 * (waits + reads_allowed) + OTHERS, (reads, waits)
    assert writes <= 1.1 * (reads + (0 if route == "plain" else moved / RECORD)) + OTHERS, (writes, reads)
    # Nothing else: no timer, no clock, no memory given back and taken again.
    assert sum(counts.values()) < 2 * OTHERS, counts


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("route", ROUTES)
def test_a_session_that_moves_much_holds_less_than_two_megabytes(start, database: str, route: str, load: str) -> None:
    holdfast = start(route)
    end = address(holdfast, route, database)
    # What the first session of all costs is no session's own: code, the server's certificates, the judge.
    LOADS[load](end, 1)
    Path(f"/proc/{holdfast.pid}/clear_refs").write_text("5")
    before = holdfast.resident_kilobytes()
    moved: list[int] = []
    threads = [
        threading.Thread(target=lambda: moved.append(LOADS[load](end, MEGABYTES / SESSIONS))) for _ in range(SESSIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moved) == SESSIONS
    assert holdfast.peak_kilobytes() - before < SESSIONS * SESSION_KILOBYTES


@pytest.mark.parametrize("mode", ["simple", "prepared"])
@pytest.mark.parametrize("route", list(ROUTES)[1:])
def test_a_transaction_with_tls_costs_two_reads_two_writes_and_two_waits(
    start, database: str, tmp_path: Path, route: str, mode: str
) -> None:
    holdfast = start(route)
    with counted_system_calls(holdfast.pid, tmp_path) as counts:
        printed = run(
            program("pgbench"), "--select-only", "--client=1", f"--transactions={TRANSACTIONS}", "--no-vacuum",
            f"--protocol={mode}", environment={**holdfast.environment(database), "PGSSLMODE": "require"},
        ).stdout  # fmt: skip
    assert f"number of transactions actually processed: {TRANSACTIONS}/{TRANSACTIONS}" in printed
    assert counts.pop("read", 0) + counts.pop("recvfrom", 0) <= 2 * TRANSACTIONS + 100
    assert counts.pop("write", 0) + counts.pop("sendto", 0) <= 2 * TRANSACTIONS + 100
    assert counts.pop("epoll_pwait") <= 2 * TRANSACTIONS + 100
    assert sum(counts.values()) < OTHERS, counts


def test_a_handshake_costs_few_system_calls(start, database: str, tmp_path: Path) -> None:
    route = "TLS with the client"
    holdfast = start(route)
    assert handshakes(address(holdfast, route, database), 1) == 0
    with counted_system_calls(holdfast.pid, tmp_path) as counts:
        assert handshakes(address(holdfast, route, database), HANDSHAKES) == 0
    # OpenSSL looks whether the process has forked before it takes random numbers.
    counts.pop("getpid", 0)
    assert sum(counts.values()) <= CALLS_PER_HANDSHAKE * HANDSHAKES + OTHERS // 4, counts
