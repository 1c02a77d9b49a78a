"""Limits: how many sessions, from whom, how fast, and how much Holdfast holds for one."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import StartHoldfast
from support.postgres import PASSWORD, PostgresServer
from support.programs import eventually
from support.proxy import Holdfast, command
from support.wire import SYNC, WireClient, errors, message, parse, query, startup


def refused(holdfast: Holdfast, database: str, user: str = "postgres", source: str = "127.0.0.1") -> dict[str, str]:
    """The error that a client gets instead of a session."""
    with Client(holdfast, source) as client:
        client.send(startup({"user": user, "database": database}))
        (fields,) = errors(client.rest())
    assert (fields["S"], fields["C"]) == ("FATAL", "53300")
    return fields


class Client(WireClient):
    """A client with an address of its own: all of 127.0.0.0/8 is this machine."""

    def __init__(self, holdfast: Holdfast, source: str = "127.0.0.1", timeout: float = 20) -> None:
        self.source = source
        super().__init__(holdfast.host, holdfast.port, timeout)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection((self.host, self.port), self.timeout, (self.source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@dataclass
class EachRow:
    each: str
    words: str


# ---- Sessions


def test_a_client_beyond_max_clients_is_turned_away_and_the_next_comes_in(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast(top={"max_clients": 2})
    with Client(holdfast) as first, Client(holdfast) as second:
        first.login(production)
        second.login(production)
        fields = refused(holdfast, production)
        assert fields["M"] == "sorry, too many clients already" and "max_clients" in fields["H"]
    eventually(lambda: holdfast_lets_in(holdfast, production))
    assert holdfast.counters()["refused_max_clients"] >= 1


def holdfast_lets_in(holdfast: Holdfast, database: str, user: str = "postgres", source: str = "127.0.0.1") -> bool:
    with Client(holdfast, source) as client:
        client.send(startup({"user": user, "database": database}))
        return client.until("Z")[-1].kind == "Z"


def test_connections_that_have_not_said_who_they_are_take_no_clients_place(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast(top={"max_clients": 1}, limits={"max_logins": 50})
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(Client(holdfast))
        stack.enter_context(Client(holdfast)).login(production)


def test_a_limit_counts_the_sessions_that_it_is_about(
    start_holdfast: StartHoldfast, production: str, test_database: str
) -> None:
    holdfast = start_holdfast(
        limit=[{"name": "few", "tags": ["production"], "databases": ["shop*"], "clients": 2}]
    )
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(Client(holdfast)).login(production)
        fields = refused(holdfast, production)
        assert fields["M"] == "sorry, too many clients already"
        assert fields["H"] == 'The limit is clients of the [[limit]] "few" in Holdfast\'s proxy.conf.'
        # Another tag.
        for _ in range(3):
            stack.enter_context(Client(holdfast)).login(test_database)
    eventually(lambda: holdfast_lets_in(holdfast, production))


@pytest.mark.parametrize(
    "row",
    [
        EachRow("user", 'too many connections for role "postgres"'),
        EachRow("database", 'too many connections for database "{database}"'),
        EachRow("tag", 'too many connections for tag "production"'),
        EachRow("address", "too many connections from 127.0.0.1"),
    ],
    ids=lambda row: row.each,
)
def test_each_value_has_a_count_of_its_own(
    start_holdfast: StartHoldfast, production: str, test_database: str, row: EachRow
) -> None:
    holdfast = start_holdfast(limit=[{"name": "one", "clients": 1, "each": row.each}])
    others = {
        "user": (production, "ann_password", "127.0.0.1"), "database": (test_database, "postgres", "127.0.0.1"),
        "tag": (test_database, "postgres", "127.0.0.1"), "address": (production, "postgres", "127.0.0.7"),
    }  # fmt: skip
    with Client(holdfast) as client:
        client.login(production)
        assert refused(holdfast, production)["M"] == row.words.format(database=production)
        database, user, source = others[row.each]
        with Client(holdfast, source) as other:
            other.send(startup({"user": user, "database": database}))
            assert other.until("R")[-1].kind == "R"


def test_counts_stay_right_across_reloads(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(limit=[{"name": "a", "clients": 3}])

    def change(*limits: dict) -> None:
        holdfast.settings.limit = list(limits)
        holdfast.write(holdfast.settings)
        since = len(holdfast.log_text())
        holdfast.reload()
        holdfast.wait_for_log("proxy.conf was read again", since)

    with contextlib.ExitStack() as stack:
        open_clients = [stack.enter_context(Client(holdfast)) for _ in range(3)]
        for client in open_clients:
            client.login(production)
        refused(holdfast, production)
        change({"name": "b", "users": ["post*"], "clients": 4})
        stack.enter_context(Client(holdfast)).login(production)
        assert '"b"' in refused(holdfast, production)["H"]
        # Fewer than there are: nobody is thrown out, nobody comes in until enough have gone.
        change({"name": "c", "clients": 2})
        assert errors(open_clients[0].ask(query("SELECT 1"))) == []
        assert '"c"' in refused(holdfast, production)["H"]
        for client in open_clients:
            client.socket.close()
        eventually(lambda: holdfast_lets_in(holdfast, production))


# ---- Floods


@contextlib.contextmanager
def flood(holdfast: Holdfast, kind: str) -> Iterator[Callable[[int], None]]:
    """Thousands of connections that do not log in (support/flood.py).

    Gives a function that waits until so many have been opened.
    """
    command = [sys.executable, Path(__file__).parent / "support/flood.py", holdfast.host, str(holdfast.port), kind]
    process = subprocess.Popen(
        ["prlimit", "--nofile=8192", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    output = process.stdout

    def opened(count: int) -> None:
        for line in output:
            if int(line) >= count:
                return
        raise AssertionError("the flood ended by itself")

    try:
        yield opened
    finally:
        process.stdin.close()
        output.close()
        process.wait(30)


@pytest.mark.parametrize("kind", ["single", "spread"])
def test_a_flood_of_silent_and_slow_connections_keeps_nobody_out(
    start_holdfast: StartHoldfast, production: str, kind: str
) -> None:
    """From one address, which is the clients' own; and from thousands."""
    holdfast = start_holdfast(top={"max_clients": 60}, limits={"max_logins": 1000})

    def log_in(_: int) -> tuple[Any, ...] | None:
        with holdfast.connect(production, user="cid_scram", password=PASSWORD) as connection:
            return connection.execute("SELECT 1").fetchone()

    with flood(holdfast, kind) as opened:
        opened(1500)
        with ThreadPoolExecutor(5) as pool:
            assert list(pool.map(log_in, range(50))) == [(1,)] * 50
        opened(4000)
        assert log_in(0) == (1,)
        assert holdfast.descriptors() < 1200
    counters = holdfast.counters()
    assert counters["refused_max_logins"] > 2000 and counters["logins_completed"] == 51
    assert holdfast.log_text().count("turned a client away") < 100, "one line for each would be a flood as well"
    eventually(lambda: holdfast.descriptors() < 60, timeout=30)


def test_connect_rate_turns_away_who_comes_too_often(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(limits={"connect_rate": "2/m", "connect_burst": 5})
    for _ in range(5):
        assert holdfast_lets_in(holdfast, production)
    fields = refused(holdfast, production)
    assert fields["M"] == "too many connections from 127.0.0.1" and "connect_rate" in fields["H"]
    assert holdfast_lets_in(holdfast, production, source="127.0.0.2")
    assert holdfast.counters()["refused_connect_rate"] == 1


# ---- Descriptors


def test_out_of_descriptors_clients_are_told_and_holdfast_recovers(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast(descriptor_limit=64)
    # What the first client brings with it (the catalog's connection) is there then.
    assert holdfast_lets_in(holdfast, production)
    before = holdfast.descriptors()
    with contextlib.ExitStack() as stack:
        told: list[dict[str, str]] = []
        sessions = 0
        for _ in range(40):
            client = stack.enter_context(Client(holdfast))
            client.send(startup({"user": "postgres", "database": production}))
            received = client.until("Z")
            if received[-1].kind == "Z":
                sessions += 1
            else:
                told += errors(received)
        assert sessions > 10, "most of the descriptors are sessions'"
        assert len(told) + sessions == 40, "everybody has got an answer"
        assert {fields["C"] for fields in told} == {"53300"}
        assert all("file descriptors" in fields["D"] and "ulimit" in fields["H"] for fields in told)
    eventually(lambda: holdfast.descriptors() <= before)
    for _ in range(10):
        assert holdfast_lets_in(holdfast, production)
    eventually(lambda: holdfast.descriptors() <= before)
    counters = holdfast.counters()
    assert counters.get("refused_descriptors", 0) + counters.get("refused_server_descriptors", 0) == len(told)


def test_silent_connections_give_their_descriptors_to_clients(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(descriptor_limit=64, top={"max_clients": 1000})
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Client(holdfast))
        time.sleep(1.1)  # a connection counts as silent after a second
        for _ in range(3):
            stack.enter_context(Client(holdfast)).login(production)


# ---- Memory


def test_a_client_that_prepares_without_end_is_ended_at_session_memory(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    holdfast = start_holdfast(top={"max_statement": "64kB"}, limits={"session_memory": "4MB"})
    with Client(holdfast, timeout=60) as client, Client(holdfast) as other:
        client.login(production)
        other.login(production)
        received = []
        for batch in range(1000):
            names = [f"s{batch}_{number}" for number in range(100)]
            try:
                client.send(*[parse("CREATE TABLE never_made (id int)", name) for name in names], SYNC)
            except OSError:
                pass
            received = client.until("Z")
            if not received or received[-1].kind != "Z":
                break
        (fields,) = errors(received)
        assert (fields["S"], fields["C"], fields["M"]) == ("FATAL", "53200", "out of memory")
        assert "session_memory" in fields["H"]
        assert batch < 300, "4 MB are fewer than 30,000 statements"
        assert errors(other.ask(query("SELECT 1"))) == []
    assert holdfast.counters()["ended_session_memory"] == 1
    eventually(lambda: postgres.sessions(production) == 0)


def test_names_that_are_used_again_and_again_are_not_held_twice(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast(top={"max_statement": "64kB"}, limits={"session_memory": "1MB"})
    with Client(holdfast, timeout=60) as client:
        client.login(production)
        for _ in range(200):
            round_trip = [
                part
                for number in range(20)
                for part in (parse("CREATE TABLE never_made (id int)", f"s{number}"), message("C", b"S" + f"s{number}".encode() + b"\0"))
            ]  # fmt: skip
            assert errors(client.ask(*round_trip, SYNC)) == []


def test_a_client_that_never_reads_costs_little_memory(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast()
    before = holdfast.resident_kilobytes()
    with Client(holdfast) as client:
        client.login(production)
        client.send(query("SELECT repeat('x', 1000000) FROM generate_series(1, 500)"))
        client.socket.settimeout(2)
        with contextlib.suppress(TimeoutError):
            while True:
                client.socket.send(query("SELECT repeat('y', 1000)") * 100)
        assert holdfast.peak_kilobytes() - before < 20_000


# ---- What it says


def test_check_tells_the_limits(holdfast: Holdfast) -> None:
    holdfast.settings.limit = [
        {"name": "bi", "users": ["bi", "report_*"], "clients": 5, "each": "user", "query_timeout": "5m"},
        {"name": "all", "idle_timeout": "off"},
    ]
    holdfast.write(holdfast.settings)
    said = command("check", "--config", holdfast.configuration).stdout
    assert '"bi": 5 sessions for each user, query_timeout 300.0 seconds, users bi or report_*' in said
    assert '"all": idle_timeout off, all sessions' in said


def test_counters_are_logged_on_sigusr1_and_at_the_end(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast()
    assert holdfast_lets_in(holdfast, production)
    with holdfast.connect(production) as connection:
        connection.execute("CREATE TABLE kept (id int)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE kept")
    counters = holdfast.counters()
    assert counters["sessions_opened"] == counters["logins_completed"] == 2
    assert counters["statements_refused"] == 1
    since = len(holdfast.log_text())
    holdfast.stop()
    assert "statements_refused=1" in holdfast.log_text()[since:]
