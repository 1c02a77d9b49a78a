"""Actors without manners: they cancel, vanish, say half of something, come and go."""

import os
import signal
import socket
import struct
import subprocess
import time
from typing import Any

import psycopg
from psycopg import errors, pq

from support.programs import program
from support.wire import SSL_REQUEST, query, startup

from .actor import Actor, expect, result, send
from .stage import PRODUCTION, Stage

ENDLESS = "SELECT repeat('z', 1000) FROM generate_series(1, 10000000)"


class Cancels(Actor):
    """CancelRequests while the server sleeps, and in the middle of a result."""

    name = "cancels in flight"
    pause = 1.5

    def turn(self, number: int) -> None:
        with self.stage.connect(PRODUCTION[number % 2], number // 2) as session:
            by_row = number % 3 == 2
            connection = send(session, ENDLESS if by_row else "SELECT pg_sleep(60)", by_row)
            if by_row:
                for _ in range(50):
                    result(connection)
            state = self._cancel(session, connection)
            expect(state == b"57014", f"a cancelled statement ended with {state!r}")
            expect(session.execute("SELECT 1").fetchone() == (1,), "the session does not go on")

    def _cancel(self, session: psycopg.Connection[Any], connection: pq.abc.PGconn) -> bytes | None:
        """Until it has been heard: a request may come before the statement has begun. Answers the SQLSTATE."""
        state = None
        for _ in range(10):
            session.cancel_safe(timeout=30)
            self.tally.add("requests to cancel")
            try:
                while answer := result(connection, timeout=5):
                    state = answer.error_field(pq.DiagnosticField.SQLSTATE) or state
                return state
            except TimeoutError:
                continue
        return state


def vanish(session: psycopg.Connection[Any], reset: bool) -> None:
    """Takes the socket away under libpq, so that it cannot say Terminate; with a reset or with an ordinary end."""
    descriptor = session.fileno()
    if reset:
        with socket.socket(fileno=os.dup(descriptor)) as handle:
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, descriptor)
    os.close(nothing)
    session.pgconn.finish()


class Vanishing(Actor):
    """Clients that are gone without a word: while idle, in a transaction, a query, a result, a COPY, a startup."""

    name = "clients that vanished"
    pause = 0.8

    def turn(self, number: int) -> None:
        steps = [
            self._idle, self._in_transaction, self._in_query, self._in_result, self._in_copy, self._half_close,
            self._unfinished, self._killed,
        ]  # fmt: skip
        steps[number % len(steps)](number // len(steps))

    def _open(self, number: int) -> psycopg.Connection[Any]:
        return self.stage.connect(PRODUCTION[number // 8 % 2], number)

    def _idle(self, number: int) -> None:
        vanish(self._open(number), reset=number % 2 == 0)

    def _in_transaction(self, number: int) -> None:
        session = self._open(number)
        session.execute("BEGIN")
        session.execute("SELECT * FROM ledger_1 WHERE id = 1 FOR UPDATE")
        vanish(session, reset=number % 2 == 0)

    def _in_query(self, number: int) -> None:
        session = self._open(number)
        send(session, "SELECT pg_sleep(2)")
        vanish(session, reset=number % 2 == 0)

    def _in_result(self, number: int) -> None:
        session = self._open(number)
        result(send(session, ENDLESS, by_row=True))
        vanish(session, reset=number % 2 == 0)

    def _in_copy(self, number: int) -> None:
        session = self._open(number)
        session.execute("CREATE TEMPORARY TABLE half (text text)")
        connection = send(session, "COPY half FROM STDIN")
        answer = result(connection)
        expect(answer is not None and answer.status == pq.ExecStatus.COPY_IN, "no COPY")
        connection.put_copy_data(b"w" * 50_000)
        vanish(session, reset=number % 2 == 0)

    def _half_close(self, number: int) -> None:
        # Through TLS the end of one direction is the end of both.
        session = self._open(number * 2)
        connection = send(session, "SELECT repeat('v', 300000), pg_sleep(0.05)")
        with socket.socket(fileno=os.dup(session.fileno())) as handle:
            handle.shutdown(socket.SHUT_WR)
        answer = result(connection)
        expect(answer is not None and len(answer.get_value(0, 0) or b"") == 300_000, "the answer did not come whole")
        session.close()

    def _unfinished(self, number: int) -> None:
        begun = startup({"user": "app", "database": "shop"})
        pieces = [b"", b"\0\0\0", SSL_REQUEST, SSL_REQUEST + b"\x16\x03\x01", begun[:20], begun + query("SELECT 1")]
        address = (self.stage.holdfast.host, self.stage.holdfast.port)
        with socket.create_connection(address, 30) as client:
            client.sendall(pieces[number % len(pieces)])
            if number % 2:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _killed(self, number: int) -> None:
        with subprocess.Popen(
            [program("psql"), "-X", "-q", "-A", "-t", "-c", f"COPY ({ENDLESS}) TO STDOUT"],
            env=self.stage.environment("shop", number) | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            assert process.stdout and process.stderr
            begun = process.stdout.read(1000)
            process.send_signal(signal.SIGKILL)
            complaint = process.stderr.read()
        expect(len(begun) == 1000, f"psql: {complaint!r}")


class Idlers(Actor):
    """A crowd of sessions that do next to nothing; some come and some go in each turn."""

    name = "turns of the idle crowd"
    pause = 1.0

    def __init__(self, stage: Stage, crowd: int) -> None:
        super().__init__(stage)
        self.crowd = crowd
        self.opened = 0
        self.sessions: list[tuple[float, psycopg.Connection[Any]]] = []

    def turn(self, number: int) -> None:
        # A wave: the crowd is small and large by turns.
        wanted = self.crowd // 4 + self.crowd * 3 // 4 * (number // 60 % 2)
        for _ in range(min(3, max(1, wanted - len(self.sessions)))):
            begun = time.monotonic()
            self.sessions.append((begun, self.stage.connect(PRODUCTION[self.opened // 4 % 2], self.opened)))
            self.opened += 1
        for _ in range(min(4, max(0, len(self.sessions) - wanted))):
            self._let_go(self.stage.random.randrange(len(self.sessions)))
        chosen = self.stage.random.randrange(len(self.sessions))
        born, session = self.sessions[chosen]
        try:
            expect(session.execute("SELECT 1").fetchone() == (1,), "an idle session is not there any more")
        except errors.OperationalError as error:
            self.tally.failed("idle session", born, error)
            self._let_go(chosen)

    def _let_go(self, index: int) -> None:
        self.sessions.pop(index)[1].close()

    def close(self) -> None:
        while self.sessions:
            self._let_go(0)
