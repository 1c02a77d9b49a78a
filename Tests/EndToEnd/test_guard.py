"""The second wall: what the guard in the database refuses, and what it lets pass."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import errors

from support.guard import GRANTER, OWNER, Guard, create_roles
from support.postgres import PostgresServer
from support.programs import eventually

TABLES = f"""
CREATE SCHEMA shop AUTHORIZATION {OWNER};
SET ROLE {OWNER};
CREATE TABLE shop.orders (id serial PRIMARY KEY, total int, note text);
INSERT INTO shop.orders (total, note) SELECT n, 'note ' || n FROM generate_series(1, 100) n;
CREATE TABLE shop.lines (order_id int REFERENCES shop.orders, item text);
INSERT INTO shop.lines SELECT n, 'item' FROM generate_series(1, 10) n;
CREATE TABLE shop.events (at date, what text) PARTITION BY RANGE (at);
CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE shop.events_2 PARTITION OF shop.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO shop.events VALUES ('2026-01-05', 'a'), ('2026-02-05', 'b');
CREATE TABLE shop.base (id int);
CREATE TABLE shop.derived (extra int) INHERITS (shop.base);
INSERT INTO shop.derived VALUES (1, 2);
CREATE MATERIALIZED VIEW shop.totals AS SELECT count(id) FROM shop.orders;
CREATE TYPE shop.kind AS ENUM ('a', 'b');
CREATE TYPE shop.pair AS (x int, y int);
CREATE TABLE shop.typed OF shop.pair;
CREATE TABLE shop.kinds (id int, kind shop.kind);
INSERT INTO shop.kinds VALUES (1, 'a');
CREATE FOREIGN DATA WRAPPER shop_nothing;
CREATE SERVER shop_elsewhere FOREIGN DATA WRAPPER shop_nothing;
CREATE FOREIGN TABLE shop.remote (id int) SERVER shop_elsewhere;
"""


@pytest.fixture
def plain(postgres: PostgresServer, production: str) -> Guard:
    """A database with tables of an ordinary role, and no guard."""
    create_roles(postgres)
    first, last = TABLES.split("CREATE FOREIGN DATA WRAPPER")
    postgres.execute(first, production)
    postgres.execute(
        f"CREATE FOREIGN DATA WRAPPER{last}; ALTER FOREIGN TABLE shop.remote OWNER TO {OWNER};"
        f"GRANT CREATE ON DATABASE {production} TO {OWNER}; GRANT CREATE ON SCHEMA public TO {OWNER}",
        production,
    )
    return Guard(postgres, production)


@pytest.fixture
def guard(plain: Guard) -> Iterator[Guard]:
    """The same with the guard; whole when the test is over."""
    plain.run("install", "--role", GRANTER)
    yield plain
    plain.assert_whole()


LOSSES = [
    # What, and how the refusal names it.
    ("DROP TABLE shop.lines", "DROP TABLE shop.lines"),
    ("DROP TABLE shop.orders CASCADE", "shop.orders and 1 more"),
    ("DROP TABLE IF EXISTS shop.lines, shop.kinds", "shop.kinds and 1 more"),
    ("DROP TABLE shop.events_1", "shop.events_1"),
    ("DROP TABLE shop.events", "shop.events and 2 more"),
    ("DROP SCHEMA shop CASCADE", "DROP SCHEMA"),
    (f"DROP OWNED BY {OWNER}", "DROP OWNED"),
    ("DROP MATERIALIZED VIEW shop.totals", "shop.totals"),
    ("DROP FOREIGN TABLE shop.remote", "shop.remote"),
    ("DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE shop.lines'; END $$", "shop.lines"),
    ("DROP TYPE shop.pair CASCADE", "shop.typed"),
    ("DROP TYPE shop.kind CASCADE", "shop.kinds.kind"),
    ("ALTER TYPE shop.pair DROP ATTRIBUTE x CASCADE", "shop.typed.x"),
    ("ALTER TABLE shop.orders DROP COLUMN note", "shop.orders.note"),
    ("ALTER TABLE shop.base DROP COLUMN id", "shop.base.id and 1 more"),
    ("TRUNCATE shop.lines", "TRUNCATE shop.lines"),
    ("TRUNCATE shop.orders CASCADE", "TRUNCATE"),
    ("TRUNCATE shop.events", "shop.events_1"),
    ("TRUNCATE shop.base", "shop.derived"),
    ("ALTER TABLE shop.orders RENAME TO gone", "shop.orders"),
    ("ALTER VIEW shop.orders RENAME TO gone", None),
    ("ALTER INDEX shop.orders RENAME TO gone", None),
    ("ALTER TABLE shop.orders SET SCHEMA public", "shop.orders"),
    ("ALTER SCHEMA shop RENAME TO gone", "ALTER SCHEMA"),
    ("ALTER MATERIALIZED VIEW shop.totals RENAME TO gone", "shop.totals"),
    ("ALTER FOREIGN TABLE shop.remote RENAME TO gone", "shop.remote"),
    ("ALTER TABLE shop.events DETACH PARTITION shop.events_1", "shop.events_1"),
    ("ALTER TABLE shop.events DETACH PARTITION shop.events_1 CONCURRENTLY", "DETACH PARTITION"),
    ("ALTER TABLE shop.events DETACH/**/PARTITION shop.events_1\nconcurrently", "DETACH PARTITION"),
    ("ALTER TABLE shop.derived NO INHERIT shop.base", "shop.derived"),
    ("ALTER TABLE shop.orders ALTER note TYPE int USING 0", "shop.orders"),
    ("ALTER TABLE shop.orders ALTER note TYPE text COLLATE \"C\" USING ''", "shop.orders"),
    ("ALTER TABLE shop.orders ALTER note TYPE varchar(3) USING note::varchar(3)", "shop.orders"),
    ("CREATE RULE sink AS ON INSERT TO shop.orders DO INSTEAD NOTHING", "sink on shop.orders"),
]


@pytest.mark.parametrize("statement, named", LOSSES, ids=[statement for statement, _ in LOSSES])
def test_a_loss_without_a_grant_is_refused_and_changes_nothing(
    guard: Guard, statement: str, named: str | None
) -> None:
    before = guard.log()
    if named is None:
        # Refused by the guard, or by a server that does not take a table for a view.
        with guard.session() as session, pytest.raises((errors.InsufficientPrivilege, errors.WrongObjectType)):
            session.execute(statement)
    else:
        guard.refuses(statement, named)
    assert guard.value("SELECT count(*) FROM shop.orders") == 100
    assert guard.value("SELECT count(*) FROM shop.events") == 2
    assert guard.value("SELECT count(*) FROM shop.base") == 1
    assert guard.log() == before


def test_a_loss_is_refused_to_a_superuser_and_in_replica_mode_too(guard: Guard) -> None:
    with guard.session("postgres") as session:
        session.execute("SET session_replication_role = replica; SET row_security = off")
        for statement in ("DROP TABLE shop.lines", "TRUNCATE shop.lines", "ALTER TABLE shop.lines RENAME TO gone"):
            with guard.refusing("shop.lines"):
                session.execute(statement)


def test_a_refusal_says_what_would_be_lost_for_whom_and_what_to_do(guard: Guard) -> None:
    with guard.session(application_name="nightly job") as session:
        with pytest.raises(errors.InsufficientPrivilege) as refusal:
            session.execute("DROP TABLE shop.lines")
    told = refusal.value.diag
    assert told.message_primary == "holdfast guard refused DROP TABLE shop.lines: no grant covers it"
    assert OWNER in told.message_detail and "nightly job" in told.message_detail
    assert "Holdfast proxy" in told.message_hint and "guard remove" in told.message_hint


PASSING = [
    "CREATE TEMP TABLE t (a int); ALTER TABLE t RENAME TO u; ALTER TABLE u DROP COLUMN a; TRUNCATE u; DROP TABLE u",
    "CREATE TEMP TABLE orders (a int); INSERT INTO orders VALUES (1); TRUNCATE orders; DROP TABLE orders",
    "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
    "BEGIN; CREATE TABLE shop.n (a int); INSERT INTO shop.n VALUES (1); TRUNCATE shop.n; DROP TABLE shop.n; COMMIT",
    "BEGIN; CREATE TABLE shop.n (a int); ALTER TABLE shop.n RENAME TO m; ALTER TABLE shop.m DROP COLUMN a; COMMIT",
    "CREATE TABLE shop.empty (a int)",
    "CREATE TABLE shop.copy AS TABLE shop.orders",
    "SELECT * INTO shop.copy2 FROM shop.orders",
    "CREATE TABLE shop.likeness (LIKE shop.orders INCLUDING ALL)",
    "CREATE TABLE shop.events_3 PARTITION OF shop.events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')",
    "CREATE TABLE shop.e4 (at date, what text);"
    "ALTER TABLE shop.events ATTACH PARTITION shop.e4 FOR VALUES FROM ('2026-04-01') TO ('2026-05-01')",
    "CREATE SCHEMA more CREATE TABLE inner_table (a int); DROP VIEW IF EXISTS more.v",
    "CREATE SCHEMA hollow; DROP SCHEMA hollow",
    "ALTER TABLE shop.orders ADD COLUMN extra int DEFAULT random() * 10",
    "ALTER TABLE shop.orders ALTER total TYPE bigint",
    "ALTER TABLE shop.orders ALTER total TYPE bigint USING total::bigint",
    "ALTER TABLE shop.orders ALTER note TYPE varchar; ALTER TABLE shop.orders ALTER note TYPE text",
    "ALTER TABLE shop.orders RENAME COLUMN total TO amount",
    "ALTER TABLE shop.kinds SET UNLOGGED; ALTER TABLE shop.kinds SET LOGGED",
    "ALTER TABLE shop.lines DROP CONSTRAINT lines_order_id_fkey",
    "CREATE INDEX CONCURRENTLY by_total ON shop.orders (total)",
    "CREATE INDEX by_note ON shop.orders (note); DROP INDEX shop.by_note",
    "CREATE VIEW shop.v AS TABLE shop.orders; ALTER VIEW shop.v RENAME TO w; DROP VIEW shop.w",
    "REFRESH MATERIALIZED VIEW shop.totals",
    "CREATE RULE shield AS ON DELETE TO shop.orders DO INSTEAD NOTHING",
    "CREATE SEQUENCE shop.s; DROP SEQUENCE shop.s",
    "CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION shop.f()",
    "DELETE FROM shop.lines WHERE item = 'none'; UPDATE shop.lines SET item = item",
    "REINDEX TABLE shop.orders; CLUSTER shop.orders USING orders_pkey",
    "GRANT SELECT ON ALL TABLES IN SCHEMA shop TO PUBLIC; ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO PUBLIC",
    "COMMENT ON TABLE shop.orders IS 'kept'; COMMENT ON COLUMN shop.orders.note IS 'kept'",
    "ALTER TABLE shop.lines ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON shop.lines USING (true); DROP POLICY p ON shop.lines",
]  # fmt: skip


@pytest.mark.parametrize("script", PASSING)
def test_what_loses_nothing_passes(guard: Guard, script: str) -> None:
    with guard.session() as session:
        for statement in script.split(";"):
            session.execute(statement)
    assert guard.status()["tables_without_trigger"] == []


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_ordinary_ddl_passes_in_every_isolation_level(guard: Guard, isolation: str) -> None:
    with guard.session() as session:
        session.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        session.execute("SELECT count(*) FROM shop.orders")
        session.execute("CREATE TABLE shop.fresh (a int)")
        session.execute("ALTER TABLE shop.fresh ADD COLUMN b int")
        session.execute("ALTER TABLE shop.orders ADD COLUMN c int")
        session.execute("DROP TABLE shop.fresh")
        session.execute("COMMIT")


def test_vacuum_full_and_autovacuum_pass(guard: Guard) -> None:
    for table in ("shop.orders", "shop.events"):
        guard.execute(f"VACUUM FULL {table}")
        guard.execute(f"VACUUM ANALYZE {table}")


# MARK: - Attempts


ATTEMPTS = [
    "SET holdfast.granted = 'a-1'",
    "SET search_path = pg_temp, shop; CREATE TEMP TABLE guarded (relation oid); CREATE TEMP TABLE pg_locks (a int)",
    "CREATE FUNCTION pg_temp.permit(text, oid[], text[], text) RETURNS text LANGUAGE sql AS 'SELECT ''a''::text'",
    "CREATE SCHEMA mine; CREATE FUNCTION mine.equal(oid, oid) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
    "CREATE OPERATOR mine.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = mine.equal); SET search_path = mine, pg_catalog",
    "CREATE TEMP TABLE pg_class (oid oid, relkind \"char\"); SET search_path = pg_temp, pg_catalog",
    "ALTER TABLE shop.kinds DISABLE TRIGGER ALL",
    "ALTER TABLE shop.kinds DISABLE TRIGGER USER",
    "ALTER TABLE shop.kinds ENABLE TRIGGER ALL",
    "SELECT pg_advisory_lock(pg_backend_pid(), 7), pg_advisory_lock(7::bigint << 32)",
    "SET statement_timeout = 0; SET standard_conforming_strings = off; SET transform_null_equals = on",
    "SET default_transaction_isolation = 'serializable'; SET plan_cache_mode = force_generic_plan",
    "SET quote_all_identifiers = on; SET DateStyle = 'SQL, DMY'; SET IntervalStyle = sql_standard; SET TimeZone = 'Asia/Tokyo'",
]  # fmt: skip


@pytest.mark.parametrize("preparation", ATTEMPTS)
def test_an_owner_of_tables_cannot_get_around_the_guard(guard: Guard, preparation: str) -> None:
    with guard.session() as session:
        for statement in preparation.split(";"):
            session.execute(statement)
        for loss in ("TRUNCATE shop.kinds", "DROP TABLE shop.kinds", "ALTER TABLE shop.kinds RENAME TO gone"):
            with guard.refusing("kinds"):
                session.execute(loss)
    assert guard.value("SELECT count(*) FROM shop.kinds") == 1


FORBIDDEN = [
    "SELECT holdfast.open_grant(pg_backend_pid(), NULL, 'a')",
    "SELECT holdfast.close_grant('a')",
    "SELECT holdfast.adopt_all()",
    "SELECT holdfast.permit('x', NULL, NULL, 'y')",
    "SELECT holdfast.claim(1, 'a')",
    "SELECT * FROM holdfast.grants()",
    "SELECT * FROM holdfast.ddl",
    "INSERT INTO holdfast.ddl (phase, tag) VALUES ('command', 'x')",
    "DELETE FROM holdfast.ddl",
    "UPDATE holdfast.guard SET keeps_columns = false",
    "DELETE FROM holdfast.guarded",
    "INSERT INTO holdfast.exempt VALUES ('*.*', '.*', '.*')",
    "INSERT INTO holdfast.grant_use VALUES (1, 'a')",
    "SELECT nextval('holdfast.grant_number')",
    "CREATE TABLE holdfast.mine (a int)",
    "CREATE OR REPLACE FUNCTION holdfast.keep_rows() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "ALTER FUNCTION holdfast.keep_rows() RENAME TO other",
    "ALTER FUNCTION holdfast.permit(text, oid[], text[], text) SET search_path = public",
    "DROP FUNCTION holdfast.keep_rows() CASCADE",
    "DROP SCHEMA holdfast CASCADE",
    "ALTER SCHEMA holdfast RENAME TO gone",
    "ALTER EVENT TRIGGER holdfast_drop DISABLE",
    "DROP EVENT TRIGGER holdfast_drop",
    "CREATE EVENT TRIGGER mine ON sql_drop EXECUTE FUNCTION holdfast.on_drop()",
    "SET session_replication_role = replica",
    "CREATE TRIGGER mine BEFORE TRUNCATE ON shop.lines EXECUTE FUNCTION holdfast.keep_rows()",
    "UPDATE pg_trigger SET tgenabled = 'D'",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_an_ordinary_role_may_not_touch_the_guard(guard: Guard, statement: str) -> None:
    with guard.session() as session, pytest.raises((errors.InsufficientPrivilege, errors.InvalidSchemaName)):
        session.execute(statement)


def trigger_of(guard: Guard, table: str) -> str:
    return guard.value(
        f"SELECT tgname FROM pg_trigger WHERE tgrelid = '{table}'::regclass "
        "AND tgfoid = 'holdfast.keep_rows()'::regprocedure"
    )


def test_the_trigger_on_a_table_cannot_be_dropped_and_survives_being_replaced_or_renamed(guard: Guard) -> None:
    name = trigger_of(guard, "shop.lines")
    guard.refuses(f"DROP TRIGGER {name} ON shop.lines", "shop.lines", "trigger")
    guard.execute("CREATE FUNCTION shop.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    guard.execute(f"CREATE OR REPLACE TRIGGER {name} BEFORE TRUNCATE ON shop.lines EXECUTE FUNCTION shop.f()")
    guard.refuses("TRUNCATE shop.lines", "shop.lines")
    guard.execute(f"ALTER TRIGGER {trigger_of(guard, 'shop.kinds')} ON shop.kinds RENAME TO other")
    guard.refuses("DROP TRIGGER other ON shop.kinds", "shop.kinds")
    guard.refuses("TRUNCATE shop.kinds", "shop.kinds")


def test_a_trigger_tied_to_an_extension_does_not_go_with_it(guard: Guard) -> None:
    guard.execute(f"CREATE EXTENSION citext SCHEMA public; ALTER TABLE shop.lines OWNER TO postgres", "postgres")
    guard.execute(
        f"ALTER TRIGGER {trigger_of(guard, 'shop.lines')} ON shop.lines DEPENDS ON EXTENSION citext", "postgres"
    )
    guard.refuses("DROP EXTENSION citext", "shop.lines", user="postgres")


def test_security_definer_functions_and_rules_of_others_give_nobody_more(guard: Guard) -> None:
    guard.execute(
        "CREATE FUNCTION shop.wipe() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS "
        "'BEGIN TRUNCATE shop.lines; END';"
        "CREATE FUNCTION shop.wreck() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS "
        "'BEGIN DROP TABLE shop.lines; RETURN 1; END'",
        "postgres",
    )
    guard.refuses("SELECT shop.wipe()", "shop.lines")
    guard.refuses("SELECT shop.wreck()", "shop.lines")


# MARK: - Choices


def test_exempt_tables_are_not_guarded_and_nothing_guarded_can_move_there(plain: Guard) -> None:
    plain.run("install", "--exempt", "scratch.*", "--exempt", "shop.tmp_?")
    plain.execute("CREATE SCHEMA scratch; CREATE TABLE scratch.a (x int); INSERT INTO scratch.a VALUES (1)")
    plain.execute("CREATE TABLE shop.tmp_1 (x int); INSERT INTO shop.tmp_1 VALUES (1)")
    plain.refuses("ALTER TABLE shop.lines SET SCHEMA scratch", "shop.lines")
    plain.refuses("ALTER TABLE shop.lines RENAME TO tmp_2", "shop.lines")
    plain.execute("TRUNCATE scratch.a; ALTER TABLE scratch.a RENAME TO b; DROP TABLE scratch.b; DROP SCHEMA scratch")
    plain.execute("TRUNCATE shop.tmp_1; DROP TABLE shop.tmp_1")
    assert plain.status()["exempt"] == ["scratch.*", "shop.tmp_?"]
    plain.run("upgrade", "--exempt", "shop.lines")
    plain.execute("TRUNCATE shop.lines; DROP TABLE shop.lines")
    plain.assert_whole()


def test_columns_and_values_can_be_left_to_the_applications(plain: Guard) -> None:
    plain.run("install", "--columns", "off", "--rewrites", "off")
    plain.execute("ALTER TABLE shop.orders ALTER note TYPE int USING 0; ALTER TABLE shop.orders DROP COLUMN note")
    plain.execute("DROP TYPE shop.kind CASCADE")
    plain.refuses("DROP TABLE shop.lines", "shop.lines")
    plain.run("upgrade", "--columns", "on")
    plain.refuses("ALTER TABLE shop.orders DROP COLUMN total", "shop.orders.total")
    status = plain.status()
    assert (status["keeps_columns"], status["keeps_values"]) == (True, False)


# MARK: - Grants


def test_a_grant_lets_its_backend_lose_the_named_tables_in_one_transaction(guard: Guard) -> None:
    with guard.session() as session, guard.grants() as granter:
        granter.open(session, "shop.lines", "shop.totals", audit_id="id-7")
        with guard.refusing("shop.kinds"):
            session.execute("DROP TABLE shop.kinds")
        session.execute("BEGIN; TRUNCATE shop.lines; DROP TABLE shop.lines; COMMIT")
        with guard.refusing("shop.totals", "used by another transaction"):
            session.execute("DROP MATERIALIZED VIEW shop.totals")
        assert granter.close("id-7") == 1
        assert granter.close("id-7") == 0
        with guard.refusing("shop.totals", "no grant covers it"):
            session.execute("DROP MATERIALIZED VIEW shop.totals")
    used = guard.log("audit_id IS NOT NULL")
    assert used == [
        ("truncate", "TRUNCATE TABLE", "table", "shop.lines", True, "id-7"),
        ("drop", "DROP TABLE", "table", "shop.lines", True, "id-7"),
    ]


GRANTED = [
    ("DROP TABLE shop.orders CASCADE", ["shop.orders", "shop.totals"]),
    ("ALTER TABLE shop.orders DROP COLUMN note", ["shop.orders"]),
    ("ALTER TABLE shop.orders RENAME TO gone", ["shop.orders"]),
    ("ALTER TABLE shop.orders SET SCHEMA public", ["shop.orders"]),
    ("ALTER TABLE shop.orders ALTER note TYPE int USING 0", ["shop.orders"]),
    ("ALTER TABLE shop.events DETACH PARTITION shop.events_1", ["shop.events_1"]),
    ("ALTER TABLE shop.events DETACH PARTITION shop.events_1", ["shop.events"]),
    ("ALTER TABLE shop.events DETACH PARTITION shop.events_1 CONCURRENTLY", ["shop.events"]),
    ("ALTER TABLE shop.derived NO INHERIT shop.base", ["shop.base"]),
    ("TRUNCATE shop.events", ["shop.events"]),
    ("DROP TABLE shop.events", ["shop.events"]),
    ("CREATE RULE sink AS ON INSERT TO shop.orders DO INSTEAD NOTHING", ["shop.orders"]),
    ("ALTER SCHEMA shop RENAME TO gone", []),
    ("DROP SCHEMA shop CASCADE", []),
    (f"DROP OWNED BY {OWNER} CASCADE", []),
]


@pytest.mark.parametrize("statement, tables", GRANTED, ids=[statement for statement, _ in GRANTED])
def test_every_loss_passes_with_a_grant_and_the_log_names_the_grant(
    guard: Guard, statement: str, tables: list[str]
) -> None:
    with guard.session() as session, guard.grants() as granter:
        granter.open(session, *tables, audit_id="id-9")
        session.execute(statement)
    assert "id-9" in {row[-1] for row in guard.log()}


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_a_grant_works_in_a_transaction_whose_snapshot_and_memory_are_older(guard: Guard, isolation: str) -> None:
    with guard.session() as session:
        session.execute(f"BEGIN ISOLATION LEVEL {isolation}")
        session.execute("SELECT count(*) FROM shop.kinds")
        session.execute("SET LOCAL stats_fetch_consistency = snapshot; SELECT count(*) FROM pg_stat_activity")
        with guard.grants() as granter:
            granter.open(session, "shop.lines", audit_id="id-3")
            session.execute("DROP TABLE shop.lines")
            session.execute("COMMIT")
    assert guard.value("SELECT to_regclass('shop.lines')") is None
    assert guard.log("audit_id = 'id-3'") == [("drop", "DROP TABLE", "table", "shop.lines", True, "id-3")]


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_second_transaction_is_refused_whatever_its_isolation(guard: Guard, isolation: str) -> None:
    with guard.session() as session, guard.grants() as granter:
        granter.open(session)
        session.execute("TRUNCATE shop.lines")
        session.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT count(*) FROM shop.kinds")
        with guard.refusing("used by another transaction"):
            session.execute("DROP TABLE shop.kinds")
        session.execute("ROLLBACK")


def test_what_is_rolled_back_has_not_used_the_grant(guard: Guard) -> None:
    with guard.session() as session, guard.grants() as granter:
        granter.open(session, "shop.lines")
        session.execute("BEGIN; DROP TABLE shop.lines; ROLLBACK")
        session.execute("BEGIN; SAVEPOINT s; DROP TABLE shop.lines; ROLLBACK TO s; TRUNCATE shop.lines; COMMIT")
        with guard.refusing("used by another transaction"):
            session.execute("DROP TABLE shop.lines")
    assert [row[0] for row in guard.log("audit_id IS NOT NULL")] == ["truncate"]


def test_a_prepared_transaction_keeps_its_grant_and_blocks_nobody(guard: Guard) -> None:
    with guard.session() as session, guard.grants() as granter:
        granter.open(session)
        session.execute("BEGIN; DROP TABLE shop.lines; PREPARE TRANSACTION 'two'")
        with guard.refusing("used by another transaction"):
            session.execute("DROP TABLE shop.kinds")
        session.execute("COMMIT PREPARED 'two'")
        with guard.refusing("used by another transaction"):
            session.execute("DROP TABLE shop.kinds")
    assert guard.value("SELECT to_regclass('shop.lines')") is None


def test_a_grant_is_for_one_backend_only(guard: Guard) -> None:
    with guard.session() as session, guard.session() as other, guard.grants() as granter:
        granter.open(session)
        with guard.refusing("no grant covers it"):
            other.execute("DROP TABLE shop.lines")
        session.execute("DROP TABLE shop.lines")


def test_a_grant_ends_with_the_connection_that_opened_it(guard: Guard) -> None:
    with guard.session() as session:
        with guard.grants() as granter:
            granter.open(session)
            pid = granter.session.info.backend_pid
            guard.postgres.execute(f"SELECT pg_terminate_backend({pid})")
            eventually(lambda: guard.value(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == 0)
        with guard.refusing("no grant covers it"):
            session.execute("DROP TABLE shop.lines")
    assert guard.status()["open_grants"] == []


def test_locks_that_another_role_takes_are_no_grant(guard: Guard) -> None:
    """The very locks of a grant, copied one by one by somebody else."""
    with guard.session() as session, guard.session() as forger, guard.grants() as granter:
        granter.open(session)
        locks = guard.postgres.rows(
            "SELECT classid::bigint, objid::bigint, objsubid FROM pg_locks "
            f"WHERE locktype = 'advisory' AND pid = {granter.session.info.backend_pid}",
            guard.database,
        )
        granter.close()
        for holder in (session, forger):
            for high, low, part in locks:
                if part == 2:
                    holder.execute("SELECT pg_advisory_lock_shared(%s::int, %s::int)", (high, low))
                else:
                    holder.execute("SELECT pg_advisory_lock_shared(%s::bigint << 32 | %s::bigint)", (high, low))
        with guard.refusing("no grant covers it"):
            session.execute("DROP TABLE shop.lines")
        forger.execute(f"SET application_name = 'holdfast gateway'")
        with guard.refusing("no grant covers it"):
            session.execute("DROP TABLE shop.lines")
        # Nor can they keep the next grant from being opened.
        granter.open(session, audit_id="next")
        session.execute("DROP TABLE shop.lines")


def test_a_set_role_does_not_make_a_granter(guard: Guard) -> None:
    guard.execute(f"GRANT {OWNER} TO {GRANTER}", "postgres")
    try:
        with guard.session() as session, guard.session(GRANTER) as granting:
            granting.execute(f"SET ROLE {OWNER}")
            with pytest.raises(errors.InsufficientPrivilege):
                granting.execute("SELECT holdfast.open_grant(%s, NULL, 'a')", (session.info.backend_pid,))
    finally:
        guard.execute(f"REVOKE {OWNER} FROM {GRANTER}", "postgres")


def test_grants_are_refused_where_they_make_no_sense(guard: Guard) -> None:
    with guard.session() as session, guard.grants() as granter, guard.postgres.connect() as elsewhere:
        background = guard.value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
        for backend in (0, -1, 2_000_000_000, background, elsewhere.info.backend_pid, granter.session.info.backend_pid):
            with pytest.raises(errors.InvalidParameterValue):
                granter.open_for(backend, None)
        for oids, audit_id in (([], "a"), ([0], "a"), ([None], "a"), (None, ""), (None, "x" * 201)):
            with pytest.raises(errors.InvalidParameterValue):
                granter.open_for(session.info.backend_pid, oids, audit_id)
        assert guard.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


@pytest.mark.parametrize("audit_id", ["a", "7f3a9c1e00112233-42", "x" * 200, "mit Umläuten äöü", "two words"])
def test_an_audit_id_comes_back_from_the_locks_as_it_was(guard: Guard, audit_id: str) -> None:
    with guard.session() as session, guard.grants() as granter:
        granter.open(session, "shop.lines", "shop.kinds", audit_id=audit_id)
        grant = guard.status()["open_grants"][0]
        assert grant["audit_id"] == audit_id
        assert sorted(grant["tables"]) == ["shop.kinds", "shop.lines"]
        assert grant["backend"] == session.info.backend_pid
        assert granter.close(audit_id) == 1


def test_a_grant_for_many_tables_fits(guard: Guard) -> None:
    guard.execute("".join(f"CREATE TABLE shop.many_{n} (a int);" for n in range(300)))
    with guard.session() as session, guard.grants() as granter:
        granter.open(session, *(f"shop.many_{n}" for n in range(300)))
        session.execute("DROP TABLE " + ", ".join(f"shop.many_{n}" for n in range(300)))
        granter.close()
    assert guard.value("SELECT count(*) FROM holdfast.ddl WHERE audit_id = 'a-1'") == 300


# MARK: - The log


def test_the_log_tells_who_did_what_from_where(guard: Guard) -> None:
    with guard.session(application_name="psql of Ann") as session:
        session.execute("BEGIN; CREATE TABLE shop.noted (id serial PRIMARY KEY)")
        transaction = session.execute("SELECT pg_current_xact_id()::text").fetchone()[0]
        session.execute("COMMIT; CREATE TEMP TABLE unnoted (a int)")
        rows = guard.postgres.rows(
            "SELECT session_user_name, application_name, host(client_addr), client_port, backend_pid, "
            "transaction::text, phase, tag, object_type, schema_name, object_identity, object_oid, original, "
            "in_extension, audit_id, at > now() - interval '1 minute', backend_start = "
            f"(SELECT a.backend_start FROM pg_stat_activity a WHERE a.pid = {session.info.backend_pid}) "
            "FROM holdfast.ddl WHERE object_type = 'table'",
            guard.database,
        )
        oid = guard.value("SELECT 'shop.noted'::regclass::oid::bigint")
        assert len(rows) == 1
        port = rows[0][3]
        assert rows[0] == (
            OWNER, "psql of Ann", "127.0.0.1", port, session.info.backend_pid, transaction, "command", "CREATE TABLE",
            "table", "shop", "shop.noted", oid, True, False, None, True, True,
        )  # fmt: skip
    assert [row[1:4] for row in guard.log()] == [
        ("CREATE SEQUENCE", "sequence", "shop.noted_id_seq"),
        ("CREATE TABLE", "table", "shop.noted"),
        ("CREATE INDEX", "index", "shop.noted_pkey"),
        ("ALTER SEQUENCE", "sequence", "shop.noted_id_seq"),
    ]


def test_only_the_owner_and_the_granting_role_read_the_log_and_old_rows_can_be_pruned(guard: Guard) -> None:
    guard.execute("CREATE TABLE shop.noted (a int)")
    with guard.session(GRANTER) as session:
        assert session.execute("SELECT count(*) FROM holdfast.ddl").fetchone()[0] == 1
        with pytest.raises(errors.InsufficientPrivilege):
            session.execute("DELETE FROM holdfast.ddl")
    assert "0 rows deleted" in guard.run("prune", "--older-than", "1d").stdout
    guard.execute("UPDATE holdfast.ddl SET at = at - interval '100 days'", "postgres")
    guard.execute("CREATE TABLE shop.noted2 (a int)")
    assert "1 row deleted" in guard.run("prune", "--older-than", "90d").stdout
    assert guard.status()["ddl_rows"] == 1


# MARK: - Commands


def test_install_is_refused_to_other_roles_and_for_roles_that_are_missing(plain: Guard) -> None:
    refused = plain.run("install", user=OWNER, check=False)
    assert refused.returncode == 1 and "superuser" in refused.stderr
    missing = plain.run("install", "--role", "no_such_role", check=False)
    assert missing.returncode == 1 and "CREATE ROLE \"no_such_role\"" in missing.stderr
    malformed = plain.run("install", "--exempt", "scratch", check=False)
    assert malformed.returncode == 64 and "schema.name" in malformed.stderr
    plain.execute("CREATE SCHEMA holdfast")
    assert "not the guard's" in plain.run("install", check=False).stderr
    plain.execute("DROP SCHEMA holdfast")
    assert plain.run("status", check=False).returncode == 1
    for action in ("upgrade", "remove", "prune --older-than 1d"):
        assert "has no guard" in plain.run(*action.split(), check=False).stderr


def test_a_publication_of_all_tables_is_named_before_the_guard_stops_its_subscribers(plain: Guard) -> None:
    plain.execute("CREATE PUBLICATION everything FOR ALL TABLES", "postgres")
    assert "everything" in plain.run("install", check=False).stderr
    plain.run("install", "--published")
    assert "everything" in plain.status()["warnings"][0]


def test_install_twice_says_so_and_remove_belongs_to_the_owner(guard: Guard) -> None:
    assert guard.run("install").stdout == "already installed, version 1\n"
    guard.execute("CREATE ROLE guard_other SUPERUSER LOGIN", "postgres")
    try:
        refused = guard.run("remove", user="guard_other", check=False)
        assert refused.returncode == 1 and "belongs to role postgres" in refused.stderr
    finally:
        guard.execute("DROP ROLE guard_other", "postgres")
    with guard.session() as session:
        assert session.execute("SELECT to_regprocedure('holdfast.guard_version()') IS NOT NULL").fetchone()[0]
        assert session.execute("SELECT holdfast.guard_version()").fetchone()[0] == 1


DAMAGES = [
    ("ALTER EVENT TRIGGER holdfast_drop DISABLE", "holdfast_drop is disabled"),
    ("ALTER EVENT TRIGGER holdfast_command ENABLE", "not enabled ALWAYS"),
    ("DROP EVENT TRIGGER holdfast_rewrite", "holdfast_rewrite is missing"),
    ("CREATE OR REPLACE FUNCTION holdfast.permit(tag text, relations oid[], names text[], consequence text) "
     "RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'", "permit(text, oid[], text[], text) was replaced"),
    ("DROP FUNCTION holdfast.release(bigint)", "release(bigint) is missing"),
    ("ALTER FUNCTION holdfast.on_drop() SET search_path = public", "other settings"),
    ("ALTER FUNCTION holdfast.on_drop() SECURITY INVOKER", "other settings"),
    ("GRANT EXECUTE ON FUNCTION holdfast.open_grant(int, oid[], text) TO PUBLIC", "other permissions"),
    ("ALTER EVENT TRIGGER holdfast_command DISABLE; CREATE TABLE shop.unknown (a int)", "no TRUNCATE trigger"),
    ("CREATE FUNCTION holdfast.extra() RETURNS int LANGUAGE sql AS 'SELECT 1'", "is not the guard's"),
    ("DELETE FROM holdfast.guarded", "not in the guard's list"),
    ("UPDATE holdfast.guard SET version = 0", "version 0 is installed"),
]  # fmt: skip


@pytest.mark.parametrize("damage, told", DAMAGES)
def test_status_names_damage_and_upgrade_repairs_it_and_keeps_what_was_there(
    guard: Guard, damage: str, told: str
) -> None:
    guard.execute("CREATE TABLE shop.noted (a int)")
    rows = guard.value("SELECT count(*) FROM holdfast.ddl")
    guard.execute(damage, "postgres")
    printed = guard.run("status", check=False)
    assert printed.returncode == 2
    assert told in printed.stdout
    assert guard.status()["condition"] == "damaged"
    guard.run("upgrade")
    if "extra()" in damage:
        assert guard.run("status", check=False).returncode == 2
        guard.execute("DROP FUNCTION holdfast.extra()", "postgres")
    guard.assert_whole()
    guard.refuses("DROP TABLE shop.noted", "shop.noted")
    guard.refuses("TRUNCATE shop.lines", "shop.lines")
    assert guard.value("SELECT count(*) FROM holdfast.ddl") >= rows
    assert guard.status()["granting_roles"] == [GRANTER]


def test_status_as_json_tells_everything(guard: Guard) -> None:
    status = guard.status()
    assert status["condition"] == "whole"
    assert status["version"] == status["current_version"] == 1
    assert status["guarded_tables"] == 11
    assert (status["tables_without_trigger"], status["open_grants"], status["damages"]) == ([], [], [])
    assert json.dumps(status)


def test_a_failed_installation_leaves_nothing(plain: Guard) -> None:
    with plain.session("postgres") as session:
        session.execute("BEGIN; LOCK shop.orders")
        failed = plain.run("install", check=False)
        assert failed.returncode == 1 and "in use" in failed.stderr
        session.execute("ROLLBACK")
    assert plain.value("SELECT to_regnamespace('holdfast')") is None
    assert plain.value("SELECT count(*) FROM pg_event_trigger") == 0


def test_two_installations_at_once_give_one_guard(plain: Guard) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: plain.run("install", check=False), range(4)))
    assert sorted(result.stdout for result in results) == ["already installed, version 1\n"] * 3 + [
        "installed, version 1\n"
    ]
    plain.assert_whole()


def test_the_guard_of_one_database_leaves_others_alone(guard: Guard, postgres: PostgresServer) -> None:
    with postgres.database("unguarded") as other:
        postgres.execute("CREATE TABLE t (a int)", other)
        postgres.execute("DROP TABLE t", other)
        assert postgres.value("SELECT to_regnamespace('holdfast')", other) is None
