"""The extended protocol, COPY, pipelines, packets: which statement an Execute runs, and where messages end."""

from .case import Case, Step, Topic, counted, emptied, gone
from .wire import (
    COPY_DONE, FLUSH, SYNC, Message, at_once, bind, close, data, describe, exchange, execute, parse, query, read, send,
)  # fmt: skip

STATEMENTS = Topic("statements", "H8")
PORTALS = Topic("portals", "H8")
PIPELINES = Topic("pipelines", "H8")
COPIES = Topic("copy-mode", "H8")
PACKETS = Topic("packets", "H8")
ORDINARY = Topic("ordinary-wire", "H8")
BROKEN = Topic("broken-wire", "H8")

DROP = "DROP TABLE leads"
LONG = "n" * 62


def statements() -> list[Case]:
    """Names of prepared statements, and what they stand for."""
    made = STATEMENTS.destructive
    ways: list[tuple[str, str, list[Step]]] = [
        ("name-reused", "a name closed and given to a DROP", [
            *exchange(parse("SELECT 1", "s"), SYNC),
            *exchange(close("S", "s"), parse(DROP, "s"), bind("s"), execute(), SYNC)]),
        ("deallocated", "a name freed by DEALLOCATE and given to a DROP", [
            *exchange(parse("SELECT 1", "s"), SYNC), "DEALLOCATE s",
            *exchange(parse(DROP, "s"), bind("s"), execute(), SYNC)]),
        ("deallocate-all", "all names freed", [
            *exchange(parse("SELECT 1", "s"), SYNC), "DEALLOCATE PREPARE ALL",
            *exchange(parse(DROP, "s"), SYNC), *exchange(bind("s"), execute(), SYNC)]),
        ("double-name", "the second Parse of a name fails, the first one, a DROP, stays", [
            *exchange(parse(DROP, "s"), SYNC), *exchange(parse("SELECT 1", "s"), SYNC),
            *exchange(bind("s"), execute(), SYNC)]),
        ("unnamed-replaced", "the unnamed statement replaced before Bind", [
            *exchange(parse("SELECT 1"), parse(DROP), bind(), execute(), SYNC)]),
        ("unnamed-kept", "the unnamed statement survives a Sync and a failed Bind", [
            *exchange(parse(DROP), SYNC), *exchange(bind("none"), SYNC), *exchange(bind(), execute(), SYNC)]),
        ("parsed-long-before", "parsed first, run after a transaction of others", [
            *exchange(parse(DROP, "late"), describe("S", "late"), SYNC), "BEGIN", "SELECT 1", "ROLLBACK",
            *exchange(bind("late"), describe("P"), execute(), SYNC)]),
        ("parsed-in-failed", "parsed before its transaction fails", [
            "BEGIN", *exchange(parse(DROP, "s"), SYNC), "SELECT 1/0", "ROLLBACK", *exchange(bind("s"), execute(),
                SYNC)]),
        ("sql-execute", "a protocol statement run by SQL's EXECUTE", [*exchange(parse(DROP.replace("DROP TABLE",
         "DELETE FROM"), "s"), SYNC), "EXECUTE s"]),
        ("sql-prepare", "a PREPARE of SQL run by Bind", ["PREPARE s AS DELETE FROM leads", *exchange(bind("s"),
            execute(), SYNC)]),
        ("sql-prepare-in-parse", "PREPARE and EXECUTE sent by Parse", [
            *exchange(*at_once("PREPARE s AS DELETE FROM leads"), *at_once("EXECUTE s"), SYNC)]),
        ("long-name", "names that are equal in their first 63 bytes", [
            *exchange(parse(DROP, LONG + "aX"), SYNC), *exchange(bind(LONG + "aX"), execute(), SYNC)]),
        ("empty-then-drop", "an empty statement before", [
            *exchange(parse(""), bind(), execute(), parse(DROP), bind(), execute(), SYNC)]),
        ("unused-types", "parameter types that the text does not use", [
            *exchange(parse(DROP, types=[23, 25]), bind("", "", "1", "2"), execute(), SYNC)]),
        ("comment-parameter", "a parameter within a comment only", [*exchange(parse(f"{DROP} /* $1 */"), bind(),
            execute(), SYNC)]),
    ]  # fmt: skip
    rows = {"sql-execute", "sql-prepare", "sql-prepare-in-parse"}
    errors = {"double-name": "42P05", "unnamed-kept": "26000", "parsed-in-failed": "22012"}
    return [
        made(name, title, *steps, vis="split" if len(steps) > 2 else "plain",
             **({"proof": emptied("leads"), "tier": 2, "loss": "rows"} if name in rows else {}),
             **({"allow_errors": [errors[name]]} if name in errors else {}))
        for name, title, steps in ways
    ]  # fmt: skip


def portals() -> list[Case]:
    """A portal keeps its statement, whatever becomes of the name."""
    ways: list[tuple[str, str, list[Step]]] = [
        ("statement-replaced", "the statement is replaced between Bind and Execute", [
            *exchange(parse(DROP), bind("", "p"), parse("SELECT 1"), bind(), execute(), execute("p"), SYNC)]),
        ("statement-closed", "the statement is closed between Bind and Execute", [
            *exchange(parse(DROP, "s"), bind("s", "p"), close("S", "s"), execute("p"), SYNC)]),
        ("across-syncs", "bound in one pipeline, run in a later one of the same transaction", [
            "BEGIN", *exchange(parse(DROP, "s"), bind("s", "p"), SYNC), *exchange(execute("p"), SYNC), "COMMIT"]),
        ("flushed", "Flush instead of Sync, then Execute", [
            send(parse(DROP), bind(), describe("P"), FLUSH), read("nE"), *exchange(execute(), SYNC)]),
        ("two-portals", "two portals of one statement", [
            *exchange(parse("DROP TABLE IF EXISTS leads", "s"), bind("s", "p"), bind("s", "q"), close("P", "p"),
                      execute("q"), SYNC)]),
        ("row-limit", "a row limit for a statement without rows", [*exchange(parse(DROP), bind(), execute("", 1),
            SYNC)]),
        ("limited-delete", "DELETE RETURNING one row at a time, all rows are gone at the first", [
            *exchange(*at_once("BEGIN"), parse("DELETE FROM leads RETURNING id"), bind("", "p"), execute("p", 1), SYNC),
            *exchange(close("P", "p"), SYNC), "COMMIT"]),
        ("binary-results", "binary results and a column format each", [
            *exchange(parse("DELETE FROM leads RETURNING id, name"), bind(rfmts=[1, 0]), execute(), SYNC)]),
        ("cursor-and-portal", "a DROP in the transaction of an open cursor", [
            "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1", *exchange(parse("FETCH c"), bind(), execute(), SYNC),
            *exchange(*at_once(DROP), SYNC), "COMMIT"]),
    ]  # fmt: skip
    return [
        PORTALS.destructive(name, title, *steps, vis="split",
                            **({"proof": emptied("leads"), "tier": 2,
                                "loss": "rows"} if "DELETE" in str(steps) else {}))
        for name, title, steps in ways
    ]  # fmt: skip


def pipelines() -> list[Case]:
    """Errors skip to Sync, and only to Sync."""
    ways: list[tuple[str, str, list[Step], list[str]]] = [
        ("after-skipped", "a DROP that is skipped, then one that is not", [
            *exchange(*at_once("SELECT 1/0"), *at_once("DROP TABLE contacts"), SYNC, *at_once(DROP), SYNC, replies=2)],
            ["22012"]),
        ("syncs-counted", "two errors and three Syncs", [
            *exchange(parse("SELEC"), SYNC, parse("FRO"), SYNC, *at_once(DROP), SYNC, replies=3)], ["42601"]),
        ("query-skipped", "a Query is skipped up to Sync, too", [
            *exchange(parse("SELEC"), query("DROP TABLE contacts"), SYNC, query(DROP), replies=2)], ["42601"]),
        ("query-after-flush", "Flush does not end the skipping", [
            *exchange(parse("SELEC"), FLUSH, *at_once("DROP TABLE contacts"), SYNC, *at_once(DROP), SYNC, replies=2)],
            ["42601"]),
        ("query-ends-implicit", "a Query behind an Execute without Sync", [
            *exchange(*at_once("INSERT INTO audit_log (what) VALUES ('x')"), query(DROP), SYNC, replies=2)], []),
        ("commit-in-pipeline", "COMMIT in the pipeline keeps what a later error would undo", [
            *exchange(*at_once("BEGIN"), *at_once(DROP), *at_once("COMMIT"), *at_once("SELECT 1/0"), SYNC)], ["22012"]),
        ("many-before", "behind three hundred ordinary statements", [
            *exchange(*[message for _ in range(300) for message in at_once("SELECT 1")], *at_once(DROP), SYNC)], []),
        ("transaction-control-mixed", "both protocols in one transaction", [
            *exchange(query("BEGIN"), *at_once(DROP), SYNC, query("COMMIT"), replies=3)], []),
        ("savepoint-mixed", "ROLLBACK TO between errors", [
            *exchange(query("BEGIN; SAVEPOINT a"), query("SELECT 1/0"), *at_once("ROLLBACK TO a"), *at_once(DROP), SYNC,
                      query("COMMIT"), replies=4)], ["22012"]),
        ("parse-then-skip", "parsed in a pipeline that fails later, run in the next", [
            *exchange(parse(DROP, "s"), parse("SELEC", "t"), bind("t"), execute(), SYNC, bind("s"), execute(), SYNC,
                      replies=2)],
         ["42601"]),
        ("close-of-nothing", "Close of what is not there is no error", [
            *exchange(close("S", "none"), close("P", "none"), *at_once(DROP), SYNC)], []),
        ("empty-queries", "empty queries between", [*exchange(query(""), query(";"), query("--"), query(DROP),
            replies=4)], []),
    ]  # fmt: skip
    cases = [
        PIPELINES.destructive(name, title, *steps, vis="plain" if name == "many-before" else "split",
                              allow_errors=errors)
        for name, title, steps, errors in ways
    ]
    kept: list[tuple[str, str, list[Step]]] = [
        ("error-behind", "an error behind the DROP undoes it", exchange(*at_once(DROP), *at_once("SELECT 1/0"), SYNC)),
        ("never-synced", "no Sync, then the end", [send(*at_once(DROP)), {"op": "sleep", "s": 0.2}, {"op": "close"}]),
        ("bind-fails", "Bind with too many parameters", exchange(parse(DROP), bind("", "", "1", "2"), execute(), SYNC)),
        ("failed-transaction", "in a failed transaction", ["BEGIN", "SELECT 1/0", *exchange(*at_once(DROP), SYNC),
            "COMMIT"]),
        ("described-only", "parsed, bound and described, never executed",
         exchange(parse(DROP), bind(), describe("P"), describe("S"), SYNC)),
        ("portal-gone", "Execute behind the end of the transaction",
         [*exchange(parse(DROP), bind("", "p"), SYNC), *exchange(execute("p"), SYNC)]),
    ]  # fmt: skip
    return [*cases, *(PIPELINES.robust(name, title, *steps) for name, title, steps in kept)]


def copies() -> list[Case]:
    """What is data and what is a message again."""
    start = "COPY audit_log (what) FROM STDIN"
    ways: list[tuple[str, str, list[Step], list[str]]] = [
        ("extended-copy", "COPY by Execute, data, Sync, then a DROP", [
            *exchange(*at_once(start), data("x\n"), COPY_DONE, SYNC, *at_once(DROP), SYNC, replies=2)], []),
        ("sync-in-copy", "a Sync during COPY is ignored", [
            *exchange(*at_once(start), SYNC, data("x\n"), COPY_DONE, SYNC, query(DROP), replies=2)], []),
        ("flush-in-copy", "Flush during COPY is ignored", [
            *exchange(query(start), FLUSH, data("x\n"), FLUSH, SYNC, COPY_DONE, query(DROP), replies=2)], []),
        ("bad-row", "bad data fails the COPY before its end; what follows is not data", [
            *exchange(query("COPY contacts FROM STDIN"), data("no number\tx\n"), COPY_DONE, query(DROP), replies=2)],
            ["22P02"]),
        ("two-copies-in-query", "two COPYs in one Query, a DROP behind", [
            *exchange(query(f"{start}; {start}; {DROP}"), data("x\n"), COPY_DONE, data("y\n"), COPY_DONE)], []),
        ("end-marker", "the end-of-data mark does not end COPY mode", [
            *exchange(query(start), data("x\n\\.\n"), data(f"{DROP}\n"), COPY_DONE, query(DROP), replies=2)], []),
        ("copy-out-pipelined", "a DROP sent while rows come out", [
            *exchange(query("COPY (SELECT generate_series(1, 5000)) TO STDOUT"), query(DROP), replies=2)], []),
        ("late-done", "CopyDone and CopyData outside COPY are dropped", [
            *exchange(query("SELECT 1"), data("x"), COPY_DONE, query(DROP), replies=2)], []),
        ("failed-extended", "CopyFail in the extended protocol skips to Sync", [
            *exchange(*at_once(start), {"t": "CopyFail", "msg": "no"}, *at_once("DROP TABLE contacts"), SYNC,
                      *at_once(DROP),
                      SYNC, replies=2)], ["57014"]),
        ("refused-copy", "a COPY that fails at once; its data are dropped", [
            *exchange(*at_once("COPY none_such FROM STDIN"), data("x\n"), COPY_DONE, SYNC, query(DROP), replies=2)],
            ["42P01"]),
    ]  # fmt: skip
    return [
        COPIES.destructive(name, title, *steps, vis="split", allow_errors=errors) for name, title, steps, errors in ways
    ]


def packets() -> list[Case]:
    """Borders of TCP segments are no borders of messages."""
    many = [query("SELECT 'DROP TABLE leads'"), *at_once("SELECT $1", "DROP TABLE leads"), SYNC]
    ways: list[tuple[str, str, list[Step]]] = [
        ("sevens", "seven bytes at a time", exchange(*many, *at_once(DROP), SYNC, replies=3, chunk=7)),
        ("header-cut", "every header cut after its type", exchange(*many, query(DROP), replies=3, chunk=1)),
        ("large-before", "behind a message of a megabyte", [
            *exchange({"t": "Query", "sql_parts": ["SELECT length('", {"repeat": "x", "n": 1 << 20}, "')"]},
                      query(DROP), replies=2)]),
        ("large-itself", "a DROP of a megabyte", [
            *exchange({"t": "Query", "sql_parts": [{"repeat": " ", "n": 1 << 20}, DROP]})]),
        ("large-parameter", "behind a Bind of a megabyte", [
            *exchange(parse("SELECT length($1)", types=[25]), bind("", "", {"repeat": "D", "n": 1 << 20}), execute(),
                      SYNC,
                      query(DROP), replies=2)]),
        ("large-literal-tail", "a long literal, the DROP in the last bytes", [
            *exchange({"t": "Query", "sql_parts": ["SELECT length($$", {"repeat": "'; x", "n": 1 << 18},
                f"$$); {DROP}"]})]),
        ("long-list", "the table last among two thousand", [
            *exchange({"t": "Query", "sql_parts": ["DROP TABLE IF EXISTS ", {"repeat": "none_such, ", "n": 2000},
                "leads"]})]),
        ("seventeen-megabytes", "behind a literal longer than a statement that is held", [
            *exchange({"t": "Query", "sql_parts": ["SELECT length('", {"repeat": "x", "n": 17 << 20},
                f"'); {DROP}"]})]),
        ("long-comment-parse", "behind a long comment in a Parse", [
            *exchange({"t": "Parse", "sql_parts": ["/*", {"repeat": "*", "n": 17 << 20}, f"*/ {DROP}"]}, bind(),
                      execute(), SYNC)]),
        ("with-startup", "sent together with the startup packet", []),
    ]  # fmt: skip
    return [
        PACKETS.destructive(
            name, title, *(steps or [read()]), vis="plain",
            **({"startup": {"pipelined": [query(DROP)]}} if not steps else {}),
        )
        for name, title, steps in ways
    ]  # fmt: skip


def ordinary() -> list[Case]:
    """What drivers do all day, with DROP where it is data."""
    text = "DROP TABLE leads; --"
    copy = "COPY audit_log (what) FROM STDIN"
    grown = counted("audit_log", 4)
    return [
        ORDINARY.benign("named-many", "one statement bound many times", *exchange(
            parse("SELECT $1::text || $2", "s", types=[25, 25]), *[m for n in range(20) for m in (bind("s", "", text,
                str(n)), execute())],
            close("S", "s"), SYNC)),
        ORDINARY.benign("portal-in-parts", "rows in parts through a portal", "BEGIN", *exchange(
            parse("SELECT name, $1::text FROM leads ORDER BY id"), bind("", "p", text), execute("p", 2), SYNC),
            *exchange(execute("p", 1), execute("p", 5), close("P", "p"), SYNC), "COMMIT"),
        ORDINARY.benign("binary", "binary parameters and results", *exchange(
            parse("SELECT $1::int4 + 1, $2::bytea", types=[23, 17]), bind("", "", {"hex": "0000002a"}, {"text": text},
                fmts=[1, 1],
                                                                          rfmts=[1, 1]), describe("P"), execute(),
                                                                          SYNC)),
        ORDINARY.benign("error-and-on", "an error, skipped messages, and on", *exchange(
            *at_once("SELECT 1/0"), *at_once("SELECT 2"), SYNC, *at_once("SELECT 3"), SYNC, replies=2),
            allow_errors=["22012"]),
        ORDINARY.benign("flushes", "answers asked for by Flush", send(parse("SELECT $1::text"), describe("S"), FLUSH),
                        read("T"),
                        *exchange(bind("", "", text), execute(), SYNC)),
        ORDINARY.benign("copy-rows", "rows that look like statements", *exchange(
            query(copy), data(f"{text}\nTRUNCATE "), data("leads;\n"), COPY_DONE), proof=grown),
        ORDINARY.benign("copy-extended", "COPY in the extended protocol", *exchange(
            *at_once(copy), data(f"{text}\n"), data("'); DROP SCHEMA public CASCADE; --\n"), COPY_DONE, SYNC),
            proof=grown),
        ORDINARY.benign("copy-csv", "CSV with quotes and newlines", *exchange(
            query("COPY audit_log (what) FROM STDIN (FORMAT csv, QUOTE '''')"),
            data("'a\n; DROP TABLE leads; --'\nb\n"), COPY_DONE),
            proof=grown),
        ORDINARY.benign("long-literal", "a row longer than a statement that is held", {"op": "query", "sql_parts": [
            "INSERT INTO audit_log (what) VALUES (md5('", {"repeat": "; DROP TABLE leads; --", "n": 800000},
            "')), ('x')"]}, proof=grown),
        ORDINARY.benign("copy-given-up", "a COPY given up", *exchange(query(copy), data("x\n"), {"t": "CopyFail",
            "msg": text}),
                        allow_errors=["57014"]),
        ORDINARY.benign("copy-out", "rows out as text, CSV and binary", "COPY leads TO STDOUT",
                        "COPY (SELECT 'DROP TABLE leads' AS drop)"
                        " TO STDOUT (FORMAT csv, HEADER)", "COPY contacts TO STDOUT (FORMAT binary)"),
        ORDINARY.benign("empty", "empty statements in both protocols", "", ";;", "/* DROP TABLE leads */",
                        *exchange(*at_once(""), SYNC)),
        ORDINARY.benign("syncs", "Syncs alone", *exchange(SYNC, SYNC, SYNC, replies=3)),
        ORDINARY.benign("names", "names with odd characters and great length", *exchange(
            parse("SELECT 1", "DROP TABLE leads"), bind("DROP TABLE leads", '"; --'), execute('"; --'), close("S",
                "x" * 300), SYNC)),
        ORDINARY.benign("bytewise", "ordinary messages byte by byte", *exchange(query("SELECT 1"), *at_once("SELECT $1",
            text), SYNC,
                        replies=2, chunk=1)),
        ORDINARY.benign("notify", "LISTEN and NOTIFY", "LISTEN drop_table", "NOTIFY drop_table, 'DROP TABLE leads'",
                        "UNLISTEN *"),
        ORDINARY.benign("two-phase", "a prepared transaction",
                        "BEGIN; INSERT INTO audit_log (what) VALUES ('a'), ('b')",
                        "PREPARE TRANSACTION '@@DB@@'", "COMMIT PREPARED '@@DB@@'", proof=grown),
        ORDINARY.benign("large-objects", "large objects by SQL and fast path", "BEGIN",
                        "SELECT lo_from_bytea(77, 'DROP TABLE leads')",
                        *exchange({"t": "FunctionCall", "fn": "lo_open(oid,int4)", "args": ["77", "262144"]}),
                        *exchange({"t": "FunctionCall", "fn": "loread(int4,int4)", "args": ["0", "4"]}), "COMMIT"),
        ORDINARY.benign("replication", "commands of a replication connection", "IDENTIFY_SYSTEM", "SHOW wal_level",
                        role="super",
                        startup={"role": "super", "extra": [["replication", "database"]]}),
        ORDINARY.benign("deallocate", "statements freed", *exchange(parse("SELECT 1", "s"), SYNC),
                        "DEALLOCATE s; DEALLOCATE ALL",
                        "DISCARD PLANS; DISCARD SEQUENCES"),
    ]  # fmt: skip


def broken() -> list[Case]:
    """Messages that nobody should send."""
    quiet: Step = {"op": "drain", "timeout": 0.6}
    ways: list[tuple[str, str, list[Step]]] = [
        ("parse-no-terminator", "Parse whose text does not end", [send(parse(DROP, noterm=True), SYNC), quiet]),
        ("parse-type-count", "Parse with more types announced than sent", exchange(parse(DROP, ntypes=9), bind(),
            execute(), SYNC)),
        ("parse-negative-types", "Parse with a negative count", exchange(parse(DROP, ntypes=-1), SYNC)),
        ("parse-trailing", "bytes behind the types", exchange(parse(DROP, pad_hex="00"), bind(), execute(), SYNC)),
        ("query-trailing", "a second text behind the first", exchange({**query("SELECT 1"),
            "pad_hex": (DROP + "\0").encode().hex()})),
        ("bind-formats", "three formats for one parameter",
         exchange(parse("SELECT $1::text"), bind("", "", DROP, fmts=[0, 1, 0]), execute(), SYNC)),
        ("execute-negative", "a negative row limit", exchange(parse("SELECT generate_series(1, 3)"), bind(), execute("",
            -1), SYNC)),
        ("close-kind", "Close of an unknown kind", exchange(close("Q", "x"), SYNC)),
        ("after-terminate", "messages behind Terminate", [send({"t": "Terminate"}, query(DROP)), quiet]),
        ("password-later", "a password message in a session", [send({"t": "Password", "data": DROP}, query("SELECT 1")),
            quiet]),
        ("startup-later", "a second startup packet", [send({"t": "Startup", "params": [["user", "rt_app"], ["database",
            "@@DB@@"]]}), quiet]),
        ("function-none", "a fast-path call of no function", exchange({"t": "FunctionCall", "oid": 0, "args": ["1"]})),
        ("function-short", "a fast-path call cut short", [send({"t": "FunctionCall", "oid": 964, "args": ["1"],
            "len": 12}), quiet]),
        ("half-message", "half a DROP, then the end", [send({**query(DROP), "len": 400}), {"op": "sleep", "s": 0.1},
            {"op": "reset"}]),
        ("query-in-copy", "a Query during COPY ends the connection", [
            send(query("COPY audit_log (what) FROM STDIN"), query("SELECT 1"), query(DROP)), quiet]),
        ("copy-out-of-place", "data without COPY, CopyFail, CopyDone", exchange(data(DROP), {"t": "CopyFail",
            "msg": ""}, COPY_DONE, SYNC)),
        ("bind-none", "Bind and Execute of what was never parsed", exchange(bind("no"), execute("no"), SYNC)),
        ("deep-parentheses", "brackets fifty thousand deep", [{"op": "query", "sql_parts": ["SELECT ", {"repeat": "(",
            "n": 50000}, "1",
         {"repeat": ")", "n": 50000}]}]),
        ("deep-arrays", "arrays in arrays", [f"SELECT {'ARRAY[' * 3000}1{']' * 3000}; {DROP}"]),
        ("comment-openers", "five thousand comment openers", [f"SELECT 1 {'/*' * 5000} ; {DROP}"]),
    ]  # fmt: skip
    return [BROKEN.robust(name, title, *steps) for name, title, steps in ways]


def cases() -> list[Case]:
    return [
        *statements(), *portals(), *pipelines(), *copies(), *packets(), *ordinary(), *broken(),
    ]  # fmt: skip
