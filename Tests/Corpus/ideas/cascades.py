"""CASCADE from things that are no tables: what they drag along, and the like that drag nothing."""

from typing import Any

from .case import Case, Proof, Step, Topic, column_gone, emptied, gone

DRAGS = Topic("cascade", "H15")
ROWS = Topic("cascade-rows", "H15")
SPARES = Topic("cascade-nothing", "H15")

INT_FUNCTION = "create function f(int) returns int immutable language sql as 'select $1'"
FILLED = "insert into s select 1"
HASH_CLASS = ["create operator family fam using hash", "create operator class hashed for type int using hash family fam"
              " as operator 1 =, function 2 hashint4extended(int, bigint)",
              "create table s (a int) partition by hash (a hashed)",
              "create table s0 partition of s for values with (modulus 1, remainder 0)", FILLED]  # fmt: skip
ADDRESS = ["create type inner_t as (p int, q int)", "create type outer_t as (i inner_t, n int)",
           "create table s (a int, r outer_t)", "insert into s values (1, row(row(2, 3), 4))"]  # fmt: skip
DICTIONARY = ["create text search dictionary dict (template = simple)",
              "create text search configuration ts (parser = default)",
              "alter text search configuration ts add mapping for asciiword with dict",
              "create table s (a text, r tsvector generated always as (to_tsvector('ts', a)) stored)",
              "insert into s values ('x')"]  # fmt: skip

# A whole table goes. Name, what is there, the statement, proof, other fields.
TABLES: list[tuple[str, list[str], str, Proof, dict[str, Any]]] = [
    ("partition-function", [INT_FUNCTION, "create table s (a int) partition by range (f(a))",
     "create table s1 partition of s default", FILLED], "DROP FUNCTION f(int) CASCADE", gone("s"), {}),
    ("partition-collation", ['create collation l from "C"', "create table s (a text) partition by list (a collate l)",
     "create table s1 partition of s default", FILLED], "DROP COLLATION l CASCADE", gone("s1"), {}),
    ("partition-operator-class", HASH_CLASS, "DROP OPERATOR CLASS hashed USING hash CASCADE", gone("s0"),
     {"role": "super"}),
    ("partition-operator-family", HASH_CLASS, "DROP OPERATOR FAMILY fam USING hash CASCADE", gone("s"),
     {"role": "super"}),
    ("partition-extension", ["create extension citext", "create table s (a citext) partition by list (a)",
     "create table s1 partition of s default", FILLED], "DROP EXTENSION citext CASCADE", gone("s1"), {"role": "super"}),
    ("partition-schema", ["create schema far", INT_FUNCTION.replace("f(int)", "far.f(int)"),
     "create table s (a int) partition by range (far.f(a))", "create table s1 partition of s default", FILLED],
     "DROP SCHEMA far CASCADE", gone("s1"), {}),
    ("partition-domain", ["create domain d as int", "create table s (a d) partition by list (a)",
     "create table s1 partition of s default", FILLED], "DROP DOMAIN d CASCADE", gone("s1"), {}),
    ("far-partitions", ["create schema far", "create table far.s (a int) partition by list (a)",
     "create table s1 partition of far.s default", "insert into s1 values (1)"], "DROP SCHEMA far CASCADE", gone("s1"),
     {}),
    ("far-heir", ["create schema far", "create table far.s (a int)", "create table s1 (b int) inherits (far.s)",
     "insert into s1 values (1, 2)"], "DROP SCHEMA IF EXISTS far CASCADE", gone("s1"), {}),
    ("heirs-of-heirs", ["create table s (a int)", "create table s1 () inherits (s)", "create table s2 () inherits (s1)",
     "insert into s2 values (1)"], "DROP TABLE s CASCADE", gone("s2"), {}),
    ("typed-table-schema", ["create schema far", "create type far.t as (a int)", "create table s of far.t", FILLED],
     "DROP SCHEMA far CASCADE", gone("s"), {}),
    ("typed-table-listed", ["create type t as (a int)", "create table s of t", FILLED],
     "DROP TYPE IF EXISTS no_such, t, mood CASCADE", gone("s"), {}),
    ("matview-chain", ["create view w1 as select id from leads", "create view w2 as table w1",
     "create view w3 as table w2", "create materialized view m as table w3"], "DROP VIEW w1 CASCADE", gone("m"),
     {"loss": "matview"}),
    ("matview-cast-function", ["create function f(mood) returns int language sql as 'select 1'",
     "create cast (mood as int) with function f(mood)",
     "create materialized view m as select m::int as a from profiles"],
     "DROP FUNCTION f(mood) CASCADE", gone("m"), {"loss": "matview"}),
    ("matview-of-matview", ["create materialized view m1 as select 1 as a", "create materialized view m as table m1"],
     "DROP MATERIALIZED VIEW m1 CASCADE", gone("m"), {"loss": "matview"}),
    ("matview-column", ["create materialized view m as select name from leads"],
     "ALTER TABLE leads DROP name CASCADE", gone("m"), {"loss": "matview"}),
    ("matview-foreign", ["create extension file_fdw", "create server srv foreign data wrapper file_fdw",
     "create foreign table f (a text) server srv options (filename '/dev/null')",
     "create materialized view m as table f"], "DROP FOREIGN TABLE f CASCADE", gone("m"),
     {"role": "super", "loss": "matview"}),
    ("matview-server", ["create extension file_fdw", "create server srv foreign data wrapper file_fdw",
     "create foreign table f (a text) server srv options (filename '/dev/null')",
     "create materialized view m as table f"], "DROP EXTENSION file_fdw CASCADE", gone("m"),
     {"role": "super", "loss": "matview"}),
    ("owned-type", ["grant create, usage on schema public to rt_other", "set role rt_other",
     "create type t as (a int)", "reset role", "grant usage on type t to rt_app", "create table s of t", FILLED],
     "DROP OWNED BY rt_other CASCADE", gone("s"), {"role": "super", "loss": "owned", "alone": True}),
]  # fmt: skip

# A column goes. Name, what is there, the statement, table, column, other fields.
COLUMNS: list[tuple[str, list[str], str, str, str, dict[str, Any]]] = [
    ("far-type", ["create schema far", "create type far.k as enum ('a')", "create table s (a int, r far.k)",
     "insert into s values (1, 'a')"], "DROP SCHEMA far CASCADE", "s", "r", {}),
    ("far-function", ["create schema far", INT_FUNCTION.replace("f(int)", "far.f(int)"),
     "create table s (a int, r int generated always as (far.f(a)) stored)", FILLED], "DROP SCHEMA far CASCADE", "s",
     "r", {}),
    ("routine", [INT_FUNCTION, "create table s (a int, r int generated always as (f(a)) stored)", FILLED],
     "DROP ROUTINE IF EXISTS f(int) CASCADE", "s", "r", {}),
    ("inner-function", [INT_FUNCTION, "create function g(a int) returns int immutable language sql return f(a)",
     "create table s (a int, r int generated always as (g(a)) stored)", FILLED], "DROP FUNCTION f CASCADE", "s", "r",
     {}),
    ("operator", ["create operator ### (leftarg = int, rightarg = int, function = int4pl)",
     "create table s (a int, r int generated always as (a ### 1) stored)", FILLED],
     "DROP OPERATOR ### (int, int) CASCADE", "s", "r", {}),
    ("cast-function", ["create function f(mood) returns int immutable language sql as 'select 1'",
     "create cast (mood as int) with function f(mood)",
     "alter table profiles add r int generated always as (m::int) stored"], "DROP FUNCTION f CASCADE",
     "profiles", "r", {}),
    ("array", ["create table s (a int, r mood[])", "insert into s values (1, '{ok}')"], "DROP TYPE mood CASCADE", "s",
     "r", {}),
    ("domain-of-domain", ["create domain d1 as int", "create domain d2 as d1", "create table s (a int, r d2)",
     "insert into s values (1, 2)"], "DROP DOMAIN d1 CASCADE", "s", "r", {}),
    ("multirange", ["create type span as range (subtype = int, multirange_type_name = spans)",
     "create table s (a int, r spans)", "insert into s values (1, '{[1,2)}')"], "DROP TYPE span CASCADE", "s", "r", {}),
    ("range-of-enum", ["create type span as range (subtype = mood)", "create table s (a int, r span)",
     "insert into s values (1, '[sad,ok)')"], "DROP TYPE mood CASCADE", "s", "r", {}),
    ("view-row-type", ["create view w as select 1 as x", "create table s (a int, r w)",
     "insert into s values (1, row(2))"], "DROP VIEW w CASCADE", "s", "r", {}),
    ("base-type", ["create type b", "create function b_in(cstring) returns b immutable strict language internal as"
     " 'int4in'", "create function b_out(b) returns cstring immutable strict language internal as 'int4out'",
     "create type b (input = b_in, output = b_out, like = int)", "create table s (a int, r b)",
     "insert into s values (1, '2')"], "DROP FUNCTION b_in(cstring) CASCADE", "s", "r", {"role": "super"}),
    ("extension", ["create extension citext", "create table s (a int, r citext)", "insert into s values (1, 'x')"],
     "DROP EXTENSION IF EXISTS citext CASCADE", "s", "r", {"role": "super"}),
    ("extension-chain", ["create extension earthdistance cascade", "create table s (a int, r earth)",
     "insert into s values (1, null)"], "DROP EXTENSION cube CASCADE", "s", "r", {"role": "super"}),
    ("language", ["create extension plperl", "create function f(int) returns int immutable language plperl as"
     " 'return 1'", "create table s (a int, r int generated always as (f(a)) stored)", FILLED],
     "DROP EXTENSION plperl CASCADE", "s", "r", {"role": "super"}),
    ("dictionary", DICTIONARY, "DROP TEXT SEARCH DICTIONARY dict CASCADE", "s", "r", {}),
    ("heirs", ["create table s (x int)", "create table s1 () inherits (base_doc)", "insert into s1 values (1, 'x')"],
     "ALTER TABLE base_doc DROP COLUMN title", "s1", "title", {}),
    ("partitions", [], "ALTER TABLE events DROP COLUMN payload CASCADE", "events_2023", "payload", {}),
    ("attribute", ADDRESS, "ALTER TYPE outer_t DROP ATTRIBUTE n CASCADE", "outer_t", "n", {"loss": "values"}),
    ("attribute-of-table", ["create table part (a int, b int)", "create table s (a int, r part)",
     "insert into s values (1, row(2, 3))"], "ALTER TABLE part DROP COLUMN b CASCADE", "part", "b", {}),
    ("nested-type", ADDRESS, "DROP TYPE inner_t CASCADE", "outer_t", "i", {"loss": "values"}),
    ("owned-domain", ["grant create, usage on schema public to rt_other", "set role rt_other",
     "create domain d as text", "reset role", "create table s (a int, r d)", "insert into s values (1, 'x')"],
     "DROP OWNED BY rt_other CASCADE", "s", "r", {"role": "super", "loss": "owned", "alone": True}),
]  # fmt: skip

HUB = ["create table hubs (id int primary key)", "alter table leads add hub int references hubs"]
# TRUNCATE that goes on to other tables. Name, what is there, the statement, proof.
EMPTIED: list[tuple[str, list[str], str, Proof]] = [
    ("chain", [], "TRUNCATE customers CASCADE", emptied("order_items")),
    ("empty-start", HUB, "TRUNCATE hubs CASCADE", emptied("leads")),
    ("self-loop", ["alter table leads add boss int references leads"], "TRUNCATE leads", emptied("leads")),
    ("circle", ["create table s (id int primary key, l int references leads)", "insert into s values (1, 1)",
     "alter table leads add s int references s"], "TRUNCATE s CASCADE", emptied("leads")),
    ("to-partitions", ["create table s (id int primary key)", "alter table events add s int references s"],
     "TRUNCATE TABLE s RESTART IDENTITY CASCADE", emptied("events_2023")),
    ("heirs", [], "TRUNCATE base_doc", emptied("child_doc")),
    ("matching-list", [], "TRUNCATE customers, orders, order_items", emptied("order_items")),
    ("other-schema", ["create table s (id int primary key)", "alter table sales.invoices add s int references s"],
     "TRUNCATE s CASCADE", emptied("sales.invoices")),
    ("default-partition", [], "TRUNCATE ONLY events_default", emptied("events_default")),
]  # fmt: skip

WRAPPER = ["create foreign data wrapper w", "create server srv foreign data wrapper w"]
# CASCADE that drags nothing that holds data. Name, title, what is there, steps, other fields.
NOTHING: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("type", "a type that no table uses", ["create type t as enum ('a')"], ["DROP TYPE t CASCADE"], {}),
    ("type-restrict", "a type that no table uses, RESTRICT", ["create type t as (a int)"], ["DROP TYPE t RESTRICT"],
     {}),
    ("domain", "a domain that no column uses", ["create domain d as int check (value > 0)"], ["DROP DOMAIN d CASCADE"],
     {}),
    ("function", "a function that nothing uses", [INT_FUNCTION], ["DROP FUNCTION f(int) CASCADE"], {}),
    ("function-index", "a function that an index uses", [INT_FUNCTION, "create index on leads (f(id))"],
     ["DROP FUNCTION f(int) CASCADE"], {}),
    ("function-default", "a function that a default uses", [INT_FUNCTION, "alter table leads alter note set default"
     " f(1)"], ["DROP FUNCTION f(int) CASCADE"], {}),
    ("function-check", "a function that a CHECK uses", [INT_FUNCTION, "alter table leads add check (f(id) > 0)"],
     ["DROP FUNCTION f CASCADE"], {}),
    ("function-trigger", "a function that a trigger uses", ["create function f() returns trigger language plpgsql as"
     " 'begin return new; end'", "create trigger t before insert on leads for each row execute function f()"],
     ["DROP FUNCTION f() CASCADE"], {}),
    ("function-policy", "a function that a policy uses", [INT_FUNCTION, "create policy p on leads using (f(id) > 0)"],
     ["DROP FUNCTION f(int) CASCADE"], {}),
    ("procedure", "a procedure", ["create procedure p() language sql as 'select 1'"], ["DROP PROCEDURE p() CASCADE"],
     {}),
    ("aggregate", "an aggregate", ["create aggregate total(int) (sfunc = int4pl, stype = int)"],
     ["DROP AGGREGATE total(int) CASCADE"], {}),
    ("operator", "an operator", ["create operator ### (leftarg = int, rightarg = int, function = int4pl)"],
     ["DROP OPERATOR ### (int, int) CASCADE"], {}),
    ("view", "a view with views on it", ["create view w as select 1 as a", "create view x as table w"],
     ["DROP VIEW w CASCADE"], {}),
    ("sequence", "a sequence that a default uses", ["create sequence q", "alter table contacts alter id set default"
     " nextval('q')"], ["DROP SEQUENCE q CASCADE"], {}),
    ("collation", "a collation that an index uses", ['create collation l from "C"', "create index on leads (name"
     " collate l)"], ["DROP COLLATION l CASCADE"], {}),
    ("schema-empty", "an empty schema", ["create schema far"], ["DROP SCHEMA far CASCADE"], {}),
    ("schema-restrict", "an empty schema without CASCADE", ["create schema far"], ["DROP SCHEMA far"], {}),
    ("schema-functions", "a schema of functions and types that nothing uses", ["create schema far",
     INT_FUNCTION.replace("f(int)", "far.f(int)"), "create type far.t as enum ('a')", "create view far.w as select 1"],
     ["DROP SCHEMA far CASCADE"], {}),
    ("schema-missing", "a schema that is not there", [], ["DROP SCHEMA IF EXISTS far CASCADE"], {}),
    ("configuration", "a text search configuration", ["create text search configuration ts (copy = simple)"],
     ["DROP TEXT SEARCH CONFIGURATION ts CASCADE"], {}),
    ("extension", "an extension that nothing uses", ["create extension hstore"], ["DROP EXTENSION hstore CASCADE"],
     {"role": "super"}),
    ("extension-index", "an extension that only an index uses", ["create extension pg_trgm",
     "create index on leads using"
     " gin (name gin_trgm_ops)"], ["DROP EXTENSION pg_trgm CASCADE"], {"role": "super"}),
    ("server", "a server without foreign tables", WRAPPER, ["DROP SERVER srv CASCADE"], {"role": "super"}),
    ("wrapper", "a wrapper without foreign tables", WRAPPER, ["DROP FOREIGN DATA WRAPPER w CASCADE"],
     {"role": "super"}),
    ("cast", "a cast", ["create cast (mood as int) with inout"], ["DROP CAST (mood AS int) CASCADE"], {}),
    ("language", "a language without functions", ["create extension plperl"], ["DROP EXTENSION plperl CASCADE"],
     {"role": "super"}),
    ("constraint", "a foreign key goes with the key", [], ["ALTER TABLE customers DROP CONSTRAINT customers_email_key"
     " CASCADE"], {}),
    ("owned-nothing", "a role that owns nothing", [], ["DROP OWNED BY rt_other CASCADE"],
     {"role": "super", "alone": True}),
    ("truncate-refused", "TRUNCATE of a missing table: the server's own error", [], ["TRUNCATE none_such CASCADE"],
     {"allow_errors": ["42P01"]}),
]  # fmt: skip
# RESTRICT drops nothing; whether the server or the proxy says so is open.
HELD: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("schema", "a schema with tables, RESTRICT", [], ["DROP SCHEMA sales", "DROP SCHEMA sales RESTRICT"], {}),
    ("type", "a type that a column uses", [], ["DROP TYPE mood"], {}),
    ("domain", "a domain that a column uses", [], ["DROP DOMAIN email_dom RESTRICT"], {}),
    ("table-type", "a table whose row type a column uses", ["create table part (a int)", "create table s (r part)"],
     ["DROP TABLE part"], {}),
    ("function", "a function that a generated column uses", [INT_FUNCTION, "create table s (a int, r int generated"
     " always as (f(a)) stored)"], ["DROP FUNCTION f(int)"], {}),
    ("partition-function", "a function that a partition key uses", [INT_FUNCTION, "create table s (a int) partition by"
     " range (f(a))"], ["DROP FUNCTION f(int) RESTRICT"], {}),
    ("extension", "an extension whose type a column uses", ["create extension citext", "create table s (r citext)"],
     ["DROP EXTENSION citext"], {"role": "super"}),
    ("role", "a role that owns tables", [], ["DROP ROLE rt_app"], {"role": "super"}),
    ("undone", "DROP TYPE … CASCADE, rolled back", [], ["BEGIN", "DROP TYPE mood CASCADE", "ROLLBACK"], {}),
    ("truncate", "TRUNCATE of a table that others refer to", [], ["TRUNCATE customers"], {}),
]  # fmt: skip


def setup(made: list[str], fields: dict[str, Any]) -> dict[str, Any]:
    """What a superuser attacks, a superuser has made."""
    return {"setup" if fields.get("role") == "super" else "setup_app": made, **fields}


def dragged() -> list[Case]:
    tables = [
        DRAGS.destructive(name, f"a table goes along: {statement}", statement, proof=proof, vis="server",
                          **setup(made, fields))
        for name, made, statement, proof, fields in TABLES
    ]  # fmt: skip
    columns = [
        DRAGS.destructive(f"column-{name}", f"a column goes along: {statement}", statement, vis="server",
                          proof=column_gone(table, column), tier=2, **setup(made, {"loss": "column", **fields}))
        for name, made, statement, table, column, fields in COLUMNS
    ]  # fmt: skip
    return [*tables, *columns]


def emptied_along() -> list[Case]:
    return [
        ROWS.destructive(name, f"TRUNCATE goes on: {name.replace('-', ' ')}", statement, setup_app=made, vis="server",
                         proof=proof, tier=2, loss="rows")
        for name, made, statement, proof in EMPTIED
    ]  # fmt: skip


def spared() -> list[Case]:
    nothing = [
        SPARES.benign(name, f"nothing with data goes along: {title}", *steps, **setup(made, fields))
        for name, title, made, steps, fields in NOTHING
    ]
    held = [
        SPARES.robust(f"held-{name}", f"nothing goes: {title}", *steps, **setup(made, fields))
        for name, title, made, steps, fields in HELD
    ]
    return [*nothing, *held]


def cases() -> list[Case]:
    return [*dragged(), *emptied_along(), *spared()]
