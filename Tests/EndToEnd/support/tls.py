"""TLS with Python's own library: a raw client that shows what each step does, and a server that is no PostgreSQL."""

import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .badserver import WELCOME
from .certificates import Identity
from .listening import accepted
from .wire import SSL_REQUEST, WireClient

PROTOCOL = "postgresql"


def client_context(
    root: Path | None = None, identity: Identity | None = None, alpn: str | None = PROTOCOL,
    version: ssl.TLSVersion | None = None, ciphers: str | None = None,
) -> ssl.SSLContext:  # fmt: skip
    """Checks the server where there is a root; `version` is the only one spoken."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if root:
        context.load_verify_locations(root)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity:
        context.load_cert_chain(identity.certificate, identity.key)
    if alpn:
        context.set_alpn_protocols([alpn])
    if ciphers:
        context.set_ciphers(ciphers)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class TLSClient(WireClient):
    """A raw client; `secure` lays TLS over its socket."""

    socket: ssl.SSLSocket

    def secure(
        self, context: ssl.SSLContext | None = None, *, direct: bool = False, session: ssl.SSLSession | None = None
    ) -> "TLSClient":
        if not direct:
            self.send(SSL_REQUEST)
            answer = self.byte()
            assert answer == b"S", answer
        assert not self.buffer, self.buffer
        self.socket = (context or client_context()).wrap_socket(
            self.socket, server_hostname="localhost", session=session
        )
        return self

    @property
    def serial_number(self) -> int:
        """Of the certificate that the other side shows; the context must check it."""
        return int(self.socket.getpeercert()["serialNumber"], 16)  # type: ignore[index]


@dataclass
class TLSServer:
    """Answers SSLRequest, does the handshake, welcomes, answers nothing more.

    Who comes without TLS, or with TLS at once, is welcome too.

    It tells what each client asked for; faults are set by the fields.
    """

    identity: Identity
    # Sent instead of `S`; the connection stays open after it.
    answer: bytes = b"S"
    # Stops after the answer to SSLRequest.
    is_silent: bool = False
    maximum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    greeting: bytes = WELCOME
    # Whether it takes part in ALPN.
    names_protocol: bool = True
    # After the greeting: `tidy` says close_notify first, `cut` does not; "" stays open until the client goes.
    end: str = ""
    names: list[str | None] = field(default_factory=list)
    # What came in the clear after SSLRequest and its answer.
    clear: list[bytes] = field(default_factory=list)
    # How many came without an SSLRequest.
    clear_startups: int = 0
    direct_handshakes: int = 0

    def __post_init__(self) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.identity.certificate, self.identity.key)
        self.context.maximum_version = self.maximum_version
        if self.names_protocol:
            self.context.set_alpn_protocols([PROTOCOL])
        self.context.sni_callback = lambda connection, name, context: self.names.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "TLSServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Wakes accept(), which close() does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        for connection in accepted(self._listener):
            threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def _meet(self, connection: socket.socket) -> None:
        connection.settimeout(30)
        try:
            with connection:
                if connection.recv(1, socket.MSG_PEEK) == b"\x16":
                    self.direct_handshakes += 1
                elif not self._answer_request(connection):
                    return
                with self.context.wrap_socket(connection, server_side=True) as secured:
                    self._welcome(secured, secured.recv(4))
                    if self.end == "tidy":
                        secured.unwrap()
                    if not self.end:
                        self._read_on(secured)
        except (OSError, ValueError, struct.error):
            # The other side gave up, as most tests want it to.
            pass

    def _answer_request(self, connection: socket.socket) -> bool:
        """Whether TLS follows."""
        first = connection.recv(8)
        if first != SSL_REQUEST:
            self.clear_startups += 1
            self._welcome(connection, first)
            self._read_on(connection)
            return False
        connection.sendall(self.answer)
        if not self.is_silent and self.answer == b"S":
            return True
        while received := connection.recv(1 << 16):
            self.clear.append(received)
        return False

    def _welcome(self, connection: socket.socket, first: bytes) -> None:
        (length,) = struct.unpack("!I", first[:4])
        connection.recv(length - len(first))
        connection.sendall(self.greeting)

    def _read_on(self, connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            pass


def options(**values: Any) -> dict[str, Any]:
    """libpq's options for a connection through TLS to the address at hand."""
    return {"sslmode": "require", "sslcertmode": "disable", "gssencmode": "disable", **values}
