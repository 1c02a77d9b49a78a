"""DROP in all its kinds, and what it drags along."""

from .case import Case, Topic, column_gone, gone

TABLES = Topic("drop", "H1")
DRAGGED = Topic("drag-along", "H1")
CONTAINERS = Topic("containers", "H1")

# Name, title, statement, relation that goes, settings before.
PLAIN_DROPS = [
    ("restrict", "RESTRICT written out", "DROP TABLE leads RESTRICT", "leads"),
    ("three-part-name", "name with the database in front", 'DROP TABLE "@@DB@@".public.leads', "leads"),
    ("partition", "one partition", "DROP TABLE events_2023", "events_2023"),
    ("partitioned", "a partitioned table with all partitions", "DROP TABLE events", "events_default"),
    ("heir", "a table that inherits", "DROP TABLE child_doc", "child_doc"),
    ("parent", "a parent with its heirs", "DROP TABLE base_doc CASCADE", "child_doc"),
    ("unlogged", "an unlogged table", "DROP TABLE cache_u", "cache_u"),
    ("tail-of-list", "the table last in a list of missing ones", "DROP TABLE IF EXISTS no_1, no_2, leads", "leads"),
    ("typed-columns", "a table with columns of user types", "DROP TABLE IF EXISTS profiles CASCADE", "profiles"),
    ("matview-cascade", "a materialized view", "DROP MATERIALIZED VIEW IF EXISTS public.mv_sales CASCADE", "mv_sales"),
    ("quoted-lower", "quoted all over", 'DROP TABLE "public"."leads"', "leads"),
    ("uamp-both-parts", "schema and table in Unicode escapes", r'DROP TABLE U&"\0070ublic".U&"\+00006Ceads"', "leads"),
    ("after-create", "behind CREATE TABLE in one message", "CREATE TABLE n1 (a int); DROP TABLE leads", "leads"),
    ("before-error", "committed before a failing statement", "BEGIN; DROP TABLE leads; COMMIT; SELECT 1/0", "leads"),
]


def plain_drops() -> list[Case]:
    return [
        TABLES.destructive(
            name, title, statement, proof=gone(relation),
            loss="matview" if relation == "mv_sales" else "table",
            **({"allow_errors": ["22012"]} if "1/0" in statement else {}),
        )
        for name, title, statement, relation in PLAIN_DROPS
    ]  # fmt: skip


def drops_by_path() -> list[Case]:
    """The statement names no schema; the session says which one is meant."""
    ways = [
        ("set", "SET search_path", ["SET search_path = sales"], {}),
        ("set-schema", "SET SCHEMA", ["SET SCHEMA 'sales'"], {}),
        ("local", "SET LOCAL in the same transaction", ["BEGIN; SET LOCAL search_path TO sales, public"], {}),
        ("startup", "a startup parameter", [], {"startup": {"extra": [["search_path", "sales"]]}}),
        ("options", "the long form of options", [], {"startup": {"extra": [["options", "--search-path=sales"]]}}),
        ("set-config", "set_config()", ["SELECT set_config('search_path', 'sales', false)"], {}),
    ]
    return [
        TABLES.destructive(
            f"path-{name}", f"table found by {title}", *before,
            "DROP TABLE invoices" + ("; COMMIT" if name == "local" else ""), proof=gone("sales.invoices"), **fields,
        )
        for name, title, before, fields in ways
    ]  # fmt: skip


def transactions() -> list[Case]:
    """The loss stands although something around it is rolled back, or is decided later."""
    return [
        TABLES.destructive(
            "savepoint-released", "inside a released savepoint",
            "BEGIN; SAVEPOINT a", "DROP TABLE leads; RELEASE a", "COMMIT",
        ),
        TABLES.destructive(
            "after-rollback-to", "behind ROLLBACK TO an older savepoint",
            "BEGIN; SAVEPOINT a; SAVEPOINT b; SELECT 1/0", "ROLLBACK TO a", "DROP TABLE leads", "COMMIT",
            allow_errors=["22012"],
        ),
        TABLES.destructive(
            "commit-and-chain", "in the second transaction of a chain",
            "BEGIN ISOLATION LEVEL SERIALIZABLE; COMMIT AND CHAIN; DROP TABLE leads; COMMIT",
        ),
        TABLES.destructive(
            "two-phase", "prepared, then committed from another connection",
            "BEGIN; DROP TABLE leads; PREPARE TRANSACTION '@@DB@@'", {"op": "connect", "conn": "other"},
            {"op": "query", "conn": "other", "sql": "COMMIT PREPARED '@@DB@@'"},
        ),
        TABLES.destructive(
            "end-word", "END instead of COMMIT, ABORT before",
            "BEGIN WORK; ABORT; START TRANSACTION; DROP TABLE leads; END TRANSACTION",
        ),
        TABLES.robust("rolled-back", "dropped and rolled back", "BEGIN", "DROP TABLE leads", "ROLLBACK"),
        TABLES.robust("implicit-error", "dropped in a message that fails later", "DROP TABLE leads; SELECT 1/0"),
        TABLES.robust("referenced", "a table that others refer to, without CASCADE", "DROP TABLE customers"),
        TABLES.robust("wrong-kind", "DROP VIEW of a table", "DROP VIEW leads"),
        TABLES.robust("read-only", "in a read-only session",
                      "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "DROP TABLE leads"),
    ]  # fmt: skip


# A matview that needs an object goes with the object. Name, what makes the object, expression that needs it, its DROP.
NEEDED_BY_MATVIEW = [
    ("function", "create function f() returns int language sql as 'select 1'", "f()", "DROP FUNCTION f() CASCADE"),
    ("routine", "create function f(int) returns int language sql as 'select 1'", "f(1)", "DROP ROUTINE f CASCADE"),
    ("aggregate", "create aggregate total(int) (sfunc = int4pl, stype = int)", "total(id)",
     "DROP AGGREGATE IF EXISTS total(int) CASCADE"),
    ("operator", "create operator ### (leftarg = int, rightarg = int, function = int4pl)", "id ### 1",
     "DROP OPERATOR ### (int, int) CASCADE"),
    ("sequence", "create sequence q", "(select last_value from q)", "DROP SEQUENCE q CASCADE"),
    ("view", "create view w as select 1 as a", "(select a from w)", "DROP VIEW w CASCADE"),
    ("domain", "create domain d as int", "1::d", "DROP DOMAIN d CASCADE"),
    ("enum", "create type e as enum ('a', 'b')", "'a'::e", "DROP TYPE e CASCADE"),
    ("collation", "create collation l from \"C\"", "'a' collate l", "DROP COLLATION l CASCADE"),
    ("table", "create table t0 (a int)", "(select max(a) from t0)", "DROP TABLE t0 CASCADE"),
    ("column", "create table t0 (a int, b int)", "(select max(a) from t0)", "ALTER TABLE t0 DROP COLUMN a CASCADE"),
    ("text-search", "create text search configuration ts (copy = simple)", "to_tsvector('ts', 'a')",
     "DROP TEXT SEARCH CONFIGURATION ts CASCADE"),
]  # fmt: skip


def dragged_matviews() -> list[Case]:
    aggregated = {"aggregate"}
    return [
        DRAGGED.destructive(
            f"matview-{name}", f"CASCADE from a {name} takes a materialized view along", statement,
            setup_app=[made, f"create materialized view m as select {expression} as x"
                       + (" from contacts" if "id" in expression.split("(")[-1] or name in aggregated else "")],
            proof=gone("m"), loss="matview",
        )
        for name, made, expression, statement in NEEDED_BY_MATVIEW
    ]  # fmt: skip


def dragged_by_key() -> list[Case]:
    """GROUP BY of a primary key makes a view depend on the constraint."""
    made = ["create table k (id int, a text, constraint k_key primary key (id))",
            "create materialized view m as select id, a, count(*) from k group by id"]  # fmt: skip
    ways = [
        ("constraint", "a primary key", "ALTER TABLE k DROP CONSTRAINT k_key CASCADE"),
        ("key-column", "the column of a primary key", "ALTER TABLE k DROP id CASCADE"),
    ]
    return [
        DRAGGED.destructive(
            f"matview-{name}", f"CASCADE from {title} takes a materialized view along", statement,
            setup_app=made, proof=gone("m"), loss="matview",
        )
        for name, title, statement in ways
    ]  # fmt: skip


# A column whose type or expression goes. Name, what makes object and column, DROP, table, column.
NEEDED_BY_COLUMN = [
    ("composite-type", [], "DROP TYPE addr CASCADE", "profiles", "a"),
    ("domain", [], "DROP DOMAIN IF EXISTS email_dom CASCADE", "profiles", "e"),
    ("types-listed", [], "DROP TYPE IF EXISTS no_such_type, mood CASCADE", "profiles", "m"),
    ("range-type", ["create type span as range (subtype = int)", "create table s (a int, r span)",
                    "insert into s values (1, '[1,2)')"], "DROP TYPE span CASCADE", "s", "r"),
    ("collation", ["create collation l from \"C\"", "create table s (a int, r text collate l)",
                   "insert into s values (1, 'x')"], "DROP COLLATION l CASCADE", "s", "r"),
    ("text-search", ["create text search configuration ts (copy = simple)",
                     "create table s (a text, r tsvector generated always as (to_tsvector('ts', a)) stored)",
                     "insert into s values ('x')"], "DROP TEXT SEARCH CONFIGURATION ts CASCADE", "s", "r"),
    ("row-type", ["create table inner_t (x int)", "create table s (a int, r inner_t)",
                  "insert into s values (1, row(2))"],
     "DROP TABLE inner_t CASCADE", "s", "r"),
    ("attribute", ["create type pair as (p int, q int)", "create table s of pair", "insert into s values (1, 2)"],
     "ALTER TYPE pair DROP ATTRIBUTE IF EXISTS q CASCADE", "s", "q"),
    ("base-of-generated", ["create table s (a int, b int, r int generated always as (a + 1) stored)",
                           "insert into s values (1, 2)"], "ALTER TABLE s DROP COLUMN a CASCADE", "s", "r"),
]  # fmt: skip


def dragged_columns() -> list[Case]:
    return [
        DRAGGED.destructive(
            f"column-{name}", f"CASCADE takes a column along: {statement}", statement, setup_app=made,
            proof=column_gone(table, column), tier=2, loss="column",
        )
        for name, made, statement, table, column in NEEDED_BY_COLUMN
    ]  # fmt: skip


def containers() -> list[Case]:
    """Schemas, owners, extensions, servers, access methods: what tables live in or hang on."""
    extension = ["create extension hstore", "alter table leads owner to rt_super",
                 "alter extension hstore add table leads"]
    foreign = ["create extension file_fdw", "create foreign data wrapper w handler file_fdw_handler",
               "create server s foreign data wrapper w",
               "create foreign table f (a text) server s options (filename '/dev/null')"]  # fmt: skip
    method = ["create access method heap2 type table handler heap_tableam_handler",
              "create table h (a int) using heap2", "insert into h values (1)"]  # fmt: skip
    made = CONTAINERS.destructive
    return [
        made("schemas-listed", "several schemas", 'DROP SCHEMA IF EXISTS none, "Weird Schema", sales CASCADE',
             proof=gone("sales.invoices"), loss="schema"),
        made("schema-of-matview", "a schema whose only content is a materialized view", "DROP SCHEMA mvs CASCADE",
             setup_app=["create schema mvs", "create materialized view mvs.m as select 1 as a"], proof=gone("mvs.m"),
             loss="matview"),
        made("owned-current-role", "DROP OWNED BY CURRENT_ROLE", "DROP OWNED BY CURRENT_ROLE RESTRICT", loss="owned",
             alone=True),
        made("owned-quoted", "DROP OWNED BY a quoted role", 'DROP OWNED BY "rt_app"', loss="owned", alone=True),
        made("owned-handed-over", "ownership given away, then dropped with the new owner",
             "ALTER TABLE leads OWNER TO rt_other", "SET ROLE rt_other", "DROP OWNED BY rt_other", vis="split",
             setup=["grant all on schema public to rt_other"], loss="owned", alone=True),
        made("extension-member", "a table that belongs to an extension", "DROP EXTENSION hstore", role="super",
             setup=extension),
        made("extension-adopts", "a table made member of an extension, then the extension dropped",
             "ALTER EXTENSION hstore ADD TABLE leads", "DROP EXTENSION hstore", role="super", vis="split",
             setup=["create extension hstore"]),
        made("extension-listed", "extensions in a list", "DROP EXTENSION IF EXISTS none, hstore RESTRICT", role="super",
             setup=extension),
        made("foreign-table", "a foreign table", "DROP FOREIGN TABLE IF EXISTS f", role="super", setup=foreign,
             proof=gone("f"), loss="foreign_table"),
        made("foreign-server", "a server with its foreign tables", "DROP SERVER s CASCADE", role="super", setup=foreign,
             proof=gone("f"), loss="foreign_table"),
        made("foreign-wrapper", "a wrapper with servers and tables", "DROP FOREIGN DATA WRAPPER w CASCADE",
             role="super", setup=foreign, proof=gone("f"), loss="foreign_table"),
        made("access-method", "the access method that a table is stored with", "DROP ACCESS METHOD heap2 CASCADE",
             role="super", setup=method, proof=gone("h")),
        made("language", "a language, its functions, and a materialized view on one of them",
             "DROP LANGUAGE perl2 CASCADE", role="super",
             setup=["create extension plperl", "create language perl2 handler plperl_call_handler",
                    "create function f() returns int language perl2 as 'return 1'",
                    "create materialized view m as select f() as x"], proof=gone("m"), loss="matview"),
    ]  # fmt: skip


def databases() -> list[Case]:
    """A second database of the same owner; it stands for any database that nobody is connected to."""
    ways = [
        ("force", "WITH (FORCE)", "DROP DATABASE @@DB@@_v WITH (FORCE)"),
        ("comment", "a comment between the words", 'DROP/*x*/DATABASE--y\nIF EXISTS "@@DB@@_v"(FORCE)'),
        ("uamp", "the name in a Unicode identifier", 'DROP DATABASE U&"@@DB@@\\005fv"'),
        ("rename-quoted", "renamed", 'ALTER DATABASE "@@DB@@_v" RENAME TO "@@DB@@_w"'),
    ]
    return [
        CONTAINERS.destructive(
            f"database-{name}", f"DROP or rename of a database: {title}", statement, loss="database",
            setup_global=['CREATE DATABASE "@@DB@@_v" OWNER rt_app TEMPLATE template0'],
            teardown_global=[f'DROP DATABASE IF EXISTS "@@DB@@_{x}" WITH (FORCE)' for x in "vw"],
            proof=("select count(*) from pg_database where datname = '@@DB@@_v'", "0"), proof_db="postgres",
            proof_only=True, **({"tier": 2} if "RENAME" in statement else {}),
        )
        for name, title, statement in ways
    ]  # fmt: skip


def cases() -> list[Case]:
    return [
        *plain_drops(), *drops_by_path(), *transactions(), *dragged_matviews(), *dragged_by_key(), *dragged_columns(),
        *containers(), *databases(),
    ]  # fmt: skip
