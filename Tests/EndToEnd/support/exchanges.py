"""Random exchanges: sequences of messages that PostgreSQL answers in one way only, whatever the packets they come in."""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .wire import (
    COPY_DONE, FLUSH, SYNC, Message, WireClient, bind, close, copy_data, describe, execute, message, parse, query,
    startup, text,
)  # fmt: skip

HARMLESS = [
    "SELECT 1", "SELECT 1; SELECT 'two'", "", ";", " -- nothing", "SELECT 1/0", "SELECT n FROM t ORDER BY n LIMIT 3",
    "SELECT nothing", "BEGIN", "COMMIT", "ROLLBACK", "BEGIN; INSERT INTO t VALUES (7)", "SAVEPOINT a", "ROLLBACK TO a",
    "RELEASE a", "COMMIT AND CHAIN", "INSERT INTO t VALUES (1), (2)", "INSERT INTO t VALUES (3); SELECT 1/0",
    "DELETE FROM t WHERE n = 2", "COPY t FROM STDIN", "COPY t TO STDOUT", "COPY (SELECT 1) TO STDOUT; SELECT 2",
    "SELECT generate_series(1, 200)", "SELECT repeat('x', 100000)", "PREPARE p AS SELECT 5", "EXECUTE p",
    "DEALLOCATE ALL", "DISCARD ALL", "LISTEN n", "NOTIFY n, 'x'", "DECLARE c CURSOR FOR SELECT generate_series(1, 9)",
    "FETCH 3 FROM c", "CLOSE c", "SET standard_conforming_strings = off", "SET standard_conforming_strings = on",
    "SELECT 'a\\'; --'", "SET client_encoding = 'SJIS'", "RESET client_encoding", "SET application_name = 'other'",
    "SELECT set_config('standard_conforming_strings', 'off', false)", "DO $$ BEGIN RAISE NOTICE 'noted'; END $$",
    "CREATE TABLE made (n int)", "ALTER TABLE t ADD COLUMN x int; ROLLBACK", "COMMENT ON TABLE t IS 'x'",
    "EXPLAIN (COSTS OFF) SELECT * FROM t", "START TRANSACTION READ ONLY", "SELECT $1", "SHOW search_path",
    # Whether these lose anything is asked of the server.
    "CREATE TEMP TABLE w (n int)", "DROP TABLE w", "TRUNCATE w", "DROP TABLE IF EXISTS nothing CASCADE",
    "DROP SCHEMA nothing",
]  # fmt: skip

# In a Parse the server takes one statement only, and Holdfast refuses before it comes to that.
ONE_STRING = "CREATE TEMP TABLE x AS SELECT 1 AS n; DROP TABLE x"

# Refused on production. The server itself fails on the text that stands for them (see `Step.reference`).
REFUSED_AT_PARSE = [
    "SELECT 1; DROP TABLE t", "BEGIN; TRUNCATE t; COMMIT", "DROP DATABASE postgres", "COPY t FROM STDIN; DROP TABLE t",
]  # fmt: skip
# What names mean is asked when they are used: until then these are ordinary.
REFUSED_AT_EXECUTE = [
    "DROP TABLE t", "TRUNCATE t", "DROP SCHEMA public CASCADE", "DO $$ BEGIN DROP TABLE t; END $$",
    "ALTER TABLE t RENAME TO u",
]  # fmt: skip
GUARDED = REFUSED_AT_PARSE + REFUSED_AT_EXECUTE

STAND_IN = "stand-in for a refused statement"
# Parsed, bound and described like a statement without rows; it fails when it is executed.
LATE_STAND_IN = "CALL refuse()"
LATE_STAND_IN_SQL = """CREATE PROCEDURE refuse() LANGUAGE plpgsql AS
$$ BEGIN RAISE 'refused' USING ERRCODE = 'insufficient_privilege'; END $$"""
MARKER = "SELECT 'the end of the exchange'"
STATEMENTS, PORTALS = ["", "s1", "s2", "s" * 80], ["", "p1", "p2"]


@dataclass(frozen=True)
class Step:
    """One message; `reference` is what the server gets where there is no proxy to refuse it."""

    sent: bytes
    reference: bytes
    shown: str


def step(sent: bytes, shown: str, reference: bytes | None = None) -> Step:
    return Step(sent, sent if reference is None else reference, shown)


def random_step(chance: random.Random) -> Step:
    guarded = chance.random() < 0.15
    sql = chance.choice(GUARDED if guarded else HARMLESS)
    stand_in = f'"{STAND_IN}"' if guarded else sql
    statement, portal = chance.choice(STATEMENTS), chance.choice(PORTALS)
    match chance.choices(
        ["query", "parse", "bind", "describe", "execute", "close", "sync", "flush", "copy"],
        [24, 16, 14, 8, 14, 6, 14, 2, 4],
    )[0]:
        case "query":
            if chance.random() < 0.05:
                return step(query(ONE_STRING), f"Query {ONE_STRING}")
            return step(query(sql), f"Query {sql}", query(stand_in))
        case "parse":
            late = LATE_STAND_IN if sql in REFUSED_AT_EXECUTE else stand_in
            return step(parse(sql, statement), f"Parse {statement!r} {sql}", parse(late, statement))
        case "bind":
            return step(bind(portal, statement), f"Bind {portal!r} {statement!r}")
        case "describe":
            kind, name = chance.choice([("S", statement), ("P", portal)])
            return step(describe(kind, name), f"Describe {kind} {name!r}")
        case "execute":
            limit = chance.choice([0, 0, 1, 5])
            return step(execute(portal, limit), f"Execute {portal!r} {limit}")
        case "close":
            kind, name = chance.choice([("S", statement), ("P", portal)])
            return step(close(kind, name), f"Close {kind} {name!r}")
        case "sync":
            return step(SYNC, "Sync")
        case "flush":
            return step(FLUSH, "Flush")
        case _:
            return chance.choice(
                [
                    step(copy_data(b"4\n5\n"), "CopyData"),
                    step(copy_data(b"not a number\n"), "CopyData nonsense"),
                    step(COPY_DONE, "CopyDone"),
                    step(message("f", text("enough")), "CopyFail"),
                ]
            )


def random_exchange(seed: int) -> list[Step]:
    chance = random.Random(seed)
    return [random_step(chance) for _ in range(chance.randint(1, 30))]


def packets(data: bytes, chance: random.Random) -> Iterator[bytes]:
    """The bytes cut at random: sometimes in one piece, sometimes in many small ones."""
    sizes = chance.choice([[1 << 20], [1, 2, 3, 4, 5, 6, 50], [10, 100, 1000]])
    while data:
        size = chance.choice(sizes)
        yield data[:size]
        data = data[size:]


def readable(answer: Message) -> str:
    match answer.kind:
        case "E" | "N":
            fields = answer.fields
            # In a failed transaction nothing can be asked, so the worse is assumed.
            if STAND_IN in fields["M"] or fields["C"] in ("42501", "25P02"):
                return "E refused"
            return f"{answer.kind} {fields['C']} {fields['M']}"
        case "A":
            return "A"
        case _:
            return f"{answer.kind} {answer.body[:60]!r} {len(answer.body)}"


def play(client: WireClient, database: str, exchange: list[Step], is_reference: bool, seed: int) -> list[str]:
    """All answers to the exchange, and to a marker behind it that gets out of every state."""
    client.send(startup({"user": "postgres", "database": database}))
    client.until("Z")
    data = b"".join(item.reference if is_reference else item.sent for item in exchange)
    data += message("f", text("the end")) + SYNC + SYNC + query("ROLLBACK") + query(MARKER)
    for packet in packets(data, random.Random(seed)):
        try:
            client.send(packet)
        except (BrokenPipeError, ConnectionResetError):
            # The exchange has ended the connection; what was said before is still to be read.
            break
    answers: list[str] = []
    while True:
        received = client.receive()
        if received is None:
            return [*answers, "the connection ended"]
        answers.append(readable(received))
        if received.kind == "D" and b"the end of the exchange" in received.body:
            return answers + [readable(item) for item in client.until("Z")]
