"""Routines that are in the database before the client comes: every way to have one run, and what it may hold."""

from typing import Any

from .case import Case, Proof, Step, Topic, column_gone, counted, emptied, gone, overwritten
from .wire import COPY_DONE, SYNC, bind, data, describe, exchange, execute, parse, query

FORMS = Topic("stored-call", "H13")
KINDS = Topic("stored-kind", "H13")
BODIES = Topic("stored-body", "H13")
PLANNED = Topic("stored-planned", "H13")
FOUND = Topic("stored-name", "H13")
STALE = Topic("stored-stale", "H13")


def routine(signature: str, returns: str, body: str, options: str = "plpgsql") -> str:
    return f"create function {signature} returns {returns} language {options} as $f$ begin {body} end $f$"


DROP = "drop table if exists public.leads;"
TIDY = routine("tidy()", "int", f"{DROP} return 1;")
TIDY_ROW = routine("tidy(a int)", "int", f"{DROP} return a;")
IS_TIDY = routine("is_tidy(a int)", "bool", f"{DROP} return true;")
ROWS = routine("tidied(a int)", "setof int", f"{DROP} return next a;")
# Where PostgreSQL wants an immutable function: one that says so and only calls another.
STEADY = routine("steady(a int)", "int", "return tidy(a);", "plpgsql immutable")
PROCEDURE = f"create procedure tidy_up() language plpgsql as $f$ begin {DROP} end $f$"

# Name, what is in the database, the client's steps.
CALLS: list[tuple[str, list[str], list[Step]]] = [
    ("from", [TIDY], ["SELECT * FROM tidy()"]),
    ("rows-from", [TIDY], ["SELECT * FROM ROWS FROM (generate_series(1, 2), tidy()) WITH ORDINALITY"]),
    ("lateral", [TIDY_ROW], ["SELECT c.name FROM contacts c CROSS JOIN LATERAL tidy(c.id) WHERE c.id = 1"]),
    ("values", [TIDY], ["VALUES (1), (tidy())"]),
    ("where", [IS_TIDY], ["SELECT name FROM contacts WHERE id > 0 AND is_tidy(id)"]),
    ("join-on", [IS_TIDY], ["SELECT count(*) FROM contacts c JOIN customers k ON k.id = c.id AND is_tidy(k.id)"]),
    ("order-by", [TIDY_ROW], ["SELECT id FROM contacts ORDER BY tidy(id) DESC"]),
    ("group-by", [TIDY_ROW], ["SELECT count(*) FROM contacts GROUP BY GROUPING SETS ((tidy(id)), ())"]),
    ("having", [TIDY_ROW], ["SELECT 1 FROM contacts HAVING tidy(count(*)::int) = 3"]),
    ("distinct-on", [TIDY_ROW], ["SELECT DISTINCT ON (tidy(id)) name FROM contacts"]),
    ("offset", [TIDY], ["SELECT 1 OFFSET tidy()"]),
    ("filter", [IS_TIDY], ["SELECT count(*) FILTER (WHERE is_tidy(id)) FROM contacts"]),
    ("within-aggregate", [TIDY_ROW], ["SELECT string_agg(name, ',' ORDER BY tidy(id)) FROM contacts"]),
    ("window-partition", [TIDY_ROW], ["SELECT rank() OVER (PARTITION BY tidy(id) ORDER BY name) FROM contacts"]),
    ("window-frame", [TIDY], ["SELECT sum(id) OVER w FROM contacts WINDOW w AS (ORDER BY id ROWS tidy() PRECEDING)"]),
    ("tablesample", [TIDY], ["SELECT count(*) FROM contacts TABLESAMPLE BERNOULLI (tidy())"]),
    ("case-branch", [TIDY], ["SELECT CASE WHEN now() > '2000-01-01' THEN tidy() ELSE 0 END"]),
    ("subscript", [TIDY], ["SELECT (ARRAY[5, 6])[tidy()]"]),
    ("row-constructor", [TIDY], ["SELECT ROW(1, tidy())"]),
    ("array-of-select", [TIDY], ["SELECT ARRAY(SELECT tidy() FROM contacts)"]),
    ("exists", [TIDY], ["SELECT EXISTS (SELECT FROM tidy())"]),
    ("any-select", [TIDY], ["SELECT 1 = ANY (SELECT tidy())"]),
    ("union", [TIDY], ["SELECT 1 UNION ALL SELECT tidy()"]),
    ("cte", [TIDY], ["WITH x AS MATERIALIZED (SELECT tidy() AS a) SELECT a FROM x"]),
    ("cte-insert", [TIDY], ["WITH x AS (INSERT INTO audit_log (what) VALUES ('x') RETURNING tidy()) TABLE x"]),
    ("recursive", [TIDY_ROW], ["WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT tidy(i) + 1 FROM n WHERE i < 2)"
                               " TABLE n"]),
    ("returning", [TIDY], ["INSERT INTO audit_log (what) VALUES ('x') RETURNING id, tidy()"]),
    ("insert-select", [TIDY], ["INSERT INTO audit_log (what) SELECT tidy()"]),
    ("update-set", [TIDY], ["UPDATE contacts SET note = tidy() WHERE id = 1"]),
    ("update-from", [ROWS], ["UPDATE contacts SET note = note FROM tidied(1) t WHERE t = id"]),
    ("delete-where", [IS_TIDY], ["DELETE FROM contacts WHERE NOT is_tidy(id)"]),
    ("delete-using", [ROWS], ["DELETE FROM contacts USING tidied(0) t WHERE t = id"]),
    ("on-conflict", [TIDY], ["INSERT INTO contacts VALUES (1, 'x', 'c1') ON CONFLICT (id) DO UPDATE SET name ="
                             " 'x' || tidy()"]),
    ("merge-when", [IS_TIDY], ["MERGE INTO contacts t USING (SELECT 1 AS i) s ON t.id = s.i WHEN MATCHED AND"
                               " is_tidy(i) THEN UPDATE SET note = note"]),
    ("named-argument", [TIDY_ROW], ["SELECT tidy(a => 1)"]),
    ("default-argument", [TIDY, "create function plain(a int default tidy()) returns int language sql as 'select a'"],
     ["SELECT plain()"]),
    ("variadic", [routine("tidy(variadic a int[])", "int", f"{DROP} return 1;")], ["SELECT tidy(1, 2, 3)"]),
    ("set-returning", [ROWS], ["SELECT tidied(1), 2"]),
    ("row-argument", [routine("tidy(contacts)", "int", f"{DROP} return 1;")], ["SELECT (c).tidy FROM contacts c"]),
    ("xml", [TIDY], ["SELECT xmlelement(name a, tidy())"]),
    ("json-agg", [TIDY], ["SELECT json_build_object('a', coalesce(NULL, tidy()))"]),
    ("do-perform", [TIDY], ["DO $$ BEGIN PERFORM tidy(); END $$"]),
    ("do-default", [TIDY], ["DO $$ DECLARE n int := tidy(); BEGIN NULL; END $$"]),
    ("do-if", [TIDY], ["DO $$ BEGIN IF tidy() = 1 THEN RETURN; END IF; END $$"]),
    ("do-call", [PROCEDURE], ["DO $$ BEGIN CALL tidy_up(); END $$"]),
    ("call-argument", [TIDY, "create procedure plain(a int) language sql as 'select a'"], ["CALL plain(tidy())"]),
    ("call-out", [f"create procedure tidy_up(in a int, out b int) language plpgsql as $f$ begin {DROP} b := a; end"
                  " $f$"], ["CALL tidy_up(1, NULL)"]),
    ("prepared-argument", [TIDY], ["PREPARE q (int) AS SELECT $1", "EXECUTE q (tidy())"]),
    ("prepared", [TIDY], ["PREPARE q AS SELECT tidy()", "EXECUTE q"]),
    ("cursor", [TIDY], ["BEGIN; DECLARE c CURSOR FOR SELECT tidy()", "FETCH FORWARD 1 FROM c", "COMMIT"]),
    ("held-cursor", [TIDY], ["BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT tidy(); COMMIT"]),
    ("returned-cursor", [TIDY, routine("report()", "refcursor", "open r for select tidy(); return r;").replace(
        "$f$ begin", "$f$ declare r refcursor := 'r'; begin")], ["BEGIN", "SELECT report()", "FETCH ALL FROM r",
                                                                "COMMIT"]),
    ("explain-analyze", [TIDY], ["EXPLAIN (ANALYZE, FORMAT json) SELECT count(*) FROM contacts WHERE id = tidy()"]),
    ("explain-execute", [TIDY], ["PREPARE q AS SELECT tidy()", "EXPLAIN ANALYZE EXECUTE q"]),
    ("table-as", [TIDY], ["CREATE TABLE n1 AS SELECT tidy() AS a"]),
    ("table-as-execute", [TIDY], ["PREPARE q AS SELECT tidy()", "CREATE TEMP TABLE n1 AS EXECUTE q"]),
    ("select-into", [TIDY], ["SELECT tidy() INTO TEMP n1"]),
    ("matview", [TIDY], ["CREATE MATERIALIZED VIEW n1 AS SELECT tidy() AS a"]),
    ("refresh", [TIDY, "create materialized view n1 as select tidy() as a from contacts with no data"],
     ["REFRESH MATERIALIZED VIEW n1"]),
    ("refresh-view", [TIDY, "create view w as select tidy() as a", "create materialized view n1 as select a from w"
                      " with no data"], ["REFRESH MATERIALIZED VIEW public.n1 WITH DATA"]),
    ("copy-query", [TIDY], ["COPY (SELECT tidy()) TO STDOUT"]),
    ("copy-returning", [TIDY], ["COPY (INSERT INTO audit_log (what) VALUES ('x') RETURNING tidy()) TO STDOUT"]),
    ("copy-where", [IS_TIDY], exchange(query("COPY contacts FROM STDIN WHERE is_tidy(id)"), data("9\tx\ty\n"),
                                       COPY_DONE)),
    ("add-default", [TIDY], ["ALTER TABLE contacts ADD z int DEFAULT tidy()"]),
    ("type-using", [TIDY_ROW], ["ALTER TABLE audit_log ALTER what TYPE varchar USING what || tidy(id)"]),
    ("add-check", [IS_TIDY], ["ALTER TABLE contacts ADD CHECK (is_tidy(id))"]),
    ("add-generated", [TIDY_ROW, STEADY], ["ALTER TABLE contacts ADD z int GENERATED ALWAYS AS (steady(id)) STORED"]),
    ("create-index", [TIDY_ROW, STEADY], ["CREATE INDEX ON contacts (steady(id))"]),
    ("index-predicate", [IS_TIDY, routine("steady(a int)", "bool", "return is_tidy(a);", "plpgsql immutable")],
     ["CREATE UNIQUE INDEX ON contacts (name) WHERE steady(id)"]),
    ("partition-bound", [TIDY, "create table parts (a int) partition by range (a)"],
     ["CREATE TABLE n1 PARTITION OF parts FOR VALUES FROM (tidy()) TO (9)"]),
    ("query-to-xml", [TIDY], ["SELECT query_to_xml('SELECT tidy()', true, true, '')"]),
    ("table-to-xml", [TIDY, "create view w as select tidy() as a"], ["SELECT table_to_xml('w', true, true, '')"]),
    ("ts-stat", [TIDY], ["SELECT * FROM ts_stat($$SELECT to_tsvector('simple', tidy()::text)$$)"]),
    ("attribute-of-call", [routine("tidy(out a int, out b int)", "record", f"{DROP} a := 1; b := 2;")],
     ["SELECT (tidy()).b"]),
    ("extended", [TIDY_ROW], exchange(parse("SELECT tidy($1)"), bind("", "", "1"), describe("P"), execute(), SYNC)),
    ("named-statement", [TIDY], [*exchange(parse("SELECT tidy()", "q"), describe("S", "q"), SYNC),
                                 *exchange(bind("q"), execute("", 1), SYNC)]),
    ("second-in-pipeline", [TIDY], exchange(parse("SELECT 1"), bind(), execute(), parse("SELECT tidy()"), bind(),
                                            execute(), SYNC)),
]  # fmt: skip


def calls() -> list[Case]:
    return [
        FORMS.destructive(
            name, f"a routine of the database, run by: {name.replace('-', ' ')}", *steps, vis="server", setup_app=made,
        )
        for name, made, steps in CALLS
    ]  # fmt: skip


# Routines of other kinds. Name, title, what is in the database, the client's steps, other fields.
ROUTINES: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("three-deep", "a function that calls one that calls one",
     [TIDY, "create function second() returns int language sql as 'select tidy()'",
      routine("first()", "int", "return (select max(second()) from contacts);")], ["SELECT first()"], {}),
    ("inlined", "a function in SQL that the planner puts in place", [TIDY_ROW,
     "create function plain(a int) returns int language sql stable as 'select tidy($1) + 1'"],
     ["SELECT plain(id) FROM contacts"], {}),
    ("inlined-rows", "a set of rows in SQL that the planner puts in place", [TIDY_ROW,
     "create function plain() returns setof int language sql stable as 'select tidy(id) from contacts'"],
     ["SELECT * FROM plain() LIMIT 1"], {}),
    ("atomic", "a body in BEGIN ATOMIC", [TIDY,
     "create function plain() returns int begin atomic select 1; select tidy(); end"], ["SELECT plain()"], {}),
    ("return-expression", "a body that is one expression", [TIDY, "create function plain() returns int return tidy()"],
     ["SELECT plain()"], {}),
    ("sql-body", "several statements in SQL",
     ["create function plain() returns void language sql as 'insert into audit_log (what) values (''x''); drop table"
      " leads'"], ["SELECT plain()"], {}),
    ("sql-procedure", "a procedure in SQL", ["create procedure plain() language sql as $f$ drop table leads $f$"],
     ["CALL plain()"], {}),
    ("commits", "a procedure that commits before", [f"create procedure plain() language plpgsql as $f$ begin insert"
     f" into audit_log (what) values ('x'); commit; {DROP} end $f$"], ["CALL plain()"], {}),
    ("aggregate-state", "the state function of an aggregate", [routine("add(a int, b int)", "int", f"{DROP} return"
     " a + b;"), "create aggregate total(int) (sfunc = add, stype = int, initcond = 0)"],
     ["SELECT total(id) FROM contacts"], {}),
    ("aggregate-final", "the final function of an aggregate", [TIDY_ROW, "create aggregate total(int) (sfunc ="
     " int4pl, stype = int, initcond = 0, finalfunc = tidy)"], ["SELECT customer_id, total(id::int) FROM orders GROUP"
     " BY 1"], {}),
    ("aggregate-window", "an aggregate as a window function", [routine("add(a int, b int)", "int", f"{DROP} return"
     " a + b;", "plpgsql strict"), "create aggregate total(int) (sfunc = int4pl, stype = int, initcond = 0, msfunc = add, minvfunc ="
     " int4mi, mstype = int, minitcond = 0)"],
     ["SELECT total(id) OVER (ORDER BY id ROWS 1 PRECEDING) FROM contacts"], {}),
    ("aggregate-ordered", "an ordered-set aggregate", [TIDY_ROW, "create aggregate total(order by int) (sfunc ="
     " int4pl, stype = int, initcond = 0, finalfunc = tidy)"], ["SELECT total() WITHIN GROUP (ORDER BY id) FROM"
     " contacts"], {}),
    ("definer", "a function with the rights of its owner, called by a role that may only read",
     [routine("tidy()", "int", f"{DROP} return 1;", "plpgsql security definer")], ["SELECT tidy()"], {"role": "ro"}),
    ("definer-procedure", "a procedure with the rights of its owner",
     [f"create procedure tidy_up() language plpgsql security definer as $f$ begin {DROP} end $f$"],
     ["CALL tidy_up()"], {"role": "ro"}),
    ("set-clause", "a function with a SET clause for the path",
     [routine("tidy()", "int", "drop table invoices; return 1;", "plpgsql set search_path = sales")],
     ["SELECT tidy()"], {"proof": gone("sales.invoices")}),
    ("set-backslashes", "a function whose SET clause decides how its body is read",
     ["create function tidy() returns int language plpgsql set standard_conforming_strings = off as $f$ begin perform"
      " 'x\\' , '; drop table leads; --';\n return 1; end $f$"], ["SELECT tidy()"], {}),
    ("perl", "a function in Perl", ["create function tidy() returns int language plperl as $f$"
     " spi_exec_query(join(' ', 'DROP', 'TABLE', 'leads')); return 1; $f$"], ["SELECT tidy()"],
     {"setup": ["create extension plperl"]}),
    ("perl-trigger", "a trigger in Perl", ["create function tidy() returns trigger language plperl as $f$"
     " spi_exec_query('DROP TABLE leads'); return; $f$", "create trigger t after insert on cache_u execute function"
     " tidy()"], ["INSERT INTO cache_u VALUES ('q', 'q')"], {"setup": ["create extension plperl"]}),
    ("tcl", "a function in Tcl", ["create function tidy() returns int language pltcl as $f$ spi_exec \"DROP TABLE"
     " [string reverse sdael]\"; return 1 $f$"], ["SELECT tidy()"], {"setup": ["create extension pltcl"]}),
    ("tcl-procedure", "a procedure in Tcl", ["create procedure tidy_up() language pltcl as $f$ spi_exec {DROP TABLE"
     " leads} $f$"], ["CALL tidy_up()"], {"setup": ["create extension pltcl"]}),
    ("python", "a function in Python", [], ["SELECT tidy()"], {"setup": ["create extension plpython3u", "create"
     " function tidy() returns int language plpython3u as $f$\nplpy.execute(plpy.prepare('DROP ' + 'TABLE leads'))\n"
     "return 1\n$f$", "alter table leads owner to rt_super", "alter function tidy() owner to rt_super",
     "alter function tidy() security definer"]}),
    ("plpgsql-of-own", "a language that is PL/pgSQL by another name", [TIDY.replace("plpgsql", "house_sql")],
     ["SELECT tidy()"], {"setup": ["create trusted language house_sql handler plpgsql_call_handler inline"
                                   " plpgsql_inline_handler validator plpgsql_validator"]}),
    ("fast-path-argument", "by the fast path, with an argument", [TIDY_ROW],
     exchange({"t": "FunctionCall", "fn": "public.tidy(int)", "args": ["1"]}), {}),
    ("fast-path-definer", "by the fast path, by a role that may only read",
     [routine("tidy()", "int", f"{DROP} return 1;", "plpgsql security definer")],
     exchange({"t": "FunctionCall", "fn": "public.tidy()"}), {"role": "ro"}),
]  # fmt: skip


def kinds() -> list[Case]:
    return [
        KINDS.destructive(name, title, *steps, vis="server", setup_app=made, **fields)
        for name, title, made, steps, fields in ROUTINES
    ]


ROW_LOSS = {"tier": 2, "loss": "rows"}
# What the body does instead of a plain DROP. Name, body, proof, other fields.
DEEDS: list[tuple[str, str, Proof, dict[str, Any]]] = [
    ("execute-concat", "execute 'dr' || 'op table ' || 'leads';", gone("leads"), {}),
    ("execute-format", "execute format('drop table %I.%I', 'public', 'leads');", gone("leads"), {}),
    ("execute-row", "execute (select what from audit_log order by id desc limit 1);", gone("leads"),
     {"more": ["insert into audit_log (what) values ('drop table leads')"]}),
    ("execute-name", "execute 'drop table ' || quote_ident((select what from audit_log where id = 3));", gone("leads"),
     {"more": ["insert into audit_log (id, what) values (3, 'leads')"]}),
    ("execute-comment", "execute obj_description('tidy()'::regprocedure);", gone("leads"),
     {"more": ["comment on function tidy() is 'DROP TABLE leads'"]}),
    ("execute-setting", "execute current_setting('app.job');", gone("leads"), {"before": ["SET app.job = 'DROP TABLE"
                                                                                           " leads'"]}),
    ("all-tables", "for r in select tablename from pg_tables where schemaname = 'public' and tablename like 'lead%' loop"
     " execute format('drop table %I cascade', r.tablename); end loop;", gone("leads"), {}),
    ("drop-schema", "drop schema sales cascade;", gone("sales.invoices"), {"loss": "schema"}),
    ("drop-matview", "drop materialized view mv_sales;", gone("mv_sales"), {"loss": "matview"}),
    ("cascade", "drop type mood cascade;", column_gone("profiles", "m"), {"tier": 2, "loss": "column"}),
    ("drop-column", "alter table leads drop column note;", column_gone("leads", "note"), {"tier": 2,
                                                                                          "loss": "column"}),
    ("rename", "alter table leads rename to leads_old;", gone("leads"), {"tier": 2, "loss": "vanish"}),
    ("move", "alter table leads set schema sales;", gone("leads"), {"tier": 2, "loss": "vanish"}),
    ("detach", "alter table events detach partition events_2023;", counted("events", 4), {"tier": 2,
                                                                                         "loss": "vanish"}),
    ("truncate", "truncate leads;", emptied("leads"), ROW_LOSS),
    ("delete-all", "delete from leads;", emptied("leads"), ROW_LOSS),
    ("delete-cte", "with d as (delete from leads returning id) select count(*) from d into n;", emptied("leads"),
     ROW_LOSS),
    ("update-all", "update leads set note = null;", overwritten("leads", "note"), {"tier": 2, "loss": "values"}),
    ("swap", "create table leads_new (like leads including constraints); drop table leads; alter table leads_new rename to"
     " leads;", emptied("leads"), {}),
    ("in-handler", "begin perform 1 / 0; exception when division_by_zero then drop table leads; end;", gone("leads"),
     {}),
    ("makes-function", "create function made() returns void language sql as 'drop table leads'; perform made();",
     gone("leads"), {}),
    ("large-objects", "perform lo_unlink(4242);", ("select count(*) from pg_largeobject_metadata where oid = 4242",
                                                  "0"), {"tier": 2, "loss": "lob",
                                                         "more": ["select lo_from_bytea(4242, 'precious')"]}),
]  # fmt: skip


def bodies() -> list[Case]:
    cases: list[Case] = []
    for name, body, proof, fields in DEEDS:
        extra = dict(fields)
        made = [f"create function tidy() returns int language plpgsql as $f$ declare r record; n int; begin {body}"
                " return 1; end $f$", *extra.pop("more", [])]  # fmt: skip
        steps = [*extra.pop("before", []), "SELECT tidy()"]
        title = f"the body of a function in the database: {name.replace('-', ' ')}"
        cases.append(BODIES.destructive(name, title, *steps, vis="server", setup_app=made, proof=proof, **extra))
    return cases


STEADY_ONE = [TIDY_ROW, STEADY]
# What the planner runs, without the statement being run. Name, title, what is in the database, steps.
AT_PLANNING: list[tuple[str, str, list[str], list[Step]]] = [
    ("bind-only", "Bind plans: no Execute is needed", STEADY_ONE, exchange(parse("SELECT steady(1)"), bind(), SYNC)),
    ("bind-parameter", "Bind plans with the parameter's value", STEADY_ONE,
     exchange(parse("SELECT steady($1)"), bind("", "", "1"), SYNC)),
    ("explain-where", "EXPLAIN of a condition that is constant", STEADY_ONE,
     ["EXPLAIN SELECT * FROM contacts WHERE id = steady(1)"]),
    ("explain-false", "EXPLAIN of a branch that is never taken", STEADY_ONE,
     ["EXPLAIN SELECT * FROM contacts WHERE steady(1) = 1 AND false"]),
    ("explain-execute", "EXPLAIN EXECUTE", STEADY_ONE, ["PREPARE q AS SELECT steady(1)", "EXPLAIN EXECUTE q"]),
    ("declare-only", "DECLARE plans: no FETCH is needed", STEADY_ONE,
     ["BEGIN; DECLARE c CURSOR FOR SELECT steady(1); COMMIT"]),
    ("no-data", "CREATE TABLE … WITH NO DATA does not plan, EXPLAIN of it does", STEADY_ONE,
     ["EXPLAIN CREATE TABLE n1 AS SELECT steady(1) WITH NO DATA"]),
    ("estimate", "an operator that the planner tries on the most common values",
     [routine("same(a text, b text)", "bool", f"{DROP} return true;"),
      "create operator === (leftarg = text, rightarg = text, function = same, restrict = eqsel)",
      "create table s (a text)", "insert into s select 'x' from generate_series(1, 50)", "analyze s"],
     ["EXPLAIN SELECT * FROM s WHERE a === 'x'"]),
    ("index-condition", "the condition of an index, looked at by any query of the table",
     ["create function tidy(a int) returns int language sql as 'select a'",
      routine("steady(a int)", "int", "return tidy(a);", "plpgsql immutable"),
      "create table s (a int)", "create index on s (a) where steady(1) = 1",
      "drop function tidy(int)", TIDY_ROW], ["EXPLAIN SELECT * FROM s"]),
    ("child-check", "the CHECK of an heir, tried for leaving the heir out",
     [TIDY_ROW, STEADY, "create table s (a int)", "create table s1 (check (a = steady(1))) inherits (s)"],
     ["EXPLAIN SELECT * FROM s WHERE a = 2"]),
]  # fmt: skip


def at_planning() -> list[Case]:
    return [
        PLANNED.destructive(name, title, *steps, vis="server", setup_app=made)
        for name, title, made, steps in AT_PLANNING
    ]


HARMLESS = "create function public.tidy() returns int language sql as 'select 1'"
# Names that lead elsewhere. Name, title, what is in the database, steps, other fields.
NAMES: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("overload", "two functions of one name: the argument's type decides",
     ["create function tidy(a text) returns int language sql as 'select 1'", TIDY_ROW], ["SELECT tidy(1)"], {}),
    ("overload-literal", "an unknown literal goes to the text version",
     ["create function tidy(a int) returns int language sql as 'select 1'", TIDY_ROW.replace("a int", "a text")
      .replace("return a", "return 1")], ["SELECT tidy('1')"], {}),
    ("overload-default", "a call without arguments meets the version with defaults",
     [TIDY_ROW.replace("a int)", "a int default 1)"), "create function tidy(a text) returns int language sql as 'select"
      " 1'"], ["SELECT tidy()"], {}),
    ("closer-than-builtin", "a function for varchar is closer than the built-in one for text",
     ["create table s (a varchar)", "insert into s values ('X')",
      routine("lower(varchar)", "text", f"{DROP} return 'x';")], ["SELECT lower(a) FROM s"], {}),
    ("before-builtin", "pg_catalog last in the path of the session",
     [routine("lower(text)", "text", f"{DROP} return 'x';")],
     ["SET search_path = public, pg_catalog", "SELECT lower(name) FROM contacts"], {}),
    ("database-path", "pg_catalog last in the path of the database",
     [routine("now()", "timestamptz", f"{DROP} return transaction_timestamp();")], ["SELECT now()"],
     {"setup": ["alter database \"@@DB@@\" set search_path = public, pg_catalog"]}),
    ("role-path", "the path of the role in this database", ["create schema evil", HARMLESS,
     TIDY.replace("tidy()", "evil.tidy()")], ["SELECT tidy()"],
     {"setup": ["alter role rt_app in database \"@@DB@@\" set search_path = evil, public"]}),
    ("user-schema", "the schema that is called like the role comes first", ["create schema rt_app", HARMLESS,
     TIDY.replace("tidy()", "rt_app.tidy()")], ["SELECT tidy()"], {}),
    ("startup-path", "the path of the startup packet", ["create schema evil", HARMLESS,
     TIDY.replace("tidy()", "evil.tidy()")], ["SELECT tidy()"],
     {"startup": {"extra": [["options", "-c search_path=evil,public"]]}}),
    ("path-in-message", "the path changes in the same message", ["create schema evil", HARMLESS,
     TIDY.replace("tidy()", "evil.tidy()")], ["SET search_path TO evil; SELECT tidy()"], {}),
    ("path-by-call", "a function of the database changes the path", ["create schema evil", HARMLESS,
     TIDY.replace("tidy()", "evil.tidy()"), routine("enter()", "void",
     "perform set_config('search_path', 'evil', false);")],
     ["SELECT enter()", "SELECT tidy()"], {}),
    ("quoted", "upper case, spaces and letters beyond ASCII",
     [TIDY.replace("tidy()", '"Aufräumen – Größe 2"()')], ['SELECT "Aufräumen – Größe 2"()'], {}),
    ("case-twin", "quoted and folded names are two functions", [HARMLESS, TIDY.replace("tidy()", '"Tidy"()')],
     ['SELECT tidy(), "Tidy"()'], {}),
    ("uamp", "the name in Unicode escapes", [TIDY], [r'SELECT U&"t\0069dy"()'], {}),
    ("cut", "a name beyond 63 bytes is cut", [TIDY.replace("tidy()", f"{'t' * 63}()")], [f"SELECT {'t' * 70}()"], {}),
    ("like-keyword", "a function called like a keyword", [TIDY.replace("tidy()", '"select"()')],
     ['SELECT "select"()'], {}),
    ("three-parts", "the database's name in front", [TIDY], ['SELECT "@@DB@@".public.tidy()'], {}),
    ("table-of-view", "TABLE of a view in another schema", [TIDY, "create view sales.w as select tidy() as a"],
     ["TABLE sales.w"], {}),
    ("operator-syntax", "OPERATOR() with a schema", [routine("same(int, int)", "bool", f"{DROP} return true;"),
     "create operator sales.= (leftarg = int, rightarg = int, function = same)"],
     ["SELECT id FROM contacts WHERE id OPERATOR(sales.=) 1"], {}),
]  # fmt: skip


def names() -> list[Case]:
    return [
        FOUND.destructive(name, title, *steps, vis="server", setup_app=made, **fields)
        for name, title, made, steps, fields in NAMES
    ]


def behind(statement: str) -> dict[str, Any]:
    """Somebody else changes the database, by another way than through the proxy."""
    return {"op": "direct", "user": "rt_app", "sql": statement}


CALL = "SELECT tidy()"
REPLACED = TIDY.replace("create", "create or replace")
ADDITION = "INSERT INTO audit_log (what) VALUES ('x')"
TRIGGER = "create function act() returns trigger language plpgsql as $f$ begin drop table if exists leads; return null; end $f$"
PREPARED = exchange(parse(CALL, "q"), SYNC)
RUN = exchange(bind("q"), execute(), SYNC)
# What was harmless when it was last looked at. Name, title, what is in the database, steps.
CHANGED: list[tuple[str, str, list[str], list[Step]]] = [
    ("replaced", "the function is replaced between two calls", [HARMLESS], [CALL, CALL, behind(REPLACED), CALL]),
    ("replaced-prepared", "the function is replaced between two runs of a prepared statement", [HARMLESS],
     [*PREPARED, *RUN, behind(REPLACED), *RUN]),
    ("replaced-after-parse", "the function is replaced between Parse and Bind", [HARMLESS],
     [*PREPARED, behind(REPLACED), *RUN]),
    ("renamed", "two functions change names", [HARMLESS, TIDY.replace("tidy()", "other()")],
     [CALL, behind("alter function tidy() rename to third"), behind("alter function other() rename to tidy"), CALL]),
    ("inner", "the function that it calls is replaced", [HARMLESS, routine("outer_one()", "int", "return tidy();")],
     ["SELECT outer_one()", behind(REPLACED), "SELECT outer_one()"]),
    ("path-first", "a function comes up earlier in the path", ["create schema rt_app", HARMLESS],
     [CALL, behind(TIDY.replace("tidy()", "rt_app.tidy()")), CALL]),
    ("trigger-added", "a trigger is added between two rows", [TRIGGER],
     [ADDITION, behind("create trigger t after insert on audit_log execute function act()"), ADDITION]),
    ("trigger-enabled", "a trigger is switched on between two rows",
     [TRIGGER, "create trigger t after insert on audit_log execute function act()",
      "alter table audit_log disable trigger t"],
     [ADDITION, behind("alter table audit_log enable trigger t"), ADDITION]),
    ("view-replaced", "a view is replaced between two queries", [TIDY, "create view w as select 1 as a"],
     ["TABLE w", behind("create or replace view w as select tidy() as a"), "TABLE w"]),
    ("default-changed", "a column's default is changed between two rows", [TIDY],
     [ADDITION, behind("alter table audit_log alter at set default now() + tidy() * interval '1 s'"), ADDITION]),
    ("rule-added", "a rule is added between two rows", [TIDY],
     [ADDITION, behind("create rule r as on insert to audit_log do also select tidy()"), ADDITION]),
    ("made-late", "the function does not exist at first", [], [CALL, behind(TIDY), CALL]),
    ("settings-of-function", "the function's path is changed between two calls", ["create schema evil", HARMLESS,
     TIDY.replace("tidy()", "evil.tidy()"), routine("outer_one()", "int", "return tidy();",
                                                    "plpgsql set search_path = public")],
     ["SELECT outer_one()", behind("alter function outer_one() set search_path = evil"), "SELECT outer_one()"]),
]  # fmt: skip


def changed() -> list[Case]:
    return [
        STALE.destructive(name, title, *steps, vis="server", setup_app=made,
                          **({"allow_errors": ["42883"]} if name == "made-late" else {}))
        for name, title, made, steps in CHANGED
    ]  # fmt: skip


def cases() -> list[Case]:
    return [*calls(), *kinds(), *bodies(), *at_planning(), *names(), *changed()]
