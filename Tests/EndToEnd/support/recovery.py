"""An application's database, made by Alembic and watched, that loses tables and gets them back."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .incident import PROJECT, ROWS, TABLES
from .postgres import PostgresServer
from .programs import program, run
from .proxy import ProxySettings, binary

ALEMBIC = [sys.executable, "-m", "alembic"]


def url(postgres: PostgresServer, database: str, user: str = "postgres") -> str:
    return f"postgresql://{user}@{postgres.host}:{postgres.port}/{database}"


class Shop:
    """The incident's application in a database of its own: migrated, filled, accepted. No proxy is needed."""

    def __init__(self, postgres: PostgresServer, folder: Path, database: str) -> None:
        self.postgres, self.folder, self.database = postgres, folder, database
        self.project = folder / "project"
        shutil.copytree(PROJECT, self.project, ignore=shutil.ignore_patterns("__pycache__"))
        self.watch: dict[str, Any] = {
            "name": "shop", "connection": url(postgres, database), "migrations_folder": str(self.project),
            "migrations_command": ALEMBIC, "migrations_scheme": "postgresql+psycopg",
        }  # fmt: skip
        self.snapshots: dict[str, Any] = {
            "folder": "snapshots", "connection": f"host={postgres.host} port={postgres.port} user=postgres dbname=postgres",
        }  # fmt: skip
        self.settings: dict[str, Any] = {}

    @property
    def configuration(self) -> Path:
        path = self.folder / "proxy.conf"
        settings = ProxySettings(
            server=self.postgres.address, watch=[self.watch], watching={"state": "watch"}, snapshots=self.snapshots,
            **self.settings,
        )  # fmt: skip
        path.write_text(settings.text())
        return path

    def make(self, *revisions: str) -> None:
        self.alembic("upgrade", *(revisions or ("head",)))
        self.execute(ROWS)
        self.accept()

    def alembic(self, *arguments: str, user: str = "postgres") -> str:
        return run(
            *ALEMBIC, "--config", self.project / "alembic.ini", *arguments, cwd=self.project,
            environment={"DATABASE_URL": url(self.postgres, self.database, user).replace(":", "+psycopg:", 1)},
        ).stdout  # fmt: skip

    def command(self, *arguments: str, environment: Mapping[str, str] | None = None, **options: Any):
        first, *rest = arguments
        return run(
            binary(), first, *rest[:1], "--config", self.configuration, *rest[1:], check=False, environment=environment,
            **options,
        )  # fmt: skip

    def recover(
        self, *options: str, code: int | None = 0, environment: Mapping[str, str] | None = None, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = self.command("recover", "shop", *options, environment=environment, input=input)
        if code is not None:
            assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def look(self, *options: str) -> dict[str, Any]:
        done = run(binary(), "watch", "--config", self.configuration, "--json", *options, check=False)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def accept(self) -> None:
        report = self.look("--accept")
        assert report["status"] == "ok", report

    def take(self, *tables: str) -> str:
        done = run(
            binary(), "snapshot", "take", "--config", self.configuration, "--database", self.database, *tables,
        )  # fmt: skip
        return done.stdout.strip()

    def execute(self, script: str) -> None:
        self.postgres.execute(script, self.database)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.postgres.rows(query, self.database)

    def lose(self, *tables: str) -> None:
        self.execute(f"DROP TABLE {', '.join(tables)} CASCADE")

    def counts(self) -> dict[str, int]:
        return {name: self.rows(f"SELECT count(*) FROM {name}")[0][0] for name in TABLES}

    def versions(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT version_num FROM alembic_version ORDER BY 1")]

    def schema(self) -> str:
        """All definitions as pg_dump writes them, in an order that does not depend on when they were made."""
        said = run(
            program("pg_dump"), "--schema-only", "--host", self.postgres.host, "--port", str(self.postgres.port),
            "--username", "postgres", self.database,
        ).stdout  # fmt: skip
        return re.sub(r"(?m)^\\(un)?restrict .*$", "", said)

    def dump(self) -> str:
        said = run(
            program("pg_dump"), "--host", self.postgres.host, "--port", str(self.postgres.port), "--username", "postgres",
            self.database,
        ).stdout  # fmt: skip
        return re.sub(r"(?m)^\\(un)?restrict .*$", "", said)

    def scratch_databases(self) -> list[str]:
        return [
            row[0] for row in self.postgres.rows("SELECT datname FROM pg_database WHERE datname LIKE 'holdfast_scratch%'")
        ]

    def notes(self) -> list[dict[str, Any]]:
        """What waits for the trail."""
        folder = self.folder / "watch"
        names = sorted(name for name in os.listdir(folder) if name.endswith(".recovery"))
        return [event for name in names for event in json.loads((folder / name).read_text())]

    def journal(self) -> dict[str, Any]:
        return json.loads((self.folder / "watch/shop.recovery.json").read_text())
