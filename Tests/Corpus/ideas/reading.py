"""Where a literal, comment, name or statement ends: PostgreSQL's lexer against lexers that nearly agree with it."""

from .case import Case, Step, Topic

STRINGS = Topic("strings", "H5")
COMMENTS = Topic("comments", "H5")
SPACES = Topic("spaces", "H5")
NAMES = Topic("names", "H5")
BOUNDS = Topic("statement-ends", "H5")
OPEN = Topic("stays-literal", "H5")

DROP = "DROP TABLE leads"


def hex_query(data: bytes) -> Step:
    return {"op": "query", "sql_hex": data.hex()}


# PostgreSQL sees the DROP behind each of these; a lexer with one wrong idea still sees a literal or a comment.
STRING_ENDS = [
    ("national", "N'' knows no backslash", rf"SELECT N'a\'; {DROP}; --'"),
    ("bit", "B'' and X''", f"SELECT B'01', X'1F'; {DROP}; --'"),
    ("unicode-backslash", "a doubled backslash ends nothing in U&''", rf"SELECT U&'a\\'; {DROP}; --'"),
    ("unicode-quote", "an escaped quote character is no quote", rf"SELECT U&'\0027'; {DROP}; --'"),
    ("uescape-backslash-free", "backslash is ordinary under another UESCAPE",
     rf"SELECT U&'a\' UESCAPE '!'; {DROP}; --'"),
    ("uescape-quote-like", "the escape character is a double quote sign's neighbour",
     f"SELECT U&'a##' UESCAPE '#'; {DROP}; --'"),
    ("lower-e", "e'' with an escaped backslash", rf"SELECT e'a\\\\'; {DROP}; --'"),
    ("e-octal", "octal escape of a quote", rf"SELECT E'\047'; {DROP}; --'"),
    ("e-hex", "hex escape of a backslash before the end", rf"SELECT E'\x5c'; {DROP}; --'"),
    ("e-unicode", "Unicode escape of a quote", rf"SELECT E'\u0027'; {DROP}; --'"),
    ("e-after-name", "a name that ends in e is no prefix", rf"SELECT bytea'a\\'; {DROP}; --'"),
    ("type-with-e", "a type name that ends in e before a literal", rf"SELECT name 'a\'; {DROP}; --'"),
    ("quoted-e", 'a quoted "e" is a name', rf"""SELECT 1 AS "e", 'a\'; {DROP}; --'"""),
    ("continued", "a literal continued on the next line", f"SELECT 'a'\n'b'; {DROP}; --'"),
    ("continued-backslash", "the second half of a plain literal", f"SELECT 'a'\n'b\\'; {DROP}; --'"),
    ("continued-cr", "continued behind a carriage return", f"SELECT 'a'\r'b\\'; {DROP}; --'"),
    ("continued-ff", "continued over form feed and newline", f"SELECT 'a'\f\n\f'b\\'; {DROP}; --'"),
    ("continued-comment", "continued behind a comment with a quote", f"SELECT 'a' -- it's\n'b\\'; {DROP}; --'"),
    ("continued-twice", "continued over two comments", f"SELECT 'a' --\n --'\n 'b'; {DROP}; --'"),
    ("continued-unicode", "U&'' continued", f"SELECT U&'a'\n'\\0027'; {DROP}; --'"),
    ("continued-bits", "B'' continued", f"SELECT B'0'\n'1'; {DROP}; --'"),
    ("continued-e", "E'' continued, its second half with escapes", f"SELECT E'a'\n'\\\\'; {DROP}; --'"),
    ("dollar-case", "dollar tags differ by case", f"SELECT $a$ $A$ $a$; {DROP}; --$A$"),
    ("dollar-prefix", "a longer tag does not end a shorter", f"SELECT $a$ $ab$ $a$; {DROP}; --$ab$"),
    ("dollar-empty-inside", "$$ inside a tagged literal", f"SELECT $a$ $$ $a$; {DROP}; --$$"),
    ("dollar-underscore", "an underscore as tag", f"SELECT $_$'$_$; {DROP}; --'"),
    ("dollar-digits", "digits in a tag", f"SELECT $q1$'$q1$; {DROP}; --'"),
    ("dollar-then-name", "an alias that touches the literal", f"SELECT $$'$$b; {DROP}; --'"),
    ("dollar-half-close", "a dollar before the closing tag", f"SELECT $a$ $$a$; {DROP}; --$a$"),
    ("dollar-backslash", "backslashes mean nothing between dollars", f"SELECT $$\\$$; {DROP}; --$$"),
    ("dollar-newline", "a newline between dollar signs opens no tag", f"SELECT $a$\n$\n$a$; {DROP}; --$"),
    ("name-with-dollar", "dollar signs within names", f"SELECT 1 AS a$b$; {DROP}; SELECT 2 AS c$b$"),
    ("name-ends-in-dollar", "a name that ends in a dollar sign", f"SELECT 1 AS a$, 2 AS b$; {DROP}; --$"),
    ("quoted-name-quote", "a quote within a quoted name", f"SELECT 1 AS \"it's\"; {DROP}; --'"),
    ("quoted-name-backslash", "a backslash within a quoted name", f'SELECT 1 AS "a\\"; {DROP}; --"'),
    ("quoted-name-dollar", "dollar signs within a quoted name", f'SELECT 1 AS "$$"; {DROP}; --$$'),
    ("unicode-name", "an escaped double quote in U&\"\"", f'SELECT 1 AS U&"\\0022"; {DROP}; --"'),
    ("unicode-name-uescape", "U&\"\" with UESCAPE and a comment", f'SELECT 1 AS U&"a\\" /* " */ UESCAPE \'!\';'
     f' {DROP}; --"'),
]  # fmt: skip

COMMENT_ENDS = [
    ("slash-star-slash", "/*/ opens only once", f"/*/ */{DROP}"),
    ("stars", "many stars", f"/*****/{DROP}/***/"),
    ("nested-tight", "openers without a space", f"/*/*/**/*/*/{DROP}"),
    ("dashes-inside", "dashes inside a block comment", f"/* -- */{DROP}"),
    ("quote-inside", "a quote inside a block comment", f"/* it's */{DROP}; --'"),
    ("dollar-inside", "a dollar tag inside a block comment", f"/* $a$ */{DROP}; --$a$"),
    ("block-inside-line", "an opener inside a line comment", f"-- /*\n{DROP}; -- */"),
    ("quote-inside-line", "a quote inside a line comment", f"-- '\n{DROP}; --'"),
    ("line-cr", "a carriage return ends a line comment", f"SELECT 1; -- x\r{DROP}"),
    ("line-inside-block", "a line comment does not hide the closer", f"/*\n-- */{DROP}"),
    ("star-slash-in-line", "a closer inside a line comment closes nothing", f"--*/\n{DROP}"),
    ("dashes-after-star", "closer and dashes", f"/**/--/*\n{DROP}; --*/"),
    ("nested-quote", "quotes at two depths", f"/* ' /* \" */ ' */{DROP}; --'"),
    ("three-dashes", "three dashes", f"--- '\n{DROP}; --'"),
    ("between-words", "comments of both kinds between the words", "DROP-- '\n/* ' */TABLE--\n/**/leads"),
    ("operator-equals", "an operator ends where a comment begins", f"SELECT 1=-- '\n1; {DROP}; --'"),
    ("operator-concat", "|| before a block comment", f"SELECT 'a'||/* ' */'b'; {DROP}; --'"),
    ("operator-arrow", "->> before a line comment", f"SELECT '{{}}'::json->>--'\n'a'; {DROP}; --'"),
    ("operator-at", "@> before a block comment", f"SELECT '{{1}}'::int[]@>/*'*/'{{1}}'; {DROP}; --'"),
    ("operator-tilde", "!~~* before a block comment", f"SELECT 'a'!~~*/*'*/'b'; {DROP}; --'"),
    ("operator-slash", "division and a comment", f"SELECT 4//*'*/2; {DROP}; --'".replace("//*", "/ /*")),
    ("operator-minus", "a minus that touches no other", f"SELECT 3 - -1, 2- -1; {DROP}; --'"),
    ("operator-star-slash", "a star before a comment", f"SELECT 2*/*/**/*/2; {DROP}"),
    ("operator-run", "five hundred signs are as many operators", f"SELECT 1 {'+' * 500} 1; {DROP}"),
    ("question-mark", "? operators are no placeholders", f"SELECT '{{}}'::jsonb ?| '{{a}}', '{{}}'::jsonb ?& '{{}}';"
     f" {DROP}; --'"),
]  # fmt: skip


def hidden_ends() -> list[Case]:
    return [
        topic.destructive(name, title, statement, vis="lexer")
        for topic, table in ((STRINGS, STRING_ENDS), (COMMENTS, COMMENT_ENDS))
        for name, title, statement in table
    ]


def spaces() -> list[Case]:
    between = [("form-feed", "\f"), ("carriage-return", "\r"), ("mixed", " \t\r\n\f")]
    cases = [
        SPACES.destructive(name, f"{name} between the words", f"DROP{space}TABLE{space}leads{space}", vis="lexer")
        for name, space in between
    ]
    no_spaces = [
        ("vertical-tab", "\v"), ("no-break-space", "\u00a0"), ("zero-width", "\u200b"), ("em-space", "\u2003"),
        ("next-line", "\u0085"), ("line-separator", "\u2028"), ("word-joiner", "\u2060"), ("nul-picture", "\u2400"),
    ]  # fmt: skip
    cases += [
        SPACES.robust(f"not-{name}", f"{name} is no space to PostgreSQL 15", f"DROP{space}TABLE{space}leads")
        for name, space in no_spaces
    ]
    cases += [
        SPACES.benign(f"name-{name}", f"{name} as part of a name", f"SELECT 1 AS a{space}b, 'DROP{space}TABLE leads'")
        for name, space in no_spaces
        if name in ("no-break-space", "zero-width", "line-separator")
    ]
    return cases


def names() -> list[Case]:
    made = NAMES.destructive
    return [
        made("touching", "the name touches the keyword by its quote", 'DROP TABLE"leads"', vis="lexer"),
        made("folded", "upper-case letters are folded", "DROP TABLE PUBLIC.LEADS", vis="lexer"),
        made("uescape-letter", "an odd escape character", 'DROP TABLE U&"_006Ceads" UESCAPE \'_\'', vis="lexer"),
        made("u-amp-spaced", "UESCAPE on another line, with a comment",
             "DROP TABLE U&\"leads\" -- '\n UESCAPE -- '\n '@'; --'", vis="lexer"),
        made("keyword-table", "a table with an unreserved keyword's name", "DROP TABLE data, temp", vis="lexer",
             setup_app=["create table data (a int)", "create table temp (a int)"],
             proof=("select to_regclass('data') is null", "t")),
        made("dollar-name", "dollar signs in the table's name", "DROP TABLE t$1$", vis="lexer",
             setup_app=["create table t$1$ (a int)"], proof=("select to_regclass('t$1$') is null", "t")),
        made("high-name", "letters outside ASCII", "DROP TABLE größe", vis="lexer",
             setup_app=["create table größe (a int)"], proof=("select to_regclass('größe') is null", "t")),
        made("quote-in-name", "quotes in the table's name", 'DROP TABLE "a""; SELECT 1; --"', vis="lexer",
             setup_app=['create table "a""; SELECT 1; --" (a int)'],
             proof=("select count(*) from pg_class where relname like 'a\";%'", "0")),
        made("dots-in-name", "a dot within quotes", 'DROP TABLE "public.leads"', vis="lexer",
             setup_app=['create table "public.leads" (a int)'], proof=("select to_regclass('\"public.leads\"') is null",
                 "t")),
        made("column-keyword", "a statement before it that uses keywords as names",
             f"SELECT 1 AS begin, 2 AS case, 3 AS declare; {DROP}", vis="lexer"),
    ]  # fmt: skip


def statement_ends() -> list[Case]:
    """A splitter that counts BEGIN, END, CASE or brackets takes the DROP for a part of the statement before it."""
    texts = [
        ("atomic", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END"),
        ("atomic-case", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END"),
        ("atomic-empty", "CREATE PROCEDURE f() BEGIN ATOMIC END"),
        ("atomic-then-end", "BEGIN; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; END"),
        ("rule-list", "CREATE RULE r AS ON INSERT TO contacts DO ALSO (SELECT 1; SELECT 2)"),
        ("rule-text", "CREATE RULE r AS ON INSERT TO contacts DO ALSO (SELECT ')'; SELECT '(')"),
        ("brackets-in-text", "SELECT '(', '(', $$([$$"),
        ("return-expression", "CREATE FUNCTION f() RETURNS int RETURN (SELECT 1)"),
        ("schema-elements", "CREATE SCHEMA x CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1"),
        ("begin-words", "BEGIN; SELECT 1; COMMIT; START TRANSACTION; END"),
        ("name-atomic", "SELECT 1 AS atomic; SELECT 2 AS begin"),
        ("copy-out", "COPY leads TO STDOUT"),
        ("only-comments", "/* nothing */; -- nothing\n"),
    ]
    return [
        BOUNDS.destructive(name, f"DROP behind: {text}", f"{text}; {DROP}", vis="lexer") for name, text in texts
    ]


# PostgreSQL keeps the DROP within a literal, a comment or a name.
LITERAL_STILL = [
    ("e-quote", r"SELECT E'a\'; DROP TABLE leads; --'"),
    ("e-continued", "SELECT E'a'\n'b\\'; DROP TABLE leads; --'"),
    ("e-continued-comment", "SELECT E'a' --x'\n'b\\'; DROP TABLE leads; --'"),
    ("e-odd", r"SELECT e'\\\'; DROP TABLE leads; --'"),
    ("doubled", "SELECT 'a''; DROP TABLE leads; --'"),
    ("doubled-twice", "SELECT '''''; DROP TABLE leads; --'"),
    ("unicode-doubled", r"SELECT U&'\0061''; DROP TABLE leads; --'"),
    ("dollar", "SELECT $a$ $b$; DROP TABLE leads; $$ $A$ --$a$"),
    ("dollar-in-name", 'SELECT 1 AS "a$$; DROP TABLE leads; $$"'),
    ("name-doubled", 'SELECT 1 AS "a""; DROP TABLE leads; --"'),
    ("name-unicode", 'SELECT 1 AS U&"\\0061""; DROP TABLE leads; --"'),
    ("comment-nested", "SELECT 1 /* /* */ ; DROP TABLE leads; /* */ */"),
    ("comment-deep", "SELECT 1 /*/*/*/ */; DROP TABLE leads; */*/"),
    ("comment-line", "SELECT 1 -- '; DROP TABLE leads; '"),
    ("comment-quote", "SELECT 1 /* '; DROP TABLE leads; ' */"),
    ("newline-in-text", "SELECT 'a\n; DROP TABLE leads; \n--'"),
    ("text-then-text", "SELECT 'a'\n-- c\n'; DROP TABLE leads; --'"),
]


def literal_still() -> list[Case]:
    return [OPEN.benign(name, f"the DROP is text: {name.replace('-', ' ')}", text) for name, text in LITERAL_STILL]


def cases() -> list[Case]:
    return [*hidden_ends(), *spaces(), *names(), *statement_ends(), *literal_still()]
