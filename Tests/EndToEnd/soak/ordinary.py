"""Actors that do what applications do: transactions, connections, prepared statements, pipelines, notifications."""

import subprocess
from typing import Any

import psycopg

from support.programs import program, run

from .actor import Actor, SessionActor, expect
from .stage import PRODUCTION, Stage


class Pgbench(Actor):
    """pgbench, some seconds at a time: read-only and TPC-B, in all three protocols, with TLS and without."""

    name = "pgbench runs"
    pause = 0.5

    def __init__(self, stage: Stage, seconds: int, rate: int) -> None:
        super().__init__(stage)
        self.seconds = seconds
        self.rate = rate

    def turn(self, number: int) -> None:
        script = ["--select-only"] if number % 3 else ["--builtin=tpcb-like"]
        protocol = ("prepared", "simple", "extended")[number % 3 if number % 2 else number // 2 % 3]
        done = run(
            program("pgbench"), "--no-vacuum", *script, f"--protocol={protocol}", "--client=4",
            f"--time={self.seconds}", f"--rate={self.rate}",
            environment=self.stage.environment(PRODUCTION[number // 2 % 2], number), check=False,
        )  # fmt: skip
        processed = [line for line in done.stdout.splitlines() if "actually processed" in line]
        if processed:
            self.tally.add("pgbench transactions", int(processed[0].split(":")[1].split("/")[0]))
        expect(done.returncode == 0, f"pgbench: {done.stderr}")
        expect("number of failed transactions: 0 " in done.stdout, done.stdout)


class Connects(Actor):
    """A session for one statement."""

    name = "connections for one statement"
    pause = 0.4

    def turn(self, number: int) -> None:
        with self.stage.connect(PRODUCTION[number // 4 % 2], number) as session:
            expect(session.execute("SELECT 41 + 1").fetchone() == (42,), "another sum")


class Prepared(SessionActor):
    """Named statements, up to the driver's hundred, made, used and given up."""

    name = "rounds of prepared statements"
    pause = 0.5
    life = 120

    def opened(self, session: psycopg.Connection[Any]) -> None:
        session.prepare_threshold = 0

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        for offset in range(4):
            column = (number * 4 + offset) % 300
            row = session.execute(f"SELECT id + {column}, text FROM ledger_1 WHERE id = %s", (column + 1,)).fetchone()
            expect(row == (column * 2 + 1, f"entry {column + 1}"), f"another row: {row}")


class Pipelines(SessionActor):
    """Fifty statements in one go; every fifth time one of them fails."""

    name = "pipelines"
    pause = 1.0
    life = 40
    database = "vault"

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        fails = number % 5 == 4
        try:
            with session.pipeline():
                divisors = [0 if fails and index == 30 else 1 for index in range(50)]
                cursors = [
                    session.execute("SELECT %s / %s", (index * 2, divisor)) for index, divisor in enumerate(divisors)
                ]
            expect(not fails, "a division by zero went well")
            expect([cursor.fetchone() for cursor in cursors] == [(index * 2,) for index in range(50)], "other rows")
        except psycopg.errors.DivisionByZero:
            expect(fails, "a division by one failed")
            self.tally.add("pipelines with an error")
        expect(session.execute("SELECT 1").fetchone() == (1,), "the session does not go on")


class Notifications(SessionActor):
    """One session listens, others notify it."""

    name = "notifications"
    pause = 1.0
    life = 60

    def opened(self, session: psycopg.Connection[Any]) -> None:
        session.execute("LISTEN soak")

    def use(self, session: psycopg.Connection[Any], number: int) -> None:
        with self.stage.connect(self.database, number) as other:
            other.execute("SELECT pg_notify('soak', %s)", (f"{number}",))
        heard = [notice.payload for notice in session.notifies(timeout=30, stop_after=1)]
        expect(heard == [f"{number}"], f"heard {heard}")


class Scripts(Actor):
    """psql with a script on its standard input, as people and cron run it."""

    name = "scripts by psql"
    pause = 3.0

    def turn(self, number: int) -> None:
        done = subprocess.run(
            [program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
            input="BEGIN;\nSELECT count(*) FROM ledger_2;\n\\copy ledger_3 TO '/dev/null'\nROLLBACK;\n\\d ledger_1\n",
            env=self.stage.environment("shop", number) | {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        expect(done.returncode == 0 and done.stdout.startswith("1000\n"), f"psql: {done.stdout} {done.stderr}")
