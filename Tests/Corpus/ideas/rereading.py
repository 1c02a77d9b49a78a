"""Texts read again at run time: quoted values where none may stand, and bodies under other settings."""

from .case import KEPT, Case, Proof, Topic, column_gone, counted, gone, quoted
from .routines import do

HOLES = Topic("holes", "H4")
REREAD = Topic("read-again", "H4")
ORDINARY = Topic("ordinary-execute", "H4")

# A quoted value is harmless where a value may stand, and nowhere else. Name, text, what the value v holds at run time.
FILLED = [
    ("ident-in-comment", "'SELECT 1 /* ' || quote_ident(v) || ' */'", "a*/; DROP TABLE leads; /*"),
    ("ident-in-line-comment", "'SELECT 1 -- ' || quote_ident(v)", "a\n; DROP TABLE leads; --"),
    ("literal-in-dollars", "'SELECT $a$' || quote_literal(v) || '$a$'", "$a$; DROP TABLE leads; --"),
    ("ident-in-literal", "'SELECT ''' || quote_ident(v) || ''''", "'; DROP TABLE leads; --"),
    ("literal-in-name", "'SELECT 1 AS \"' || quote_literal(v) || '\"'", '"; DROP TABLE leads; --'),
    ("literal-in-literal", "'SELECT ''x' || quote_literal(v) || ''''", "; DROP TABLE leads; --"),
    ("format-ident-in-comment", "format('SELECT 1 /* %I */', v)", "a*/; DROP TABLE leads; /*"),
    ("format-literal-in-line-comment", "format('SELECT 1 -- %L', v)", "a\n; DROP TABLE leads; --"),
    ("format-ident-in-dollars", "format('SELECT $$%I$$', v)", "$$; DROP TABLE leads; --"),
    ("format-ident-in-literal", "format('SELECT ''%I''', v)", "'; DROP TABLE leads; --"),
    ("format-literal-in-literal", "format('SELECT ''x%L''', v)", "; DROP TABLE leads; --"),
    ("literal-cut", "'SELECT ' || quote_literal(v)::varchar(2) || ' || ' || quote_literal(v)",
     "; DROP TABLE leads; --"),
    ("do-body", "format('DO %L', v)", "begin drop table leads; end"),
    ("do-body-joined", "'DO LANGUAGE plpgsql ' || quote_literal(v)", "begin drop table leads; end"),
    ("function-body", "format('CREATE FUNCTION g() RETURNS void LANGUAGE sql AS %L; SELECT g()', v)",
     "DROP TABLE leads"),
    ("keyword-as-name", "format('ALTER TABLE leads %I TO zz', v)", "rename"),
    ("keyword-drop", "'ALTER TABLE leads ' || quote_ident(v) || ' note'", "drop"),
    ("keyword-cascade", "format('DROP VIEW v_customers, v_contacts %I', v)", "cascade"),
]  # fmt: skip


def holes() -> list[Case]:
    """The value comes from a table, so that no reader of the statement can know it."""
    special = {
        "keyword-as-name": {"tier": 2, "loss": "vanish"},
        "keyword-drop": {"tier": 2, "loss": "column", "proof": column_gone("leads", "note")},
        "keyword-cascade": {"loss": "matview", "proof": ("select to_regclass('m') is null", "t")},
    }
    return [
        HOLES.destructive(
            name, f"a quoted value where it is none: {name.replace('-', ' ')}",
            do(f"SELECT what INTO v FROM audit_log ORDER BY id DESC LIMIT 1; EXECUTE {text};", "v text;"),
            vis="dynamic",
            setup_app=[f"insert into audit_log (what) values ({quoted(value)})",
                       "create materialized view m as select * from v_customers"],
            **special.get(name, {}),
        )
        for name, text, value in FILLED
    ]  # fmt: skip


def read_again() -> list[Case]:
    """Bodies are text: the server reads them when they run, as the settings of that moment say."""
    off, on = "SET standard_conforming_strings = off", "SET standard_conforming_strings = on"
    text = r"'x\' , '; DROP TABLE leads; --'"  # two literals, or one and a DROP
    insert = r"INSERT INTO audit_log (what) VALUES ('x\' || '); DROP TABLE leads; --')"  # as above
    other = r"INSERT INTO audit_log (what) VALUES ('a\'); DROP TABLE leads; --')"  # the other way round
    static = f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {insert};\n END $$"
    sql = f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT {text} $$"
    unchecked = "SET check_function_bodies = off"
    made = REREAD.destructive
    return [
        made("do-set-before", "a DO block changes the setting, then reads on",
             f"DO $$ BEGIN {off}; {insert};\n END $$", vis="lexer"),
        made("do-set-config-before", "a DO block changes it by set_config()",
             f"DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', true); {insert};\n END $$",
             vis="lexer"),
        made("plpgsql-called-later", "made while backslashes are ordinary, called when they escape", static, off,
             "SELECT f()",
             vis="lexer"),
        made("plpgsql-set-clause", "the setting comes by ALTER FUNCTION", static,
             "ALTER FUNCTION f() SET standard_conforming_strings = off", "SELECT f()", vis="lexer"),
        made("sql-called-later", "a function in SQL, read at its call", unchecked, sql, off, "SELECT f()", vis="lexer"),
        made("sql-set-clause", "a function in SQL with a SET clause", unchecked,
             sql.replace(" AS ", " SET standard_conforming_strings = off AS "), "SELECT f()", vis="lexer"),
        made("made-while-off", "made while backslashes escape, called when they do not", off,
             f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {other};\n END $$", on, "SELECT f()",
             vis="lexer"),
        made("execute-set-before", "EXECUTE of a literal after the setting changed",
             f"DO $do$ BEGIN {off}; EXECUTE $x$SELECT {text}$x$; END $do$", vis="lexer"),
        made("execute-set-within", "the EXECUTEd text changes it for the next",
             f"DO $do$ BEGIN EXECUTE '{off}'; EXECUTE $x$SELECT {text}$x$; END $do$", vis="lexer"),
        made("procedure-set", "a procedure changes it for what it calls", static,
             f"CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN {off}; PERFORM f(); END $$", "CALL p()", vis="lexer"),
        made("database-setting", "ALTER DATABASE changes it for the next connection", static,
             "ALTER DATABASE @@DB@@ SET standard_conforming_strings = off", {"op": "connect"}, "SELECT f()",
             vis="lexer"),
        made("trigger-called-later", "a trigger, fired when backslashes escape",
             static.replace("void", "trigger").replace("END", "RETURN new; END"),
             "CREATE TRIGGER t BEFORE INSERT ON cache_u FOR EACH ROW EXECUTE FUNCTION f()",
             f"{off}; INSERT INTO cache_u VALUES ('q', 'q')", vis="lexer"),
    ]  # fmt: skip


# What migrations do with EXECUTE: a quoted value where a value may stand. Name, body, declarations, proof.
ALLOWED: list[tuple[str, str, str, Proof]] = [
    ("partitions", "FOR i IN 1..3 LOOP EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF days FOR VALUES"
     " FROM (%L) TO (%L)', 'day_' || i, date '2025-01-01' + i, date '2025-01-02' + i); END LOOP;", "",
     counted("pg_inherits where inhparent = 'days'::regclass", 3)),
    ("grants", "FOR r IN SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE 'GRANT SELECT"
     " ON ' || quote_ident(r.t) || ' TO rt_ro'; END LOOP;", "r record;", KEPT),
    ("add-column", "FOR r IN SELECT 'contacts' AS t LOOP EXECUTE format('ALTER TABLE %I ADD COLUMN IF NOT EXISTS tag"
     " text', r.t); END LOOP;",
     "r record;", counted("contacts where tag is null", 3)),
    ("refresh", "FOR r IN SELECT matviewname AS m FROM pg_matviews LOOP EXECUTE 'REFRESH MATERIALIZED VIEW ' ||"
     " quote_ident(r.m); END LOOP;",
     "r record;", KEPT),
    ("count", "FOR r IN SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE format('SELECT"
     " count(*) FROM %I', r.t) INTO n; END LOOP;", "r record; n int;", KEPT),
    ("condition", "EXECUTE format('SELECT count(*) FROM leads WHERE %I = %L', c, 'DROP TABLE leads') INTO n;",
     "c text := 'note'; n int;", KEPT),
    ("using", "EXECUTE 'SELECT count(*) FROM ' || quote_ident(t) || ' WHERE id > $1' INTO n USING 1;",
     "t text := 'leads'; n int;", KEPT),
    ("insert", "EXECUTE format('INSERT INTO %I (what) VALUES (%L)', t, 'DROP TABLE leads; --');",
     "t text := 'audit_log';", counted("audit_log", 3)),
    ("index", "EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %I (name)', t || '_i', t);", "t text := 'contacts';",
     ("select to_regclass('contacts_i') is not null", "t")),
    ("drop-trigger", "FOR r IN SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE"
     " format('DROP TRIGGER IF EXISTS %I ON %I', 'touch', r.t); END LOOP;", "r record;", KEPT),
    ("comment", "EXECUTE format('COMMENT ON TABLE %I IS %L', t, 'never DROP TABLE this');", "t text := 'leads';",
     ("select obj_description('leads'::regclass)", "never DROP TABLE this")),
    ("sequence", "EXECUTE format('ALTER SEQUENCE %I RESTART WITH %s', s, n);",
     "s text := 'invoice_seq'; n int := 5000;",
     ("select last_value from invoice_seq", "5000")),
    ("drop-index", "FOR r IN SELECT indexname AS i FROM pg_indexes WHERE indexname = 'leads_name_idx' LOOP EXECUTE"
     " 'DROP INDEX ' || quote_ident(r.i); END LOOP;", "r record;", gone("leads_name_idx")),
    ("view", "EXECUTE format('CREATE OR REPLACE VIEW %I AS SELECT %s AS a, %L AS b', v, 1, '/* */ --');",
     "v text := 'v9';",
     counted("v9", 1)),
    ("schema", "EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION CURRENT_USER', s);",
     "s text := 'tenant_7';",
     counted("pg_namespace where nspname = 'tenant_7'", 1)),
    ("update-keyed", "EXECUTE format('UPDATE contacts SET %I = %L WHERE id = %s', c, 'c1', 1);", "c text := 'note';",
     KEPT),
    ("analyze", "FOR r IN SELECT tablename AS t FROM pg_tables WHERE schemaname = 'public' LOOP EXECUTE 'ANALYZE ' ||"
     " quote_ident(r.t); END LOOP;",
     "r record;", KEPT),
    ("commented", "EXECUTE format('SELECT %L /* it''s kept */', t) || ' -- end';", "t text := 'DROP TABLE leads';",
     KEPT),
]  # fmt: skip


def ordinary() -> list[Case]:
    made = {"partitions": ["create table days (d date) partition by range (d)"]}
    return [
        ORDINARY.benign(name, f"EXECUTE of a migration: {name.replace('-', ' ')}", do(body, declarations), proof=proof,
                        ignore_lost=["values", "columns"], **({"setup_app": made[name]} if name in made else {}))
        for name, body, declarations, proof in ALLOWED
    ]  # fmt: skip


def cases() -> list[Case]:
    return [*holes(), *read_again(), *ordinary()]
