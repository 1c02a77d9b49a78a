"""The guard beside what else works on a database: dumps, extensions, replication, migrations, crashes; and its removal."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import errors

from support.guard import GRANTER, OWNER, Guard, create_roles, url
from support.incident import PROJECT
from support.postgres import PostgresServer
from support.programs import eventually, program, run

TABLES = f"""
CREATE SCHEMA shop AUTHORIZATION {OWNER};
SET ROLE {OWNER};
CREATE TABLE shop.orders (id serial PRIMARY KEY, total int, note text);
INSERT INTO shop.orders (total, note) SELECT n, 'note ' || n FROM generate_series(1, 100) n;
CREATE TABLE shop.events (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
INSERT INTO shop.events VALUES ('2026-01-05', 'a');
CREATE MATERIALIZED VIEW shop.totals AS SELECT count(*) FROM shop.orders;
"""


@pytest.fixture
def plain(postgres: PostgresServer, production: str) -> Guard:
    create_roles(postgres)
    postgres.execute(TABLES, production)
    postgres.execute(f"GRANT CREATE ON SCHEMA public TO {OWNER}", production)
    return Guard(postgres, production)


@pytest.fixture
def guard(plain: Guard) -> Guard:
    plain.run("install", "--role", GRANTER)
    return plain


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[Guard]:
    with postgres.database("shop_restored") as name:
        yield Guard(postgres, name)


def dump(guard: Guard, *options: str) -> str:
    text = run(program("pg_dump"), *options, url(guard.postgres, guard.database)).stdout
    # A key that is another each time (pg_dump since the autumn of 2025).
    return "\n".join(line for line in text.split("\n") if not line.startswith(("\\restrict", "\\unrestrict")))


def archive(guard: Guard, folder: Path, *options: str) -> Path:
    file = folder / "dump"
    run(program("pg_dump"), "--format=custom", "--file", file, *options, url(guard.postgres, guard.database))
    return file


def restore(file: Path, guard: Guard, *options: str, check: bool = True):
    return run(program("pg_restore"), *options, "--dbname", url(guard.postgres, guard.database), file, check=check)


def test_remove_leaves_no_trace(plain: Guard) -> None:
    before = dump(plain, "--schema-only")
    roles = plain.postgres.rows("SELECT count(*) FROM pg_shdepend")
    plain.run("install", "--role", GRANTER, "--exempt", "scratch.*")
    plain.execute("CREATE TABLE shop.more (a int)")
    with plain.grants() as granter, plain.session() as session:
        granter.open(session, "shop.more")
        session.execute("DROP TABLE shop.more")
    assert dump(plain, "--schema-only") != before
    assert plain.run("remove").stdout == "removed\n"
    assert dump(plain, "--schema-only") == before
    assert plain.postgres.rows("SELECT count(*) FROM pg_shdepend") == roles
    assert plain.run("status", check=False).returncode == 1
    plain.execute("TRUNCATE shop.orders")


def test_a_dump_with_the_guard_restores_into_an_empty_database_and_wakes_by_itself(
    guard: Guard, empty: Guard, tmp_path: Path
) -> None:
    guard.execute("CREATE TABLE shop.more (a int)")
    # A materialized view would be filled last: a DDL, which wakes the guard.
    restore(archive(guard, tmp_path, "--exclude-table=shop.totals"), empty, "--exit-on-error")
    printed = empty.run("status", check=False)
    assert printed.returncode == 2 and "restored from a dump" in printed.stdout and "guard upgrade" in printed.stdout
    for loss in ("DROP TABLE shop.orders", "TRUNCATE shop.orders"):
        empty.refuses(loss, "shop.orders")
    empty.execute("ALTER TABLE shop.orders ADD COLUMN extra int")
    empty.assert_whole()
    empty.refuses("ALTER TABLE shop.orders RENAME TO gone", "shop.orders")
    assert empty.status()["granting_roles"] == [GRANTER]
    assert empty.log()[0][3] == "shop.more"


def test_upgrade_puts_a_restored_guard_in_order(guard: Guard, empty: Guard, tmp_path: Path) -> None:
    restore(archive(guard, tmp_path), empty, "--exit-on-error")
    empty.run("upgrade")
    empty.assert_whole()
    empty.refuses("ALTER TABLE shop.orders RENAME TO gone", "shop.orders")


def test_a_dump_without_a_guard_restores_into_a_guarded_database(
    plain: Guard, empty: Guard, tmp_path: Path
) -> None:
    empty.run("install")
    restore(archive(plain, tmp_path), empty, "--exit-on-error", "--jobs=2")
    empty.assert_whole()
    assert empty.value("SELECT count(*) FROM shop.orders") == 100
    empty.refuses("TRUNCATE shop.orders", "shop.orders")


def test_a_dump_of_a_guarded_database_restores_into_a_guarded_one(guard: Guard, empty: Guard, tmp_path: Path) -> None:
    empty.run("install")
    file = archive(guard, tmp_path)
    listing = run(program("pg_restore"), "--list", file).stdout.split("\n")
    chosen = tmp_path / "list"
    chosen.write_text("\n".join(
        line for line in listing if " holdfast" not in line or " TRIGGER shop " in line))
    restore(file, empty, "--exit-on-error", f"--use-list={chosen}")
    empty.assert_whole()
    empty.refuses("TRUNCATE shop.orders", "shop.orders")
    assert empty.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'shop.orders'::regclass") == 1


def test_pg_restore_clean_needs_a_grant(guard: Guard, plain: Guard, tmp_path: Path) -> None:
    file = archive(guard, tmp_path, "--schema=shop")
    refused = restore(file, guard, "--clean", "--single-transaction", check=False)
    assert refused.returncode != 0 and "holdfast guard refused" in refused.stderr
    assert guard.value("SELECT count(*) FROM shop.orders") == 100


def test_every_extension_installs_updates_and_goes_unhindered(guard: Guard) -> None:
    """Those that hold no table; and each from the oldest version that has a script, step by step."""
    available = guard.postgres.rows(
        "SELECT name, array_agg(version ORDER BY version) FROM pg_available_extension_versions "
        "WHERE name NOT IN ('plpgsql') GROUP BY name ORDER BY name"
    )
    assert len(available) > 15
    failed = []
    with guard.session("postgres") as session, guard.postgres.connect() as plain_session:
        for name, versions in available:
            for version in versions:
                command = f'CREATE EXTENSION "{name}" VERSION \'{version}\' CASCADE'
                # What the server itself refuses without a guard (a missing library, a language) proves nothing.
                works = True
                try:
                    plain_session.execute(f"BEGIN; {command}")
                except errors.Error:
                    works = False
                plain_session.execute("ROLLBACK")
                if not works:
                    continue
                try:
                    session.execute(f"BEGIN; {command}")
                    session.execute(f'ALTER EXTENSION "{name}" UPDATE; DROP EXTENSION "{name}" CASCADE')
                except errors.Error as error:
                    failed.append((name, version, str(error)))
                session.execute("ROLLBACK")
    assert failed == []


def test_an_extension_with_a_table_is_guarded_and_may_rebuild_it(guard: Guard) -> None:
    if not guard.value("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')"):
        pytest.skip("this server brings no extensions")
    guard.execute("CREATE EXTENSION pg_trgm SCHEMA public", "postgres")
    guard.execute("ALTER EXTENSION pg_trgm ADD TABLE shop.orders", "postgres")
    guard.refuses("DROP EXTENSION pg_trgm CASCADE", "shop.orders", user="postgres")
    guard.execute("ALTER EXTENSION pg_trgm DROP TABLE shop.orders", "postgres")
    guard.refuses("DROP TABLE shop.orders CASCADE", "shop.orders", user="postgres")


def test_logical_replication_applies_a_publishers_truncate(guard: Guard, empty: Guard) -> None:
    empty.postgres.execute(f"CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, total int, note text)", empty.database)
    empty.run("install")
    publisher, subscriber = guard, empty
    publisher.execute("CREATE PUBLICATION orders FOR TABLE shop.orders", "postgres")
    publisher.execute("SELECT pg_create_logical_replication_slot('orders', 'pgoutput')", "postgres")
    try:
        subscriber.execute(
            f"CREATE SUBSCRIPTION orders CONNECTION 'host={guard.postgres.host} port={guard.postgres.port} user=postgres "
            f"dbname={guard.database}' PUBLICATION orders WITH (create_slot = false)",
            "postgres",
        )
        eventually(lambda: subscriber.value("SELECT count(*) FROM shop.orders") == 100)
        with publisher.session() as session, publisher.grants() as granter:
            granter.open(session)
            session.execute("TRUNCATE shop.orders")
        eventually(lambda: subscriber.value("SELECT count(*) FROM shop.orders") == 0)
        publisher.execute("INSERT INTO shop.orders VALUES (1, 2, 'after')")
        eventually(lambda: subscriber.value("SELECT count(*) FROM shop.orders") == 1)
        assert [row[0] for row in subscriber.log("object_identity = 'shop.orders'")] == ["truncate"]
        subscriber.refuses("TRUNCATE shop.orders", "shop.orders", user="postgres")
    finally:
        subscriber.execute("DROP SUBSCRIPTION IF EXISTS orders", "postgres")


def test_alembic_migrates_up_and_is_refused_on_the_way_down(guard: Guard) -> None:
    environment = {"DATABASE_URL": url(guard.postgres, guard.database, OWNER).replace("postgresql:", "postgresql+psycopg:")}
    alembic = [sys.executable, "-m", "alembic", "--config", PROJECT / "alembic.ini"]
    run(*alembic, "upgrade", "head", environment=environment, cwd=PROJECT)
    assert guard.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") > 10
    guard.execute("INSERT INTO accounts (id, name) VALUES (1, 'Ann')")
    refused = run(*alembic, "downgrade", "base", environment=environment, cwd=PROJECT, check=False)
    assert refused.returncode != 0 and "holdfast guard refused" in refused.stderr
    assert guard.value("SELECT count(*) FROM accounts") == 1
    guard.assert_whole()


MIGRATIONS = [
    # Django: sqlmigrate of AddField, AlterField, AddIndex, AddConstraint, RenameField, RunSQL.
    'CREATE TABLE "shop_book" ("id" bigint NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, "title" varchar(100) NOT NULL)',
    'INSERT INTO "shop_book" ("title") VALUES (\'a\')',
    'ALTER TABLE "shop_book" ADD COLUMN "pages" integer DEFAULT 0 NOT NULL',
    'ALTER TABLE "shop_book" ALTER COLUMN "pages" DROP DEFAULT',
    'ALTER TABLE "shop_book" ALTER COLUMN "title" TYPE varchar(200)',
    'ALTER TABLE "shop_book" ALTER COLUMN "title" TYPE text USING "title"::text',
    'ALTER TABLE "shop_book" ALTER COLUMN "pages" TYPE bigint USING "pages"::bigint',
    'ALTER TABLE "shop_book" ADD CONSTRAINT "pages_positive" CHECK ("pages" >= 0)',
    'ALTER TABLE "shop_book" RENAME COLUMN "pages" TO "page_count"',
    'ALTER TABLE "shop_book" ALTER COLUMN "page_count" SET NOT NULL',
    # Rails: add_index concurrently, add_reference, change_column_null, enable_extension is above; fixtures.
    'CREATE TABLE "authors" ("id" bigserial primary key, "created_at" timestamp(6) NOT NULL DEFAULT now())',
    'ALTER TABLE "shop_book" ADD "author_id" bigint',
    'CREATE INDEX CONCURRENTLY "index_books_on_author_id" ON "shop_book" ("author_id")',
    'ALTER TABLE "shop_book" ADD CONSTRAINT "fk_rails_1" FOREIGN KEY ("author_id") REFERENCES "authors" ("id") NOT VALID',
    'ALTER TABLE "shop_book" VALIDATE CONSTRAINT "fk_rails_1"',
    'DROP INDEX CONCURRENTLY "index_books_on_author_id"',
    'ALTER TABLE "shop_book" DROP CONSTRAINT "fk_rails_1"',
    'CREATE TABLE IF NOT EXISTS "schema_migrations" ("version" character varying NOT NULL PRIMARY KEY)',
]  # fmt: skip


def test_migrations_as_django_and_rails_write_them_pass(guard: Guard) -> None:
    with guard.session() as session:
        for statement in MIGRATIONS:
            session.execute(statement)
    with guard.session("postgres") as session:
        # Rails' fixtures, as a superuser.
        session.execute('ALTER TABLE "shop_book" DISABLE TRIGGER ALL; ALTER TABLE "authors" DISABLE TRIGGER ALL')
        session.execute('ALTER TABLE "shop_book" ENABLE TRIGGER ALL; ALTER TABLE "authors" ENABLE TRIGGER ALL')
    guard.assert_whole()


def starts(server: PostgresServer) -> bool:
    try:
        server.start()
    except AssertionError:
        return False
    return True


def test_a_crash_of_the_server_leaves_no_grant_and_the_guard_whole() -> None:
    server = PostgresServer("fsync = on\nsynchronous_commit = on\nautovacuum = on\nautovacuum_naptime = 1\n")
    try:
        server.start()
        create_roles(server)
        server.execute("CREATE DATABASE crashing")
        server.execute(TABLES, "crashing")
        guard = Guard(server, "crashing")
        guard.run("install", "--role", GRANTER)
        with guard.session() as session, guard.grants() as granter:
            granter.open(session)
            session.execute("BEGIN; DROP TABLE shop.orders CASCADE")
            postmaster = int((server.data / "postmaster.pid").read_text().split("\n")[0])
            os.kill(postmaster, signal.SIGKILL)
            # The server's other processes notice and end; then the data can be opened again.
            with pytest.raises(errors.OperationalError):
                while True:
                    session.execute("SELECT pg_sleep(0.1)")
        (server.data / "postmaster.pid").unlink()
        eventually(lambda: starts(server), timeout=30)
        guard.assert_whole()
        assert guard.status()["open_grants"] == []
        guard.refuses("DROP TABLE shop.orders CASCADE", "shop.orders")
        # Autovacuum goes on as ever.
        guard.execute("UPDATE shop.orders SET total = total; UPDATE shop.orders SET total = total")
        eventually(
            lambda: guard.value("SELECT autovacuum_count FROM pg_stat_user_tables WHERE relname = 'orders'") > 0,
            timeout=40,
        )
    finally:
        server.remove()
