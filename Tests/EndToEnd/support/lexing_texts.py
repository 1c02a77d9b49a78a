"""Texts that are hard to lex: valid statements full of literals, comments and operators with hostile contents, mutated."""

from collections.abc import Sequence
from random import Random

# What ends, begins or continues something for some lexer in some state.
FRAGMENTS = [
    b"'", b"''", b'"', b'""', b"\\", b"\\\\", b"\\'", b"$", b"$$", b"$a$", b"$A$", b"$_1$", b"$1", b"$1$", b"/*", b"*/",
    b"/**/", b"/*/", b"--", b"--\n", b"--\r", b"\n", b"\r", b"\r\n", b"\f", b"\t", b" ", b"\n'", b"'\n'", b"'--\n'",
    b"' \r '", b"'\f'", b"'/**/'", b";", b"(", b")", b"[", b"]", b"E'", b"e'", b"U&'", b'U&"', b"u&'", b"U& '", b"N'",
    b"B'", b"X'", b"E", b"a", b"a$b", b"a$$", b"_", b"1e5", b"1e5$a$", b"1e", b"1e+", b"1e+5", b"0x1f", b"0b1", b"1_0",
    b"1.", b"1..2", b".5", b"..", b":=", b"::", b":", b"=>", b"<=", b"<>", b"!=", b"+-", b"@-", b"-", b"+", b"*", b"/",
    b"*/*", b"+--", b"@/*", b"|/*", b"~", b"?", b"%", b"#", b"{", b"\x01", b"\x7f", b"U&'\\", b"\\x27", b"\\047", b"\\u0027",
    b"\\0041", b" UESCAPE '!'", b" UESCAPE", b" select 1", b"; select 2", b"begin atomic", b" end", b" case", b"\x0b",
]  # fmt: skip

OPERATORS = [
    b"+", b"-", b"*", b"/", b"<", b">", b"=", b"~", b"!~", b"@>", b"<@", b"||", b"|/", b"@-", b"@@-", b"+-", b"*-", b"*+-",
    b"=-", b"-+-", b"?|", b"?-", b"#>>", b"%", b"%-+", b"^", b"&&", b"`", b"<>", b"!=", b"<=", b">=", b"<->", b"+-+-", b"-|-",
]  # fmt: skip


class TextMaker:
    """Makes texts from a seed; `characters` are multibyte characters of the client's encoding."""

    def __init__(self, random: Random, characters: Sequence[bytes], twins: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.random = random
        self.characters = characters
        # Different characters that are the same one on the server.
        self.twins = twins

    def text(self) -> bytes:
        """One text."""
        random = self.random
        statements = [self.statement() for _ in range(random.choices([1, 2, 3], [6, 3, 1])[0])]
        text = self.gap()
        for index, statement in enumerate(statements):
            text += (b";" + self.gap() if index else b"") + statement
        if random.random() < 0.3:
            text += self.gap() + b";" + self.gap()
        for _ in range(random.choices([0, 1, 2, 4], [5, 4, 2, 1])[0]):
            text = self.mutated(text)
        if random.random() < 0.4:
            text = self.probed(text)
        return text.replace(b"\0", b"")[:2000]

    def probed(self, text: bytes) -> bytes:
        """With a byte that is no token anywhere: the server's error tells whether it stands in a literal or comment."""
        at = self.random.randrange(len(text) + 1)
        return text[:at] + b"{" + text[at:]

    def mutated(self, text: bytes) -> bytes:
        random = self.random
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.choice([0, 1, 1, 2, 5, 20]))
        match random.randrange(6):
            case 0 | 1:
                return text[:start] + self.fragment() + text[start:]
            case 2:
                return text[:start] + text[end:]
            case 3:
                return text[:start] + self.fragment() + text[end:]
            case 4:
                other = random.randrange(len(text) + 1)
                return text[:other] + text[start:end] + text[other:]
            case _:
                return text[:start] + self.junk(6) + text[start:]

    def fragment(self) -> bytes:
        if self.characters and self.random.random() < 0.25:
            return self.random.choice(self.characters)
        return self.random.choice(FRAGMENTS)

    def junk(self, most: int) -> bytes:
        return b"".join(self.fragment() for _ in range(self.random.randrange(most + 1)))

    def gap(self) -> bytes:
        """White space and comments."""
        random = self.random
        parts = []
        for _ in range(random.choices([1, 2, 3], [6, 2, 1])[0]):
            match random.randrange(12):
                case 0:
                    parts.append(b"--" + self.junk(3).replace(b"\n", b"").replace(b"\r", b"") + random.choice([b"\n", b"\r"]))
                case 1:
                    parts.append(b"/*" + self.junk(3) + b"*/")
                case 2:
                    parts.append(b"/*" + self.junk(1) + b"/*" + self.junk(1) + b"*/" + self.junk(1) + b"*/")
                case 3:
                    parts.append(random.choice([b"\n", b"\r", b"\t", b"\f", b"\r\n"]))
                case _:
                    parts.append(b" ")
        return b"".join(parts)

    def name(self) -> bytes:
        random = self.random
        match random.randrange(7):
            case 0:
                return b'"' + (self.junk(3).replace(b'"', b'""') or b"x") + b'"'
            case 1:
                return b'U&"d\\0061t' + self.junk(1).replace(b'"', b'""').replace(b"\\", b"") + b'"'
            case 2:
                return random.choice([b"a$b", b"a$", b"_x", b"x1$$y", b"e", b"n", b"b", b"x", b"u"])
            case 3 if self.characters:
                return random.choice(self.characters) + b"a" + random.choice(self.characters)
            case _:
                return random.choice([b"a", b"b1", b"tab", b"Leads"])

    def tag(self) -> bytes:
        random = self.random
        if self.characters and random.random() < 0.4:
            return b"".join(random.choice(self.characters) for _ in range(random.choice([1, 1, 2])))
        return random.choice([b"", b"", b"a", b"A", b"_1", b"body", b"a1_"])

    def literal(self) -> bytes:
        random = self.random
        junk = self.junk(5)
        match random.randrange(9):
            case 0 | 1:
                return b"'" + junk.replace(b"'", b"''") + b"'"
            case 2:
                return random.choice([b"E'", b"e'"]) + junk.replace(b"'", random.choice([b"''", b"\\'"])) + b"'"
            case 3:
                return random.choice([b"U&'", b"u&'", b"N'", b"n'"]) + junk.replace(b"'", b"''").replace(b"\\", b"") + b"'"
            case 4:
                return random.choice([b"B'01'", b"x'1F'", b"X''", b"b'1'\n'0'", b"B'" + self.junk(1) + b"'"])
            case 5 | 6:
                tag = b"$" + self.tag() + b"$"
                closing = tag
                if self.twins and random.random() < 0.3:
                    one, other = random.choice(self.twins)
                    tag, closing = b"$" + one + b"$", b"$" + other + b"$"
                return tag + junk.replace(tag, b"") + closing
            case 7:
                prefix = random.choice([b"'", b"E'", b"U&'", b"'"])
                between = random.choice([b"\n", b" \n ", b"\r", b"--x\n", b" --'\n", b"\n--\r\n", b"\f\n", b" --a\n--b\n\t"])
                return prefix + self.junk(1).replace(b"'", b"''") + b"'" + between + b"'" + self.junk(1).replace(b"'", b"''") + b"'"
            case _:
                return b"'" + junk + b"'"

    def value(self, depth: int = 0) -> bytes:
        """An expression."""
        random = self.random
        if depth > 3:
            return b"1"
        match random.randrange(18):
            case 0 | 1 | 2 | 3 | 4:
                return self.literal()
            case 5 | 6:
                return self.name()
            case 7:
                return random.choice([b"1", b"1.5", b".5", b"1e5", b"1.e-3", b"2.", b"$1", b"007", b"1e10"])
            case 8 | 9:
                operator = random.choice(OPERATORS)
                return self.value(depth + 1) + random.choice([b"", b" "]) + operator + self.gap() + self.value(depth + 1)
            case 10:
                return b"(" + self.value(depth + 1) + self.gap() + b")"
            case 11:
                return b"f" + self.gap() + b"(" + self.value(depth + 1) + random.choice([b"", b", b := 2", b", c => 3"]) + b")"
            case 12:
                return self.value(depth + 1) + b"::" + random.choice([b"text", b"int[]", b"varchar(3)"])
            case 13:
                return b"a" + random.choice([b"[1]", b"[1:2]", b"[:]", b"[$1:]", b".b", b".*"])
            case 14:
                return b"(select " + self.value(depth + 1) + b")"
            case 15:
                return b"case when " + self.value(depth + 1) + self.gap() + b"then 1 end"
            case 16:
                return b"U&'d!0061' UESCAPE" + self.gap() + random.choice([b"'!'", b"E'!'", b"'a'", b"x"])
            case _:
                return b"date " + b"'" + self.junk(2).replace(b"'", b"''") + b"'"

    def query(self) -> bytes:
        random = self.random
        items = b",".join(self.gap() + self.value() + random.choice([b"", self.gap()]) for _ in range(random.randrange(1, 4)))
        return b"select" + items + random.choice([b"", b"", b" from t where " + self.value()])

    def statement(self) -> bytes:
        random = self.random
        gap = self.gap()
        match random.randrange(22):
            case 0:
                actions = b";".join(self.gap() + self.query() for _ in range(random.randrange(1, 4)))
                head = random.choice([b"create rule ", b"create or replace rule ", b"CREATE" + gap + b"RULE "])
                return head + self.name() + b" as on insert to t do " + random.choice([b"(", b"instead ("]) + actions + b")"
            case 1 | 2:
                head = random.choice([b"create function f()", b"create or replace procedure p()", b"CREATE" + gap + b"FUNCTION f(a int)"])
                if b"procedure" not in head:
                    head += b" returns int"
                actions = b"".join(self.gap() + self.query() + b";" for _ in range(random.randrange(0, 4)))
                return head + random.choice([b" ", b" language sql "]) + b"begin" + gap + b"atomic" + actions + b" end"
            case 3:
                return b"do" + gap + self.literal() + random.choice([b"", b" language plpgsql"])
            case 4:
                return b"create function f() returns int language sql as" + gap + self.literal() + random.choice([b"", b" immutable"])
            case 5:
                return b"insert into t values (" + self.value() + b"), (" + self.value() + b")"
            case 6:
                return b"comment on table a is" + gap + self.literal()
            case 7:
                return b"create schema s create table a (b int default" + gap + self.value() + b")"
            case 8:
                return b"prepare p as " + self.query()
            case 9:
                return b"set x" + random.choice([b" to ", b" = "]) + self.literal()
            case 10:
                return b"drop table " + self.name() + b"," + gap + self.name()
            case 11:
                return b"select" + gap + self.literal() + gap + b"as" + gap + self.name()
            case 12:
                return b"with w as" + gap + b"(" + self.query() + b") select * from w where x not" + gap + b"in (1)"
            case 13:
                return b"select a from t order by a nulls" + gap + b"last"
            case 14:
                return b"create view v as " + self.query()
            case _:
                return self.query()
