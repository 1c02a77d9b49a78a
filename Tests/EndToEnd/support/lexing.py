"""What PostgreSQL's lexer and what ours make of a text, and where the two differ.

The server runs nothing: every text goes as a Parse message into a failed transaction, where raw parsing comes first
(`exec_parse_message`). It then answers one of these:

- a syntax error, which tells where the offending token begins and, in its message, which bytes it holds;
- "cannot insert multiple commands into a prepared statement": the whole text parses, and is several statements;
- 25P02, the transaction has failed: the whole text parses and is one statement;
- ParseComplete: the text is empty, or one statement that may end the transaction;
- an encoding error: the text is refused before it is lexed.
"""

import struct
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .postgres import PostgresServer
from .proxy import REPOSITORY
from .wire import SYNC, Message, WireClient, parse, query

LEXDUMP_NAME = "holdfast-lexdump"


def lexdump_program() -> Path:
    """The newest build of the tool; `scripts/test` builds it with the tests."""
    found = [path for kind in ("debug", "release") if (path := REPOSITORY / f".build/{kind}/{LEXDUMP_NAME}").exists()]
    if not found:
        raise RuntimeError(f"{LEXDUMP_NAME} is not built: swift build --product {LEXDUMP_NAME}")
    return max(found, key=lambda path: path.stat().st_mtime)


@dataclass(frozen=True)
class Session:
    """The state of a session, as far as the lexer depends on it."""

    database_encoding: str
    client_encoding: str
    conforming: bool

    def __str__(self) -> str:
        strings = "on" if self.conforming else "off"
        return f"{self.client_encoding} to {self.database_encoding}, standard_conforming_strings {strings}"

    @property
    def encoding_for_us(self) -> str:
        """The reading to compare with. SHIFT_JIS_2004 is read in two ways, for servers with UTF8 and with EUC_JIS_2004."""
        return "SJIS" if self.database_encoding == "EUC_JIS_2004" and self.client_encoding == "SHIFT_JIS_2004" else self.client_encoding

    @property
    def position_encoding(self) -> str:
        """The encoding by whose characters the server counts positions, said of the client's bytes."""
        if self.database_encoding == "SQL_ASCII":
            return "SQL_ASCII"
        return self.database_encoding if self.client_encoding == "SQL_ASCII" else self.client_encoding


# Bytes of a character by its first byte (and second, for GB18030), as in src/common/wchar.c.
def character_length(encoding: str, text: bytes, at: int) -> int:
    first = text[at]
    if first < 0x80:
        return 1
    match encoding:
        case "UTF8":
            return 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
        case "SJIS" | "SHIFT_JIS_2004":
            return 1 if 0xA1 <= first <= 0xDF else 2
        case "BIG5" | "GBK" | "UHC" | "EUC_KR" | "EUC_CN":
            return 2
        case "GB18030":
            return 4 if text[at + 1 : at + 2].isdigit() else 2
        case "EUC_TW":
            return 4 if first == 0x8E else 3 if first == 0x8F else 2
        case "JOHAB" | "EUC_JP" | "EUC_JIS_2004":
            return 3 if first == 0x8F else 2
        case _:
            return 1


def byte_offset(encoding: str, text: bytes, position: int) -> int:
    """The byte at which the character of a 1-based position begins."""
    at = 0
    for _ in range(position - 1):
        if at >= len(text):
            break
        at += character_length(encoding, text, at)
    return at


@dataclass(frozen=True)
class Answer:
    """What the server said of a text."""

    code: str
    message: bytes = b""
    position: int | None = None

    @property
    def is_refused_unread(self) -> bool:
        """The text is not one of its encoding, or has a character that the database cannot hold."""
        return self.code in ("22021", "22P05")

    @property
    def parses(self) -> bool:
        return self.code in ("", "25P02") or self.is_several

    @property
    def is_several(self) -> bool:
        return self.code == "42601" and self.message.startswith(b"cannot insert multiple commands")

    @property
    def complaint(self) -> bytes:
        """The message without the offending token."""
        return self.message.partition(b" at or near ")[0]

    @property
    def near(self) -> bytes | None:
        """The offending token's bytes, or what of it the server had read."""
        _, found, rest = self.message.partition(b' at or near "')
        return rest[:-1] if found else None


def answer_of(messages: Iterable[Message]) -> Answer:
    for item in messages:
        if item.kind == "E":
            fields = {part[:1]: part[1:] for part in item.body.split(b"\0") if part}
            position = fields.get(b"P")
            return Answer(fields[b"C"].decode(), fields[b"M"], int(position) if position else None)
    return Answer("")


class ServerLexer:
    """A session of a real server in a failed transaction."""

    batch = 50

    def __init__(self, server: PostgresServer, session: Session) -> None:
        self.session = session
        self.wire = WireClient(server.host, server.port, timeout=60)
        self.wire.login(f"lex_{session.database_encoding.lower()}")
        # Every text must reach the lexer, so backslash_quote refuses none.
        setup = (
            f"SET client_encoding = '{session.client_encoding}'; SET backslash_quote = on;"
            " SET escape_string_warning = off; SET client_min_messages = error;"
            f" SET standard_conforming_strings = {'on' if session.conforming else 'off'}"
        )
        for text in (setup, "BEGIN", "SELECT 1/0"):
            messages = self.wire.ask(query(text))
        assert messages[-1].body == b"E", messages

    def ask(self, texts: Sequence[bytes]) -> list[Answer]:
        answers: list[Answer] = []
        for start in range(0, len(texts), self.batch):
            batch = texts[start : start + self.batch]
            self.wire.send(b"".join(parse(text) + SYNC for text in batch))
            for text in batch:
                messages = self.wire.until("Z")
                assert messages and messages[-1].body == b"E", f"{self.session}: {text!r}: {messages}"
                answers.append(answer_of(messages))
        return answers

    def __enter__(self) -> "ServerLexer":
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.socket.close()


@dataclass(frozen=True)
class Token:
    kind: str
    start: int
    end: int

    @property
    def is_unterminated(self) -> bool:
        return self.kind.endswith("!")


@dataclass(frozen=True)
class Reading:
    """What our lexer makes of a text."""

    tokens: list[Token]
    statements: list[tuple[int, int]]
    is_invalid: bool
    has_possible_ascii: bool
    has_doubtful_tag: bool
    is_plain_query: bool
    canonical: bytes


class OurLexer:
    """`holdfast-lexdump`."""

    def ask(self, session: Session, texts: Sequence[bytes]) -> list[Reading]:
        conforming = b"on" if session.conforming else b"off"
        encoding = session.encoding_for_us.encode()
        lines = b"".join(b"%s %s %s\n" % (conforming, encoding, text.hex().encode()) for text in texts)
        completed = subprocess.run([lexdump_program()], input=lines, stdout=subprocess.PIPE, check=True)
        answers = completed.stdout.splitlines()
        assert len(answers) == len(texts), (len(answers), len(texts))
        return [self._reading(line) for line in answers]

    @staticmethod
    def _reading(line: bytes) -> Reading:
        tokens, statements, flags, canonical = (b"" if part == b"-" else part for part in line.split(b" "))
        return Reading(
            tokens=[
                Token(kind.decode(), int(start), int(end))
                for kind, start, end in (item.split(b":") for item in tokens.split(b","))
            ],
            statements=[tuple(map(int, item.split(b":"))) for item in statements.split(b",") if item],  # type: ignore[misc]
            is_invalid=b"i" in flags,
            has_possible_ascii=b"a" in flags,
            has_doubtful_tag=b"d" in flags,
            is_plain_query=b"p" in flags,
            canonical=bytes.fromhex(canonical.decode()),
        )


LITERALS = {"string", "escapeString", "unicodeString", "bitString", "dollarString", "quotedName", "unicodeName"}
WHOLE_TOKEN = [b"syntax error", b"UESCAPE must be followed by a simple string literal"]
# SHIFT_JIS_2004's characters that UTF8 servers take for a backslash and a tilde; we put those into their second bytes.
POSSIBLE_ASCII = [b"\x81\x5f", b"\x81\xb0"]
UNTERMINATED = {
    b"unterminated quoted string": {"string!", "escapeString!", "unicodeString!"},
    b"unterminated bit string literal": {"bitString!"},
    b"unterminated hexadecimal string literal": {"bitString!"},
    b"unterminated quoted identifier": {"quotedName!", "unicodeName!"},
    b"unterminated dollar-quoted string": {"dollarString!"},
    b"unterminated /* comment": {"comment!"},
}


def disagreement(session: Session, text: bytes, answer: Answer, reading: Reading) -> str | None:
    """How our reading differs from the server's; None if it does not."""
    if answer.is_refused_unread or reading.has_doubtful_tag:
        return None
    tokens = [token for token in reading.tokens if token.kind != "comment"]
    if answer.parses:
        for token in tokens:
            if token.is_unterminated or token.kind == "stray":
                return f"the server reads it all, we see {token}"
        count = len(reading.statements)
        if answer.is_several:
            if count < 2:
                return f"the server sees several statements, we see {count}"
            return "we take several statements for a plain query" if reading.is_plain_query else None
        return None if count == 1 or (count == 0 and answer.code == "") else f"the server sees one statement, we see {count}"
    if answer.position is None:
        return f"an answer that says nothing: {answer}"
    if answer.complaint.endswith(b"at end of input"):
        open_token = next((token for token in tokens if token.is_unterminated), None)
        return f"the server is at the end of its input, we see {open_token}" if open_token else None
    offset = byte_offset(session.position_encoding, text, answer.position)
    before = [token for token in tokens if token.start < offset]
    for token in before[:-1]:
        if token.is_unterminated or token.kind == "stray" and text[token.start] != 0x0B:
            return f"the server's token at {offset} lies behind our {token}"
    if text[offset : offset + 1] == b"\x0b":
        return None  # White space since PostgreSQL 16, no token before.
    if reading.has_possible_ascii and text[offset : offset + 2] in POSSIBLE_ASCII:
        offset += 1
    at = next((token for token in tokens if token.start == offset), None)
    if kinds := UNTERMINATED.get(answer.complaint):
        if at is None and b"/*" in answer.complaint:
            at = next((token for token in reading.tokens if token.start == offset), None)
        return None if at and at.kind in kinds else f"{answer.complaint!r} at {offset}, we see {at}"
    if answer.complaint in WHOLE_TOKEN or answer.complaint.startswith(b"trailing junk"):
        if at is None:
            return f"the server's token begins at {offset}, where none of ours does: {answer.near!r}"
        if answer.complaint.startswith(b"trailing junk") or answer.near is None or not answer.near.isascii():
            return None
        ours = text[at.start : at.end]
        if at.kind.startswith("unicode") and answer.near.startswith(ours):
            return None  # The server counts a UESCAPE clause to the literal.
        if ours != answer.near and not reading.has_possible_ascii:
            return f"the server's token is {answer.near!r}, ours {ours!r}"
        return None
    # Errors inside literals: bad escapes, zero-length names.
    inside = next((token for token in tokens if token.start <= offset < max(token.end, token.start + 1)), None)
    return None if inside and inside.kind.rstrip("!") in LITERALS else f"{answer.message!r} at {offset}, we see {inside}"
