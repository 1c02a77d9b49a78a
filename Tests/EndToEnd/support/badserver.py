"""A server that is no PostgreSQL: it lets a client in, then sends what a test wants."""

import socket
import struct
import threading

from .wire import message

WELCOME = message("R", struct.pack("!I", 0)) + message("K", struct.pack("!II", 1, 2)) + message("Z", b"I")


class BadServer:
    """Answers one connection: `greeting` to the startup packet, `answer` to the first message after it."""

    def __init__(self, greeting: bytes = WELCOME, answer: bytes = b"", then_closes: bool = True) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self._listener.getsockname()[1])
        self._script = (greeting, answer, then_closes)
        self._greeted = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "BadServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def wait_for_startup_packet(self) -> None:
        assert self._greeted.wait(10), "nobody connected"

    def wait_for_close(self) -> None:
        assert self._closed.wait(10), "the proxy keeps its connection open"

    def _serve(self) -> None:
        greeting, answer, then_closes = self._script
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(30)
            try:
                connection.recv(1 << 16)
                self._greeted.set()
                connection.sendall(greeting)
                if answer:
                    connection.recv(1 << 16)
                    connection.sendall(answer)
                while not then_closes and connection.recv(1 << 16):
                    pass
            except ConnectionError:
                pass
            except TimeoutError:
                return
            self._closed.set()
