"""Running the proxy: errors at start, reload by SIGHUP, the drain at SIGTERM, the private server."""

import os
import re
import shutil
import signal
import socket
import threading
from pathlib import Path

import psycopg
import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer, open_folder
from support.programs import eventually, run
from support.proxy import REPOSITORY, Holdfast, ProxySettings, binary, command
from support.wire import SYNC, WireClient, bind, errors, execute, parse, query, transcript

RELOADED = "proxy.conf was read again"


def write_bad(holdfast: Holdfast) -> None:
    holdfast.write('listen = ["127.0.0.1:0"]\nserver = "127.0.0.1:5432"\nmax_clients = "many"\n')


def test_a_port_in_use_is_named_in_the_error(postgres: PostgresServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:{}".format(taken.getsockname()[1])
        file = tmp_path / "proxy.conf"
        file.write_text(ProxySettings(server=postgres.address, listen=[address]).text())
        ended = run(binary(), "serve", "--config", file, check=False, timeout=20)
    assert ended.returncode not in (0, -signal.SIGABRT, -signal.SIGILL, -signal.SIGTRAP)
    assert address in ended.stderr
    assert "in use" in ended.stderr


def test_a_missing_configuration_is_named_in_the_error(tmp_path: Path) -> None:
    ended = run(binary(), "serve", "--config", tmp_path / "no.conf", check=False, timeout=20)
    assert ended.returncode > 0
    assert "no.conf" in ended.stderr


@pytest.mark.parametrize("verb", ["serve", "check"])
@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("max_clients = 'many'", r"proxy\.conf:3:\d+"),
        ("max_clients = = 3", r"proxy\.conf:3:\d+"),
        ("no_such_setting = 1", r"proxy\.conf:3:\d+"),
        ("[[rule]]\nname = 'x'\nclasses = ['drop_tabel']\naction = 'block'", r"proxy\.conf:5:\d+"),
        ("[[rule]]\nname = 'x'\nclasses = ['drop_table']\naction = 'forbid'", r"proxy\.conf:6:\d+"),
        ("[[tag]]\nname = 'test'\nclient = ['10.0.0.0/99']", r"proxy\.conf:5:\d+"),
    ],
)
def test_a_mistake_in_the_configuration_is_shown_with_line_and_column(
    tmp_path: Path, verb: str, line: str, place: str
) -> None:
    file = tmp_path / "proxy.conf"
    file.write_text(f'listen = ["127.0.0.1:0"]\nserver = "127.0.0.1:5432"\n{line}\n')
    ended = run(binary(), verb, "--config", file, check=False, timeout=20)
    assert ended.returncode > 0
    assert re.search(place, ended.stdout + ended.stderr), ended.stdout + ended.stderr


def test_the_shipped_configuration_is_valid_and_listens_on_loopback_only() -> None:
    shipped = REPOSITORY / "proxy.conf"
    command("check", "--config", shipped)
    listen = next(line for line in shipped.read_text().splitlines() if line.startswith("listen"))
    assert all(address.startswith(("127.", "[::1]", "unix:")) for address in re.findall('"([^"]+)"', listen))


def test_a_reload_takes_effect_for_an_open_session_at_its_next_statement(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE one (); CREATE TABLE two (); CREATE TABLE three ()", production)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        assert transcript(client.ask(query("DROP TABLE one"))) == ["E(42501)", "ZI"]

        mark = len(holdfast.log_text())
        holdfast.write(ProxySettings(server=postgres.address, rules=[]))
        holdfast.reload()
        holdfast.wait_for_log(RELOADED, since=mark)
        assert transcript(client.ask(query("DROP TABLE one"))) == ["C(DROP TABLE)", "ZI"]
        client.ask(parse("DROP TABLE two", name="later"), SYNC)

        mark = len(holdfast.log_text())
        holdfast.write(holdfast.settings)
        holdfast.reload()
        holdfast.wait_for_log(RELOADED, since=mark)
        assert transcript(client.ask(query("DROP TABLE three"))) == ["E(42501)", "ZI"]
        # A statement that was parsed while it was allowed is judged again when it is executed.
        assert transcript(client.ask(bind(statement="later"), execute(), SYNC)) == ["2", "E(42501)", "ZI"]
        assert transcript(client.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "ZI"]
    assert postgres.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", production) == 2


def test_start_reload_and_stop_are_in_the_trail(holdfast: Holdfast) -> None:
    holdfast.reload()
    holdfast.trail.wait(event="reload")
    holdfast.stop()
    assert [record["event"] for record in holdfast.trail.records()] == [
        "file_start", "start", "reload", "stop", "checkpoint",
    ]


def test_an_invalid_reload_changes_nothing_and_says_why(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE one ()", production)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(production)
        mark = len(holdfast.log_text())
        write_bad(holdfast)
        holdfast.reload()
        assert re.search(r"proxy\.conf:3:\d+", holdfast.wait_for_log("proxy.conf:3:", since=mark))
        assert transcript(client.ask(query("DROP TABLE one"))) == ["E(42501)", "ZI"]
        with WireClient(holdfast.host, holdfast.port) as other:
            assert transcript(other.login(production).ask(query("DROP TABLE one"))) == ["E(42501)", "ZI"]


def test_reloads_leave_nothing_behind(holdfast: Holdfast) -> None:
    """Of each proxy.conf that is read a hundred bytes may stay, not the file."""
    def reload(times: int) -> int:
        for _ in range(times):
            mark = len(holdfast.log_text())
            holdfast.reload()
            holdfast.wait_for_log(RELOADED, since=mark)
        status = Path(f"/proc/{holdfast.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])

    # In kB. At first the allocator finds its level.
    before = reload(100)
    assert reload(200) - before < 200


def test_sigterm_ends_idle_sessions_and_lets_a_transaction_finish(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE done (n int)", production)
    with WireClient(holdfast.host, holdfast.port) as idle, WireClient(holdfast.host, holdfast.port) as busy:
        idle.login(production)
        busy.login(production)
        busy.ask(query("BEGIN"))
        stopping = threading.Thread(target=holdfast.stop)
        stopping.start()
        assert [error["C"] for error in errors(idle.rest())] == ["57P01"]
        with pytest.raises(OSError):
            eventually(lambda: WireClient(holdfast.host, holdfast.port).socket.close() and None)
        assert holdfast.is_alive
        assert transcript(busy.ask(query("INSERT INTO done VALUES (1)"))) == ["C(INSERT 0 1)", "ZT"]
        assert transcript(busy.ask(query("COMMIT"))) == ["C(COMMIT)", "ZI"]
        assert [error["C"] for error in errors(busy.rest())] == ["57P01"]
        stopping.join(20)
        assert not holdfast.is_alive
    assert postgres.value("SELECT count(*) FROM done", production) == 1


def test_the_drain_ends_at_its_time_limit(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(top={"drain_timeout": "1s"})
    with WireClient(holdfast.host, holdfast.port) as busy:
        busy.login(production)
        busy.ask(query("BEGIN"))
        holdfast.stop(timeout=10)
        assert [error["C"] for error in errors(busy.rest())] in (["57P01"], [])


def test_the_private_server_starts_with_the_proxy_and_stops_with_it(start_holdfast: StartHoldfast) -> None:
    folder = open_folder("holdfast-embedded-")
    holdfast = start_holdfast(server="embedded", embedded={"data": str(folder / "data")})
    with holdfast.connect("demo", user="demo") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="holdfast refused"):
            connection.execute("DROP TABLE orders")
        assert connection.execute("SELECT count(*) FROM orders").fetchone()[0] > 0
        server = Path(f"/proc/{connection.info.backend_pid}")
        assert os.geteuid() != 0 or server.owner() == "postgres"
    with holdfast.connect("demo_test", user="demo") as connection:
        connection.execute("DROP TABLE orders CASCADE")
    (postmaster,) = [int(file.read_text().split()[0]) for file in folder.rglob("postmaster.pid")]
    holdfast.stop(timeout=40)
    assert not Path(f"/proc/{postmaster}").exists()
    shutil.rmtree(folder)


def test_the_private_server_ends_with_a_proxy_that_is_killed(start_holdfast: StartHoldfast) -> None:
    folder = open_folder("holdfast-embedded-")
    holdfast = start_holdfast(server="embedded", embedded={"data": str(folder / "data")})
    (postmaster,) = [int(file.read_text().split()[0]) for file in folder.rglob("postmaster.pid")]
    holdfast.kill()
    eventually(lambda: not Path(f"/proc/{postmaster}").exists(), timeout=30)
    shutil.rmtree(folder)


def test_version_and_help_answer_and_help_shows_examples() -> None:
    assert re.search(r"\d+\.\d+", command("--version").stdout)
    for verb in ("serve", "check", "audit", "classify"):
        assert f"holdfast {verb}" in command("help", verb).stdout
