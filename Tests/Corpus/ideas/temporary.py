"""Temporary tables that have the name of a permanent one: what the name means when the statement runs, not before."""

from typing import Any

from .case import Case, Step, Topic, column_gone, counted, emptied, gone
from .wire import SYNC, at_once, bind, exchange, execute, parse

BACK = Topic("temp-undone", "H14")
PATHS = Topic("temp-path", "H14")
LATER = Topic("temp-later", "H14")
MIXED = Topic("temp-mixed", "H14")
OWN = Topic("temp-own", "H14")

SHADOW = "CREATE TEMP TABLE leads (a int)"
DROP = "DROP TABLE leads"
HIDDEN = "SET search_path = public, pg_temp"
FIRST = "SET search_path = pg_temp, public"
PARSED = exchange(parse(DROP, "s"), SYNC)
RUN = exchange(bind("s"), execute(), SYNC)
DIVISION = {"allow_errors": ["22012"]}

# The temporary table is gone again, and the name means the permanent one. Name, title, steps, other fields.
UNDONE: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("rollback", "made in a transaction that is rolled back", ["BEGIN", SHADOW, "ROLLBACK", DROP], {}),
    ("rollback-one-string", "made, rolled back, dropped in one Query", [f"BEGIN; {SHADOW}; ROLLBACK; {DROP}"], {}),
    ("outer-savepoint", "undone with the savepoint around its own", ["BEGIN; SAVEPOINT a", "SAVEPOINT b", SHADOW,
     "RELEASE b", "ROLLBACK TO a", DROP, "COMMIT"], {}),
    ("failed-commit", "COMMIT of a failed transaction is a rollback", ["BEGIN", SHADOW, "SELECT 1/0", "COMMIT", DROP],
     DIVISION),
    ("failed-message", "made in a Query that fails at its end", [f"{SHADOW}; SELECT 1/0", DROP], DIVISION),
    ("failed-creation", "CREATE TEMP TABLE … AS fails while it is filled",
     ["CREATE TEMP TABLE leads AS SELECT 1/0 AS a", DROP], DIVISION),
    ("failed-pipeline", "made in a pipeline that fails before its Sync",
     [*exchange(*at_once(SHADOW), *at_once("SELECT 1/0"), SYNC), DROP], DIVISION),
    ("two-phase", "a transaction with temporary tables cannot be prepared and is rolled back",
     ["BEGIN", SHADOW, "PREPARE TRANSACTION '@@DB@@'", DROP], {"allow_errors": ["0A000"]}),
    ("on-commit-drop", "ON COMMIT DROP", ["BEGIN", f"{SHADOW} ON COMMIT DROP", "COMMIT", DROP], {}),
    ("on-commit-chain", "ON COMMIT DROP, dropped again in the chained transaction",
     ["BEGIN", f"{SHADOW} ON COMMIT DROP", "COMMIT AND CHAIN", DROP, "COMMIT"], {}),
    ("on-commit-implicit", "ON COMMIT DROP outside a transaction: gone at once", [f"{SHADOW} ON COMMIT DROP", DROP],
     {}),
    ("discard-temp", "DISCARD TEMP", [SHADOW, "DISCARD TEMPORARY", DROP], {}),
    ("discard-all", "DISCARD ALL, as a pool resets a connection", [SHADOW, "DISCARD ALL", DROP], {}),
    ("dropped-undone", "the second DROP is undone to a savepoint and sent again",
     ["BEGIN", SHADOW, DROP, "SAVEPOINT s", DROP, "ROLLBACK TO s", DROP, "COMMIT"], {}),
    ("reconnected", "the session that had it has ended",
     [SHADOW, {"op": "close"}, {"op": "connect"}, DROP], {}),
    ("neighbour", "another session has it", [{"op": "connect", "conn": "other"},
     {"op": "query", "conn": "other", "sql": SHADOW}, DROP], {}),
    ("do-exception", "undone by the exception block of a DO", [
     f"DO $$ BEGIN BEGIN {SHADOW}; RAISE 'x'; EXCEPTION WHEN OTHERS THEN NULL; END; {DROP}; END $$"], {}),
    ("as-copy", "a temporary copy, dropped twice with IF EXISTS",
     ["CREATE TEMP TABLE leads AS TABLE public.leads", "DROP TABLE IF EXISTS leads", "DROP TABLE IF EXISTS leads"], {}),
    ("select-into", "SELECT INTO TEMP, then two DROPs", ["SELECT 1 AS a INTO TEMP leads", DROP, DROP], {}),
    ("path-made", "made by a path that begins with pg_temp", [FIRST, "CREATE TABLE leads (a int)", DROP, DROP], {}),
    ("by-routine", "made by a function that is in the database", ["SELECT made()", DROP, DROP],
     {"setup_app": [f"create function made() returns void language sql as '{SHADOW}'"]}),
    ("renamed-into", "another temporary table took the name by RENAME",
     ["CREATE TEMP TABLE w (a int)", "ALTER TABLE w RENAME TO leads", DROP, DROP], {}),
    ("view-first", "a temporary view of that name, dropped first",
     ["CREATE TEMP VIEW leads AS SELECT 1 AS a", "DROP VIEW leads", DROP], {}),
    ("partition", "temporary partitions go with their parent, and the name means a permanent partition",
     ["CREATE TEMP TABLE day (ts date) PARTITION BY RANGE (ts)", "CREATE TEMP TABLE events_2023 PARTITION OF day"
      " DEFAULT", "DROP TABLE day", "DROP TABLE events_2023"], {"proof": gone("events_2023")}),
    ("truncate", "TRUNCATE after the rollback", ["BEGIN", SHADOW, "ROLLBACK", "TRUNCATE leads"],
     {"proof": emptied("leads"), "tier": 2, "loss": "rows"}),
    ("delete", "DELETE of all rows after DISCARD TEMP", [SHADOW, "DELETE FROM leads", "DISCARD TEMP",
     "DELETE FROM leads"], {"proof": emptied("leads"), "tier": 2, "loss": "rows"}),
    ("column", "DROP COLUMN after ROLLBACK TO", ["BEGIN; SAVEPOINT a", "CREATE TEMP TABLE leads (a int, note text)",
     "ROLLBACK TO a", "ALTER TABLE leads DROP COLUMN note", "COMMIT"],
     {"proof": column_gone("leads", "note"), "tier": 2, "loss": "column"}),
    ("matview", "a materialized view of that name, once the temporary table is gone", [
     "CREATE TEMP TABLE mv_sales (a int)", "DROP TABLE mv_sales", "DROP MATERIALIZED VIEW mv_sales"],
     {"proof": gone("mv_sales"), "loss": "matview"}),
]  # fmt: skip

# The path decides which of the two is meant. Name, title, steps, other fields.
BY_PATH: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("last", "pg_temp last in the path", [SHADOW, HIDDEN, DROP], {}),
    ("local", "pg_temp last for this transaction", [SHADOW, "BEGIN; SET LOCAL search_path = public, pg_temp", DROP,
     "COMMIT"], {}),
    ("one-string", "the path changes in the same Query", [SHADOW, f"{HIDDEN}; {DROP}"], {}),
    ("set-config", "the path set by a function call", [SHADOW, "SELECT set_config('search_path', 'public, pg_temp',"
     " false)", DROP], {}),
    ("startup", "the path of the startup packet", [SHADOW, DROP],
     {"startup": {"extra": [["options", "-c search_path=public,pg_temp"]]}}),
    ("database", "the path of the database", [SHADOW, DROP],
     {"setup": ['alter database "@@DB@@" set search_path = public, pg_temp']}),
    ("reset", "RESET brings back the path of the role in this database", [FIRST, SHADOW, "RESET search_path", DROP],
     {"setup": ['alter role rt_app in database "@@DB@@" set search_path = public, pg_temp']}),
    ("undone", "a path with pg_temp first, rolled back", [HIDDEN, SHADOW, f"BEGIN; {FIRST}", "ROLLBACK", DROP], {}),
    ("function", "the SET clause of a function", [SHADOW, "SELECT tidy()"],
     {"vis": "server", "setup_app": ["create function tidy() returns void language sql set search_path = public,"
                                     " pg_temp as 'drop table leads'"]}),
    ("between", "the path changes between Parse and Execute", [SHADOW, *PARSED, HIDDEN, *RUN], {}),
    ("truncate", "TRUNCATE with pg_temp last", [SHADOW, HIDDEN, "TRUNCATE leads"],
     {"proof": emptied("leads"), "tier": 2, "loss": "rows"}),
    ("other-schema", "pg_temp behind another schema", ["CREATE TEMP TABLE invoices (a int)",
     "SET search_path = sales, pg_temp", "DROP TABLE invoices"], {"proof": gone("sales.invoices")}),
    ("qualified", "the schema written out", [SHADOW, "DROP TABLE public.leads"], {}),
    ("like-temp", "a permanent schema with a name like a temporary one", ["DROP TABLE pg_tempting.kept"],
     {"role": "super", "proof": gone("pg_tempting.kept"),
      "setup": ["set allow_system_table_mods = on; create schema pg_tempting; create table pg_tempting.kept as"
                " select 1 as a"]}),
]  # fmt: skip

# Parsed while the name was temporary, run when it was not. Name, title, steps, other fields.
AT_EXECUTE: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("second-run", "a prepared DROP, run twice", [SHADOW, *PARSED, *RUN, *RUN], {}),
    ("rollback", "parsed in the transaction that is rolled back", ["BEGIN", SHADOW, *PARSED, "ROLLBACK", *RUN], {}),
    ("bound", "the portal is bound before the temporary table goes",
     ["BEGIN", SHADOW, *exchange(parse(DROP, "s"), bind("s", "p"), SYNC), "DROP TABLE pg_temp.leads",
      *exchange(execute("p"), SYNC), "COMMIT"], {}),
    ("pipeline", "two Executes of one statement in a pipeline",
     [SHADOW, *exchange(parse(DROP, "s"), bind("s"), execute(), bind("s"), execute(), SYNC)], {}),
    ("pipelined-rollback", "ROLLBACK and the Execute in one pipeline",
     ["BEGIN", SHADOW, *PARSED, *exchange(*at_once("ROLLBACK"), bind("s"), execute(), SYNC)], {}),
    ("all-pipelined", "made, dropped, dropped in one pipeline",
     exchange(*at_once(SHADOW), *at_once(DROP), *at_once(DROP), SYNC), {}),
    ("discard", "DISCARD TEMP between Parse and Execute", [SHADOW, *PARSED, "DISCARD TEMP", *RUN], {}),
    ("truncate", "a prepared TRUNCATE, run after ON COMMIT DROP",
     ["BEGIN", f"{SHADOW} ON COMMIT DROP", *exchange(parse("TRUNCATE leads", "s"), bind("s"), execute(), SYNC),
      "COMMIT", *RUN], {"proof": emptied("leads"), "tier": 2, "loss": "rows"}),
    ("delete", "a prepared DELETE, planned anew for the permanent table",
     ["CREATE TEMP TABLE leads (LIKE public.leads)", *exchange(parse("DELETE FROM leads", "s"), bind("s"), execute(),
      SYNC), "DISCARD TEMP", *RUN], {"proof": emptied("leads"), "tier": 2, "loss": "rows"}),
    ("sql-prepare", "PREPARE and EXECUTE of SQL", ["CREATE TEMP TABLE leads (LIKE public.leads)",
     "PREPARE q AS DELETE FROM leads", "EXECUTE q", "DROP TABLE pg_temp.leads", "EXECUTE q"],
     {"proof": emptied("leads"), "tier": 2, "loss": "rows"}),
]  # fmt: skip

TAKEN = ["ALTER TABLE leads ALTER note TYPE pg_temp.kind USING row(note)::pg_temp.kind"]
ALONG: dict[str, Any] = {"proof": column_gone("leads", "note"), "tier": 2, "loss": "column"}
# One temporary and one permanent table, or a permanent one that hangs on a temporary object.
TOGETHER: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("list", "one temporary, one permanent in a list", ["CREATE TEMP TABLE w (a int)", "DROP TABLE w, leads"], {}),
    ("list-first", "the permanent one first, IF EXISTS, CASCADE",
     ["CREATE TEMP TABLE w (a int)", "DROP TABLE IF EXISTS leads, w CASCADE"], {}),
    ("list-twice", "both of the name in one list, one with its schema", [SHADOW, "DROP TABLE leads, public.leads"], {}),
    ("truncate-list", "TRUNCATE of both", ["CREATE TEMP TABLE w (a int)", "TRUNCATE w, leads"],
     {"proof": emptied("leads"), "tier": 2, "loss": "rows"}),
    ("heir", "a temporary heir goes with its permanent parent",
     ["CREATE TEMP TABLE kid () INHERITS (leads)", "DROP TABLE leads CASCADE"], {}),
    ("truncate-parent", "TRUNCATE of a permanent parent with a temporary heir",
     ["CREATE TEMP TABLE kid () INHERITS (leads)", "TRUNCATE leads"],
     {"proof": emptied("leads"), "tier": 2, "loss": "rows"}),
    ("do-twice", "two DROPs in a DO block", [SHADOW, f"DO $$ BEGIN {DROP}; {DROP}; END $$"], {"vis": "embedded"}),
    ("quoted", "the temporary one is quoted and another name", ['CREATE TEMP TABLE "Leads" (a int)',
     "DROP TABLE Leads"],
     {}),
    ("umlaut", "upper and lower case differ beyond ASCII", ["CREATE TEMP TABLE ärzte (a int)", "DROP TABLE Ärzte"],
     {"proof": gone('"Ärzte"'), "setup_app": ['create table "Ärzte" as select 1 as a']}),
    ("composed", "composed and decomposed letters are two names",
     ["CREATE TEMP TABLE caf\u00e9 (a int)", "DROP TABLE cafe\u0301"],
     {"proof": gone('"cafe\u0301"'), "setup_app": ['create table "cafe\u0301" as select 1 as a']}),
    ("escaped", "the name in Unicode escapes, dropped twice", [r'CREATE TEMP TABLE U&"\006ceads" (a int)', DROP,
     r'DROP TABLE U&"le\0061ds"'], {}),
    ("cut", "names beyond 63 bytes are one name", [f"CREATE TEMP TABLE {'t' * 70} (a int)", f"DROP TABLE {'t' * 64}",
     f"DROP TABLE {'t' * 66}"], {"proof": gone("t" * 63), "setup_app": [f"create table {'t' * 63} as select 1 as a"]}),
    ("type-dropped", "a permanent column of a temporary type goes with the type",
     ["CREATE TYPE pg_temp.kind AS (a text)", *TAKEN, "DROP TYPE pg_temp.kind CASCADE"], ALONG),
    ("row-type", "a permanent column of a temporary table's row type goes with the table",
     ["CREATE TEMP TABLE kind (a text)", *TAKEN, "DROP TABLE kind CASCADE"], ALONG),
    ("discarded-type", "DISCARD TEMP takes the permanent column along",
     ["CREATE TYPE pg_temp.kind AS (a text)", *TAKEN, "DISCARD TEMP"], ALONG),
    ("domain-at-end", "the end of the session takes the permanent column along",
     ["CREATE DOMAIN pg_temp.kind AS text", "ALTER TABLE leads ALTER note TYPE pg_temp.kind", {"op": "close"}], ALONG),
]  # fmt: skip

SELECTED = "SELECT generate_series(1, 9)"
DROPPED = [parse(DROP, "d"), bind("d", "dp"), execute("dp")]
# What is temporary and only that. Name, title, steps, other fields.
HARMLESS: list[tuple[str, str, list[Step], dict[str, Any]]] = [
    ("shadow", "the shadow is dropped", [SHADOW, DROP], {}),
    ("extended", "in the extended protocol", [SHADOW, *exchange(*at_once(DROP), SYNC)], {}),
    ("prepared", "parsed before, run once", [SHADOW, *PARSED, *RUN], {}),
    ("parsed-before", "parsed while the name was permanent, run when it is temporary", [*PARSED, SHADOW, *RUN], {}),
    ("inner-savepoint", "ROLLBACK TO a later savepoint keeps it", ["BEGIN", SHADOW, "SAVEPOINT b", "ROLLBACK TO b",
     DROP,
     "COMMIT"], {}),
    ("after-error", "an error undone to a savepoint", ["BEGIN", SHADOW, "SAVEPOINT s", "SELECT 1/0", "ROLLBACK TO s",
     DROP, "COMMIT"], DIVISION),
    ("undone-drop", "the DROP of it is undone, and it is dropped again",
     ["BEGIN", SHADOW, "SAVEPOINT s", DROP, "ROLLBACK TO s", DROP, "COMMIT"], {}),
    ("before-commit", "ON COMMIT DROP, dropped before COMMIT", ["BEGIN", f"{SHADOW} ON COMMIT DROP", DROP, "COMMIT"],
     {}),
    ("path-first", "pg_temp first in the path", [SHADOW, FIRST, DROP], {}),
    ("path-back", "pg_temp last for one transaction that is over", [SHADOW, "BEGIN; SET LOCAL search_path = public,"
     " pg_temp", "ROLLBACK", DROP], {}),
    ("path-made", "CREATE TABLE by a path that begins with pg_temp", [FIRST, "CREATE TABLE leads (a int)",
     "RESET search_path", DROP], {}),
    ("by-name", "CREATE TABLE pg_temp.…", ["CREATE TABLE pg_temp.leads (a int)", DROP], {}),
    ("qualified-missing", "pg_temp.… where there is none", ["DROP TABLE IF EXISTS pg_temp.leads"], {}),
    ("qualified-string", "made and dropped with pg_temp in one Query", [f"{SHADOW}; DROP TABLE pg_temp.leads"], {}),
    ("qualified-pipeline", "made and dropped with pg_temp in one pipeline",
     exchange(*at_once(SHADOW), *at_once("DROP TABLE pg_temp.leads"), SYNC), {}),
    ("pipelined-syncs", "made and dropped in one go with two Syncs",
     exchange(*at_once(SHADOW), SYNC, *at_once(DROP), SYNC, replies=2), {}),
    ("list", "two temporary tables in a list", [SHADOW, "CREATE TEMP TABLE w (a int)", "DROP TABLE w, leads"], {}),
    ("same-twice", "one temporary table twice in a list", [SHADOW, "DROP TABLE leads, leads"], {}),
    ("copy-all", "the temporary copy of a table", ["CREATE TEMP TABLE contacts AS TABLE contacts", "TRUNCATE contacts",
     "DELETE FROM contacts", "ALTER TABLE contacts DROP COLUMN note", "DROP TABLE contacts"], {}),
    ("if-not-exists", "IF NOT EXISTS looks among the temporary ones only", ["CREATE TEMP TABLE IF NOT EXISTS leads (a"
     " int)", DROP], {}),
    ("renamed", "renamed, then dropped by its new name", ["CREATE TEMP TABLE w (a int)",
     "ALTER TABLE w RENAME TO leads",
     DROP], {}),
    ("by-routine", "made by a function that is in the database", ["SELECT made()", DROP],
     {"setup_app": [f"create function made() returns void language sql as '{SHADOW}'"]}),
    ("routine-drops", "a function drops pg_temp.…", [SHADOW, "SELECT tidy()"],
     {"setup_app": ["create function tidy() returns void language plpgsql as 'begin drop table if exists pg_temp.leads;"
                    " end'"]}),
    ("cascade", "CASCADE to views on the temporary table", [SHADOW, "CREATE TEMP VIEW w AS TABLE leads",
     "CREATE VIEW x AS TABLE w", "DROP TABLE leads CASCADE"], {}),
    ("partitions", "temporary partitions with permanent names", ["CREATE TEMP TABLE events (ts date) PARTITION BY RANGE"
     " (ts)", "CREATE TEMP TABLE events_2023 PARTITION OF events DEFAULT", "DROP TABLE events_2023",
     "DROP TABLE events"], {}),
    ("heir", "a temporary heir of a permanent table", ["CREATE TEMP TABLE kid () INHERITS (leads)",
     "INSERT INTO kid (name) VALUES ('x')", "TRUNCATE kid", "DROP TABLE kid"], {}),
    ("sequence", "a temporary sequence with a permanent name", ["CREATE TEMP SEQUENCE invoice_seq",
     "DROP SEQUENCE invoice_seq"], {"proof": ("select to_regclass('invoice_seq') is null", "f")}),
    ("view", "a temporary view with a permanent table's name", ["CREATE TEMP VIEW leads AS SELECT 1 AS a",
     "DROP VIEW leads"], {}),
    ("quoted", "quoted names and upper case", ['CREATE TEMP TABLE "Order Table" (a int)', 'DROP TABLE "Order Table"'],
     {}),
    ("unicode", "letters beyond ASCII", ["CREATE TEMP TABLE größe (a int)", "DROP TABLE GRößE"], {}),
    ("cut", "names beyond 63 bytes", [f"CREATE TEMP TABLE {'t' * 70} (a int)", f"DROP TABLE {'t' * 64}"],
     {"proof": counted("t" * 63, 1), "setup_app": [f"create table {'t' * 63} as select 1 as a"]}),
    ("open-cursor", "an open cursor holds it: the server's own error", ["BEGIN", SHADOW, "DECLARE c CURSOR FOR TABLE"
     " leads", DROP, "ROLLBACK"], {"allow_errors": ["55006"]}),
    ("named-portal", "dropped while a named portal is suspended", ["BEGIN", SHADOW,
     *exchange(parse(SELECTED, "q"), bind("q", "p"), execute("p", 2), SYNC), *exchange(*at_once(DROP), SYNC),
     *exchange(execute("p", 3), execute("p"), SYNC), "COMMIT"], {}),
    ("unnamed-portal", "dropped while the unnamed portal is suspended", ["BEGIN", SHADOW,
     *exchange(parse(SELECTED, "q"), bind("q"), execute("", 2), SYNC), *exchange(*DROPPED, SYNC),
     *exchange(execute("", 3), execute(), SYNC), "COMMIT"], {}),
    ("unnamed-statement", "the unnamed statement is there afterwards", [SHADOW,
     *exchange(parse("SELECT 42"), SYNC), *exchange(*DROPPED, SYNC), *exchange(bind(), execute(), SYNC)], {}),
    ("settings-kept", "settings of the transaction are there afterwards",
     ["BEGIN; SET LOCAL work_mem = '3MB'; SET LOCAL"
     " statement_timeout = '9s'", SHADOW, DROP, "SHOW work_mem; SHOW statement_timeout", "COMMIT", "SHOW work_mem"],
     {}),
    ("read-only", "in a read-only transaction", [SHADOW, "BEGIN READ ONLY", "DELETE FROM leads", "COMMIT"], {}),
    ("serializable", "in a serializable transaction whose snapshot is old", [SHADOW, "BEGIN ISOLATION LEVEL"
     " SERIALIZABLE; SELECT count(*) FROM public.leads", DROP, "COMMIT"], {}),
    ("first-statement", "SET TRANSACTION is still allowed before it", [SHADOW, "BEGIN",
     "SET TRANSACTION ISOLATION LEVEL"
     " REPEATABLE READ", DROP, "COMMIT"], {}),
]  # fmt: skip
# Whether they pass or are refused is open: the name is temporary only once the same message has run.
UNASKED: list[tuple[str, str, list[Step]]] = [
    ("one-string", "a shadow made and dropped in one Query", [f"{SHADOW}; {DROP}"]),
    ("one-pipeline", "a shadow made and dropped before one Sync", exchange(*at_once(SHADOW), *at_once(DROP), SYNC)),
    ("do-block", "a shadow made and dropped in a DO block", [f"DO $$ BEGIN {SHADOW}; {DROP}; END $$"]),
    ("failed", "in a failed transaction the server refuses by itself",
     ["BEGIN", SHADOW, "SELECT 1/0", DROP, "ROLLBACK"]),
    ("wrong-kind", "DROP TABLE of a temporary view", ["CREATE TEMP VIEW leads AS SELECT 1 AS a", DROP]),
    ("schema", "the temporary schema itself", [SHADOW, "DROP SCHEMA pg_temp CASCADE"]),
]  # fmt: skip


def lossy(topic: Topic, table: list[tuple[str, str, list[Step], dict[str, Any]]]) -> list[Case]:
    return [
        topic.destructive(name, f"a temporary table in front: {title}", *steps, **{"vis": "split", **fields})
        for name, title, steps, fields in table
    ]


def cases() -> list[Case]:
    return [
        *lossy(BACK, UNDONE), *lossy(PATHS, BY_PATH), *lossy(LATER, AT_EXECUTE), *lossy(MIXED, TOGETHER),
        *[OWN.benign(name, f"temporary, and nothing else: {title}", *steps, **fields)
          for name, title, steps, fields in HARMLESS],
        *[OWN.robust(f"unasked-{name}", title, *steps) for name, title, steps in UNASKED],
    ]  # fmt: skip
