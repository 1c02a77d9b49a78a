"""Databases that lose tables through Holdfast, and the snapshots that are taken first."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from .postgres import PostgresServer
from .programs import program, run
from .proxy import RULES, Holdfast, command

# All of these sessions may lose tables and rows; what else is refused stays so.
ALLOWED = {"name": "losses pass", "tags": ["production"], "classes": ["table_loss", "data_loss"], "action": "allow"}


def rules(action: str = "allow", objects: list[str] | None = None) -> list[dict[str, Any]]:
    allowed = {**ALLOWED, "action": action, **({"objects": objects} if objects else {})}
    return [allowed, *(dict(rule) for rule in RULES)]


def connection(postgres: PostgresServer, user: str = "postgres") -> str:
    return f"host={postgres.host} port={postgres.port} user={user} dbname=postgres"


class Loser:
    """A database behind a Holdfast that takes snapshots."""

    def __init__(self, postgres: PostgresServer, holdfast: Holdfast, database: str) -> None:
        self.postgres, self.holdfast, self.database = postgres, holdfast, database

    def execute(self, script: str) -> None:
        """Past the proxy."""
        self.postgres.execute(script, self.database)

    def lose(self, statement: str, **options: Any) -> None:
        with self.session(**options) as session:
            session.execute(statement)

    def session(self, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        return self.holdfast.connect(self.database, **options)

    def dump(self) -> str:
        """Everything that pg_dump knows of the database, rows too."""
        said = run(
            program("pg_dump"), "--host", self.postgres.host, "--port", str(self.postgres.port), "--username", "postgres",
            self.database,
        ).stdout  # fmt: skip
        # Made up anew at each run.
        return re.sub(r"(?m)^\\(un)?restrict .*$", "", said)

    def relations(self) -> set[str]:
        return {
            row[0]
            for row in self.postgres.rows(
                "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND n.nspname !~ '^pg_|^information_schema'",
                self.database,
            )
        }

    def run(self, action: str, *options: str, check: bool = True):
        return command("snapshot", action, "--config", self.holdfast.configuration, *options, check=check)

    def snapshots(self) -> list[dict[str, Any]]:
        """The newest first."""
        listed = self.run("list", "--database", self.database, "--json").stdout
        return [json.loads(line) for line in listed.splitlines()]

    @property
    def folder(self) -> Path:
        return self.holdfast.folder / "snapshots"

    def leftovers(self) -> list[str]:
        """What is in the folder of snapshots and is none."""
        return [name for name in os.listdir(self.folder) if name.startswith(".")] if self.folder.exists() else []


MakeLoser = Callable[..., Loser]
