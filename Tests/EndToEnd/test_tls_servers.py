"""TLS between Holdfast and the server: what is checked, what the client reads when it fails, and bulk through both sides."""

import hashlib
import ssl
from collections.abc import Callable

import psycopg
import pytest

from conftest import StartHoldfast
from support.certificates import Certificates, Identity
from support.postgres import PASSWORD, PostgresServer
from support.programs import eventually
from support.proxy import Holdfast
from support.tls import TLSClient, TLSServer, options
from support.tls_matrix import ANY_DATABASE, OPEN_DATABASE, TRUSTED
from support.wire import WireClient, errors, message, query, startup

StartTowards = Callable[..., Holdfast]


@pytest.fixture
def start_towards(start_holdfast: StartHoldfast, certificates: Certificates) -> StartTowards:
    """Starts proxies before a server at `localhost`; further settings go into `[server_tls]`."""

    def start(port: int, host: str = "localhost", top: dict | None = None, **server_tls) -> Holdfast:
        section = {"mode": "verify-full", "ca": str(certificates.root), **server_tls}
        if not section["mode"].startswith("verify"):
            del section["ca"]
        return start_holdfast(server=f"{host}:{port}", server_tls=section, top=top or {})

    return start


def refusal(holdfast: Holdfast) -> dict[str, str]:
    """What a client reads that does not get in."""
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": TRUSTED, "database": OPEN_DATABASE}))
        (error,) = errors(client.rest())
    return error


def welcome(holdfast: Holdfast) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(OPEN_DATABASE, TRUSTED)


NAMES = ["server", "by_address", "wrong_name", "expired_server", "revoked_server", "self_signed", "strange_server"]
CRL_ONLY = {"revoked_server": "certificate verify failed: certificate revoked"}
UNTRUSTED = {
    "expired_server": "certificate verify failed: certificate has expired",
    "self_signed": "certificate verify failed: self-signed certificate",
    "strange_server": "certificate verify failed: unable to get local issuer certificate",
    **CRL_ONLY,
}
MISNAMED = {
    "by_address": 'does not match host name "localhost"',
    "wrong_name": 'server certificate for "elsewhere.example" does not match host name "localhost"',
}


@pytest.mark.parametrize("shown", NAMES)
@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_server_whose_certificate_is_not_good_enough_is_not_spoken_to(
    start_towards: StartTowards, certificates: Certificates, mode: str, shown: str
) -> None:
    faults = {"require": {}, "verify-ca": UNTRUSTED, "verify-full": UNTRUSTED | MISNAMED}[mode]
    with TLSServer(getattr(certificates, shown)) as server:
        lists = {"crl": str(certificates.crl)} if mode != "require" else {}
        holdfast = start_towards(server.port, mode=mode, **lists)
        if shown not in faults:
            return welcome(holdfast)
        error = refusal(holdfast)
    assert (error["S"], error["C"]) == ("FATAL", "08006")
    assert faults[shown] in error["M"]
    assert "[server_tls]" in error["H"]
    assert faults[shown] in holdfast.log_text()


def test_a_revoked_certificate_passes_where_no_list_is_given(
    start_towards: StartTowards, certificates: Certificates
) -> None:
    with TLSServer(certificates.revoked_server) as server:
        welcome(start_towards(server.port))


def test_a_certificate_may_be_made_out_to_an_address(start_towards: StartTowards, certificates: Certificates) -> None:
    with TLSServer(certificates.by_address) as server:
        welcome(start_towards(server.port, host="127.0.0.1"))
    with TLSServer(certificates.server) as server:
        assert "does not match host name" in refusal(start_towards(server.port, host="127.0.0.1"))["M"]


def test_the_name_to_expect_and_to_send_is_a_setting(start_towards: StartTowards, certificates: Certificates) -> None:
    with TLSServer(certificates.wrong_name) as server:
        welcome(start_towards(server.port, host="127.0.0.1", name="elsewhere.example"))
        assert server.names == ["elsewhere.example"]


@pytest.mark.parametrize(
    ("host", "settings", "sent"),
    [("localhost", {}, "localhost"), ("127.0.0.1", {}, None), ("localhost", {"sni": False}, None)],
)
def test_the_server_is_told_its_name_unless_that_is_an_address(
    start_towards: StartTowards, certificates: Certificates, host: str, settings: dict, sent: str | None
) -> None:
    with TLSServer(certificates.server) as server:
        welcome(start_towards(server.port, host=host, mode="require", **settings))
        assert server.names == [sent]


def test_an_old_version_is_not_spoken(start_towards: StartTowards, certificates: Certificates) -> None:
    with TLSServer(certificates.server, maximum_version=ssl.TLSVersion.TLSv1_2) as server:
        welcome(start_towards(server.port))
        error = refusal(start_towards(server.port, minimum_version="1.3"))
    assert error["C"] == "08006"
    assert "SSL error" in error["M"] and "protocol version" in error["M"]


@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_tls_can_begin_at_once_with_a_server_that_names_the_protocol(
    start_towards: StartTowards, certificates: Certificates, mode: str
) -> None:
    with TLSServer(certificates.server) as server:
        welcome(start_towards(server.port, mode=mode, negotiation="direct"))
        assert server.direct_handshakes == 1
    with TLSServer(certificates.server, names_protocol=False) as server:
        error = refusal(start_towards(server.port, mode=mode, negotiation="direct"))
        assert error["C"] == "08006" and "without ALPN" in error["M"]
        welcome(start_towards(server.port, mode=mode))


@pytest.mark.parametrize("fault", ["it has none", "its version is too old"])
def test_prefer_goes_on_without_tls_where_there_is_none_and_where_it_fails(
    start_towards: StartTowards, certificates: Certificates, fault: str
) -> None:
    faults = {"answer": b"N"} if fault == "it has none" else {"maximum_version": ssl.TLSVersion.TLSv1_2}
    with TLSServer(certificates.server, **faults) as server:
        holdfast = start_towards(server.port, mode="prefer", minimum_version="1.3")
        if fault == "it has none":
            # On the same connection, as libpq.
            with WireClient(holdfast.host, holdfast.port) as client:
                client.send(startup({"user": TRUSTED, "database": OPEN_DATABASE}))
                eventually(lambda: server.clear, what="the startup packet")
            assert server.clear[0].startswith(startup({"user": TRUSTED})[4:8], 4) and server.clear_startups == 0
        else:
            welcome(holdfast)
            assert server.clear_startups == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"N", "server does not support SSL, but SSL was required"),
        (b"X", "received invalid response to SSL negotiation"),
        (b"\0", "received invalid response to SSL negotiation"),
        # Words for the client, and a question for its password: from anybody on the way.
        (
            message("E", b"SFATAL\0C53300\0Mtrust me\0\0") + message("R", b"\0\0\0\3"),
            "server sent an error response during SSL exchange",
        ),
    ],
    ids=["N", "X", "NUL", "E"],
)
@pytest.mark.parametrize("mode", ["require", "verify-full"])
def test_nothing_is_said_in_the_clear_to_a_server_that_does_not_begin_tls(
    start_towards: StartTowards, certificates: Certificates, mode: str, answer: bytes, said: str
) -> None:
    with TLSServer(certificates.server, answer=answer) as server:
        error = refusal(start_towards(server.port, mode=mode))
        assert server.clear == []
    assert error["C"] == "08006" and said in error["M"]


def test_bytes_that_come_together_with_the_servers_yes_are_not_taken_for_its_words(
    start_towards: StartTowards, certificates: Certificates
) -> None:
    with TLSServer(certificates.server, answer=b"S" + message("R", b"\0\0\0\0") + message("Z", b"I")) as server:
        error = refusal(start_towards(server.port))
    assert error["C"] == "08006" and "SSL error" in error["M"]


def test_a_server_that_does_not_finish_its_handshake_is_not_waited_for(
    start_towards: StartTowards, certificates: Certificates
) -> None:
    with TLSServer(certificates.server, is_silent=True) as server:
        error = refusal(start_towards(server.port, top={"connect_timeout": "1s"}))
    assert error["C"] == "08006" and "timed out" in error["M"]


@pytest.mark.parametrize("end", ["tidy", "cut"])
def test_the_end_of_the_server_is_the_end_of_the_client(
    start_towards: StartTowards, certificates: Certificates, end: str
) -> None:
    with TLSServer(certificates.server, end=end) as server:
        holdfast = start_towards(server.port)
        with WireClient(holdfast.host, holdfast.port) as client:
            client.login(OPEN_DATABASE, TRUSTED)
            assert client.rest() == []


def test_a_server_without_files_that_can_be_read_is_an_error_at_start(
    certificates: Certificates, tmp_path, start_holdfast: StartHoldfast
) -> None:
    with pytest.raises(AssertionError, match=r"no-such\.crt"):
        start_holdfast(server_tls={"mode": "verify-full", "ca": str(tmp_path / "no-such.crt")})


# Channel binding end to end, where Holdfast shows the server's own certificate


@pytest.fixture
def show(tls_postgres: PostgresServer, certificates: Certificates):
    """Gives the server another certificate; it gets its own back."""

    def change(identity: Identity) -> None:
        tls_postgres.use_tls(identity, certificates.root, certificates.crl)
        tls_postgres.reload()

    yield change
    change(certificates.server)


@pytest.mark.parametrize("kind", ["server", "rsa_server", "sha384_server", "ed25519_server"])
def test_channel_binding_passes_whatever_the_certificate_is_signed_with(
    start_holdfast: StartHoldfast, tls_postgres: PostgresServer, certificates: Certificates, show, kind: str
) -> None:
    identity = getattr(certificates, kind)
    show(identity)
    holdfast = start_holdfast(
        server=f"localhost:{tls_postgres.port}", client_tls={"mode": "require", **identity.proxy_settings()},
        server_tls={"mode": "verify-full", "ca": str(certificates.root)},
    )  # fmt: skip
    values = options(user="cid_scram", password=PASSWORD, channel_binding="require")
    with holdfast.connect(ANY_DATABASE, **values) as connection:
        assert connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)


@pytest.mark.parametrize("shown", ["server", "other_server"])
def test_a_certificate_that_breaks_channel_binding_is_warned_of_once(
    start_holdfast: StartHoldfast, tls_postgres: PostgresServer, certificates: Certificates, shown: str
) -> None:
    holdfast = start_holdfast(
        server=tls_postgres.address, server_tls={"mode": "require"},
        client_tls={"mode": "allow", **getattr(certificates, shown).proxy_settings()},
    )  # fmt: skip
    for mode in ("disable", "require", "require"):
        holdfast.connect(OPEN_DATABASE, **options(sslmode=mode, user=TRUSTED)).close()
    assert holdfast.log_text().count("another certificate than the server's") == (shown == "other_server")


# Bulk


# With `ktls` where the kernel has TLS, it encrypts; where it has not, nothing may change.
@pytest.fixture(params=[False, True], ids=["OpenSSL encrypts", "the kernel may encrypt"])
def both_sides(
    start_holdfast: StartHoldfast, tls_postgres: PostgresServer, certificates: Certificates,
    request: pytest.FixtureRequest,
) -> Holdfast:  # fmt: skip
    ktls = {"ktls": request.param}
    return start_holdfast(
        server=f"localhost:{tls_postgres.port}",
        client_tls={"mode": "require", **certificates.server.proxy_settings(), **ktls},
        server_tls={"mode": "verify-full", "ca": str(certificates.root), "crl": str(certificates.crl), **ktls},
    )


def test_a_copy_passes_whole_both_ways(both_sides: Holdfast, tls_postgres: PostgresServer) -> None:
    rows = 400_000
    with both_sides.connect(OPEN_DATABASE, **options(user=TRUSTED)) as connection:
        connection.execute("CREATE TEMP TABLE bulk (number int, words text)")
        cursor = connection.cursor()
        sent = hashlib.sha256()
        with cursor.copy("COPY bulk FROM STDIN") as copy:
            for start in range(0, rows, 1000):
                block = "".join(f"{number}\t{'word' * (number % 40)}\n" for number in range(start, start + 1000))
                sent.update(block.encode())
                copy.write(block)
        received = hashlib.sha256()
        with cursor.copy("COPY (SELECT * FROM bulk ORDER BY number) TO STDOUT") as copy:
            for block in copy:
                received.update(block)
    assert received.hexdigest() == sent.hexdigest()


def logged_in(holdfast: Holdfast) -> TLSClient:
    client = TLSClient(holdfast.host, holdfast.port, timeout=60)
    client.secure().login(OPEN_DATABASE, TRUSTED)
    return client


def test_results_that_nobody_reads_yet_stop_the_server_and_are_all_there_afterwards(both_sides: Holdfast) -> None:
    # Far more than the buffers of the sockets hold, asked for at once.
    count, size = 200, 400_000
    before = both_sides.resident_kilobytes()
    with logged_in(both_sides) as client:
        client.send(*(query(f"SELECT repeat('{index % 10}', {size})") for index in range(count)))
        # The server waits for the proxy, and the proxy for the client; others do not.
        with logged_in(both_sides) as other:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'"
            eventually(lambda: [item.values for item in other.ask(query(waiting)) if item.kind == "D"] == [["1"]])
        assert both_sides.resident_kilobytes() - before < 30_000
        for index in range(count):
            (row,) = [item for item in client.until("Z") if item.kind == "D"]
            assert row.values == [str(index % 10) * size]


def test_a_statement_of_many_megabytes_passes(both_sides: Holdfast) -> None:
    text = "x" * 40_000_000
    with both_sides.connect(OPEN_DATABASE, **options(user=TRUSTED)) as connection:
        assert connection.execute("SELECT length(%s)", [text]).fetchone() == (len(text),)


def test_no_socket_is_left_behind_by_servers_that_fail(
    start_towards: StartTowards, certificates: Certificates
) -> None:
    with (
        TLSServer(certificates.strange_server) as strange, TLSServer(certificates.server, answer=b"N") as without,
        TLSServer(certificates.server, end="cut") as cut,
    ):  # fmt: skip
        for server in (strange, without, cut):
            holdfast = start_towards(server.port)
            before = holdfast.socket_count()
            for _ in range(20):
                with WireClient(holdfast.host, holdfast.port) as client:
                    client.send(startup({"user": TRUSTED, "database": OPEN_DATABASE}))
                    client.rest()
            eventually(lambda: holdfast.socket_count() == before, what="the end of every socket")
