"""A network in between that a test can make slow, cut into pieces, silent, or end: for TCP, and without any privilege."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .listening import accepted

Address = tuple[str, int]


@dataclass
class Way:
    """One direction. Changes count from the next piece on."""

    # Bytes that go on at once.
    piece: int = 1 << 16
    # Seconds that every piece is late.
    delay: float = 0
    # So many bytes pass, then `at_limit` happens.
    limit: int | None = None
    # "stall": nothing more passes, and nobody is told. "close": as if this side had said its last. "reset": both ends get RST.
    at_limit: str = "stall"
    passed: int = 0


class Relay:
    """Accepts connections for another address. `to_target` and `to_client` say how bytes fare, on all connections."""

    def __init__(self, target: Address, listener: socket.socket | None = None, dial: Callable[..., socket.socket] | None = None) -> None:
        self._target = target
        self._dial = dial or socket.create_connection
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.to_target = Way()
        self.to_client = Way()
        self._is_open = threading.Event()
        self._is_open.set()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._is_over = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        return self._listener.getsockname()[0]

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def __enter__(self) -> "Relay":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        # Closing alone does not wake the thread in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()
        self._is_open.set()

    def stall(self) -> None:
        """Nothing passes either way, no end of a connection either: what a vanished machine looks like."""
        self._is_open.clear()

    def resume(self) -> None:
        self._is_open.set()

    def reset(self) -> None:
        """Every connection ends with RST on both sides."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for end in sockets:
            reset(end)

    def _accept(self) -> None:
        for client in accepted(self._listener):
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = self._dial(self._target)
        except OSError:
            return reset(client)
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets += [client, server]
        for way, source, sink in ((self.to_target, client, server), (self.to_client, server, client)):
            threading.Thread(target=self._carry, args=(way, source, sink), daemon=True).start()

    def _carry(self, way: Way, source: socket.socket, sink: socket.socket) -> None:
        try:
            while True:
                piece = source.recv(way.piece)
                if way.delay:
                    time.sleep(way.delay)
                self._is_open.wait()
                if not piece:
                    return sink.shutdown(socket.SHUT_WR)
                # The limit may have come while the piece was waited for.
                if way.limit is not None and way.passed + len(piece) > way.limit:
                    sink.sendall(piece[: max(0, way.limit - way.passed)])
                    return self._end(way, source, sink)
                sink.sendall(piece)
                way.passed += len(piece)
        except OSError:
            reset(source)
            reset(sink)

    def _end(self, way: Way, source: socket.socket, sink: socket.socket) -> None:
        match way.at_limit:
            case "close":
                sink.shutdown(socket.SHUT_WR)
            case "reset":
                reset(source)
                reset(sink)


def reset(end: socket.socket) -> None:
    """Closes with RST instead of FIN; wakes a thread that reads from it."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    end.close()
