"""Where the server cannot be asked what a name means, or where the question itself could be led astray."""

from typing import Any

from .case import Case, Step, Topic, counted, emptied, gone
from .wire import COPY_DONE, FLUSH, SYNC, at_once, bind, data, exchange, execute, parse, query, send

OWED = Topic("owed-replies", "H18")
FAILED = Topic("failed-transaction", "H18")
ASTRAY = Topic("led-astray", "H18")
BYTES = Topic("odd-names", "H18")
ASKED = Topic("asked-harmless", "H18")

DROP = "DROP TABLE leads"
SHADOW = "CREATE TEMP TABLE leads (a int)"
COPY = "COPY audit_log (what) FROM STDIN"
DIVISION = {"allow_errors": ["22012"]}
ROWS_ONLY: dict[str, Any] = {"proof": emptied("leads"), "tier": 2, "loss": "rows"}


def queries(*texts: str) -> list[Step]:
    """Query messages in one go."""
    return exchange(*[query(text) for text in texts], replies=len(texts))


# The statement arrives while replies are outstanding. Name, title, steps, other fields.
PENDING: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("queries", "the temporary table goes in the Query before, sent together", [SHADOW, *queries("DISCARD TEMP", DROP)],
     {}),
    ("all-queries", "made, rolled back, dropped: four Queries at once", queries("BEGIN", SHADOW, "ROLLBACK", DROP), {}),
    ("path", "the path changes in the Query before", [SHADOW, *queries("SET search_path = public, pg_temp", DROP)], {}),
    ("three-syncs", "three pipelines at once", exchange(*at_once(SHADOW), SYNC, *at_once("DISCARD TEMP"), SYNC,
     *at_once(DROP), SYNC, replies=3), {}),
    ("slow-before", "a slow query is still running", [SHADOW, "DISCARD TEMP", *queries("SELECT pg_sleep(0.1)", DROP)],
     {}),
    ("flushed", "the pipeline is flushed, not synchronised", [SHADOW, *exchange(*at_once("DROP TABLE pg_temp.leads"),
     FLUSH, *at_once(DROP), SYNC)], {}),
    ("query-in-pipeline", "a Query in the middle of a pipeline", [SHADOW, *exchange(*at_once("DISCARD TEMP"),
     query(DROP), SYNC, replies=2)], {}),
    ("bound-in-pipeline", "bound in one pipeline, run in the same", [SHADOW, *exchange(parse(DROP, "s"), SYNC),
     *exchange(*at_once("DROP TABLE pg_temp.leads"), bind("s", "p"), execute("p"), SYNC)], {}),
    ("copy-in", "COPY is not over when the DROP is sent", [SHADOW, *exchange(query("COPY pg_temp.leads FROM STDIN"),
     data("1\n"), COPY_DONE, query("DISCARD TEMP"), query(DROP), replies=3)], {}),
    ("copy-extended", "COPY in the extended protocol, then the DROP without a Sync", [
     *exchange(*at_once(COPY), data("x\n"), COPY_DONE, *at_once(DROP), SYNC)], {}),
    ("copy-out", "rows are still coming out", [SHADOW, "DISCARD TEMP",
     *queries("COPY (SELECT generate_series(1, 20000))"
     " TO STDOUT", DROP)], {}),
    ("copy-truncate", "TRUNCATE behind a COPY", exchange(query(COPY), data("x\n"), COPY_DONE, query("TRUNCATE leads"),
     replies=2), ROWS_ONLY),
    ("suspended", "a portal is suspended", ["BEGIN", SHADOW, *exchange(parse("SELECT generate_series(1, 9)", "q"),
     bind("q"), execute("", 2), SYNC), *queries("DISCARD PLANS", "DROP TABLE pg_temp.leads", DROP, "COMMIT")], {}),
    ("fast-path", "a fast-path call is running", exchange({"t": "FunctionCall", "fn": "pg_sleep(double precision)",
     "args": ["0.05"]}, query(DROP), replies=2), {}),
    ("many", "three hundred replies are owed", exchange(*[query("SELECT 1")] * 300, query(DROP), replies=301), {}),
    ("never-read", "nobody reads the answer", [SHADOW, "DISCARD TEMP", send(query(DROP), {"t": "Terminate"}),
     {"op": "await", "sql": "select to_regclass('public.leads') is null", "timeout": 1.0}], {}),
]  # fmt: skip

# The transaction has failed, or has just been saved. Name, title, steps, other fields.
IN_ERROR: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("rollback", "failed, rolled back, dropped", ["BEGIN", "SELECT 1/0", "ROLLBACK", DROP], DIVISION),
    ("rollback-together", "ROLLBACK and DROP sent together", ["BEGIN", "SELECT 1/0", *queries("ROLLBACK", DROP)],
     DIVISION),
    ("one-string", "ROLLBACK and DROP in one Query", ["BEGIN", SHADOW, "SELECT 1/0", f"ROLLBACK; {DROP}"], DIVISION),
    ("chain", "ROLLBACK AND CHAIN", ["BEGIN", SHADOW, "SELECT 1/0", f"ROLLBACK AND CHAIN; {DROP}; COMMIT"], DIVISION),
    ("savepoint-together", "ROLLBACK TO and DROP sent together",
     ["BEGIN; SAVEPOINT s", SHADOW, "SELECT 1/0", *queries("ROLLBACK TO s", DROP, "COMMIT")], DIVISION),
    ("savepoint-string", "ROLLBACK TO, DROP and COMMIT in one Query",
     ["BEGIN; SAVEPOINT s", SHADOW, "SELECT 1/0", f"ROLLBACK TO s; {DROP}; COMMIT"], DIVISION),
    ("savepoint-pipeline", "ROLLBACK TO and DROP in one pipeline", ["BEGIN; SAVEPOINT s", SHADOW, "SELECT 1/0",
     *exchange(*at_once("ROLLBACK TO s"), *at_once(DROP), *at_once("COMMIT"), SYNC)], DIVISION),
    ("parsed-before", "parsed before the error, run after it", ["BEGIN", SHADOW, *exchange(parse(DROP, "s"), SYNC),
     "SELECT 1/0", *exchange(*at_once("ROLLBACK"), bind("s"), execute(), SYNC)], DIVISION),
    ("parse-in-error", "parsing fails in the failed transaction, the second try does not",
     ["BEGIN", "SELECT 1/0", *exchange(*at_once(DROP), SYNC), "ROLLBACK", *exchange(*at_once(DROP), SYNC)],
     {"allow_errors": ["22012", "25P02"]}),
    ("implicit", "the implicit transaction fails after the DROP is undone by nothing", ["SELECT 1/0", f"{DROP}; SELECT"
     " 1"], DIVISION),
    ("syntax-error", "a syntax error in the transaction, then ROLLBACK and DROP", ["BEGIN", SHADOW, "SELEC",
     "ROLLBACK", DROP], {"allow_errors": ["42601"]}),
    ("replication", "a replication connection", [SHADOW, "DROP TABLE pg_temp.leads", DROP],
     {"role": "super", "startup": {"role": "super", "extra": [["replication", "database"]]}}),
    ("replication-rollback", "a replication connection after ROLLBACK", [f"BEGIN; {SHADOW}", "ROLLBACK", DROP],
     {"role": "super", "startup": {"role": "super", "extra": [["replication", "true"], ["replication", "database"]]}}),
]  # fmt: skip

FAKE = "create function public.{} language sql as $f$ select {} $f$"
FIRST = "SET search_path = public, pg_catalog"
# Objects and settings that lead a careless question astray. Name, title, what is there, steps, other fields.
LED: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("temp-pg-class", "a temporary pg_class in front of the real one", [],
     ["CREATE TEMP TABLE pg_class AS SELECT * FROM"
     " pg_catalog.pg_class WHERE false", DROP], {}),
    ("temp-pg-class-lies", "a temporary pg_class that says: temporary", [],
     ["CREATE TEMP TABLE pg_class AS SELECT oid, relname, relkind, 't'::\"char\" AS relpersistence, relnamespace FROM"
      " pg_catalog.pg_class", DROP], {}),
    ("temp-namespace", "a temporary pg_namespace", [],
     ["CREATE TEMP TABLE pg_namespace AS SELECT oid, 'pg_temp_3'::name"
     " AS nspname FROM pg_catalog.pg_namespace", DROP], {}),
    ("regclass-function", "a to_regclass of its own", [FAKE.format("to_regclass(text) returns regclass",
     "null::regclass")], [FIRST, DROP], {}),
    ("visible-function", "a pg_table_is_visible of its own", [FAKE.format("pg_table_is_visible(oid) returns bool",
     "false")], [FIRST, DROP], {}),
    ("temp-schema-function", "a pg_my_temp_schema of its own", [FAKE.format("pg_my_temp_schema() returns oid",
     "'public'::regnamespace::oid")], [FIRST, DROP], {}),
    ("equals", "an = of its own for oid",
     ["create function never(oid, oid) returns bool language sql as 'select false'",
     "create operator public.= (leftarg = oid, rightarg = oid, function = never)"], [FIRST, DROP], {}),
    ("equals-char", 'an = of its own for "char"', ['create function always("char", "char") returns bool language sql as'
     " 'select true'", 'create operator public.= (leftarg = "char", rightarg = "char", function = always)'],
     [FIRST, DROP], {}),
    ("cast-type", "a type called regclass", ["create domain public.regclass as text"], [FIRST, DROP], {}),
    ("empty-path", "an empty path", [], ["SET search_path = ''", "DROP TABLE public.leads"], {}),
    ("no-timeout", "a timeout that no question meets", [], ["SET statement_timeout = '1ms'; SET statement_timeout = 0;"
     " SET lock_timeout = '1ms'", DROP], {}),
    ("off-literals", "backslashes escape in literals", ["create table \"a\\'b\" as select 1 as a"],
     ["SET standard_conforming_strings = off; SET backslash_quote = on", "DROP TABLE \"a\\'b\""],
     {"proof": gone("\"a\\'b\"")}),
    ("quotes", "quotes in the name", ['create table "a\'b""c$$" as select 1 as a'], ['DROP TABLE "a\'b""c$$"'],
     {"proof": gone('"a\'b""c$$"')}),
    ("settings", "odd settings of output", [], ["SET bytea_output = escape; SET DateStyle = 'German'; SET"
     " extra_float_digits = -15; SET quote_all_identifiers = on; SET array_nulls = off; SET xmloption = document",
     DROP],
     {}),
    ("read-only-default", "transactions are read-only by default, this one is not", [],
     ["SET default_transaction_read_only = on", "BEGIN READ WRITE", DROP, "COMMIT"], {}),
    ("list-of-many", "the permanent one last among three hundred temporary ones", [],
     ["DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE format('CREATE TEMP TABLE %I (a int)', 'w' || i); END LOOP; END $$",
      f"DROP TABLE {', '.join(f'w{n}' for n in range(1, 301))}, leads"], {}),
    ("no-usage", "a role that may not look at the schema", ["create schema far", "create table far.kept as select 1 as"
     " a"], ["SET search_path = far", "DROP TABLE kept"], {"proof": gone("far.kept")}),
]  # fmt: skip


def raw(prefix: str, name: bytes, suffix: str = "") -> Step:
    return {"op": "query", "sql_hex": (prefix.encode() + name + suffix.encode()).hex()}


ASCII = {"template": "sqlascii"}
HIGH = "select {} = (select count(*) from pg_class where relname::text::bytea = '\\x{}'::bytea)"
UMLAUT = "äöü" * 11
LATIN = "größe".encode("latin1")
# Names that are not UTF-8, or longer than the server keeps. Name, title, what is there, steps, other fields.
NAMED: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("latin1", "a name in LATIN1", ["create table größe as select 1 as a"], ["SET client_encoding = LATIN1",
     raw("DROP TABLE ", LATIN)], {"proof": gone("größe")}),
    ("latin1-rollback", "a shadow in LATIN1, rolled back", ["create table größe as select 1 as a"],
     ["SET client_encoding = LATIN1", raw("BEGIN; CREATE TEMP TABLE ", LATIN, " (a int)"), "ROLLBACK",
      raw("DROP TABLE ", LATIN)], {"proof": gone("größe")}),
    ("encoding-between", "the same bytes are another name in another encoding", ['create table "Ã¤" as select 1 as a'],
     ["CREATE TEMP TABLE ä (a int)", "SET client_encoding = LATIN1", raw('DROP TABLE "', "ä".encode(), '"')],
     {"proof": gone('"Ã¤"')}),
    ("sql-ascii", "bytes that are no text, in a SQL_ASCII database",
     ["do $$ begin execute format('create table %I as select 1 as a', convert_from('\\xff6b', 'SQL_ASCII')); end $$"],
     ["SET client_encoding = SQL_ASCII", raw('DROP TABLE "', b"\xffk", '"')],
     {**ASCII, "proof": (HIGH.format(0, "ff6b"), "t")}),
    ("sql-ascii-rollback", "a shadow of such a name, rolled back",
     ["do $$ begin execute format('create table %I as select 1 as a', convert_from('\\xff6b', 'SQL_ASCII')); end $$"],
     ["SET client_encoding = SQL_ASCII", raw('BEGIN; CREATE TEMP TABLE "', b"\xffk", '" (a int)'), "ROLLBACK",
      raw('DROP TABLE "', b"\xffk", '"')], {**ASCII, "proof": (HIGH.format(0, "ff6b"), "t")}),
    ("sjis", "a name whose second byte is a backslash", ['create table "表" as select 1 as a'],
     ["SET client_encoding = SJIS", raw('DROP TABLE "', "表".encode("shift_jis"), '"')], {"proof": gone('"表"')}),
    ("cut-inside-letter", "cut at 63 bytes, not inside a letter", [f'create table "{UMLAUT[:31]}" as select 1 as a'],
     [f'DROP TABLE "{UMLAUT}"'], {"proof": gone(f'"{UMLAUT[:31]}"')}),
    ("cut-shadow", "two long names that are one, the shadow dropped first", [f'create table "{UMLAUT[:31]}" as select 1'
     " as a"], [f'CREATE TEMP TABLE "{UMLAUT}x" (a int)', f'DROP TABLE "{UMLAUT}y"', f'DROP TABLE "{UMLAUT}z"'],
     {"proof": gone(f'"{UMLAUT[:31]}"')}),
    ("long-schema", "schema and table longer than 63 bytes", [f"create schema {'s' * 63}", f"create table"
     f" {'s' * 63}.{'t' * 63} as select 1 as a"], [f"DROP TABLE {'s' * 80}.{'t' * 90}"],
     {"proof": gone(f"{'s' * 63}.{'t' * 63}")}),
    ("control", "a newline and a tab in the name", ['create table "a\n\tb" as select 1 as a'], ['DROP TABLE "a\n\tb"'],
     {"proof": gone('"a\n\tb"')}),
]  # fmt: skip

# Benign neighbours of all of them. Name, title, what is there, steps, other fields.
FINE: list[tuple[str, str, list[str], list[Step], dict[str, Any]]] = [
    ("queries", "made and dropped with pg_temp, Queries sent together", [], queries(SHADOW, "DROP TABLE pg_temp.leads",
     "SELECT 1"), {}),
    ("copy", "COPY and the DROP of a temporary table sent together", [SHADOW.replace("TEMP ", "").replace("leads",
     "n1")],
     [SHADOW, *exchange(query("COPY pg_temp.leads FROM STDIN"), data("1\n2\n"), COPY_DONE, query("DROP TABLE"
      " pg_temp.leads"), replies=2)], {}),
    ("copy-out", "rows out, and the next Query sent together", [], queries("COPY (SELECT generate_series(1, 20000)) TO"
     " STDOUT", "SELECT 1"), {}),
    ("failed", "an error, ROLLBACK, and on", [], ["BEGIN", SHADOW, "SELECT 1/0", "SELECT 1", "ROLLBACK",
     "SELECT count(*)"
     " FROM leads"], {"allow_errors": ["22012", "25P02"]}),
    ("failed-together", "an error, ROLLBACK and a temporary table, sent together", [], ["BEGIN", "SELECT 1/0",
     *queries("ROLLBACK", SHADOW, "DROP TABLE pg_temp.leads")], DIVISION),
    ("failed-savepoint", "ROLLBACK TO, and the temporary table is still there", [], ["BEGIN", SHADOW, "SAVEPOINT s",
     "SELECT 1/0", "ROLLBACK TO s", "DROP TABLE pg_temp.leads", "COMMIT"], DIVISION),
    ("pipeline-error", "an error skips the rest of the pipeline", [], [*exchange(*at_once("SELECT 1/0"),
     *at_once("SELECT"
     " 2"), SYNC, *at_once("SELECT 3"), SYNC, replies=2)], DIVISION),
    ("replication", "a replication connection's own temporary table", [], [SHADOW, "DROP TABLE pg_temp.leads",
     "IDENTIFY_SYSTEM"], {"role": "super", "startup": {"role": "super", "extra": [["replication", "database"]]}}),
    ("temp-pg-class", "a temporary table called pg_class", [], ["CREATE TEMP TABLE pg_class (a int)", "DROP TABLE"
     " pg_temp.pg_class"], {}),
    ("temp-shadow-pg-class", "a temporary pg_class, and the shadow is dropped", [],
     ["CREATE TEMP TABLE pg_class (a int)",
     SHADOW, DROP, "DROP TABLE pg_class"], {}),
    ("empty-path", "an empty path, and a temporary table", [], ["SET search_path = ''", "CREATE TEMP TABLE w (a int)",
     "DROP TABLE w"], {}),
    ("own-operators", "operators and functions of the database in front", [FAKE.format("to_regclass(text) returns"
     " regclass", "null::regclass"), "create function never(oid, oid) returns bool language sql as 'select false'",
     "create operator public.= (leftarg = oid, rightarg = oid, function = never)"],
     [SHADOW, "SET search_path = pg_temp, public, pg_catalog", DROP], {}),
    ("off-literals", "backslashes escape in literals", [], ["SET standard_conforming_strings = off",
     "CREATE TEMP TABLE \"a\\'b\" (a int)", "DROP TABLE \"a\\'b\""], {}),
    ("quotes", "quotes in the name", [], ['CREATE TEMP TABLE "a\'b""c$$" (a int)', 'DROP TABLE "a\'b""c$$"'], {}),
    ("latin1", "a name in LATIN1", [], ["SET client_encoding = LATIN1", raw("CREATE TEMP TABLE ", LATIN, " (a int)"),
     raw("DROP TABLE ", LATIN)], {}),
    ("sjis", "a name whose second byte is a backslash", [], ["SET client_encoding = SJIS", raw('CREATE TEMP TABLE "',
     "表".encode("shift_jis"), '" (a int)'), raw('DROP TABLE "', "表".encode("shift_jis"), '"')], {}),
    ("sql-ascii", "bytes that are no text", [], ["SET client_encoding = SQL_ASCII", raw('CREATE TEMP TABLE "', b"\xffk",
     '" (a int)'), raw('DROP TABLE pg_temp."', b"\xffk", '"')], ASCII),
    ("cut", "a name that is cut before a letter", [f'create table "{UMLAUT[:31]}" as select 1 as a'],
     [f'CREATE TEMP TABLE "{UMLAUT}x" (a int)', f'DROP TABLE "{UMLAUT}y"'], {"proof": counted(f'"{UMLAUT[:31]}"', 1)}),
    ("many-temporary", "three hundred temporary tables in one list", [], ["DO $$ BEGIN FOR i IN 1..300 LOOP EXECUTE"
     " format('CREATE TEMP TABLE %I (a int)', 'w' || i); END LOOP; END $$",
     f"DROP TABLE {', '.join(f'w{n}' for n in range(1, 301))}"], {}),
    ("missing", "DROP TABLE IF EXISTS of what is not there", [], ["DROP TABLE IF EXISTS no_such_table", "DROP TABLE IF"
     " EXISTS no_such_schema.no_such_table CASCADE"], {}),
    ("missing-error", "DROP TABLE of what is not there: the server's own error", [], ["DROP TABLE no_such_table",
     "TRUNCATE no_such_table"], {"allow_errors": ["42P01"]}),
]  # fmt: skip
# In these only a refusal or the server's own error is right.
ERRORS: list[tuple[str, str, list[Step]]] = [
    ("drop-in-error", "DROP in a failed transaction", ["BEGIN", "SELECT 1/0", DROP, "ROLLBACK"]),
    ("drop-in-error-extended", "Parse of a DROP in a failed transaction",
     ["BEGIN", "SELECT 1/0", *exchange(*at_once(DROP), SYNC), "ROLLBACK"]),
    ("invalid-utf8", "a name that is no UTF-8", [raw("DROP TABLE ", b"leads\xff"), raw('DROP TABLE "', b"\xc3", '"')]),
    ("skipped", "a DROP behind an error in the pipeline", exchange(*at_once("SELECT 1/0"), *at_once(DROP), SYNC)),
    ("in-copy", "a DROP as the data of COPY", exchange(query(COPY), data(f"{DROP};\n"), {"t": "CopyFail", "msg": "x"})),
    ("held-lock", "another session holds the table: the lock times out",
     [{"op": "connect", "conn": "other"}, {"op": "query", "conn": "other",
      "sql": "BEGIN; LOCK TABLE leads IN SHARE MODE"},
      "SET lock_timeout = '100ms'", DROP]),
]  # fmt: skip


def cases() -> list[Case]:
    split = {"vis": "split"}
    return [
        *[OWED.destructive(name, f"replies are owed: {title}", *steps, **split, **fields)
          for name, title, steps, fields in PENDING],
        *[FAILED.destructive(name, f"around an error: {title}", *steps, **split, **fields)
          for name, title, steps, fields in IN_ERROR],
        *[ASTRAY.destructive(name, f"the question is led astray: {title}", *steps, **split, setup_app=made, **fields)
          for name, title, made, steps, fields in LED],
        *[BYTES.destructive(name, f"an odd name: {title}", *steps, vis="lexer", setup_app=made, **fields)
          for name, title, made, steps, fields in NAMED],
        *[ASKED.benign(name, f"hard to ask, and harmless: {title}", *steps, setup_app=made, **fields)
          for name, title, made, steps, fields in FINE],
        *[ASKED.robust(f"error-{name}", title, *steps) for name, title, steps in ERRORS],
    ]  # fmt: skip
