"""Slow readers: what one side does not take stays with the other side, not in the proxy's memory."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import eventually
from support.proxy import Holdfast
from support.wire import COPY_DONE, WireClient, copy_data, query, transcript

ALLOWED_KILOBYTES = 30_000


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    """A server process that does not run: it reads nothing, and the kernel's buffers fill."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_client_that_does_not_read_holds_the_server_back(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    before = holdfast.resident_kilobytes()
    with WireClient(holdfast.host, holdfast.port, timeout=60) as slow, WireClient(holdfast.host, holdfast.port) as other:
        slow.login(production)
        other.login(production)
        # Half a gigabyte, of which nothing is read until the server itself is stuck in sending.
        slow.send(query("SELECT repeat('x', 10000) FROM generate_series(1, 50000)"))
        eventually(
            lambda: postgres.rows(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE '%generate_series(1, 50000)'"
            )
        )
        assert holdfast.resident_kilobytes() < before + ALLOWED_KILOBYTES
        assert transcript(other.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "ZI"]
        rows = 0
        while (received := slow.receive()) and received.kind != "Z":
            rows += received.kind == "D"
        assert rows == 50_000
        assert holdfast.resident_kilobytes() < before + ALLOWED_KILOBYTES


def test_many_clients_that_do_not_read_stay_bounded_together(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    before = holdfast.resident_kilobytes()
    clients = [WireClient(holdfast.host, holdfast.port).login(production) for _ in range(20)]
    for client in clients:
        client.send(query("SELECT repeat('y', 10000) FROM generate_series(1, 5000)"))
    stuck = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite' AND query LIKE '%repeat(''y''%'"
    eventually(lambda: postgres.value(stuck) == len(clients))
    assert holdfast.resident_kilobytes() < before + ALLOWED_KILOBYTES
    for client in clients:
        client.socket.close()
    eventually(lambda: postgres.value(stuck) == 0)


def test_a_server_that_does_not_read_holds_the_client_back(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE UNLOGGED TABLE bulk (line text)", production)
    before = holdfast.resident_kilobytes()
    line = b"z" * 9_999 + b"\n"
    with WireClient(holdfast.host, holdfast.port, timeout=60) as client:
        client.login(production)
        client.ask(query("BEGIN"))
        client.send(query("COPY bulk FROM STDIN"))
        assert transcript([client.receive()]) == ["G"]
        pid = postgres.value("SELECT pid FROM pg_stat_activity WHERE query = 'COPY bulk FROM STDIN'")
        sender = threading.Thread(target=lambda: client.send(*[copy_data(line)] * 20_000, COPY_DONE))
        with suspended(pid):
            sender.start()
            # The kernel's buffers fill, then sending stands still.
            sender.join(3)
            assert sender.is_alive()
            assert holdfast.resident_kilobytes() < before + ALLOWED_KILOBYTES
        sender.join(60)
        assert transcript(client.until("Z")) == ["C(COPY 20000)", "ZT"]
        assert transcript(client.ask(query("COMMIT"))) == ["C(COMMIT)", "ZI"]
    assert postgres.value("SELECT count(*) FROM bulk", production) == 20_000


def test_a_client_that_sends_queries_and_reads_no_answer_is_held_back(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast()
    before = holdfast.resident_kilobytes()
    with WireClient(holdfast.host, holdfast.port, timeout=60) as client:
        client.login(production)
        client.socket.settimeout(2)
        many = query("SELECT repeat('x', 20000)") * 1000
        try:
            for _ in range(1000):
                client.socket.sendall(many)
        except socket.timeout:
            pass
        else:
            raise AssertionError("a million unanswered queries were taken")
        assert holdfast.resident_kilobytes() < before + ALLOWED_KILOBYTES
