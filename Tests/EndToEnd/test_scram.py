"""auth = "scram": Holdfast checks passwords itself, and nobody can tell it from PostgreSQL doing so."""

import asyncio
import base64
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import psycopg2
import pytest

from conftest import StartHoldfast
from support.badserver import BadServer
from support.certificates import Certificates
from support.postgres import PASSWORD, PostgresServer
from support.programs import eventually, postgres_programs, run
from support.proxy import Holdfast, ProxySettings, command
from support.scram import CLIENT_NONCE, CONTINUE, SASL, ScramClient, challenge, initial, log_in, request, response
from support.wire import SSL_REQUEST, Message, WireClient, errors, message, query, startup, text

# Who may look users up, and everybody else by SCRAM.
ACCESS = """
local all all trust
host all postgres,keeper all trust
host all trusted all trust
host all md5_only all md5
host all clear_only all password
host all peered all ident
hostssl all bound all scram-sha-256
host all all all scram-sha-256
host replication all all scram-sha-256
"""

ODD_NAMES = ['with "quote"', "o'brien", " space ", "Ünï🐘", "$1", "a,b=c", "x" * 63]

# What SASLprep makes other passwords of, and what it leaves alone.
PASSWORDS = ["I\u00adX", "\u2168", "p\u00e4ss w\u00f6rd", "a,b=c", "\u00a0x", "\u0627\u0031", "bell\u0007", "\U0001f418" * 20]

LOGIN = "ALTER ROLE {} PASSWORD '{}'"


@pytest.fixture(scope="module")
def server(certificates: Certificates) -> Iterator[PostgresServer]:
    # Every lookup is in its log.
    server = PostgresServer(extra_settings="log_statement = 'all'\nlog_connections = on\n", access=ACCESS)
    server.use_tls(certificates.server, certificates.root)
    try:
        server.start()
        server.execute(f"CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON pg_authid TO keeper")
        for role in ("ann", "nologin", "trusted", "clear_only", "peered", "bound", "changing", "replicating", "filed"):
            server.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
        server.execute("ALTER ROLE nologin NOLOGIN; ALTER ROLE replicating REPLICATION; CREATE ROLE no_password LOGIN")
        server.execute(f"CREATE ROLE expired LOGIN PASSWORD '{PASSWORD}' VALID UNTIL '2020-01-01'")
        server.execute(f"SET password_encryption = md5; CREATE ROLE md5_only LOGIN PASSWORD '{PASSWORD}'")
        server.execute(f"SET password_encryption = md5; CREATE ROLE md5_stored LOGIN PASSWORD '{PASSWORD}'")
        for name in ODD_NAMES:
            quoted = name.replace('"', '""')
            server.execute(f"CREATE ROLE \"{quoted}\" LOGIN PASSWORD '{PASSWORD}'")
        server.execute("CREATE DATABASE shop")
        yield server
    finally:
        server.remove()


def by_query(server: PostgresServer, **settings: Any) -> dict[str, Any]:
    connection = f"host={server.host} port={server.port} user=keeper dbname=postgres"
    return {
        "server": server.address, "top": {"auth": "scram"}, "users": {"connection": connection, **settings},
    }  # fmt: skip


def secret_of(server: PostgresServer, role: str) -> str:
    return server.value(f"SELECT rolpassword FROM pg_authid WHERE rolname = $${role}$$")


def users_file(server: PostgresServer, folder: Path, roles: list[str], **changed: str) -> Path:
    """What an operator copies from pg_authid; `changed` roles get another secret."""
    secrets = {role: secret_of(server, role) for role in roles} | changed
    path = folder / "users.txt"
    quoted = ((role.replace('"', '""'), secret) for role, secret in secrets.items())
    path.write_text("; copied from pg_authid\n\n" + "".join(f'"{role}" "{secret}"\n' for role, secret in quoted))
    path.chmod(0o600)
    return path


@pytest.fixture
def asking(start_holdfast: StartHoldfast, server: PostgresServer) -> Holdfast:
    """A proxy that asks the server for its users."""
    return start_holdfast(**by_query(server))


def shop(holdfast: Holdfast, user: str, password: str = PASSWORD, **options: Any) -> psycopg.Connection[Any]:
    return holdfast.connect("shop", user=user, password=password, **options)


def failure(host: str, port: int, **options: Any) -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect(**{"host": host, "port": port, "dbname": "shop", "sslmode": "disable", **options})
    return str(caught.value).replace(str(port), "PORT")


# ---- Who gets in --------------------------------------------------------------------------------------------------


def test_psycopg_logs_in(asking: Holdfast) -> None:
    with shop(asking, "ann", options="-c work_mem=12345kB", application_name="e2e") as client:
        asked = client.execute("SELECT current_user, current_setting('work_mem'), current_setting('application_name')")
        assert asked.fetchone() == ("ann", "12345kB", "e2e")


def test_psycopg2_logs_in(asking: Holdfast) -> None:
    connection = psycopg2.connect(
        host=asking.host, port=asking.port, dbname="shop", user="ann", password=PASSWORD
    )
    cursor = connection.cursor()
    cursor.execute("SELECT current_user")
    assert cursor.fetchone() == ("ann",)
    connection.close()


def test_asyncpg_logs_in(asking: Holdfast) -> None:
    async def who() -> str:
        connection = await asyncpg.connect(
            host=asking.host, port=asking.port, database="shop", user="ann", password=PASSWORD
        )
        try:
            return await connection.fetchval("SELECT current_user::text")
        finally:
            await connection.close()

    assert asyncio.run(who()) == "ann"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_log_in(asking: Holdfast, name: str) -> None:
    with shop(asking, name) as client:
        assert client.execute("SELECT current_user").fetchone() == (name,)


def test_a_name_is_cut_where_the_server_cuts_it(asking: Holdfast) -> None:
    with shop(asking, "x" * 70) as client:
        assert client.execute("SELECT current_user").fetchone() == ("x" * 63,)


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords_that_saslprep_changes_log_in(asking: Holdfast, server: PostgresServer, password: str) -> None:
    server.execute(LOGIN.format("changing", password))
    with shop(asking, "changing", password) as client:
        assert client.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_asks_for_nothing_lets_in(asking: Holdfast) -> None:
    with shop(asking, "trusted") as client:
        assert client.execute("SELECT current_user").fetchone() == ("trusted",)


def test_replication_connections_log_in(asking: Holdfast, tmp_path: Path) -> None:
    run(
        postgres_programs() / "pg_receivewal", "--host", asking.host, "--port", str(asking.port), "--username",
        "replicating", "--create-slot", "--slot", "scram", environment={"PGPASSWORD": PASSWORD},
    )  # fmt: skip
    run(
        postgres_programs() / "pg_receivewal", "--host", asking.host, "--port", str(asking.port), "--username",
        "replicating", "--drop-slot", "--slot", "scram", environment={"PGPASSWORD": PASSWORD},
    )  # fmt: skip


def test_cancel_requests_reach_the_server(asking: Holdfast, server: PostgresServer) -> None:
    with shop(asking, "ann") as client:
        client.pgconn.send_query(b"SELECT pg_sleep(63)")
        running = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(63)' AND state = 'active'"
        eventually(lambda: server.rows(running), 10, lambda: "the statement to run")
        client.pgconn.get_cancel().cancel()
        (result,) = iter(client.pgconn.get_result, None)
        assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"57014"


def test_rules_hold_for_who_logged_in_here(asking: Holdfast, server: PostgresServer) -> None:
    server.execute("CREATE TABLE kept (); GRANT ALL ON kept TO ann", "shop")
    with shop(asking, "ann") as client, pytest.raises(psycopg.errors.InsufficientPrivilege, match="holdfast refused"):
        client.execute("DROP TABLE kept")


def test_what_is_sent_right_behind_the_proof_waits_for_the_login(asking: Holdfast) -> None:
    driver = ScramClient(PASSWORD)
    with WireClient(asking.host, asking.port) as client:
        final, _ = driver.final(challenge(client, "ann", "shop", driver.first))
        client.send(response(final) + query("SELECT 1"))
        kinds = "".join(item.kind for item in client.until("Z", 2))
    assert kinds.startswith("RRS") and kinds.endswith("KZTDCZ")


def test_a_login_byte_by_byte_works(asking: Holdfast) -> None:
    driver = ScramClient(PASSWORD)
    with WireClient(asking.host, asking.port) as client:
        client.send_bytewise(startup({"user": "ann", "database": "shop"}))
        client.receive()
        client.send_bytewise(initial(driver.first))
        final, _ = driver.final(request(client.receive())[1])
        client.send_bytewise(response(final))
        assert client.until("Z")[-1].kind == "Z"


def test_a_client_with_nothing_to_say_yet_is_asked(asking: Holdfast) -> None:
    driver = ScramClient(PASSWORD)
    with WireClient(asking.host, asking.port) as client:
        client.send(startup({"user": "ann", "database": "shop"}))
        client.receive()
        client.send(initial(None))
        assert request(client.receive()) == (CONTINUE, b"")
        client.send(response(driver.first))
        final, _ = driver.final(request(client.receive())[1])
        client.send(response(final))
        assert client.until("Z")[-1].kind == "Z"


def test_a_client_of_protocol_3_2_logs_in(asking: Holdfast) -> None:
    with shop(asking, "ann", max_protocol_version="latest") as client:
        assert client.execute("SELECT current_user").fetchone() == ("ann",)


def test_the_server_negotiates_the_protocol_after_the_proof(asking: Holdfast, server: PostgresServer) -> None:
    driver = ScramClient(PASSWORD)
    with WireClient(asking.host, asking.port) as client:
        client.send(startup({"user": "ann", "database": "shop", "_pq_.unknown": "1"}, protocol=(3 << 16) + 9999))
        assert request(client.receive())[0] == SASL
        client.send(initial(driver.first))
        final, _ = driver.final(request(client.receive())[1])
        client.send(response(final))
        answers = client.until("Z")
    assert "".join(item.kind for item in answers[:3]) == "RvR" and answers[-1].kind == "Z"
    assert b"_pq_.unknown" in answers[1].body


# ---- Who does not, in PostgreSQL's words --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attempt",
    [
        {"user": "ann", "password": "wrong"},
        {"user": "nobody_of_that_name", "password": PASSWORD},
        {"user": "no_password", "password": PASSWORD},
        {"user": "expired", "password": PASSWORD},
        {"user": "expired", "password": "wrong"},
        {"user": "nologin", "password": PASSWORD},
        {"user": "nologin", "password": "wrong"},
        {"user": "md5_stored", "password": PASSWORD},
        {"user": 'with "quote"', "password": "wrong"},
        {"user": "Ünï🐘", "password": "wrong"},
        {"user": "y" * 70, "password": PASSWORD},
        {"user": "ann", "password": PASSWORD, "dbname": "no_database_of_that_name"},
        {"user": "ann", "password": PASSWORD, "options": "-c no_such_setting=1"},
        {"user": "ann", "password": PASSWORD, "options": "-c work_mem=nonsense"},
        {"user": "ann", "password": PASSWORD, "replication": "database"},
        {"user": "ann", "password": ""},
    ],
    ids=lambda attempt: " ".join(attempt.values()),
)
def test_a_failed_login_reads_as_it_does_without_the_proxy(
    asking: Holdfast, server: PostgresServer, attempt: dict[str, str]
) -> None:
    assert failure(asking.host, asking.port, **attempt) == failure(server.host, server.port, **attempt)


PROOF = "p=" + "A" * 43 + "="

# What a client may say instead of its first message …
FIRST = {
    "empty": initial(b""), "nul": initial(b"n,,n=,r=a\0b"), "flag": initial(b"x,,n=,r=a"),
    "unprintable flag": initial(b"\x01,,n=,r=a"), "high flag": initial(b"\xff,,n=,r=a"), "cut": initial(b"n"),
    "no comma": initial(b"nn,n=,r=a"), "authzid": initial(b"n,a=me,n=,r=a"), "attribute": initial(b"n,b=me,n=,r=a"),
    "extension": initial(b"n,,m=x,n=,r=a"), "order": initial(b"n,,r=a,n="), "no user": initial(b"n,,"),
    "no value": initial(b"n,,n"), "no nonce": initial(b"n,,n="), "other": initial(b"n,,n=,x=a"),
    "space": initial(b"n,,n=,r=a c"), "high nonce": initial(b"n,,n=,r=\xc3\xa9"), "digit": initial(b"n,,n=,r=a,1=x"),
    "no equals": initial(b"n,,n=,r=a,x:y"), "binding": initial(b"p=tls-server-end-point,,n=,r=a"),
    "plus": initial(b"p=tls-server-end-point,,n=,r=a", "SCRAM-SHA-256-PLUS"), "mechanism": initial(b"n,,n=,r=a", "X"),
    "not SASL": query("SELECT 1"), "terminate": message("X"), "nonsense": b"\0\0\0\0\0", "sync": message("S"),
    "too short": message("p", b"", 3), "too long": message("p", b"x" * 1021), "longest": initial(b"x" * 1002),
    "unended": message("p", b"abc"), "bare": message("p", text("SCRAM-SHA-256")),
    "bare and wrong": message("p", text("X")), "long count": initial(b"n,,n=,r=a", length=10),
    "short count": initial(b"n,,n=,r=a", length=8), "minus two": initial(b"n,,n=,r=a", length=-2),
    "negative": message("p", b"", -1), "huge": message("p", b"", 0x7FFFFFFF), "long nonce": initial(b"n,,n=,r=" + b"a" * 995),
}  # fmt: skip

# … and instead of its second; NONCE is what must stand there.
SECOND = {
    "empty": "", "nul": "c=biws,r=NONCE\0,p=", "order": "r=NONCE", "no nonce": "c=biws", "no proof": "c=biws,r=NONCE",
    "no value": "c", "extension only": "c=biws,r=NONCE,x=1", "empty proof": "c=biws,r=NONCE,p=",
    "short proof": "c=biws,r=NONCE,p=YWJj", "no base64": "c=biws,r=NONCE,p=" + "!" * 44,
    "garbage": f"c=biws,r=NONCE,{PROOF},x=1", "longer nonce": f"c=biws,r=NONCEx,{PROOF}",
    "own nonce": f"c=biws,r={CLIENT_NONCE},{PROOF}", "other flag": f"c=eSws,r=NONCE,{PROOF}",
    "other binding": f"c=bixh,r=NONCE,{PROOF}", "no binding": f"c=,r=NONCE,{PROOF}",
    "wrong proof": f"c=biws,r=NONCE,{PROOF}", "extension": f"c=biws,r=NONCE,x=1,{PROOF}",
}  # fmt: skip


def answers(items: list[Message]) -> list[Any]:
    """Errors by all that a client may go by."""
    return [
        {key: item.fields.get(key) for key in "SVCMD"} if item.kind == "E" else (item.kind, item.body) for item in items
    ]


def answers_to(host: str, port: int, *sent: bytes, user: str = "ann") -> list[Any]:
    with WireClient(host, port) as client:
        client.send(startup({"user": user, "database": "shop"}))
        first = client.receive()
        assert first
        client.send(*sent)
        return answers([first, *client.rest()])


@pytest.mark.parametrize("user", ["ann", "nobody_of_that_name"])
@pytest.mark.parametrize("name", FIRST)
def test_a_malformed_first_message_is_answered_as_postgresql_answers_it(
    asking: Holdfast, server: PostgresServer, name: str, user: str
) -> None:
    ours, theirs = (answers_to(end.host, end.port, FIRST[name], user=user) for end in (asking, server))
    assert ours == theirs


@pytest.mark.parametrize("user", ["ann", "nobody_of_that_name"])
@pytest.mark.parametrize("name", SECOND)
def test_a_malformed_second_message_is_answered_as_postgresql_answers_it(
    asking: Holdfast, server: PostgresServer, name: str, user: str
) -> None:
    def second(host: str, port: int) -> list[Any]:
        driver = ScramClient(PASSWORD)
        with WireClient(host, port) as client:
            nonce = challenge(client, user, "shop", driver.first).decode().split(",")[0].removeprefix("r=")
            client.send(response(SECOND[name].replace("NONCE", nonce).encode()))
            return answers(client.rest())

    assert second(asking.host, asking.port) == second(server.host, server.port)


@pytest.mark.parametrize("parameters", [{}, {"user": ""}], ids=["none", "empty"])
def test_a_startup_packet_without_a_user_is_answered_as_postgresql_answers_it(
    asking: Holdfast, server: PostgresServer, parameters: dict[str, str]
) -> None:
    def answer(host: str, port: int) -> list[Any]:
        with WireClient(host, port) as client:
            client.send(startup({**parameters, "database": "shop"}))
            return answers(client.rest())

    assert answer(asking.host, asking.port) == answer(server.host, server.port)


# ---- What cannot be told apart ------------------------------------------------------------------------------------

FAILING = [
    ("ann", "wrong"), ("nobody_of_that_name", PASSWORD), ("no_password", PASSWORD), ("expired", PASSWORD),
    ("md5_stored", PASSWORD),
]  # fmt: skip


def lookups(server: PostgresServer) -> int:
    return server.log.read_text().count("FROM pg_catalog.pg_authid WHERE rolname = $1")


@pytest.mark.parametrize(("user", "password"), FAILING)
def test_all_who_fail_exchange_the_same_messages_after_the_same_lookup(
    asking: Holdfast, server: PostgresServer, user: str, password: str
) -> None:
    with pytest.raises(psycopg.OperationalError):
        shop(asking, "ann", "wrong")
    before = lookups(server)
    connections = server.log.read_text().count("connection received")
    driver = ScramClient(password)
    with WireClient(asking.host, asking.port) as client:
        client.send(startup({"user": user, "database": "shop"}))
        offer = client.receive()
        assert offer
        client.send(initial(driver.first))
        first = request(client.receive())[1]
        client.send(response(driver.final(first)[0]))
        rest = client.rest()
    assert offer.body == b"\0\0\0\x0aSCRAM-SHA-256\0\0"
    nonce, salt, count = first.decode().split(",")
    assert len(nonce) == len("r=" + CLIENT_NONCE) + 24 and len(salt) == len("s=") + 24 and count == "i=4096"
    assert errors(rest) == [
        {"S": "FATAL", "V": "FATAL", "C": "28P01", "M": f'password authentication failed for user "{user}"'}
    ]
    assert lookups(server) - before == 1
    assert server.log.read_text().count("connection received") == connections, "the server has heard of the client"


def test_the_salt_of_somebody_unknown_stays_the_same_on_every_instance(
    start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path
) -> None:
    def salt(holdfast: Holdfast, user: str) -> str:
        with WireClient(holdfast.host, holdfast.port) as client:
            return challenge(client, user, "shop", ScramClient("").first).decode().split(",")[1]

    path = users_file(server, tmp_path, ["ann", "filed"])
    in_file = {"server": server.address, "top": {"auth": "scram"}, "users": {"file": str(path)}}
    for settings in (by_query(server), in_file):
        one, other = start_holdfast(**settings), start_holdfast(**settings)
        assert salt(one, "nobody") == salt(one, "nobody") == salt(other, "nobody")
        assert salt(one, "nobody") != salt(one, "somebody")
        assert salt(one, "ann") == salt(other, "ann")


def test_nothing_secret_is_logged(start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path) -> None:
    settings = by_query(server)
    path = users_file(server, tmp_path, ["filed"])
    settings["users"]["file"] = str(path)
    settings["top"]["log"] = {"level": "trace"}
    holdfast = start_holdfast(**settings)
    with shop(holdfast, "ann"), shop(holdfast, "filed"):
        pass
    for user, password in FAILING:
        failure(holdfast.host, holdfast.port, user=user, password=password)
    holdfast.stop()
    logged = holdfast.log_text() + holdfast.trail.path.read_text()
    assert "login refused" in logged and "there is no such role" in logged
    assert PASSWORD not in logged and "SCRAM-SHA-256$" not in logged
    for role in ("ann", "filed"):
        for part in secret_of(server, role).replace("$", ":").split(":")[2:]:
            assert part not in logged


# ---- Where users come from ----------------------------------------------------------------------------------------


def test_users_come_from_a_file(start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path) -> None:
    path = users_file(server, tmp_path, ["filed", 'with "quote"'])
    holdfast = start_holdfast(server=server.address, top={"auth": "scram"}, users={"file": str(path)})
    for user in ("filed", 'with "quote"'):
        with shop(holdfast, user) as client:
            assert client.execute("SELECT current_user").fetchone() == (user,)
    refused = failure(holdfast.host, holdfast.port, user="ann", password=PASSWORD)
    assert 'password authentication failed for user "ann"' in refused
    holdfast.wait_for_log("not in the file of users")


def test_sighup_reads_the_file_again(start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path) -> None:
    path = users_file(server, tmp_path, ["filed"])
    holdfast = start_holdfast(server=server.address, top={"auth": "scram"}, users={"file": str(path)})
    with shop(holdfast, "filed") as open_session:
        users_file(server, tmp_path, ["ann"])
        holdfast.reload()
        holdfast.wait_for_log("was read again")
        with shop(holdfast, "ann"):
            pass
        assert 'failed for user "filed"' in failure(holdfast.host, holdfast.port, user="filed", password=PASSWORD)
        assert open_session.execute("SELECT 1").fetchone() == (1,)


def test_a_file_with_a_mistake_changes_nothing_at_sighup(
    start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path
) -> None:
    path = users_file(server, tmp_path, ["filed"])
    holdfast = start_holdfast(server=server.address, top={"auth": "scram"}, users={"file": str(path)})
    path.write_text(f'{path.read_text()}"ann" "{PASSWORD}"\n')
    holdfast.reload()
    said = holdfast.wait_for_log("was not taken over")
    assert f"{path}:4: the secret of" in said and "clear-text password must not stand here" in said
    assert PASSWORD not in said
    with shop(holdfast, "filed"):
        pass


def test_authentication_is_switched_by_sighup(start_holdfast: StartHoldfast, server: PostgresServer) -> None:
    settings = by_query(server)
    holdfast = start_holdfast(**settings)
    with shop(holdfast, "ann") as open_session:
        holdfast.settings.top = {"auth": "pass-through"}
        holdfast.write(holdfast.settings)
        holdfast.reload()
        holdfast.wait_for_log("was read again")
        # Only the server can check these two.
        for user in ("md5_only", "clear_only"):
            with shop(holdfast, user):
                pass
        holdfast.settings.top = {"auth": "scram"}
        holdfast.write(holdfast.settings)
        since = len(holdfast.log_text())
        holdfast.reload()
        holdfast.wait_for_log("was read again", since)
        with shop(holdfast, "ann"), pytest.raises(psycopg.OperationalError):
            shop(holdfast, "md5_only")
        assert open_session.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('"ann" "{password}"', "clear-text password must not stand here"),
        ('\n"ann" "md5d41d8cd98f00b204e9800998ecf8427e"', ":2: the secret of"),
        ("ann SCRAM-SHA-256$4096:x", "not a line of the form"),
        (None, "cannot read the file of users"),
    ],
    ids=["clear", "md5", "unquoted", "missing"],
)
def test_a_file_that_cannot_be_used_ends_the_start_and_the_check(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "users.txt"
    if content is not None:
        path.write_text(content.format(password=PASSWORD))
        path.chmod(0o600)
    holdfast = Holdfast(tmp_path, ProxySettings("127.0.0.1:1", top={"auth": "scram"}, users={"file": "users.txt"}))
    checked = command("check", "--config", holdfast.configuration, check=False)
    served = command("serve", "--config", holdfast.configuration, check=False)
    for ended in (checked, served):
        assert ended.returncode != 0
        assert says in ended.stderr and PASSWORD not in ended.stderr


def test_a_file_that_everybody_can_read_is_refused(server: PostgresServer, tmp_path: Path) -> None:
    path = users_file(server, tmp_path, ["filed"])
    path.chmod(0o644)
    holdfast = Holdfast(tmp_path, ProxySettings("127.0.0.1:1", top={"auth": "scram"}, users={"file": str(path)}))
    checked = command("check", "--config", holdfast.configuration, check=False)
    assert checked.returncode != 0 and "can be read by everybody" in checked.stderr and "chmod 600" in checked.stderr


def test_the_file_goes_before_the_query(start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path) -> None:
    path = users_file(server, tmp_path, ["filed"])
    settings = by_query(server)
    settings["users"]["file"] = str(path)
    holdfast = start_holdfast(**settings)
    for user in ("filed", "ann"):
        before = lookups(server)
        with shop(holdfast, user):
            pass
        # The one in the file is asked for, too: nobody can tell who stands in it. Of a new connection the first is our own.
        assert lookups(server) - before == (2 if user == "filed" else 1)


def test_an_own_query_answers_in_its_last_column(start_holdfast: StartHoldfast, server: PostgresServer) -> None:
    # What PgBouncer's auth_query looks like; the role needs no right on pg_authid.
    server.execute(
        """
        CREATE OR REPLACE FUNCTION secret_of(name text) RETURNS TABLE (usename name, passwd text)
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
        AS 'SELECT rolname, rolpassword FROM pg_authid WHERE rolname = name AND rolcanlogin'
        """
    )
    holdfast = start_holdfast(**by_query(server, query="SELECT usename, passwd FROM public.secret_of($1)"))
    with shop(holdfast, "ann"):
        pass
    # This query, unlike the standard one, has nobody for a role that may not log in.
    refused = failure(holdfast.host, holdfast.port, user="nologin", password=PASSWORD)
    assert 'password authentication failed for user "nologin"' in refused


# ---- Changed passwords --------------------------------------------------------------------------------------------


def test_a_changed_password_works_at_once(asking: Holdfast, server: PostgresServer) -> None:
    for password in ("one", "two", "three"):
        server.execute(LOGIN.format("changing", password))
        with shop(asking, "changing", password):
            pass


@pytest.fixture
def caching(start_holdfast: StartHoldfast, server: PostgresServer) -> Holdfast:
    """A proxy that holds the answer for the role `changing`, whose password is `old`."""
    server.execute(LOGIN.format("changing", "old"))
    holdfast = start_holdfast(**by_query(server, cache="1m"))
    with shop(holdfast, "changing", "old"):
        pass
    return holdfast


def test_a_cached_answer_is_asked_for_again_after_a_failure(caching: Holdfast, server: PostgresServer) -> None:
    before = lookups(server)
    with shop(caching, "changing", "old"):
        pass
    assert lookups(server) == before, "the answer was not cached"
    server.execute(LOGIN.format("changing", "new"))
    # The salt of the old secret has been sent by the time that the proof is there.
    failure(caching.host, caching.port, user="changing", password="new")
    with shop(caching, "changing", "new"):
        pass


def test_an_old_password_opens_nothing_though_its_secret_is_cached(caching: Holdfast, server: PostgresServer) -> None:
    server.execute(LOGIN.format("changing", "new"))
    refused = failure(caching.host, caching.port, user="changing", password="old")
    assert "the server's SCRAM secret for this role is not the one that holdfast has" in refused
    with shop(caching, "changing", "new"):
        pass


# ---- What the server may say --------------------------------------------------------------------------------------


def test_another_secret_in_the_file_is_told_apart(
    start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path
) -> None:
    stale = secret_of(server, "ann")
    path = users_file(server, tmp_path, ["filed"], bound=stale)
    holdfast = start_holdfast(server=server.address, top={"auth": "scram"}, users={"file": str(path)})
    # The same password, but another salt.
    with WireClient(holdfast.host, holdfast.port) as client:
        (error,) = errors(log_in(client, "bound", "shop", PASSWORD))
    assert error["C"] == "28000" and "SCRAM secret" in error["M"] and "pg_authid.rolpassword" in error["H"]
    holdfast.wait_for_log('cannot log in to the server as "bound"')


@pytest.mark.parametrize(
    ("user", "asks"), [("md5_only", "an MD5 password"), ("clear_only", "a clear-text password")], ids=["md5", "password"]
)
def test_a_server_that_wants_another_proof_is_named(
    start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path, user: str, asks: str
) -> None:
    path = users_file(server, tmp_path, [], **{user: secret_of(server, "ann")})
    holdfast = start_holdfast(server=server.address, top={"auth": "scram"}, users={"file": str(path)})
    with WireClient(holdfast.host, holdfast.port) as client:
        (error,) = errors(log_in(client, user, "shop", PASSWORD))
    assert error["S"] == "FATAL" and error["C"] == "28000"
    assert f"the server asks for {asks}" in error["M"] and "pg_hba.conf" in error["H"]


def test_a_server_that_refuses_the_role_is_heard(
    start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path
) -> None:
    # ident: the role of the system user that holds the port, who is none of the server's.
    path = users_file(server, tmp_path, ["peered"])
    holdfast = start_holdfast(server=server.address, top={"auth": "scram"}, users={"file": str(path)})
    refused = failure(holdfast.host, holdfast.port, user="peered", password=PASSWORD)
    assert refused == failure(server.host, server.port, user="peered", password=PASSWORD)


def sent_by_server(kind: int, data: bytes = b"") -> bytes:
    return message("R", kind.to_bytes(4) + data)


OFFER = sent_by_server(10, b"SCRAM-SHA-256\0\0")


@pytest.mark.parametrize(
    ("greeting", "answer", "sqlstate", "says"),
    [
        (OFFER, sent_by_server(0), "08P01", "AuthenticationOk in the middle of the exchange"),
        (OFFER, sent_by_server(11, b"r=other,s=c2FsdA==,i=4096"), "08P01", "a malformed SCRAM message"),
        (OFFER, sent_by_server(12, b"v=c2FsdA=="), "08P01", "an AuthenticationSASLFinal too early"),
        (sent_by_server(10, b"OAUTHBEARER\0\0"), b"", "28000", "SASL OAUTHBEARER"),
        (sent_by_server(7), b"", "28000", "GSSAPI"),
        (b"R\0\0\0\2", b"", "08P01", "a message of type 82 with length 2"),
        (b"HTTP/1.1 400 Bad Request", b"", "08P01", "a message of type 72"),
        (b"", b"", "08006", "server closed the connection unexpectedly"),
        (OFFER, b"", "08006", "server closed the connection unexpectedly"),
    ],
)
def test_a_server_that_is_none_is_not_believed(
    start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path, greeting: bytes, answer: bytes,
    sqlstate: str, says: str,
) -> None:  # fmt: skip
    path = users_file(server, tmp_path, ["ann"])
    with BadServer(greeting, answer) as bad:
        holdfast = start_holdfast(server=bad.address, top={"auth": "scram"}, users={"file": str(path)})
        with WireClient(holdfast.host, holdfast.port) as client:
            (error,) = errors(log_in(client, "ann", "shop", PASSWORD))
        assert error["C"] == sqlstate and says in error["M"]
        bad.wait_for_close()


# ---- When something is missing ------------------------------------------------------------------------------------


def test_a_lost_connection_for_lookups_is_opened_again(asking: Holdfast, server: PostgresServer) -> None:
    with shop(asking, "ann"):
        pass
    server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keeper'")
    with shop(asking, "ann"):
        pass


def test_without_a_connection_for_lookups_clients_are_told(start_holdfast: StartHoldfast, server: PostgresServer) -> None:
    settings = by_query(server)
    settings["users"]["connection"] = "host=127.0.0.1 port=1 user=keeper"
    holdfast = start_holdfast(**settings)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "ann", "database": "shop"}))
        (error,) = errors(client.rest())
    assert error["S"] == "FATAL" and error["C"] == "08006"
    assert error["M"] == "holdfast cannot look up users at the moment" and "port" not in str(error)
    assert "nobody new gets in" in holdfast.wait_for_log("Connection refused")


def test_a_role_that_may_not_look_up_is_told_in_the_log(start_holdfast: StartHoldfast, server: PostgresServer) -> None:
    settings = by_query(server)
    settings["users"]["connection"] = settings["users"]["connection"].replace("keeper", "trusted")
    holdfast = start_holdfast(**settings)
    assert "cannot look up users" in failure(holdfast.host, holdfast.port, user="ann", password=PASSWORD)
    holdfast.wait_for_log("permission denied for table pg_authid")


def test_a_server_that_is_down_is_told_to_who_is_known(
    start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path
) -> None:
    path = users_file(server, tmp_path, ["ann"])
    holdfast = start_holdfast(server="127.0.0.1:1", top={"auth": "scram"}, users={"file": str(path)})
    assert "holdfast cannot reach the PostgreSQL server" in failure(
        holdfast.host, holdfast.port, user="ann", password=PASSWORD
    )
    assert "password authentication failed" in failure(holdfast.host, holdfast.port, user="ann", password="wrong")


@pytest.mark.parametrize("sends", [[], [initial(ScramClient("").first)]], ids=["nothing", "half of it"])
def test_a_login_that_takes_too_long_is_ended(
    start_holdfast: StartHoldfast, server: PostgresServer, sends: list[bytes]
) -> None:
    settings = by_query(server)
    settings["top"]["login_timeout"] = "1s"
    holdfast = start_holdfast(**settings)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.send(startup({"user": "ann", "database": "shop"}), *sends)
        (error,) = errors(client.rest())
    assert (error["C"], error["M"]) == ("57014", "canceling authentication due to timeout")


def test_a_server_that_says_nothing_is_not_waited_for_longer(
    start_holdfast: StartHoldfast, server: PostgresServer, tmp_path: Path
) -> None:
    path = users_file(server, tmp_path, ["ann"])
    with BadServer(b"", then_closes=False) as silent:
        holdfast = start_holdfast(
            server=silent.address, top={"auth": "scram", "login_timeout": "1s"}, users={"file": str(path)}
        )
        with WireClient(holdfast.host, holdfast.port) as client:
            (error,) = errors(log_in(client, "ann", "shop", PASSWORD))
        assert (error["C"], error["M"]) == ("57014", "canceling authentication due to timeout")
        silent.wait_for_close()


def test_a_client_that_leaves_during_its_login_leaves_nothing_behind(asking: Holdfast) -> None:
    def descriptors() -> int:
        return len(list(Path(f"/proc/{asking.pid}/fd").iterdir()))

    with shop(asking, "ann"):
        pass
    before = descriptors()
    for sends in ([], [initial(ScramClient("").first)], [initial(None)], [b"p\0\0"]):
        with WireClient(asking.host, asking.port) as client:
            client.send(startup({"user": "ann", "database": "shop"}), *sends)
            client.receive()
    eventually(lambda: descriptors() <= before, 10, lambda: f"{before} descriptors, not {descriptors()}")


def test_many_log_in_at_once(asking: Holdfast) -> None:
    async def log_in_and_ask() -> int:
        connection = await asyncpg.connect(
            host=asking.host, port=asking.port, database="shop", user="ann", password=PASSWORD
        )
        try:
            return await connection.fetchval("SELECT 1")
        finally:
            await connection.close()

    async def all_of_them() -> list[int]:
        return await asyncio.gather(*(log_in_and_ask() for _ in range(60)))

    assert asyncio.run(all_of_them()) == [1] * 60


# ---- TLS ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["disable", "require"])
def encrypted(
    request: pytest.FixtureRequest, start_holdfast: StartHoldfast, server: PostgresServer, certificates: Certificates
) -> Holdfast:
    """Clients by TLS with a certificate that is not the server's; the server with or without."""
    return start_holdfast(
        **by_query(server), client_tls={"mode": "allow", **certificates.other_server.proxy_settings()},
        server_tls={"mode": request.param},
    )  # fmt: skip


@pytest.mark.parametrize("binding", ["disable", "prefer", "require"])
def test_the_channel_to_the_client_is_bound(encrypted: Holdfast, certificates: Certificates, binding: str) -> None:
    with shop(
        encrypted, "ann", host="localhost", sslmode="verify-full", sslrootcert=str(certificates.root),
        channel_binding=binding,
    ) as client:  # fmt: skip
        assert client.execute("SELECT current_user").fetchone() == ("ann",)


def test_without_tls_the_channel_cannot_be_bound(encrypted: Holdfast) -> None:
    with shop(encrypted, "ann", sslmode="disable"):
        pass
    refused = failure(encrypted.host, encrypted.port, user="ann", password=PASSWORD, channel_binding="require")
    assert "channel binding required, but SSL not in use" in refused


def test_a_wrong_password_by_tls_reads_as_it_does_without_the_proxy(encrypted: Holdfast, server: PostgresServer) -> None:
    attempt = {"user": "ann", "password": "wrong", "sslmode": "require"}
    assert failure(encrypted.host, encrypted.port, **attempt) == failure(server.host, server.port, **attempt)


def tls_client(port: int) -> WireClient:
    client = WireClient("127.0.0.1", port)
    client.send(SSL_REQUEST)
    assert client.byte() == b"S"
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client.socket = context.wrap_socket(client.socket)
    return client


BY_TLS = {
    "downgrade": initial(b"y,,n=,r=a"), "no data": initial(b"n,,n=,r=a", "SCRAM-SHA-256-PLUS"),
    "no data for y": initial(b"y,,n=,r=a", "SCRAM-SHA-256-PLUS"),
    "unasked": initial(b"p=tls-server-end-point,,n=,r=a"),
    "other binding": initial(b"p=tls-unique,,n=,r=a", "SCRAM-SHA-256-PLUS"),
    "odd binding": initial(b"p=\xff" + b"x" * 50 + b",,n=,r=a", "SCRAM-SHA-256-PLUS"),
    "no binding": initial(b"p", "SCRAM-SHA-256-PLUS"), "mechanism": initial(b"n,,n=,r=a", "SCRAM-SHA-1"),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_TLS)
def test_a_wrong_channel_binding_is_answered_as_postgresql_answers_it(
    encrypted: Holdfast, server: PostgresServer, name: str
) -> None:
    def answer(port: int) -> list[Any]:
        with tls_client(port) as client:
            client.send(startup({"user": "ann", "database": "shop"}))
            first = client.receive()
            assert first and first.body == b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
            client.send(BY_TLS[name])
            return answers(client.rest())

    assert answer(encrypted.port) == answer(server.port)


@pytest.mark.parametrize("binding", [b"p=tls-server-end-point,,", b"p=tls-server-end-point,,elsewhere", b"n,,"])
def test_a_channel_that_ends_elsewhere_is_answered_as_postgresql_answers_it(
    encrypted: Holdfast, server: PostgresServer, binding: bytes
) -> None:
    def answer(port: int) -> list[Any]:
        with tls_client(port) as client:
            client.send(startup({"user": "ann", "database": "shop"}))
            client.receive()
            client.send(initial(b"p=tls-server-end-point,,n=,r=a", "SCRAM-SHA-256-PLUS"))
            nonce = request(client.receive())[1].split(b",")[0]
            client.send(response(b"c=" + base64.b64encode(binding) + b"," + nonce + b"," + PROOF.encode()))
            return answers(client.rest())

    assert answer(encrypted.port) == answer(server.port)
