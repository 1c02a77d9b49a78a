"""The client's side of SCRAM-SHA-256 on the raw wire, as honest or as wrong as a test wants it."""

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from typing import Any

from .wire import Message, WireClient, message, startup, text

CLIENT_NONCE = "Y2xpZW50LW5vbmNlLWNsaWVudA=="
# AuthenticationSASL…'s codes.
SASL, CONTINUE, FINAL = 10, 11, 12


def digest(key: bytes, data: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).digest()


def initial(data: bytes | None, mechanism: str = "SCRAM-SHA-256", length: int | None = None) -> bytes:
    """A SASLInitialResponse; `length` overrides the true one."""
    if data is None:
        return message("p", text(mechanism) + struct.pack("!i", -1))
    return message("p", text(mechanism) + struct.pack("!i", len(data) if length is None else length) + data)


def response(data: bytes) -> bytes:
    return message("p", data)


def request(received: Message | None) -> tuple[int, bytes]:
    """The code and the data of an Authentication… message."""
    assert received is not None and received.kind == "R", received
    return struct.unpack_from("!i", received.body)[0], received.body[4:]


@dataclass
class ScramClient:
    """What a driver computes."""

    password: str
    header: str = "n,,"

    @property
    def first(self) -> bytes:
        return f"{self.header}n=,r={CLIENT_NONCE}".encode()

    def final(self, challenge: bytes) -> tuple[bytes, bytes]:
        """The answer to the server's first message, and the server's last message if all is well."""
        nonce, salt, count = (part[2:] for part in challenge.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(salt), int(count))
        client_key = digest(salted, b"Client Key")
        without_proof = f"c={base64.b64encode(self.header.encode()).decode()},r={nonce}"
        transcript = f"n=,r={CLIENT_NONCE},{challenge.decode()},{without_proof}".encode()
        signature = digest(hashlib.sha256(client_key).digest(), transcript)
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        server_final = digest(digest(salted, b"Server Key"), transcript)
        return (
            f"{without_proof},p={base64.b64encode(proof).decode()}".encode(),
            b"v=" + base64.b64encode(server_final),
        )


def challenge(client: WireClient, user: str, database: str, first: bytes, **parameters: Any) -> bytes:
    """Sends the startup packet and the first message; the server's challenge."""
    client.send(startup({"user": user, "database": database, **parameters}))
    assert request(client.receive())[0] == SASL
    client.send(initial(first))
    code, data = request(client.receive())
    assert code == CONTINUE
    return data


def log_in(client: WireClient, user: str, database: str, password: str, **parameters: Any) -> list[Message]:
    """A whole login; what comes after the proof was sent, up to ReadyForQuery or the end."""
    driver = ScramClient(password)
    data = challenge(client, user, database, driver.first, **parameters)
    final, server_final = driver.final(data)
    client.send(response(final))
    answers = client.until("Z")
    if answers and answers[0].kind == "R":
        assert request(answers[0]) == (FINAL, server_final)
    return answers
