"""No secret of a statement reaches a file that Holdfast writes, or an error that it makes."""

import json
from collections import defaultdict
from collections.abc import Iterator

import pytest

from conftest import StartHoldfast
from support.audit_schema import assert_valid
from support.postgres import PostgresServer
from support.proxy import Holdfast
from support.secrets import SecretStatement, forms, harmless_statements, new_secret, secret_statements, written_files
from support.wire import SYNC, Message, WireClient, bind, execute, parse, query, startup

STATEMENTS = secret_statements()
# Files that are closed and compressed, and the most talkative log.
WRITES_EVERYTHING = {
    "audit": {"file": "audit.jsonl", "parameters": True, "sessions": "all", "rotate_size": "64kB"},
    "log": {"level": "trace"},
}


@pytest.fixture
def role(postgres: PostgresServer, production: str, test_database: str) -> Iterator[str]:
    """One that may do much, but run no program on the server."""
    postgres.execute("CREATE ROLE rec_user LOGIN CREATEROLE CREATEDB")
    for database in (production, test_database):
        postgres.execute(f'GRANT ALL ON DATABASE "{database}" TO rec_user')
        postgres.execute("GRANT ALL ON SCHEMA public TO rec_user", database)
    yield "rec_user"
    for database in (production, test_database):
        postgres.execute("DROP OWNED BY rec_user CASCADE", database)
    postgres.execute("DROP ROLE IF EXISTS rec_a; DROP ROLE rec_user")


def own_words(messages: list[Message]) -> list[str]:
    """The errors and notices that Holdfast itself has made: those without the routine of the server's source."""
    return [" ".join(item.fields.values()) for item in messages if item.kind in "EN" and "R" not in item.fields]


def send(holdfast: Holdfast, database: str, role: str, name: str, *messages: bytes) -> list[Message]:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(database, role, application_name=name)
        return client.ask(*messages)


def test_the_corpus_is_large_enough() -> None:
    assert len({statement.title for statement in STATEMENTS}) == len(STATEMENTS) >= 100
    assert all("{secret}" in statement.template for statement in STATEMENTS)


def test_no_secret_reaches_a_file_or_an_error(
    start_holdfast: StartHoldfast, production: str, test_database: str, role: str
) -> None:
    holdfast = start_holdfast(**WRITES_EVERYTHING)
    sent: dict[str, tuple[SecretStatement, list[str]]] = {}
    leaks: list[str] = []
    refusals = 0
    for database in (production, test_database):
        for number, statement in enumerate(STATEMENTS):
            for protocol in ("simple", "extended"):
                text, made = statement.written()
                name = f"{database} {protocol} {number}"
                sent[name] = (statement, made)
                messages = [query(text)] if protocol == "simple" else [parse(text), bind(), execute(), SYNC]
                for words in own_words(send(holdfast, database, role, name, *messages)):
                    refusals += "holdfast refused" in words
                    leaks += [f"error of {name}: {words}" for secret in made if secret in words]
    holdfast.stop()
    assert_valid(holdfast.folder)

    recorded: set[str] = set()
    for path, content in written_files(holdfast.folder):
        lowered = content.lower()
        for name, (statement, made) in sent.items():
            for secret in made:
                for form in forms(secret):
                    if (at := lowered.find(form)) >= 0:
                        leaks.append(f"{path.name}, {name} ({statement.title}): {content[max(0, at - 120) : at + 40]}")
        if path.name.startswith("audit") and path.suffix in (".jsonl", ".zst"):
            for record in map(json.loads, content.splitlines()):
                if "***" in record.get("sql", ""):
                    recorded.add(record["application_name"])
    assert not leaks, f"{len(leaks)} secrets came through:\n" + "\n".join(leaks)
    # All this says nothing unless most of them are recorded, and some are refused.
    by_title = defaultdict(set)
    for name in recorded:
        by_title[sent[name][0].title].add(name)
    silent = [statement.title for statement in STATEMENTS if not by_title[statement.title]]
    assert len(by_title) >= 100, f"{len(silent)} were never recorded: {silent}"
    assert refusals > 20
    assert any(path.suffix == ".zst" for path, _ in written_files(holdfast.folder))


def test_what_is_no_secret_is_recorded_as_it_is(start_holdfast: StartHoldfast, test_database: str, role: str) -> None:
    holdfast = start_holdfast(**WRITES_EVERYTHING)
    statements = harmless_statements()
    for number, statement in enumerate(statements):
        send(holdfast, test_database, role, f"harmless {number}", query(statement))
    holdfast.stop()
    shown = [
        record["sql"]
        for path, content in written_files(holdfast.folder)
        if path.name.startswith("audit") and path.suffix in (".jsonl", ".zst")
        for record in map(json.loads, content.splitlines())
        if "sql" in record
    ]
    changed = [text for text in shown if text not in statements]
    assert not changed
    assert len(shown) > len(statements) // 2


def test_the_servers_error_shows_no_secret_although_it_quotes_the_statement(
    holdfast: Holdfast, test_database: str
) -> None:
    secret = new_secret()
    statement = f"CREATE TABLE shown (); ALTER ROLE nobody_here PASSWORD {secret}"
    messages = send(holdfast, test_database, "postgres", "", query(statement))
    # The client is told by the server what it had sent itself.
    assert any(secret in item.fields["M"] for item in messages if item.kind == "E")
    (outcome,) = holdfast.trail.wait(event="outcome", sqlstate="42601")
    assert secret not in holdfast.trail.path.read_text()
    assert "***" in outcome["message"]


@pytest.mark.parametrize("prefix", ["CREATE ROLE rec_b PASSWORD '", "CREATE SUBSCRIPTION s CONNECTION 'postgres://u:"])
def test_a_secret_that_is_cut_does_not_become_visible(
    start_holdfast: StartHoldfast, production: str, prefix: str
) -> None:
    """Of a message longer than max_statement the first bytes are shown, of a text longer than max_text both ends."""
    audit = {"file": "audit.jsonl", "max_text": "1kB"}
    holdfast = start_holdfast(audit=audit, top={"max_statement": "64kB"})
    made: list[str] = []
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        for end in (*range(740, 790, 3), *range(1060, 1110, 3)):
            for rest in (" " * 70_000, " " * 1000, ""):
                secret = new_secret() * 3
                made.append(secret)
                padding = "/*" + "x" * (end - len(prefix) - 8 - len(secret) // 2) + "*/ "
                client.ask(query(f"{padding}{prefix}{secret}'{rest}"))
    holdfast.stop()
    for path, content in written_files(holdfast.folder):
        for secret in made:
            # Four random characters in order are no accident in a text of this length.
            assert secret[:5] not in content and secret[-5:] not in content, f"{path.name} shows {secret}"


def test_a_connection_string_as_the_applications_name_is_not_shown(
    start_holdfast: StartHoldfast, test_database: str
) -> None:
    holdfast = start_holdfast(**WRITES_EVERYTHING)
    uri, pair = new_secret(), new_secret()
    for name in (f"job postgresql://u:{uri}@db/shop", f"host=db password={pair}"):
        with WireClient(holdfast.host, holdfast.port) as client:
            client.login(test_database, application_name=name)
            client.ask(query("CREATE TABLE IF NOT EXISTS named ()"))
    # A driver that reads no URI takes it for a name.
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "postgres", "database": f"postgresql://u:{uri}@db/shop"}))
        client.rest()
    holdfast.stop()
    for path, content in written_files(holdfast.folder):
        assert uri not in content and pair not in content, path.name
    names = {record.get("application_name") for record in holdfast.trail.records(event="intent")}
    assert names == {"job postgresql://u:***@db/shop", "host=db password=***"}


def test_a_parameter_where_a_secret_would_stand_is_not_shown(
    start_holdfast: StartHoldfast, postgres: PostgresServer, test_database: str
) -> None:
    holdfast = start_holdfast(**WRITES_EVERYTHING)
    postgres.execute("CREATE TABLE users (name text, password text, note text)", test_database)
    password, uri, late = new_secret(), new_secret(), "x" * 1015 + " password=" + new_secret()
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test_database)
        statement = "UPDATE users SET password = $1, note = $2, name = $3"
        for values in (
            [password, "a note", "a name"], ["p", f"postgresql://u:{uri}@db/shop", "n"], ["p", late, None],
        ):  # fmt: skip
            client.ask(parse(statement), bind(parameters=values), execute(), SYNC)
    records = holdfast.trail.wait(3, event="intent")
    assert [record["parameters"] for record in records[:2]] == [
        ["***", "a note", "a name"], ["***", "postgresql://u:***@db/shop", "n"],
    ]  # fmt: skip
    assert records[2]["parameters"][2] is None
    shown = holdfast.trail.path.read_text()
    for secret in (password, uri, late[-16:-8]):
        assert secret not in shown
