"""Where sessions go: upstreams by database, lists of servers, failover, names that change, cancels that find their server."""

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import eventually, program, run, unprivileged
from support.proxy import Holdfast, ProxySettings
from support.relay import Relay
from support.wire import WireClient, query, startup
from test_replication import standby

DEAD = "127.0.0.1:1"


@pytest.fixture(scope="module")
def other() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        server.start()
        server.execute("CREATE DATABASE billing")
        server.execute("CREATE DATABASE billing_old")
        yield server
    finally:
        server.remove()


@pytest.fixture
def silent() -> Iterator[str]:
    """An address whose connections are never completed: the listener's queue is full, and nobody takes from it."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        host, port = listener.getsockname()
        yield f"{host}:{port}"
        for filler in fillers:
            filler.close()


def port_of(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT current_setting('port')::int").fetchone()
    assert row
    return row[0]


def server_of(holdfast: Holdfast, database: str = "postgres") -> int:
    with holdfast.connect(database) as connection:
        return port_of(connection)


def failure(holdfast: Holdfast, database: str = "postgres") -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        holdfast.connect(database)
    return str(caught.value)


def probed(*servers: PostgresServer, target: str = "primary", interval: str = "200ms", **top: str) -> dict:
    return {
        "server": [server.address for server in servers],
        "top": {
            "target": target, "probe": "user=postgres dbname=postgres", "probe_interval": interval,
            "connect_timeout": "3s", **top,
        },
    }  # fmt: skip


def cancel_packet(client: WireClient) -> bytes:
    return (8 + len(client.key)).to_bytes(4, "big") + (80877102).to_bytes(4, "big") + client.key


def assert_cancels(client: WireClient, server: PostgresServer, through: Holdfast) -> None:
    """A statement runs in the client's session, and a cancel request ends it."""
    process = int.from_bytes(client.key[:4], "big")
    client.send(query("SELECT pg_sleep(60)"))
    eventually(lambda: server.value(f"SELECT state = 'active' FROM pg_stat_activity WHERE pid = {process}"))
    with socket.create_connection((through.host, through.port)) as cancelling:
        cancelling.sendall(cancel_packet(client))
        # As PostgreSQL does it: the connection ends once the request has been looked at.
        assert cancelling.recv(100) == b""
    assert [message.fields["C"] for message in client.until() if message.kind == "E"] == ["57014"]


# Upstreams by database.


def test_a_database_goes_to_the_upstream_that_names_it_and_all_others_to_the_server(
    start_holdfast: StartHoldfast, postgres: PostgresServer, other: PostgresServer
) -> None:
    holdfast = start_holdfast(upstream=[{"name": "billing", "databases": ["billing*"], "server": other.address}])
    assert server_of(holdfast) == postgres.port
    assert server_of(holdfast, "billing") == other.port
    assert server_of(holdfast, "billing_old") == other.port


def test_an_upstream_that_cannot_be_reached_is_named_and_harms_no_other(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast(upstream=[{"name": "billing", "databases": ["billing"], "server": DEAD}])
    said = failure(holdfast, "billing")
    assert f"cannot reach the PostgreSQL server at {DEAD}" in said
    assert '[[upstream]] "billing"' in said
    assert server_of(holdfast)


def test_rules_hold_on_every_upstream(
    start_holdfast: StartHoldfast, postgres: PostgresServer, other: PostgresServer
) -> None:
    holdfast = start_holdfast(upstream=[{"name": "billing", "databases": ["billing"], "server": other.address}])
    other.execute("CREATE TABLE IF NOT EXISTS invoices (id int)", "billing")
    with holdfast.connect("billing") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DROP TABLE invoices")
    assert other.value("SELECT count(*) FROM pg_class WHERE relname = 'invoices'", "billing") == 1


def test_a_block_says_whether_its_servers_are_sent_a_proxy_header(
    start_holdfast: StartHoldfast, postgres: PostgresServer, other: PostgresServer
) -> None:
    inner = start_holdfast(server=other.address, proxy_protocol={"from": ["127.0.0.1"]})
    block = {"name": "billing", "databases": ["billing"], "server": f"127.0.0.1:{inner.port}", "send_proxy": True}
    outer = start_holdfast(upstream=[block])
    # PostgreSQL would take a header for nonsense, and the inner one must have one.
    assert server_of(outer) == postgres.port
    assert server_of(outer, "billing") == other.port


def test_what_waits_for_a_restart_waits_after_another_reload_too(
    start_holdfast: StartHoldfast, postgres: PostgresServer, other: PostgresServer
) -> None:
    holdfast = start_holdfast()
    block = {"name": "billing", "databases": ["postgres"], "server": other.address}
    holdfast.write(ProxySettings(server=postgres.address, upstream=[block]))
    for _ in range(2):
        seen = len(holdfast.log_text())
        holdfast.reload()
        holdfast.wait_for_log("these settings wait for a restart", since=seen)
    assert server_of(holdfast) == postgres.port


# Cancelling.


@pytest.mark.parametrize("through", ["the same instance", "another instance"])
@pytest.mark.parametrize("database", ["postgres", "billing"])
def test_a_cancel_finds_the_server_of_its_session(
    start_holdfast: StartHoldfast, postgres: PostgresServer, other: PostgresServer, database: str, through: str
) -> None:
    settings = {"upstream": [{"name": "billing", "databases": ["billing"], "server": other.address}]}
    holdfast = start_holdfast(**settings)
    second = holdfast if through == "the same instance" else start_holdfast(**settings)
    server = other if database == "billing" else postgres
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(database)
        assert_cancels(client, server, through=second)


def test_a_cancel_with_a_wrong_key_cancels_nothing_and_ends_as_ever(
    start_holdfast: StartHoldfast, other: PostgresServer
) -> None:
    holdfast = start_holdfast(upstream=[{"name": "billing", "databases": ["billing"], "server": other.address}])
    with holdfast.connect("billing") as connection:
        packet = (16).to_bytes(4, "big") + (80877102).to_bytes(4, "big")
        packet += connection.info.backend_pid.to_bytes(4, "big") + b"\x01\x02\x03\x04"
        with socket.create_connection((holdfast.host, holdfast.port)) as cancelling:
            cancelling.sendall(packet)
            assert cancelling.recv(100) == b""
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_says_nothing_does_not_keep_a_cancel_from_the_next(
    start_holdfast: StartHoldfast, postgres: PostgresServer
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        host, port = mute.getsockname()
        holdfast = start_holdfast()
        block = {"name": "shop", "databases": ["shop*"], "server": postgres.address}
        second = start_holdfast(server=f"{host}:{port}", upstream=[block], top={"connect_timeout": "300ms"})
        with WireClient(holdfast.host, holdfast.port) as client:
            client.login("postgres")
            assert_cancels(client, postgres, through=second)


# Lists of servers.


def test_servers_that_refuse_or_say_nothing_are_passed_over(
    start_holdfast: StartHoldfast, postgres: PostgresServer, silent: str
) -> None:
    holdfast = start_holdfast(server=[DEAD, silent, postgres.address], top={"connect_timeout": "300ms"})
    assert server_of(holdfast) == postgres.port


def test_when_no_server_of_a_list_can_be_reached_all_are_named(start_holdfast: StartHoldfast, silent: str) -> None:
    holdfast = start_holdfast(server=[DEAD, silent], top={"connect_timeout": "300ms"})
    said = failure(holdfast)
    assert f"{DEAD}, {silent}" in said
    assert "timed out" in said


# The primary.


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


def promote(server: PostgresServer) -> None:
    run(program("pg_ctl"), "--pgdata", server.data, "--wait", "promote", cwd="/", **unprivileged())


def test_sessions_follow_the_primary_through_a_failover(
    start_holdfast: StartHoldfast, primary: PostgresServer
) -> None:
    with standby(start_holdfast(server=primary.address)) as copy:
        holdfast = start_holdfast(**probed(copy, primary))
        assert server_of(holdfast) == primary.port
        with holdfast.connect("postgres") as connection:
            primary.stop("immediate")
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        reached: list[int] = []
        # A client that comes before there is a new primary waits for it.
        waiting = threading.Thread(target=lambda: reached.append(server_of(holdfast)))
        waiting.start()
        promote(copy)
        waiting.join(30)
        assert reached == [copy.port]
        with holdfast.connect("postgres") as connection:
            connection.execute("CREATE TABLE after_failover (id int)")
        with WireClient(holdfast.host, holdfast.port) as client:
            client.login("postgres")
            assert_cancels(client, copy, through=holdfast)


@pytest.mark.parametrize(("target", "wanted"), [("standby", "copy"), ("prefer-standby", "copy"), ("any", "primary")])
def test_the_target_decides_which_server_is_taken(
    start_holdfast: StartHoldfast, primary: PostgresServer, target: str, wanted: str
) -> None:
    with standby(start_holdfast(server=primary.address)) as copy:
        settings = probed(primary, copy, target=target)
        if target == "any":
            del settings["top"]["probe"]
        holdfast = start_holdfast(**settings)
        holdfast_server = server_of(holdfast)
        if target == "prefer-standby":
            # Before the standby has answered, the primary is better than nothing.
            eventually(lambda: server_of(holdfast) == copy.port)
            copy.stop()
            eventually(lambda: "standby" not in target or server_of(holdfast) == primary.port)
            return
        assert holdfast_server == (copy if wanted == "copy" else primary).port


def test_a_session_that_meets_a_standby_where_the_primary_was_is_told_so_before_it_can_use_it(
    start_holdfast: StartHoldfast, primary: PostgresServer
) -> None:
    holdfast = start_holdfast(**probed(primary, interval="1h", connect_timeout="500ms"))
    assert server_of(holdfast) == primary.port
    primary.stop()
    (primary.data / "standby.signal").touch()
    primary.start()
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "postgres", "database": "postgres"}))
        answers = client.rest()
        assert [message.kind for message in answers] == ["E"]
        assert answers[0].fields["C"] == "57P03"
        assert "is a standby, and a primary is wanted" in answers[0].fields["M"]
    # Asked again at once, it is known for what it is.
    eventually(lambda: "none of the servers is known to be a primary" in failure(holdfast))
    promote(primary)
    primary.execute("SELECT 1")


def test_a_session_for_a_standby_that_meets_a_primary_is_told_so(
    start_holdfast: StartHoldfast, primary: PostgresServer
) -> None:
    with standby(start_holdfast(server=primary.address)) as copy:
        holdfast = start_holdfast(**probed(copy, target="standby", interval="1h"))
        assert server_of(holdfast) == copy.port
        promote(copy)
        # The probe is not asked again before a session has found out.
        assert "is a primary, and a standby is wanted" in failure(holdfast)


def test_of_two_primaries_the_one_that_was_promoted_last_is_taken(
    start_holdfast: StartHoldfast, primary: PostgresServer
) -> None:
    with standby(start_holdfast(server=primary.address)) as copy:
        holdfast = start_holdfast(**probed(primary, copy))
        assert server_of(holdfast) == primary.port
        promote(copy)
        log = holdfast.wait_for_log("no session goes to a primary that a newer one has taken the place of")
        assert f"{primary.address}, a primary (timeline 1)" in log
        assert server_of(holdfast) == copy.port
        # Rather none than one whose writes are lost.
        copy.stop("immediate")
        eventually(lambda: "none of the servers is known to be a primary" in failure(holdfast))


def signal_all(server: PostgresServer, name: str) -> None:
    """To the server and all its processes, which are its children."""
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    children = run("pgrep", "--parent", str(postmaster)).stdout.split()
    run("kill", f"-{name}", str(postmaster), *children, check=False)


def test_a_server_that_is_stopped_in_its_tracks_is_not_taken_for_the_primary_for_long(
    start_holdfast: StartHoldfast, primary: PostgresServer
) -> None:
    holdfast = start_holdfast(**probed(primary, connect_timeout="500ms", login_timeout="1s"))
    assert server_of(holdfast) == primary.port
    signal_all(primary, "STOP")
    try:
        # The kernel still accepts connections for it, so that it cannot be told from a slow one for a while.
        eventually(lambda: "none of the servers is known to be a primary" in failure(holdfast), 30)
    finally:
        signal_all(primary, "CONT")
    eventually(lambda: can_connect(holdfast))


def test_no_primary_is_said_within_connect_timeout(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast(
        server=[DEAD], top={"target": "primary", "probe": "user=postgres", "connect_timeout": "300ms"}
    )
    assert "none of the servers is known to be a primary" in failure(holdfast)


# Names.


needs_mounts = pytest.mark.skipif(
    subprocess.run(["unshare", "--mount", "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0,
    reason="no mount namespace of one's own may be made here",
)


def start_holdfast_with_hosts(start_holdfast: StartHoldfast, lines: str, hosts: Path, **settings: Any) -> Holdfast:
    """A proxy with a hosts file of its own, in a mount namespace of its own."""
    hosts.write_text("127.0.0.1 localhost\n" + lines)
    script = f'mount --bind {hosts} /etc/hosts && exec "$@"'
    return start_holdfast(prefix=["unshare", "--mount", "sh", "-c", script, "holdfast"], **settings)


@needs_mounts
def test_a_name_that_comes_to_mean_another_server_is_followed(
    start_holdfast: StartHoldfast, postgres: PostgresServer, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"
    holdfast = start_holdfast_with_hosts(
        start_holdfast, "127.0.0.77 database.example\n", hosts,
        server=f"database.example:{postgres.port}", top={"dns_refresh": "1s", "connect_timeout": "1s"},
    )  # fmt: skip
    assert "cannot reach" in failure(holdfast)
    # In place: the mount is of the file, not of its name.
    with open(hosts, "r+") as open_hosts:
        open_hosts.write("127.0.0.1 localhost\n127.0.0.1  database.example\n")
        open_hosts.truncate()
    eventually(lambda: can_connect(holdfast), 20)
    # A name that is gone keeps what it meant last.
    with open(hosts, "r+") as open_hosts:
        open_hosts.write("127.0.0.1 localhost\n")
        open_hosts.truncate()
    holdfast.wait_for_log("cannot resolve the server's address")
    assert server_of(holdfast) == postgres.port


@needs_mounts
def test_of_a_name_with_several_addresses_the_primary_is_found(
    start_holdfast: StartHoldfast, primary: PostgresServer, tmp_path: Path
) -> None:
    with standby(start_holdfast(server=primary.address)) as copy:
        first = socket.create_server(("127.0.0.2", 0))
        second = socket.create_server(("127.0.0.3", first.getsockname()[1]))
        with (
            Relay(("127.0.0.1", copy.port), listener=first) as relay,
            Relay(("127.0.0.1", primary.port), listener=second),
        ):  # fmt: skip
            holdfast = start_holdfast_with_hosts(
                start_holdfast, "127.0.0.2 database.example\n127.0.0.3 database.example\n", tmp_path / "hosts",
                **{**probed(primary), "server": f"database.example:{relay.port}"},
            )  # fmt: skip
            assert server_of(holdfast) == primary.port
            primary.stop("immediate")
            promote(copy)
            eventually(lambda: can_connect(holdfast))
            assert server_of(holdfast) == copy.port


def can_connect(holdfast: Holdfast) -> bool:
    try:
        holdfast.connect("postgres").close()
        return True
    except psycopg.OperationalError:
        return False
