"""Protocol versions: what each client is offered and told, by PostgreSQL 15 and 18, with and without the proxy between."""

import os
import re
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import eventually, run
from support.wire import Message, WireClient, errors, query, startup, transcript


def programs_18() -> Path:
    """The programs of PostgreSQL 18, which scripts/test and scripts/lib/common.sh put here."""
    folder = Path(os.environ.get("HOLDFAST_POSTGRES_18", "/tmp/holdfast-postgresql-18.6.0/bin"))
    assert (folder / "postgres").exists(), f"no PostgreSQL 18 in {folder}; scripts/test puts it there"
    return folder


@pytest.fixture(scope="module")
def postgres18() -> Iterator[PostgresServer]:
    server = PostgresServer(programs=programs_18())
    try:
        server.start()
        server.create_roles()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=[15, 18])
def server(request: pytest.FixtureRequest, postgres: PostgresServer, postgres18: PostgresServer) -> PostgresServer:
    return postgres if request.param == 15 else postgres18


def version(major: int, minor: int) -> int:
    return major << 16 | minor


VERSIONS = [
    pytest.param(version(3, 0), id="3.0"),
    pytest.param(version(3, 1), id="3.1, which was skipped"),
    pytest.param(version(3, 2), id="3.2"),
    pytest.param(version(3, 3), id="3.3"),
    pytest.param(version(3, 9999), id="3.9999, libpq's grease"),
    pytest.param(version(3, 65535), id="3.65535"),
]

OPTIONS = [
    {},
    {"_pq_.nothing": "1"},
    {"_pq_.test_protocol_negotiation": "grease", "_pq_.other": ""},
    {"_pq_.": "x"},
    {"options": "-c work_mem=5MB", "search_path": "pg_catalog", "_pq_.late": "y"},
]


def greeting(host: str, port: int, protocol: int, options: dict[str, str], user: str) -> list[object]:
    """What the server answers to a startup packet, without what differs by chance; keys by their length."""
    with WireClient(host, port) as client:
        client.send(startup({"user": user, "database": "postgres", **options}, protocol))
        seen: list[object] = []
        while answer := client.receive():
            match answer.kind:
                case "K":
                    seen.append(("K", len(answer.body)))
                case "R" if answer.body[:4] in (struct.pack("!I", 5), struct.pack("!I", 11)):
                    seen.append(("R", answer.body[:4]))
                case "E":
                    # The lines of the source files are the server's own.
                    seen.append(("E", {letter: words for letter, words in answer.fields.items() if letter not in "FLR"}))
                case _:
                    seen.append((answer.kind, answer.body))
            if answer.kind == "Z" or (answer.kind == "R" and answer.body[:4] != struct.pack("!I", 0)):
                break
        return seen


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "no options")
@pytest.mark.parametrize("protocol", VERSIONS)
def test_every_version_and_option_gets_the_servers_own_answer(
    start_holdfast: StartHoldfast, server: PostgresServer, protocol: int, options: dict[str, str]
) -> None:
    holdfast = start_holdfast(server=server.address)
    direct = greeting(server.host, server.port, protocol, options, "postgres")
    through = greeting(holdfast.host, holdfast.port, protocol, options, "postgres")
    assert errors_of(through) == errors_of(direct)
    assert through == direct


@pytest.mark.parametrize("protocol", [version(4, 0), version(2, 0), version(1, 0), version(0, 0)])
def test_another_major_version_is_turned_away_in_the_form_that_it_reads(
    start_holdfast: StartHoldfast, server: PostgresServer, protocol: int
) -> None:
    """Without asking the server, so without knowing its newest version."""
    holdfast = start_holdfast(server=server.address)
    seen = []
    for host, port in [(server.host, server.port), (holdfast.host, holdfast.port)]:
        with socket.create_connection((host, port), 10) as connection:
            connection.sendall(startup({"user": "postgres"}, protocol))
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        # The length, the newest version, and where in the source.
        for chance in (rb"(?s)^E\0...", rb"server supports 3.0 to 3.\d", rb"3.0 and later 3.x are supported", rb"\0F.*"):
            answer = re.sub(chance, b"", answer).rstrip(b"\0")
        seen.append(answer)
    assert seen[0] == seen[1]
    assert b"unsupported frontend protocol" in seen[0]


def errors_of(seen: list[object]) -> list[object]:
    return [item for item in seen if isinstance(item, tuple) and item[0] == "E"]


@pytest.mark.parametrize("user", ["ann_password", "bob_md5", "cid_scram"])
def test_a_newer_protocol_is_negotiated_before_every_way_to_log_in(
    start_holdfast: StartHoldfast, server: PostgresServer, user: str
) -> None:
    holdfast = start_holdfast(server=server.address)
    options = {"_pq_.x": "1"}
    direct = greeting(server.host, server.port, version(3, 9999), options, user)
    assert greeting(holdfast.host, holdfast.port, version(3, 9999), options, user) == direct
    assert direct[0][0] == "v" and direct[1][0] == "R"


@pytest.mark.parametrize("most", ["3.0", "3.2", "latest"])
@pytest.mark.parametrize("least", ["3.0", "3.2"])
def test_libpq_18_gets_the_version_that_it_gets_directly(
    start_holdfast: StartHoldfast, server: PostgresServer, least: str, most: str
) -> None:
    if (least, most) == ("3.2", "3.0"):
        most = "3.2"
    holdfast = start_holdfast(server=server.address)
    seen = []
    for host, port in [(server.host, server.port), (holdfast.host, holdfast.port)]:
        words = f"host={host} port={port} user=postgres dbname=postgres min_protocol_version={least} max_protocol_version={most}"
        completed = run(
            programs_18() / "psql", "--no-psqlrc", "--tuples-only", words, "--command", r"\conninfo", "--command", "SELECT 1",
            check=False,
        )  # fmt: skip
        output = completed.stdout + completed.stderr
        seen.append((completed.returncode, re.sub(r"(?m)^.*(Backend PID|Server Port).*$|port \d+", "", output)))
    assert seen[0] == seen[1]
    reaches = server.programs is not None or least == "3.0"
    assert (seen[0][0] == 0) == reaches, seen[0][1]


def key_of(answers: list[Message]) -> bytes:
    return next(answer.body for answer in answers if answer.kind == "K")


def cancel(host: str, port: int, key: bytes) -> None:
    """A CancelRequest of either length; returns when the server has closed, which it does when it has acted."""
    with socket.create_connection((host, port), 10) as connection:
        connection.sendall(struct.pack("!II", len(key) + 8, 80877102) + key)
        assert connection.recv(1) == b""


@pytest.mark.parametrize("protocol", [version(3, 0), version(3, 2)], ids=["3.0", "3.2"])
def test_a_cancel_request_with_the_key_of_its_protocol_cancels(
    start_holdfast: StartHoldfast, postgres18: PostgresServer, protocol: int
) -> None:
    holdfast = start_holdfast(server=postgres18.address)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "postgres", "database": "postgres"}, protocol))
        key = key_of(client.until("Z"))
        assert len(key) == (4 + 32 if protocol == version(3, 2) else 8)
        client.send(query("SELECT pg_sleep(60)"))
        active = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active'"
        eventually(lambda: postgres18.rows(active))
        # Wrong keys, of the right and of other lengths, cancel nothing.
        wrong = [key[:-1] + bytes([key[-1] ^ 1]), key[:8] + bytes(len(key) - 8) if len(key) > 8 else key + b"x" * 28]
        for other in wrong:
            cancel(holdfast.host, holdfast.port, other)
        assert client.is_quiet()
        cancel(holdfast.host, holdfast.port, key)
        assert [found["C"] for found in errors(client.until("Z"))] == ["57014"]


def test_psql_18_cancels_a_statement_over_protocol_3_2(start_holdfast: StartHoldfast, postgres18: PostgresServer) -> None:
    """libpq's own cancel, as Ctrl-C in psql calls it."""
    holdfast = start_holdfast(server=postgres18.address)
    words = f"host={holdfast.host} port={holdfast.port} user=postgres dbname=postgres min_protocol_version=3.2"
    psql = subprocess.Popen(
        [programs_18() / "psql", "--no-psqlrc", words, "--command", "SELECT pg_sleep(61)"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    active = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(61)' AND state = 'active'"
    eventually(lambda: postgres18.rows(active))
    psql.send_signal(signal.SIGINT)
    _, said = psql.communicate(timeout=20)
    assert "canceling statement due to user request" in said


def test_a_refusal_on_protocol_3_2_is_a_refusal(start_holdfast: StartHoldfast, postgres18: PostgresServer) -> None:
    postgres18.execute("CREATE TABLE kept (n int)")
    holdfast = start_holdfast(server=postgres18.address)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "postgres", "database": "postgres"}, version(3, 2)))
        client.until("Z")
        assert transcript(client.ask(query("DROP TABLE kept"))) == ["E(42501)", "ZI"]
        assert transcript(client.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "ZI"]


def test_pgbench_18_runs_over_protocol_3_2(start_holdfast: StartHoldfast, postgres18: PostgresServer) -> None:
    holdfast = start_holdfast(server=postgres18.address)
    with postgres18.database("bench_test") as database:
        words = f"host={holdfast.host} port={holdfast.port} user=postgres dbname={database} min_protocol_version=3.2"
        run(programs_18() / "pgbench", "--initialize", "--quiet", words)
        for mode in ("simple", "extended", "prepared"):
            done = run(programs_18() / "pgbench", f"--protocol={mode}", "--client=8", "--transactions=100", words).stdout
            assert "number of transactions actually processed: 800/800" in done
            assert "number of failed transactions: 0" in done
