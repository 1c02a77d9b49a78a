"""Where clients come from: PROXY headers in and out, users behind Unix-domain sockets, keepalive."""

import contextlib
import ctypes
import os
import pwd
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import StartHoldfast
from support.certificates import Certificates
from support.loadbalancer import LOCAL, UNKNOWN, binary, header, line, load_balancer
from support.postgres import PostgresServer
from support.programs import eventually, program, run, unprivileged
from support.proxy import Holdfast
from support.tls import TLSClient, client_context
from support.wire import WireClient, errors, query, startup

TRUSTING = {"from": ["127.0.0.1"]}
RELOADED = "proxy.conf was read again"


def client_of(holdfast: Holdfast, database: str, *preamble: bytes) -> WireClient:
    """A session that begins with the preamble and the startup packet in one piece."""
    client = WireClient(holdfast.host, holdfast.port)
    client.send(*preamble, startup({"user": "postgres", "database": database}))
    assert client.until("Z")[-1].kind == "Z"
    return client


def recorded(holdfast: Holdfast, client: WireClient) -> dict[str, Any]:
    """What the trail says of the session."""
    name = f"t{os.urandom(6).hex()}"
    client.ask(query(f"CREATE TABLE {name} ()"))
    (record,) = [item for item in holdfast.trail.wait(event="intent") if name in item["sql"]]
    return record


def is_closed_without_a_word(holdfast: Holdfast, *data: bytes, ends: bool = False) -> bool:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(*data)
        if ends:
            client.socket.shutdown(socket.SHUT_WR)
        return client.rest() == [] and not client.buffer


# ---- In


@pytest.mark.parametrize(
    ("preamble", "address"),
    [
        (line("192.0.2.7"), "192.0.2.7:50000"),
        (line("2001:db8::7", destination="2001:db8::1"), "[2001:db8::7]:50000"),
        (binary("192.0.2.7"), "192.0.2.7:50000"),
        (binary("2001:db8::7", destination="2001:db8::1"), "[2001:db8::7]:50000"),
        (binary("::ffff:192.0.2.7", destination="::ffff:10.0.0.1"), "192.0.2.7:50000"),
        (binary("192.0.2.7", rest=b"\x20\0\5\1\0\0\0\0" + b"\x04\x0f\xe9" + b"\0" * 0xFE9), "192.0.2.7:50000"),
    ],
    ids=["v1 IPv4", "v1 IPv6", "v2 IPv4", "v2 IPv6", "v2 mapped", "v2 with extensions"],
)
def test_the_client_that_a_header_names_is_the_client(
    start_holdfast: StartHoldfast, production: str, preamble: bytes, address: str
) -> None:
    holdfast = start_holdfast(
        proxy_protocol=TRUSTING,
        tags=[{"name": "outside", "client": ["192.0.2.0/24", "2001:db8::/32"]}],
    )
    with client_of(holdfast, production, preamble) as client:
        record = recorded(holdfast, client)
    assert (record["client"], record["tag"]) == (address, "outside")


def test_a_header_may_come_byte_by_byte(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(proxy_protocol=TRUSTING)
    for preamble in (line("192.0.2.7"), binary("192.0.2.8"), LOCAL):
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send_bytewise(preamble + startup({"user": "postgres", "database": production}))
            assert client.until("Z")[-1].kind == "Z"


@pytest.mark.parametrize("direct", [False, True], ids=["SSLRequest", "direct"])
def test_tls_begins_in_the_same_packet_as_the_header(
    start_holdfast: StartHoldfast, certificates: Certificates, production: str, direct: bool
) -> None:
    holdfast = start_holdfast(
        proxy_protocol=TRUSTING, client_tls={"mode": "require", **certificates.server.proxy_settings()}
    )
    with load_balancer((holdfast.host, holdfast.port), binary("192.0.2.7")) as balancer:
        with TLSClient(balancer.host, balancer.port) as client:
            client.secure(client_context(), direct=direct)
            client.login(production)
            assert recorded(holdfast, client)["client"] == "192.0.2.7:50000"


def test_libpq_comes_in_through_a_load_balancer(
    start_holdfast: StartHoldfast, certificates: Certificates, production: str
) -> None:
    holdfast = start_holdfast(
        proxy_protocol=TRUSTING, client_tls={"mode": "allow", **certificates.server.proxy_settings()}
    )
    for mode in ("disable", "prefer", "verify-full"):
        with load_balancer((holdfast.host, holdfast.port), line("192.0.2.7")) as balancer:
            with psycopg.connect(
                host="localhost", hostaddr=balancer.host, port=balancer.port, dbname=production, user="postgres",
                sslmode=mode, sslrootcert=str(certificates.root), gssencmode="disable",
            ) as connection:  # fmt: skip
                assert connection.pgconn.ssl_in_use == (mode != "disable")
                assert connection.execute("SELECT 1").fetchone() == (1,)


def test_who_is_not_trusted_cannot_name_another_client(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(proxy_protocol={"from": ["127.0.0.9", "10.0.0.0/8", "local"]})
    for preamble in (line("192.0.2.7"), binary("192.0.2.7"), LOCAL):
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send(preamble, startup({"user": "postgres", "database": production}))
            assert [error["C"] for error in errors(client.rest())] == ["08P01"]
    with client_of(holdfast, production) as client:
        assert recorded(holdfast, client)["client"].startswith("127.0.0.1:")


def test_without_the_setting_a_header_is_no_startup_packet(holdfast: Holdfast, production: str) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(line("192.0.2.7"), startup({"user": "postgres", "database": production}))
        assert [error["C"] for error in errors(client.rest())] == ["08P01"]


def test_a_load_balancer_that_sends_no_header_is_closed_without_a_word(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast(proxy_protocol=TRUSTING)
    packet = startup({"user": "postgres", "database": production})
    before = holdfast.socket_count()
    for data in (
        packet, b"\0", b"\x16\x03\x01", b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n" + packet, b"PROXY " + b"x" * 200,
        header(0x21, 0x11, b"1234") + packet, header(0x21, 0x12, b"\0" * 12) + packet, header(0x2F, 0) + packet,
        header(0x21, 0x11, length=0xFFFF), header(0x20, 0, length=4097),
    ):  # fmt: skip
        assert is_closed_without_a_word(holdfast, data), data
    holdfast.wait_for_log("it does not begin with a PROXY header ([proxy_protocol] from in proxy.conf)")
    assert holdfast.counters()["refused_proxy_header"] == 10
    eventually(lambda: holdfast.socket_count() == before, what="the closed sockets")


def test_a_load_balancer_that_goes_away_within_the_header_leaves_nothing(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast(proxy_protocol=TRUSTING)
    before = holdfast.socket_count()
    for data in (b"", b"PRO", line("192.0.2.7")[:-1], binary("192.0.2.7")[:-1]):
        assert is_closed_without_a_word(holdfast, data, ends=True), data
    eventually(lambda: holdfast.socket_count() == before, what="the closed sockets")


def test_half_a_header_has_as_long_as_the_login(start_holdfast: StartHoldfast) -> None:
    holdfast = start_holdfast(proxy_protocol=TRUSTING, top={"login_timeout": "1s"})
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(b"PROXY TCP4 192.0.2.7")
        assert [error["C"] for error in errors(client.rest())] == ["57014"]


@pytest.mark.parametrize(
    "preamble",
    [LOCAL, UNKNOWN, header(0x21, 0), header(0x21, 0x31, b"\0" * 216), header(0x20, 0x11, binary("192.0.2.7")[16:])],
    ids=["LOCAL", "UNKNOWN", "UNSPEC", "UNIX", "LOCAL with addresses"],
)
def test_where_a_header_names_no_address_the_sockets_own_holds(
    start_holdfast: StartHoldfast, production: str, preamble: bytes
) -> None:
    holdfast = start_holdfast(proxy_protocol=TRUSTING)
    with client_of(holdfast, production, preamble) as client:
        address = client.socket.getsockname()
        assert recorded(holdfast, client)["client"] == f"{address[0]}:{address[1]}"


def test_limits_count_the_clients_and_not_the_load_balancer(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(proxy_protocol=TRUSTING, limit=[{"name": "one", "clients": 1, "each": "address"}])
    with client_of(holdfast, production, line("192.0.2.7")), client_of(holdfast, production, line("192.0.2.8")):
        with WireClient(holdfast.host, holdfast.port) as third:
            third.send(line("192.0.2.7", 50001), startup({"user": "postgres", "database": production}))
            (error,) = errors(third.rest())
        assert (error["C"], error["M"]) == ("53300", "too many connections from 192.0.2.7")


def test_a_connect_rate_counts_the_clients_and_not_the_load_balancer(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast(proxy_protocol=TRUSTING, limits={"connect_rate": "1/h"})
    for number in range(5):
        client_of(holdfast, production, binary(f"192.0.2.{number}")).socket.close()
    with WireClient(holdfast.host, holdfast.port) as again:
        again.send(binary("192.0.2.3"), startup({"user": "postgres", "database": production}))
        assert [error["C"] for error in errors(again.rest())] == ["53300"]


def test_a_client_by_tcp_needs_tls_although_the_load_balancer_came_by_a_unix_socket(
    start_holdfast: StartHoldfast, certificates: Certificates, production: str, socket_folder: Path
) -> None:
    holdfast = start_holdfast(
        listen=[f"unix:{socket_folder}/.s.PGSQL.6543"], proxy_protocol={"from": "local"},
        client_tls={"mode": "require", **certificates.server.proxy_settings()},
    )  # fmt: skip
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(line("192.0.2.7"), startup({"user": "postgres", "database": production}))
        assert [error["C"] for error in errors(client.rest())] == ["28000"]
    with TLSClient(holdfast.host, holdfast.port) as client:
        client.send(line("192.0.2.7"))
        client.secure(client_context()).login(production)  # type: ignore[attr-defined]
        record = recorded(holdfast, client)
    # The process at the other end of the socket is not the client's.
    assert record["client"] == "192.0.2.7:50000" and "os_user" not in record


def test_whom_headers_are_taken_from_changes_at_a_reload(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast()
    client_of(holdfast, production).socket.close()
    holdfast.settings.proxy_protocol = TRUSTING
    holdfast.write(holdfast.settings)
    since = len(holdfast.log_text())
    holdfast.reload()
    holdfast.wait_for_log(RELOADED, since)

    def is_taken() -> bool:
        # The loops hear of new settings after the log does.
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send(line("192.0.2.7"), startup({"user": "postgres", "database": production}))
            return any(message.kind == "Z" for message in client.until("Z"))

    eventually(is_taken)


# ---- Out


@pytest.fixture
def chain(start_holdfast: StartHoldfast, certificates: Certificates) -> Callable[..., tuple[Holdfast, Holdfast]]:
    """Two proxies, the outer one sends a header to the inner one; TLS between them."""

    def start(**outer: Any) -> tuple[Holdfast, Holdfast]:
        inner = start_holdfast(
            proxy_protocol=TRUSTING, client_tls={"mode": "require", **certificates.server.proxy_settings()}
        )
        settings = {
            "server": f"localhost:{inner.port}", "top": {"send_proxy": True},
            "server_tls": {"mode": "verify-full", "ca": str(certificates.root)}, **outer,
        }  # fmt: skip
        return start_holdfast(**settings), inner

    return start


def test_a_holdfast_behind_another_knows_the_client(
    chain: Callable[..., tuple[Holdfast, Holdfast]], production: str
) -> None:
    outer, inner = chain()
    with client_of(outer, production) as client:
        address = client.socket.getsockname()
        record = recorded(inner, client)
    assert record["client"] == f"{address[0]}:{address[1]}"


def test_a_header_is_passed_on_from_a_load_balancer_to_the_server(
    chain: Callable[..., tuple[Holdfast, Holdfast]], production: str
) -> None:
    outer, inner = chain(proxy_protocol=TRUSTING)
    with client_of(outer, production, line("192.0.2.7")) as client:
        assert recorded(inner, client)["client"] == "192.0.2.7:50000"
    with client_of(outer, production, line("2001:db8::7", destination="::1")) as client:
        assert recorded(inner, client)["client"] == "[2001:db8::7]:50000"
    with client_of(outer, production, binary("::ffff:192.0.2.9", destination="::ffff:10.0.0.1")) as client:
        assert recorded(inner, client)["client"] == "192.0.2.9:50000"


def test_a_client_on_a_unix_socket_has_no_address_to_pass_on(
    chain: Callable[..., tuple[Holdfast, Holdfast]], production: str, socket_folder: Path
) -> None:
    outer, inner = chain(listen=[f"unix:{socket_folder}/.s.PGSQL.6543"])
    with client_of(outer, production) as client:
        assert recorded(inner, client)["client"].startswith("127.0.0.1:")


def test_a_query_is_cancelled_through_both(
    chain: Callable[..., tuple[Holdfast, Holdfast]], production: str
) -> None:
    outer, _ = chain()
    with outer.connect(production) as connection:
        connection.pgconn.send_query(b"SELECT pg_sleep(60)")
        connection.pgconn.flush()
        connection.cancel_safe(timeout=20)
        result = connection.pgconn.get_result()
        assert result and b"canceling statement due to user request" in result.error_message
        assert connection.pgconn.get_result() is None


def test_a_query_timeout_cancels_through_both(
    chain: Callable[..., tuple[Holdfast, Holdfast]], production: str
) -> None:
    outer, _ = chain(limit=[{"name": "short", "query_timeout": "300ms"}])
    with outer.connect(production) as connection, pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(60)")


def test_the_header_comes_first_and_is_of_version_2(start_holdfast: StartHoldfast) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        holdfast = start_holdfast(
            server=f"127.0.0.1:{server.getsockname()[1]}", top={"send_proxy": True}, server_tls={"mode": "prefer"}
        )
        with WireClient(holdfast.host, holdfast.port) as client:
            client.send(startup({"user": "postgres", "database": "d"}))
            server.settimeout(20)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(20)
                received = b""
                while len(received) < 28 + 8:
                    received += connection.recv(28 + 8 - len(received))
            host, port = client.socket.getsockname()
    assert received == binary(host, port, holdfast.host, holdfast.port) + b"\0\0\0\x08\x04\xd2\x16\x2f"


# ---- Unix-domain sockets


def test_a_tag_goes_by_the_operating_system_user_behind_a_unix_socket(
    start_holdfast: StartHoldfast, production: str, socket_folder: Path
) -> None:
    me = pwd.getpwuid(os.geteuid()).pw_name
    holdfast = start_holdfast(
        listen=["127.0.0.1:0", f"unix:{socket_folder}/.s.PGSQL.6543"],
        tags=[{"name": "nobodys", "os_user": ["nobody-*"]}, {"name": "mine", "os_user": [me]}],
    )
    with holdfast.connect(production, index=1) as connection:
        connection.execute("CREATE TABLE local_table ()")
    with holdfast.connect(production) as connection:
        connection.execute("CREATE TABLE distant_table ()")
    local, distant = holdfast.trail.wait(2, event="intent")
    assert (local["tag"], local["os_user"], local["client"]) == ("mine", me, "unix:")
    assert distant["tag"] == "production" and "os_user" not in distant


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several users")
def test_several_users_are_told_apart_and_one_without_a_name_is_its_number(
    start_holdfast: StartHoldfast, production: str, socket_folder: Path
) -> None:
    holdfast = start_holdfast(
        listen=[f"unix:{socket_folder}/.s.PGSQL.6543"],
        tags=[{"name": "named", "os_user": ["postg?es"]}, {"name": "numbered", "os_user": ["54321*"]}],
    )
    for name, identity in (("named", unprivileged()), ("numbered", {"user": 543210, "group": 543210, "extra_groups": []})):
        run(
            program("psql"), "-h", holdfast.host, "-p", str(holdfast.port), "-U", "postgres", "-d", production,
            "-c", f"CREATE TABLE made_by_{name} ()", cwd="/", environment={"HOME": "/"}, **identity,
        )  # fmt: skip
    records = holdfast.trail.wait(2, event="intent")
    assert [(record["tag"], record["os_user"]) for record in records] == [("named", "postgres"), ("numbered", "543210")]


# ---- TCP


def socket_options(pid: int) -> Iterator[tuple[tuple[Any, ...], dict[str, int]]]:
    """The connected TCP sockets of a process: the other end, and how the kernel watches over it."""
    pidfd_getfd, library = 438, ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        for number in os.listdir(f"/proc/{pid}/fd"):
            copy = library.syscall(pidfd_getfd, process, int(number), 0)
            if copy < 0:
                continue
            try:
                taken = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                continue
            with taken, contextlib.suppress(OSError):
                if taken.family == socket.AF_INET:
                    names = ["TCP_NODELAY", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"]
                    options = {name: taken.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names}
                    options["SO_KEEPALIVE"] = taken.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                    yield taken.getpeername(), options
    finally:
        os.close(process)


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, (60, 10, 6, 0)),
        (
            {"keepalive_idle": "5m", "keepalive_interval": "7s", "keepalive_count": 3, "user_timeout": "1500ms"},
            (300, 7, 3, 1500),
        ),
        ({"keepalive_idle": "0s", "keepalive_interval": "0s", "keepalive_count": 0}, (None, None, None, 0)),
    ],
    ids=["defaults", "given", "the kernel's"],
)
def test_both_sides_are_watched_over_as_the_settings_say(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, settings: dict[str, Any],
    options: tuple[int | None, ...],
) -> None:  # fmt: skip
    holdfast = start_holdfast(tcp=settings)
    kernel = [
        int(Path(f"/proc/sys/net/ipv4/tcp_keepalive_{name}").read_text()) for name in ("time", "intvl", "probes")
    ] + [0]
    expected = [given if given is not None else own for given, own in zip(options, kernel)]
    with client_of(holdfast, production) as client:
        found = dict(socket_options(holdfast.pid))
        for end in (client.socket.getsockname(), (postgres.host, postgres.port)):
            seen = found[end]
            names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
            assert [seen[name] for name in names] == expected
            assert seen["SO_KEEPALIVE"] == 1 and seen["TCP_NODELAY"] == 1
