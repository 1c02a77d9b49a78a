"""The guard in the database: `holdfast guard`, and sessions that it judges."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import errors

from .postgres import PostgresServer
from .proxy import command

OWNER = "guard_owner"
GRANTER = "guard_granter"

Session = psycopg.Connection[tuple[Any, ...]]


def url(postgres: PostgresServer, database: str, user: str = "postgres") -> str:
    return f"postgresql://{user}@{postgres.host}:{postgres.port}/{database}"


class Guard:
    """One database with the guard in it, or without."""

    def __init__(self, postgres: PostgresServer, database: str) -> None:
        self.postgres = postgres
        self.database = database

    def run(self, action: str, *options: str, user: str = "postgres", check: bool = True):
        return command(
            "guard", action, "--database", url(self.postgres, self.database, user), *options, check=check
        )

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("status", "--json", check=False).stdout)

    def assert_whole(self) -> None:
        printed = self.run("status", check=False)
        assert printed.returncode == 0, printed.stdout

    def session(self, user: str = OWNER, **options: Any) -> Session:
        return self.postgres.connect(self.database, user=user, **options)

    def execute(self, statement: str, user: str = OWNER) -> None:
        with self.session(user) as session:
            session.execute(statement)

    def value(self, query: str) -> Any:
        return self.postgres.value(query, self.database)

    def log(self, condition: str = "true") -> list[tuple[Any, ...]]:
        return self.postgres.rows(
            f"SELECT phase, tag, object_type, object_identity, original, audit_id FROM holdfast.ddl "
            f"WHERE {condition} ORDER BY id",
            self.database,
        )

    @contextmanager
    def refusing(self, *parts: str) -> Iterator[None]:
        """What runs within is refused by the guard, in words that name these parts."""
        with pytest.raises(errors.InsufficientPrivilege) as refusal:
            yield
        message = str(refusal.value)
        assert "holdfast guard refused" in message
        for part in parts:
            assert part in message

    def refuses(self, statement: str, *parts: str, user: str = OWNER) -> None:
        with self.session(user) as session, self.refusing(*parts):
            session.execute(statement)

    @contextmanager
    def grants(self) -> Iterator["Granter"]:
        with self.session(GRANTER) as session:
            yield Granter(session)


class Granter:
    """A session of Holdfast's own role."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def open(self, to: Session, *tables: str, audit_id: str = "a-1") -> int:
        """No tables: any."""
        oids = [
            to.execute("SELECT %s::pg_catalog.regclass::oid", (table,)).fetchone()[0] for table in tables
        ] or None
        return self.open_for(to.info.backend_pid, oids, audit_id)

    def open_for(self, backend: int, oids: list[int] | None, audit_id: str = "a-1") -> int:
        row = self.session.execute("SELECT holdfast.open_grant(%s, %s::oid[], %s)", (backend, oids, audit_id)).fetchone()
        return row[0]

    def close(self, audit_id: str = "a-1") -> int:
        return self.session.execute("SELECT holdfast.close_grant(%s)", (audit_id,)).fetchone()[0]


def create_roles(postgres: PostgresServer) -> None:
    for role in (OWNER, GRANTER):
        postgres.execute(
            f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
