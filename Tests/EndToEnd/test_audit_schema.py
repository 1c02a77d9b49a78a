"""Real records of every kind, with every field, against docs/audit-record.schema.json and docs/audit.md."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from jsonschema import Draft202012Validator

from conftest import StartHoldfast
from support.audit import Record
from support.audit_schema import BASE, BRANCHES, SCHEMA, all_records, assert_valid, invalid
from support.certificates import Certificates
from support.disk import disk_of
from support.postgres import PostgresServer, free_port
from support.programs import eventually
from support.proxy import REPOSITORY, RULES, Holdfast, command
from support.wire import SYNC, WireClient, bind, execute, parse, query

# Fields that nothing here provokes, each with its reason.
NOT_PROVOKED = {
    # A cascade over more things than the server is asked to list.
    ("intent", "blast_radius.cut"), ("refusal", "blast_radius.cut"),
    # Of a torn line in a file that was closed before it was found.
    ("file_start", "torn_bytes"), ("file_start", "torn_sha256"),
    # A statement that is refused when it is bound, at a text of more than max_text.
    ("refusal", "parameters"),
}  # fmt: skip
WATCHER = "schema_watcher"


def fields_of(record: Record) -> set[tuple[str, str]]:
    """The kind with each key of its own, and with each key of an object in it."""
    found: set[tuple[str, str]] = set()
    for key, value in record.items():
        if key in BASE and key not in ("os_user", "backend_pid"):
            continue
        found.add((record["event"], key))
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                found |= {(record["event"], f"{key}.{name}") for name in inner}
    return found


def fields_of_schema() -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for event, branch in BRANCHES.items():
        for key, value in branch["properties"].items():
            if key in BASE:
                continue
            found.add((event, key))
            value = value if isinstance(value, dict) else {}
            inner = value.get("items", value)
            inner = SCHEMA["$defs"]["object"] if inner.get("$ref") == "#/$defs/object" else inner
            found |= {(event, f"{key}.{name}") for name in inner.get("properties", {})}
    return found


def test_the_schema_is_a_schema_and_allows_nothing_else() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    whole = Draft202012Validator(SCHEMA)
    assert all(branch["additionalProperties"] is False for branch in BRANCHES.values())
    assert not whole.is_valid({"v": 2, "event": "intent"})
    page = (REPOSITORY / "docs/audit.md").read_text()
    for event, branch in BRANCHES.items():
        assert f"`{event}`" in page
        for key in branch["properties"]:
            assert f"`{key}`" in page, f"docs/audit.md does not say what {key} is"


def ddl(client: WireClient, *statements: str) -> None:
    for statement in statements:
        client.ask(query(statement))


@pytest.fixture
def disk() -> Iterator[Path]:
    """A file system of its own, which can be filled."""
    with disk_of("80m") as folder:
        yield folder


def of_statements(
    start: StartHoldfast, certificates: Certificates, postgres: PostgresServer, production: str, test: str,
    sockets: Path,
) -> list[Record]:
    """Statements in every course, files closed and deleted, checkpoints, a crash, reloads."""
    warned = {
        "name": "warned", "tags": ["production"], "classes": ["table_loss"], "objects": ["warned"], "action": "warn",
    }  # fmt: skip
    audit = {
        "file": "audit.jsonl", "rotate_size": "64kB", "keep_files": 1, "checkpoint_interval": "1s", "sessions": "all",
        "parameters": True, "max_text": "2kB",
    }  # fmt: skip
    holdfast = start(
        listen=["127.0.0.1:0", f"unix:{sockets}/.s.PGSQL.6543"], audit=audit, rules=[warned, *RULES],
        client_tls={"mode": "allow", **certificates.server.proxy_settings()},
        catalog={"connection": f"host=127.0.0.1 port={free_port()} user=nobody"},
    )  # fmt: skip
    for database in (production, test):
        postgres.execute("CREATE TABLE warned (id int, note text); CREATE TABLE kept (id int, note text)", database)
    seen: list[Record] = []
    with WireClient(str(sockets), 6543) as client:
        client.login(production)
        ddl(client, "DROP TABLE kept", "DROP TABLE warned", "DROP TABLE kept /* " + "x" * 3000 + " */")
    with psycopg.connect(
        host="127.0.0.1", port=holdfast.port, dbname=production, user="postgres", sslmode="require", autocommit=True
    ) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DROP TABLE kept")
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test)
        ddl(client, "DROP TABLE missing", "CREATE TABLE long (id int) /* " + "x" * 3000 + " */")
        client.ask(parse("UPDATE kept SET note = $1, id = $2"), bind(parameters=["a", None]), execute(), SYNC)
        ddl(client, "BEGIN", "CREATE TABLE two ()", "PREPARE TRANSACTION 'first'", "COMMIT PREPARED 'first'")
        ddl(client, "BEGIN", "CREATE TABLE three ()", "PREPARE TRANSACTION 'second'", "BEGIN", "CREATE TABLE open ()")
        # Files end and are deleted while these two are open; each is looked at before.
        with WireClient(holdfast.host, holdfast.port) as other:
            other.login(test)
            for number in range(150):
                ddl(other, f"CREATE TABLE filler{number} () /* {'x' * 1500} */")
                if number % 25 == 0:
                    seen += all_records(holdfast.folder)
        eventually(lambda: any(record["event"] == "retired" for record in all_records(holdfast.folder)))
        eventually(lambda: any(record["event"] == "checkpoint" for record in all_records(holdfast.folder)))
        reload(holdfast, "proxy.conf was not taken over", "max_clients = 'many'")
        holdfast.settings.top["max_clients"] = 77
        holdfast.settings.top["drain_timeout"] = "5s"
        reload(holdfast, "proxy.conf was read again")
        del holdfast.settings.top["drain_timeout"]
        holdfast.settings.top["max_clients"] = 78
        reload(holdfast, "proxy.conf was read again")
        seen += all_records(holdfast.folder)
        holdfast.kill()
    with open(holdfast.trail.path, "a") as file:
        file.write('{"v":2,"seq":99999,"time":"20')
    holdfast.restart()
    eventually(lambda: '"event":"recovered"' in holdfast.trail.path.read_text())
    holdfast.stop()
    postgres.execute("ROLLBACK PREPARED 'second'", test)
    seen += all_records(holdfast.folder)
    assert not (faults := invalid(seen)), "\n".join(faults[:20])
    return seen


def reload(holdfast: Holdfast, words: str, text: str | None = None) -> None:
    since = len(holdfast.log_text())
    holdfast.write(text if text is not None else holdfast.settings)
    holdfast.reload()
    holdfast.wait_for_log(words, since)


def of_findings(start: StartHoldfast, postgres: PostgresServer, test: str) -> list[Record]:
    """What the server did besides."""
    postgres.execute(f"CREATE ROLE {WATCHER} LOGIN")
    url = f"postgresql://{{}}@{postgres.host}:{postgres.port}/{test}"
    command("guard", "install", "--database", url.format("postgres"), "--role", WATCHER, "--exempt", "*.*")
    holdfast = start(guard={"connection": url.format(WATCHER), "watch": "100ms"})
    postgres.execute(
        "CREATE TABLE victim (); CREATE TABLE shown ();"
        "CREATE FUNCTION also() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN DROP TABLE IF EXISTS victim; END$$;"
        "CREATE EVENT TRIGGER also ON ddl_command_start WHEN TAG IN ('COMMENT') EXECUTE FUNCTION also()",
        test,
    )
    with holdfast.connect(test) as connection:
        connection.execute("COMMENT ON TABLE shown IS 'x'")
    eventually(lambda: any("intent" in record for record in holdfast.trail.records(event="finding")))
    holdfast.trail.wait(event="watermark")
    holdfast.stop()
    return all_records(holdfast.folder)


def of_a_watch(start: StartHoldfast, postgres: PostgresServer, test: str) -> list[Record]:
    """A table that is expected and missing, and then made."""
    url = f"postgresql://postgres@{postgres.host}:{postgres.port}/{test}"
    holdfast = start(watch=[{"name": "shop", "connection": url, "interval": "1s", "tables": ["wanted"]}])
    holdfast.trail.wait(event="watch", state="raised")
    with holdfast.connect(test) as connection:
        connection.execute("CREATE TABLE wanted ()")
    holdfast.trail.wait(event="watch", state="cleared")
    holdfast.stop()
    return all_records(holdfast.folder)


def of_a_snapshot(start: StartHoldfast, postgres: PostgresServer, production: str) -> list[Record]:
    """A table that may be dropped, and is kept first."""
    connection = f"host={postgres.host} port={postgres.port} user=postgres dbname=postgres"
    passing = {"name": "one may go", "classes": ["table_loss"], "objects": ["going"], "action": "allow"}
    holdfast = start(rules=[passing, *RULES], snapshots={"folder": "snapshots", "connection": connection})
    with holdfast.connect(production) as session:
        session.execute("CREATE TABLE going ()")
        session.execute("DROP TABLE going")
    holdfast.trail.wait(event="snapshot", action="taken")
    holdfast.stop()
    return all_records(holdfast.folder)


def of_a_recovery(start: StartHoldfast, postgres: PostgresServer, production: str) -> list[Record]:
    """A table that is lost past the proxy, and comes back from a snapshot."""
    connection = f"host={postgres.host} port={postgres.port} user=postgres dbname={production}"
    watch = {"name": "shop", "connection": connection, "tables": ["lost"], "interval": "1s"}
    holdfast = start(
        snapshots={"folder": "snapshots", "connection": connection}, watch=[watch], watching={"state": "watch"},
    )  # fmt: skip
    postgres.execute("CREATE TABLE lost (id int)", production)
    command("snapshot", "take", "--config", holdfast.configuration, "--database", production)
    postgres.execute("DROP TABLE lost", production)
    command("recover", "shop", "--config", holdfast.configuration, "--yes")
    holdfast.trail.wait(event="recovery", action="finished")
    holdfast.stop()
    return all_records(holdfast.folder)


def of_a_full_disk(start: StartHoldfast, production: str, disk: Path) -> list[Record]:
    """Records that are lost, and said to be."""
    holdfast = start(audit={"file": str(disk / "audit.jsonl"), "rotate_size": "1GB"})
    ballast = disk / "ballast"
    with WireClient(holdfast.host, holdfast.port, timeout=60) as client:
        client.login(production)
        with open(ballast, "wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * (1 << 16))
        # More than what is kept in memory meanwhile.
        for number in range(22):
            client.ask(query(f"DROP TABLE kept /* {number} {'x' * 1_000_000} */"))
        eventually(lambda: holdfast.counters().get("audit_records_lost", 0) > 0, what="records that are lost")
        os.truncate(ballast, 0)
        holdfast.trail.wait(event="gap", timeout=30)
    holdfast.stop()
    return all_records(disk)


def test_every_kind_and_field_is_written_as_the_schema_says(
    start_holdfast: StartHoldfast, certificates: Certificates, postgres: PostgresServer, production: str,
    test_database: str, socket_folder: Path, disk: Path,
) -> None:  # fmt: skip
    seen = of_statements(start_holdfast, certificates, postgres, production, test_database, socket_folder)
    for records in (
        of_findings(start_holdfast, postgres, test_database), of_a_watch(start_holdfast, postgres, test_database),
        of_a_snapshot(start_holdfast, postgres, production), of_a_recovery(start_holdfast, postgres, production),
        of_a_full_disk(start_holdfast, production, disk),
    ):  # fmt: skip
        assert not (faults := invalid(records)), "\n".join(faults[:20])
        seen += records
    assert {record["event"] for record in seen} == set(BRANCHES)
    assert any("os_user" in record for record in seen)
    found = set().union(*(fields_of(record) for record in seen))
    missing = fields_of_schema() - found - NOT_PROVOKED
    assert not missing, f"never written: {sorted(missing)}"
    # The whole schema says the same as its alternatives one by one.
    whole = Draft202012Validator(SCHEMA)
    for event in BRANCHES:
        assert whole.is_valid(next(record for record in seen if record["event"] == event))


def test_what_a_record_holds(start_holdfast: StartHoldfast, postgres: PostgresServer, test_database: str) -> None:
    """What the schema cannot say: that the values are true."""
    holdfast = start_holdfast(audit={"file": "audit.jsonl", "sessions": "all", "max_text": "1kB"})
    text = "CREATE TABLE cut (note text DEFAULT '" + "é" * 2000 + "') -- end"
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test_database, application_name="truth")
        ddl(client, text, "CREATE TABLE a (id int DEFAULT 1)", "create table a (id int default 2) -- x")
        ddl(client, "BEGIN", "CREATE TABLE g ()", "PREPARE TRANSACTION 'gid one'")
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(test_database)
        ddl(client, "ROLLBACK PREPARED 'gid one'")
    holdfast.stop()
    assert_valid(holdfast.folder)
    cut, first, second, _ = holdfast.trail.records(event="intent")
    assert text.startswith(cut["sql"]) and text.endswith(cut["sql_tail"])
    assert len((cut["sql"] + cut["sql_tail"]).encode()) <= 1024
    assert cut["sql_bytes"] == len(text.encode())
    assert cut["sql_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert first["fingerprint"] == second["fingerprint"] != cut["fingerprint"]
    (prepared,) = holdfast.trail.records(event="outcome", transaction="prepared")
    (decided,) = holdfast.trail.records(event="transaction_end")
    assert prepared["gid"] == decided["gid"] == "gid one"
    assert decided["transaction"] == "rolled_back"
    assert decided["session"] != prepared["session"]
    starts = holdfast.trail.records(event="session_start")
    ends = holdfast.trail.records(event="session_end")
    assert {record["session"] for record in starts} == {record["session"] for record in ends}
    assert all(end["since"] <= end["time"] for end in ends)
