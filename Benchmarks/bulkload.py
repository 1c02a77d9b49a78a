"""A client that moves much: COPY both ways, large results, TLS handshakes. It looks at no byte that it need not look at, so
that it is not what is measured."""

import os
import socket
import ssl
import threading
from dataclasses import dataclass

from support.tls import TLSClient, client_context
from support.wire import COPY_DONE, TERMINATE, Message, WireClient, copy_data, query

# As psql sends COPY data: one message for 8 KB of lines.
COPY_MESSAGE = 8192
LINE = b"x" * 99 + b"\n"
# What ends an answer: ReadyForQuery, no transaction open.
READY = b"Z\0\0\0\5I"
SOURCE_ROWS = 100_000

# Rows to read from. Kept small enough for the server's memory: larger amounts read it more than once.
PREPARATION = (
    "DROP TABLE IF EXISTS bulk_source, bulk_sink",
    f"CREATE UNLOGGED TABLE bulk_source AS SELECT repeat('x', {len(LINE) - 1}) AS line"
    f" FROM generate_series(1, {SOURCE_ROWS})",
    "CREATE UNLOGGED TABLE bulk_sink (line text)",
    "VACUUM ANALYZE bulk_source",
)


@dataclass(frozen=True)
class Address:
    """Where to connect, and whether by TLS."""

    host: str
    port: int
    database: str
    has_tls: bool = False

    def client(self) -> WireClient:
        """Logged in."""
        client: WireClient
        if self.has_tls:
            client = TLSClient(self.host, self.port, timeout=120).secure()
        else:
            client = WireClient(self.host, self.port, timeout=120)
        client.login(self.database)
        return client


def repetitions(megabytes: float) -> int:
    """How often the source's rows make that much."""
    return max(1, round(megabytes * 1e6 / (SOURCE_ROWS * len(LINE))))


def copy_out(address: Address, megabytes: float) -> int:
    """COPY TO STDOUT of lines of 100 bytes; how many bytes came."""
    times = repetitions(megabytes)
    return answer(address, f"COPY (SELECT line FROM generate_series(1, {times}), bulk_source) TO STDOUT")


def small_rows(address: Address, megabytes: float) -> int:
    """A result of rows of 100 bytes, all sent at once; how many bytes came."""
    return answer(address, f"SELECT line FROM generate_series(1, {repetitions(megabytes)}), bulk_source")


def big_rows(address: Address, megabytes: float) -> int:
    """A result of rows of 1 MB; how many bytes came."""
    return answer(address, f"SELECT repeat('x', 1000000) FROM generate_series(1, {max(1, round(megabytes))})")


def answer(address: Address, sql: str) -> int:
    with address.client() as client:
        assert not client.buffer
        client.send(query(sql))
        count = read_answer(client.socket)
        client.send(TERMINATE)
    return count


def read_answer(connection: socket.socket) -> int:
    """Reads up to a ReadyForQuery that nothing follows."""
    space = bytearray(1 << 20)
    count, last = 0, b""
    # Only what ends in ReadyForQuery, or in a piece of it, needs a second look; data consists of other letters.
    while last != READY:
        received = connection.recv_into(space)
        assert received, f"the connection was closed after {count} bytes"
        if count == 0 and space[:1] == b"E":
            raise AssertionError(bytes(space[:received]))
        count += received
        last = (last + space[max(0, received - len(READY)) : received])[-len(READY) :]
    return count


def copy_in(address: Address, megabytes: float) -> int:
    """COPY FROM STDIN of lines of 100 bytes, which the server reads and stores nowhere; how many bytes went."""
    lines = COPY_MESSAGE // len(LINE)
    piece = copy_data(LINE * lines) * 64
    pieces = max(1, round(megabytes * 1e6 / len(piece)))
    with address.client() as client:
        client.send(query("COPY bulk_sink FROM STDIN WHERE line IS NULL"))
        client.until("G")
        for _ in range(pieces):
            client.socket.sendall(piece)
        client.send(COPY_DONE)
        answers: list[Message] = client.until("Z")
        assert str(answers[0]) == "C(COPY 0)", answers
        client.send(TERMINATE)
    return pieces * len(piece)


def handshakes(address: Address, count: int, clients: int = 1) -> int:
    """So many TLS handshakes, each on a connection of its own that is closed after it; how many failed."""
    failures = [0] * clients

    def shake(index: int) -> None:
        # The context is shared: making one costs more than a handshake does.
        for _ in range(count // clients):
            try:
                with TLSClient(address.host, address.port, timeout=20) as client:
                    client.secure(context)
            except (OSError, ssl.SSLError):
                failures[index] += 1

    context = client_context()
    threads = [threading.Thread(target=shake, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(failures)


LOADS = {"copy-out": copy_out, "copy-in": copy_in, "small-rows": small_rows, "big-rows": big_rows}

if __name__ == "__main__":
    import sys

    # bulkload.py LOAD HOST PORT DATABASE MEGABYTES: one load, for watching it with strace or perf.
    load, host, port, database, megabytes = sys.argv[1:]
    print(LOADS[load](Address(host, int(port), database, bool(os.environ.get("BULK_TLS"))), float(megabytes)))
