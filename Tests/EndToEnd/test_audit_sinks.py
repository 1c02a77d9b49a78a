"""Where the trail goes besides its files: PostgreSQL, syslog, standard output, a file. Nothing is lost, nothing waits."""

import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import StartHoldfast
from support.certificates import Certificates
from support.postgres import PostgresServer, free_port, open_folder
from support.programs import eventually
from support.proxy import Holdfast, ProxySettings, binary
from support.syslog import Rsyslog
from test_audit_crashes import Sessions, lines_of

# scripts/crash-audit sets more.
KILLS = int(os.environ.get("HOLDFAST_TEST_KILLS", "12"))
TABLE = "holdfast_audit.trail"


def audit(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([binary(), "audit", *map(str, arguments)], capture_output=True, text=True, timeout=60)


def run_ddl(holdfast: Holdfast, database: str, count: int, start: int = 0) -> None:
    with holdfast.connect(database) as connection:
        for number in range(start, start + count):
            connection.execute(f"CREATE TABLE t{number} (n int, filler text DEFAULT '{'x' * 300}')")  # type: ignore[call-overload]


def with_sinks(*sinks: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"file": "audit.jsonl", "sink": list(sinks), **settings}


def postgres_sink(server: PostgresServer, database: str = "postgres", name: str = "fleet", **settings: Any) -> dict[str, Any]:
    connection = f"host={server.host} port={server.port} dbname={database} user=postgres"
    return {"name": name, "type": "postgresql", "connection": connection, "create": True, "retry_max": "1s", **settings}


def sealed(folder: Path) -> list[str]:
    """The records of all files, in their order; not what a crash has torn."""
    for _ in range(100):
        try:
            lines = lines_of(folder)
            break
        except (FileNotFoundError, subprocess.CalledProcessError):
            # A file was just being compressed.
            time.sleep(0.02)
    return [line for line in lines if line.startswith('{"v":2,"seq":') and line.endswith('"}') and '"mac":"' in line]


def table_lines(server: PostgresServer, database: str = "postgres") -> list[str]:
    return [row[0] for row in server.rows(f"SELECT line FROM {TABLE} ORDER BY instance, seq", database)]


@pytest.fixture
def store(postgres: PostgresServer) -> Iterator[str]:
    """A database for sinks on the session's server."""
    with postgres.database("audit_store_test") as name:
        yield name


@pytest.fixture
def folder() -> Iterator[Path]:
    import shutil

    path = open_folder("holdfast-sink-")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def rsyslog(folder: Path) -> Iterator[Rsyslog]:
    server = Rsyslog(folder)
    server.start()
    yield server
    server.stop()


# ---- PostgreSQL


def test_a_table_has_what_the_files_have(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, store: str
) -> None:
    holdfast = start_holdfast(audit=with_sinks(postgres_sink(postgres, store), rotate_size="64kB"))
    run_ddl(holdfast, production, 100)
    with holdfast.connect(production, application_name="t\\a\tb\"é\u2028") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE t1, t2")
        connection.execute("COMMENT ON TABLE t1 IS E'\\\\ tab\there {\"\\u0001\"} \\\\. '")
    holdfast.stop()
    assert table_lines(postgres, store) == sealed(holdfast.folder)
    assert postgres.value(f"SELECT seq FROM {TABLE}_position", store) == len(sealed(holdfast.folder))
    (row,) = postgres.rows(
        "SELECT username, database, tag, command, verdict, rule, classes, objects, kind, application_name, record->>'sql' "
        f"FROM {TABLE} WHERE verdict = 'block'", store,
    )  # fmt: skip
    assert row[:6] == ("postgres", production, "production", "DROP TABLE", "block", "keep tables")
    assert row[6] == ["drop_table"] and row[7] == ["table t1", "table t2"] and row[8] == "refusal"
    assert row[9] == "t\\a\tb\"é\u2028" and row[10] == "DROP TABLE t1, t2"
    # The partition of this month, and the next.
    assert postgres.value(f"SELECT count(*) FROM pg_inherits WHERE inhparent = '{TABLE}'::regclass", store) == 2
    assert "reach the sink" not in holdfast.log_text()


def test_what_was_there_before_the_sink_is_sent_too(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, store: str
) -> None:
    holdfast = start_holdfast(audit={"file": "audit.jsonl", "rotate_size": "64kB"})
    run_ddl(holdfast, production, 100)
    holdfast.settings.audit = with_sinks(postgres_sink(postgres, store), rotate_size="64kB")
    holdfast.write(holdfast.settings)
    holdfast.reload()
    eventually(lambda: postgres.value(f"SELECT to_regclass('{TABLE}_position') IS NOT NULL", store), what="the table")
    holdfast.stop()
    assert table_lines(postgres, store) == sealed(holdfast.folder)
    assert len(list(holdfast.folder.glob("audit-*.jsonl.zst"))) >= 1


def test_killed_at_any_point_the_table_has_each_record_once(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    """Holdfast is killed, the store is stopped and started, its sessions are ended within a batch: all at random."""
    target = PostgresServer()
    try:
        target.start()
        holdfast = start_holdfast(audit=with_sinks(postgres_sink(target), rotate_size="64kB"))
        sessions = Sessions(holdfast, production)
        chance = random.Random(20261127)
        stopping = threading.Event()

        def trouble() -> None:
            while not stopping.wait(chance.uniform(0.05, 0.4)):
                if chance.random() < 0.3:
                    target.stop("immediate")
                    stopping.wait(chance.uniform(0, 0.2))
                    target.start()
                else:
                    target.rows(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast audit'"
                    )

        troubling = threading.Thread(target=trouble)
        troubling.start()
        try:
            for _ in range(KILLS):
                # Not an event to be awaited: the kill is to come at any point.
                time.sleep(chance.uniform(0.05, 0.8))
                holdfast.kill()
                holdfast.restart()
        finally:
            sessions.stop()
            stopping.set()
            troubling.join(60)
        total = len(sealed(holdfast.folder))
        eventually(
            lambda: target.value(f"SELECT count(*) >= {total} FROM {TABLE}"), 60, lambda: f"{total} records\n{holdfast.log_text()[-3000:]}"
        )
        holdfast.stop()
        lines = sealed(holdfast.folder)
        assert table_lines(target) == lines
        count, least, most, instances = target.rows(
            f"SELECT count(*), min(seq), max(seq), count(DISTINCT instance) FROM {TABLE}"
        )[0]
        assert (count, least, most, instances) == (len(lines), 1, len(lines), 1)
        result = audit("verify", "--config", holdfast.configuration)
        assert result.returncode == 0, result.stdout
        print(f"{KILLS} kills, {len(lines)} records, each once")
    finally:
        target.remove()


class CommitEater:
    """Passes everything on between a sink and its server, but ends the connection when the server answers to COMMIT."""

    def __init__(self, target: tuple[str, int], times: int) -> None:
        self.left = times
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:

            def up() -> None:
                try:
                    while piece := client.recv(1 << 16):
                        server.sendall(piece)
                    server.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

            threading.Thread(target=up, daemon=True).start()
            while piece := server.recv(1 << 16):
                # CommandComplete of a COMMIT.
                if b"COMMIT\0" in piece and self.left > 0:
                    self.left -= 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(piece)

    def close(self) -> None:
        self._listener.close()


def test_a_lost_answer_to_commit_makes_no_duplicate(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, store: str
) -> None:
    eater = CommitEater((postgres.host, postgres.port), times=5)
    sink = postgres_sink(postgres, store)
    sink["connection"] = f"host=127.0.0.1 port={eater.port} dbname={store} user=postgres sslmode=disable gssencmode=disable"
    holdfast = start_holdfast(audit=with_sinks(sink))
    numbers = iter(range(1000))

    def is_done() -> bool:
        run_ddl(holdfast, production, 1, next(numbers))
        return eater.left == 0

    eventually(is_done, 30, "five lost answers")
    holdfast.wait_for_log('the audit trail reaches the sink "fleet" again', timeout=30)
    holdfast.stop()
    eater.close()
    assert table_lines(postgres, store) == sealed(holdfast.folder)


def test_two_proxies_share_a_table(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, store: str
) -> None:
    both = [start_holdfast(audit=with_sinks(postgres_sink(postgres, store))) for _ in range(2)]
    for number, holdfast in enumerate(both):
        run_ddl(holdfast, production, 20, 100 * number)
    for holdfast in both:
        holdfast.stop()
    assert sorted(table_lines(postgres, store)) == sorted(line for holdfast in both for line in sealed(holdfast.folder))
    assert postgres.value(f"SELECT count(DISTINCT instance) FROM {TABLE}", store) == 2


def test_a_role_that_can_only_insert_is_enough(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, store: str
) -> None:
    postgres.execute("DROP ROLE IF EXISTS sink_writer")
    postgres.execute("CREATE ROLE sink_writer LOGIN")
    sink = postgres_sink(postgres, store, create=False)
    sink["connection"] = sink["connection"].replace("user=postgres", "user=sink_writer")
    holdfast = start_holdfast(audit=with_sinks(sink))
    try:
        run_ddl(holdfast, production, 5)
        log = holdfast.wait_for_log("holdfast audit sink-sql")
        assert f"database {store} has no table {TABLE}" in log and "create = true" in log
        script = audit("sink-sql", "--role", "sink_writer", "--config", holdfast.configuration)
        assert script.returncode == 0, script.stderr
        for _ in range(2):
            postgres.execute(script.stdout, store)
        holdfast.wait_for_log('the audit trail reaches the sink "fleet" again')
        holdfast.stop()
        assert table_lines(postgres, store) == sealed(holdfast.folder)
        with postgres.connect(store, user="sink_writer") as connection:
            for forbidden in (f"SELECT * FROM {TABLE}", f"DELETE FROM {TABLE}", f"UPDATE {TABLE} SET line = ''", f"TRUNCATE {TABLE}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(forbidden)  # type: ignore[call-overload]
    finally:
        postgres.execute("DROP OWNED BY sink_writer; ", store)
        postgres.execute("DROP ROLE sink_writer")


def test_a_sink_that_leads_back_to_the_proxy_is_refused(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str
) -> None:
    holdfast = start_holdfast()
    sink = postgres_sink(postgres, production)
    # The port is the kernel's choice, so the file does not show it: the connection does.
    sink["connection"] = f"host=127.0.0.1 port={holdfast.port} dbname={production} user=postgres"
    holdfast.settings.audit = with_sinks(sink)
    holdfast.write(holdfast.settings)
    holdfast.reload()
    holdfast.wait_for_log("leads to this Holdfast's own port")
    assert postgres.value(f"SELECT to_regclass('{TABLE}') IS NULL", production)
    port = free_port()
    settings = ProxySettings(server=postgres.address, listen=[f"127.0.0.1:{port}"], audit=with_sinks(sink))
    sink["connection"] = f"postgresql://postgres:secret@localhost:{port}/{production}"
    (holdfast.folder / "other.conf").write_text(settings.text())
    result = subprocess.run([binary(), "check", "--config", holdfast.folder / "other.conf"], capture_output=True, text=True)
    assert result.returncode == 1 and "Holdfast's own port" in result.stderr and "secret" not in result.stderr


def test_a_line_that_was_changed_does_not_stop_the_table(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, store: str
) -> None:
    holdfast = start_holdfast()
    run_ddl(holdfast, production, 5)
    holdfast.stop()
    live = holdfast.folder / "audit.jsonl"
    lines = live.read_text().splitlines(keepends=True)
    # No JSON any more; U+0000, which PostgreSQL does not hold; a number out of all bounds.
    lines[3] = lines[3].replace('"user":"', '"user:"', 1)
    lines[4] = lines[4].replace('"user":"', '"user":"\\u0000', 1)
    lines[5] = lines[5].replace('"user":"', '"strange":1e999999,"user":"', 1)
    live.write_text("".join(lines))
    holdfast.settings.audit = with_sinks(postgres_sink(postgres, store))
    holdfast.write(holdfast.settings)
    holdfast.restart()
    holdfast.stop()
    assert table_lines(postgres, store) == sealed(holdfast.folder)
    kinds = dict(postgres.rows(f"SELECT seq, kind FROM {TABLE} WHERE seq IN (4, 5, 6)", store))
    assert kinds[4] == "unreadable" and kinds[5] != "unreadable" and kinds[6] == "unreadable"


def test_a_trail_whose_end_was_cut_off_is_told_by_the_table(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, store: str
) -> None:
    holdfast = start_holdfast(audit=with_sinks(postgres_sink(postgres, store)))
    run_ddl(holdfast, production, 20)
    holdfast.stop()
    before = table_lines(postgres, store)
    live = holdfast.folder / "audit.jsonl"
    live.write_text("".join(live.read_text().splitlines(keepends=True)[:-12]))
    holdfast.restart()
    holdfast.wait_for_log("their end was cut off")
    holdfast.stop()
    after = set(table_lines(postgres, store))
    assert set(before) <= after and set(sealed(holdfast.folder)) <= after


# ---- syslog


def received(rsyslog: Rsyslog) -> dict[int, str]:
    return {message.seq: message.text.removeprefix("\ufeff") for message in rsyslog.messages()}


def test_syslog_has_what_the_files_have_down_and_up_again(
    start_holdfast: StartHoldfast, production: str, rsyslog: Rsyslog
) -> None:
    sink = {"name": "siem", "type": "syslog", "address": rsyslog.address, "max_size": "64kB", "retry_max": "1s", "facility": "authpriv"}
    holdfast = start_holdfast(audit=with_sinks(sink, rotate_size="64kB"))
    run_ddl(holdfast, production, 30)
    with holdfast.connect(production) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DROP TABLE t1")
    for number in (signal.SIGTERM, signal.SIGKILL):
        eventually(lambda: len(received(rsyslog)) >= 30, what="records")
        rsyslog.stop(number)
        start = 1000 * number
        run_ddl(holdfast, production, 30, start)
        holdfast.wait_for_log('does not reach the sink "siem"')
        rsyslog.start()
        run_ddl(holdfast, production, 30, start + 100)
    holdfast.stop()
    lines = sealed(holdfast.folder)
    expected = {json.loads(line)["seq"]: line for line in lines}
    eventually(lambda: len(received(rsyslog)) == len(expected), what=lambda: f"{len(received(rsyslog))} of {len(expected)}")
    assert received(rsyslog) == expected
    refusal = next(message for message in rsyslog.messages() if message.kind == "refusal")
    assert refusal.priority == 10 * 8 + 4 and 'verdict="block" rule="keep tables"' in refusal.data
    assert refusal.text.startswith("\ufeff{")


def test_syslog_by_tls(start_holdfast: StartHoldfast, production: str, folder: Path, certificates: Certificates) -> None:
    server = Rsyslog(folder, certificates.server, certificates.root)
    server.start()
    client = certificates.proxy_client
    sink = {
        "name": "siem", "type": "syslog", "address": f"localhost:{server.port}", "tls": True, "ca": str(certificates.root),
        "certificate": str(client.certificate), "key": str(client.key), "max_size": "64kB", "retry_max": "1s",
    }  # fmt: skip
    try:
        holdfast = start_holdfast(audit=with_sinks(sink, {**sink, "name": "other", "server_name": "elsewhere.example"}, {**sink, "name": "stranger", "ca": str(certificates.strange_root)}))
        run_ddl(holdfast, production, 20)
        holdfast.wait_for_log('does not reach the sink "other"')
        holdfast.wait_for_log('does not reach the sink "stranger"')
        eventually(lambda: len(received(server)) >= 40, what="records")
        holdfast.stop()
        assert list(received(server).values()) == sealed(holdfast.folder)
        log = holdfast.log_text()
        assert 'does not match host name \\"elsewhere.example\\"' in log or "elsewhere.example" in log
        assert "certificate verify failed" in log
    finally:
        server.stop()


def test_a_long_record_is_cut_for_syslog_and_says_so(start_holdfast: StartHoldfast, production: str, rsyslog: Rsyslog) -> None:
    sink = {"name": "siem", "type": "syslog", "address": rsyslog.address, "max_size": "2kB"}
    holdfast = start_holdfast(audit=with_sinks(sink))
    with holdfast.connect(production) as connection:
        connection.execute(f"COMMENT ON DATABASE \"{production}\" IS '{'€' * 3000}'")  # type: ignore[call-overload]
    holdfast.stop()
    eventually(lambda: any(message.kind == "stop" for message in rsyslog.messages()), what="the last record")
    (cut,) = [message for message in rsyslog.messages() if "truncated=" in message.data]
    line = next(line for line in sealed(holdfast.folder) if "€" in line)
    assert line.startswith(cut.text.removeprefix("\ufeff")) and f'truncated="{len(line.encode())}"' in cut.data
    assert cut.kind == "intent" and len(cut.text.encode()) > 1500


def test_a_local_socket_is_sent_datagrams(start_holdfast: StartHoldfast, production: str, socket_folder: Path) -> None:
    path = socket_folder / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(path))
        receiver.settimeout(20)
        sink = {"name": "local", "type": "syslog", "address": f"unix:{path}", "hostname": "db7", "app_name": "guard"}
        holdfast = start_holdfast(audit=with_sinks(sink))
        run_ddl(holdfast, production, 1)
        first = receiver.recv(1 << 16).decode()
        assert first.startswith("<134>1 ") and " db7 guard " in first and ' file_start [holdfast@32473 instance="' in first


# ---- standard output and files


def start_with_output(holdfast: Holdfast, output: int) -> None:
    """`Holdfast.start` reads standard output; here a test does."""
    with open(holdfast.log, "wb") as log:
        holdfast.process = subprocess.Popen(
            [holdfast.program, "serve", "--config", holdfast.configuration], stdin=subprocess.DEVNULL, stdout=output, stderr=log
        )
    holdfast.was_ended = False
    holdfast.addresses = list(holdfast.settings.listen)
    holdfast.wait_for_log("listening on", timeout=30)


def test_a_pipe_that_nobody_reads_holds_up_only_its_sink(folder: Path, postgres: PostgresServer, production: str) -> None:
    settings = ProxySettings(
        server=postgres.address, listen=[f"127.0.0.1:{free_port()}"], audit=with_sinks({"name": "out", "type": "stdout"})
    )
    holdfast = Holdfast(folder, settings)
    reading, writing = os.pipe()
    try:
        start_with_output(holdfast, writing)
        os.close(writing)
        # Far more than a pipe holds.
        run_ddl(holdfast, production, 150)
        assert holdfast.counters()["sink_out_behind"] > 50
        holdfast.process.send_signal(signal.SIGTERM)
        with open(reading) as output:
            lines = output.read().splitlines()
        assert holdfast.process.wait(20) == 0
        assert lines == sealed(folder)
        assert "{" not in holdfast.log_text()
    finally:
        holdfast.kill()


def test_a_file_of_ocsf_events_is_opened_anew(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(audit=with_sinks({"name": "siem", "type": "file", "path": "siem.jsonl", "format": "ocsf"}))
    path, old = holdfast.folder / "siem.jsonl", holdfast.folder / "siem.jsonl.1"
    run_ddl(holdfast, production, 10)
    eventually(lambda: path.exists() and path.read_text().count("\n") > 20, what="events")
    path.rename(old)
    holdfast.reload()
    eventually(path.exists, what="a new file")
    with holdfast.connect(production) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DROP TABLE t1")
    holdfast.stop()
    events = [json.loads(line) for line in (old.read_text() + path.read_text()).splitlines()]
    assert [event["metadata"]["sequence"] for event in events] == list(range(1, len(sealed(holdfast.folder)) + 1))
    (refusal,) = [event for event in events if event["class_uid"] == 2004]
    assert refusal["type_uid"] == 200401 and refusal["resources"] == [{"name": "t1", "type": "table"}]
    assert sum(event["class_uid"] == 6005 for event in events) == 20
    assert path.stat().st_mode & 0o777 == 0o600


# ---- All


def test_a_closed_file_stays_until_a_sink_has_read_it(
    start_holdfast: StartHoldfast, production: str, folder: Path
) -> None:
    server = Rsyslog(folder)
    sink = {"name": "siem", "type": "syslog", "address": server.address, "max_size": "64kB", "retry_max": "1s"}
    holdfast = start_holdfast(audit=with_sinks(sink, rotate_size="64kB", keep_files=1))
    run_ddl(holdfast, production, 250)
    holdfast.wait_for_log('stay until the sink "siem" has read them')
    counters = holdfast.counters()
    assert counters["audit_files_held_for_sinks"] >= 1 and counters["sink_siem_behind"] > 400
    assert counters["sink_siem_failures"] >= 1
    before = sealed(holdfast.folder)
    assert json.loads(before[0])["seq"] == 1, "nothing was deleted"
    server.start()
    try:
        eventually(
            lambda: len(received(server)) >= len(before), 30,
            lambda: f"{len(received(server))} of {len(before)}\n{holdfast.counters()}\n{holdfast.log_text()[-3000:]}",
        )  # fmt: skip
        run_ddl(holdfast, production, 250, 1000)
        eventually(lambda: "sink_siem_behind" not in holdfast.counters(), 30, "the sink to be up to date")
        run_ddl(holdfast, production, 100, 2000)
        eventually(lambda: not list(holdfast.folder.glob("audit-000001.*")), 10, "the oldest file to be deleted")
        holdfast.stop()
        have = received(server)
        assert sorted(have) == list(range(1, max(have) + 1)) and max(have) == json.loads(sealed(holdfast.folder)[-1])["seq"]
    finally:
        server.stop()


def test_sinks_come_and_go_with_a_reload(start_holdfast: StartHoldfast, production: str) -> None:
    one = {"name": "one", "type": "file", "path": "one.jsonl"}
    two = {"name": "two", "type": "file", "path": "two.jsonl"}
    holdfast = start_holdfast(audit=with_sinks(one))
    run_ddl(holdfast, production, 5)

    def change(*sinks: dict[str, Any]) -> None:
        since = len(holdfast.log_text())
        holdfast.settings.audit = with_sinks(*sinks)
        holdfast.write(holdfast.settings)
        holdfast.reload()
        log = holdfast.wait_for_log("proxy.conf was read again", since)
        assert "wait for a restart" not in log

    change(two)
    eventually(lambda: (holdfast.folder / "two.jsonl").exists(), what="the second sink")
    run_ddl(holdfast, production, 5, 10)
    gone = (holdfast.folder / "one.jsonl").read_text()
    change({**two, "path": "three.jsonl"}, one)
    run_ddl(holdfast, production, 5, 20)
    holdfast.stop()
    lines = sealed(holdfast.folder)
    # Put back, the first goes on where it was; the second goes on in another file.
    assert (holdfast.folder / "one.jsonl").read_text().splitlines() == lines
    assert lines[: len(gone.splitlines())] == gone.splitlines() and len(gone.splitlines()) < len(lines)
    parts = (holdfast.folder / "two.jsonl").read_text() + (holdfast.folder / "three.jsonl").read_text()
    assert parts.splitlines() == lines


def test_a_tail_that_is_cut_off_is_named_by_checkpoints_of_sinks(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, store: str, rsyslog: Rsyslog
) -> None:
    sinks = with_sinks(
        postgres_sink(postgres, store), {"name": "siem", "type": "syslog", "address": rsyslog.address, "max_size": "64kB"}
    )
    other = start_holdfast(audit=sinks)
    run_ddl(other, production, 3)
    other.stop()
    holdfast = start_holdfast(audit=sinks)
    run_ddl(holdfast, production, 10, 100)
    holdfast.stop()
    eventually(lambda: len({message.instance for message in rsyslog.messages() if message.kind == "checkpoint"}) == 2, what="checkpoints")
    key = audit("public-key", "--config", holdfast.configuration).stdout.strip()
    # The whole table, CSV, JSON in JSON, and the syslog server's own file: each with other records, and another trail's.
    exports = {
        "lines": "\n".join(table_lines(postgres, store)),
        "csv": "".join(f'{n},"{line.replace(chr(34), chr(34) * 2)}"\n' for n, line in enumerate(table_lines(postgres, store))),
        "json": "".join(json.dumps({"line": line}) + "\n" for line in table_lines(postgres, store)),
        "syslog": rsyslog.file.read_text(),
    }
    for name, text in exports.items():
        (holdfast.folder / name).write_text(text)

    def verify(name: str) -> subprocess.CompletedProcess[str]:
        return audit("verify", "--config", holdfast.configuration, "--checkpoints", holdfast.folder / name, "--public-key", key)

    for name in exports:
        result = verify(name)
        assert result.returncode == 0 and "nothing that the " in result.stdout, (name, result.stdout, result.stderr)
    live = holdfast.folder / "audit.jsonl"
    live.write_text("".join(live.read_text().splitlines(keepends=True)[:-6]))
    assert audit("verify", "--config", holdfast.configuration).returncode == 0, "the chain alone cannot know"
    for name in exports:
        result = verify(name)
        assert result.returncode == 1 and "its end was cut off" in result.stdout, (name, result.stdout, result.stderr)
    # Another trail's checkpoints prove nothing, and are not taken for a proof.
    (holdfast.folder / "others").write_text((other.folder / "audit.jsonl").read_text())
    result = verify("others")
    assert result.returncode == 2 and "none of this one" in result.stderr
