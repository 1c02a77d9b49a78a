"""The cells of the TLS matrix: how a client connects, with what it proves who it is, and what came of it."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from psycopg import pq
from psycopg.conninfo import make_conninfo

from .certificates import Certificates, Identity
from .postgres import PASSWORD, PASSWORD_ROLES, PostgresServer

# `direct` is sslnegotiation=direct: TLS from the first byte on.
CLIENT_MODES = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full", "direct"]

TRUSTED, CERTIFIED = "tom_trust", "dan_certificate"


@dataclass(frozen=True)
class Method:
    """A column: the role, whose line in the server's pg_hba.conf names the method, and what the client adds."""

    name: str
    role: str
    channel_binding: str = "prefer"
    has_certificate: bool = False


METHODS = [
    Method("trust", TRUSTED),
    Method("password", "ann_password"),
    Method("md5", "bob_md5"),
    Method("SCRAM", "cid_scram"),
    Method("SCRAM-PLUS", "cid_scram", channel_binding="require"),
    Method("SCRAM, no binding", "cid_scram", channel_binding="disable"),
    Method("certificate", CERTIFIED, has_certificate=True),
]


@dataclass(frozen=True)
class Outcome:
    """Either what encrypts the two ways, or the error as the client reads it."""

    is_client_encrypted: bool = False
    is_server_encrypted: bool = False
    error: str = ""

    def __str__(self) -> str:
        return self.error or ("TLS" if self.is_client_encrypted else "clear")


# By client mode and method.
Cells = dict[tuple[str, str], Outcome]

# Where a server lets everybody in by `host` lines, and where by `hostssl` lines only.
ANY_DATABASE, ENCRYPTED_DATABASE = "matrix", "matrix_tls"
# Where everybody is trusted, and where those who show a certificate are.
OPEN_DATABASE = "open"
CERTIFICATE_DATABASES = {"verify-ca": "certificate_ca", "verify-full": "certificate_full"}


def access() -> str:
    """pg_hba.conf of the matrix. What no line names is refused as PostgreSQL refuses it.

    Holdfast's certificate may log in as the role of the certificate.
    """
    lines = ["local all all trust", f"host postgres,template1,{OPEN_DATABASE} all all trust"]
    methods = {"verify-ca": "trust clientcert=verify-ca", "verify-full": "cert"}
    lines += [f"hostssl {name} all all {methods[mode]}" for mode, name in CERTIFICATE_DATABASES.items()]
    for kind, database in (("host", ANY_DATABASE), ("hostssl", ENCRYPTED_DATABASE)):
        for role, method in {TRUSTED: "trust", **PASSWORD_ROLES}.items():
            lines.append(f"{kind} {database} {role} all {method}")
        lines.append(f"hostssl {database} {CERTIFIED} all cert map=certificates")
    return "\n".join(lines) + "\n"


def start_server(certificates: Certificates | None) -> PostgresServer:
    """A running server with the roles and databases of the matrix; with TLS where there are certificates."""
    server = PostgresServer(access=access())
    (server.data / "pg_ident.conf").write_text(
        f"certificates {CERTIFIED} {CERTIFIED}\ncertificates holdfast {CERTIFIED}\n"
    )
    if certificates:
        server.use_tls(certificates.server, certificates.root, certificates.crl)
    server.start()
    server.create_roles()
    for role in (TRUSTED, CERTIFIED):
        server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    for database in (ANY_DATABASE, ENCRYPTED_DATABASE, OPEN_DATABASE, *CERTIFICATE_DATABASES.values()):
        server.execute(f"CREATE DATABASE {database}")
    return server


def users_file(server: PostgresServer) -> str:
    """What Holdfast knows of the roles: as the server does, and of the one with an MD5 password a verifier all the same."""
    verifiers = dict(server.rows("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword LIKE 'SCRAM%'"))
    verifiers["bob_md5"] = verifiers["cid_scram"]
    return "".join(f'"{role}" "{verifier}"\n' for role, verifier in verifiers.items())


@dataclass(frozen=True)
class Target:
    """Where clients connect."""

    port: int
    root: Path
    client: Identity
    database: str = ANY_DATABASE

    def connect(self, mode: str, method: Method) -> Outcome:
        """One cell. libpq is called without psycopg around it: there are thousands of cells."""
        options: dict[str, str | int] = {
            "host": "localhost", "hostaddr": "127.0.0.1", "port": self.port, "dbname": self.database,
            "user": method.role, "password": PASSWORD, "connect_timeout": 20, "gssencmode": "disable",
            "channel_binding": method.channel_binding, "sslcertmode": "disable", "sslmode": mode,
        }  # fmt: skip
        if mode == "direct":
            options |= {"sslmode": "require", "sslnegotiation": "direct"}
        if mode.startswith("verify"):
            options["sslrootcert"] = str(self.root)
        if method.has_certificate:
            options |= {"sslcertmode": "allow", **self.client.client_options()}
        connection = pq.PGconn.connect(make_conninfo("", **options).encode())
        try:
            if connection.status != pq.ConnStatus.OK:
                return Outcome(error=self._plain(connection.error_message.decode()))
            asked = connection.exec_(b"SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            assert asked.status == pq.ExecStatus.TUPLES_OK, connection.error_message
            return Outcome(bool(connection.ssl_in_use), asked.get_value(0, 0) == b"t")
        finally:
            connection.finish()

    def _plain(self, error: str) -> str:
        """Without what differs from run to run and between servers, and without details and hints."""
        error = re.sub(r'connection to server at "127\.0\.0\.1", port \d+ failed: ', "", error)
        error = error.replace(f'"{ENCRYPTED_DATABASE}"', f'"{ANY_DATABASE}"')
        error = re.sub(r"at localhost:\d+:", "at localhost:5432:", error)
        lines = (re.sub(r"\s+", " ", line).strip() for line in error.strip().splitlines())
        return " / ".join(line for line in lines if not line.startswith(("HINT:", "DETAIL:")))

    def cells(self, modes: Iterable[str], methods: Iterable[Method]) -> Cells:
        wanted = [(mode, method) for mode in modes for method in methods]
        with ThreadPoolExecutor(4) as threads:
            outcomes = threads.map(lambda cell: self.connect(*cell), wanted)
            return {(mode, method.name): outcome for (mode, method), outcome in zip(wanted, outcomes, strict=True)}
