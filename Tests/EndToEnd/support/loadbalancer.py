"""PROXY headers, and a load balancer that puts one in front of every connection."""

import ipaddress
import socket
import struct

from .relay import Address, Relay

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def line(client: str, port: int = 50000, destination: str = "10.0.0.1", destination_port: int = 5432) -> bytes:
    """Version 1."""
    family = ipaddress.ip_address(client).version
    return f"PROXY TCP{family} {client} {destination} {port} {destination_port}\r\n".encode()


def binary(
    client: str, port: int = 50000, destination: str = "10.0.0.1", destination_port: int = 5432, rest: bytes = b""
) -> bytes:
    """Version 2; `rest` stands behind the addresses."""
    ends = [ipaddress.ip_address(client), ipaddress.ip_address(destination)]
    body = ends[0].packed + ends[1].packed + struct.pack("!HH", port, destination_port) + rest
    return header(0x21, 0x11 if ends[0].version == 4 else 0x21, body)


def header(command: int, family: int, body: bytes = b"", length: int | None = None) -> bytes:
    """Version 2, with anything in it."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length) + body


LOCAL, UNKNOWN = header(0x20, 0), b"PROXY UNKNOWN\r\n"


class _Preceded(socket.socket):
    """Sends the header and the first bytes behind it in one piece."""

    preamble = b""

    def sendall(self, data: bytes) -> None:  # type: ignore[override]
        preamble, self.preamble = self.preamble, b""
        super().sendall(preamble + data)


def load_balancer(target: Address, preamble: bytes) -> Relay:
    def dial(target: Address) -> socket.socket:
        connection = _Preceded(fileno=socket.create_connection(target).detach())
        connection.preamble = preamble
        return connection

    return Relay(target, dial=dial)
