"""Clients reach the proxy by IPv4, IPv6 and Unix sockets; TLS is declined as PostgreSQL declines it."""

import socket
from pathlib import Path

import psycopg
import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.proxy import Holdfast


def has_ipv6_loopback() -> bool:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            return False
    return True


def answer(holdfast: Holdfast, database: str, **options) -> int:
    with holdfast.connect(database, **options) as connection:
        return connection.execute("SELECT 41 + 1").fetchone()[0]


def test_a_client_connects_over_ipv4(holdfast: Holdfast, production: str) -> None:
    assert answer(holdfast, production) == 42


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no ::1")
def test_a_client_connects_over_ipv6(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(listen=["[::1]:0"])
    assert holdfast.host == "::1"
    assert answer(holdfast, production) == 42


def test_a_client_connects_over_a_unix_socket_and_the_proxy_removes_it_at_the_end(
    start_holdfast: StartHoldfast, production: str, socket_folder: Path
) -> None:
    path = socket_folder / ".s.PGSQL.6543"
    holdfast = start_holdfast(listen=["127.0.0.1:0", f"unix:{path}"])
    assert answer(holdfast, production, index=1) == 42
    assert answer(holdfast, production, index=0) == 42
    holdfast.stop()
    assert not path.exists()


def test_the_server_is_reached_over_its_unix_socket(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    holdfast = start_holdfast(server=f"unix:{postgres.socket_path}")
    with holdfast.connect(production) as connection:
        assert connection.execute("SELECT inet_client_addr()").fetchone()[0] is None


def test_a_client_that_prefers_tls_goes_on_without_it(holdfast: Holdfast, production: str) -> None:
    assert answer(holdfast, production, sslmode="prefer", gssencmode="prefer") == 42


def test_a_client_that_requires_tls_is_told_what_postgresql_would_tell_it(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    def refusal(host: str, port: int) -> str:
        with pytest.raises(psycopg.OperationalError) as caught:
            psycopg.connect(host=host, port=port, dbname=production, user="postgres", sslmode="require")
        return str(caught.value).replace(str(port), "PORT")

    assert "server does not support SSL" in refusal(holdfast.host, holdfast.port)
    assert refusal(holdfast.host, holdfast.port) == refusal(postgres.host, postgres.port)


def test_many_clients_at_once_each_reach_their_own_session(holdfast: Holdfast, production: str) -> None:
    connections = [holdfast.connect(production) for _ in range(50)]
    try:
        for number, connection in enumerate(connections):
            connection.execute("SELECT set_config('my.number', %s, false)", [str(number)])
        values = [connection.execute("SHOW my.number").fetchone()[0] for connection in connections]
        assert values == [str(number) for number in range(50)]
    finally:
        for connection in connections:
            connection.close()


def test_the_socket_path_of_a_dead_proxy_does_not_stop_the_next_one(
    start_holdfast: StartHoldfast, production: str, socket_folder: Path
) -> None:
    path = socket_folder / ".s.PGSQL.6543"
    first = start_holdfast(listen=[f"unix:{path}"])
    first.kill()
    second = start_holdfast(listen=[f"unix:{path}"])
    assert answer(second, production) == 42
