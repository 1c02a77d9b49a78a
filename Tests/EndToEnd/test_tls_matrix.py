"""The TLS matrix: every way for a client to ask for TLS × every way for Holdfast to offer it and to meet the server.

Each cell is what PostgreSQL itself would give (`support/tls_expectations.py`), and the table that is made of what came
out is docs/tls-matrix.md. `pytest test_tls_matrix.py --write-tls-matrix` writes it anew.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.certificates import Certificates
from support.postgres import PostgresServer, open_folder
from support.proxy import REPOSITORY, Holdfast, ProxySettings
from support.tls_expectations import CLIENT_TLS_MODES, SERVER_TLS_MODES, Combination, expected
from support.tls_matrix import (
    ANY_DATABASE,
    CERTIFIED,
    CLIENT_MODES,
    ENCRYPTED_DATABASE,
    METHODS,
    Cells,
    Target,
    start_server,
    users_file,
)
from support.tls_table import page

AUTHENTICATIONS = ["pass-through", "scram"]


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
def bench(certificates: Certificates, tls_postgres: PostgresServer) -> Iterator[Bench]:
    without_tls = start_server(None)
    yield Bench(certificates, tls_postgres, without_tls)
    without_tls.remove()


def assert_same(seen: Cells, wanted: Cells) -> None:
    wrong = [f"{cell}: {seen[cell]!r}, not {wanted[cell]!r}" for cell in wanted if seen[cell] != wanted[cell]]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("client_tls", ["off", "allow", "require"])
def test_postgresql_itself_gives_what_the_matrix_expects(bench: Bench, client_tls: str) -> None:
    server = bench.without_tls if client_tls == "off" else bench.with_tls
    # Direct TLS came with PostgreSQL 17; before, only a server that has no TLS anyway answers it alike.
    modes = CLIENT_MODES if client_tls == "off" or server.major >= 17 else CLIENT_MODES[:-1]
    target = bench.target(server.port, ENCRYPTED_DATABASE if client_tls == "require" else ANY_DATABASE)
    wanted = {(mode, method.name): expected(mode, method, client_tls) for mode in modes for method in METHODS}
    assert_same(target.cells(modes, METHODS), wanted)


def combinations() -> list[Combination]:
    found = [
        Combination(authentication, client_tls, server_tls, server_has_tls)
        for authentication in AUTHENTICATIONS
        for client_tls in CLIENT_TLS_MODES
        for server_tls in SERVER_TLS_MODES
        for server_has_tls in (True, False)
    ]
    # Only what binds the login to a certificate can tell whether it is the same one.
    return found + [
        Combination("pass-through", client_tls, server_tls, True, shares_certificate=True)
        for client_tls in CLIENT_TLS_MODES[1:]
        for server_tls in SERVER_TLS_MODES[1:]
    ]


def settings(
    bench: Bench, combination: Combination, asks_for_certificates: bool, users: Path
) -> ProxySettings:  # fmt: skip
    """proxy.conf of a combination; clients must show a certificate where the row is about that."""
    certificates = bench.certificates
    server = bench.with_tls if combination.server_has_tls else bench.without_tls
    client_tls: dict[str, str] = {"mode": combination.client_tls}
    server_tls: dict[str, str] = {"mode": combination.server_tls}
    if combination.client_tls != "off":
        shown = certificates.server if combination.shares_certificate else certificates.other_server
        client_tls |= shown.proxy_settings()
    if combination.server_tls.startswith("verify"):
        server_tls |= {"ca": str(certificates.root), "crl": str(certificates.crl)}
    if asks_for_certificates:
        client_tls |= {
            "client_ca": str(certificates.root), "client_crl": str(certificates.crl),
            "client_certificates": "verify-full",
        }  # fmt: skip
        if combination.server_tls != "disable":
            server_tls |= certificates.proxy_client.proxy_settings()
    with_users = {}
    if combination.authentication == "scram":
        users.touch(mode=0o600)
        users.write_text(users_file(server))
        with_users = {"users": {"file": str(users)}}
    return ProxySettings(
        server=f"localhost:{server.port}", client_tls=client_tls, server_tls=server_tls,
        top={"auth": combination.authentication}, **with_users,
    )  # fmt: skip


def observe(bench: Bench, combination: Combination) -> Cells:
    """What comes of every cell; asked once for each combination."""
    if combination in bench.observed:
        return bench.observed[combination]
    methods = [method for method in METHODS if not combination.shares_certificate or method.role == "cid_scram"]
    cells: Cells = {}
    # Without TLS nobody can be asked for a certificate.
    for asks in (False, True) if combination.client_tls != "off" else (False,):
        chosen = [
            method for method in methods if combination.client_tls == "off" or method.has_certificate == asks
        ]
        if not chosen:
            continue
        folder = open_folder("holdfast-matrix-")
        holdfast = Holdfast(folder, settings(bench, combination, asks, folder / "users.txt"))
        try:
            holdfast.start()
            cells |= bench.target(holdfast.port).cells(CLIENT_MODES, chosen)
            holdfast.stop()
        finally:
            holdfast.kill()
            shutil.rmtree(folder)
    bench.observed[combination] = cells
    return cells


@pytest.mark.parametrize("combination", combinations(), ids=str)
def test_through_holdfast_each_cell_is_what_postgresql_would_give(bench: Bench, combination: Combination) -> None:
    seen = observe(bench, combination)
    methods = {method.name: method for method in METHODS}
    wanted = {
        (mode, name): expected(mode, methods[name], combination.client_tls, combination) for mode, name in seen
    }
    assert_same(seen, wanted)


@pytest.mark.timeout(600)
def test_the_page_of_the_documentation_is_what_was_observed(bench: Bench, request: pytest.FixtureRequest) -> None:
    written = page({combination: observe(bench, combination) for combination in combinations()})
    committed = REPOSITORY / "docs/tls-matrix.md"
    if request.config.getoption("--write-tls-matrix"):
        committed.write_text(written)
    assert written == committed.read_text(), "run pytest test_tls_matrix.py --write-tls-matrix and look at the difference"
