"""TLS between clients and Holdfast: versions, ciphers, direct TLS, resumption, reload, client certificates."""

import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from conftest import StartHoldfast
from support.certificates import Certificates, Identity
from support.postgres import PASSWORD, PostgresServer
from support.programs import eventually, run
from support.proxy import Holdfast
from support.tls import TLSClient, client_context, options
from support.tls_matrix import ANY_DATABASE, CERTIFICATE_DATABASES, CERTIFIED, OPEN_DATABASE, TRUSTED, users_file
from support.wire import (
    GSSENC_REQUEST, SSL_REQUEST, SYNC, TERMINATE, bind, errors, execute, parse, query, startup, transcript,
)  # fmt: skip

RELOADED = "proxy.conf was read again"
NOT_RELOADED = "proxy.conf was not taken over"

StartSecure = Callable[..., Holdfast]


@pytest.fixture
def start_secure(
    start_holdfast: StartHoldfast, tls_postgres: PostgresServer, certificates: Certificates
) -> StartSecure:
    """Starts proxies that offer TLS; `client_tls` adds to its section."""

    def start(client_tls: dict[str, str] | None = None, identity: Identity | None = None, **settings) -> Holdfast:
        shown = identity or certificates.server
        settings.setdefault("server", tls_postgres.address)
        return start_holdfast(
            client_tls={"mode": "allow", **shown.proxy_settings(), **(client_tls or {})}, **settings
        )

    return start


def connect(holdfast: Holdfast, **values) -> psycopg.Connection:
    return holdfast.connect(OPEN_DATABASE, **options(user=TRUSTED, **values))


def client(holdfast: Holdfast) -> TLSClient:
    return TLSClient(holdfast.host, holdfast.port)


def is_turned_away(talking: TLSClient, context: ssl.SSLContext, **how) -> str:
    """The reason why the handshake fails."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as caught:
        talking.secure(context, **how)
        # With TLS 1.3 the client is through before it hears of a refusal.
        talking.send(startup({"user": TRUSTED, "database": OPEN_DATABASE}))
        if not talking.socket.recv(1):
            raise ConnectionResetError("closed")
    return str(caught.value)


# Versions and ciphers


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_tls_1_2_and_1_3_are_spoken(start_secure: StartSecure, version: ssl.TLSVersion) -> None:
    with client(start_secure()) as talking:
        talking.secure(client_context(version=version))
        assert (talking.socket.version() or "").replace(".", "_") == version.name
        talking.login(OPEN_DATABASE, TRUSTED)
        assert transcript(talking.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "Z" + "I"]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_tls_1_1_is_refused(start_secure: StartSecure) -> None:
    with client(start_secure()) as talking:
        old = client_context(version=ssl.TLSVersion.TLSv1_1, ciphers="DEFAULT@SECLEVEL=0")
        assert "protocol version" in is_turned_away(talking, old)


def test_the_minimum_version_is_a_setting(start_secure: StartSecure) -> None:
    holdfast = start_secure({"minimum_version": "1.3"})
    with client(holdfast) as talking:
        old = client_context(version=ssl.TLSVersion.TLSv1_2)
        assert "protocol version" in is_turned_away(talking, old)
    with client(holdfast) as talking:
        talking.secure().login(OPEN_DATABASE, TRUSTED)
        assert talking.socket.version() == "TLSv1.3"


def test_the_ciphers_are_settings(start_secure: StartSecure) -> None:
    holdfast = start_secure(
        {"ciphers": "ECDHE-ECDSA-AES256-GCM-SHA384", "tls13_ciphers": "TLS_CHACHA20_POLY1305_SHA256"}
    )
    with client(holdfast) as talking:
        talking.secure(client_context(version=ssl.TLSVersion.TLSv1_2))
        assert talking.socket.cipher()[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    with client(holdfast) as talking:
        talking.secure(client_context(version=ssl.TLSVersion.TLSv1_3))
        assert talking.socket.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
    with client(holdfast) as talking:
        other = client_context(version=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
        assert "handshake failure" in is_turned_away(talking, other)


def test_renegotiation_is_refused(start_secure: StartSecure) -> None:
    holdfast = start_secure()
    ended = run(
        "openssl", "s_client", "-starttls", "postgres", "-tls1_2", "-connect", f"{holdfast.host}:{holdfast.port}",
        input="R\n", check=False,
    )  # fmt: skip
    assert "RENEGOTIATING" in ended.stdout + ended.stderr
    assert "no renegotiation" in ended.stderr
    connect(holdfast).close()


def test_the_keys_can_be_changed_in_the_middle_of_a_session(start_secure: StartSecure) -> None:
    holdfast = start_secure()
    arguments = ["-starttls", "postgres", "-tls1_3", "-connect", f"{holdfast.host}:{holdfast.port}"]
    talking = subprocess.Popen(
        ["openssl", "s_client", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        bufsize=0,
    )  # fmt: skip
    assert talking.stdin and talking.stdout
    said = b""

    def say(data: bytes, answer: bytes) -> None:
        """`K` at the start of what it reads at once is s_client's command to change its keys, and ask for new ones."""
        nonlocal said
        talking.stdin.write(data)
        while answer not in said:
            received = talking.stdout.read(1 << 16)
            assert received, said
            said += received
        said = said.partition(answer)[2]

    with talking:
        try:
            say(startup({"user": TRUSTED, "database": OPEN_DATABASE}), b"Z\0\0\0\5I")
            for round_ in range(3):
                say(b"K\n", b"KEYUPDATE")
                # Not a Query message: `Q` is a command, too.
                say(parse(f"SELECT {round_}") + bind() + execute() + SYNC, b"SELECT 1\0Z\0\0\0\5I")
            talking.stdin.write(TERMINATE)
        finally:
            talking.stdin.close()
            talking.kill()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_a_session_is_resumed(start_secure: StartSecure, version: ssl.TLSVersion) -> None:
    holdfast = start_secure()
    context = client_context(version=version)
    with client(holdfast) as first:
        first.secure(context).login(OPEN_DATABASE, TRUSTED)
        session = first.socket.session
        assert not first.socket.session_reused
        first.send(TERMINATE)
    with client(holdfast) as second:
        second.secure(context, session=session).login(OPEN_DATABASE, TRUSTED)
        assert second.socket.session_reused
        assert [item.values for item in second.ask(query("SELECT 7")) if item.kind == "D"] == [["7"]]


# How TLS begins


def test_direct_tls_needs_the_name_of_the_protocol(start_secure: StartSecure) -> None:
    holdfast = start_secure()
    with client(holdfast) as talking:
        talking.secure(direct=True).login(OPEN_DATABASE, TRUSTED)
        assert talking.socket.selected_alpn_protocol() == "postgresql"
    with client(holdfast) as talking:
        # As PostgreSQL 17: the handshake is done, then the connection ends.
        talking.secure(client_context(alpn=None), direct=True)
        talking.send(startup({"user": TRUSTED, "database": OPEN_DATABASE}))
        assert talking.rest() == []
    with client(holdfast) as talking:
        assert "no application protocol" in is_turned_away(talking, client_context(alpn="h2"), direct=True)
    holdfast.wait_for_log("ALPN")


def test_after_an_sslrequest_the_name_of_the_protocol_may_be_left_out(start_secure: StartSecure) -> None:
    holdfast = start_secure()
    with client(holdfast) as talking:
        talking.secure(client_context(alpn=None)).login(OPEN_DATABASE, TRUSTED)
    with client(holdfast) as talking:
        assert "no application protocol" in is_turned_away(talking, client_context(alpn="h2"))


def test_what_comes_together_with_an_sslrequest_is_never_taken_for_part_of_the_session(
    start_secure: StartSecure,
) -> None:
    holdfast = start_secure({"mode": "require"})
    login = startup({"user": TRUSTED, "database": OPEN_DATABASE})
    for stuffed in (login, login + query("SELECT 1"), b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"):
        with client(holdfast) as talking:
            talking.send(SSL_REQUEST + stuffed)
            assert [error["C"] for error in errors(talking.rest())] == ["08P01"]


def test_gss_is_declined_and_tls_then_begins(start_secure: StartSecure) -> None:
    with client(start_secure()) as talking:
        talking.send(GSSENC_REQUEST)
        assert talking.byte() == b"N"
        talking.secure().login(OPEN_DATABASE, TRUSTED)


@pytest.mark.parametrize("request_", [SSL_REQUEST, GSSENC_REQUEST], ids=["SSLRequest", "GSSENCRequest"])
def test_within_tls_encryption_cannot_be_asked_for_again(start_secure: StartSecure, request_: bytes) -> None:
    with client(start_secure()) as talking:
        talking.secure()
        talking.send(request_)
        assert [error["C"] for error in errors(talking.rest())] == ["0A000"]


def test_a_client_without_tls_is_told_so_where_tls_is_required(start_secure: StartSecure) -> None:
    with client(start_secure({"mode": "require"})) as talking:
        talking.send(startup({"user": TRUSTED, "database": OPEN_DATABASE}))
        (error,) = errors(talking.rest())
    assert (error["S"], error["C"]) == ("FATAL", "28000")
    assert error["M"] == (
        f'no pg_hba.conf entry for host "127.0.0.1", user "{TRUSTED}", database "{OPEN_DATABASE}", no encryption'
    )
    assert "[client_tls]" in error["H"]


def test_a_unix_socket_needs_no_tls_and_has_none(start_secure: StartSecure, socket_folder: Path) -> None:
    path = socket_folder / ".s.PGSQL.5432"
    holdfast = start_secure({"mode": "require"}, listen=["127.0.0.1:0", f"unix:{path}"])
    with holdfast.connect(OPEN_DATABASE, index=1, user=TRUSTED) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    with TLSClient(str(socket_folder), 5432) as talking:
        talking.send(SSL_REQUEST)
        assert talking.byte() == b"N"


def test_every_byte_may_come_in_a_packet_and_a_record_of_its_own(start_secure: StartSecure) -> None:
    holdfast = start_secure()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secured = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with client(holdfast) as talking:
        talking.send(SSL_REQUEST)
        assert talking.byte() == b"S"
        done = False
        while not done:
            try:
                secured.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                talking.send_bytewise(outgoing.read())
                incoming.write(talking.socket.recv(1 << 16))
        talking.send_bytewise(outgoing.read())
        text = startup({"user": TRUSTED, "database": OPEN_DATABASE}) + query("SELECT 'all here'") + TERMINATE
        for index in range(len(text)):
            secured.write(text[index : index + 1])
            talking.socket.sendall(outgoing.read())
        while received := talking.socket.recv(1 << 16):
            incoming.write(received)
        answer = b""
        try:
            while part := secured.read(1 << 16):
                answer += part
        except ssl.SSLZeroReturnError:
            pass
    assert b"all here" in answer


def test_the_end_of_a_session_is_said_within_tls(start_secure: StartSecure) -> None:
    with client(start_secure()) as talking:
        talking.secure().login(OPEN_DATABASE, TRUSTED)
        talking.socket.suppress_ragged_eofs = False
        talking.send(TERMINATE)
        # A connection that was cut would raise SSLEOFError.
        assert talking.socket.recv(1) == b""


@pytest.mark.parametrize("manner", ["with close_notify", "without"])
def test_a_client_that_goes_in_the_middle_of_a_message_takes_its_session_along(
    start_secure: StartSecure, tls_postgres: PostgresServer, manner: str
) -> None:
    holdfast = start_secure()
    with client(holdfast) as talking:
        talking.secure().login(OPEN_DATABASE, TRUSTED)
        (process,) = [item.values for item in talking.ask(query("SELECT pg_backend_pid()")) if item.kind == "D"]
        talking.send(query("SELECT 'cut here'")[:-7])
        if manner == "with close_notify":
            with pytest.raises((ssl.SSLError, OSError)):
                talking.socket.unwrap()
                raise ConnectionResetError("the other side closed tidily")
    eventually(
        lambda: tls_postgres.value(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {process[0]}") == 0,
        what="the end of the server's session",
    )


def test_a_client_that_does_not_finish_its_handshake_is_not_waited_for(start_secure: StartSecure) -> None:
    holdfast = start_secure(top={"login_timeout": "1s"})
    with client(holdfast) as talking:
        talking.send(SSL_REQUEST)
        assert talking.byte() == b"S"
        assert talking.rest() == []
    with client(holdfast) as talking:
        # Half a record's header.
        talking.send(b"\x16\x03\x01")
        assert talking.rest() == []
    with client(holdfast) as talking:
        talking.secure()
        assert [error["C"] for error in errors(talking.rest())] == ["57014"]


def test_a_query_is_cancelled_by_a_request_through_tls(start_secure: StartSecure, certificates: Certificates) -> None:
    holdfast = start_secure(
        {"mode": "require"},
        server_tls={"mode": "verify-ca", "ca": str(certificates.root)},
    )
    with connect(holdfast) as connection:
        cursor = connection.cursor()
        connection.pgconn.send_query(b"SELECT pg_sleep(60)")
        connection.pgconn.flush()
        connection.cancel_safe(timeout=20)
        result = connection.pgconn.get_result()
        assert result and b"canceling statement due to user request" in result.error_message
        assert connection.pgconn.get_result() is None
        assert cursor.execute("SELECT 1").fetchone() == (1,)


# Holdfast as the one who authenticates


@pytest.mark.parametrize("binding", ["prefer", "require"])
@pytest.mark.parametrize(
    "kind", ["server", "rsa_server", "sha384_server", "ed25519_server", "self_signed_ed25519"]
)
def test_channel_binding_is_offered_where_the_certificate_allows_it(
    start_secure: StartSecure, tls_postgres: PostgresServer, certificates: Certificates, tmp_path: Path, kind: str,
    binding: str,
) -> None:  # fmt: skip
    users = tmp_path / "users.txt"
    users.touch(mode=0o600)
    users.write_text(users_file(tls_postgres))
    holdfast = start_secure(
        identity=getattr(certificates, kind), top={"auth": "scram"}, users={"file": str(users)},
    )  # fmt: skip
    values = options(user="cid_scram", password=PASSWORD, channel_binding=binding)
    if kind == "self_signed_ed25519" and binding == "require":
        # PostgreSQL offers it and then fails, as nobody knows the hash of such a certificate.
        with pytest.raises(psycopg.OperationalError, match="channel binding is required, but server did not offer"):
            holdfast.connect(ANY_DATABASE, **values)
    else:
        holdfast.connect(ANY_DATABASE, **values).close()


# Reload


def test_a_reload_shows_new_clients_the_new_certificate_and_touches_no_open_session(
    start_secure: StartSecure, certificates: Certificates, tmp_path: Path
) -> None:
    shown = Identity(tmp_path / "shown.crt", tmp_path / "shown.key")

    def show(identity: Identity) -> None:
        shown.certificate.write_bytes(identity.certificate.read_bytes())
        shown.key.touch(mode=0o600)
        shown.key.write_bytes(identity.key.read_bytes())

    show(certificates.server)
    holdfast = start_secure(identity=shown)
    context = client_context(certificates.root)
    with client(holdfast) as early, client(holdfast) as half:
        early.secure(context).login(OPEN_DATABASE, TRUSTED)
        half.secure(context)
        show(certificates.other_server)
        holdfast.reload()
        holdfast.wait_for_log(RELOADED)
        with client(holdfast) as late:
            late.secure(context).login(OPEN_DATABASE, TRUSTED)
            assert late.serial_number != early.serial_number
        assert transcript(early.ask(query("SELECT 1")))[-1] == "ZI"
        half.login(OPEN_DATABASE, TRUSTED)


@pytest.mark.parametrize("fault", ["no certificate", "another key", "a key that others can read", "gone"])
def test_a_reload_with_files_that_cannot_be_used_changes_nothing(
    start_secure: StartSecure, certificates: Certificates, tmp_path: Path, fault: str
) -> None:
    shown = Identity(tmp_path / "shown.crt", tmp_path / "shown.key")
    shown.certificate.write_bytes(certificates.server.certificate.read_bytes())
    shown.key.touch(mode=0o600)
    shown.key.write_bytes(certificates.server.key.read_bytes())
    holdfast = start_secure(identity=shown)
    match fault:
        case "no certificate":
            shown.certificate.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
        case "another key":
            shown.key.write_bytes(certificates.other_server.key.read_bytes())
        case "a key that others can read":
            shown.key.chmod(0o644)
        case _:
            shown.key.unlink()
    holdfast.reload()
    log = holdfast.wait_for_log(NOT_RELOADED)
    assert str(shown.certificate if fault == "no certificate" else shown.key) in log
    with client(holdfast) as talking:
        talking.secure(client_context(certificates.root)).login(OPEN_DATABASE, TRUSTED)


def test_a_reload_can_begin_to_require_tls(start_secure: StartSecure) -> None:
    holdfast = start_secure()
    with connect(holdfast, sslmode="disable") as early:
        holdfast.settings.client_tls["mode"] = "require"
        holdfast.write(holdfast.settings)
        holdfast.reload()
        holdfast.wait_for_log(RELOADED)
        with pytest.raises(psycopg.OperationalError, match="no encryption"):
            connect(holdfast, sslmode="disable")
        connect(holdfast).close()
        assert early.execute("SELECT 1").fetchone() == (1,)


def test_the_drain_is_told_within_tls(start_secure: StartSecure) -> None:
    holdfast = start_secure()
    with client(holdfast) as session, client(holdfast) as early, client(holdfast) as handshaking:
        session.secure().login(OPEN_DATABASE, TRUSTED)
        session.socket.suppress_ragged_eofs = False
        early.secure()
        handshaking.send(SSL_REQUEST)
        assert handshaking.byte() == b"S"
        holdfast.stop()
        for told in (session, early):
            assert [error["C"] for error in errors(told.rest())] == ["57P01"]
        assert handshaking.rest() == []


# Client certificates

SHOWN = [
    "none", "the role's", "another role's", "the role's name first", "the role's name last", "expired", "revoked",
    "of a stranger",
]  # fmt: skip


def identity_of(certificates: Certificates, shown: str) -> Identity | None:
    match shown:
        case "none":
            return None
        case "the role's":
            return certificates.client(CERTIFIED)
        case "another role's":
            return certificates.client("somebody")
        case "the role's name first":
            return certificates.client(f"{CERTIFIED}/CN=somebody")
        case "the role's name last":
            return certificates.client(f"somebody/CN={CERTIFIED}")
        case "expired":
            return certificates.expired_client
        case "revoked":
            return certificates.revoked_client
        case _:
            return certificates.strange_client


def is_good(shown: str) -> bool:
    """A certificate that the authority answers for, whoever's it is."""
    return "role's" in shown


def attempt(host: str, port: int, database: str, identity: Identity | None, mode: str) -> str:
    """`in`, or the error."""
    values = options(sslmode=mode, user=CERTIFIED)
    if identity:
        values |= {"sslcertmode": "allow", **identity.client_options()}
    try:
        psycopg.connect(host=host, port=port, dbname=database, **values).close()
    except psycopg.OperationalError as error:
        said = str(error).replace(str(port), "PORT").replace(f'"{database}"', "DATABASE")
        return "\n".join(line for line in said.splitlines() if not line.startswith("HINT"))
    return "in"


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("asked", ["verify-ca", "verify-full"])
@pytest.mark.parametrize("mode", ["require", "disable"])
def test_a_client_certificate_counts_as_it_does_with_postgresql(
    start_secure: StartSecure, certificates: Certificates, tls_postgres: PostgresServer, mode: str, asked: str,
    shown: str,
) -> None:  # fmt: skip
    identity = identity_of(certificates, shown)
    holdfast = start_secure(
        {"client_ca": str(certificates.root), "client_crl": str(certificates.crl), "client_certificates": asked}
    )
    direct = attempt(tls_postgres.host, tls_postgres.port, CERTIFICATE_DATABASES[asked], identity, mode)
    assert attempt(holdfast.host, holdfast.port, OPEN_DATABASE, identity, mode) == direct
    assert (direct == "in") == (
        mode == "require"
        and (shown.startswith("the role's") and shown != "the role's name last" or asked == "verify-ca" and is_good(shown))
    )


@pytest.mark.parametrize("shown", SHOWN)
def test_an_optional_certificate_may_be_left_out_but_not_be_bad(
    start_secure: StartSecure, certificates: Certificates, shown: str
) -> None:
    holdfast = start_secure(
        {"client_ca": str(certificates.root), "client_crl": str(certificates.crl), "client_certificates": "optional"}
    )
    outcome = attempt(holdfast.host, holdfast.port, OPEN_DATABASE, identity_of(certificates, shown), "require")
    assert (outcome == "in") == (shown == "none" or is_good(shown)), outcome


def test_the_certificate_of_a_resumed_session_counts_too(start_secure: StartSecure, certificates: Certificates) -> None:
    holdfast = start_secure({"client_ca": str(certificates.root), "client_certificates": "verify-full"})
    context = client_context(identity=certificates.client(CERTIFIED))
    with client(holdfast) as first:
        first.secure(context).login(OPEN_DATABASE, CERTIFIED)
        session = first.socket.session
    with client(holdfast) as second:
        second.secure(context, session=session).login(OPEN_DATABASE, CERTIFIED)
        assert second.socket.session_reused
    with client(holdfast) as third:
        third.secure(context, session=session)
        third.send(startup({"user": TRUSTED, "database": OPEN_DATABASE}))
        assert [error["C"] for error in errors(third.rest())] == ["28000"]


def test_a_revocation_holds_after_a_reload_for_resumed_sessions_too(
    start_secure: StartSecure, certificates: Certificates, tmp_path: Path
) -> None:
    identity = certificates.issuer.client(CERTIFIED, "revoked-later")
    crl = tmp_path / "clients.crl"
    crl.write_bytes(certificates.crl.read_bytes())
    holdfast = start_secure(
        {"client_ca": str(certificates.root), "client_crl": str(crl), "client_certificates": "verify-full"}
    )
    context = client_context(identity=identity)
    with client(holdfast) as first:
        first.secure(context).login(OPEN_DATABASE, CERTIFIED)
        session = first.socket.session
    certificates.issuer.revoke(identity)
    crl.write_text(certificates.top.revocations() + certificates.issuer.revocations())
    holdfast.reload()
    holdfast.wait_for_log(RELOADED)
    with client(holdfast) as second:
        assert "certificate revoked" in is_turned_away(second, context, session=session)


def test_the_subject_of_a_client_certificate_decides_the_tag(
    start_secure: StartSecure, certificates: Certificates, tls_postgres: PostgresServer
) -> None:
    holdfast = start_secure(
        {"client_ca": str(certificates.root), "client_certificates": "optional"},
        tags=[{"name": "test", "certificate": ["*CN=ci*"]}],
    )
    own = certificates.client("ci")
    tls_postgres.execute(f"GRANT ALL ON SCHEMA public TO {TRUSTED}", OPEN_DATABASE)
    for identity, may_drop in ((own, True), (certificates.client("person"), False), (None, False)):
        values = {"sslcertmode": "allow", **identity.client_options()} if identity else {}
        with connect(holdfast, **values) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept ()")
            if may_drop:
                connection.execute("DROP TABLE kept")
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("DROP TABLE kept")
    tls_postgres.execute("DROP TABLE kept", OPEN_DATABASE)


# Nothing is left behind


def test_no_socket_is_left_behind_by_sessions_and_failed_handshakes(start_secure: StartSecure) -> None:
    holdfast = start_secure()
    before = holdfast.socket_count()
    for _ in range(20):
        connect(holdfast).close()
        with client(holdfast) as talking:
            is_turned_away(talking, client_context(alpn="h2"))
        with client(holdfast) as talking:
            talking.send(SSL_REQUEST)
            assert talking.byte() == b"S"
            talking.send(b"no TLS at all, and long enough to be read as a record")
        with client(holdfast) as talking:
            talking.send(SSL_REQUEST)
        with client(holdfast) as talking:
            talking.secure()
            talking.socket.shutdown(socket.SHUT_RDWR)
    eventually(lambda: holdfast.socket_count() == before, what="the end of every socket")
