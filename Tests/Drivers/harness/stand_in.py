"""What the rules' refusals mean for a suite, found out without Holdfast.

A stand-in passes every byte on, but puts a text that no grammar accepts in the place of each statement that Holdfast's
trail says was refused. What a program gets to see through it is what refusals alone explain: a run through Holdfast that
looks different differs for another reason than a rule.
"""

import asyncio
import re
import struct
from collections import defaultdict, deque

from support.audit import Record
from support.wire import GSSENC_REQUEST, SSL_REQUEST

PLACE_HOLDER = "\"refused\""


class StandIn:
    """`records` is the trail of the run through Holdfast; sessions are told apart by their application_name."""

    def __init__(self, host: str, port: int, records: list[Record]) -> None:
        self._server = (host, port)
        # For each program and each text, in order: was it refused?
        self._verdicts: dict[tuple[str, str], deque[bool]] = defaultdict(deque)
        for record in records:
            if record["event"] in ("intent", "refusal") and "sql" in record:
                refused = record["event"] == "refusal"
                self._verdicts[record["application_name"], normal(record["sql"])].append(refused)

    @property
    def left(self) -> int:
        """Refusals whose statement never came: a sign that the runs went apart."""
        return sum(sum(queue) for queue in self._verdicts.values())

    async def start(self) -> int:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._listener.sockets[0].getsockname()[1]

    def close(self) -> None:
        self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._server)
            back = asyncio.create_task(relay(server_reader, writer))
            await self._client(reader, writer, server_writer)
            server_writer.close()
            await back
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _client(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        while True:
            (length,) = struct.unpack("!I", head := await reader.readexactly(4))
            body = await reader.readexactly(length - 4)
            if body[:4] not in (SSL_REQUEST[4:], GSSENC_REQUEST[4:]):
                break
            client.write(b"N")
        server.write(head + body)
        words = body[4:].split(b"\0")
        application = dict(zip(words[0::2], words[1::2])).get(b"application_name", b"").decode()
        while True:
            head = await reader.readexactly(5)
            (length,) = struct.unpack_from("!I", head, 1)
            body = await reader.readexactly(length - 4)
            if head[:1] in (b"Q", b"P"):
                head, body = self._judge(application, head[:1], body)
            server.write(head + body)
            await server.drain()

    def _judge(self, application: str, kind: bytes, body: bytes) -> tuple[bytes, bytes]:
        before = b"" if kind == b"Q" else body[: body.index(b"\0") + 1]
        sql, after = body[len(before):].split(b"\0", 1)
        queue = self._verdicts.get((application, normal(sql.decode("utf-8", "replace"))))
        if queue and queue.popleft():
            body = before + PLACE_HOLDER.encode() + b"\0" + after
        return kind + struct.pack("!I", len(body) + 4), body


def normal(sql: str) -> str:
    """Trails show a statement without what surrounds it, and no passwords."""
    return re.sub(r"(?i)\b(password)\s*'[^']*'", r"\1", " ".join(sql.split()).rstrip("; "))


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
