"""Fixtures: one PostgreSQL for the whole run, one Holdfast and fresh databases for each test."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.certificates import Certificates
from support.postgres import PostgresServer, open_folder
from support.proxy import Holdfast, ProxySettings
from support.tls_matrix import start_server

StartHoldfast = Callable[..., Holdfast]
numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        server.start()
        server.create_roles()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def certificates() -> Iterator[Certificates]:
    folder = open_folder("holdfast-certificates-")
    yield Certificates(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tls_postgres(certificates: Certificates) -> Iterator[PostgresServer]:
    """A server with TLS, for `localhost`, and the roles and databases of the TLS matrix."""
    server = start_server(certificates)
    yield server
    server.remove()


@pytest.fixture
def start_holdfast(postgres: PostgresServer) -> Iterator[StartHoldfast]:
    """Starts proxies in front of the session's server.

    Those that the test did not end itself must be alive at the end and leave with 0 on SIGTERM.
    """
    started: list[Holdfast] = []

    def start(**settings) -> Holdfast:
        settings.setdefault("server", postgres.address)
        holdfast = Holdfast(open_folder("holdfast-proxy-"), ProxySettings(**settings))
        started.append(holdfast)
        holdfast.start()
        return holdfast

    yield start
    try:
        for holdfast in started:
            if holdfast.addresses and not holdfast.was_ended:
                holdfast.stop()
    finally:
        for holdfast in started:
            holdfast.kill()
            shutil.rmtree(holdfast.folder)


@pytest.fixture
def holdfast(start_holdfast: StartHoldfast) -> Holdfast:
    return start_holdfast()


@pytest.fixture
def production(postgres: PostgresServer) -> Iterator[str]:
    """An empty database that no tag claims: production."""
    with postgres.database(f"shop{next(numbers)}") as name:
        yield name


@pytest.fixture
def test_database(postgres: PostgresServer) -> Iterator[str]:
    """An empty database that the tag `test` claims by its name."""
    with postgres.database(f"shop{next(numbers)}_test") as name:
        yield name


@pytest.fixture
def socket_folder() -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets."""
    folder = open_folder("holdfast-sockets-")
    yield folder
    shutil.rmtree(folder)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lexer", "test_lexer_differential.py")
    group.addoption("--lexer-texts", type=int, default=20_000, help="texts in all (default 20000)")
    group.addoption("--lexer-seed", default="1", help="another seed makes other texts")
    group = parser.getgroup("tls", "test_tls_matrix.py")
    group.addoption("--write-tls-matrix", action="store_true", help="write docs/tls-matrix.md anew")
