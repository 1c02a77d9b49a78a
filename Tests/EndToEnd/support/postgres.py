"""A private PostgreSQL server: own data folder, loopback port and socket, run as an unprivileged user."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from .certificates import Identity
from .programs import eventually, program, run, unprivileged

# One role for each way to log in; everybody else is trusted.
PASSWORD_ROLES = {"ann_password": "password", "bob_md5": "md5", "cid_scram": "scram-sha-256"}
PASSWORD = "s3cret:pass word"

SETTINGS = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
wal_level = logical
max_wal_senders = 10
max_replication_slots = 10
max_prepared_transactions = 10
autovacuum = off
log_line_prefix = '%m [%p] %q%u@%d '
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def open_folder(prefix: str, parent: Path | None = None) -> Path:
    """A new temporary folder that other users can pass through."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    folder.chmod(0o755)
    return folder


class PostgresServer:
    """Create it, start it, use it, remove it. `host` and `port` name its TCP address."""

    host = "127.0.0.1"

    def __init__(
        self, extra_settings: str = "", extra_access: str = "", parent: Path | None = None, access: str | None = None,
        programs: Path | None = None,
    ) -> None:
        """`extra_access` stands before the lines that every test needs in pg_hba.conf, `access` instead of them.
        `programs` is the folder of another PostgreSQL than the other tests'."""
        self.programs = programs
        self.folder = open_folder("holdfast-postgres-", parent)
        self.port = free_port()
        self.data = self.folder / "data"
        self.sockets = self.folder / "sockets"
        self.log = self.folder / "server.log"
        for owned in (self.data, self.sockets):
            owned.mkdir(mode=0o700 if owned == self.data else 0o755)
        self.log.touch()
        if os.geteuid() == 0:
            for owned in (self.data, self.sockets, self.log):
                shutil.chown(owned, "postgres", "postgres")
        run(
            self.program("initdb"), "--pgdata", self.data, "--username=postgres", "--encoding=UTF8",
            "--locale=C.UTF-8", "--auth=trust", "--no-sync", cwd="/", **unprivileged(),
        )  # fmt: skip
        with open(self.data / "postgresql.conf", "a") as settings:
            settings.write(SETTINGS)
            settings.write(f"port = {self.port}\nlisten_addresses = '127.0.0.1,::1'\n")
            settings.write(f"unix_socket_directories = '{self.sockets}'\n{extra_settings}\n")
        if access is None:
            access = extra_access
            for role, method in PASSWORD_ROLES.items():
                access += f"local all {role} {method}\nhost all {role} all {method}\n"
            access += "local all all trust\nhost all all all trust\n"
            access += "local replication all trust\nhost replication all all trust\n"
        (self.data / "pg_hba.conf").write_text(access)

    def use_tls(self, identity: Identity, client_ca: Path, crl: Path | None = None) -> None:
        """Its certificate and whom it trusts, from the next start or reload on."""
        files = {"server.crt": identity.certificate, "server.key": identity.key, "clients.crt": client_ca}
        settings = "ssl = on\nssl_ca_file = 'clients.crt'\n"
        if crl:
            files["clients.crl"] = crl
            settings += "ssl_crl_file = 'clients.crl'\n"
        for name, source in files.items():
            copy = self.data / name
            copy.write_bytes(source.read_bytes())
            copy.chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(copy, "postgres", "postgres")
        with open(self.data / "postgresql.conf", "a") as configuration:
            configuration.write(settings)

    @property
    def major(self) -> int:
        """15, 16 …"""
        return int((self.data / "PG_VERSION").read_text())

    def program(self, name: str) -> str:
        return str(self.programs / name) if self.programs else program(name)

    @property
    def address(self) -> str:
        """As proxy.conf names it."""
        return f"{self.host}:{self.port}"

    @property
    def socket_path(self) -> Path:
        return self.sockets / f".s.PGSQL.{self.port}"

    def start(self) -> None:
        run(self.program("pg_ctl"), "--pgdata", self.data, "--log", self.log, "--wait", "start", cwd="/", **unprivileged())

    def stop(self, mode: str = "fast") -> None:
        run(self.program("pg_ctl"), "--pgdata", self.data, "--mode", mode, "--wait", "stop", cwd="/", **unprivileged())

    def reload(self) -> None:
        """New connections see what the files say now."""
        before = self.log.stat().st_size
        run(self.program("pg_ctl"), "--pgdata", self.data, "reload", cwd="/", **unprivileged())
        eventually(lambda: "reloading configuration files" in self.log.read_text()[before:], what="the reload")

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder)

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection that does not go through Holdfast."""
        options = {"user": "postgres", "autocommit": True, **options}
        return psycopg.connect(host=self.host, port=self.port, dbname=database, **options)

    def execute(self, statement: str, database: str = "postgres") -> None:
        with self.connect(database) as connection:
            connection.execute(statement)

    def rows(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with self.connect(database) as connection:
            return connection.execute(query).fetchall()

    def value(self, query: str, database: str = "postgres") -> Any:
        return self.rows(query, database)[0][0]

    def sessions(self, database: str) -> int:
        """How many client connections the server has in the database."""
        return self.value(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'")

    def create_roles(self) -> None:
        for role, method in PASSWORD_ROLES.items():
            encryption = "md5" if method == "md5" else "scram-sha-256"
            self.execute(f"SET password_encryption = '{encryption}'; CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")

    @contextmanager
    def database(self, name: str) -> Iterator[str]:
        """A database that lasts as long as the block."""
        self.execute(f'CREATE DATABASE "{name}"')
        try:
            yield name
        finally:
            self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
