"""Loss by another route: past the proxy, from another database, through foreign tables, by replication, by programs."""

from typing import Any

from .case import Case, Proof, Step, Topic, column_gone, counted, emptied, gone, overwritten
from .existing_calls import TIDY
from .wire import SYNC, at_once, exchange

PAST = Topic("past-the-proxy", "H17")
NEXT_DOOR = Topic("next-door", "H17")
FAR = Topic("foreign-table", "H17")
SECOND = Topic("second-session", "H17")
APPLIED = Topic("replicated", "H17")
CATALOG = Topic("catalog-behind", "H17")
PROGRAMS = Topic("client-program", "H17")

ROWS_ONLY: dict[str, Any] = {"proof": emptied("leads"), "tier": 2, "loss": "rows"}


def past(*statements: str, user: str = "rt_app", **fields: Any) -> list[Step]:
    """Sent to the server itself; only what the database guards can stop it."""
    return [{"op": "direct", "user": user, "sql": statement, "may_fail": True, **fields} for statement in statements]


# The proxy sees nothing of these. Name, title, steps, other fields.
BY_ITSELF: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("drop", "DROP TABLE", past("DROP TABLE leads"), {}),
    ("drop-superuser", "DROP TABLE by a superuser", past("DROP TABLE leads", user="rt_super"), {}),
    ("cascade", "DROP SCHEMA … CASCADE", past("DROP SCHEMA sales CASCADE"), {"proof": gone("sales.invoices")}),
    ("owned", "DROP OWNED", past("DROP OWNED BY CURRENT_USER CASCADE"), {"loss": "owned", "alone": True}),
    ("matview", "DROP MATERIALIZED VIEW", past("DROP MATERIALIZED VIEW mv_sales"),
     {"proof": gone("mv_sales"), "loss": "matview"}),
    ("partition", "a partition", past("DROP TABLE events_2023"), {"proof": gone("events_2023")}),
    ("detached", "a partition, detached", past("ALTER TABLE events DETACH PARTITION events_2023"),
     {"proof": counted("events", 4), "tier": 2, "loss": "vanish"}),
    ("renamed", "a new name", past("ALTER TABLE leads RENAME TO leads_old"), {"tier": 2, "loss": "vanish"}),
    ("moved", "another schema", past("ALTER TABLE leads SET SCHEMA sales"), {"tier": 2, "loss": "vanish"}),
    ("truncate", "TRUNCATE", past("TRUNCATE leads"), ROWS_ONLY),
    ("truncate-cascade", "TRUNCATE … CASCADE", past("TRUNCATE customers CASCADE"),
     {"proof": emptied("order_items"), "tier": 2, "loss": "rows"}),
    ("delete", "DELETE without WHERE", past("DELETE FROM leads"), ROWS_ONLY),
    ("update", "UPDATE without WHERE", past("UPDATE leads SET note = NULL"),
     {"proof": overwritten("leads", "note"), "tier": 2, "loss": "values"}),
    ("column", "DROP COLUMN", past("ALTER TABLE leads DROP COLUMN note"),
     {"proof": column_gone("leads", "note"), "tier": 2, "loss": "column"}),
    ("rewritten", "a type that forgets the values", past("ALTER TABLE leads ALTER note TYPE int USING 1"),
     {"proof": overwritten("leads", "note", "1"), "tier": 2, "loss": "values"}),
    ("type", "DROP TYPE … CASCADE", past("DROP TYPE mood CASCADE"),
     {"proof": column_gone("profiles", "m"), "tier": 2, "loss": "column"}),
    ("do", "a DO block", past("DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE leads'; END $$"), {}),
    ("replica-role", "a superuser switches triggers off for the session",
     past("SET session_replication_role = replica; DROP TABLE leads", user="rt_super"), {}),
    ("replica-truncate", "a superuser switches triggers off, then TRUNCATE",
     past("SET session_replication_role = replica; TRUNCATE leads", user="rt_super"), ROWS_ONLY),
    ("triggers-off", "the owner switches the table's triggers off, then TRUNCATE",
     past("ALTER TABLE leads DISABLE TRIGGER ALL", "ALTER TABLE leads DISABLE TRIGGER USER", "TRUNCATE leads"),
     ROWS_ONLY),
    ("setting", "settings that say it is allowed",
     past("SET holdfast.allow = on; SET holdfast.granted = 'all'; SET application_name = 'holdfast'; DROP TABLE leads"),
     {}),
]  # fmt: skip

OTHER = ['CREATE DATABASE "@@DB@@_v" OWNER rt_app TEMPLATE template0']
TEST = ['CREATE DATABASE "@@DB@@_test" OWNER rt_app TEMPLATE template0']
LEFT: Proof = ("select count(*) from pg_database where datname = '@@DB@@_v'", "0")
SHUT: Proof = ("select datallowconn from pg_database where datname = '@@DB@@'", "f")
DATABASES: dict[str, Any] = {
    "setup_global": OTHER + TEST, "proof_db": "postgres", "proof_only": True, "loss": "database", "vis": "oob",
    "teardown_global": [f'DROP DATABASE IF EXISTS "@@DB@@_{name}" WITH (FORCE)' for name in ("v", "w", "test")],
    "startup": {"db": "@@DB@@_test"},
}  # fmt: skip
HERE = "host=@@DHOST@@ port=@@DPORT@@ dbname=@@DB@@ user=rt_super"
BACK = ["CREATE EXTENSION postgres_fdw", "CREATE SERVER back FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host"
        " '@@DHOST@@', port '@@DPORT@@', dbname '@@DB@@')", "CREATE USER MAPPING FOR PUBLIC SERVER back OPTIONS (user"
        " 'rt_super')", "CREATE FOREIGN TABLE far (id int) SERVER back OPTIONS (table_name 'leads')"]  # fmt: skip
IN_TEST: dict[str, Any] = {
    "setup_global": TEST, "teardown_global": ['DROP DATABASE IF EXISTS "@@DB@@_test" WITH (FORCE)'], "vis": "oob",
    "startup": {"db": "@@DB@@_test"}, "role": "super",
}  # fmt: skip
# The session is in a database whose tag is test; what goes is production. Name, title, steps, other fields.
FROM_TEST: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("drop", "DROP DATABASE", ['DROP DATABASE "@@DB@@_v"'], DATABASES),
    ("drop-force", "DROP DATABASE, forced, in the extended protocol",
     exchange(*at_once('DROP DATABASE IF EXISTS "@@DB@@_v" WITH (FORCE)'), SYNC), DATABASES),
    ("rename", "ALTER DATABASE … RENAME", ['ALTER DATABASE "@@DB@@_v" RENAME TO "@@DB@@_w"'], {**DATABASES, "tier": 2}),
    ("rename-to-test", "renamed so that its tag is test, then dropped",
     ['ALTER DATABASE "@@DB@@_v" RENAME TO "@@DB@@_w_test"', 'DROP DATABASE "@@DB@@_w_test"'], DATABASES),
    ("taken-over", "the test database gets the name of the other one",
     ['ALTER DATABASE "@@DB@@_v" RENAME TO "@@DB@@_w"', {"op": "connect", "conn": "other",
      "startup": {"db": "postgres"}}, {"op": "close"},
      {"op": "query", "conn": "other", "sql": 'ALTER DATABASE "@@DB@@_test" RENAME TO "@@DB@@_v"'}],
     {**DATABASES, "tier": 2, "proof": ("select count(*) from pg_database where datname = '@@DB@@_test'", "0")}),
    ("shut", "ALTER DATABASE … ALLOW_CONNECTIONS", ['ALTER DATABASE "@@DB@@" ALLOW_CONNECTIONS false'],
     {**IN_TEST, "tier": 2, "loss": "vanish", "proof": SHUT, "proof_db": "postgres"}),
    ("shut-catalog", "pg_database written: no connections",
     ["UPDATE pg_database SET datallowconn = false WHERE datname = '@@DB@@'"],
     {**IN_TEST, "tier": 2, "loss": "vanish", "proof": SHUT, "proof_db": "postgres"}),
    ("dblink", "dblink to the other database", ["CREATE EXTENSION dblink", f"SELECT dblink_exec('{HERE}', 'DROP TABLE"
     " leads')"], IN_TEST),
    ("dblink-installed", "dblink that is there already", [f"SELECT public.dblink_exec('{HERE}', 'TRUNCATE leads')"],
     {**IN_TEST, **ROWS_ONLY, "setup_more": "create extension dblink"}),
    ("foreign-table", "a foreign table of the other database", [*BACK, "DELETE FROM far"], {**IN_TEST, **ROWS_ONLY}),
    ("foreign-truncate", "a foreign table of the other database, TRUNCATE", [*BACK, "TRUNCATE far"],
     {**IN_TEST, **ROWS_ONLY}),
    ("program", "COPY PROGRAM", ["COPY (SELECT 1) TO PROGRAM '@@PGBIN@@/psql -qXh @@DHOST@@ -p @@DPORT@@ -U rt_super -d"
     " @@DB@@ -c \"DROP TABLE leads\"'"], IN_TEST),
    ("python", "a program, started by PL/Python", ["CREATE EXTENSION plpython3u", "DO LANGUAGE plpython3u $$\nimport"
     " subprocess\nsubprocess.run(['@@PGBIN@@/psql', '-qXh', '@@DHOST@@', '-p', '@@DPORT@@', '-U', 'rt_super', '-d',"
     " '@@DB@@', '-c', 'DROP TABLE leads'])\n$$"], IN_TEST),
]  # fmt: skip

LOOP = ["create extension postgres_fdw", "create server back foreign data wrapper postgres_fdw options (host"
        " '@@DHOST@@', port '@@DPORT@@', dbname '@@DB@@')",
        "create user mapping for public server back options (user 'rt_super',"
        " password_required 'false')",
        "create foreign table far (id int, name text, note text) server back options (table_name 'leads')",
        "grant all on far to rt_app"]  # fmt: skip
REMOTE = [*LOOP, TIDY.replace("tidy()", "public.tidy()"), "create view tidying as select public.tidy() as id",
          "create foreign table tidied (id int) server back options (table_name 'tidying')",
          "grant all on tidied to rt_app"]  # fmt: skip
# A foreign table of this database leads back to it. Name, title, what is there, steps, other fields.
BY_FOREIGN: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("delete", "DELETE of all rows", LOOP, ["DELETE FROM far"], ROWS_ONLY),
    ("update", "UPDATE of all rows", LOOP, ["UPDATE far SET note = 'x'"],
     {"proof": overwritten("leads", "note", "x"), "tier": 2, "loss": "values"}),
    ("truncate", "TRUNCATE", LOOP, ["TRUNCATE far"], ROWS_ONLY),
    ("truncate-both", "TRUNCATE of a foreign and a missing cascade", LOOP, ["TRUNCATE ONLY far CASCADE"], ROWS_ONLY),
    ("truncate-partition", "TRUNCATE of a parent with a foreign partition",
     [*LOOP, "create table whole (id int, name text, note text) partition by list (id)",
      "alter table whole attach partition far default", "alter table whole owner to rt_app",
      "grant all on whole to rt_app"], ["TRUNCATE whole"], ROWS_ONLY),
    ("through-view", "DELETE through a view of a foreign table", [*LOOP, "create view w as table far",
     "grant all on w to rt_app"], ["DELETE FROM w"], ROWS_ONLY),
    ("select", "SELECT of a foreign table whose far side is a view that drops", REMOTE, ["SELECT * FROM tidied"], {}),
    ("copy", "COPY of a foreign table whose far side drops", REMOTE, ["COPY (SELECT * FROM tidied) TO STDOUT"], {}),
    ("analyze", "ANALYZE of a foreign table whose far side drops", REMOTE, ["ANALYZE tidied"], {"role": "super"}),
    ("insert", "INSERT into a foreign table whose far side has a trigger that drops",
     [*LOOP, "create function act() returns trigger language plpgsql as $f$ begin drop table if exists public.leads;"
      " return new; end $f$", "create trigger t before insert on audit_log for each row execute function act()",
      "create foreign table noted (what text) server back options (table_name 'audit_log')",
      "grant all on noted to rt_app"], ["INSERT INTO noted VALUES ('x')"], {}),
    ("prepared", "a prepared DELETE of a foreign table", LOOP, ["PREPARE q AS DELETE FROM far RETURNING id", "EXECUTE"
     " q"], ROWS_ONLY),
]  # fmt: skip
ROLLED_BACK = past("ROLLBACK PREPARED '@@DB@@'")
# Two sessions share the deed. Name, title, steps, other fields.
SHARED: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("commit-prepared", "prepared past the proxy, committed through it",
     [*past("BEGIN; DROP TABLE leads; PREPARE TRANSACTION '@@DB@@'"), "COMMIT PREPARED '@@DB@@'", *ROLLED_BACK], {}),
    ("commit-prepared-rows", "rows, prepared past the proxy, committed through it",
     [*past("BEGIN; DELETE FROM leads; PREPARE TRANSACTION '@@DB@@'"), "COMMIT PREPARED '@@DB@@'", *ROLLED_BACK],
     ROWS_ONLY),
    ("worker", "another session calls what this one has left", ["CREATE TABLE todo AS SELECT 'DROP TABLE leads' AS q",
     *past("DO $$ DECLARE r record; BEGIN FOR r IN SELECT q FROM todo LOOP EXECUTE r.q; END LOOP; END $$")], {}),
    ("trap", "a function of this session, called past the proxy",
     ["CREATE FUNCTION tidy() RETURNS text LANGUAGE sql AS 'SELECT ''DROP TABLE leads''::text'",
      *past("DO $$ BEGIN EXECUTE tidy(); END $$")], {}),
    ("owner-given", "ownership given away here, dropped there", ["ALTER TABLE leads OWNER TO rt_other",
     *past("SET ROLE rt_other; DROP TABLE leads")], {"setup": ["grant all on schema public to rt_other"]}),
    ("policy", "a policy here, and all rows are out of sight",
     ["ALTER TABLE leads ENABLE ROW LEVEL SECURITY", "ALTER TABLE leads FORCE ROW LEVEL SECURITY"],
     {"proof": emptied("leads"), "proof_role": "app", "proof_only": True, "tier": 2, "loss": "vanish"}),
]  # fmt: skip


def from_test() -> list[Case]:
    cases = []
    for name, title, steps, fields in FROM_TEST:
        fields = {"proof": LEFT if "proof_db" in fields else gone("leads"), **fields}
        extension = fields.pop("setup_more", None)
        if extension:
            steps = [{"op": "direct", "db": "@@DB@@_test", "sql": extension}, *steps]
        cases.append(NEXT_DOOR.destructive(name, f"from a session in a test database: {title}", *steps, **fields))
    there: dict[str, Any] = {**IN_TEST, "role": "app"}
    del there["vis"]
    there["teardown_global"] = [*there["teardown_global"], 'DROP DATABASE IF EXISTS "@@DB@@_a_test" WITH (FORCE)']
    return [
        *cases,
        NEXT_DOOR.benign("test-made-dropped", "a test database makes and drops another",
                         'CREATE DATABASE "@@DB@@_a_test" TEMPLATE template0', 'DROP DATABASE "@@DB@@_a_test"', **there),
        NEXT_DOOR.benign("test-renamed", "a test database renames another",
                         'CREATE DATABASE "@@DB@@_b_test" TEMPLATE template0',
                         'ALTER DATABASE "@@DB@@_b_test" RENAME TO "@@DB@@_a_test"', **there),
        NEXT_DOOR.benign("test-own-table", "a table of the test database with a production name",
                         "CREATE TABLE leads (a int)", "TRUNCATE leads", "DROP TABLE leads", **there),
    ]  # fmt: skip


def replication() -> list[Case]:
    """Another database of the server publishes a table of the same name; here it is subscribed to."""
    source = ['CREATE DATABASE "@@DB@@_p" TEMPLATE template0']
    slot = ["SELECT pg_create_logical_replication_slot('@@DB@@', 'pgoutput')"]
    subscription = ("CREATE SUBSCRIPTION \"@@DB@@\" CONNECTION 'host=@@DHOST@@ port=@@DPORT@@ dbname=@@DB@@_p"
                    " user=rt_super' PUBLICATION p WITH (create_slot = false, slot_name = '@@DB@@', copy_data ="
                    " false)")  # fmt: skip
    published = past("CREATE TABLE leads (id int, name text, email text, note text); CREATE PUBLICATION p FOR TABLE"
                     " leads; INSERT INTO leads VALUES (1), (2), (3), (4)", *slot, user="rt_super",
                     db="@@DB@@_p")  # fmt: skip
    ended = past('ALTER SUBSCRIPTION "@@DB@@" DISABLE', 'ALTER SUBSCRIPTION "@@DB@@" SET (slot_name = NONE)',
                 'DROP SUBSCRIPTION "@@DB@@"', user="rt_super")  # fmt: skip
    idle: Step = {"op": "await", "sql": "select not active from pg_replication_slots where slot_name = '@@DB@@'"}
    done: Step = {"op": "await", "sql": "select count(*) = 0 from leads", "timeout": 5.0}
    freed = [*ended, idle, *past("SELECT pg_drop_replication_slot('@@DB@@')", user="rt_super")]
    fields: dict[str, Any] = {
        **ROWS_ONLY, "vis": "oob", "role": "super", "alone": True, "setup_global": source,
        "teardown_global": ["DELETE FROM pg_subscription WHERE subname = '@@DB@@'",
                            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name ="
                            " '@@DB@@' AND NOT active", 'DROP DATABASE IF EXISTS "@@DB@@_p" WITH (FORCE)',
                            'DROP DATABASE IF EXISTS "@@DB@@" WITH (FORCE)'],
    }  # fmt: skip
    there = past("TRUNCATE leads", user="rt_super", db="@@DB@@_p")
    return [
        APPLIED.destructive("subscribed", "a subscription made here brings a TRUNCATE", *published, subscription,
                            *there,
                            done, *freed, **fields),
        APPLIED.destructive("there-already", "a subscription that was there brings a TRUNCATE", *published,
                            *past(subscription, user="rt_super"), *there, done, *freed, **fields),
        APPLIED.destructive("deletes", "a subscription that was there brings a DELETE", *published,
                            *past(subscription, user="rt_super"),
                            *past("ALTER TABLE leads REPLICA IDENTITY FULL; DELETE FROM leads", user="rt_super",
                                  db="@@DB@@_p"), done, *freed, **fields),
        APPLIED.benign("rows-arrive", "a subscription that was there brings rows",
                       *published,
                       *past(subscription, user="rt_super"),
                       *past("INSERT INTO leads VALUES (9, 'x', 'y', 'z')", user="rt_super", db="@@DB@@_p"),
                       {**done, "sql": "select count(*) > 4 from leads"}, *freed,
                       **{key: fields[key] for key in ("role", "alone", "setup_global", "teardown_global")},
                       proof=("select count(*) from leads where name = 'x'", "1")),
    ]  # fmt: skip


DEFINED = "create function act() returns int language plpgsql security definer as $f$ begin {} return 1; end $f$"
# The catalog is written by what is in the database, made by a superuser. Name, title, what is there, steps, proof.
WRITTEN: list[tuple[str, str, list[str], list[Step], Proof]] = [
    ("renamed", "a function renames in pg_class", [DEFINED.format("update pg_class set relname = 'zz' where oid ="
     " 'public.leads'::regclass;")], ["SELECT act()"], gone("leads")),
    ("row-of-class", "a function deletes from pg_class", [DEFINED.format("delete from pg_class where oid ="
     " 'public.leads'::regclass;")], ["SELECT act()"], gone("leads")),
    ("namespace", "a function renames a schema in the catalog", [DEFINED.format("update pg_namespace set nspname = 'zz'"
     " where nspname = 'sales';")], ["SELECT act()"], gone("sales.invoices")),
    ("attribute", "a function marks a column as dropped", [DEFINED.format("update pg_attribute set attisdropped = true"
     " where attrelid = 'public.leads'::regclass and attname = 'note';")], ["SELECT act()"],
     column_gone("leads", "note")),
    ("through-view", "a view of pg_class", ["create view w as select oid, relname from pg_class", "grant all on w to"
     " rt_app"], ["UPDATE w SET relname = 'zz' WHERE relname = 'leads'"], gone("leads")),
    ("inherits", "a function takes heirs away in pg_inherits",
     [DEFINED.format("delete from pg_inherits where inhrelid ="
     " 'public.child_doc'::regclass;")], ["SELECT act()"], counted("base_doc", 2)),
    ("past", "pg_class written past the proxy", [],
     past("SET allow_system_table_mods = on; UPDATE pg_class SET relname ="
     " 'zz' WHERE relname = 'leads'", user="rt_super"), gone("leads")),
    ("past-deleted", "a row of pg_class deleted past the proxy", [],
     past("SET allow_system_table_mods = on; DELETE FROM"
     " pg_class WHERE relname = 'leads'", user="rt_super"), gone("leads")),
    ("surgery", "rows killed by pg_surgery", ["create extension pg_surgery", DEFINED.format("perform"
     " heap_force_kill('public.leads', array(select ctid from public.leads));")], ["SELECT act()"], emptied("leads")),
]  # fmt: skip

DUMPED = "pg_dump -h @@DHOST@@ -p @@DPORT@@ -U rt_super"
# Client programs that work through the proxy. Name, title, command, other fields.
LOSING: list[tuple[str, str, str, dict[str, Any]]] = [
    ("restore-clean", "pg_restore --clean of a schema without data", f"{DUMPED} -Fc --schema-only @@DB@@ | pg_restore"
     " --clean --if-exists -d @@DB@@", {"role": "super", **ROWS_ONLY}),
    ("restore-table", "pg_restore --clean of one table", f"{DUMPED} -Fc --schema-only -t cache_u @@DB@@ | pg_restore"
     " --clean --single-transaction -d @@DB@@", {"role": "super", "proof": emptied("cache_u"), "tier": 2,
                                                 "loss": "rows"}),
    ("plain-clean", "a plain dump with DROPs, read by psql", f"{DUMPED} --clean --schema-only -t cache_u @@DB@@ | psql"
     " -qXv ON_ERROR_STOP=1 >&2", {"role": "super", "proof": emptied("cache_u"), "tier": 2, "loss": "rows"}),
    ("gexec", "psql's \\gexec",
     "printf '%s' \"SELECT format('DROP TABLE %I', t) FROM unnest(ARRAY['leads']) t \\\\gexec\""
     " | psql -qX", {}),
    ("variable", "a psql variable in the statement", "printf '%s\\n' '\\set t leads' 'DROP TABLE :t;' | psql -qX", {}),
    ("include", "a file that psql includes",
     "printf 'DROP TABLE leads;' > script.sql; psql -qXf script.sql", {}),
    ("several-commands", "psql -c, twice, in one transaction", "psql -qX1 -c 'SELECT 1' -c 'DROP TABLE leads'", {}),
    ("bench", "pgbench runs a script", "printf 'TRUNCATE leads;' > script.sql; pgbench -n -t 1 -M prepared -f"
     " script.sql", ROWS_ONLY),
    ("bench-initialised", "pgbench -i over tables of that name", "pgbench -i -I dt",
     {"setup_app": ["create table pgbench_accounts as select 1 as a"],
     "proof": ("select count(*) from pg_attribute where"
      " attrelid = 'pgbench_accounts'::regclass and attname = 'a'", "0")}),
    ("large-objects", "vacuumlo", "vacuumlo @@DB@@", {"setup_app": ["select lo_from_bytea(4242, 'precious')"],
     "tier": 2,
     "loss": "lob", "proof": ("select count(*) from pg_largeobject_metadata where oid = 4242", "0")}),
    ("dropdb", "dropdb", 'dropdb --maintenance-db=postgres -f @@DB@@_v', {"loss": "database", "proof_only": True,
     "setup_global": OTHER, "teardown_global": ['DROP DATABASE IF EXISTS "@@DB@@_v" WITH (FORCE)'], "proof": LEFT,
     "proof_db": "postgres"}),
]  # fmt: skip
LOSSLESS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("dump", "pg_dump", "pg_dump -Fc @@DB@@ > /dev/null", {"role": "super"}),
    ("dump-parallel", "pg_dump with several connections",
     "pg_dump -Fd -j 2 -f copy @@DB@@", {"role": "super"}),
    ("dump-inserts", "pg_dump as INSERTs, with DROPs in the text", "pg_dump --clean --if-exists --inserts -f /dev/null"
     " @@DB@@", {"role": "super"}),
    ("restore-new-table", "pg_restore of a table that is not there", "psql -qX -d @@DB@@_v -c 'CREATE TABLE copied AS"
     " SELECT 1 AS a'; pg_dump -Fc -t copied @@DB@@_v > copy; pg_restore --single-transaction -d @@DB@@ copy",
     {"setup_global": OTHER, "teardown_global": ['DROP DATABASE IF EXISTS "@@DB@@_v" WITH (FORCE)'],
      "proof": counted("copied", 1)}),
    ("restore-schema", "pg_restore of everything into a new database", "pg_dump -Fc @@DB@@ > copy; pg_restore"
     " --single-transaction -d @@DB@@_v copy",
     {"setup_global": OTHER, "teardown_global": ['DROP DATABASE IF EXISTS "@@DB@@_v" WITH (FORCE)'], "role": "super",
      "proof": counted("leads", 4), "proof_db": "@@DB@@_v"}),
    ("vacuum", "vacuumdb --analyze", "vacuumdb -qz @@DB@@", {"role": "super"}),
    # Not the whole database: that would lock the catalogs that all databases share.
    ("reindex", "reindexdb", "reindexdb -q --schema=public @@DB@@", {"role": "super"}),
    ("cluster", "clusterdb", "clusterdb -q @@DB@@", {"role": "super"}),
    ("check", "pg_amcheck", "pg_amcheck --install-missing @@DB@@", {"role": "super"}),
    ("bench", "pgbench, simple and prepared", "printf 'SELECT count(*) FROM leads;' > script.sql; for m in simple"
     " extended prepared; do pgbench -n -t 3 -M $m -f script.sql; done", {}),
    ("describe", "psql's listings", "printf '%s\\n' '\\d+ leads' '\\dt *.*' '\\df' '\\dx' '\\l' '\\dp' | psql -qX", {}),
    ("created", "createdb", "createdb --maintenance-db=postgres -T template0 @@DB@@_v",
     {"teardown_global": ['DROP DATABASE IF EXISTS "@@DB@@_v" WITH (FORCE)']}),
]  # fmt: skip


def programs() -> list[Case]:
    losing = [
        PROGRAMS.destructive(name, f"a client program: {title}", {"op": "program", "command": command}, **fields)
        for name, title, command, fields in LOSING
    ]
    harmless = [
        PROGRAMS.benign(f"harmless-{name}", f"a client program: {title}", {"op": "program", "command": command},
                        **fields)
        for name, title, command, fields in LOSSLESS
    ]  # fmt: skip
    return [*losing, *harmless]


def cases() -> list[Case]:
    return [
        *[PAST.destructive(name, f"past the proxy: {title}", *steps, **{"vis": "oob", **fields})
          for name, title, steps, fields in BY_ITSELF],
        *from_test(),
        *[FAR.destructive(name, f"a foreign table that leads back: {title}", *steps, vis="oob", setup=made, **fields)
          for name, title, made, steps, fields in BY_FOREIGN],
        *[SECOND.destructive(name, f"two sessions: {title}", *steps, **{"vis": "oob", **fields})
          for name, title, steps, fields in SHARED],
        SECOND.benign("harmless-prepared", "rows, prepared past the proxy, committed through it",
                      *past("BEGIN; INSERT INTO audit_log (what) VALUES ('x'); PREPARE TRANSACTION '@@DB@@'"),
                      "COMMIT PREPARED '@@DB@@'", *ROLLED_BACK, proof=counted("audit_log", 3), allow_errors=["42704"]),
        *replication(),
        *[CATALOG.destructive(name, f"the catalog is written: {title}", *steps,
                              vis="oob" if "past" in name else "server",
                              setup=made, proof=proof, tier=2, loss="vanish")
          for name, title, made, steps, proof in WRITTEN],
        *programs(),
    ]  # fmt: skip
