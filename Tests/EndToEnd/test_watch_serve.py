"""Watches under holdfast serve: on an interval and after DDL, each finding raised once and cleared once."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import StartHoldfast
from support.alerts import Webhook, recorder
from support.postgres import PostgresServer, open_folder
from support.programs import eventually, run, unprivileged
from support.proxy import Holdfast, ProxySettings, binary, command


@pytest.fixture
def hook() -> Iterator[Webhook]:
    started = Webhook()
    yield started
    started.close()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may stop."""
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def url(postgres: PostgresServer, database: str) -> str:
    return f"postgresql://postgres@{postgres.host}:{postgres.port}/{database}"


def watch(postgres: PostgresServer, database: str, **keys: Any) -> dict[str, Any]:
    return {"name": "shop", "connection": url(postgres, database), "interval": "1s", **keys}


def accept(settings: dict[str, Any], folder: Path) -> None:
    """Accepts before the proxy starts; both keep their state in one folder."""
    configuration = folder / "accept.conf"
    configuration.write_text(ProxySettings(server="127.0.0.1:1", **settings).text())
    run(binary(), "watch", "--config", configuration, "--accept", check=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = open_folder("holdfast-watch-")
    yield made
    shutil.rmtree(made)


Watching = Callable[..., Holdfast]


@pytest.fixture
def watching(start_holdfast: StartHoldfast, postgres: PostgresServer, hook: Webhook, folder: Path) -> Watching:
    """A proxy that watches a database whose present state was accepted, and tells the webhook."""

    def start(database: str, server: PostgresServer = postgres, **keys: Any) -> Holdfast:
        top = keys.pop("watching", {})
        settings = {
            "watch": [watch(server, database, **keys)],
            "watching": {"state": str(folder / "state"), "webhook": hook.url, **top},
        }
        accept(settings, folder)
        return start_holdfast(server=server.address, **settings)

    return start


def raised(holdfast: Holdfast, check: str, state: str = "raised") -> list[dict]:
    return holdfast.trail.records(event="watch", check=check, state=state)


def test_a_finding_is_raised_once_and_cleared_once(
    watching: Watching, postgres: PostgresServer, production: str, hook: Webhook
) -> None:
    postgres.execute("CREATE TABLE orders (id int)", production)
    holdfast = watching(production)
    postgres.execute("DROP TABLE orders", production)
    notice = hook.wait("table_missing")
    assert (notice["watch"], notice["database"], notice["open"]) == ("shop", production, 1)
    # Something else, later: the rounds between have not told the first one again.
    postgres.execute("CREATE TABLE extra (id int)", production)
    hook.wait("table_unexpected")
    postgres.execute("DROP TABLE extra; CREATE TABLE orders (id int)", production)
    hook.wait("table_missing", "cleared")
    hook.wait("table_unexpected", "cleared")
    assert [hook.count("table_missing", state) for state in ("raised", "cleared")] == [1, 1]
    assert len(raised(holdfast, "table_missing")) == len(raised(holdfast, "table_missing", "cleared")) == 1
    record = raised(holdfast, "table_missing")[0]
    assert (record["watch"], record["subject"], record["database"]) == ("shop", "public.orders", production)
    assert "watch: table public.orders is missing" in holdfast.log_text()
    assert "no longer so: table public.orders is missing" in holdfast.log_text()
    listed = command("audit", "--config", holdfast.configuration).stdout
    assert "raised: table public.orders is missing" in listed
    command("audit", "verify", "--config", holdfast.configuration)


def test_ddl_through_the_proxy_is_looked_at_at_once(
    watching: Watching, postgres: PostgresServer, test_database: str, hook: Webhook
) -> None:
    postgres.execute("CREATE TABLE orders (id int)", test_database)
    holdfast = watching(test_database, interval="1h")
    # The first round has told the watch which database it is in.
    eventually(lambda: list((Path(holdfast.settings.watching["state"])).glob("shop.state.json")))
    began = time.monotonic()
    with holdfast.connect(test_database) as connection:
        connection.execute("DROP TABLE orders")
    hook.wait("table_missing")
    assert time.monotonic() - began < 8


def test_what_was_raised_is_not_raised_again_after_a_restart(
    watching: Watching, postgres: PostgresServer, production: str, hook: Webhook
) -> None:
    postgres.execute("CREATE TABLE orders (id int)", production)
    holdfast = watching(production)
    postgres.execute("DROP TABLE orders", production)
    hook.wait("table_missing")
    holdfast.kill()
    holdfast.restart()
    postgres.execute("CREATE TABLE orders (id int)", production)
    hook.wait("table_missing", "cleared")
    assert hook.count("table_missing") == 1


def test_a_notice_outlives_a_webhook_that_is_down_and_the_proxy(
    watching: Watching, postgres: PostgresServer, production: str, hook: Webhook
) -> None:
    postgres.execute("CREATE TABLE orders (id int)", production)
    hook.answers = [503] * 50
    holdfast = watching(production, watching={"retries": 0})
    postgres.execute("DROP TABLE orders", production)
    holdfast.wait_for_log("cannot be delivered and is kept: the webhook: it answered with status 503")
    first = hook.wait("table_missing")
    holdfast.stop()
    tries = len(hook.requests)
    hook.answers = []
    holdfast.restart()
    eventually(lambda: len(hook.requests) > tries)
    assert hook.bodies[-1]["id"] == first["id"]


def test_headers_go_to_the_webhook_and_nowhere_else(
    watching: Watching, postgres: PostgresServer, production: str, hook: Webhook
) -> None:
    elsewhere = Webhook()
    postgres.execute("CREATE TABLE orders (id int)", production)
    hook.answers = [(307, elsewhere.url)]
    holdfast = watching(production, watching={"webhook_headers": ["Authorization: Bearer s3cret"], "retries": 0})
    postgres.execute("DROP TABLE orders", production)
    holdfast.wait_for_log("status 307 (redirections are not followed")
    assert hook.requests[0][1]["Authorization"] == "Bearer s3cret"
    assert elsewhere.requests == []
    assert "s3cret" not in holdfast.log_text() + holdfast.trail.path.read_text()
    elsewhere.close()


def test_a_webhook_that_hangs_keeps_no_round_waiting(
    watching: Watching, postgres: PostgresServer, production: str, hook: Webhook
) -> None:
    postgres.execute("CREATE TABLE orders (id int)", production)
    hook.gate.clear()
    holdfast = watching(production, watching={"timeout": "10m", "retries": 0})
    postgres.execute("DROP TABLE orders", production)
    hook.wait("table_missing")
    postgres.execute("CREATE TABLE orders (id int)", production)
    eventually(lambda: raised(holdfast, "table_missing", "cleared"))
    with holdfast.connect(production) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "body, words",
    [
        ("#!/bin/sh\necho no pager here >&2\nexit 3\n", "ended with exit code 3: no pager here"),
        ("#!/bin/sh\nkill -9 $$\n", "ended with signal 9"),
        ("#!/bin/sh\nexec sleep 600\n", "did not end within 1.0 s and was killed"),
        (None, "cannot be started"),
    ],
)
def test_a_command_that_fails_is_named_in_the_log(
    watching: Watching, postgres: PostgresServer, production: str, folder: Path, body: str | None, words: str
) -> None:
    program = folder / "program"
    if body:
        program.write_text(body)
        program.chmod(0o755)
    postgres.execute("CREATE TABLE orders (id int)", production)
    holdfast = watching(production, watching={"webhook": "", "command": [str(program)], "timeout": "1s", "retries": 0})
    postgres.execute("DROP TABLE orders", production)
    holdfast.wait_for_log(words, timeout=20)


def test_the_command_gets_its_words_and_the_notice(
    watching: Watching, postgres: PostgresServer, production: str, folder: Path, hook: Webhook
) -> None:
    program, told = recorder(folder)
    postgres.execute("CREATE TABLE orders (id int)", production)
    watching(production, watching={"command": [str(program), "$HOME", "a b"]})
    postgres.execute("DROP TABLE orders", production)
    lines = eventually(lambda: told.exists() and len(lines := told.read_text().splitlines()) >= 2 and lines)
    assert lines[0] == "$HOME a b"
    assert json.loads(lines[1]) == hook.wait("table_missing")


def test_the_command_runs_with_ordinary_signals_and_without_foreign_descriptors(
    watching: Watching, postgres: PostgresServer, production: str, folder: Path
) -> None:
    program, seen = folder / "program", folder / "seen"
    program.write_text(
        f"#!/bin/sh\ngrep SigBlk /proc/self/status > {seen}.new\n"
        f"for number in /proc/$$/fd/*; do readlink $number >> {seen}.new; done\nmv {seen}.new {seen}\n"
    )
    program.chmod(0o755)
    postgres.execute("CREATE TABLE orders (id int)", production)
    watching(production, watching={"command": [str(program)]})
    postgres.execute("DROP TABLE orders", production)
    eventually(seen.exists)
    blocked, *files = seen.read_text().splitlines()
    assert int(blocked.split()[1], 16) == 0
    # Its own script, its standard streams, and one socket by which Foundation sees its end. Nothing of the proxy's.
    foreign = [name for name in files if not name.startswith(("/memfd:holdfast-notice", "socket:", str(program), str(seen)))]
    assert foreign == [] and sum(name.startswith("socket:") for name in files) <= 1, files


def test_a_server_that_is_down_and_comes_back_restarted(
    watching: Watching, own_server: PostgresServer, hook: Webhook
) -> None:
    own_server.execute("CREATE TABLE orders (id int)", "postgres")
    holdfast = watching("postgres", server=own_server)
    eventually(lambda: own_server.value("SELECT sessions FROM pg_stat_database WHERE datname = 'postgres'") > 4)
    own_server.stop()
    hook.wait("unreachable")
    own_server.start()
    own_server.execute("DROP TABLE orders", "postgres")
    hook.wait("unreachable", "cleared")
    notice = hook.wait("server_restarted")
    text = next(item["text"] for item in notice["raised"] if item["kind"] == "server_restarted")
    assert "was started again at" in text
    hook.wait("table_missing")
    hook.wait("server_restarted", "cleared")
    assert hook.count("server_restarted") == 1
    assert holdfast.is_alive


def test_a_server_that_was_restored_from_a_backup_is_told_with_what_is_missing(
    watching: Watching, own_server: PostgresServer, hook: Webhook, folder: Path
) -> None:
    own_server.execute("CREATE TABLE users (id int)", "postgres")
    own_server.stop()
    run("cp", "-a", own_server.data, folder / "backup")
    own_server.start()
    own_server.execute("CREATE TABLE orders (id int)", "postgres")
    for _ in range(5):
        own_server.execute("INSERT INTO orders VALUES (1)", "postgres")
    watching("postgres", server=own_server)
    eventually(lambda: list((folder / "state").glob("shop.state.json")))
    own_server.stop()
    shutil.rmtree(own_server.data)
    run("cp", "-a", folder / "backup", own_server.data)
    own_server.start()
    notice = hook.wait("server_restored")
    text = next(item["text"] for item in notice["raised"] if item["kind"] == "server_restored")
    assert "went back in time" in text and "table public.orders is missing" in text
    hook.wait("server_restored", "cleared")


def test_a_promoted_standby_is_told_once(
    watching: Watching, own_server: PostgresServer, hook: Webhook, folder: Path
) -> None:
    watching("postgres", server=own_server)
    eventually(lambda: list((folder / "state").glob("shop.state.json")))
    own_server.stop()
    hook.wait("unreachable")
    (own_server.data / "standby.signal").touch()
    own_server.start()
    run(own_server.program("pg_ctl"), "--pgdata", own_server.data, "--wait", "promote", cwd="/", **unprivileged())
    notice = hook.wait("server_failed_over")
    assert any("timeline 1 became 2" in item["text"] for item in notice["raised"])
    hook.wait("server_failed_over", "cleared")
    assert hook.count("server_failed_over") == 1


def test_another_cluster_behind_the_same_address_has_to_be_accepted(
    watching: Watching, own_server: PostgresServer, hook: Webhook, folder: Path
) -> None:
    watching("postgres", server=own_server)
    eventually(lambda: list((folder / "state").glob("shop.state.json")))
    other = PostgresServer()
    try:
        own_server.stop()
        other_settings = (other.data / "postgresql.conf").read_text()
        (other.data / "postgresql.conf").write_text(other_settings.replace(str(other.port), str(own_server.port)))
        other.start()
        notice = hook.wait("server_replaced")
        assert "another cluster answers" in notice["text"] or notice["raised"]
        accepted = folder / "accept.conf"
        run(binary(), "watch", "--config", accepted, "--accept")
        hook.wait("server_replaced", "cleared")
    finally:
        other.remove()
        own_server.start()


def test_a_second_watcher_with_the_same_folder_is_turned_away(
    watching: Watching, postgres: PostgresServer, production: str, folder: Path
) -> None:
    watching(production)
    done = run(binary(), "watch", "--config", folder / "accept.conf", "--record", check=False)
    assert done.returncode == 2 and "leave --record out" in done.stderr
    # Looking is always possible.
    assert run(binary(), "watch", "--config", folder / "accept.conf", check=False).returncode == 0


def test_a_damaged_state_is_told_and_set_aside(
    watching: Watching, postgres: PostgresServer, production: str, hook: Webhook, folder: Path
) -> None:
    holdfast = watching(production)
    state = eventually(lambda: list((folder / "state").glob("shop.state.json")))[0]
    holdfast.stop()
    state.write_text('{"version": 1, "open"')
    holdfast.restart()
    hook.wait("state_lost")
    hook.wait("state_lost", "cleared")
    assert state.with_name("shop.state.json.broken").read_text() == '{"version": 1, "open"'


def test_a_state_folder_that_cannot_be_written_is_said_at_the_start(postgres: PostgresServer, folder: Path) -> None:
    (folder / "file").write_text("")
    configuration = folder / "proxy.conf"
    configuration.write_text(
        ProxySettings(
            server=postgres.address, watch=[watch(postgres, "postgres")], watching={"state": "file/state"}
        ).text()
    )
    done = run(binary(), "serve", "--config", configuration, check=False)
    assert done.returncode != 0
    assert "cannot be made" in done.stderr and "see [watching] state" in done.stderr


def test_the_baseline_is_taken_over_while_serve_runs(
    watching: Watching, postgres: PostgresServer, production: str, hook: Webhook, folder: Path
) -> None:
    watching(production, check=[{"name": "rows", "table": "orders", "max_fall": 10}], tables=["orders"], **{"from": "baseline"})
    hook.wait("baseline_missing")
    postgres.execute("CREATE TABLE orders AS SELECT n FROM generate_series(1, 100) n", production)
    run(binary(), "watch", "--config", folder / "accept.conf", "--accept")
    hook.wait("baseline_missing", "cleared")
    postgres.execute("DELETE FROM orders WHERE n > 50", production)
    hook.wait("rows_fell")
    run(binary(), "watch", "--config", folder / "accept.conf", "--accept")
    hook.wait("rows_fell", "cleared")
