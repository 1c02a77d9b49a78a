"""A raw protocol 3.0 client: sends exactly the bytes a test wants and shows every message that comes back."""

import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Message:
    """One message from the server; `str` of it is what transcripts in tests are made of."""

    kind: str
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """The fields of an ErrorResponse or NoticeResponse by their letter."""
        parts = (part.decode("utf-8", "replace") for part in self.body.split(b"\0") if part)
        return {part[0]: part[1:] for part in parts}

    @property
    def values(self) -> list[str | None]:
        """The columns of a DataRow."""
        count, offset = struct.unpack_from("!H", self.body)[0], 2
        columns: list[str | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", self.body, offset)
            offset += 4
            columns.append(None if length < 0 else self.body[offset : offset + length].decode())
            offset += max(length, 0)
        return columns

    def __str__(self) -> str:
        match self.kind:
            case "E" | "N":
                return f"{self.kind}({self.fields['C']})"
            case "C":
                return f"C({self.body[:-1].decode()})"
            case "Z":
                return f"Z{self.body.decode()}"
            case _:
                return self.kind


def message(kind: str, body: bytes = b"", length: int | None = None) -> bytes:
    """A message; `length` overrides the true one."""
    return kind.encode("latin-1") + struct.pack("!I", (len(body) + 4 if length is None else length) & 0xFFFFFFFF) + body


def text(value: str | bytes) -> bytes:
    return (value.encode() if isinstance(value, str) else value) + b"\0"


def query(sql: str | bytes) -> bytes:
    return message("Q", text(sql))


def parse(sql: str | bytes, name: str = "", types: Iterable[int] = ()) -> bytes:
    oids = list(types)
    return message("P", text(name) + text(sql) + struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def bind(portal: str = "", statement: str = "", parameters: Iterable[str | None] = ()) -> bytes:
    values = list(parameters)
    body = text(portal) + text(statement) + struct.pack("!HH", 0, len(values))
    for value in values:
        encoded = b"" if value is None else value.encode()
        body += struct.pack("!i", -1 if value is None else len(encoded)) + encoded
    return message("B", body + struct.pack("!H", 0))


def describe(kind: str, name: str = "") -> bytes:
    return message("D", kind.encode() + text(name))


def execute(portal: str = "", limit: int = 0) -> bytes:
    return message("E", text(portal) + struct.pack("!I", limit))


def close(kind: str, name: str = "") -> bytes:
    return message("C", kind.encode() + text(name))


SYNC, FLUSH, TERMINATE, COPY_DONE = message("S"), message("H"), message("X"), message("c")
SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSSENC_REQUEST = struct.pack("!II", 8, 80877104)


def copy_data(data: bytes) -> bytes:
    return message("d", data)


def startup(parameters: dict[str, Any], protocol: int = 196608, length: int | None = None) -> bytes:
    body = struct.pack("!I", protocol)
    body += b"".join(text(key) + text(str(value)) for key, value in parameters.items()) + b"\0"
    return struct.pack("!I", (len(body) + 4 if length is None else length) & 0xFFFFFFFF) + body


@dataclass
class WireClient:
    """A connection on which nothing happens by itself."""

    host: str
    port: int
    timeout: float = 10
    buffer: bytes = b""
    settings: dict[str, str] = field(default_factory=dict)
    # BackendKeyData's body.
    key: bytes = b""

    def __post_init__(self) -> None:
        if self.host.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(self.timeout)
            self.socket.connect(f"{self.host}/.s.PGSQL.{self.port}")
        else:
            self.socket = socket.create_connection((self.host, self.port), self.timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "WireClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *messages: bytes) -> None:
        self.socket.sendall(b"".join(messages))

    def send_bytewise(self, data: bytes) -> None:
        """Every byte in a packet of its own."""
        for index in range(len(data)):
            self.socket.sendall(data[index : index + 1])

    def _need(self, count: int) -> bool:
        """False where the stream ends first; a timeout is the caller's failure."""
        while len(self.buffer) < count:
            try:
                received = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return False
            if not received:
                return False
            self.buffer += received
        return True

    def byte(self) -> bytes:
        """One byte, as the answer to SSLRequest is; empty at the end of the stream."""
        if not self._need(1):
            return b""
        first, self.buffer = self.buffer[:1], self.buffer[1:]
        return first

    def receive(self) -> Message | None:
        """The next message, or None where the stream ends."""
        if not self._need(5):
            return None
        (length,) = struct.unpack_from("!I", self.buffer, 1)
        if not self._need(1 + length):
            return None
        found = Message(chr(self.buffer[0]), self.buffer[5 : 1 + length])
        self.buffer = self.buffer[1 + length :]
        if found.kind == "K":
            self.key = found.body
        if found.kind == "S":
            name, _, value = found.body.partition(b"\0")
            self.settings[name.decode("utf-8", "replace")] = value.rstrip(b"\0").decode("utf-8", "replace")
        return found

    def until(self, kind: str = "Z", count: int = 1) -> list[Message]:
        """All messages up to the `count`th of that kind, or up to the end of the stream."""
        messages: list[Message] = []
        while count:
            received = self.receive()
            if received is None:
                break
            messages.append(received)
            count -= received.kind == kind
        return messages

    def rest(self) -> list[Message]:
        """Everything until the other side closes."""
        return self.until(kind="", count=1)

    def login(self, database: str, user: str = "postgres", **parameters: Any) -> "WireClient":
        """Startup as a trusted user, up to the first ReadyForQuery."""
        self.send(startup({"user": user, "database": database, **parameters}))
        messages = self.until("Z")
        assert messages and messages[-1].kind == "Z", f"no ReadyForQuery: {[str(item) for item in messages]}"
        return self

    def ask(self, *messages: bytes, syncs: int = 1) -> list[Message]:
        """Sends and reads up to so many ReadyForQuery."""
        self.send(*messages)
        return self.until("Z", syncs)

    def is_quiet(self, timeout: float = 0.2) -> bool:
        """Nothing is left to read: proof that no message too many was sent."""
        if self.buffer:
            return False
        self.socket.settimeout(timeout)
        try:
            received = self.socket.recv(1)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(self.timeout)
        self.buffer += received
        return False


def transcript(messages: Iterable[Message], without: str = "") -> list[str]:
    return [str(item) for item in messages if item.kind not in without]


def errors(messages: Iterable[Message]) -> list[dict[str, str]]:
    return [item.fields for item in messages if item.kind == "E"]
