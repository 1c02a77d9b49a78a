"""Our lexer sees what PostgreSQL's sees: token by token, statement by statement, in every state of a session.

    pytest Tests/EndToEnd/test_lexer_differential.py --lexer-texts 2000000 --lexer-seed 7
"""

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from support.lexing import (
    POSSIBLE_ASCII, Answer, OurLexer, Reading, ServerLexer, Session, byte_offset, character_length, disagreement,
)  # fmt: skip
from support.lexing_texts import TextMaker
from support.postgres import PostgresServer

# Which client encodings each database encoding can talk to, those whose characters can hold ASCII bytes before all.
CLIENT_ENCODINGS = {
    "UTF8": [
        "UTF8", "SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "EUC_JP", "EUC_KR", "EUC_TW", "LATIN1",
        "SQL_ASCII",
    ],
    "SQL_ASCII": ["SQL_ASCII", "UTF8", "LATIN1", "SJIS", "GB18030"],
    "EUC_JP": ["SJIS", "EUC_JP", "UTF8"],
    "EUC_TW": ["BIG5", "EUC_TW"],
    "EUC_JIS_2004": ["SHIFT_JIS_2004", "UTF8"],
    "MULE_INTERNAL": ["SJIS", "BIG5"],
    "LATIN1": ["UTF8", "LATIN1"],
}  # fmt: skip
SESSIONS = [
    Session(database, client, conforming)
    for database, clients in CLIENT_ENCODINGS.items()
    for client in clients
    for conforming in (True, False)
]
# Encodings of which some characters hold bytes that look like ASCII.
UNSAFE = ["SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "UHC", "GB18030", "JOHAB"]


@pytest.fixture(scope="session")
def server(postgres: PostgresServer) -> PostgresServer:
    """With a database of each encoding."""
    for encoding in CLIENT_ENCODINGS:
        postgres.execute(
            f"CREATE DATABASE lex_{encoding.lower()} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    postgres.execute(
        """CREATE FUNCTION converted(piece bytea, source text, target text) RETURNS bytea LANGUAGE plpgsql AS
           $$ BEGIN RETURN convert(piece, source::name, target::name); EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$"""
    )
    return postgres


class Characters:
    """All multibyte characters of an encoding that a database can hold, and what the server turns them into."""

    def __init__(self, server: PostgresServer, client: str, database: str) -> None:
        candidates = "SELECT decode(lpad(to_hex(n), 4, '0'), 'hex') FROM generate_series(x'8000'::int, x'ffff'::int) n"
        if client == "GB18030":
            candidates += """ UNION ALL SELECT decode(to_hex(a) || to_hex(b) || to_hex(c) || to_hex(d), 'hex')
                FROM generate_series(129, 254) a, generate_series(48, 57) b, generate_series(129, 254, 7) c,
                     generate_series(48, 57, 3) d WHERE a < 134 OR a > 140 AND a % 20 = 4"""
        if client in ("EUC_JP", "JOHAB"):
            candidates += """ UNION ALL SELECT '\\x8f' || decode(lpad(to_hex(n), 4, '0'), 'hex')
                FROM generate_series(x'a1a1'::int, x'fefe'::int) n"""
        rows = server.rows(
            f"SELECT c, converted(c, '{client}', '{database}') FROM ({candidates}) AS s(c)"
        )
        # Two bytes can be two characters of one byte each.
        self.images = {bytes(one): bytes(other) for one, other in rows if other is not None}

    def of_one_lead(self, client: str) -> dict[bytes, bytes]:
        return {one: image for one, image in self.images.items() if character_length(client, one, 0) == len(one)}


@pytest.fixture(scope="session")
def characters(server: PostgresServer) -> dict[tuple[str, str], dict[bytes, bytes]]:
    found = {}
    for database, clients in CLIENT_ENCODINGS.items():
        for client in clients:
            if client in UNSAFE and database != "SQL_ASCII":
                found[database, client] = Characters(server, client, database).of_one_lead(client)
    return found


SAMPLES = {
    "UTF8": ["ä", "€", "日本", "\U0001f600", "\u00a0", "\u2028", "ſ", "İ"],
    "EUC_JP": ["日", "本", "。"], "EUC_KR": ["한", "국"], "EUC_TW": ["中"], "LATIN1": ["ä", "\u00a0", "ÿ"],
}  # fmt: skip
CODECS = {"UTF8": "utf-8", "EUC_JP": "euc_jp", "EUC_KR": "euc_kr", "LATIN1": "latin1"}


def sample(session: Session, characters: dict[tuple[str, str], dict[bytes, bytes]], random: Random) -> list[bytes]:
    """Characters for one session: those with a dangerous byte often."""
    images = characters.get((session.database_encoding, session.client_encoding))
    if images:
        chosen = list(images)
        dangerous = [item for item in chosen if any(byte in b"\\|@`~{}[]^_" for byte in item[1:])]
        return random.sample(dangerous or chosen, min(60, len(dangerous or chosen))) + random.sample(chosen, 40)
    if session.database_encoding in ("SQL_ASCII", "LATIN1") and session.client_encoding == session.database_encoding:
        return [bytes([byte]) for byte in range(0x80, 0x100)]
    codec = CODECS.get(session.client_encoding)
    if session.client_encoding == "SQL_ASCII":
        codec = CODECS.get(session.database_encoding)
    wanted = SAMPLES.get("LATIN1" if session.database_encoding == "LATIN1" else session.client_encoding, SAMPLES["UTF8"])
    return [text.encode(codec) for text in wanted] if codec else []


# The same for encodings without ASCII bytes in their characters.
TWINS = {
    ("UTF8", "EUC_JP"): [(b"\xa2\xe2", b"\xad\xf0")],
    ("EUC_JP", "UTF8"): [(b"\xc2\xa6", b"\xef\xbf\xa4")],
}


def twins(images: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Pairs of different characters that are one and the same on the server."""
    first: dict[bytes, bytes] = {}
    found = []
    for one, image in images.items():
        if image in first:
            found.append((first[image], one))
        else:
            first[image] = one
    return found


class Budget:
    """How many texts, and what the server said of them."""

    def __init__(self, config: pytest.Config) -> None:
        self.texts: int = config.getoption("--lexer-texts")
        self.seed: str = config.getoption("--lexer-seed")
        self.seen: Counter[str] = Counter()

    def count(self, answers: list[Answer]) -> None:
        for answer in answers:
            if answer.is_refused_unread:
                kind = "refused unread"
            elif answer.parses:
                kind = "several statements" if answer.is_several else "one statement"
            else:
                kind = answer.complaint.decode("ascii", "replace")
            self.seen[kind] += 1


@pytest.fixture(scope="session")
def budget(pytestconfig: pytest.Config) -> Iterator[Budget]:
    budget = Budget(pytestconfig)
    yield budget
    print(f"\nlexer differential: {dict(budget.seen.most_common(30))}")


def cuts(text: bytes, reading: Reading) -> Iterator[tuple[bytes, bool]]:
    """The text up to each of its semicolons, and whether we take that for a statement's end."""
    for token in reading.tokens:
        if token.kind == "semicolon":
            yield text[: token.start], not any(start < token.start < end for start, end in reading.statements)


def place(session: Session, text: bytes, answer: Answer) -> tuple[bool, bool, bytes, int | None]:
    """What must be the same for a text and its canonical form."""
    offset = None if answer.position is None else byte_offset(session.position_encoding, text, answer.position)
    return answer.parses, answer.is_several, answer.complaint, offset


# Errors of the server's lexer that the canonical text need not repeat: the server runs nothing of such a text.
REFUSED_IN_ANY_FORM = [
    b"unterminated /* comment", b"unsafe use of string constant with Unicode escapes", b"invalid Unicode escape",
    b"conversion between UTF8 and MULE_INTERNAL is not supported",
]  # fmt: skip
CANONICAL = Session("SQL_ASCII", "SQL_ASCII", True)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("session", SESSIONS, ids=str)
def test_our_lexer_sees_what_the_server_sees(session, server, characters, budget) -> None:
    random = Random(f"{budget.seed} {session}")
    pairs = twins(characters.get((session.database_encoding, session.client_encoding), {}))
    pairs += TWINS.get((session.database_encoding, session.client_encoding), [])
    ours = OurLexer()
    remaining = -(-budget.texts // len(SESSIONS))
    wrong: list[str] = []
    with ServerLexer(server, session) as theirs, ServerLexer(server, CANONICAL) as canonical:
        while remaining > 0 and len(wrong) < 20:
            maker = TextMaker(random, sample(session, characters, random), pairs)
            texts = [maker.text() for _ in range(min(remaining, 1000))]
            remaining -= len(texts)
            readings = ours.ask(session, texts)
            answers = theirs.ask(texts)
            budget.count(answers)
            read = [item for item in zip(texts, answers, readings) if not item[1].is_refused_unread]
            read = [item for item in read if not item[2].has_doubtful_tag]
            for text, answer, reading in read:
                if found := disagreement(session, text, answer, reading):
                    wrong.append(f"{text!r} hex {text.hex()}: {found}")

            # Where we cut the text into statements, the server does, and nowhere else.
            pieces = [piece for text, answer, reading in read if answer.parses for piece in cuts(text, reading)]
            for (piece, is_end), answer in zip(pieces, theirs.ask([piece for piece, _ in pieces])):
                if answer.parses != is_end:
                    wrong.append(f"{piece!r} is {'one or several' if is_end else 'no'} whole statements to us, not to the server")

            # What libpg_query is given reads as the text does.
            for (text, answer, reading), other in zip(read, canonical.ask([item[2].canonical for item in read])):
                if answer.complaint in REFUSED_IN_ANY_FORM:
                    continue
                one, two = place(session, text, answer), place(CANONICAL, reading.canonical, other)
                if reading.has_possible_ascii:
                    one, two = one[:3], two[:3]
                if one != two:
                    wrong.append(f"{text!r} hex {text.hex()} reads {one}, its canonical form {reading.canonical!r} {two}")
    assert not wrong, f"{session}:\n" + "\n".join(wrong)


# Texts of which we once believed that the DROP stands in a literal, while the server runs it.
HIDDEN_DROPS = [
    ("UTF8", "SJIS", b"SELECT $\x81\xca$ x $\xfa\x54$; DROP TABLE leads; --$\x81\xca$"),
    ("UTF8", "BIG5", b"SELECT $\xa1\x5a$ x $\xa1\xc3$; DROP TABLE leads; --$\xa1\x5a$"),
    ("UTF8", "EUC_JP", b"SELECT $\xa2\xe2$ x $\xad\xf0$; DROP TABLE leads; --$\xa2\xe2$"),
    ("UTF8", "EUC_TW", b"SELECT $\xa1\xa1$ x $\x8e\xa1\xa1\xa1$; DROP TABLE leads; --$\xa1\xa1$"),
    ("EUC_JP", "UTF8", b"SELECT $\xc2\xa6$ x $\xef\xbf\xa4$; DROP TABLE leads; --$\xc2\xa6$"),
    ("UTF8", "SHIFT_JIS_2004", b"SELECT E'\x81\x5f\\' ; DROP TABLE leads; --'"),
    ("UTF8", "SHIFT_JIS_2004", b"SELECT 1 \x81\xb0$a$'$a$; DROP TABLE leads --'"),
    ("EUC_TW", "BIG5", b"SELECT '\xa2\x27 '; DROP TABLE leads; --'"),
    ("MULE_INTERNAL", "BIG5", b"SELECT '\xa2\x27 '; DROP TABLE leads; --'"),
]


@pytest.mark.parametrize(("database", "client", "text"), HIDDEN_DROPS)
def test_no_character_hides_a_statement(database, client, text, server) -> None:
    session = Session(database, client, True)
    with ServerLexer(server, session) as theirs:
        (answer,) = theirs.ask([text])
    assert answer.is_several, answer
    (reading,) = OurLexer().ask(session, [text])
    statements = [reading.canonical[start:end] for start, end in reading.statements]
    assert reading.has_doubtful_tag or any(statement.startswith(b"DROP") for statement in statements), statements


@pytest.mark.timeout(0)
@pytest.mark.parametrize(("database", "client"), [(d, c) for d, cs in CLIENT_ENCODINGS.items() for c in cs if c in UNSAFE and d != "SQL_ASCII"])
def test_every_character_is_one_to_us(database, client, characters) -> None:
    """Every character that the server takes is a valid one to us; none becomes ASCII on the server."""
    images = characters[database, client]
    assert len(images) > 2000
    chosen = [one for one in images if client != "SHIFT_JIS_2004" or one not in POSSIBLE_ASCII]
    assert not [one for one in chosen if any(byte < 0x80 for byte in images[one])]
    session = Session(database, client, True)
    groups = [chosen[start : start + 50] for start in range(0, len(chosen), 50)]
    readings = OurLexer().ask(session, [b"'" + b"".join(group) + b"'" for group in groups])
    for group, reading in zip(groups, readings):
        # EUC_TW and MULE_INTERNAL take BIG5 characters that are none: read as one character and as two.
        assert not reading.is_invalid or any(0x40 > one[1] or one[1] == 0x7F for one in group), group
        assert [token.kind for token in reading.tokens] == ["string", "end"], group
