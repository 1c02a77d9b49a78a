"""Ways out of the statement: other connections, the server's files and programs, the catalog itself, the fast path."""

from .case import Case, Proof, Step, Topic, counted, emptied, gone
from .wire import SYNC, bind, exchange, execute, parse, read, send

DBLINK = Topic("dblink", "H9")
FOREIGN = Topic("foreign-data", "H9")
PROGRAMS = Topic("programs", "H9")
CATALOG = Topic("catalog", "H9")
OBJECTS = Topic("large-objects", "H9")
ROLES = Topic("other-roles", "H9")

TARGET = "host=@@DHOST@@ port=@@DPORT@@ dbname=@@DB@@ user=rt_super"
PSQL = "@@PGBIN@@/psql -qXh @@DHOST@@ -p @@DPORT@@ -U rt_super -d @@DB@@"


def dblinks() -> list[Case]:
    ways: list[tuple[str, str, list[Step]]] = [
        ("query-function", "embedded", [f"SELECT * FROM dblink('{TARGET}', 'DROP TABLE leads') AS t(a text)"]),
        ("connected-exec", "embedded", [f"SELECT dblink_connect('{TARGET}')",
                                        "SELECT dblink_exec('DROP TABLE leads')"]),
        ("open-cursor", "embedded", [f"SELECT dblink_connect('c', '{TARGET}')",
                                     "SELECT dblink_open('c', 'k', 'SELECT 1; DROP TABLE leads; COMMIT', false)",
                                     "SELECT dblink_exec('c', 'COMMIT', false)"]),
        ("schema-qualified", "embedded", [f"SELECT public . dblink_exec ($${TARGET}$$, $$DROP TABLE leads$$)"]),
        ("parameters", "dynamic", exchange(parse("SELECT dblink_exec($1, $2)"), bind("", "", TARGET,
            "DROP TABLE leads"),
                                           execute(), SYNC)),
        ("own-extension", "split", ["CREATE EXTENSION dblink SCHEMA sales",
                                    f"SELECT sales.dblink_exec('{TARGET}', 'DROP TABLE leads')"]),
        ("in-do", "embedded", [f"DO $$ BEGIN PERFORM dblink_exec('{TARGET}', 'DROP TABLE leads'); END $$"]),
        ("in-view", "split", [f"CREATE VIEW w AS SELECT dblink_exec('{TARGET}', 'DROP TABLE leads')", "TABLE w"]),
        ("in-default", "split", ["CREATE TEMP TABLE d (a int, b text DEFAULT "
                                 f"dblink_exec('{TARGET}', 'DROP TABLE leads'))", "INSERT INTO d (a) VALUES (1)"]),
        ("fast-path-query", "oob", exchange({"t": "FunctionCall", "fn": "public.dblink_exec(text,text)",
                                             "args": [TARGET, "ALTER TABLE leads RENAME TO zz"]})),
    ]  # fmt: skip
    return [
        DBLINK.destructive(
            name, f"dblink: {name.replace('-', ' ')}", *steps, vis=vis, role="super",
            setup=[] if name == "own-extension" else ["create extension dblink"],
        )
        for name, vis, steps in ways
    ]  # fmt: skip


def foreign_data() -> list[Case]:
    """A foreign table that leads back to this server."""
    loop = ["create extension postgres_fdw", "create server back foreign data wrapper postgres_fdw options"
            " (host '@@DHOST@@', port '@@DPORT@@', dbname '@@DB@@')",
            "create user mapping for public server back options (user 'rt_super')"]  # fmt: skip
    table = "CREATE FOREIGN TABLE far (id int, name text) SERVER back OPTIONS (table_name 'leads')"
    return [
        FOREIGN.destructive("truncate", "TRUNCATE of a foreign table", "TRUNCATE far", role="super", setup=[*loop,
            table],
                            proof=emptied("leads"), tier=2, loss="rows"),
        FOREIGN.destructive("delete", "DELETE of all rows of a foreign table made in the session", table,
                            "DELETE FROM far",
                            role="super", setup=loop, proof=emptied("leads"), tier=2, loss="rows", vis="split"),
        FOREIGN.destructive("import", "tables imported from itself, then emptied",
                            "CREATE SCHEMA far", "IMPORT FOREIGN SCHEMA public LIMIT TO (leads) FROM SERVER back INTO"
                            " far",
                            "DELETE FROM far.leads", role="super", setup=loop, proof=emptied("leads"), tier=2,
                            loss="rows",
                            vis="split"),
        FOREIGN.destructive("everything-made", "server, mapping and table made in the session", *loop, table,
                            "TRUNCATE far",
                            role="super", proof=emptied("leads"), tier=2, loss="rows", vis="split"),
    ]  # fmt: skip


def programs() -> list[Case]:
    """Programs of the server's machine, and files that it reads."""
    command = f'{PSQL} -c "DROP TABLE leads"'
    ways = [
        ("to-program", f"COPY (SELECT 1) TO PROGRAM '{command}'", "embedded"),
        ("from-program", f"COPY audit_log (what) FROM PROGRAM $${command}$$ WITH (FORMAT csv)", "embedded"),
        ("stdin-of-program", f"COPY (VALUES ('DROP TABLE leads')) TO PROGRAM '{PSQL}'", "embedded"),
        ("in-do", f"DO $$ BEGIN COPY contacts TO PROGRAM '{command}'; END $$", "embedded"),
        ("built-in-do", f"DO $do$ BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', '{PSQL} -c \"DROP TABLE lea'"
         f" || 'ds\"'); END $do$",
         "dynamic"),
        ("e-literal", f"COPY (SELECT 1) TO PROGRAM E'{PSQL} -c \"DROP TABLE \\x6ceads\"'", "embedded"),
        ("own-table", f"CREATE TEMP TABLE t AS SELECT 'DROP TABLE leads' AS q; COPY t TO PROGRAM '{PSQL}'", "embedded"),
    ]  # fmt: skip
    return [
        PROGRAMS.destructive(name, f"COPY PROGRAM: {name.replace('-', ' ')}", statement, role="super", vis=vis)
        for name, statement, vis in ways
    ]


def catalog() -> list[Case]:
    """Superusers can write the catalog itself."""
    allowed = "SET allow_system_table_mods = on"
    ways: list[tuple[str, str, Proof]] = [
        ("namespace", "UPDATE pg_class SET relnamespace = 'sales'::regnamespace WHERE relname = 'leads'",
         gone("leads")),
        ("merge", "MERGE INTO pg_class c USING (VALUES ('leads')) v(n) ON c.relname = v.n WHEN MATCHED THEN UPDATE"
         " SET relname = 'zz'",
         gone("leads")),
        ("schema-name", "UPDATE pg_catalog.pg_namespace SET nspname = 'zz' WHERE nspname = 'sales'",
         gone("sales.invoices")),
        ("cte", "WITH u AS (UPDATE pg_class SET relname = 'zz' WHERE relname = 'leads' RETURNING oid) TABLE u",
         gone("leads")),
        ("inherits", "DELETE FROM pg_inherits WHERE inhrelid = 'child_doc'::regclass", counted("base_doc", 2)),
        ("attribute", "UPDATE pg_attribute SET attname = 'zz' WHERE attname = 'note' AND attrelid = 'leads'::regclass",
         ("select count(*) from pg_attribute where attrelid = 'leads'::regclass and attname = 'note'", "0")),
    ]  # fmt: skip
    cases = [
        CATALOG.destructive(name, f"the catalog is written: {name}", f"{allowed}; {statement}", role="super",
                            proof=proof,
                            tier=2, loss="vanish")
        for name, statement, proof in ways
    ]  # fmt: skip
    return [
        *cases,
        CATALOG.destructive("surgery", "pg_surgery, installed in the session", "CREATE EXTENSION pg_surgery",
                            "SELECT heap_force_kill('leads', ARRAY(SELECT ctid FROM leads))", role="super", vis="split",
                            proof=emptied("leads"), tier=2, loss="rows"),
        CATALOG.destructive("do-update", "the catalog written in a DO block", allowed,
                            "DO $$ BEGIN UPDATE pg_class SET relname = 'zz' WHERE relname = 'leads'; END $$",
                            role="super",
                            vis="embedded", tier=2, loss="vanish"),
    ]  # fmt: skip


def large_objects() -> list[Case]:
    """Large objects have no table of their own, and no rule about rows covers them."""
    made = ["select lo_from_bytea(4242, 'precious')"]
    left: Proof = ("select count(*) from pg_largeobject_metadata where oid = 4242", "0")
    short: Proof = ("select length(lo_get(4242))", "0")
    fields = {"setup_app": made, "tier": 2, "loss": "lob"}
    call = {"t": "FunctionCall", "fn": "lo_truncate(int4,int4)", "args": ["0", "0"]}
    return [
        OBJECTS.destructive("unlink-all", "all of them", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata",
                            proof=left, **fields),
        OBJECTS.destructive("unlink-in-do", "in a DO block", "DO 'begin perform lo_unlink(4242); end'", proof=left,
                            vis="embedded",
                            **fields),
        OBJECTS.destructive("unlink-where", "in a condition", "SELECT FROM leads WHERE id = 1 AND lo_unlink(4242) = 1",
                            proof=left,
                            **fields),
        OBJECTS.destructive("truncate", "cut to nothing", "SELECT lo_truncate(lo_open(4242, 131072), 0)", proof=short,
                            **fields),
        OBJECTS.destructive("fast-path-truncate", "cut to nothing by the fast path", "BEGIN",
                            "SELECT lo_open(4242, 131072)",
                            send(call), read(), "COMMIT", proof=short, vis="oob", **fields),
        OBJECTS.destructive("rows-of-catalog", "their rows in the catalog",
                            "SET allow_system_table_mods = on; DELETE FROM pg_largeobject",
                            role="super", proof=("select count(*) from pg_largeobject where loid = 4242", "0"),
                            **fields),
    ]  # fmt: skip


def other_roles() -> list[Case]:
    """The session becomes somebody else; what is refused stays refused."""
    ways: list[tuple[str, str, list[Step], dict[str, object]]] = [
        ("set-config-role", "role by set_config()", ["SELECT set_config('role', 'rt_app', false)"], {"role": "super"}),
        ("startup-role", "role by a startup parameter", [], {"role": "super", "startup": {"extra": [["role",
            "rt_app"]]}}),
        ("options-role", "role by options", [], {"role": "super", "startup": {"extra": [["options",
            "-c role=rt_app"]]}}),
        ("session-authorization", "authorization by set_config()", ["SELECT set_config('session_authorization',"
            " 'rt_app', false)"],
         {"role": "super"}),
        ("replica-role", "session_replication_role", ["SET session_replication_role = replica"], {"role": "super"}),
        ("granted", "a role granted and taken", ["GRANT rt_app TO rt_super", "SET ROLE rt_app"], {"role": "super"}),
        ("owner-taken", "ownership taken first", ["ALTER TABLE leads OWNER TO CURRENT_USER"], {"role": "super"}),
        ("renamed-application", "an application that says it is a test", [],
         {"startup": {"extra": [["application_name", "pytest test_db _test"]]}}),
        ("tag-setting", "settings that name tags", ["SET holdfast.tag = 'test'; SET application_name = 'test'"], {}),
        ("scram", "a member role logs in by password", ["SET ROLE rt_app"], {"role": "scram"}),
        ("walsender", "a replication connection in the simple protocol", ["SELECT 1"],
         {"role": "super", "startup": {"role": "super", "extra": [["replication", "database"]]}}),
    ]  # fmt: skip
    return [
        ROLES.destructive(name, title, *before, "DROP TABLE leads", **fields) for name, title, before, fields in ways
    ]


def cases() -> list[Case]:
    return [*dblinks(), *foreign_data(), *programs(), *catalog(), *large_objects(), *other_roles()]
