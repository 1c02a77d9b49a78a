"""What a soak plays on: a PostgreSQL, a Holdfast before it, their databases, roles, certificates and rules."""

import os
import random
import re
import shutil
import signal
import threading
from pathlib import Path
from typing import Any

import psycopg

from support.certificates import Certificates
from support.postgres import PASSWORD, PostgresServer, open_folder
from support.programs import eventually, program, run
from support.proxy import RULES, Holdfast, ProxySettings, command

from .tally import Tally

# `shop` and `vault` are production, `shop_test` is a test database; Holdfast speaks TLS to the server of `vault` and
# plain TCP to that of the others.
PRODUCTION = ["shop", "vault"]
TEST = "shop_test"
# The first is let in by the server without a password, the second by SCRAM-SHA-256.
TRUSTED, CHECKED = "app", "app_scram"
WATCHER = "watcher"
# What nobody may lose: its tables are emptied or dropped by statements that are refused.
LEDGERS = [f"ledger_{number}" for number in range(1, 5)]
LEDGER_ROWS = 1000
# Larger statements are read while they pass.
MAX_STATEMENT = 1 << 20

RELOADED = b"proxy.conf was read again"

ACCESS = f"""
local all all trust
host all {CHECKED} all scram-sha-256
host all all all trust
"""

# Later lines hold.
SETTINGS = """
autovacuum = on
max_wal_size = 256MB
min_wal_size = 80MB
shared_buffers = 64MB
client_connection_check_interval = 5s
log_min_messages = fatal
log_min_error_statement = fatal
"""

LEDGER_SQL = "\n".join(
    f"CREATE TABLE {name} AS SELECT id, 'entry ' || id AS text FROM generate_series(1, {LEDGER_ROWS}) id;"
    for name in LEDGERS
)
PRODUCTION_SQL = f"""
CREATE SCHEMA books; CREATE TABLE books.kept AS SELECT 1 AS id;
{LEDGER_SQL}
CREATE TABLE flip AS SELECT 1 AS id;
"""

# In force every other time that proxy.conf is read.
EXCEPTION = {
    "name": "flip may be emptied", "tags": ["production"], "classes": ["truncate"], "objects": ["public.flip"],
    "action": "allow",
}  # fmt: skip


class Stage:
    """Everything that has to be there, and how an actor gets at it."""

    def __init__(self, selector: str = "", seed: int = 6) -> None:
        self.tally = Tally()
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.certificates = Certificates(open_folder("holdfast-soak-certificates-"))
        self.postgres = PostgresServer(SETTINGS, access=ACCESS)
        self.folder = open_folder("holdfast-soak-")
        self.selector = selector
        self.reloads = 0
        self.holdfast = Holdfast(self.folder, ProxySettings(server=""))

    # ---- The beginning and the end --------------------------------------------------------------------------------

    def build(self) -> None:
        postgres = self.postgres
        postgres.use_tls(self.certificates.server, self.certificates.root)
        postgres.start()
        for role in (TRUSTED, CHECKED):
            # The server itself would refuse them nothing.
            postgres.execute(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        postgres.execute(f"CREATE ROLE {WATCHER} LOGIN")
        for database in (*PRODUCTION, TEST):
            postgres.execute(f"CREATE DATABASE {database}")
        for database in PRODUCTION:
            postgres.execute(PRODUCTION_SQL, database)
            run(
                program("pgbench"), "--initialize", "--quiet", "--host", postgres.host, "--port", str(postgres.port),
                "--username", "postgres", database,
            )  # fmt: skip
        command(
            "guard", "install", "--database", f"postgresql://postgres@{postgres.address}/{TEST}", "--role", WATCHER,
            "--exempt", "*.*",
        )  # fmt: skip
        self.identities = {database: self.ledgers(database) for database in PRODUCTION}
        self._write_users()
        self.holdfast.settings = self.settings()
        self.holdfast.write(self.holdfast.settings)
        self.holdfast.start()

    def settings(self) -> ProxySettings:
        """proxy.conf as it is after so many reloads: with and without one rule, with logins checked here or there."""
        postgres, certificates = self.postgres, self.certificates
        root = str(certificates.root)
        own = f"host={postgres.host} port={postgres.port} user="
        exceptional = self.reloads % 2 == 1
        return ProxySettings(
            server=postgres.address,
            top={
                "loops": 2, "max_statement": f"{MAX_STATEMENT}B",
                "auth": "scram" if self.reloads % 4 > 1 else "pass-through",
                **({"selector": self.selector} if self.selector else {}),
            },
            users={"file": "users.txt"},
            client_tls={"mode": "allow", **certificates.server.proxy_settings()},
            upstream=[{
                "name": "encrypted", "databases": ["vault"], "server": f"localhost:{postgres.port}",
                "tls": {"mode": "verify-full", "ca": root}, "catalog": own + "postgres",
            }],
            catalog={"connection": own + "postgres"},
            guard={"connection": own + f"{WATCHER} dbname={TEST}", "databases": [TEST]},
            rules=[*([EXCEPTION] if exceptional else []), *RULES],
        )  # fmt: skip

    def _write_users(self) -> None:
        rows = self.postgres.rows("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL")
        users = self.folder / "users.txt"
        users.write_text("".join(f'"{name}" "{secret}"\n' for name, secret in rows))
        users.chmod(0o600)

    def remove(self) -> None:
        self.holdfast.kill()
        self.postgres.remove()
        for folder in (self.folder, self.certificates.folder):
            shutil.rmtree(folder)

    # ---- What actors use ------------------------------------------------------------------------------------------

    def way(self, number: int) -> dict[str, Any]:
        """Four ways in, one after the other: with TLS and without, as either role."""
        secure = {"sslmode": "verify-full", "sslrootcert": str(self.certificates.root), "host": "localhost"}
        plain = {"sslmode": "disable", "host": self.holdfast.host}
        return {
            **(secure if number % 2 else plain), "port": self.holdfast.port, "password": PASSWORD,
            "user": CHECKED if number // 2 % 2 else TRUSTED, "gssencmode": "disable", "connect_timeout": 30,
        }  # fmt: skip

    def connect(self, database: str, number: int, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(dbname=database, **{"autocommit": True, **self.way(number), **options})

    def environment(self, database: str, number: int) -> dict[str, str]:
        """The same way for libpq's programs."""
        way = self.way(number)
        names = {"sslmode": "SSLMODE", "sslrootcert": "SSLROOTCERT", "host": "HOST", "port": "PORT", "user": "USER"}
        return {
            "PGPASSWORD": PASSWORD, "PGDATABASE": database, "PGGSSENCMODE": "disable",
            **{f"PG{names[key]}": str(value) for key, value in way.items() if key in names},
        }  # fmt: skip

    # ---- What the director does -----------------------------------------------------------------------------------

    def reload(self) -> None:
        """Another proxy.conf; returns when it holds."""
        log = self.holdfast.log
        mark = log.stat().st_size
        self.reloads += 1
        self.holdfast.write(self.settings())
        self.holdfast.reload()
        eventually(lambda: RELOADED in _after(log, mark), 30, lambda: f"a reload in the log {_after(log, mark)!r}")
        self.tally.add("reloads")

    def counters(self) -> dict[str, int]:
        """What has been counted since the start (SIGUSR1); reads the new end of the log only."""
        mark = self.holdfast.log.stat().st_size
        self.holdfast.process.send_signal(signal.SIGUSR1)
        line = eventually(
            lambda: re.search(rb" counters\b(.*)\n", _after(self.holdfast.log, mark)), what="the counters in the log"
        )
        return {name.decode(): int(value) for name, value in re.findall(rb"(\w+)=(\d+)", line[1])}

    def restart_server(self) -> None:
        self.tally.outages.begin()
        try:
            self.postgres.stop()
            self.postgres.start()
        finally:
            self.tally.outages.end()
        self.tally.add("restarts of the server")

    def ledgers(self, database: str) -> list[tuple[Any, ...]]:
        """The tables that must stay, each with what TRUNCATE or a new table of its name would change."""
        return self.postgres.rows(
            "SELECT relnamespace::regnamespace::text, relname, oid, relfilenode FROM pg_class "
            "WHERE relname LIKE 'ledger%' OR relname = 'kept' ORDER BY 1, 2",
            database,
        )

    def ledger_rows(self, database: str) -> list[int]:
        return [self.postgres.value(f"SELECT count(*) FROM {name}", database) for name in LEDGERS]

    def sessions(self, *roles: str) -> int:
        """How many server processes the actors have, or others."""
        names = ", ".join(f"'{role}'" for role in roles or (TRUSTED, CHECKED))
        return self.postgres.value(
            "SELECT count(*) FROM pg_stat_activity "
            f"WHERE backend_type IN ('client backend', 'parallel worker') AND usename IN ({names})"
        )

    def own_sessions(self) -> int:
        """How many Holdfast has for itself; the one that asks is not among them."""
        return self.sessions(WATCHER, "postgres") - 1

    def descriptors_and_threads(self) -> tuple[int, int]:
        process = f"/proc/{self.holdfast.pid}"
        return len(os.listdir(f"{process}/fd")), len(os.listdir(f"{process}/task"))


def _after(path: Path, mark: int) -> bytes:
    with open(path, "rb") as log:
        log.seek(mark)
        return log.read()
