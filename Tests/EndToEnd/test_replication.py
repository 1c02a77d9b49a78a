"""Replication through the port: standbys, subscriptions, backups with their log, rewinding. With the shipped rules, and the
tag production, unless a test says otherwise."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer, open_folder
from support.programs import eventually, program, run, unprivileged
from support.proxy import Holdfast

ROWS = 20_000


def conninfo(holdfast: Holdfast, database: str = "postgres", **more: str) -> str:
    words = {"host": holdfast.host, "port": holdfast.port, "user": "postgres", "dbname": database, **more}
    return " ".join(f"{name}={value}" for name, value in words.items())


@contextmanager
def standby(through: Holdfast) -> Iterator[PostgresServer]:
    """A copy of the server behind the proxy, made and kept up through it."""
    server = PostgresServer()
    try:
        for entry in server.data.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        run(
            program("pg_basebackup"), "--pgdata", server.data, "--wal-method=stream", "--write-recovery-conf",
            "--checkpoint=fast", "--no-sync", "--dbname", conninfo(through, application_name="standby"),
            cwd="/", **unprivileged(),
        )  # fmt: skip
        with open(server.data / "postgresql.conf", "a") as settings:
            settings.write(f"port = {server.port}\nunix_socket_directories = '{server.sockets}'\n")
            settings.write("hot_standby = on\n")
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    """A server of its own: backups copy all of it, and one test stops it."""
    server = PostgresServer("wal_log_hints = on\nfull_page_writes = on\nwal_keep_size = '256MB'\n")
    try:
        server.start()
        server.execute("CREATE TABLE people (id int PRIMARY KEY, name text)")
        server.execute(f"INSERT INTO people SELECT n, md5(n::text) FROM generate_series(1, {ROWS}) n")
        yield server
    finally:
        server.remove()


def test_a_standby_is_made_and_kept_up_through_the_port(
    start_holdfast: StartHoldfast, primary: PostgresServer
) -> None:
    holdfast = start_holdfast(server=primary.address)
    with standby(holdfast) as copy:
        assert copy.value("SELECT pg_is_in_recovery()")
        primary.execute("UPDATE people SET name = 'new' WHERE id = 1; CREATE TABLE more (n int)")
        primary.execute("INSERT INTO more SELECT generate_series(1, 100000)")
        eventually(lambda: copy.rows("SELECT 1 FROM pg_class WHERE relname = 'more'"), 30)
        eventually(lambda: copy.value("SELECT count(*) FROM more") == 100_000, 30)
        assert copy.value("SELECT name FROM people WHERE id = 1") == "new"
        last = copy.value("SELECT pg_last_wal_replay_lsn()")
        # Its answers (how far it is) arrive as well: COPY BOTH goes both ways at once.
        eventually(
            lambda: primary.rows(f"SELECT 1 FROM pg_stat_replication WHERE application_name = 'standby' AND replay_lsn >= '{last}'"),
            30,
        )  # fmt: skip


def test_a_standby_that_was_promoted_lends_its_data_to_rewind_the_old_primary(
    start_holdfast: StartHoldfast, primary: PostgresServer
) -> None:
    with standby(start_holdfast(server=primary.address)) as copy:
        run(program("pg_ctl"), "--pgdata", copy.data, "--wait", "promote", cwd="/", **unprivileged())
        copy.execute("CHECKPOINT; INSERT INTO people VALUES (0, 'after the promotion')")
        primary.execute("INSERT INTO people VALUES (-1, 'lost')")
        primary.stop()
        # pg_rewind reads the server's files by function; production refuses that, so this is a session of another tag.
        through = start_holdfast(server=copy.address, rules=[])
        run(
            program("pg_rewind"), "--target-pgdata", primary.data, "--source-server", conninfo(through), "--no-sync",
            cwd="/", **unprivileged(),
        )  # fmt: skip
        with open(primary.data / "postgresql.conf", "a") as settings:
            settings.write(f"port = {primary.port}\nunix_socket_directories = '{primary.sockets}'\n")
            settings.write(f"primary_conninfo = '{conninfo(through)}'\n")
        (primary.data / "standby.signal").touch()
        primary.start()
        eventually(lambda: primary.rows("SELECT name FROM people WHERE id < 1") == [("after the promotion",)], 30)


def test_a_subscription_copies_tables_and_follows_them_through_the_port(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE people (id int PRIMARY KEY, name text)", production)
    postgres.execute(f"INSERT INTO people SELECT n, md5(n::text) FROM generate_series(1, {ROWS}) n", production)
    postgres.execute("CREATE PUBLICATION everything FOR ALL TABLES", production)
    subscriber = PostgresServer()
    try:
        subscriber.start()
        subscriber.execute("CREATE TABLE people (id int PRIMARY KEY, name text)")
        subscriber.execute(
            f"CREATE SUBSCRIPTION mine CONNECTION '{conninfo(holdfast, production)}' PUBLICATION everything"
        )
        eventually(lambda: subscriber.value("SELECT count(*) FROM people") == ROWS, 30)
        postgres.execute("UPDATE people SET name = repeat('long', 100000) WHERE id = 1", production)
        postgres.execute("DELETE FROM people WHERE id = 2", production)
        eventually(lambda: subscriber.value("SELECT length(name) FROM people WHERE id = 1") == 400_000, 30)
        eventually(lambda: subscriber.value("SELECT count(*) FROM people") == ROWS - 1, 30)
        subscriber.execute("ALTER SUBSCRIPTION mine REFRESH PUBLICATION")
        # Dropping it drops the slot on this side, which the shipped rules let pass.
        subscriber.execute("DROP SUBSCRIPTION mine")
        eventually(lambda: not postgres.rows("SELECT 1 FROM pg_replication_slots WHERE slot_name = 'mine'"))
    finally:
        subscriber.remove()


@pytest.mark.parametrize("method", ["stream", "fetch"])
def test_a_backup_as_compressed_tar_files_holds_its_log(
    start_holdfast: StartHoldfast, primary: PostgresServer, tmp_path: Path, method: str
) -> None:
    holdfast = start_holdfast(server=primary.address)
    target = tmp_path / "backup"
    run(
        program("pg_basebackup"), "--pgdata", target, "--format=tar", "--gzip", f"--wal-method={method}",
        "--checkpoint=fast", "--no-sync", "--progress", "--dbname", conninfo(holdfast),
    )  # fmt: skip
    names = {file.name for file in target.iterdir()}
    assert {"base.tar.gz", "backup_manifest"} <= names
    assert ("pg_wal.tar.gz" in names) == (method == "stream")


def test_a_plain_backup_verifies_and_starts(start_holdfast: StartHoldfast, primary: PostgresServer) -> None:
    holdfast = start_holdfast(server=primary.address)
    folder = open_folder("holdfast-backup-")
    try:
        run(
            program("pg_basebackup"), "--pgdata", folder / "data", "--wal-method=stream", "--checkpoint=fast",
            "--no-sync", "--dbname", conninfo(holdfast),
        )  # fmt: skip
        run(program("pg_verifybackup"), folder / "data")
    finally:
        shutil.rmtree(folder)


def test_a_dump_by_four_jobs_and_its_restore_by_four_jobs_make_the_same_tables(
    holdfast: Holdfast, postgres: PostgresServer, production: str, test_database: str, tmp_path: Path
) -> None:
    for table in range(8):
        postgres.execute(f"CREATE TABLE t{table} (n int PRIMARY KEY, line text)", production)
        postgres.execute(f"INSERT INTO t{table} SELECT n, md5(n::text) FROM generate_series(1, {ROWS}) n", production)
    dump = tmp_path / "dump"
    run(program("pg_dump"), "--format=directory", "--jobs=4", "--file", dump, environment=holdfast.environment(production))
    run(
        program("pg_restore"), "--jobs=4", f"--dbname={test_database}", dump,
        environment=holdfast.environment(test_database),
    )  # fmt: skip
    sums = " UNION ALL ".join(f"SELECT {table}, count(*), sum(hashtext(line)) FROM t{table}" for table in range(8))
    assert sorted(postgres.rows(sums, test_database)) == sorted(postgres.rows(sums, production))
