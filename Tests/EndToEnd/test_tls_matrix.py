"""The TLS matrix: every way for a client to ask for TLS × every way for Holdfast to offer it and to meet the server.

Each cell is what PostgreSQL itself would give (`support/tls_expectations.py`), and the table that is made of what came
out is docs/tls-matrix.md. `pytest test_tls_matrix.py --write-tls-matrix` writes it anew.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from support.certificates import Certificates
from support.postgres import PostgresServer, open_folder
from support.programs import postgres_programs
from support.proxy import REPOSITORY, Holdfast, ProxySettings
from support.tls_expectations import CLIENT_TLS_MODES, SERVER_TLS_MODES, Combination, expected
from support.tls_matrix import (
    ANY_DATABASE,
    CERTIFIED,
    CLIENT_MODES,
    ENCRYPTED_DATABASE,
    METHODS,
    Outcome,
    Target,
    start_server,
)

Cells = dict[tuple[str, str], Outcome]


@dataclass
class Bench:
    """Both servers, and what has been observed so far."""

    certificates: Certificates
    with_tls: PostgresServer
    without_tls: PostgresServer
    observed: dict[Combination, Cells] = field(default_factory=dict)

    def target(self, port: int, database: str = ANY_DATABASE) -> Target:
        return Target(port, self.certificates.root, self.certificates.client(CERTIFIED), database)


@pytest.fixture(scope="module")
def bench(certificates: Certificates) -> Iterator[Bench]:
    servers: list[PostgresServer] = []
    try:
        servers.append(start_server(certificates))
        servers.append(start_server(None))
        yield Bench(certificates, *servers)
    finally:
        for server in servers:
            server.remove()


def different(seen: Cells, wanted: Cells) -> list[str]:
    return [f"{cell}: {seen[cell]!r}, not {wanted[cell]!r}" for cell in seen if seen[cell] != wanted[cell]]


@pytest.mark.parametrize("client_tls", ["off", "allow", "require"])
def test_postgresql_itself_gives_what_the_matrix_expects(bench: Bench, client_tls: str) -> None:
    server = bench.without_tls if client_tls == "off" else bench.with_tls
    # Direct TLS came with PostgreSQL 17; before, only a server that has no TLS anyway answers it alike.
    modes = CLIENT_MODES if client_tls == "off" or server.major >= 17 else CLIENT_MODES[:-1]
    target = bench.target(server.port, ENCRYPTED_DATABASE if client_tls == "require" else ANY_DATABASE)
    wanted = {(mode, method.name): expected(mode, method, client_tls) for mode in modes for method in METHODS}
    assert different(target.cells(modes, METHODS), wanted) == []
