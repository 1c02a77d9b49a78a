"""client_encoding: characters whose bytes look like quotes and backslashes, and bytes that are no characters."""

from .case import Case, Step, Topic

HIDDEN = Topic("encoding", "H7")
NAMED = Topic("encoding-names", "H7")
HARMLESS = Topic("encoding-text", "H7")
INVALID = Topic("encoding-invalid", "H7")

DROP = b"DROP TABLE leads"


def raw(data: bytes) -> Step:
    return {"op": "query", "sql_hex": data.hex()}


def use(encoding: str) -> str:
    return f"SET client_encoding = '{encoding}'"


# A character whose second byte is a backslash: E'' ends behind it. Encoding, its two bytes.
BACKSLASH_TRAILS = [
    ("SJIS", "905c"), ("SHIFT_JIS_2004", "8b5c"), ("BIG5", "ae5c"), ("GBK", "b15c"), ("GB18030", "985c"),
]  # fmt: skip

# One byte a character: a high byte takes no quote with it.
SINGLE_BYTE = ["LATIN1", "LATIN2", "LATIN5", "LATIN9", "WIN1250", "WIN1251", "WIN1252", "KOI8U", "ISO_8859_5", "WIN866"]

# Other names of encodings that a reader has to know. Name as given, a character that ends in a backslash.
ALIASES = [
    ("shift-jis", "Shift_JIS", "905c"), ("mskanji", "mskanji", "905c"), ("win932", "WIN932", "905c"),
    ("windows932", "Windows-932", "905c"), ("win950", "win950", "ae5c"), ("windows936", "windows936", "b15c"),
    ("odd-signs", "s--j__i.s", "905c"), ("gb-18030", "gb-18030", "985c"), ("win-936", "WIN_936", "b15c"),
]  # fmt: skip


def escapes() -> list[Case]:
    """A reader by bytes takes the trail byte for an escape of the quote."""
    cases = [
        HIDDEN.destructive(
            f"e-{encoding.lower().replace('_', '-')}", f"backslash as second byte in {encoding}", use(encoding),
            raw(b"SELECT E'" + bytes.fromhex(trail) + b"'; " + DROP + b"; --'"), vis="lexer",
        )
        for encoding, trail in BACKSLASH_TRAILS
    ]  # fmt: skip
    cases += [
        NAMED.destructive(
            name, f"the encoding is called {alias}", use(alias),
            raw(b"SELECT E'" + bytes.fromhex(trail) + b"'; " + DROP + b"; --'"), vis="lexer",
        )
        for name, alias, trail in ALIASES
    ]  # fmt: skip
    return cases


def single_bytes() -> list[Case]:
    """A reader that expects UTF-8 lets the high byte swallow the quote behind it."""
    return [
        HIDDEN.destructive(
            f"byte-{encoding.lower().replace('_', '-')}", f"a high byte before the quote in {encoding}", use(encoding),
            raw(b"SELECT '\xe9'; " + DROP + b"; --'"), vis="lexer",
        )
        for encoding in SINGLE_BYTE
    ]  # fmt: skip


def ways() -> list[Case]:
    """How the encoding changes, and what of it stays."""
    text = raw(b"SELECT E'\x90\x5c'; " + DROP + b"; --'")
    made: list[tuple[str, str, list[Step], dict[str, object]]] = [
        ("names", "SET NAMES", ["SET NAMES 'SJIS'"], {}),
        ("set-config", "set_config()", ["SELECT set_config('client_' || 'encoding', 'sj' || 'is', false)"], {}),
        ("startup", "startup parameter", [], {"startup": {"extra": [["client_encoding", "SJIS"]]}}),
        ("options", "options", [], {"startup": {"extra": [["options", "-c client_encoding=sjis"]]}}),
        ("names-local", "SET LOCAL", ["BEGIN; SET LOCAL client_encoding = SJIS"], {}),
        ("reset", "RESET to the startup's", ["SET NAMES 'UTF8'", "RESET client_encoding"],
         {"startup": {"extra": [["client_encoding", "SJIS"]]}}),
        ("database", "the database's default", ["ALTER DATABASE @@DB@@ SET client_encoding = 'SJIS'",
                                                {"op": "connect"}], {}),
        ("savepoint", "set in a savepoint that is released", ["BEGIN; SAVEPOINT a; SET client_encoding = SJIS;"
            " RELEASE a"], {}),
        ("do", "set in a DO block", ["DO $$ BEGIN PERFORM set_config('client_encoding', 'SJIS', false); END $$"], {}),
    ]  # fmt: skip
    cases = [
        HIDDEN.destructive(
            f"way-{name}", f"SJIS by {title}", *before, text, *(["COMMIT"] if "BEGIN;" in str(before) else []),
            vis="lexer", **fields,
        )
        for name, title, before, fields in made
    ]  # fmt: skip
    back = raw("SELECT 'é', E'表\\\\'; DROP TABLE leads; --'".encode())
    return [
        *cases,
        HIDDEN.destructive("rolled-back", "SJIS rolled back: UTF-8 again", "BEGIN; SET NAMES 'SJIS'; ROLLBACK", back,
                           vis="lexer"),
        HIDDEN.destructive("same-message", "the encoding of a message is that of its arrival",
                           raw(b"SELECT E'a'; SET NAMES 'SJIS'; SELECT E'\\\\'; " + DROP + b"; --'"), vis="lexer"),
        HIDDEN.destructive("pipelined", "encoding and text in one go",
                           {"op": "send", "msgs": [{"t": "Query", "sql": "SET NAMES 'SJIS'"},
                                                   {"t": "Query", "sql_hex": text["sql_hex"]}]},
                           {"op": "read", "count": 2}, vis="lexer"),
        HIDDEN.destructive("type-name", "a type whose name ends in the byte of an e is no E''", "SET NAMES 'SJIS'",
                           raw(b"SELECT \x82\x85'a\\'; " + DROP + b"; --'"), vis="lexer",
                           setup_app=["create domain \uff45 as text"]),
        HIDDEN.destructive("dollar-tag", "a dollar tag of two-byte characters", "SET NAMES 'SJIS'",
                           raw(b"SELECT $\x83\x5c$'$\x83\x5c$; " + DROP + b"; --'"), vis="lexer"),
        HIDDEN.destructive("four-bytes", "four-byte characters of GB18030", "SET NAMES 'GB18030'",
                           raw(b"SELECT E'\x81\x30\x89\x38\xb9\x5c'; " + DROP + b"; --'"), vis="lexer"),
        HIDDEN.destructive("comment", "a two-byte character before the end of a comment", "SET NAMES 'BIG5'",
                           raw(b"/* \xae\x5c*/" + DROP + b"/* \xa4\x7c */"), vis="lexer"),
        HIDDEN.destructive("name", "a quoted name that ends in a backslash byte", "SET NAMES 'SJIS'",
                           raw(b'SELECT 1 AS "\x90\x5c"; ' + DROP + b'; --"'), vis="lexer"),
        HIDDEN.destructive("sql-ascii", "a lead byte takes no quote with it in SQL_ASCII",
                           raw(b"SELECT '\xe3\x81'; " + DROP + b"; --'"),
                           template="sqlascii", vis="lexer"),
        HIDDEN.destructive("sql-ascii-sjis", "bytes of SJIS in SQL_ASCII: the backslash escapes nothing in a plain"
                           " literal",
                           raw(b"SELECT '\x90\x5c'; " + DROP + b"; --'"), template="sqlascii", vis="lexer"),
        HIDDEN.destructive("latin1-server", "a server in LATIN1", raw(b"SELECT '\xc3'; " + DROP + b"; --'"),
                           template="latin1",
                           startup={"extra": [["client_encoding", "LATIN1"]]}, vis="lexer"),
        HIDDEN.destructive("euc-server", "a server in EUC_JP",
                           raw(b"SELECT '\xb0\xa1', '\x8e\xb1'; " + DROP + b"; --'"),
                           template="eucjp", startup={"extra": [["client_encoding", "EUC_JP"]]}, vis="lexer"),
        HIDDEN.destructive("euc-server-sjis", "a server in EUC_JP, a client in SJIS",
                           raw(b"SELECT E'\x90\x5c'; " + DROP + b"; --'"), template="eucjp",
                           startup={"extra": [["client_encoding", "SJIS"]]}, vis="lexer"),
    ]  # fmt: skip


def harmless() -> list[Case]:
    """Ordinary text in these encodings, and DROP within it."""
    texts = [
        ("sjis", "SJIS", "SELECT '申請; DROP TABLE leads; --', E'表\\'; DROP TABLE leads; --'", "shift_jis"),
        ("big5", "BIG5", "SELECT '功能; DROP TABLE leads', E'許\\'; DROP TABLE leads; --'", "big5"),
        ("gbk", "GBK", "SELECT '漢字', E'乗\\'; DROP TABLE leads; --' AS \"縗\"", "gbk"),
        ("gb18030", "GB18030", "SELECT 'ÿ', E'中文\\'; DROP TABLE leads; --'", "gb18030"),
        ("uhc", "UHC", "SELECT '한국어', E'값\\'; DROP TABLE leads; --'", "cp949"),
        ("euc-kr", "EUC_KR", "SELECT '한국어; DROP TABLE leads; --' AS \"이름\"", "euc_kr"),
        ("euc-cn", "EUC_CN", "SELECT '中文; DROP TABLE leads; --'", "gb2312"),
        ("euc-jp", "EUC_JP", "SELECT '日本語; DROP TABLE leads; --', 'ｱ'", "euc_jp"),
        ("latin1", "LATIN1", "SELECT 'façade ÿ; DROP TABLE leads; --' AS \"größe\"", "latin1"),
        ("win1252", "WIN1252", "SELECT '“quoted” – €; DROP TABLE leads; --'", "cp1252"),
        ("koi8r", "KOI8R", "SELECT 'привет; DROP TABLE leads; --' /* таблица */", "koi8_r"),
        ("win1251", "WIN1251", "SELECT 'я; DROP TABLE leads; --' -- я\n", "cp1251"),
        ("utf8", "UTF8", "SELECT '“; DROP TABLE leads; ”' AS \"ʹ\", 'ʼ; DROP TABLE leads; ʼ', '＇; DROP TABLE leads'",
         "utf_8"),
    ]
    return [
        HARMLESS.benign(
            name, f"text in {encoding}", "SET backslash_quote = on", use(encoding), raw(text.encode(codec))
        )
        for name, encoding, text, codec in texts
    ]


def invalid() -> list[Case]:
    """Bytes that are no characters: the server turns the whole message away."""
    parts = [
        ("lone-lead", "UTF8", b"\xe3"), ("overlong-quote", "UTF8", b"\xc0\xa7"), ("surrogate", "UTF8", b"\xed\xa0\x80"),
        ("too-large", "UTF8", b"\xf5\x80\x80\x80"), ("sjis-bad-trail", "SJIS", b"\x81\x20"), ("big5-quote-trail",
            "BIG5", b"\xa4"),
        ("euc-jp-ss3", "EUC_JP", b"\x8f\xb0"), ("gb18030-half", "GB18030", b"\x81\x30"), ("johab-trail", "JOHAB",
            b"\xd9"),
        ("johab-backslash", "JOHAB", b"\x88\x5c"),
        ("mule", "MULE_INTERNAL", b"\x81\xe9"),
    ]  # fmt: skip
    return [
        INVALID.robust(name, f"bytes that {encoding} does not have", use(encoding),
                       raw(b"SELECT '" + part + b"'; " + DROP + b"; --'"))
        for name, encoding, part in parts
    ]


def cases() -> list[Case]:
    return [*escapes(), *single_bytes(), *ways(), *harmless(), *invalid()]
