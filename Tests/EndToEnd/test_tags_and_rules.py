"""Which environment a connection belongs to, and what the operator's rules do there."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import StartHoldfast
from support.postgres import PASSWORD, PostgresServer
from support.proxy import RULES, Holdfast
from support.wire import WireClient, query, startup, transcript

REFUSED, DROPPED = ["E(42501)", "ZI"], ["C(DROP TABLE)", "ZI"]


@pytest.fixture
def leads(postgres: PostgresServer, production: str) -> str:
    postgres.execute("CREATE TABLE leads (id int)", production)
    postgres.execute("GRANT ALL ON SCHEMA public TO PUBLIC", production)
    return production


def drop(holdfast: Holdfast, database: str, index: int = 0, **parameters: Any) -> list[str]:
    """What the client is told when it tries to drop `leads`."""
    with WireClient(**holdfast.address(index)) as client:
        client.login(database, **parameters)
        return transcript(client.ask(query("DROP TABLE leads")))


def test_a_listener_can_give_the_tag(start_holdfast: StartHoldfast, leads: str, socket_folder: Path) -> None:
    path = f"unix:{socket_folder}/.s.PGSQL.6543"
    holdfast = start_holdfast(listen=["127.0.0.1:0", path], tags=[{"name": "test", "listener": [path]}])
    assert drop(holdfast, leads, index=0) == REFUSED
    assert drop(holdfast, leads, index=1) == DROPPED


def test_a_client_address_can_give_the_tag(start_holdfast: StartHoldfast, leads: str) -> None:
    elsewhere = start_holdfast(tags=[{"name": "test", "client": ["10.0.0.0/8", "::1", "local"]}])
    assert drop(elsewhere, leads) == REFUSED
    here = start_holdfast(tags=[{"name": "test", "client": ["127.0.0.0/8"]}])
    assert drop(here, leads) == DROPPED


def test_user_and_database_of_a_tag_must_both_hold(start_holdfast: StartHoldfast, leads: str) -> None:
    holdfast = start_holdfast(tags=[{"name": "test", "user": ["ci_*", "postgres"], "database": ["other"]}])
    assert drop(holdfast, leads) == REFUSED
    holdfast = start_holdfast(tags=[{"name": "test", "user": ["ci_*", "postgres"], "database": [leads]}])
    assert drop(holdfast, leads) == DROPPED


def test_a_connection_cannot_leave_its_tag(holdfast: Holdfast, leads: str) -> None:
    attempts = [
        "SET application_name = 'test'", "SET ROLE ann_password", "RESET ROLE", "DISCARD ALL",
        "SET SESSION AUTHORIZATION ann_password", "RESET SESSION AUTHORIZATION",
    ]  # fmt: skip
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(leads)
        for attempt in attempts:
            client.ask(query(attempt))
            assert transcript(client.ask(query("DROP TABLE leads"))) == REFUSED


def test_the_last_of_a_repeated_database_counts_as_it_does_for_the_server(holdfast: Holdfast, leads: str) -> None:
    def said(first: str, last: str) -> str:
        with WireClient(holdfast.host, holdfast.port) as client:
            packet = startup({"user": "postgres", "database": first})[:-1]
            packet += b"database\0" + last.encode() + b"\0\0"
            client.send(len(packet).to_bytes(4) + packet[4:])
            client.until("Z")
            return transcript(client.ask(query("SELECT current_database(); DROP SCHEMA public CASCADE")))[-2]

    assert said("shop_test", leads) == "E(42501)"
    assert said(leads, "postgres") == "E(42501)"


def test_a_database_name_is_cut_where_the_server_cuts_it(holdfast: Holdfast, postgres: PostgresServer) -> None:
    name = "n" * 63
    with postgres.database(name):
        postgres.execute("CREATE TABLE leads (id int)", name)
        # To the server this is the database above; only to a careless reader does it end in _test.
        assert drop(holdfast, name + "_test") == REFUSED


def test_without_a_database_the_users_name_counts(start_holdfast: StartHoldfast, postgres: PostgresServer) -> None:
    holdfast = start_holdfast(tags=[{"name": "test", "database": ["ann_password"]}])
    with postgres.database("ann_password"):
        postgres.execute("CREATE TABLE leads (id int); ALTER TABLE leads OWNER TO ann_password", "ann_password")
        with psycopg.connect(
            host=holdfast.host, port=holdfast.port, user="ann_password", password=PASSWORD, autocommit=True
        ) as connection:
            connection.execute("DROP TABLE leads")


def test_a_warning_passes_with_a_notice_and_a_mark_in_the_trail(start_holdfast: StartHoldfast, leads: str) -> None:
    holdfast = start_holdfast(rules=[{"name": "look here", "classes": ["drop_table"], "action": "warn", "hint": "why?"}])
    notices: list[tuple[str | None, ...]] = []
    with holdfast.connect(leads) as connection:
        connection.add_notice_handler(
            lambda notice: notices.append((notice.severity, notice.message_primary, notice.message_hint))
        )
        connection.execute("DROP TABLE leads")
    ((severity, message, hint),) = notices
    assert (severity, hint) == ("WARNING", "why?")
    assert message and "look here" in message
    (intent,) = holdfast.trail.records(event="intent")
    assert (intent["verdict"], intent["rule"]) == ("warn", "look here")
    assert holdfast.trail.wait(event="outcome", id=intent["id"])[0]["transaction"] == "committed"


def test_a_rules_own_words_reach_the_person(start_holdfast: StartHoldfast, leads: str) -> None:
    rule = {**RULES[0], "message": "Fridays are no day for this.", "hint": "Ask Grace, extension 1906."}
    holdfast = start_holdfast(rules=[rule])
    with holdfast.connect(leads) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute("DROP TABLE leads")
    assert "Fridays are no day for this." in caught.value.diag.message_primary
    assert "Ask Grace, extension 1906." in caught.value.diag.message_hint


def test_an_allow_rule_opens_one_schema(start_holdfast: StartHoldfast, leads: str) -> None:
    scratch = {"name": "scratch", "classes": ["drop_table"], "objects": ["scratch.*"], "action": "allow"}
    holdfast = start_holdfast(rules=[scratch, *RULES])
    with holdfast.connect(leads) as connection:
        connection.execute("CREATE SCHEMA scratch; CREATE TABLE scratch.a (); CREATE TABLE scratch.b ()")
        connection.execute("DROP TABLE scratch.a")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE scratch.b, leads")


@pytest.mark.parametrize("name", ["pytest", "pytest-xdist worker gw1"])
def test_a_client_that_calls_itself_pytest_is_told_to_use_a_disposable_database(
    holdfast: Holdfast, leads: str, name: str
) -> None:
    with holdfast.connect(leads, application_name=name) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute("TRUNCATE leads")
    assert "DATABASE_URL" in caught.value.diag.message_hint
    assert "disposable" in caught.value.diag.message_hint


MEGABYTE = "x" * 1_000_000


def test_a_statement_within_max_statement_passes_whole(start_holdfast: StartHoldfast, leads: str) -> None:
    holdfast = start_holdfast(top={"max_statement": "4MB"})
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(leads)
        (row,) = [item for item in client.ask(query(f"SELECT length('{MEGABYTE * 3}')")) if item.kind == "D"]
        assert row.values == ["3000000"]
        drop_behind = query(f"SELECT '{MEGABYTE * 3}'; DROP TABLE leads")
        assert transcript(client.ask(drop_behind)) == REFUSED


def test_a_drop_at_the_end_of_a_statement_over_max_statement_is_refused_and_the_session_goes_on(
    start_holdfast: StartHoldfast, postgres: PostgresServer, leads: str
) -> None:
    holdfast = start_holdfast(top={"max_statement": "1MB"})
    before = holdfast.resident_kilobytes()
    with WireClient(holdfast.host, holdfast.port, timeout=60) as client:
        client.login(leads)
        assert transcript(client.ask(query(f"SELECT '{MEGABYTE * 30}'; DROP TABLE leads"))) == REFUSED
        assert transcript(client.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "ZI"]
    assert postgres.value("SELECT to_regclass('leads') IS NOT NULL", leads)
    assert holdfast.resident_kilobytes() < before + 60_000
