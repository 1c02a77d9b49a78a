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

# How many of the trail's records may be skipped.
LOOK_AHEAD = 8
PLACE_HOLDER = "\"refused\""


class StandIn:
    """`records` is the trail of the run through Holdfast; sessions are told apart by their application_name."""

    def __init__(self, host: str, port: int, records: list[Record]) -> None:
        self._server = (host, port)
        # For each program what the trail says of it, in order: the text, and whether it was refused.
        self._verdicts: dict[str, deque[tuple[str, bool]]] = defaultdict(deque)
        for record in records:
            if record["event"] in ("intent", "refusal") and "sql" in record:
                refused = record["event"] == "refusal"
                self._verdicts[record["application_name"]].append((normal(record["sql"]), refused))

    @property
    def left(self) -> int:
        """Refusals whose statement never came: a sign that the runs went apart."""
        return sum(sum(refused for _, refused in queue) for queue in self._verdicts.values())

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
        if self._is_refused(application, normal(sql.decode("utf-8", "replace"))):
            body = before + PLACE_HOLDER.encode() + b"\0" + after
        return kind + struct.pack("!I", len(body) + 4), body

    def _is_refused(self, application: str, sql: str) -> bool:
        """The trail does not hold every statement, and the same text can be passed once and refused later (the function
        that it calls became known in between): so the order decides. The trail's next few are looked at, as some that it
        holds are no texts (function calls by number)."""
        queue = self._verdicts.get(application)
        if not queue:
            return False
        for index in range(min(LOOK_AHEAD, len(queue))):
            if queue[index][0] == sql:
                refused = queue[index][1]
                for _ in range(index + 1):
                    queue.popleft()
                return refused
        # A text of several statements that passed has a record for each of them.
        while queue and not queue[0][1] and queue[0][0] in sql:
            queue.popleft()
        return False


def normal(sql: str) -> str:
    """Trails show a statement without what surrounds it, and no passwords; psqlODBC's savepoints have addresses."""
    sql = re.sub(r"(?i)\b(password)\s*'[^']*'", r"\1", " ".join(sql.split()).rstrip("; "))
    return re.sub(r"\b_EXEC_SVP_\w+", "_EXEC_SVP", sql)


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
