"""Actors whose statements are judged: what must be refused, and what must be recorded."""

from typing import Any

import psycopg
from psycopg import errors

from .actor import SessionActor, expect
from .stage import LEDGER_ROWS, LEDGERS, TEST, Stage

REFUSED = [
    "DROP TABLE ledger_1",
    "TRUNCATE ledger_2",
    "DO $$ BEGIN EXECUTE 'DROP TABLE ledger_3'; END $$",
    "DO $$ DECLARE what text := 'TRUNC' || 'ATE ledger_4'; BEGIN EXECUTE what; END $$",
    "DROP TABLE IF EXISTS nothing, ledger_1, ledger_2 CASCADE",
    "TRUNCATE TABLE ONLY public.ledger_3 RESTART IDENTITY CASCADE",
    "DROP SCHEMA books CASCADE",
    "ALTER TABLE ledger_4 RENAME TO gone",
    "ALTER TABLE ledger_1 SET SCHEMA books",
    "SELECT 1; DROP TABLE ledger_2; SELECT 2",
    "/* harmless */ drop\ttable \"ledger_3\"",
    "DROP DATABASE vault",
]


class Refusals(SessionActor):
    """Statements that must not run, in five ways: simple, extended, prepared, in a transaction, in a pipeline."""

    name = "refusals"
    pause = 0.7
    life = 50

    def __init__(self, stage: Stage, database: str) -> None:
        self.database = database
        super().__init__(stage)

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        statement = REFUSED[number % len(REFUSED)]
        way = number // len(REFUSED) % 5
        if ";" in statement and not statement.startswith("DO"):
            way = 0
        try:
            self._say(session, statement, way)
        except errors.InsufficientPrivilege as refusal:
            expect("production" in str(refusal) or "statement" in str(refusal), f"not Holdfast's words: {refusal}")
            self.tally.add("statements refused")
        else:
            expect(False, f"not refused: {statement}")
        kept = LEDGERS[number % len(LEDGERS)]
        expect(session.execute(f"SELECT count(*) FROM {kept}").fetchone() == (LEDGER_ROWS,), f"{kept} has lost rows")

    def _say(self, session: psycopg.Connection[Any], statement: str, way: int) -> None:
        match way:
            case 0:
                session.execute(statement)
            case 1:
                session.execute(statement, binary=True)
            case 2:
                session.execute(statement, prepare=True)
            case 3:
                with session.transaction():
                    session.execute("SELECT 1")
                    session.execute(statement)
            case _:
                with session.pipeline():
                    session.execute("SELECT 1")
                    # Prepared by name, it might be refused twice: Parse and Bind are in flight together.
                    session.execute(statement, prepare=False)
                    session.execute("SELECT 2")


class Migrations(SessionActor):
    """DDL that is allowed in a test database: committed, rolled back, failing, in one message."""

    name = "rounds of DDL"
    pause = 1.0
    life = 30
    database = TEST

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        table = f"soaked_{number}"
        match number % 4:
            case 0:
                self._ddl(session, f"CREATE TABLE {table} (id int PRIMARY KEY, text text)")
                session.execute(f"INSERT INTO {table} VALUES (1, 'one')")
                self._ddl(session, f"ALTER TABLE {table} ADD COLUMN more text DEFAULT 'more'")
                self._ddl(session, f"CREATE INDEX ON {table} (text)")
                self._ddl(session, f"TRUNCATE {table}")
                self._ddl(session, f"DROP TABLE {table}")
            case 1:
                with session.transaction(force_rollback=True):
                    self._ddl(session, f"CREATE TABLE {table} (id int)")
                    self._ddl(session, f"DROP TABLE {table}")
            case 2:
                try:
                    session.execute(f"DROP TABLE {table}")
                    expect(False, f"{table} should not be there")
                except errors.UndefinedTable:
                    self.tally.add("statements of DDL")
            case _:
                self._ddl(session, f"CREATE TABLE {table} (id int); DROP TABLE {table}", 2)

    def _ddl(self, session: psycopg.Connection[Any], text: str, count: int = 1) -> None:
        session.execute(text)
        self.tally.add("statements of DDL", count)


class Director(SessionActor):
    """Has proxy.conf read again, with another rule each time, and looks whether an open session is judged by it."""

    name = "reloads seen by an open session"
    life = 1_000_000

    def __init__(self, stage: Stage, pause: float) -> None:
        self.pause = pause
        super().__init__(stage)

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        self.stage.reload()
        try:
            session.execute("TRUNCATE flip")
            expect(self.stage.reloads % 2 == 1, "TRUNCATE flip was allowed")
            self.tally.add("statements allowed by an exception")
        except errors.InsufficientPrivilege:
            self.tally.add("statements refused")
            expect(self.stage.reloads % 2 == 0, "TRUNCATE flip was refused")
