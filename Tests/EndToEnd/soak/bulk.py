"""Actors that move much at once: COPY both ways, results for a slow reader, large values, large statements."""

import socket
import time
from typing import Any

import psycopg
from psycopg import errors

from .actor import Actor, SessionActor, expect
from .stage import MAX_STATEMENT, PRODUCTION

MEGABYTE = 1 << 20


class Copies(SessionActor):
    """COPY of four megabytes in and out, within a transaction that is rolled back."""

    name = "COPY in and out"
    pause = 4.0
    life = 10

    def opened(self, session: psycopg.Connection[Any]) -> None:
        session.execute("CREATE TEMPORARY TABLE imported (id int, text text)")

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        lines = "".join(f"{index}\t{'x' * 1000}\n" for index in range(64)).encode()
        with session.transaction(force_rollback=True), session.cursor() as cursor:
            with cursor.copy("COPY imported FROM STDIN") as copy:
                for _ in range(64):
                    copy.write(lines)
            with cursor.copy("COPY imported TO STDOUT") as copy:
                received = sum(len(data) for data in copy)
        expect(received == 64 * len(lines), f"COPY brought back {received} bytes of {64 * len(lines)}")
        self.tally.add("bytes copied", 2 * received)


class SlowReader(Actor):
    """A result of sixteen megabytes, read in small pieces with pauses."""

    name = "large results for a slow reader"
    pause = 5.0

    def turn(self, number: int) -> None:
        with self.stage.connect(PRODUCTION[number % 2], number) as session:
            with socket.socket(fileno=socket.dup(session.fileno())) as handle:
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
            size = 0
            with session.cursor() as cursor:
                query = f"SELECT repeat(chr(97 + n % 26), {MEGABYTE // 8}) FROM generate_series(1, 128) n"
                for index, (value,) in enumerate(cursor.stream(query)):
                    expect(value == chr(97 + (index + 1) % 26) * (MEGABYTE // 8), f"another value in row {index}")
                    size += len(value)
                    time.sleep(0.05)
        expect(size == 16 * MEGABYTE, f"a result of {size} bytes")
        self.tally.add("bytes read slowly", size)


class LargeValues(SessionActor):
    """Parameters of one to eight megabytes, back and forth."""

    name = "large values bound"
    pause = 6.0
    life = 5

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        value = b"\x5a" * ((1 << number % 4) * MEGABYTE)
        row = session.execute("SELECT %b, length(%b)", (value, value[:1000]), binary=True).fetchone()
        expect(row == (value, 1000), "another value came back")
        self.tally.add("bytes bound", len(value))


class LargeStatements(SessionActor):
    """Statements that are larger than `max_statement`: harmless ones, and one that must not run."""

    name = "statements over max_statement"
    pause = 7.0
    life = 6

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        literal = "y" * (2 * MAX_STATEMENT + number % 3 * MAX_STATEMENT)
        row = session.execute(f"SELECT length('{literal}')").fetchone()
        expect(row == (len(literal),), f"another length: {row}")
        try:
            session.execute(f"SELECT '{literal}'; DROP TABLE ledger_1")
            expect(False, "a large DROP TABLE was not refused")
        except (errors.InsufficientPrivilege, errors.ProtocolViolation):
            self.tally.add("large statements refused")
        expect(session.execute("SELECT count(*) FROM ledger_1").fetchone() == (1000,), "a table was lost")
