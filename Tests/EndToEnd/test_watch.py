"""holdfast watch: whether tables, migrations and data are as expected, asked once, and kept under watch by serve."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import StartHoldfast
from support.alerts import Webhook, recorder
from support.incident import PROJECT, TABLES
from support.postgres import PostgresServer, free_port, open_folder
from support.programs import eventually, run
from support.proxy import ProxySettings, binary

READER = "watch_reader"


@pytest.fixture(scope="module", autouse=True)
def reader(postgres: PostgresServer) -> None:
    postgres.execute(f"CREATE ROLE {READER} LOGIN")


class Watched:
    """A folder with a proxy.conf that watches one database."""

    def __init__(self, postgres: PostgresServer, folder: Path, database: str, **watch: Any) -> None:
        self.postgres = postgres
        self.folder = folder
        self.database = database
        self.watch = {"name": "shop", "connection": url(postgres, database), **watch}
        self.watching: dict[str, Any] = {"state": "watch"}

    @property
    def settings(self) -> dict[str, Any]:
        return {"watch": [self.watch], "watching": self.watching}

    def run(self, *options: str, code: int | None = None) -> dict[str, Any]:
        """The report of one round, and that its exit code says the same."""
        configuration = self.folder / "proxy.conf"
        configuration.write_text(ProxySettings(server=self.postgres.address, **self.settings).text())
        done = run(binary(), "watch", "--config", configuration, "--json", *options, check=False)
        assert done.stdout, done.stderr
        report = json.loads(done.stdout)
        assert done.returncode == {"ok": 0, "findings": 1, "unknown": 2}[report["status"]], done.stderr
        if code is not None:
            assert done.returncode == code, report
        return report

    def accept(self) -> dict[str, Any]:
        return self.run("--accept")

    def execute(self, statement: str) -> None:
        self.postgres.execute(statement, self.database)


def url(postgres: PostgresServer, database: str, user: str = "postgres") -> str:
    return f"postgresql://{user}@{postgres.host}:{postgres.port}/{database}"


def kinds(report: dict[str, Any]) -> list[str]:
    return [finding["kind"] for finding in report["findings"]]


def found(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(finding["kind"], finding["subject"]) for finding in report["findings"]]


def text_of(report: dict[str, Any], kind: str) -> str:
    return next(finding["text"] for finding in report["findings"] if finding["kind"] == kind)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = open_folder("holdfast-watch-")
    yield made
    shutil.rmtree(made)


@pytest.fixture
def watched(postgres: PostgresServer, production: str, folder: Path) -> Watched:
    postgres.execute(
        "CREATE TABLE users (id int PRIMARY KEY, email varchar(40) NOT NULL DEFAULT 'x');"
        "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, note text);"
        "INSERT INTO users SELECT n FROM generate_series(1, 100) n",
        production,
    )
    return Watched(postgres, folder, production)


# ---- Tables ----------------------------------------------------------------------------------------------------------


def test_without_an_accepted_state_there_is_no_all_clear(watched: Watched) -> None:
    report = watched.run(code=2)
    assert kinds(report) == ["baseline_missing"]
    assert "tables" in report["unseen"]


def test_what_was_accepted_is_what_is_expected(watched: Watched) -> None:
    report = watched.accept()
    assert (report["status"], report["findings"]) == ("ok", [])
    assert report["expected_tables"] == ["public.orders", "public.users"]
    assert watched.run(code=0)["missing_tables"] == []


def test_missing_unexpected_and_changed_tables_and_columns_are_findings(watched: Watched) -> None:
    watched.execute("CREATE TABLE kept (a int, b int, c int); CREATE UNLOGGED TABLE fast (a int)")
    watched.accept()
    watched.execute(
        "DROP TABLE orders; CREATE TABLE extra (id int); ALTER TABLE users ALTER email TYPE text;"
        "ALTER TABLE users ALTER email DROP DEFAULT; ALTER TABLE kept DROP b; ALTER TABLE kept ADD d int;"
        "ALTER TABLE fast SET LOGGED"
    )
    report = watched.run(code=1)
    assert found(report) == [
        ("table_missing", "public.orders"), ("table_unexpected", "public.extra"), ("table_changed", "public.fast"),
        ("column_missing", "public.kept.b"), ("column_unexpected", "public.kept.d"),
        ("column_changed", "public.users.email"),
    ]  # fmt: skip
    assert report["missing_tables"] == ["public.orders"]
    assert "type was character varying(40) and is text" in text_of(report, "column_changed")
    assert "default was 'x'::character varying and is none" in text_of(report, "column_changed")


def test_names_and_patterns_are_expected_without_any_accepted_state(watched: Watched) -> None:
    watched.watch["tables"] = ["users", "public.ord*", "audit.*", "billing.invoices"]
    report = watched.run(code=1)
    assert found(report) == [("table_missing", "audit.*"), ("table_missing", "billing.invoices")]


def test_a_table_of_that_name_in_another_schema_is_another_table(watched: Watched) -> None:
    watched.accept()
    watched.execute("CREATE SCHEMA attic; ALTER TABLE orders SET SCHEMA attic")
    assert found(watched.run()) == [("table_missing", "public.orders"), ("table_unexpected", "attic.orders")]


def test_odd_names_are_told_apart(watched: Watched) -> None:
    watched.execute('CREATE SCHEMA "a.b"; CREATE TABLE "a.b"."c""d\n e" ("x.y" int); CREATE TABLE "Users" (id int)')
    watched.accept()
    watched.execute('DROP TABLE "a.b"."c""d\n e"')
    assert found(watched.run()) == [("table_missing", 'a.b.c"d\n e')]


def test_ignored_tables_may_come_and_go(watched: Watched) -> None:
    watched.watch["ignore"] = ["public.tmp_*"]
    watched.execute("CREATE TABLE tmp_1 (id int)")
    watched.accept()
    watched.execute("DROP TABLE tmp_1; CREATE TABLE tmp_2 (id int)")
    watched.run(code=0)


# ---- Migrations ------------------------------------------------------------------------------------------------------


def migrate(postgres: PostgresServer, database: str, *arguments: str, project: Path = PROJECT) -> None:
    run(
        sys.executable, "-m", "alembic", "--config", project / "alembic.ini", *arguments,
        environment={"DATABASE_URL": url(postgres, database).replace("postgresql:", "postgresql+psycopg:")},
        cwd=project,
    )  # fmt: skip


@pytest.fixture
def project(folder: Path) -> Path:
    """A copy of the incident's Alembic project, to be changed."""
    copy = folder / "project"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def migrated(postgres: PostgresServer, production: str, folder: Path, project: Path) -> Watched:
    """The application's eleven tables, made by Alembic and accepted."""
    migrate(postgres, production, "upgrade", "head", project=project)
    watched = Watched(postgres, folder, production, migrations_folder=str(project))
    report = watched.accept()
    assert report["status"] == "ok", report
    return watched


def test_alembic_is_found_and_at_its_head(migrated: Watched) -> None:
    report = migrated.run(code=0)
    assert report["migrations"] == {
        "tool": "alembic", "table": "public.alembic_version", "current": ["0002"], "heads": ["0002"],
        "pending_count": 0,
    }  # fmt: skip
    assert len(report["expected_tables"]) == 12


@pytest.mark.parametrize("count", [1, 4, 11])
def test_alembic_says_head_and_tables_are_missing(migrated: Watched, count: int) -> None:
    migrated.execute(f"DROP TABLE {', '.join(TABLES[:count])} CASCADE")
    report = migrated.run(code=1)
    assert report["missing_tables"] == [f"public.{name}" for name in TABLES[:count]]
    text = text_of(report, "migration_disagrees")
    assert f"says head (0002), and {count} of 11 expected tables {'is' if count == 1 else 'are'} missing" in text


@pytest.mark.parametrize("statement", ["DROP TABLE alembic_version", "DELETE FROM alembic_version"])
def test_a_lost_migration_state_is_told_although_the_tables_are_there(migrated: Watched, statement: str) -> None:
    migrated.execute(statement)
    report = migrated.run(code=1)
    assert "migration_state_missing" in kinds(report)
    assert "11 of 1" in text_of(report, "migration_state_missing")


def test_a_database_behind_the_head_is_told_by_how_much(migrated: Watched) -> None:
    migrated.execute("UPDATE alembic_version SET version_num = '0001'")
    report = migrated.run(code=1)
    assert kinds(report) == ["migration_behind"]
    assert "0001, which is 1 revision behind the head 0002" in text_of(report, "migration_behind")


def test_a_revision_that_no_script_has_is_a_finding(migrated: Watched) -> None:
    migrated.execute("UPDATE alembic_version SET version_num = 'feedbeef'")
    assert found(migrated.run(code=1)) == [("migration_unknown", "feedbeef")]


def test_two_heads_in_the_scripts_and_in_the_database(
    migrated: Watched, project: Path, postgres: PostgresServer
) -> None:
    for revision in ("0003a", "0003b"):
        migrate(postgres, migrated.database, "revision", "--rev-id", revision, "-m", revision, "--head", "0002",
                "--splice", project=project)  # fmt: skip
    report = migrated.run(code=1)
    assert found(report) == [
        ("migration_heads", "scripts"), ("migration_behind", "public.alembic_version"),
    ]  # fmt: skip
    migrate(postgres, migrated.database, "upgrade", "heads", project=project)
    assert found(migrated.run(code=1)) == [
        ("migration_heads", "public.alembic_version"), ("migration_heads", "scripts"),
    ]  # fmt: skip
    migrated.watch["heads"] = 2
    migrated.run(code=0)
    migrated.watch["heads"] = 1
    migrate(postgres, migrated.database, "merge", "heads", "-m", "one again", "--rev-id", "0004", project=project)
    assert kinds(migrated.run(code=1)) == ["migration_heads", "migration_behind"]
    migrate(postgres, migrated.database, "upgrade", "head", project=project)
    migrated.run(code=0)


def test_a_script_that_cannot_be_read_is_named_and_is_no_all_clear(migrated: Watched, project: Path) -> None:
    broken = project / "migrations/versions/0003_computed.py"
    broken.write_text("from os import environ\nrevision = environ['REVISION']\ndown_revision = '0002'\n")
    report = migrated.run(code=2)
    assert kinds(report) == ["migration_folder"]
    assert "0003_computed.py" in text_of(report, "migration_folder")
    assert {"migrations"} <= set(report["unseen"])


def test_a_folder_that_is_not_there_is_a_finding(migrated: Watched) -> None:
    migrated.watch["migrations_folder"] = "/nonexistent/migrations"
    report = migrated.run(code=2)
    assert kinds(report) == ["migration_folder"]
    assert "No such file or directory" in text_of(report, "migration_folder")


def test_scripts_are_never_run(migrated: Watched, project: Path) -> None:
    trap = project / "ran"
    (project / "migrations/versions/0003_trap.py").write_text(
        f"open({str(trap)!r}, 'w')\nrevision = '0003'\ndown_revision = '0002'\n"
    )
    assert kinds(migrated.run(code=1)) == ["migration_behind"]
    assert not trap.exists()


OTHER_TOOLS = {
    "django": (
        "CREATE TABLE django_migrations (id int, app text, name text, applied timestamptz);"
        "INSERT INTO django_migrations VALUES (1, 'shop', '0001_initial', now()), (2, 'auth', '0001_initial', now())",
        {"shop/migrations/0001_initial.py": "", "shop/migrations/0002_more.py": "", "shop/migrations/__init__.py": ""},
        "DELETE FROM django_migrations", "shop.0002_more",
    ),
    "rails": (
        "CREATE TABLE schema_migrations (version varchar PRIMARY KEY); CREATE TABLE ar_internal_metadata (key text);"
        "INSERT INTO schema_migrations VALUES ('20240101000000')",
        {"db/migrate/20240101000000_users.rb": "", "db/migrate/20240201000000_orders.rb": ""},
        "DELETE FROM schema_migrations", "20240201000000",
    ),
    "flyway": (
        "CREATE TABLE flyway_schema_history (installed_rank int, version text, description text, type text, script text,"
        " checksum int, success boolean);"
        "INSERT INTO flyway_schema_history VALUES (1, '1', 'x', 'SQL', 'V1__x.sql', 0, true)",
        {"V1__x.sql": "", "V1.1__y.sql": ""}, "DELETE FROM flyway_schema_history", "1.1",
    ),
    "liquibase": (
        "CREATE TABLE databasechangelog (id text, author text, filename text);"
        "INSERT INTO databasechangelog VALUES ('1', 'ann', 'changelog.xml')",
        {"changelog.xml": '<databaseChangeLog><changeSet id="1" author="ann"/><changeSet id="2" author="bob"/>'
                          "</databaseChangeLog>"},
        "DELETE FROM databasechangelog", "bob:2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("tool", OTHER_TOOLS)
def test_other_tools_are_found_and_held_against_their_scripts(watched: Watched, folder: Path, tool: str) -> None:
    tables, scripts, loss, pending = OTHER_TOOLS[tool]
    for name, text in scripts.items():
        (folder / "scripts" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "scripts" / name).write_text(text)
    watched.execute(tables)
    watched.watch["migrations_folder"] = "scripts"
    report = watched.accept()
    assert report["migrations"]["tool"] == tool
    assert kinds(report) == ["migration_behind"]
    assert pending in text_of(report, "migration_behind")
    watched.execute("DROP TABLE orders")
    assert "1 of 3 expected tables" in text_of(watched.run(), "migration_disagrees") or tool != "rails"
    watched.execute(loss)
    assert "migration_state_missing" in kinds(watched.run())


# ---- Data ------------------------------------------------------------------------------------------------------------


def test_data_checks_pass_and_fail(watched: Watched) -> None:
    watched.watch["check"] = [
        {"name": "users", "table": "public.users", "min_rows": 50, "max_fall": 10},
        {"name": "sum", "query": "SELECT sum(id) > 10 FROM users"},
        {"name": "nothing", "query": "SELECT NULL::boolean"},
    ]
    report = watched.accept()
    assert found(report) == [("check_false", "nothing")]
    watched.execute("DELETE FROM users WHERE id > 90")
    assert kinds(watched.run()) == ["check_false"]
    watched.execute("DELETE FROM users WHERE id > 89")
    report = watched.run(code=1)
    assert found(report) == [("rows_fell", "users"), ("check_false", "nothing")]
    assert "from 100 to 89 rows, by 11 %; 10 % are allowed" in text_of(report, "rows_fell")
    watched.execute("TRUNCATE users")
    assert found(watched.run(code=1)) == [
        ("rows_too_few", "users"), ("rows_fell", "users"), ("check_false", "nothing"), ("check_false", "sum"),
    ]  # fmt: skip


def test_a_check_cannot_write_and_cannot_wait(watched: Watched, postgres: PostgresServer) -> None:
    watched.watch |= {"statement_timeout": "300ms", "lock_timeout": "100ms"}
    watched.accept()
    watched.watch["check"] = [
        {"name": "writes", "query": "DELETE FROM orders RETURNING true"},
        {"name": "sleeps", "query": "SELECT pg_sleep(30) IS NOT NULL"},
        {"name": "locked", "table": "users", "min_rows": 1},
        {"name": "gone", "table": "nowhere", "min_rows": 1},
        {"name": "broken", "query": "SELEC"},
        {"name": "two", "query": "SELECT true; DROP TABLE users"},
    ]
    with postgres.connect(watched.database, autocommit=False) as other:
        other.execute("LOCK TABLE users")
        report = watched.run(code=2)
    # What is locked is there all the same: neither missing nor changed.
    texts = {finding["subject"]: finding["text"] for finding in report["findings"]}
    assert set(kinds(report)) == {"check_failed"} and len(texts) == 6, report
    assert "25006" in texts["writes"] and "statement_timeout" in texts["sleeps"]
    assert "lock_timeout" in texts["locked"] and "42P01" in texts["gone"] and "42601" in texts["two"]
    assert postgres.value("SELECT count(*) FROM users", watched.database) == 100


# ---- What cannot be looked at -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "connection, words",
    [
        ("host=127.0.0.1 port={free} dbname=shop", "Connection refused"),
        ("host=127.0.0.1 port={port} user=postgres dbname=no_such_database", "does not exist"),
        ("host=127.0.0.1 port={port} user=no_such_role dbname=postgres", "no_such_role"),
        ("service=no_such_service", "no_such_service"),
        ("host=127.0.0.1 prt=1", 'invalid connection option "prt"'),
    ],
)
def test_a_database_that_cannot_be_reached_is_no_all_clear(
    watched: Watched, postgres: PostgresServer, connection: str, words: str
) -> None:
    watched.accept()
    watched.watch["connection"] = connection.format(free=free_port(), port=postgres.port)
    report = watched.run(code=2)
    assert kinds(report) == ["unreachable"]
    assert words in text_of(report, "unreachable")


def test_permissions_that_are_missing_are_named(migrated: Watched, postgres: PostgresServer) -> None:
    migrated.watch["connection"] = url(postgres, migrated.database, READER)
    migrated.watch["check"] = [{"name": "users", "table": "users", "min_rows": 1}]
    report = migrated.run(code=2)
    assert kinds(report) == ["migration_unreadable", "check_failed"]
    assert f'GRANT SELECT ON "public"."alembic_version" TO {READER}' in text_of(report, "migration_unreadable")


def test_an_accepted_state_that_is_damaged_is_no_all_clear(watched: Watched) -> None:
    watched.accept()
    path = watched.folder / "watch/shop.baseline.json"
    path.write_text(path.read_text()[:-20])
    assert kinds(watched.run(code=2)) == ["baseline_unreadable"]
    watched.accept()
    watched.run(code=0)


def test_one_round_leaves_no_trace_unless_it_is_to_count(watched: Watched) -> None:
    watched.accept()
    watched.execute("DROP TABLE orders")
    for _ in range(2):
        assert kinds(watched.run()) == ["table_missing"]
    assert {path.name for path in (watched.folder / "watch").iterdir()} == {"shop.baseline.json"}


def test_recorded_rounds_raise_once_and_clear_once(watched: Watched) -> None:
    hook = Webhook()
    program, told = recorder(watched.folder)
    watched.watching |= {"webhook": hook.url, "command": [str(program), "--team", "a b; rm"]}
    watched.accept()
    watched.execute("DROP TABLE orders")
    for _ in range(3):
        watched.run("--record")
    watched.execute("CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, note text)")
    for _ in range(2):
        watched.run("--record", code=0)
    hook.close()
    assert [(len(body["raised"]), len(body["cleared"]), body["open"]) for body in hook.bodies] == [(1, 0, 1), (0, 1, 0)]
    assert hook.bodies[0]["raised"][0]["subject"] == "public.orders"
    lines = told.read_text().splitlines()
    assert lines[::2] == ["--team a b; rm"] * 2
    assert [json.loads(line) for line in lines[1::2]] == hook.bodies
