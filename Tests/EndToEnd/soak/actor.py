"""Who does something in a soak, again and again."""

import select
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import pq

from .stage import Stage


class Actor:
    """One thread that takes a turn, waits `pause` seconds and takes the next, until the soak ends."""

    name = "actor"
    pause = 1.0

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.tally = stage.tally
        # Since when what it uses in its turn exists.
        self.since = 0.0
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def turn(self, number: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Gives up what outlasts a turn."""

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"{self.name} has hung"

    def _run(self) -> None:
        number = 0
        while not self.stage.stopping.wait(self.pause):
            self._guarded(lambda: self.turn(number))
            number += 1
        self._guarded(self.close)

    def _guarded(self, action: Callable[[], None]) -> None:
        if not self.since:
            self.since = time.monotonic()
        try:
            action()
            self.tally.add(self.name)
        except Exception as error:
            self.tally.failed(self.name, self.since, error)
            self.give_up()
        if not self.lasts():
            self.since = 0.0

    def lasts(self) -> bool:
        """Whether something is open that the next turn will use."""
        return False

    def give_up(self) -> None:
        """After an error: nothing stays open."""


class SessionActor(Actor):
    """Keeps one session for `life` turns."""

    database = "shop"
    life = 30

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.session: psycopg.Connection[Any] | None = None
        self.age = 0
        self.born = 0

    def turn(self, number: int) -> None:
        if self.session is None:
            self.session = self.stage.connect(self.database, self.born)
            self.age = 0
            self.born += 1
            self.opened(self.session)
        self.use(self.session, number)
        self.age += 1
        if self.age >= self.life:
            self.close()

    def opened(self, session: psycopg.Connection[Any]) -> None:
        """Once for each session."""

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        session, self.session = self.session, None
        if session:
            session.close()

    def lasts(self) -> bool:
        return self.session is not None

    def give_up(self) -> None:
        self.close()


def send(session: psycopg.Connection[Any], sql: str, by_row: bool = False) -> pq.abc.PGconn:
    """Sends a statement and does not wait for the answer."""
    connection = session.pgconn
    connection.send_query(sql.encode())
    if by_row:
        connection.set_single_row_mode()
    while connection.flush():
        select.select([], [connection.socket], [], 1)
    return connection


def result(connection: pq.abc.PGconn, timeout: float = 60) -> pq.abc.PGresult | None:
    """The next result, None behind the last one; waits without holding up other threads."""
    end = time.monotonic() + timeout
    while connection.is_busy():
        if not select.select([connection.socket], [], [], end - time.monotonic())[0]:
            raise TimeoutError(f"no answer within {timeout} s")
        connection.consume_input()
    return connection.get_result()


def expect(claim: bool, what: str) -> None:
    """An actor has seen something else than it must see."""
    if not claim:
        raise AssertionError(what)
