"""The drivers' own test suites in Python, run by pytest from their unpacked sources."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path

from .results import Result, SuiteRun, newly_failing
from .ways import Way

HERE = Path(__file__).resolve().parent


@dataclass
class PytestSuite:
    """`package` is the installed distribution, `folder` the glob of its unpacked source under the work folder."""

    name: str
    package: str
    folder: str
    tests: list[str]
    arguments: Callable[[Way], list[str]] = lambda way: []
    # PostgreSQL settings, access lines and statements that its README asks for.
    settings: str = ""
    access: str = ""
    statements: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    def source(self, work: Path) -> Path | None:
        found = sorted(path for path in (work / "sources").glob(self.folder) if path.is_dir())
        return found[-1] if found else None

    def unlike(self, direct: SuiteRun, other: SuiteRun) -> list[str]:
        return newly_failing(direct, other)

    def unexplained(self, direct: SuiteRun, production: SuiteRun, stand_in: SuiteRun) -> list[str]:
        """Tests that fail on production although the refused statements alone would let them pass."""
        return sorted(set(newly_failing(direct, production)) - set(newly_failing(direct, stand_in)))

    def prepare(self, way: Way) -> None:
        for statement in self.statements:
            way.server.execute(statement)

    def shaky(self, tests: list[str], way: Way, work: Path) -> set[str]:
        """Those of the tests that fail on this way at least once in ten runs."""
        failing: set[str] = set()
        for _ in range(10 if tests else 0):
            found = replace(self, name=f"{self.name}-again", tests=tests).run(way, work)
            failing |= {test for test in tests if found.outcome(test) == "failed"}
        return failing

    def run(self, way: Way, work: Path, only: str | None = None) -> SuiteRun:
        source = self.source(work)
        assert source, f"{self.name}: no source under {work / 'sources'}"
        outcomes = work / f"{self.name}-{way.name}.jsonl"
        outcomes.unlink(missing_ok=True)
        command = [
            sys.executable, "-P", "-m", "pytest", "-p", "outcomes_plugin", "-q", "--tb=short",
            "--timeout=120", *(["-k", only] if only else []), *self.tests, *self.arguments(way),
        ]  # fmt: skip
        environment = {**way.environment, "HOLDFAST_OUTCOMES": str(outcomes), "PYTHONPATH": str(HERE), **self.environment}
        with open(work / f"{self.name}-{way.name}.log", "wb") as log:
            subprocess.run(command, cwd=source, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                           timeout=3600)  # fmt: skip
        run = SuiteRun(self.name, metadata.version(self.package), way.name)
        if outcomes.exists():
            for line in outcomes.read_text().splitlines():
                found = json.loads(line)
                test = found.pop("test")
                run.results[test] = Result(found["outcome"], found["text"])
        return run


# Checks of the sources themselves, no tests of a connection.
ASYNCPG_TESTS = "not test_flake8 and not test_mypy"

SUITES = [
    PytestSuite(
        "psycopg", "psycopg", "psycopg-3*", ["tests"],
        arguments=lambda way: [
            f"--test-dsn=host={way.host} port={way.port} user=postgres dbname=postgres", "-m",
            "not slow and not mypy and not proxy and not subprocess and not refcount and not timing",
        ],
        environment={"PSYCOPG_IMPL": "binary"},
    ),
    PytestSuite(
        "asyncpg", "asyncpg", "asyncpg-*", ["tests", "-k", ASYNCPG_TESTS],
        statements=["CREATE DATABASE asyncpg_tests"],
        environment={"PGDATABASE": "asyncpg_tests"},
    ),
    PytestSuite(
        "pg8000", "pg8000", "pg8000-*", ["test/dbapi", "test/legacy", "test/native", "--ignore-glob=*/auth/*"],
        statements=["CREATE EXTENSION IF NOT EXISTS hstore"],
    ),
]  # fmt: skip
