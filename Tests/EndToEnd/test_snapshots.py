"""What a loss that the rules let pass would take is kept first, and comes back as it was."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from psycopg import errors

from conftest import StartHoldfast, numbers
from support.losses import LOSSES, Loss
from support.postgres import PostgresServer, open_folder
from support.programs import eventually, program
from support.proxy import Holdfast, ProxySettings, command
from support.snapshots import Loser, connection, rules
from support.wire import COPY_DONE, SYNC, WireClient, bind, copy_data, execute, parse, query

ROLES = ("snap_owner", "snap_reader", "snap_poor")


@pytest.fixture(scope="module")
def roles(postgres: PostgresServer) -> None:
    for role in ROLES:
        postgres.execute(f"CREATE ROLE {role} LOGIN")


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer, roles: None) -> Iterator[Holdfast]:
    """One proxy for the tests that do not need another proxy.conf."""
    settings = ProxySettings(
        server=postgres.address, rules=rules(), snapshots={"folder": "snapshots", "connection": connection(postgres)}
    )
    holdfast = Holdfast(open_folder("holdfast-proxy-"), settings)
    holdfast.start()
    yield holdfast
    holdfast.stop()
    shutil.rmtree(holdfast.folder)


@pytest.fixture
def loser(postgres: PostgresServer, shared: Holdfast, production: str) -> Loser:
    return Loser(postgres, shared, production)


@pytest.fixture
def start_loser(
    postgres: PostgresServer, roles: None, start_holdfast: StartHoldfast, production: str
) -> Callable[..., Loser]:
    """A proxy of the test's own, with other keys in [snapshots]."""

    def start(action: str = "allow", objects: list[str] | None = None, **keys: Any) -> Loser:
        snapshots = {"folder": "snapshots", "connection": connection(postgres), **keys}
        return Loser(postgres, start_holdfast(rules=rules(action, objects), snapshots=snapshots), production)

    return start


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_what_was_lost_comes_back_as_it_was(loser: Loser, loss: Loss) -> None:
    loser.execute(loss.setup)
    before, relations = loser.dump(), loser.relations()
    loser.lose(loss.statement)
    assert loser.relations() != relations
    (snapshot,) = loser.snapshots()
    loser.run("verify", snapshot["id"])
    loser.run("restore", snapshot["id"])
    assert loser.dump() == before


def test_sequences_go_on_where_they_were(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id serial, other int GENERATED ALWAYS AS IDENTITY); INSERT INTO t DEFAULT VALUES")
    loser.lose("DROP TABLE t")
    loser.run("restore", loser.snapshots()[0]["id"])
    loser.execute("INSERT INTO t DEFAULT VALUES")
    assert loser.postgres.rows("SELECT * FROM t ORDER BY 1", loser.database) == [(1, 1), (2, 2)]


def test_a_type_that_goes_by_cascade_and_the_column_of_a_table_that_stays(loser: Loser) -> None:
    loser.execute(
        "CREATE TYPE mood AS ENUM ('sad', 'fine'); CREATE TABLE t (id serial PRIMARY KEY, m mood, v text);"
        "CREATE TABLE child (id int REFERENCES t); CREATE FUNCTION cheer(mood) RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "INSERT INTO t (m, v) VALUES ('sad', 'a'), ('fine', 'b'); INSERT INTO child VALUES (1)"
    )
    before = loser.dump()
    loser.lose("DROP TYPE mood CASCADE")
    (snapshot,) = loser.snapshots()
    assert [(table["name"], table["stays"]) for table in snapshot["tables"] if table["kind"] == "r"] == [("t", True)]
    refused = loser.run("restore", snapshot["id"], check=False)
    assert refused.returncode == 1 and "public.t is there" in refused.stderr
    loser.run("restore", snapshot["id"], "--existing", "replace")
    assert loser.dump() == before
    # What replace has dropped is in a snapshot, too.
    assert len(loser.snapshots()) == 2


def test_a_dropped_schema_comes_back(loser: Loser) -> None:
    (loss,) = [loss for loss in LOSSES if loss.name == "a schema with all that is in it"]
    loser.execute(loss.setup)
    before = loser.dump()
    loser.lose("DROP SCHEMA shop CASCADE")
    (snapshot,) = loser.snapshots()
    loser.run("restore", snapshot["id"], "--existing", "keep")
    # A column of a table that stays went with the type.
    assert "shop.t" in loser.relations()
    loser.execute("ALTER TABLE outside ADD COLUMN m shop.mood")
    assert loser.dump() == before


@pytest.mark.parametrize(
    ("setup", "statement"),
    [
        ("CREATE TABLE t (id serial PRIMARY KEY, a int UNIQUE, v text); INSERT INTO t (a, v) VALUES (1, 'a'), (2, 'b')",
         "ALTER TABLE t DROP COLUMN a"),
        ("CREATE TABLE t (id serial PRIMARY KEY, v text); CREATE TABLE child (id int REFERENCES t); CREATE VIEW v AS SELECT id FROM t;"
         "INSERT INTO t (v) VALUES ('a'); INSERT INTO child VALUES (1)",
         "ALTER TABLE t DROP COLUMN id CASCADE"),
        ("CREATE TABLE t (id int, a int) PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (1) TO (9);"
         "INSERT INTO t VALUES (1, 2)", "ALTER TABLE t DROP COLUMN a"),
        ("CREATE EXTENSION hstore; CREATE TABLE t (id int, h hstore); INSERT INTO t VALUES (1, 'a=>b')",
         "DROP EXTENSION hstore CASCADE"),
    ],
    ids=["a column", "a key's column", "a column of partitions", "an extension's type"],
)  # fmt: skip
def test_columns_come_back_with_their_tables(loser: Loser, setup: str, statement: str) -> None:
    loser.execute(setup)
    before = loser.dump()
    loser.lose(statement)
    assert loser.dump() != before
    loser.run("restore", loser.snapshots()[0]["id"], "--existing", "replace")
    assert loser.dump() == before


def test_what_a_role_owned_comes_back(loser: Loser) -> None:
    loser.execute(
        "CREATE TABLE t (id serial PRIMARY KEY); ALTER TABLE t OWNER TO snap_owner; CREATE TABLE kept (id int REFERENCES t);"
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM t; ALTER MATERIALIZED VIEW m OWNER TO snap_owner; INSERT INTO t DEFAULT VALUES"
    )
    before = loser.dump()
    loser.lose("DROP OWNED BY snap_owner CASCADE")
    loser.run("restore", loser.snapshots()[0]["id"])
    assert loser.dump() == before


@pytest.mark.parametrize("statement", ["TRUNCATE t", "TRUNCATE t RESTART IDENTITY", "TRUNCATE t CASCADE"])
def test_rows_come_back_after_truncate(loser: Loser, statement: str) -> None:
    loser.execute(
        "CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t SELECT FROM generate_series(1, 10);"
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
        "CREATE TRIGGER no BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION no();"
        "CREATE TRIGGER off AFTER DELETE ON t EXECUTE FUNCTION no(); ALTER TABLE t DISABLE TRIGGER off;"
        "CREATE TRIGGER always AFTER DELETE ON t EXECUTE FUNCTION no(); ALTER TABLE t ENABLE ALWAYS TRIGGER always;"
    )
    if "CASCADE" in statement:
        loser.execute("CREATE TABLE a_child (id int REFERENCES t); INSERT INTO a_child VALUES (3)")
    before = loser.dump()
    loser.lose(statement)
    (snapshot,) = loser.snapshots()
    loser.run("restore", snapshot["id"], "--existing", "fill")
    assert loser.dump() == before
    again = loser.run("restore", snapshot["id"], "--existing", "fill", check=False)
    assert again.returncode == 1 and "is not empty" in again.stderr
    assert loser.dump() == before


def test_one_table_of_several(loser: Loser) -> None:
    loser.execute(
        "CREATE TABLE a (id serial PRIMARY KEY); CREATE TABLE b (id serial PRIMARY KEY, a int REFERENCES a);"
        "CREATE VIEW both_of AS SELECT a.id FROM a, b; CREATE VIEW of_a AS SELECT id FROM a; INSERT INTO a DEFAULT VALUES"
    )
    before = loser.dump()
    loser.lose("DROP TABLE a, b CASCADE")
    (snapshot,) = loser.snapshots()
    planned = loser.run("restore", snapshot["id"], "--table", "public.a", "--dry-run").stdout
    assert loser.relations() == set()
    done = loser.run("restore", snapshot["id"], "--table", "public.a").stdout
    assert planned in done and "not: view public.both_of needs table public.b" in done
    assert loser.relations() == {"a", "a_id_seq", "of_a"}
    loser.run("restore", snapshot["id"], "--existing", "keep")
    assert loser.dump() == before
    unknown = loser.run("restore", snapshot["id"], "--table", "c", check=False)
    assert unknown.returncode == 1 and "holds no table c" in unknown.stderr


def test_a_table_that_is_there_is_not_touched(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    loser.lose("DROP TABLE t")
    (snapshot,) = loser.snapshots()
    loser.execute("CREATE TABLE t (other text)")
    before = loser.dump()
    refused = loser.run("restore", snapshot["id"], check=False)
    assert refused.returncode == 1 and "table public.t is there" in refused.stderr and "--existing" in refused.stderr
    assert loser.dump() == before
    loser.run("restore", snapshot["id"], "--existing", "replace")
    assert loser.postgres.rows("SELECT id FROM t", loser.database) == [(1,)]


def test_replace_takes_nothing_that_the_snapshot_does_not_hold(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int PRIMARY KEY)")
    taken = loser.run("take", "--database", loser.database, "t").stdout.strip()
    loser.execute("CREATE VIEW newer AS SELECT * FROM t")
    before = loser.dump()
    refused = loser.run("restore", taken, "--existing", "replace", check=False)
    assert refused.returncode == 1 and "view public.newer" in refused.stderr
    assert loser.dump() == before


def test_a_restore_that_fails_changes_nothing(loser: Loser) -> None:
    loser.execute("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int REFERENCES a); INSERT INTO a VALUES (1)")
    loser.execute("CREATE ROLE goes_away; CREATE TABLE z (id int); ALTER TABLE z OWNER TO goes_away")
    loser.lose("DROP TABLE a, b, z")
    loser.execute("DROP ROLE goes_away")
    (snapshot,) = loser.snapshots()
    failed = loser.run("restore", snapshot["id"], check=False)
    assert failed.returncode == 1 and 'role "goes_away" does not exist' in failed.stderr
    assert loser.relations() == set()


def test_another_database_can_be_restored_to(loser: Loser, postgres: PostgresServer) -> None:
    loser.execute(next(loss for loss in LOSSES if loss.name.startswith("enum")).setup)
    before = loser.dump()
    loser.lose("DROP TABLE t")
    (snapshot,) = loser.snapshots()
    with postgres.database(f"snapelse{next(numbers)}") as other:
        loser.run("restore", snapshot["id"], "--database", other)
        assert Loser(postgres, loser.holdfast, other).dump() == before


def test_a_restore_through_the_proxy_is_in_the_trail(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('a')")
    before = loser.dump()
    loser.lose("DROP TABLE t")
    (snapshot,) = loser.snapshots()
    way = f"host={loser.holdfast.host} port={loser.holdfast.port} user=postgres dbname=postgres"
    loser.run("restore", snapshot["id"], "--connection", way)
    assert loser.dump() == before
    (made,) = loser.holdfast.trail.wait(event="intent", database=loser.database, command="CREATE TABLE")
    assert made["application_name"].startswith("holdfast restore")


def test_tables_taken_by_hand(loser: Loser) -> None:
    loser.execute(
        'CREATE SCHEMA s; CREATE TABLE s.t (id serial); CREATE TABLE "T" (id int); CREATE VIEW v AS SELECT id FROM "T";'
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM s.t; INSERT INTO s.t DEFAULT VALUES"
    )
    before = loser.dump()
    taken = loser.run("take", "--database", loser.database, "s.t", "T").stdout.strip()
    loser.execute('DROP TABLE s.t, "T" CASCADE')
    shown = loser.run("show", taken).stdout
    assert "table s.t" in shown and 'table public."T"' in shown and "materialized view public.m" in shown
    loser.run("restore", taken)
    assert loser.dump() == before
    (listed,) = loser.snapshots()
    assert listed["id"] == taken and listed["cause"]["kind"] == "command"
    unknown = loser.run("take", "--database", loser.database, "nobody", check=False)
    assert unknown.returncode == 1 and "there is no nobody" in unknown.stderr
    loser.run("remove", taken)
    assert loser.snapshots() == []


def test_many_sessions_lose_at_once(loser: Loser) -> None:
    loser.execute("".join(f"CREATE TABLE t{n} (id int); INSERT INTO t{n} VALUES ({n});" for n in range(8)))
    before = loser.dump()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: loser.lose(f"DROP TABLE t{n}"), range(8)))
    snapshots = loser.snapshots()
    assert len(snapshots) == 8 and loser.relations() == set()
    for snapshot in snapshots:
        loser.run("restore", snapshot["id"])
    assert loser.dump() == before


# What the trail says.


def test_the_trail_names_the_snapshot(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int); CREATE TABLE kept (id int)")
    loser.lose("DROP TABLE t")
    (snapshot,) = loser.snapshots()
    (intent,) = loser.holdfast.trail.wait(event="intent", database=loser.database, command="DROP TABLE")
    assert intent["snapshot"] == snapshot["id"]
    assert snapshot["cause"] == {
        "command": "DROP TABLE", "intent": intent["id"], "kind": "statement", "tag": "production", "user": "postgres"
    }  # fmt: skip
    (taken,) = loser.holdfast.trail.wait(event="snapshot", database=loser.database, action="taken")
    assert (taken["snapshot"], taken["intent"]) == (snapshot["id"], intent["id"])
    (outcome,) = loser.holdfast.trail.wait(event="outcome", id=intent["id"])
    assert outcome["transaction"] == "committed"
    loser.run("restore", snapshot["id"])
    loser.lose("DROP TABLE kept")
    (restored,) = loser.holdfast.trail.wait(event="snapshot", database=loser.database, action="restored")
    assert restored["snapshot"] == snapshot["id"] and "public.t" in restored["text"]


def test_what_loses_nothing_waits_for_nothing(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int); CREATE VIEW v AS SELECT 1; CREATE SCHEMA empty")
    with loser.session() as session:
        for statement in (
            "CREATE TABLE x (a int)", "ALTER TABLE t ADD COLUMN b int", "DROP VIEW v", "CREATE TEMP TABLE y (a int)",
            "DROP TABLE y", "DROP TABLE IF EXISTS nobody", "DROP SCHEMA empty", "INSERT INTO t VALUES (1)",
        ):  # fmt: skip
            session.execute(statement)
    assert loser.snapshots() == []


def test_a_warning_takes_a_snapshot_and_a_refusal_takes_none(start_loser: Callable[..., Loser]) -> None:
    loser = start_loser(action="warn", objects=["t"])
    loser.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")
    with pytest.raises(errors.InsufficientPrivilege, match="keep tables"):
        loser.lose("DROP TABLE u")
    assert loser.snapshots() == []
    loser.lose("DROP TABLE t")
    assert len(loser.snapshots()) == 1


def test_where_no_rule_refuses_anything(
    postgres: PostgresServer, roles: None, start_holdfast: StartHoldfast, production: str, test_database: str
) -> None:
    warning = {"name": "look", "classes": ["any"], "action": "warn"}
    holdfast = start_holdfast(
        rules=[warning], snapshots={"folder": "snapshots", "connection": connection(postgres)}
    )
    for database, count in ((production, 1), (test_database, 0)):
        loser = Loser(postgres, holdfast, database)
        loser.execute("CREATE TABLE t (id int)")
        loser.lose("DROP TABLE t")
        assert len(loser.snapshots()) == count


def test_the_extended_protocol(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")
    with loser.session() as session:
        session.execute("DROP TABLE t", prepare=True)
        with session.pipeline():
            session.execute("SELECT 1")
            session.execute("DROP TABLE u")
            session.execute("SELECT 2")
    assert len(loser.snapshots()) == 2 and loser.relations() == set()


def test_several_statements_in_one_message_have_one_snapshot(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")
    loser.lose("DROP TABLE t; DROP TABLE u")
    (snapshot,) = loser.snapshots()
    assert {table["name"] for table in snapshot["tables"]} == {"t", "u"}


# Transactions: what others can see is kept, and nobody waits for himself.


def test_what_was_made_in_the_same_transaction_needs_no_snapshot(loser: Loser) -> None:
    with loser.session(autocommit=False) as session:
        session.execute("CREATE TABLE t (id int)")
        session.execute("INSERT INTO t VALUES (1)")
        session.execute("DROP TABLE t")
    assert loser.snapshots() == []


def test_the_snapshot_holds_what_is_committed(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)")
    before = loser.dump()
    with loser.session(autocommit=False) as session:
        session.execute("DELETE FROM t WHERE id = 1")
        session.execute("INSERT INTO t VALUES (3)")
        session.execute("DROP TABLE t")
    loser.run("restore", loser.snapshots()[0]["id"])
    assert loser.dump() == before


@pytest.mark.parametrize("locking", ["LOCK TABLE t", "ALTER TABLE t ADD COLUMN b int", "TRUNCATE u; LOCK TABLE t"])
def test_a_table_that_the_transaction_itself_has_locked_is_refused_at_once(loser: Loser, locking: str) -> None:
    loser.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")
    with loser.session(autocommit=False) as session:
        for part in locking.split(";"):
            session.execute(part)
        with pytest.raises(errors.InsufficientPrivilege, match="this transaction itself has locked public.t"):
            session.execute("DROP TABLE t")
        session.rollback()
    assert loser.relations() == {"t", "u"}
    assert loser.leftovers() == []


def test_another_table_that_the_transaction_has_locked_does_not_matter(loser: Loser) -> None:
    loser.execute(
        "CREATE TABLE t (id int); CREATE TABLE u (id int); CREATE VIEW over_u AS SELECT id FROM u; INSERT INTO t VALUES (1)"
    )
    before = loser.dump()
    with loser.session(autocommit=False) as session:
        session.execute("ALTER TABLE u ADD COLUMN b int")
        session.execute("DROP TABLE t")
    (snapshot,) = loser.snapshots()
    assert set(snapshot["left_out"]) == {"public.u", "public.over_u"}
    loser.execute("ALTER TABLE u DROP COLUMN b")
    loser.run("restore", snapshot["id"])
    assert loser.dump() == before


def test_a_foreign_key_of_a_table_that_cannot_be_read_now_is_refused(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE u (id int REFERENCES t)")
    with loser.session(autocommit=False) as session:
        session.execute("ALTER TABLE u ADD COLUMN b int")
        with pytest.raises(errors.InsufficientPrivilege, match="u_id_fkey"):
            session.execute("DROP TABLE t CASCADE")


# What cannot be done is refused, and nothing is lost.


def refused(loser: Loser, statement: str, words: str, setup: str = "CREATE TABLE t (id int); INSERT INTO t VALUES (1)") -> None:
    """The statement is refused with these words, and everything is as it was."""
    loser.execute(setup)
    before = loser.dump()
    with loser.session() as session:
        with pytest.raises(errors.InsufficientPrivilege, match=words) as caught:
            session.execute(statement)
        assert caught.value.diag.message_primary.startswith("holdfast refused")
        assert session.execute("SELECT 1").fetchone() == (1,)
    assert loser.dump() == before
    assert loser.snapshots() == [] and loser.leftovers() == []
    (record,) = loser.holdfast.trail.wait(event="refusal", database=loser.database)
    assert record["rule"] == "no snapshot"
    assert loser.holdfast.trail.records(event="intent", database=loser.database) == []
    loser.holdfast.trail.wait(event="snapshot", action="failed", database=loser.database)


def test_a_lock_of_another_session(start_loser: Callable[..., Loser], postgres: PostgresServer) -> None:
    loser = start_loser(lock_timeout="300ms")
    loser.execute("CREATE TABLE t (id int)")
    with postgres.connect(loser.database, autocommit=False, application_name="the holder") as holder:
        holder.execute("LOCK TABLE t")
        with pytest.raises(errors.InsufficientPrivilege, match="lock_timeout.*the holder"):
            loser.lose("DROP TABLE t")
    assert loser.snapshots() == [] and loser.leftovers() == []
    loser.lose("DROP TABLE t")
    assert len(loser.snapshots()) == 1


def test_too_large(start_loser: Callable[..., Loser]) -> None:
    setup = "CREATE TABLE t AS SELECT gen_random_bytes(1000) FROM generate_series(1, 3000)"
    loser = start_loser(max_size="200kB")
    refused(loser, "DROP TABLE t", "max_size", "CREATE EXTENSION pgcrypto; " + setup)


def test_too_large_and_so_without_rows(start_loser: Callable[..., Loser]) -> None:
    loser = start_loser(max_size="200kB", beyond="schema-only")
    loser.execute("CREATE EXTENSION pgcrypto; CREATE TABLE t AS SELECT gen_random_bytes(1000) FROM generate_series(1, 3000)")
    loser.lose("DROP TABLE t")
    (snapshot,) = loser.snapshots()
    assert "max_size" in snapshot["without_rows"]
    assert [file["name"] for file in snapshot["files"]] == ["definitions.dump"]
    loser.run("restore", snapshot["id"])
    assert loser.postgres.value("SELECT count(*) FROM t", loser.database) == 0


def test_no_pg_dump(start_loser: Callable[..., Loser]) -> None:
    refused(start_loser(pg_dump="/nowhere/pg_dump"), "DROP TABLE t", "/nowhere/pg_dump cannot be run: No such file")


def stand_in(folder: Path, script: str) -> str:
    """A folder with a pg_dump of the test's own."""
    for name, text in (("pg_dump", script), ("pg_restore", None), ("psql", None)):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n" if text else f'#!/bin/sh\nexec {program(name)} "$@"\n')
        path.chmod(0o755)
    return str(folder / "pg_dump")


@pytest.fixture
def programs() -> Iterator[Path]:
    folder = open_folder("holdfast-programs-")
    yield folder
    shutil.rmtree(folder)


def real(words: str) -> str:
    """Tells its version as pg_dump does; else does this."""
    return f'[ "$1" = --version ] && exec {program("pg_dump")} --version\n{words}'


def test_a_pg_dump_that_is_too_old(start_loser: Callable[..., Loser], programs: Path) -> None:
    path = stand_in(programs, "echo 'pg_dump (PostgreSQL) 9.6.1'")
    refused(start_loser(pg_dump=path), "DROP TABLE t", "is of PostgreSQL 9 and cannot dump a server of version")


def test_a_pg_dump_that_fails(start_loser: Callable[..., Loser], programs: Path) -> None:
    path = stand_in(programs, real("echo 'pg_dump: error: the disk is full' >&2; exit 1"))
    refused(start_loser(pg_dump=path), "DROP TABLE t", "the disk is full")


def test_a_pg_dump_that_leaves_something_out(start_loser: Callable[..., Loser], programs: Path) -> None:
    path = stand_in(programs, real(f'exec {program("pg_dump")} "$@" --exclude-table=t'))
    refused(start_loser(pg_dump=path), "DROP TABLE t", "pg_dump left out table public.t")


def test_a_pg_dump_that_says_all_is_well_and_writes_nothing(start_loser: Callable[..., Loser], programs: Path) -> None:
    path = stand_in(programs, real("exit 0"))
    refused(start_loser(pg_dump=path), "DROP TABLE t", "pg_restore cannot read")


def test_too_late(start_loser: Callable[..., Loser], programs: Path) -> None:
    path = stand_in(programs, real("exec sleep 600"))
    refused(start_loser(pg_dump=path, timeout="1s"), "DROP TABLE t", "not done within 1.0 s")


def test_no_privilege(start_loser: Callable[..., Loser], postgres: PostgresServer) -> None:
    loser = start_loser(connection=connection(postgres, "snap_poor"))
    refused(loser, "DROP TABLE t", "permission denied for table t")


def test_row_security_that_hides_rows(start_loser: Callable[..., Loser], postgres: PostgresServer) -> None:
    loser = start_loser(connection=connection(postgres, "snap_poor"))
    setup = "CREATE TABLE t (id int); INSERT INTO t VALUES (1); GRANT SELECT ON t TO snap_poor; ALTER TABLE t ENABLE ROW LEVEL SECURITY"
    refused(loser, "DROP TABLE t", "row-level security policy", setup)


def test_no_server_for_the_snapshot(start_loser: Callable[..., Loser]) -> None:
    refused(start_loser(connection="host=127.0.0.1 port=1 user=postgres"), "DROP TABLE t", "Connection refused")


def test_another_server_than_the_clients(start_loser: Callable[..., Loser]) -> None:
    other = PostgresServer()
    try:
        other.start()
        loser = start_loser(connection=connection(other))
        other.execute(f'CREATE DATABASE "{loser.database}"')
        refused(loser, "DROP TABLE t", "leads to another server")
    finally:
        other.remove()


def test_a_folder_that_cannot_be_made(start_loser: Callable[..., Loser]) -> None:
    loser = start_loser(folder="holdfast.log/snapshots")
    with pytest.raises(errors.InsufficientPrivilege, match="cannot be made"):
        loser.execute("CREATE TABLE t (id int)")
        loser.lose("DROP TABLE t")
    assert loser.relations() == {"t"}


def test_no_space(postgres: PostgresServer, start_holdfast: StartHoldfast, production: str) -> None:
    """No file of the process and its children may have more than 100 kB; the trail has less."""
    holdfast = start_holdfast(
        rules=rules(), snapshots={"folder": "snapshots", "connection": connection(postgres)},
        prefix=["prlimit", "--fsize=102400:102400"],
    )  # fmt: skip
    loser = Loser(postgres, holdfast, production)
    setup = "CREATE EXTENSION pgcrypto; CREATE TABLE t AS SELECT gen_random_bytes(1000) FROM generate_series(1, 1000)"
    refused(loser, "DROP TABLE t", "pg_dump failed", setup)


def test_a_table_of_an_extension(start_loser: Callable[..., Loser]) -> None:
    loser = start_loser()
    loser.execute("CREATE EXTENSION hstore; CREATE TABLE t (id int); ALTER EXTENSION hstore ADD TABLE t")
    with pytest.raises(errors.InsufficientPrivilege, match="belongs to an extension"):
        loser.lose("DROP EXTENSION hstore CASCADE")
    assert loser.relations() == {"t"}


def test_what_would_go_is_not_known(start_loser: Callable[..., Loser]) -> None:
    refused(start_loser(), "CREATE TABLE x (a int); DROP TABLE t CASCADE", "not known for certain")


def test_what_would_go_is_not_known_and_so_everything_is_kept(start_loser: Callable[..., Loser]) -> None:
    loser = start_loser(unknown="database")
    loser.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE TABLE u (id int)")
    before = loser.dump()
    loser.lose("CREATE TABLE x (a int); DROP TABLE t CASCADE; DROP TABLE x")
    (snapshot,) = loser.snapshots()
    assert {table["name"] for table in snapshot["tables"]} == {"t", "u"}
    loser.run("restore", snapshot["id"], "--table", "t")
    assert loser.dump() == before


def test_a_whole_database(start_loser: Callable[..., Loser], postgres: PostgresServer) -> None:
    loser = start_loser()
    with postgres.database(f"snapgone{next(numbers)}") as other:
        with pytest.raises(errors.InsufficientPrivilege, match="not a whole database"):
            loser.lose(f"DROP DATABASE {other}")
        assert postgres.value(f"SELECT count(*) FROM pg_database WHERE datname = '{other}'") == 1


# The folder.


def test_a_changed_file_is_found_and_not_restored(loser: Loser) -> None:
    loser.execute("CREATE TABLE t (id int)")
    loser.lose("DROP TABLE t")
    (snapshot,) = loser.snapshots()
    archive = loser.folder / snapshot["id"] / "tables.dump"
    content = bytearray(archive.read_bytes())
    content[-1] ^= 1
    archive.write_bytes(content)
    found = loser.run("verify", snapshot["id"], check=False)
    assert found.returncode == 1 and "was changed" in found.stdout
    refused = loser.run("restore", snapshot["id"], check=False)
    assert refused.returncode == 1 and "was changed" in refused.stderr
    assert loser.relations() == set()


def test_only_the_newest_are_kept_but_none_of_the_last_hour_goes(start_loser: Callable[..., Loser]) -> None:
    loser = start_loser(keep_count=1)
    loser.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")
    loser.lose("DROP TABLE t")
    (old,) = loser.snapshots()
    manifest = loser.folder / old["id"] / "manifest.json"
    loser.lose("DROP TABLE u")
    assert len(loser.snapshots()) == 2
    aged = {**json.loads(manifest.read_text()), "taken_at": "2020-01-01T00:00:00Z"}
    manifest.write_text(json.dumps(aged))
    loser.execute("CREATE TABLE t (id int)")
    loser.lose("DROP TABLE t")
    eventually(lambda: old["id"] not in {snapshot["id"] for snapshot in loser.snapshots()}, what="the old one's end")
    (removed,) = loser.holdfast.trail.wait(event="snapshot", action="removed")
    assert removed["snapshot"] == old["id"] and "keep_count" in removed["text"]
    assert len(loser.snapshots()) == 2


def test_the_password_stands_in_no_argument(
    start_loser: Callable[..., Loser], programs: Path, postgres: PostgresServer
) -> None:
    said = programs / "said"
    path = stand_in(programs, real(f'echo "$@" >> {said}; exec {program("pg_dump")} "$@"'))
    loser = start_loser(pg_dump=path, connection=connection(postgres) + " password=very-secret")
    loser.execute("CREATE TABLE t (id int)")
    loser.lose("DROP TABLE t")
    assert len(said.read_text().splitlines()) == 2 and "secret" not in said.read_text()
    assert "secret" not in loser.holdfast.log_text()


def test_tags_and_databases(start_loser: Callable[..., Loser]) -> None:
    loser = start_loser(databases=["elsewhere_*"])
    loser.execute("CREATE TABLE t (id int)")
    loser.lose("DROP TABLE t")
    assert loser.snapshots() == []


def test_a_client_that_goes_away_meanwhile_loses_nothing(start_loser: Callable[..., Loser], programs: Path) -> None:
    go = programs / "go"
    path = stand_in(programs, real(f'while [ ! -e {go} ]; do sleep 0.05; done; exec {program("pg_dump")} "$@"'))
    loser = start_loser(pg_dump=path)
    loser.execute("CREATE TABLE t (id int)")
    session = loser.session()
    session.pgconn.send_query(b"DROP TABLE t")
    eventually(lambda: loser.leftovers(), what="the dump's beginning")
    session.close()
    # pg_dump never ends: it is ended.
    (failed,) = loser.holdfast.trail.wait(event="snapshot", action="failed")
    assert "its client left" in failed["text"]
    loser.holdfast.trail.wait(event="refusal")
    assert loser.relations() == {"t"} and loser.snapshots() == [] and loser.leftovers() == []


def test_a_statement_that_is_cancelled_meanwhile_loses_nothing(start_loser: Callable[..., Loser], programs: Path) -> None:
    go = programs / "go"
    path = stand_in(programs, real(f'while [ ! -e {go} ]; do sleep 0.05; done; exec {program("pg_dump")} "$@"'))
    loser = start_loser(pg_dump=path)
    loser.execute("CREATE TABLE t (id int)")
    with loser.session() as session:
        session.pgconn.send_query(b"DROP TABLE t")
        eventually(lambda: loser.leftovers(), what="the dump's beginning")
        session.cancel()
        result = session.pgconn.get_result()
        assert result and b"was cancelled" in result.error_message
        while session.pgconn.get_result():
            pass
        assert session.execute("SELECT 1").fetchone() == (1,)
        go.touch()
        session.execute("DROP TABLE t")
    assert loser.relations() == set() and len(loser.snapshots()) == 1


def test_other_sessions_go_on_meanwhile(start_loser: Callable[..., Loser], programs: Path) -> None:
    go = programs / "go"
    path = stand_in(programs, real(f'while [ ! -e {go} ]; do sleep 0.05; done; exec {program("pg_dump")} "$@"'))
    loser = start_loser(pg_dump=path)
    loser.execute("CREATE TABLE t (id int)")
    with loser.session() as waiting, loser.session() as other:
        waiting.pgconn.send_query(b"DROP TABLE t")
        eventually(lambda: loser.leftovers(), what="the dump's beginning")
        assert other.execute("SELECT count(*) FROM t").fetchone() == (0,)
        go.touch()
        result = waiting.pgconn.get_result()
        assert result and result.command_status == b"DROP TABLE"
        assert waiting.pgconn.get_result() is None
    assert loser.relations() == set()


def slow(programs: Path) -> tuple[str, Path]:
    """A pg_dump that begins when a file is there."""
    go = programs / "go"
    return stand_in(programs, real(f'while [ ! -e {go} ]; do sleep 0.05; done; exec {program("pg_dump")} "$@"')), go


def test_holdfast_ends_while_a_statement_waits(
    postgres: PostgresServer, roles: None, start_holdfast: StartHoldfast, production: str, programs: Path
) -> None:
    path, _ = slow(programs)
    holdfast = start_holdfast(
        rules=rules(), top={"drain_timeout": "500ms"},
        snapshots={"folder": "snapshots", "connection": connection(postgres), "pg_dump": path},
    )  # fmt: skip
    loser = Loser(postgres, holdfast, production)
    loser.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
    before = loser.dump()
    with WireClient(holdfast.host, holdfast.port).login(production) as client:
        client.send(query("DROP TABLE t"))
        eventually(lambda: loser.leftovers(), what="the dump's beginning")
        holdfast.stop()
        assert "C" not in {message.kind for message in client.rest()}
    assert loser.dump() == before and loser.snapshots() == [] and loser.leftovers() == []
    (failed,) = holdfast.trail.wait(event="snapshot", action="failed")
    assert "shutting down" in failed["text"] or "its client left" in failed["text"]
    assert holdfast.trail.records(event="intent", command="DROP TABLE") == []


def test_a_statement_ends_within_the_drain_when_its_snapshot_does(
    postgres: PostgresServer, roles: None, start_holdfast: StartHoldfast, production: str, programs: Path
) -> None:
    path, go = slow(programs)
    holdfast = start_holdfast(
        rules=rules(), snapshots={"folder": "snapshots", "connection": connection(postgres), "pg_dump": path}
    )
    loser = Loser(postgres, holdfast, production)
    loser.execute("CREATE TABLE t (id int)")
    with WireClient(holdfast.host, holdfast.port).login(production) as client, ThreadPoolExecutor(1) as pool:
        client.send(query("DROP TABLE t"))
        eventually(lambda: loser.leftovers(), what="the dump's beginning")
        ended = pool.submit(holdfast.stop)
        eventually(lambda: "draining" in holdfast.log_text(), what="the drain")
        go.touch()
        assert [str(message) for message in client.until("Z")] == ["C(DROP TABLE)", "ZI"]
        ended.result()
    assert loser.relations() == set() and len(loser.snapshots()) == 1


@pytest.mark.parametrize("is_taken", [True, False])
def test_rows_of_copy_that_came_before_and_requests_that_come_behind(
    start_loser: Callable[..., Loser], programs: Path, is_taken: bool
) -> None:
    """All in one packet: COPY with its rows, the loss, and what is pipelined behind it."""
    path, go = slow(programs) if is_taken else ("/nowhere/pg_dump", programs)
    loser = start_loser(pg_dump=path)
    loser.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")
    rows = [copy_data(f"{n}\n".encode() * 100) for n in range(200)]
    with WireClient(loser.holdfast.host, loser.holdfast.port).login(loser.database) as client:
        client.send(
            query("COPY t FROM STDIN"), *rows, COPY_DONE, query("DROP TABLE t"),
            query("COPY u FROM STDIN"), *rows, COPY_DONE,
            parse("SELECT count(*)::int FROM u"), bind(), execute(), SYNC, query("SELECT 'end'"),
        )  # fmt: skip
        if is_taken:
            eventually(lambda: loser.leftovers(), what="the dump's beginning")
            assert [str(message) for message in client.until("Z")] == ["G", "C(COPY 20000)", "ZI"]
            assert client.is_quiet()
            go.touch()
        else:
            client.until("Z")
        answers = client.until("Z", 4)
        lost = "C(DROP TABLE)" if is_taken else "E(42501)"
        said = [str(message) for message in answers]
        assert said[:7] == [lost, "ZI", "G", "C(COPY 20000)", "ZI", "1", "2"]
        assert [message.values for message in answers if message.kind == "D"] == [["20000"], ["end"]]
        assert client.is_quiet()
    assert ("t" in loser.relations()) is not is_taken
    if is_taken:
        loser.run("restore", loser.snapshots()[0]["id"])
    assert loser.postgres.value("SELECT count(*) FROM t", loser.database) == 20000


def test_a_pipeline_stops_at_a_loss_that_has_no_snapshot(start_loser: Callable[..., Loser]) -> None:
    loser = start_loser(pg_dump="/nowhere/pg_dump")
    loser.execute("CREATE TABLE t (id int); CREATE TABLE u (id int)")
    with WireClient(loser.holdfast.host, loser.holdfast.port).login(loser.database) as client:
        pipeline = [
            part
            for sql in ("INSERT INTO u VALUES (1)", "DROP TABLE t", "INSERT INTO u VALUES (2)")
            for part in (parse(sql), bind(), execute())
        ]
        answers = client.ask(*pipeline, SYNC)
        assert [str(message) for message in answers if message.kind in "CEZ"] == ["C(INSERT 0 1)", "E(42501)", "ZI"]
        # The implicit transaction is gone as a whole.
        assert [message.values for message in client.ask(query("SELECT count(*) FROM u")) if message.kind == "D"] == [["0"]]
    assert loser.relations() == {"t", "u"}


def test_holdfast_does_not_start_without_a_way_to_take_snapshots(tmp_path: Path) -> None:
    configuration = tmp_path / "proxy.conf"
    configuration.write_text('server = "127.0.0.1:5432"\n[snapshots]\nfolder = "snapshots"\n')
    checked = command("check", "--config", configuration, check=False)
    assert checked.returncode == 1 and "3:10" in checked.stderr and "no connection takes the snapshots" in checked.stderr
