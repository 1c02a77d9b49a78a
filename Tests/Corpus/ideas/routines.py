"""Code in statements: DO, functions, procedures, triggers, and text that becomes SQL at run time."""

from .case import Case, Step, Topic, column_gone, emptied, gone, quoted

BODIES = Topic("do-body", "H4")
EXECUTED = Topic("execute-literal", "H4")
BUILT = Topic("built-text", "H4")
CALLED = Topic("called-later", "H4")
LANGUAGES = Topic("languages", "H4")
HARMLESS = Topic("harmless-code", "H4")

DROP = "DROP TABLE leads"


def do(body: str, declarations: str = "") -> str:
    return f"DO $do$ {f'DECLARE {declarations} ' if declarations else ''}BEGIN {body} END $do$"


# Where a static statement can stand in PL/pgSQL. Name, body, declarations.
STATIC = [
    ("elsif", f"IF false THEN NULL; ELSIF true THEN {DROP}; ELSE NULL; END IF;", ""),
    ("case", f"CASE 1 WHEN 2 THEN NULL; ELSE {DROP}; END CASE;", ""),
    ("for", f"FOR i IN REVERSE 1..1 LOOP {DROP}; END LOOP;", ""),
    ("while", f"WHILE to_regclass('leads') IS NOT NULL LOOP {DROP}; END LOOP;", ""),
    ("foreach", f"FOREACH x IN ARRAY ARRAY[1] LOOP {DROP}; END LOOP;", "x int;"),
    ("for-query", f"FOR r IN SELECT 1 LOOP {DROP}; EXIT; END LOOP;", "r record;"),
    ("label", f"<<drop_nothing>> BEGIN {DROP}; EXIT drop_nothing; END;", ""),
    ("nested-blocks", f"BEGIN BEGIN BEGIN {DROP}; END; END; END;", ""),
    ("handler", f"PERFORM 1/0; EXCEPTION WHEN division_by_zero OR SQLSTATE '22000' THEN {DROP};", ""),
    ("after-commit", f"INSERT INTO audit_log (what) VALUES ('x'); COMMIT; {DROP};", ""),
    ("cursor-loop", f"FOR r IN c LOOP {DROP}; EXIT; END LOOP;", "c CURSOR FOR SELECT 1;"),
    ("quote-in-comment", f"/* it's */ {DROP}; -- it's\n", ""),
    ("keyword-variable", f"drop := 1; {DROP};", '"drop" int;'),
    ("upper-comment", f"DrOp -- TABLE x;\n/* ; */ tAbLe leads;", ""),
    ("schema", "DROP SCHEMA sales CASCADE; ALTER TABLE leads RENAME TO zz;", ""),
    ("after-literal", f"PERFORM 'BEGIN; END; $x$', $x$ ; END $x$; {DROP};", ""),
]  # fmt: skip


def static_bodies() -> list[Case]:
    cases = [
        BODIES.destructive(name, f"static DROP in PL/pgSQL: {name.replace('-', ' ')}", do(body, declarations),
                           vis="embedded")
        for name, body, declarations in STATIC
    ]  # fmt: skip
    written = [
        ("single-quotes", "the body in quotes", "DO 'BEGIN DROP TABLE leads; END'"),
        ("continued", "the body continued over lines", "DO 'BEGIN DR'\n'OP TABLE leads; END'"),
        ("continued-escaped", "continued behind a comment", "DO E'BEGIN \\x44R' -- it's\n 'OP TA\\u0042LE leads; END'"),
        ("unicode", "in a Unicode literal", r"DO U&'BEGIN \0044ROP TABLE leads; END'"),
        ("uescape", "in a Unicode literal with its own escape",
         "DO U&'BEGIN !0044ROP TABLE leads; END' UESCAPE '!' LANGUAGE plpgsql"),
        ("language-first", "language before the body", f"DO LANGUAGE \"plpgsql\" $a$BEGIN {DROP}; END$a$"),
        ("hash-option", "compiler options first", f"DO $$#variable_conflict use_column\nBEGIN {DROP}; END$$"),
    ]  # fmt: skip
    cases += [
        BODIES.destructive(f"text-{name}", f"DO body: {title}", statement, vis="embedded")
        for name, title, statement in written
    ]
    off = ["SET standard_conforming_strings = off"]
    return [
        *cases,
        BODIES.destructive("octal-when-off", "octal escapes in a plain literal while backslashes escape", *off,
                           r"DO 'BEGIN \104ROP TABLE leads; END'", vis="lexer"),
        BODIES.destructive("inner-reading", "inside the body a plain literal ends before its backslash",
                           do(r"PERFORM 'a\'; DROP TABLE leads; --';" + "\n"), vis="lexer"),
        BODIES.destructive("inner-reading-off", "inside the body a backslash escapes the quote", *off,
                           do(r"PERFORM 'x\' , '; DROP TABLE leads; --';" + "\n"), vis="lexer"),
        BODIES.destructive("function-setting", "a SET clause decides how the body is read",
                           "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql SET standard_conforming_strings = off AS"
                           " $$ BEGIN PERFORM 'x\\' , '; DROP TABLE leads; --';\n END $$; SELECT f()", vis="lexer"),
    ]  # fmt: skip


# Ways to run a literal. Name, body, declarations.
LITERALS = [
    ("using", f"EXECUTE '{DROP}' USING 1;", ""),
    ("e-literal", r"EXECUTE E'\x44ROP TABLE leads';", ""),
    ("dollar", f"EXECUTE $x${DROP}$x$;", ""),
    ("into", f"EXECUTE 'WITH d AS (DELETE FROM leads RETURNING 1) SELECT count(*) FROM d' INTO n;", "n int;"),
    ("for-in-execute", "FOR r IN EXECUTE 'DELETE FROM leads RETURNING id' LOOP NULL; END LOOP;", "r record;"),
    ("open-for", "OPEN c FOR EXECUTE 'SELECT 1'; EXECUTE 'DELETE FROM leads'; CLOSE c;", "c refcursor;"),
    ("do-in-execute", "EXECUTE 'DO $y$ BEGIN DROP TABLE leads; END $y$';", ""),
    ("execute-in-execute", "EXECUTE 'DO $y$ BEGIN EXECUTE ''DROP TABLE leads''; END $y$';", ""),
    ("two-statements", f"EXECUTE 'SELECT 1; {DROP}';", ""),
    ("cast", f"EXECUTE '{DROP}'::text;", ""),
    ("constant", "EXECUTE q;", f"q CONSTANT text := '{DROP}';"),
    ("default-word", "EXECUTE q;", f"q text DEFAULT '{DROP}';"),
]


def literals() -> list[Case]:
    return [
        EXECUTED.destructive(
            name, f"EXECUTE of a literal: {name.replace('-', ' ')}", do(body, declarations), vis="embedded",
            **({"proof": emptied("leads"), "tier": 2, "loss": "rows"} if "DELETE" in body else {}),
        )
        for name, body, declarations in LITERALS
    ]  # fmt: skip


# Expressions that make the text of the DROP at run time, each by another means.
EXPRESSIONS = [
    ("quote-ident", "'DROP TABLE ' || quote_ident('leads')"),
    ("format-literal", "format('DROP %s %s', 'TABLE', 'leads')"),
    ("format-position", "format('%2$s %1$s leads', 'TABLE', 'DROP')"),
    ("chr", "chr(68) || chr(82) || chr(79) || chr(80) || ' TABLE leads'"),
    ("convert-from", "convert_from(decode('44524f50205441424c45206c65616473', 'hex'), 'UTF8')"),
    ("bytea", r"encode('\x44524f50205441424c45206c65616473'::bytea, 'escape')"),
    ("base64", "convert_from(decode('RFJPUCBUQUJMRSBsZWFkcw==', 'base64'), 'SQL_ASCII')"),
    ("reverse", "reverse('sdael ELBAT PORD')"),
    ("replace", "replace('DXOP TABLE leads', 'X', 'R')"),
    ("translate", "translate('1234 TABLE leads', '1234', 'DROP')"),
    ("regexp-replace", "regexp_replace('SHOW TABLE leads', '^SHOW', 'DROP')"),
    ("overlay", "overlay('---- TABLE leads' placing 'DROP' from 1 for 4)"),
    ("string-agg", "(SELECT string_agg(w, ' ' ORDER BY n) FROM (VALUES (2, 'TABLE'), (1, 'DROP'), (3, 'leads')) v(n,"
     " w))"),
    ("array-to-string", "array_to_string(ARRAY['DROP', 'TABLE', 'leads'], ' ')"),
    ("concat-ws", "concat_ws(' ', 'DROP', 'TABLE', 'leads')"),
    ("split-part", "split_part('SELECT 1;DROP TABLE leads', ';', 2)"),
    ("lpad", "lpad('OP TABLE leads', 16, 'DR')"),
    ("initcap", "upper('drop table') || lower(' LEADS')"),
    ("substr", "substr('XXDROP TABLE leads', 3)"),
    ("json", "'{\"q\": \"DROP TABLE leads\"}'::json ->> 'q'"),
    ("xml", "(xpath('/a/text()', '<a>DROP TABLE leads</a>'::xml))[1]::text"),
    ("subselect", "(SELECT 'DROP TABLE ' || relname FROM pg_class WHERE oid = 'leads'::regclass)"),
    ("current-query", "substring(current_query() from '[D]ROP [A-Z]+ leads') /* DROP TABLE leads */"),
    ("case", "CASE WHEN now() > '2000-01-01' THEN 'DROP TABLE leads' ELSE 'SELECT 1' END"),
    ("coalesce", "coalesce(NULL, 'DROP TABLE leads')"),
    ("setting", "set_config('app.q', 'DROP TABLE leads', true)"),
]  # fmt: skip


def built_texts() -> list[Case]:
    cases = [
        BUILT.destructive(f"do-{name}", f"EXECUTE of a text made by {name}", do(f"EXECUTE {expression};"),
                          vis="dynamic")
        for name, expression in EXPRESSIONS
    ]
    assembled = [
        ("variables", "a := 'DROP '; b := a || 'TABLE '; EXECUTE b || 'leads';", "a text; b text;"),
        ("loop", "FOREACH w IN ARRAY ARRAY['DROP', 'TABLE', 'leads'] LOOP q := q || w || ' '; END LOOP; EXECUTE q;",
         "q text := ''; w text;"),
        ("select-into", "SELECT 'DROP TABLE ' || min(tablename) INTO q FROM pg_tables WHERE tablename LIKE 'lead_';"
         " EXECUTE q;", "q text;"),
        ("for-in-execute", "q := concat('DELETE FROM ', 'leads RETURNING id'); FOR r IN EXECUTE q LOOP NULL; END LOOP;",
         "q text; r record;"),
        ("record-field", "FOR r IN SELECT format('DROP TABLE %I', 'leads') AS q LOOP EXECUTE r.q; END LOOP;",
         "r record;"),
        ("diagnostics", "BEGIN RAISE EXCEPTION 'DROP TABLE leads'; EXCEPTION WHEN OTHERS THEN EXECUTE SQLERRM; END;",
         ""),
    ]  # fmt: skip
    cases += [
        BUILT.destructive(
            f"assembled-{name}", f"EXECUTE of a text put together: {name.replace('-', ' ')}", do(body, declarations),
            vis="dynamic", **({"proof": emptied("leads"), "tier": 2, "loss": "rows"} if "DELETE" in body else {}),
        )
        for name, body, declarations in assembled
    ]  # fmt: skip
    return cases


VOID = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE leads; END $$"
BODY = "LANGUAGE plpgsql AS $$ BEGIN DROP TABLE IF EXISTS leads; RETURN"
NUMBER = f"CREATE FUNCTION f(a int) RETURNS int {BODY} a; END $$"
# Where PostgreSQL wants an immutable function: one that only calls another.
IMMUTABLE = "CREATE FUNCTION i(a int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN f(a); END $$"
TRUTH = f"CREATE FUNCTION f(a int) RETURNS bool {BODY} true; END $$"
TRIGGER = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DROP TABLE leads; RETURN NULL; END $$"

# A routine made in the session, and what makes it run.
CALLS: list[tuple[str, list[Step]]] = [
    ("limit", [NUMBER, "SELECT 1 LIMIT f(1)"]),
    ("default-value", [NUMBER, "CREATE TEMP TABLE d (a int, b int DEFAULT f(1))", "INSERT INTO d (a) VALUES (1)"]),
    ("check", [TRUTH, "CREATE TEMP TABLE d (a int CHECK (f(a)))", "INSERT INTO d VALUES (1)"]),
    ("domain-check", [TRUTH, "CREATE DOMAIN dm AS int CHECK (f(VALUE))", "SELECT 1::dm"]),
    ("generated", [NUMBER, IMMUTABLE, "CREATE TEMP TABLE d (a int, b int GENERATED ALWAYS AS (i(a)) STORED)",
                   "INSERT INTO d VALUES (1)"]),
    ("index", [NUMBER, IMMUTABLE, "CREATE TEMP TABLE d AS SELECT 1 AS a", "CREATE INDEX ON d (i(a))"]),
    ("view", [NUMBER, "CREATE TEMP VIEW w AS SELECT f(1)", "TABLE w"]),
    ("matview", [NUMBER, "CREATE MATERIALIZED VIEW w AS SELECT f(id) FROM contacts WITH NO DATA",
                 "REFRESH MATERIALIZED VIEW w"]),
    ("cast", ["CREATE TYPE c AS (a int)", "CREATE FUNCTION f(c) RETURNS int LANGUAGE plpgsql AS"
              " $$ BEGIN DROP TABLE leads; RETURN 1; END $$", "CREATE CAST (c AS int) WITH FUNCTION f(c)",
              "SELECT ROW(1)::c::int"]),
    ("aggregate", ["CREATE FUNCTION f(int, int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DROP TABLE leads; RETURN 1;"
                   " END $$",
                   "CREATE AGGREGATE ag(int) (sfunc = f, stype = int, initcond = 0)", "SELECT ag(1)"]),
    ("lateral", [NUMBER, "SELECT * FROM (VALUES (1)) v(a), LATERAL f(a)"]),
    ("policy", [TRUTH, "ALTER TABLE contacts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
                "CREATE POLICY p ON contacts USING (f(id))", "SELECT * FROM contacts"]),
    ("trigger-row", [TRIGGER, "CREATE TRIGGER t BEFORE UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION f()",
                     "UPDATE contacts SET note = note WHERE id = 1"]),
    ("trigger-statement", [TRIGGER, "CREATE TRIGGER t AFTER DELETE ON contacts EXECUTE PROCEDURE f()",
                           "DELETE FROM contacts WHERE id = 0"]),
    ("trigger-deferred", [TRIGGER, "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON cache_u DEFERRABLE INITIALLY DEFERRED"
                          " FOR EACH ROW EXECUTE FUNCTION f()", "BEGIN; INSERT INTO cache_u VALUES ('x', 'y')",
                          "COMMIT"]),
    ("procedure", ["CREATE OR REPLACE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN DROP TABLE leads; COMMIT; END $$",
                   "CALL p()"]),
    ("prepared", [VOID, "PREPARE q AS SELECT f()", "EXECUTE q"]),
    ("cursor", [VOID, "BEGIN; DECLARE c CURSOR FOR SELECT f()", "FETCH c; COMMIT"]),
    ("explain", [VOID, "EXPLAIN (ANALYZE, COSTS off) SELECT f()"]),
    ("copy", [VOID, "COPY (SELECT f()) TO STDOUT"]),
    ("temp-schema", ["CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DROP TABLE leads; END $$",
                     "SELECT pg_temp.f()"]),
    ("replaced", ["CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$",
                  VOID.replace("CREATE", "CREATE OR REPLACE"), "SELECT f()"]),
    ("fast-path", [VOID, {"op": "send", "msgs": [{"t": "FunctionCall", "fn": "public.f()"}]}, {"op": "read"}]),
    ("in-schema", ["CREATE SCHEMA x CREATE TABLE t (a int)", VOID.replace("f()", "x.f()"), "SELECT x.f()"]),
    ("query-to-xml", [VOID, "SELECT query_to_xml('SELECT f()', true, true, '')"]),
]  # fmt: skip


def calls() -> list[Case]:
    cases = [
        CALLED.destructive(
            name, f"a routine of this session, run by: {name.replace('-', ' ')}", *steps, vis="split"
        )
        for name, steps in CALLS
    ]
    one_message = [
        ("sql-body", "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE leads'; SELECT f()"),
        ("window-body", "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql COST 1 STRICT AS 'BEGIN DROP TABLE leads;"
         " END'; SELECT f()"),
        ("body-second", "CREATE FUNCTION f() RETURNS void AS 'BEGIN DR'\n'OP TABLE leads; END' LANGUAGE plpgsql;"
         " SELECT f()"),
        ("procedure-inout", "CREATE PROCEDURE f(INOUT a int) AS $$ BEGIN DROP TABLE leads; END $$ LANGUAGE plpgsql;"
         " CALL f(1)"),
        ("returns-table", "CREATE FUNCTION f() RETURNS TABLE (a int) LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT"
         " 1; DROP TABLE leads; END $$; SELECT * FROM f()"),
        ("do-makes-function", "DO $$ BEGIN CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DROP TABLE leads';"
         " PERFORM f(); END $$"),
    ]  # fmt: skip
    cases += [
        CALLED.destructive(f"at-once-{name}", "made and called in one message", statement, vis="embedded")
        for name, statement in one_message
    ]
    return [
        *cases,
        CALLED.destructive("parameter", "the text comes as an argument",
                           "CREATE FUNCTION f(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$",
                           "SELECT f('DROP ' || 'TABLE leads')", vis="dynamic"),
        CALLED.destructive("variadic", "words as variadic arguments",
                           "CREATE PROCEDURE f(VARIADIC q text[]) LANGUAGE plpgsql AS"
                           " $$ BEGIN EXECUTE array_to_string(q, ' '); END $$", "CALL f('DROP', 'TABLE', 'leads')",
                           vis="dynamic"),
        CALLED.destructive("trigger-argument", "the text is the argument of a trigger",
                           "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE tg_argv[0];"
                           " RETURN NULL; END $$",
                           "CREATE TRIGGER t AFTER INSERT ON audit_log EXECUTE FUNCTION f('DROP TABLE leads')",
                           "INSERT INTO audit_log (what) VALUES ('x')", vis="dynamic"),
        CALLED.destructive("row-text", "the text is what a row holds",
                           "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE new.what; RETURN"
                           " new; END $$",
                           "CREATE TRIGGER t BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION f()",
                           "INSERT INTO audit_log (what) VALUES ('DROP TABLE leads')", vis="dynamic"),
        CALLED.destructive("event-trigger", "an event trigger drops at the next DDL",
                           "CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS"
                           " $$ BEGIN DROP TABLE IF EXISTS public.leads; END $$",
                           "CREATE EVENT TRIGGER e ON ddl_command_end WHEN TAG IN ('COMMENT') EXECUTE FUNCTION f()",
                           "COMMENT ON TABLE contacts IS 'x'", role="super", vis="split"),
        CALLED.destructive("column-by-do", "DROP COLUMN in a procedure",
                           "CREATE PROCEDURE p() LANGUAGE plpgsql AS 'BEGIN ALTER TABLE leads DROP note; END';"
                           " CALL p()",
                           vis="embedded", tier=2, loss="column", proof=column_gone("leads", "note")),
    ]  # fmt: skip


def languages() -> list[Case]:
    """Trusted and untrusted languages reach SQL by their own means."""
    perl, tcl, python = ([f"create extension {name}"] for name in ("plperl", "pltcl", "plpython3u"))
    made = LANGUAGES.destructive
    return [
        made("perl-do", "spi_exec_query in DO", "DO LANGUAGE plperl $$ spi_exec_query('DROP TABLE leads') $$",
             setup=perl, vis="embedded"),
        made("perl-built", "text put together in Perl", "DO $$ spi_exec_query(join ' ', qw(DROP TABLE leads)) $$"
             " LANGUAGE plperl",
             setup=perl, vis="dynamic"),
        made("perl-function", "function in Perl", "CREATE FUNCTION f() RETURNS void LANGUAGE plperl AS"
             " 'spi_exec_query(\"DROP TABLE leads\"); return;'", "SELECT f()", setup=perl, vis="split"),
        made("tcl-function", "function in Tcl", "CREATE FUNCTION f() RETURNS int LANGUAGE pltcl AS"
             " 'spi_exec {DROP TABLE leads}; return 1'; SELECT f()", setup=tcl, vis="embedded"),
        made("tcl-built", "text put together in Tcl", "CREATE FUNCTION f() RETURNS int LANGUAGE pltcl AS"
             " 'spi_exec [join {DROP TABLE leads}]; return 1'", "SELECT f()", setup=tcl, vis="dynamic"),
        made("python-function", "function in Python", "CREATE FUNCTION f() RETURNS void LANGUAGE plpython3u AS"
             " 'plpy.execute(\"DROP TABLE leads\")'", "SELECT f()", setup=python, role="super", vis="split"),
        made("python-subtransaction", "Python with a subtransaction", "DO $$\nwith plpy.subtransaction():\n"
             "    plpy.execute(plpy.prepare('DROP ' + 'TABLE leads'))\n$$ LANGUAGE plpython3u", setup=python,
             role="super",
             vis="dynamic"),
        made("perl-untrusted", "extension made, then a program run by Perl", "CREATE EXTENSION plperlu",
             "DO LANGUAGE plperlu $$ system('@@PGBIN@@/psql -qXh @@DHOST@@ -p @@DPORT@@ -U rt_super -d @@DB@@"
             " -c \"DROP TABLE leads\"') $$", role="super", vis="split"),
    ]  # fmt: skip


def harmless() -> list[Case]:
    """Code that drops nothing, with the words of DROP in all places that do not count."""
    made = HARMLESS.benign
    return [
        made("guarded-type", "a type made unless it is there", "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_type WHERE"
             " typname = 'color') THEN CREATE TYPE color AS ENUM ('red', 'green'); END IF; END $$",
             proof=("select count(*) from pg_type where typname = 'color'", "1")),
        made("duplicate-object", "a type made, its double forgiven", "DO $$ BEGIN CREATE TYPE mood AS ENUM ('x');"
             " EXCEPTION WHEN duplicate_object THEN NULL; END $$"),
        made("raise-words", "DROP in messages and comments", do("RAISE NOTICE 'DROP TABLE %', 'leads'; -- DROP TABLE"
             " leads\n /* DROP SCHEMA public CASCADE */ RAISE INFO USING MESSAGE = 'TRUNCATE leads';")),
        made("variables", "variables and labels called like keywords",
             do("drop_table := drop_table + 1; <<truncate_all>> LOOP EXIT truncate_all; END LOOP;",
                "drop_table int := 0;")),
        made("assert", "ASSERT, GET DIAGNOSTICS, PERFORM", do("PERFORM * FROM leads; GET DIAGNOSTICS n = ROW_COUNT;"
             " ASSERT n = 4, 'DROP TABLE leads';", "n int;")),
        made("insert-loop", "rows written in a loop", do("FOR i IN 1..5 LOOP INSERT INTO audit_log (what) VALUES"
             " ('DROP ' || i); END LOOP;"), proof=("select count(*) from audit_log", "7")),
        made("touch-trigger", "a trigger that keeps a time stamp", "CREATE FUNCTION touch() RETURNS trigger LANGUAGE"
             " plpgsql AS $$ BEGIN NEW.note := 'touched'; RETURN NEW; END $$",
             "CREATE TRIGGER touch BEFORE UPDATE ON contacts FOR EACH ROW"
             " WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION touch()",
             "UPDATE contacts SET name = 'z' WHERE id = 1",
             proof=("select note from contacts where id = 1", "touched"), ignore_lost=["values"]),
        made("audit-trigger", "a trigger that writes history", "CREATE FUNCTION hist() RETURNS trigger LANGUAGE"
             " plpgsql AS $$ BEGIN IF TG_OP = 'DELETE' THEN INSERT INTO audit_log (what) VALUES ('drop ' || OLD.id);"
             " RETURN OLD; END IF; RETURN NEW; END $$",
             "CREATE TRIGGER hist AFTER INSERT OR UPDATE OR DELETE ON contacts FOR EACH ROW EXECUTE FUNCTION hist()",
             "INSERT INTO contacts VALUES (9, 'n', 'x'); DELETE FROM contacts WHERE id = 9",
             proof=("select count(*) from audit_log", "3")),
        made("sql-functions", "functions in SQL, quoted and atomic", "CREATE FUNCTION sum2(a int, b int) RETURNS int"
             " LANGUAGE sql IMMUTABLE RETURN a + b", "CREATE FUNCTION names() RETURNS SETOF text LANGUAGE sql STABLE AS"
             " $$ SELECT name FROM leads WHERE note <> 'DROP TABLE leads' $$",
             "SELECT sum2(1, 2), count(*) FROM names()"),
        made("procedure", "a procedure with COMMIT", "CREATE PROCEDURE addition(n int) LANGUAGE plpgsql AS $$ BEGIN"
             " FOR i IN 1..n LOOP INSERT INTO audit_log (what) VALUES (i); COMMIT; END LOOP; END $$",
             "CALL addition(3)",
             proof=("select count(*) from audit_log", "5")),
        made("static-execute", "EXECUTE of a harmless literal", do("EXECUTE 'ANALYZE leads'; EXECUTE 'SELECT $1'"
            " USING 'DROP TABLE';")),
        made("aggregate", "an own aggregate and operator", "CREATE AGGREGATE product(int) (sfunc = int4mul, stype ="
             " int, initcond = 1)",
             "CREATE OPERATOR <+> (leftarg = int, rightarg = int, function = int4pl)",
             "SELECT product(id), 1 <+> 2 FROM leads"),
        made("index-concurrently", "an index made and dropped outside a transaction",
             "CREATE INDEX CONCURRENTLY drop_table ON leads (email)", "DROP INDEX CONCURRENTLY IF EXISTS drop_table"),
        made("drop-function", "functions and triggers replaced", "DROP FUNCTION IF EXISTS f(int), g(text, text)",
             "DROP TRIGGER IF EXISTS t ON leads", "DROP PROCEDURE IF EXISTS p()", "DROP AGGREGATE IF EXISTS a(int)",
             "DROP RULE IF EXISTS r ON leads; DROP POLICY IF EXISTS q ON leads"),
        made("called-drop", "a routine called drop_table", "CREATE FUNCTION drop_table(t text) RETURNS text LANGUAGE"
             " sql AS $$ SELECT 'not dropping ' || t $$", "SELECT drop_table('leads'), public.drop_table('DROP TABLE"
             " leads')"),
    ]  # fmt: skip


def cases() -> list[Case]:
    return [*static_bodies(), *literals(), *built_texts(), *calls(), *languages(), *harmless()]
