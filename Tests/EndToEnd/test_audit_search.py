"""Finding things in the trail: holdfast audit search, show, report, index."""

import csv
import gzip
import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import psycopg
import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer, open_folder
from support.programs import eventually
from support.proxy import Holdfast, ProxySettings, binary

Row = dict[str, object]
HOSTILE = "x</td><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


def run(*arguments: str | Path, status: int = 0, input: bytes | None = None) -> str:
    done = subprocess.run([binary(), "audit", *map(str, arguments)], capture_output=True, timeout=60, input=input)
    assert done.returncode == status, done.stdout.decode() + done.stderr.decode()
    return done.stdout.decode()


@dataclass
class Searched:
    """A trail of several closed files and the one that was being written, and what was done for it."""

    folder: Path
    configuration: Path
    production: str
    test: str

    def rows(self, *options: str | Path) -> list[Row]:
        return [
            json.loads(line)
            for line in run("search", "--config", self.configuration, "--format", "json", *options).splitlines()
        ]

    def statements(self, *options: str | Path) -> list[str]:
        return [str(row["sql"]) for row in self.rows(*options) if "sql" in row]

    @property
    def files(self) -> list[Path]:
        return [*sorted(self.folder.glob("audit-*.jsonl.zst")), self.folder / "audit.jsonl"]


@pytest.fixture(scope="module")
def searched(postgres: PostgresServer) -> Iterator[Searched]:
    folder = open_folder("holdfast-search-")
    audit = {"file": "audit.jsonl", "rotate_size": "64kB"}
    holdfast = Holdfast(folder, ProxySettings(server=postgres.address, audit=audit))
    holdfast.start()
    try:
        with postgres.database("find") as production, postgres.database("find_test") as test:
            fill(holdfast, production, test)
            holdfast.stop()
            yield Searched(folder, holdfast.configuration, production, test)
    finally:
        holdfast.kill()
        shutil.rmtree(folder)


def fill(holdfast: Holdfast, production: str, test: str) -> None:
    with holdfast.connect(production, application_name="deployer") as connection:
        connection.execute("CREATE TABLE orders (id int)")
        connection.execute('CREATE TABLE "Odd Names" (id int)')
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE first_of_two (id int)")
        connection.execute("CREATE TABLE second_of_two (id int)")
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE undone (id int)")
        connection.execute("ROLLBACK")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE orders")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("ALTER TABLE missing ADD COLUMN x int")
        connection.execute(f"COMMENT ON TABLE orders IS $$ {HOSTILE} $$")
    with holdfast.connect(test, application_name=HOSTILE[:60]) as connection:
        for number in range(150):
            connection.execute(f"CREATE TABLE t{number} (n int, filler text DEFAULT '{'x' * 700}')")  # type: ignore[call-overload]
        connection.execute("DROP TABLE t7")
        connection.execute("TRUNCATE t8")
    with holdfast.connect(production, application_name="late", user="postgres") as connection:
        connection.execute("CREATE TABLE the_last_one (id int)")


def test_the_trail_has_closed_files_with_indexes_and_a_current_one(searched: Searched) -> None:
    closed = searched.files[:-1]
    assert len(closed) >= 2
    for path in closed:
        index = path.with_name(path.name.replace(".zst", ".idx"))
        assert index.stat().st_mode & 0o777 == 0o600
    assert "index present" in run("index", "--config", searched.configuration)
    assert "WRONG" not in run("index", "--check", "--config", searched.configuration)


def test_everything_is_found_in_its_order_and_joined_with_its_outcome(searched: Searched) -> None:
    rows = searched.rows()
    statements = [row for row in rows if "sql" in row]
    assert statements[0]["sql"] == "CREATE TABLE orders (id int)"
    assert statements[-1]["sql"] == "CREATE TABLE the_last_one (id int)"
    assert len(statements) == 161
    intents = [row for row in statements if row["event"] == "intent"]
    assert all("transaction" in row and "ended" in row for row in intents)
    assert not any("mac" in row or "seq" in row for row in rows)
    assert [row["time"] for row in rows] == sorted(str(row["time"]) for row in rows)


# A filter, and the statements that it must find: those whose text holds one of the parts, and no other.
FILTERS: dict[str, tuple[list[str], list[str]]] = {
    "a user": (["--user", "postgres", "--object", "orders"], ["CREATE TABLE orders", "DROP TABLE orders", "COMMENT ON TABLE orders"]),
    "no such user": (["--user", "nobody"], []),
    "the production database": (["--database", "find"], ["orders", "Odd Names", "of_two", "undone", "missing", "the_last_one"]),
    "a client": (["--client", "127.0.0.1", "--application", "late"], ["the_last_one"]),
    "a range of clients": (["--client", "127.0.0.0/8", "--application", "late"], ["the_last_one"]),
    "a narrow range of clients": (["--client", "127.0.0.0/30", "--application", "late"], ["the_last_one"]),
    "other clients": (["--client", "10.0.0.0/8"], []),
    "local clients": (["--client", "local"], []),
    "an application": (["--application", "late"], ["the_last_one"]),
    "a tag": (["--tag", "production"], ["orders", "Odd Names", "of_two", "undone", "missing", "the_last_one"]),
    "a class": (["--class", "drop_table"], ["DROP TABLE orders", "DROP TABLE t7"]),
    "a group": (["--class", "table_loss"], ["DROP TABLE orders", "DROP TABLE t7"]),
    "two classes": (["--class", "truncate", "--class", "comment"], ["TRUNCATE t8", "COMMENT ON"]),
    "an object": (["--object", "t7"], ["CREATE TABLE t7 ", "DROP TABLE t7"]),
    "an object of another size": (["--object", "T7"], ["CREATE TABLE t7 ", "DROP TABLE t7"]),
    "an object with large letters": (["--object", "odd names"], ["Odd Names"]),
    "a pattern": (["--object", "*_of_two"], ["first_of_two", "second_of_two"]),
    "one character": (["--object", "t1?"], [f"CREATE TABLE t1{digit} " for digit in range(10)]),
    "another kind of object": (["--object", "view:*orders"], []),
    "a kind of object": (["--object", "table:t7"], ["CREATE TABLE t7 ", "DROP TABLE t7"]),
    "a verdict": (["--verdict", "block"], ["DROP TABLE orders"]),
    "a rule": (["--rule", "keep tables"], ["DROP TABLE orders"]),
    "no such rule": (["--rule", "keep"], []),
    "errors": (["--outcome", "error"], ["ALTER TABLE missing"]),
    "an sqlstate": (["--outcome", "42P01"], ["ALTER TABLE missing"]),
    "a class of sqlstates": (["--outcome", "42"], ["ALTER TABLE missing"]),
    "another sqlstate": (["--outcome", "42601"], []),
    "rolled back": (["--outcome", "rolled_back"], ["ALTER TABLE missing", "undone"]),
    "unknown": (["--outcome", "unknown"], []),
    "no outcome": (["--outcome", "none"], []),
    "committed": (["--outcome", "committed", "--application", "deployer"], ["CREATE TABLE orders", "Odd", "of_two", "COMMENT"]),
    "ok": (["--outcome", "ok", "--database", "find"], ["CREATE TABLE orders", "Odd", "of_two", "undone", "COMMENT", "the_last"]),
    "an error of a class": (["--outcome", "error", "--class", "alter"], ["ALTER TABLE missing"]),
    "an error of another class": (["--outcome", "error", "--class", "create"], []),
    "an error of a user": (["--outcome", "error", "--user", "postgres", "--database", "find_test"], []),
    "a text": (["--text", "COLUMN x"], ["ALTER TABLE missing"]),
    "a text in capitals": (["--text", "comment ON table"], ["COMMENT ON"]),
    "a text of the outcome": (["--text", "does not exist"], ["ALTER TABLE missing"]),
    "a text with quotes": (["--text", "$$ X</td><script>alert(1)</script>\"'"], ["COMMENT ON"]),
    "a text of neither": (["--text", "no such text"], []),
    "a text of a class": (["--text", "orders", "--class", "comment"], ["COMMENT ON"]),
    "refusals": (["--kind", "refusal"], ["DROP TABLE orders"]),
    "long ago": (["--until", "2020-01-01"], []),
    "later": (["--since", "2100-01-01"], []),
    "lately": (["--since", "2 hours ago", "--class", "truncate"], ["TRUNCATE"]),
    "before lately": (["--until", "1 hour ago"], []),
    "two filters that agree": (["--class", "create", "--application", "late"], ["the_last_one"]),
    "two that do not": (["--class", "drop_table", "--application", "late"], []),
}  # fmt: skip


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_finds_what_it_must_and_nothing_else_with_and_without_indexes(searched: Searched, name: str) -> None:
    options, parts = FILTERS[name]
    found = searched.rows(*options)
    everything = searched.statements()
    statements = [str(row["sql"]) for row in found if "sql" in row]
    wanted = [sql for sql in everything if any(part in sql for part in parts)]
    if name in ("committed", "ok"):
        wanted = [sql for sql in wanted if sql != "DROP TABLE orders"]
    assert all(any(part in sql for sql in statements) for part in parts)
    assert sorted(statements) == sorted(wanted)
    assert searched.rows(*options, "--no-index") == found


def test_the_latest_and_the_newest_first(searched: Searched) -> None:
    everything = searched.statements()
    assert searched.statements("--limit", "5", "--kind", "intent") == [
        sql for sql in everything if sql != "DROP TABLE orders"
    ][-5:]
    assert searched.statements("--reverse") == everything[::-1]
    assert searched.statements("--reverse", "--limit", "3", "--class", "create") == [
        sql for sql in everything if sql.startswith("CREATE")
    ][: -4 : -1]


def test_times_limit_what_is_found(searched: Searched) -> None:
    rows = [row for row in searched.rows() if "sql" in row]
    middle = rows[80]
    before = searched.statements("--until", str(middle["time"]))
    after = searched.statements("--since", str(middle["time"]))
    assert len(before) == 80
    assert len(after) == len(rows) - 80
    assert after[0] == middle["sql"]
    # An intent whose outcome came later has it.
    assert all("ended" in row for row in searched.rows("--until", str(middle["time"])) if row["event"] == "intent")


def test_a_session(searched: Searched) -> None:
    (last,) = searched.rows("--application", "late")
    found = searched.rows("--session", str(last["session"]))
    assert [row for row in found if "sql" in row] == [last]
    # With the session's own records, which were not asked for before.
    assert {row["event"] for row in found} == {"session_start", "intent", "session_end"}


def test_a_fingerprint_finds_the_same_statement(searched: Searched) -> None:
    (truncated,) = searched.rows("--class", "truncate")
    assert searched.rows("--fingerprint", str(truncated["fingerprint"])) == [truncated]
    assert searched.rows("--fingerprint", "0" * 16) == []


def test_csv_can_be_read_back(searched: Searched) -> None:
    text = run("search", "--config", searched.configuration, "--format", "csv", "--database", "find")
    assert text.startswith("time,event,id,")
    assert text.count("\r\n") == text.count("\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    by_sql = {row["sql"]: row for row in rows}
    assert f"COMMENT ON TABLE orders IS $$ {HOSTILE} $$" in by_sql
    failed = by_sql["ALTER TABLE missing ADD COLUMN x int"]
    assert (failed["sqlstate"], failed["transaction"], failed["message"]) == (
        "42P01", "rolled_back", 'relation "missing" does not exist',
    )  # fmt: skip
    assert by_sql["DROP TABLE orders"]["rule"] == "keep tables"


def test_records_are_the_lines_of_the_trail(searched: Searched) -> None:
    lines = run("search", "--config", searched.configuration, "--format", "records", "--class", "truncate").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["intent", "outcome"]
    everything = b"".join(
        path.read_bytes() if path.suffix == ".jsonl" else subprocess.check_output(["zstdcat", path])
        for path in searched.files
    ).decode()
    assert all(line in everything for line in lines)


def test_any_files_and_folders_can_be_named(searched: Searched, tmp_path: Path) -> None:
    whole = searched.statements()
    assert searched.statements(searched.folder) == whole
    assert searched.statements(*searched.files[::-1]) == whole
    first = searched.statements(searched.files[0])
    assert 0 < len(first) < len(whole)
    # As logrotate leaves them.
    text = b"".join(
        path.read_bytes() if path.suffix == ".jsonl" else subprocess.check_output(["zstdcat", path])
        for path in searched.files
    )
    lines = text.splitlines(keepends=True)
    with gzip.open(tmp_path / "audit.jsonl.2.gz", "wb") as file:
        file.write(b"".join(lines[:100]))
    (tmp_path / "audit.jsonl.1").write_bytes(b"".join(lines[100:200]))
    (tmp_path / "audit.jsonl").write_bytes(b"".join(lines[200:]))
    assert searched.statements(tmp_path) == whole
    assert searched.statements(tmp_path, "--class", "truncate") == ["TRUNCATE t8"]
    piped = run("search", "/dev/stdin", "--format", "json", "--class", "truncate", input=text)
    assert [json.loads(line)["sql"] for line in piped.splitlines()] == ["TRUNCATE t8"]
    # Another program's zstd, in one piece.
    subprocess.run(["zstd", "-q", "-o", tmp_path / "other.zst"], input=text, check=True)
    assert searched.statements(tmp_path / "other.zst") == whole


def test_two_trails_are_one_list_by_time(searched: Searched, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for path in searched.files:
            shutil.copy(path, tmp_path / name)
    rows = searched.rows(tmp_path / "one", tmp_path / "two")
    assert len(rows) == 2 * len(searched.rows())
    assert [row["time"] for row in rows] == sorted(str(row["time"]) for row in rows)
    latest = searched.rows(tmp_path / "one", tmp_path / "two", "--class", "create", "--limit", "2")
    assert [row["sql"] for row in latest] == ["CREATE TABLE the_last_one (id int)"] * 2


@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "of another file", "empty", "of a changed file"])
def test_an_index_that_does_not_fit_is_left_aside_and_hides_nothing(
    searched: Searched, tmp_path: Path, damage: str
) -> None:
    for path in [*searched.files, *searched.folder.glob("*.idx")]:
        shutil.copy(path, tmp_path)
    closed = sorted(tmp_path.glob("*.jsonl.zst"))
    index = closed[0].with_name(closed[0].name.replace(".zst", ".idx"))
    other = closed[1].with_name(closed[1].name.replace(".zst", ".idx"))
    content = index.read_bytes()
    match damage:
        case "missing":
            index.unlink()
        case "cut":
            index.write_bytes(content[: len(content) // 2])
        case "changed":
            index.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
        case "of another file":
            shutil.copy(other, index)
        case "empty":
            index.write_bytes(b"")
        case "of a changed file":
            # The same length, other records: what stands in the other file was never indexed here.
            text = subprocess.check_output(["zstdcat", closed[0]])
            changed = text.replace(b'"user":"postgres"', b'"user":"somebody"')
            packed = subprocess.run(["zstd", "-q"], input=changed, check=True, capture_output=True).stdout
            closed[0].write_bytes(packed)
    done = subprocess.run(
        [binary(), "audit", "search", tmp_path, "--format", "json", "--object", "orders", "--class", "create"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert [json.loads(line)["sql"] for line in done.stdout.splitlines()] == ["CREATE TABLE orders (id int)"]
    assert "index" in done.stderr and closed[0].name in done.stderr
    if damage != "of a changed file":
        assert f"{closed[0]}: index made" in run("index", tmp_path)
        assert index.read_bytes() == content


def test_an_index_that_lies_is_found_by_check(searched: Searched, tmp_path: Path) -> None:
    """Whoever may write beside the trail can make an index that hides: --check and --no-index see through it."""
    for path in [*searched.files, *searched.folder.glob("*.idx")]:
        shutil.copy(path, tmp_path)
    index = sorted(tmp_path.glob("*.idx"))[0]
    content = index.read_bytes()
    frames = int.from_bytes(content[8:12], "little")
    lying = bytearray(content[:-32])
    lying[20 + 64 * frames :] = bytes(len(lying) - 20 - 64 * frames)
    index.write_bytes(bytes(lying) + hashlib.sha256(lying).digest())
    assert searched.statements(tmp_path, "--object", "orders", "--class", "create") == []
    assert searched.statements(tmp_path, "--object", "orders", "--class", "create", "--no-index") != []
    assert "WRONG" in run("index", "--check", tmp_path, status=1)
    assert index.read_bytes() == content


def test_what_cannot_be_read_is_said_and_the_rest_is_found(searched: Searched, tmp_path: Path) -> None:
    for path in searched.files:
        shutil.copy(path, tmp_path)
    closed = sorted(tmp_path.glob("*.jsonl.zst"))[0]
    content = bytearray(closed.read_bytes())
    content[len(content) // 2] ^= 0xFF
    closed.write_bytes(content)
    done = subprocess.run(
        [binary(), "audit", "search", tmp_path, "--application", "late"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "the_last_one" in done.stdout
    assert closed.name in done.stderr and "damaged" in done.stderr
    # So damaged that not even its parts can be told apart.
    closed.write_bytes(content[:4] + bytes(len(content) - 4))
    done = subprocess.run(
        [binary(), "audit", "search", tmp_path, "--application", "late"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "the_last_one" in done.stdout
    assert closed.name in done.stderr
    assert subprocess.run([binary(), "audit", "search", closed], capture_output=True).returncode == 1
    (tmp_path / "audit.jsonl").write_text('{"v":1,"time":"2026\nhello\n')
    done = subprocess.run(
        [binary(), "audit", "search", tmp_path / "audit.jsonl"], capture_output=True, text=True, timeout=60
    )
    assert f"{tmp_path}/audit.jsonl:1: " in done.stderr
    assert f"{tmp_path}/audit.jsonl:2: " in done.stderr
    assert "no record matches" in done.stderr


@pytest.mark.parametrize(
    "options", [["--limit", "0"], ["--since", "soon"], ["--client", "10.0.0.1/8"], ["--outcome", "perhaps"],
                ["--class", "nothing"], ["--kind", "x"], ["--text", ""], ["--follow", "--reverse"],
                ["--since", "1h", "--until", "2h"], ["--json", "--format", "csv"], ["--sql", "--format", "csv"]],
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(searched: Searched, options: list[str]) -> None:
    run("search", "--config", searched.configuration, *options, status=64)


def test_a_list_that_cannot_be_written_to_its_end_is_no_success(searched: Searched) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary(), "audit", "search", searched.folder], stdout=full, stderr=subprocess.PIPE, timeout=60)
    assert done.returncode == 2 and b"No space left on device" in done.stderr


def test_a_file_that_is_not_there_is_named(searched: Searched) -> None:
    done = subprocess.run([binary(), "audit", "search", "/nowhere/audit.jsonl"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "/nowhere/audit.jsonl" in done.stderr


def test_follow_names_a_torn_line_by_its_number_in_the_file(searched: Searched, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = (searched.folder / "audit.jsonl").read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]))
    follower = subprocess.Popen(
        [binary(), "audit", "search", "--follow", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert follower.stdout and follower.stderr
        with open(path, "a") as file:
            # It may begin before or after this: the number is the same.
            file.write("torn\n")
        assert follower.stderr.readline().startswith(f"{path}:4: ")
    finally:
        follower.kill()
        follower.communicate(timeout=10)


class Following:
    """`holdfast audit --follow` while it runs."""

    def __init__(self, *options: str | Path) -> None:
        self.process = subprocess.Popen(
            [binary(), "audit", "search", "--follow", "--format", "json", *options], stdout=subprocess.PIPE, text=True
        )
        self.rows: list[Row] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.rows.append(json.loads(line))

    def statements(self) -> list[str]:
        return [str(row["sql"]) for row in self.rows if "sql" in row]

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)
        self._reader.join(10)


def test_follow_goes_on_across_rotations_and_shows_each_statement_once(
    start_holdfast: StartHoldfast, test_database: str
) -> None:
    holdfast = start_holdfast(audit={"file": "audit.jsonl", "rotate_size": "64kB"})
    wanted: list[str] = []
    with holdfast.connect(test_database) as connection, holdfast.connect(test_database) as other:
        connection.execute("CREATE TABLE before ()")
        wanted.append("CREATE TABLE before ()")
        # Open when the follower begins: it is shown when it has ended.
        other.execute("BEGIN")
        other.execute("CREATE TABLE held_open ()")
        holdfast.trail.wait(event="outcome")
        follower = Following("--config", holdfast.configuration)
        try:
            eventually(lambda: follower.statements() == wanted)
            for number in range(120):
                sql = f"CREATE TABLE f{number} (n text DEFAULT '{'y' * 900}')"
                connection.execute(sql)  # type: ignore[call-overload]
                wanted.append(sql)
            other.execute("COMMIT")
            eventually(lambda: "CREATE TABLE held_open ()" in follower.statements(), 20)
            eventually(lambda: len(follower.statements()) >= len(wanted) + 1, 20)
            assert len(list(holdfast.folder.glob("audit-*.jsonl*"))) >= 2
            assert sorted(follower.statements()) == sorted([*wanted, "CREATE TABLE held_open ()"])
            assert all(row["transaction"] == "committed" for row in follower.rows if "sql" in row)
        finally:
            follower.end()


def test_follow_filters_by_what_the_outcome_says(start_holdfast: StartHoldfast, test_database: str) -> None:
    holdfast = start_holdfast(audit={"file": "audit.jsonl"})
    with holdfast.connect(test_database) as connection:
        connection.execute("CREATE TABLE before ()")
        holdfast.trail.wait(event="outcome")
        follower = Following("--config", holdfast.configuration, "--outcome", "error")
        try:
            for sql in ("CREATE TABLE fine ()", "ALTER TABLE gone ADD x int", "CREATE TABLE fine_too ()"):
                try:
                    connection.execute(sql)  # type: ignore[call-overload]
                except psycopg.errors.UndefinedTable:
                    pass
            eventually(lambda: follower.statements() == ["ALTER TABLE gone ADD x int"])
        finally:
            follower.end()


def test_show_tells_everything_around_a_statement(searched: Searched) -> None:
    rows = {str(row["sql"]): row for row in searched.rows() if "sql" in row}

    def show(sql: str) -> str:
        return run("show", str(rows[sql]["id"]), "--config", searched.configuration)

    text = show("CREATE TABLE first_of_two (id int)")
    assert text.startswith(f"statement {rows['CREATE TABLE first_of_two (id int)']['id']}\n")
    for part in ("committed", "deployer", "production", "postgres@find", "127.0.0.1:", "CREATE TABLE first_of_two (id int)"):
        assert part in text
    transaction = text[text.index("transaction: committed, 2 statements") : text.index("Refused in the same session")]
    assert "first_of_two" in transaction and "second_of_two" in transaction
    assert "orders" not in transaction
    refused = text[text.index("Refused in the same session") :]
    assert "DROP TABLE" in refused and "keep tables" in refused
    assert "transaction: rolled back, nothing else" in show("CREATE TABLE undone (id int)")
    assert 'refused' in show("DROP TABLE orders") or "refusal" in show("DROP TABLE orders")
    assert "failed 42P01" in show("ALTER TABLE missing ADD COLUMN x int")
    session = run("show", str(rows["CREATE TABLE orders (id int)"]["session"]), "--config", searched.configuration)
    assert "8 on the trail" in session and "the_last_one" not in session
    printed = run(
        "show", str(rows["CREATE TABLE first_of_two (id int)"]["id"]), "--config", searched.configuration,
        "--format", "json",
    )  # fmt: skip
    assert json.loads(printed.splitlines()[0])["sql"] == "CREATE TABLE first_of_two (id int)"
    run("show", "no-such-id", "--config", searched.configuration, status=1)


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_in_markdown_and_in_html_counts_and_names(searched: Searched, tmp_path: Path) -> None:
    page_path, text_path = tmp_path / "report.html", tmp_path / "report.md"
    printed = run("report", "--config", searched.configuration, "--html", page_path, "--markdown", text_path)
    assert printed == ""
    text, page = text_path.read_text(), page_path.read_text()
    parsed = Page(page)
    for part in ("161", "keep tables", "postgres", "find_test", "42P01", "holdfast audit verify"):
        assert part in parsed.text, part
    assert "nothing was verified" in parsed.text and "nothing was verified" in text
    losses = text[text.index("## Tables lost") : text.index("## Refused")]
    assert "t7" in losses and "orders" not in losses
    refused = text[text.index("## Refused") : text.index("## Nobody knows")]
    assert "orders" in refused and "t7" not in refused
    assert "missing" in text[text.index("## Failed") : text.index("## DDL that did not")]
    # What a client called itself stays a name.
    assert HOSTILE[:60] in parsed.text
    assert not parsed.tags & {"script", "img", "link", "iframe", "object", "a"}
    assert not any(name.startswith("on") or name in ("src", "href") for name in parsed.attributes)
    assert "default-src 'none'" in page and "<svg" in page and "<rect" in page
    assert re.findall(r"https?://", page) == []
    assert "<script" not in text and "<img" not in text
    assert run("report", "--config", searched.configuration).startswith("# What the audit trail holds")


def test_a_new_report_is_nobody_elses_and_one_that_is_there_keeps_its_rights(searched: Searched, tmp_path: Path) -> None:
    new, there = tmp_path / "new.html", tmp_path / "there.md"
    there.write_text("old")
    there.chmod(0o644)
    run("report", searched.folder, "--html", new, "--markdown", there)
    assert new.stat().st_mode & 0o777 == 0o600
    assert there.stat().st_mode & 0o777 == 0o644 and there.read_text().startswith("# What the audit trail holds")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.html", "there.md"]


def test_a_report_of_nothing_says_so(searched: Searched, tmp_path: Path) -> None:
    text = run("report", "--config", searched.configuration, "--since", "2100-01-01")
    assert "No statement is on the trail in that time" in text
    run("report", "--config", searched.configuration, "--html", tmp_path / "nowhere" / "x.html", status=1)


def test_an_index_is_deleted_with_its_file(start_holdfast: StartHoldfast, test_database: str) -> None:
    holdfast = start_holdfast(audit={"file": "audit.jsonl", "rotate_size": "64kB", "keep_files": 2})
    with holdfast.connect(test_database) as connection:
        for number in range(400):
            connection.execute(f"CREATE TABLE k{number} (n text DEFAULT '{'z' * 900}')")  # type: ignore[call-overload]
    holdfast.stop()
    closed = sorted(path.name for path in holdfast.folder.glob("audit-*.jsonl.zst"))
    assert 1 <= len(closed) <= 3 and closed[0] != "audit-000001.jsonl.zst"
    indexes = sorted(path.name for path in holdfast.folder.glob("*.idx"))
    assert indexes == [name.replace(".zst", ".idx") for name in closed]


def test_an_index_that_a_crash_left_unwritten_is_made_at_the_next_start(
    start_holdfast: StartHoldfast, test_database: str
) -> None:
    holdfast = start_holdfast(audit={"file": "audit.jsonl", "rotate_size": "64kB"})
    with holdfast.connect(test_database) as connection:
        for number in range(80):
            connection.execute(f"CREATE TABLE c{number} (n text DEFAULT '{'z' * 900}')")  # type: ignore[call-overload]
    holdfast.stop()
    newest = sorted(holdfast.folder.glob("*.idx"))[-1]
    content = newest.read_bytes()
    newest.unlink()
    holdfast.restart()
    with holdfast.connect(test_database) as connection:
        connection.execute("CREATE TABLE after_the_crash ()")
    holdfast.stop()
    assert newest.read_bytes() == content


def test_savepoints_and_prepared_transactions_are_told_to_their_end(holdfast: Holdfast, test_database: str) -> None:
    with holdfast.connect(test_database) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE outer_one ()")
        connection.execute("SAVEPOINT s")
        connection.execute("CREATE TABLE inner_one ()")
        connection.execute("ROLLBACK TO SAVEPOINT s")
        connection.execute("CREATE TABLE outer_two ()")
        connection.execute("COMMIT")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE held ()")
        connection.execute("PREPARE TRANSACTION 'by name'")
        connection.execute("COMMIT PREPARED 'by name'")
    holdfast.trail.wait(event="transaction_end")
    rows = {
        str(row["sql"]): row
        for row in map(
            json.loads, run("--config", holdfast.configuration, "--format", "json", "--kind", "intent").splitlines()
        )
    }

    def show(sql: str) -> str:
        return run("show", str(rows[sql]["id"]), "--config", holdfast.configuration)

    for sql in ("CREATE TABLE outer_one ()", "CREATE TABLE outer_two ()"):
        text = show(sql)
        assert "transaction: committed, 3 statements" in text
        assert "inner_one" in text and "held" not in text[: text.index("Refused")]
    assert "rolled back to a savepoint" in show("CREATE TABLE inner_one ()")
    found = run("--config", holdfast.configuration, "--format", "json", "--outcome", "rolled_back_to_savepoint")
    assert [json.loads(line)["sql"] for line in found.splitlines()] == ["CREATE TABLE inner_one ()"]
    held = show("CREATE TABLE held ()")
    assert "prepared as by name" in held
    assert "prepared transaction by name  committed" in held
