"""SQL that is put together while it runs: what is run stands in no message and in no routine."""

from typing import Any

from .case import Case, Proof, Step, Topic, column_gone, counted, emptied, gone, overwritten
from .existing_calls import TIDY, TIDY_ROW
from .wire import SYNC, bind, data, COPY_DONE, exchange, execute, parse, query

STORED = Topic("dynamic-stored", "H16")
RUNNERS = Topic("dynamic-runner", "H16")
TEXTS = Topic("dynamic-text", "H16")
HARMLESS = Topic("dynamic-harmless", "H16")

RUN = "create function run(q text) returns void language plpgsql as $f$ begin execute q; end $f$"
# The text of a DROP is kept in the database; the client runs what it finds. Name, where, steps before, the expression.
KEPT_TEXTS: list[tuple[str, str, list[Step], str]] = [
    ("large-object", "in a large object", ["SELECT lo_from_bytea(4242, 'DROP TABLE leads')"],
     "convert_from(lo_get(4242), 'UTF8')"),
    ("enum-label", "in the label of an enum", ["CREATE TYPE e AS ENUM ('DROP TABLE leads')"],
     "(enum_range(NULL::e))[1]::text"),
    ("table-name", "in the name of a table", ['CREATE TABLE "DROP TABLE leads" ()'],
     "(SELECT relname FROM pg_class WHERE relname ~ 'leads$' AND relname <> 'leads')"),
    ("column-name", "in the name of a column", ['CREATE TABLE n1 ("DROP TABLE leads" int)'],
     "(SELECT attname FROM pg_attribute WHERE attrelid = 'n1'::regclass AND attnum = 1)"),
    ("default", "in the default of a column", ["CREATE TABLE n1 (a text DEFAULT 'DROP TABLE leads')"],
     "(SELECT trim(split_part(pg_get_expr(adbin, adrelid), '::', 1), '''') FROM pg_attrdef WHERE adrelid ="
     " 'n1'::regclass)"),
    ("view-definition", "in the definition of a view", ["CREATE VIEW n1 AS SELECT 'DROP TABLE leads'::text AS a"],
     "substring(pg_get_viewdef('n1'::regclass) from '''(.*)''')"),
    ("view-row", "in the row of a view", ["CREATE VIEW n1 AS SELECT 'DROP TABLE leads'::text AS a"],
     "(SELECT a FROM n1)"),
    ("source", "in the source of a function", ["CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT 'DROP TABLE"
     " leads' $$"], "f()"),
    ("prepared", "in a prepared statement", ["PREPARE q AS SELECT 'DROP TABLE leads'"],
     "(SELECT split_part(statement, '''', 2) FROM pg_prepared_statements WHERE name = 'q')"),
    ("open-cursor", "in the text of a cursor", ["BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 'DROP TABLE leads';"
     " COMMIT"], "(SELECT split_part(statement, '''', 2) FROM pg_cursors WHERE name = 'c')"),
    ("application", "in the session's application_name", ["SET application_name = 'DROP TABLE leads'"],
     "(SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid())"),
    ("json-row", "in a document of a table", ["CREATE TABLE n1 AS SELECT '{\"todo\": [\"DROP TABLE leads\"]}'::jsonb AS"
     " a"], "(SELECT a #>> '{todo,0}' FROM n1)"),
    ("xml-row", "in a document of a table, as XML", ["CREATE TABLE n1 AS SELECT '<a>DROP TABLE leads</a>'::xml AS a"],
     "(SELECT (xpath('/a/text()', a))[1]::text FROM n1)"),
    ("array-row", "in an array of a table", ["CREATE TABLE n1 AS SELECT ARRAY['leads', 'TABLE', 'DROP'] AS a"],
     "(SELECT concat_ws(' ', a[3], a[2], a[1]) FROM n1)"),
    ("column-comment", "in the comment on a column", ["COMMENT ON COLUMN leads.id IS 'DROP TABLE leads'"],
     "col_description('leads'::regclass, 1)"),
    ("rows-joined", "spread over rows, one letter each",
     ["CREATE TABLE n1 AS SELECT n, substr('DROP TABLE leads', n, 1) AS a FROM generate_series(1, 16) n"],
     "(SELECT string_agg(a, '' ORDER BY n) FROM n1)"),
    ("codes", "as numbers of a table", ["CREATE TABLE n1 AS SELECT n, ascii(substr('DROP TABLE leads', n, 1)) AS a FROM"
     " generate_series(1, 16) n"], "(SELECT string_agg(chr(a), '' ORDER BY n) FROM n1)"),
    ("setting-of-startup", "in a setting of the startup packet", [], "current_setting('app.todo')"),
]  # fmt: skip


def kept() -> list[Case]:
    options = {"startup": {"extra": [["options", r"-c app.todo=DROP\ TABLE\ leads"]]}}
    return [
        TEXTS.destructive(
            name, f"the statement is kept {where}", *steps, f"DO $do$ BEGIN EXECUTE {expression}; END $do$",
            vis="dynamic", **(options if "startup" in name else {}),
        )
        for name, where, steps, expression in KEPT_TEXTS
    ]  # fmt: skip


TRIGGERED = ["create function act() returns trigger language plpgsql as $f$ begin execute new.what; return new; end"
             " $f$",
             "create trigger t before insert or update on audit_log for each row execute function act()"]  # fmt: skip
NOTED = ["create function act() returns event_trigger language plpgsql as $f$ declare q text; begin select"
         " obj_description(objid, 'pg_class') into q from pg_event_trigger_ddl_commands(); if q ~ '^DROP' then execute q;"
         " end if; end $f$",
         "create event trigger t on ddl_command_end when tag in ('COMMENT') execute function act()"]  # fmt: skip
BY_NAME = ("create function clear_out(t text, how text default 'DROP TABLE') returns void language plpgsql as $f$ begin"
           " execute format('%s %I', how, t); end $f$")  # fmt: skip
TCL = "create function run(text) returns int language pltcl as 'spi_exec $1; return 1'"
ROWS_ONLY: dict[str, Any] = {"proof": emptied("leads"), "tier": 2, "loss": "rows"}
# A routine that runs what it is given is in the database. Name, title, what is there, steps, other fields.
GENERIC: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("literal", "the text as a literal", [RUN], ["SELECT run('DROP TABLE leads')"], {}),
    ("joined", "the text in two halves", [RUN], ["SELECT run('DR' || 'OP TABLE leads')"], {}),
    ("parameter", "the text as a parameter", [RUN], exchange(parse("SELECT run($1)"), bind("", "", "DROP TABLE leads"),
     execute(), SYNC), {}),
    ("binary", "the text as a binary parameter", [RUN], exchange(parse("SELECT run($1)", types=[25]), bind("", "",
     {"text": "DROP TABLE leads"}, fmts=[1]), execute(), SYNC), {}),
    ("fast-path", "the text as the argument of a fast-path call", [RUN],
     exchange({"t": "FunctionCall", "fn": "public.run(text)", "args": ["DROP TABLE leads"]}), {}),
    ("named", "a name as the argument: DROP stands in a default", [BY_NAME], ["SELECT clear_out(t => 'leads')"], {}),
    ("chosen", "the deed as the argument", [BY_NAME], ["SELECT clear_out('leads', 'TRUNCATE')"], ROWS_ONLY),
    ("per-row", "run for each row of a query", [RUN], ["SELECT run(format('DELETE FROM %I', tablename)) FROM pg_tables"
     " WHERE tablename = 'leads'"], ROWS_ONLY),
    ("trigger-insert", "a trigger runs what is inserted", TRIGGERED, ["INSERT INTO audit_log (what) VALUES ('DROP ' ||"
     " 'TABLE leads')"], {}),
    ("trigger-copy", "a trigger runs what COPY brings", TRIGGERED,
     exchange(query("COPY audit_log (what) FROM STDIN"), data("DROP TABLE leads\n"), COPY_DONE), {}),
    ("trigger-update", "a trigger runs what is written over", TRIGGERED,
     exchange(parse("UPDATE audit_log SET what = $1 WHERE id = 1"), bind("", "", "DROP TABLE leads"), execute(), SYNC),
     {}),
    ("event-trigger", "an event trigger runs a comment", NOTED, ["COMMENT ON TABLE cache_u IS 'DROP TABLE leads'"],
     {"role": "super"}),
    ("tcl", "a trusted routine in Tcl", ["create extension pltcl", TCL], ["SELECT run('DROP TABLE ' || 'leads')"],
     {"role": "super"}),
    ("procedure", "a procedure with the words in an array", ["create procedure run(variadic q text[]) language plpgsql"
     " as $f$ begin execute array_to_string(q, ' '); end $f$"], ["CALL run(VARIADIC '{DROP,TABLE,leads}')"], {}),
    ("json", "a request as JSON", ["create function rpc(r jsonb) returns void language plpgsql as $f$ begin execute"
     " format(r ->> 'f', variadic array(select jsonb_array_elements_text(r -> 'a'))); end $f$"],
     ["SELECT rpc('{\"f\": \"%s %s %I\", \"a\": [\"DROP\", \"TABLE\", \"leads\"]}')"], {}),
    ("queue", "a worker runs what stands in a table", ["create table todo (q text)", "create procedure work() language"
     " plpgsql as $f$ declare r record; begin for r in select q from todo loop execute r.q; end loop; end $f$"],
     ["INSERT INTO todo VALUES ('DROP TABLE leads')", "CALL work()"], {}),
    ("cursor", "a cursor for a text that deletes", ["create function look(q text) returns refcursor language plpgsql as"
     " $f$ declare c refcursor := 'c'; begin open c for execute q; return c; end $f$"],
     ["BEGIN", "SELECT look('DELETE FROM leads RETURNING id')", "FETCH ALL FROM c", "COMMIT"], ROWS_ONLY),
    ("return-query", "RETURN QUERY EXECUTE", ["create function look(q text) returns setof int language plpgsql as $f$"
     " begin return query execute q; end $f$"], ["SELECT * FROM look('DELETE FROM leads RETURNING id')"], ROWS_ONLY),
    ("column", "a text that drops a column", [RUN], ["SELECT run('ALTER TABLE leads DROP ' || 'note')"],
     {"proof": column_gone("leads", "note"), "tier": 2, "loss": "column"}),
    ("values", "a text that writes over all rows", [RUN],
     ["SELECT run('UPDATE leads SET note = ' || quote_literal(''))"],
     {"proof": overwritten("leads", "note", ""), "tier": 2, "loss": "values"}),
    ("type", "a text that drags a column along", [RUN], ["SELECT run('DROP TYPE mood' || ' CASCADE')"],
     {"proof": column_gone("profiles", "m"), "tier": 2, "loss": "column"}),
    ("prepared-inside", "a text that prepares, another that executes", [RUN], ["SELECT run('PREPARE gone AS DELETE FROM"
     " leads')", "SELECT run('EXECUTE gone')"], ROWS_ONLY),
    ("do-inside", "a text that is a DO block", [RUN], ["SELECT run('DO ' || quote_literal('begin drop table leads; end'"
     "))"], {}),
]  # fmt: skip

READ: Proof = gone("leads")
# Functions of PostgreSQL and its extensions that take a query as text. Name, what is there, steps.
TAKERS: list[tuple[str, list[str], list[str], list[Step]]] = [
    ("query-to-xml", [], [TIDY], ["SELECT query_to_xml('SELECT ti' || 'dy()', true, true, '')"]),
    ("query-to-xml-schema", [], [TIDY], ["SELECT query_to_xml_and_xmlschema('SELECT public.' || 'tidy()', true, true,"
                                         " '')"]),
    ("table-to-xml", [], [TIDY, "create view w as select tidy() as a"], ["SELECT table_to_xml(('w')::regclass, true,"
                                                                       " true, '')"]),
    ("schema-to-xml", [], [TIDY, "create schema far", "create view far.w as select public.tidy() as a"],
     ["SELECT schema_to_xml('f' || 'ar', true, true, '')"]),
    ("cursor-to-xml", [], [TIDY], ["BEGIN; DECLARE c CURSOR FOR SELECT tidy()",
     "SELECT cursor_to_xml('c', 5, true, true,"
                                   " '')", "COMMIT"]),
    ("ts-stat", [], [TIDY], ["SELECT * FROM ts_stat('SELECT to_tsvector(ti' || 'dy()::text)')"]),
    ("ts-rewrite", [], [TIDY], ["SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, (ti' ||"
                                " 'dy()::text)::tsquery')"]),
    ("crosstab", ["create extension tablefunc"], [TIDY], ["SELECT * FROM crosstab('SELECT ''a''::text, ''b''::text, ti'"
     " || 'dy()') AS t (a text, b int)"]),
    ("connectby", ["create extension tablefunc"], [TIDY_ROW, "create table tree (id text, up text)", "insert into tree"
     " values ('1', '0')"], ["SELECT * FROM connectby('tree', 'public.tidy(id::int)::text', 'up', '0', 0) AS t (a text,"
                             " b text, n int)"]),
    ("xpath-table", ["create extension xml2"], [TIDY, "create table pages (id int, x text)", "insert into pages values"
     " (1, '<a/>')"], ["SELECT * FROM xpath_table('id', 'x', 'pages', '/a', 'ti' || 'dy() = 1') AS t (id int, a"
                       " text)"]),
    ("nested", [], [TIDY], ["SELECT query_to_xml(format('SELECT query_to_xml(%L, true, true, %L)', 'SELECT ti' ||"
                            " 'dy()', ''), true, true, '')"]),
    ("fast-path-xml", [], [TIDY], exchange({"t": "FunctionCall", "fn": "query_to_xml(text,boolean,boolean,text)",
                                            "args": ["SELECT tidy()", "t", "t", ""]})),
    ("parameter-xml", [], [TIDY], exchange(parse("SELECT query_to_xml($1, true, true, '')"), bind("", "", "SELECT"
                                           " tidy()"), execute(), SYNC)),
]  # fmt: skip

PSQL = "@@PGBIN@@/psql -qXh @@DHOST@@ -p @@DPORT@@ -U rt_super -d @@DB@@"
LINKED = "host=@@DHOST@@ port=@@DPORT@@ dbname=@@DB@@ user=rt_super"
# A superuser's texts that leave the server. Name, title, what is there, steps.
LEAVING: list[tuple[str, str, list[str], list[Step]]] = [
    ("program-rows", "rows that psql runs", [], [f"COPY (SELECT concat_ws(' ', 'DROP', 'TABLE', 'leads')) TO PROGRAM"
                                                 f" '{PSQL}'"]),
    ("program-shell", "the shell turns the text round", [], ["COPY (SELECT 1) TO PROGRAM 'echo sdael ELBAT PORD | rev |"
                                                             f" {PSQL}'"]),
    ("program-table", "a table of words that psql runs", ["create table words (n int, w text)", "insert into words"
     " values (1, 'DROP'), (2, 'TABLE'), (3, 'leads')"], ["COPY (SELECT string_agg(w, ' ' ORDER BY n) FROM words) TO"
                                                          f" PROGRAM '{PSQL}'"]),
    ("exported", "a large object, exported and run as a file", [],
     ["SELECT lo_from_bytea(4242, 'DROP TABLE leads')", "SELECT lo_export(4242, '/tmp/@@DB@@.sql')",
      f"COPY audit_log (what) FROM PROGRAM '{PSQL} -f /tmp/@@DB@@.sql; rm /tmp/@@DB@@.sql'"]),
    ("imported", "a file, imported and run as text", [],
     ["COPY (SELECT 'DROP TABLE leads') TO '/tmp/@@DB@@.txt'", "SELECT lo_import('/tmp/@@DB@@.txt', 4242)",
      "DO $$ BEGIN EXECUTE convert_from(lo_get(4242), 'UTF8'); END $$", "COPY audit_log (what) FROM PROGRAM 'rm"
      " /tmp/@@DB@@.txt'"]),
    ("file", "a file of the server, read and run", [], ["COPY (SELECT 'DROP TABLE leads') TO '/tmp/@@DB@@.txt'",
     "DO $$ BEGIN EXECUTE pg_read_file('/tmp/@@DB@@.txt'); END $$", "COPY audit_log (what) FROM PROGRAM 'rm"
     " /tmp/@@DB@@.txt'"]),
    ("linked-joined", "dblink to itself with both texts put together", ["create extension dblink"],
     [f"SELECT dblink_exec(concat('{LINKED}'), format('DROP TABLE %I', 'leads'))"]),
    ("linked-rows", "dblink runs what a table holds", ["create extension dblink", "create table todo as select 'DROP"
     " TABLE leads' as q"], [f"SELECT dblink_exec('{LINKED}', q) FROM todo"]),
    ("linked-async", "dblink, sent and fetched later", ["create extension dblink"],
     [f"SELECT dblink_connect('c', '{LINKED}')", "SELECT dblink_send_query('c', 'DROP ' || 'TABLE leads')",
      "SELECT * FROM dblink_get_result('c', false) AS t (a text)"]),
    ("linked-other-session", "dblink calls the runner of the database", ["create extension dblink", RUN],
     [f"SELECT * FROM dblink('{LINKED}', format('SELECT run(%L)', 'DROP ' || 'TABLE leads')) AS t (a text)"]),
]  # fmt: skip

COUNT_OF = "create function count_of(t text) returns bigint language plpgsql as $f$ declare n bigint; begin execute" \
    " format('select count(*) from %I', t) into n; return n; end $f$"
REFRESHED = "create procedure refresh_all() language plpgsql as $f$ declare m text; begin for m in select matviewname" \
    " from pg_matviews loop execute format('refresh materialized view %I', m); end loop; end $f$"
PARTED = "create function part_for(y int) returns void language plpgsql as $f$ begin execute format('create table if" \
    " not exists %I partition of events for values from (%L) to (%L)', 'events_' || y, y || '-01-01', y + 1 ||" \
    " '-01-01'); end $f$"
# Texts put together that lose nothing. Name, title, what is there, steps, other fields.
PLAIN: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("count", "a function that counts the rows of a table by name", [COUNT_OF], ["SELECT count_of('leads'),"
     " count_of('contacts')"], {}),
    ("count-each", "for each row of the catalog", [COUNT_OF], ["SELECT relname, count_of(relname) FROM pg_class WHERE"
     " relname IN ('leads', 'orders')"], {}),
    ("refresh", "a procedure that refreshes what there is", [REFRESHED], ["CALL refresh_all()"], {}),
    ("partitions", "a function that makes partitions", [PARTED], ["SELECT part_for(y) FROM generate_series(2025, 2026)"
     " y"], {}),
    ("audit-trigger", "a trigger that writes by the table's name",
     ["create table leads_history (like leads)", "create function keep() returns trigger language plpgsql as $f$ begin"
      " execute format('insert into %I select ($1).*', tg_table_name || '_history') using old; return new; end $f$",
      "create trigger t before update on leads for each row execute function keep()"],
     ["UPDATE leads SET note = note WHERE id = 1"], {"proof": counted("leads_history", 1)}),
    ("xml", "query_to_xml of a literal", [], ["SELECT query_to_xml('SELECT id, name FROM leads', true, true, '')"], {}),
    ("table-xml", "a table as XML", [], ["SELECT table_to_xml('leads'::regclass, true, true, '')"], {}),
    ("ts-stat", "ts_stat of a literal", [], ["SELECT word FROM ts_stat('SELECT to_tsvector(name) FROM leads') ORDER BY"
     " word"], {}),
    ("crosstab", "crosstab of a literal", [],
     ["SELECT * FROM crosstab('SELECT name, note, id FROM leads ORDER BY 1, 2')"
     " AS t (a text, b int)"], {"setup": ["create extension tablefunc"]}),
    ("gexec", "psql's \\gexec with harmless texts", [], [{"op": "program", "command": "printf '%s' \"SELECT format("
     "'ANALYZE %I', t) FROM unnest(ARRAY['leads', 'orders']) t \\\\gexec\" | psql -qXv ON_ERROR_STOP=1"}], {}),
    ("words", "a text of a table that only looks like SQL", [COUNT_OF], ["INSERT INTO audit_log (what) VALUES ('DROP"
     " TABLE leads')", "SELECT what, count_of('audit_log') FROM audit_log WHERE what LIKE 'DROP%'"], {}),
]  # fmt: skip


def cases() -> list[Case]:
    return [
        *kept(),
        *[RUNNERS.destructive(name, f"a routine that runs what it is given: {title}", *steps, vis="dynamic",
                              **{"setup" if fields.get("role") == "super" else "setup_app": made, **fields})
          for name, title, made, steps, fields in GENERIC],
        *[STORED.destructive(name, f"a function that takes a query as text: {name.replace('-', ' ')}", *steps,
                             vis="dynamic", setup=extension, setup_app=made, proof=READ)
          for name, extension, made, steps in TAKERS],
        *[STORED.destructive(name, title, *steps, vis="dynamic", setup=made, role="super")
          for name, title, made, steps in LEAVING],
        *[HARMLESS.benign(name, f"put together, and harmless: {title}", *steps, setup_app=made, **fields)
          for name, title, made, steps, fields in PLAIN],
    ]  # fmt: skip
