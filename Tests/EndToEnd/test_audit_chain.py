"""The trail's chain: files are closed and compressed, holdfast audit verify proves that all is there or names what is not."""

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import eventually
from support.proxy import Holdfast, binary


def audit(holdfast: Holdfast, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [binary(), "audit", *map(str, arguments), "--config", str(holdfast.configuration)], capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip


def closed_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("audit-*.jsonl.zst"))


def text_of(path: Path) -> str:
    if path.suffix == ".zst":
        return subprocess.run(["zstdcat", path], capture_output=True, check=True).stdout.decode()
    return path.read_text()


def run_ddl(holdfast: Holdfast, database: str, count: int) -> None:
    with holdfast.connect(database, autocommit=True) as connection:
        for number in range(count):
            connection.execute(f"CREATE TABLE t{number} (n int)")  # type: ignore[call-overload]
            connection.execute(f"ALTER TABLE t{number} ADD COLUMN filler text DEFAULT '{'x' * 400}'")  # type: ignore[call-overload]


@pytest.fixture
def trail(start_holdfast: StartHoldfast, production: str) -> Holdfast:
    """A proxy that has ended, and left a trail of several files."""
    holdfast = start_holdfast(audit={"file": "audit.jsonl", "rotate_size": "64kB", "checkpoints": ["heads.jsonl"]})
    run_ddl(holdfast, production, 80)
    holdfast.stop()
    assert len(closed_files(holdfast.folder)) >= 2
    return holdfast


def test_a_trail_of_several_files_is_whole(trail: Holdfast) -> None:
    result = audit(trail, "verify")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.startswith("The trail is whole: records 1 to ")
    records = [
        json.loads(line)
        for path in [*closed_files(trail.folder), trail.folder / "audit.jsonl"]
        for line in text_of(path).splitlines()
    ]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert {record["v"] for record in records} == {2}
    statements = [record["sql"] for record in records if record["event"] == "intent"]
    assert len(statements) == 160
    assert sum(record["event"] == "outcome" for record in records) == 160
    listed = audit(trail, "--json", "--event", "intent").stdout.splitlines()
    assert [json.loads(line)["sql"] for line in listed] == statements


def test_the_keys_are_nobody_elses(trail: Holdfast) -> None:
    for name in ("audit.keys", "audit.signing-key", "audit.jsonl"):
        assert (trail.folder / name).stat().st_mode & 0o777 == 0o600
    for path in (*closed_files(trail.folder), trail.folder / "heads.jsonl"):
        assert path.stat().st_mode & 0o777 == 0o600


Damage = Callable[[list[str]], list[str]]


def without(number: int) -> Damage:
    return lambda lines: lines[:number] + lines[number + 1 :]


def exchanged(lines: list[str]) -> list[str]:
    lines[10], lines[11] = lines[11], lines[10]
    return lines


def with_another(old: str, new: str) -> Damage:
    def change(lines: list[str]) -> list[str]:
        number = next(number for number, line in enumerate(lines) if old in line and number > 5)
        lines[number] = lines[number].replace(old, new, 1)
        return lines

    return change


# What is done to the lines of the second file, and what verify calls it.
TAMPERING: dict[str, tuple[Damage, str]] = {
    "a statement": (with_another("CREATE TABLE", "CREATE  TABLE"), "changed"),
    "a verdict": (with_another('"verdict":"allow"', '"verdict":"block"'), "changed"),
    "a time": (with_another("T", "t"), "changed"),
    "a user": (with_another('"user":"postgres"', '"user":"somebody"'), "changed"),
    "a result": (with_another('"transaction":"committed"', '"transaction":"rolled_back"'), "changed"),
    "an id": (with_another('"id":"', '"id":"x'), "changed"),
    "a code": (lambda lines: [re.sub(r'"mac":"..', '"mac":"00', line) if n == 9 else line for n, line in enumerate(lines)], "changed"),
    "a number": (lambda lines: [re.sub(r'"seq":(\d+)', r'"seq":9\1', line) if n == 9 else line for n, line in enumerate(lines)], "missing"),
    "a record taken out": (without(8), "missing"),
    "the first record taken out": (without(0), "missing"),
    "two exchanged": (exchanged, "missing"),
    "one twice": (lambda lines: lines[:12] + lines[11:], "order"),
    "a record of somebody else's": (lambda lines: lines[:7] + ['{"v":1,"time":"2026-01-01T00:00:00Z","event":"start","id":"x"}'] + lines[7:], "foreign"),
    "half a line": (lambda lines: lines[:7] + [lines[7][:40]] + lines[7:], "torn"),
    "its end cut off": (lambda lines: lines[:-3], "seam"),
    "its last line cut in half": (lambda lines: [*lines[:-1], lines[-1][:50]], "torn"),
    "emptied": (lambda lines: [], "missing"),
    "its beginning made something else": (lambda lines: [line.replace("file_start", "intent") if n == 0 else line for n, line in enumerate(lines)], "changed"),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole_trail(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Path:
    """A folder with a trail of at least three files, proxy.conf and keys."""
    from support.proxy import ProxySettings

    folder = tmp_path_factory.mktemp("trail")
    postgres.execute("CREATE DATABASE tampered")
    holdfast = Holdfast(
        folder,
        ProxySettings(
            server=postgres.address, audit={"file": "audit.jsonl", "rotate_size": "64kB", "checkpoints": ["heads.jsonl"]}
        ),
    )
    holdfast.start()
    run_ddl(holdfast, "tampered", 80)
    holdfast.stop()
    assert len(closed_files(folder)) >= 2
    return folder


@pytest.fixture
def copy(whole_trail: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(whole_trail, folder)
    return folder


def verified(folder: Path, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    result = subprocess.run(
        [binary(), "audit", "verify", "--json", "--config", str(folder / "proxy.conf"), *arguments], capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert result.returncode in (0, 1), result.stderr
    return result.returncode, json.loads(result.stdout)["findings"]


def rewrite(path: Path, lines: list[str]) -> None:
    """A changed file, compressed again as it was."""
    plain = path.with_suffix("")
    plain.write_text("".join(line + "\n" for line in lines))
    path.unlink()
    subprocess.run(["zstd", "--rm", "-q", plain, "-o", path], check=True)


@pytest.mark.parametrize("tampering", TAMPERING)
def test_what_is_done_to_a_record_is_named(copy: Path, tampering: str) -> None:
    damage, kind = TAMPERING[tampering]
    path = closed_files(copy)[1]
    before = text_of(path).splitlines()
    rewrite(path, damage(list(before)))
    code, findings = verified(copy)
    assert code == 1
    assert findings[0]["kind"] == kind, findings[:3]
    assert path.name in str(findings[0]["path"]) or kind in ("seam", "missing"), findings[:3]


def test_a_whole_copy_is_whole(copy: Path) -> None:
    assert verified(copy) == (0, [])
    path = closed_files(copy)[0]
    rewrite(path, text_of(path).splitlines())
    assert verified(copy) == (0, [])


def test_a_closed_file_that_is_gone_is_named(copy: Path) -> None:
    closed_files(copy)[1].unlink()
    code, findings = verified(copy)
    assert code == 1 and findings[0]["kind"] == "missing" and "file" in str(findings[0]["text"])


def without_start(path: Path) -> None:
    """The first line no longer says that a file begins, and with which key; then a record is changed."""
    lines = text_of(path).splitlines()
    lines[0] = lines[0].replace('"event":"file_start"', '"event":"session_start"')
    number = next(number for number, line in enumerate(lines) if '"event":"intent"' in line)
    lines[number] = lines[number].replace('"user":"postgres"', '"user":"somebody"')
    if path.suffix == ".zst":
        rewrite(path, lines)
    else:
        path.write_text("".join(line + "\n" for line in lines))


@pytest.mark.parametrize("place", ["the first", "the second", "the one that is written", "all"])
def test_a_file_whose_beginning_is_no_longer_one_proves_nothing(copy: Path, place: str) -> None:
    files = [*closed_files(copy), copy / "audit.jsonl"]
    chosen = {"the first": files[:1], "the second": files[1:2], "the one that is written": files[-1:], "all": files}[place]
    for path in chosen:
        without_start(path)
    code, findings = verified(copy)
    assert code == 1 and findings[0]["kind"] == "changed" and str(findings[0]["path"]) == str(chosen[0]), findings[:3]


def test_an_oldest_file_that_is_gone_is_named_unless_the_trail_says_that_it_was_deleted(copy: Path) -> None:
    closed_files(copy)[0].unlink()
    code, findings = verified(copy)
    assert code == 1 and findings[0]["kind"] == "missing" and "no record says" in str(findings[0]["text"])
    # Who names the files himself knows which.
    named = [argument for path in (*closed_files(copy), copy / "audit.jsonl") for argument in ("--file", str(path))]
    assert verified(copy, *named) == (0, [])


def test_files_that_have_exchanged_their_names_are_named(copy: Path) -> None:
    one, other = closed_files(copy)[:2]
    one.rename(copy / "aside")
    other.rename(one)
    (copy / "aside").rename(other)
    code, findings = verified(copy)
    assert code == 1 and {finding["kind"] for finding in findings} & {"seam", "missing", "order"}


def test_an_end_that_is_cut_off_is_named_by_a_checkpoint(copy: Path) -> None:
    live = copy / "audit.jsonl"
    lines = live.read_text().splitlines(keepends=True)
    live.write_text("".join(lines[:-4]))
    assert verified(copy) == (0, []), "the chain alone cannot know"
    key = subprocess.run(
        [binary(), "audit", "public-key", "--config", copy / "proxy.conf"], capture_output=True, text=True, check=True
    ).stdout.strip()
    code, findings = verified(copy, "--checkpoints", str(copy / "heads.jsonl"), "--public-key", key)
    assert code == 1 and findings[0]["kind"] == "checkpoint" and "cut off" in str(findings[0]["text"])


def test_a_trail_that_was_emptied_is_not_called_whole(copy: Path) -> None:
    for path in closed_files(copy):
        path.unlink()
    (copy / "audit.jsonl").write_text("")
    result = subprocess.run(
        [binary(), "audit", "verify", "--config", copy / "proxy.conf"], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 2 and "there is no record in" in result.stderr
    code, findings = verified(copy, "--checkpoints", str(copy / "heads.jsonl"))
    assert code == 1 and findings[0]["kind"] == "checkpoint"


def test_the_newest_file_that_is_gone_is_named_by_a_checkpoint(copy: Path) -> None:
    (copy / "audit.jsonl").unlink()
    assert verified(copy)[0] == 0
    code, findings = verified(copy, "--checkpoints", str(copy / "heads.jsonl"))
    assert code == 1 and findings[0]["kind"] == "checkpoint"


def test_checkpoints_that_somebody_else_signed_are_refused(copy: Path) -> None:
    result = subprocess.run(
        [binary(), "audit", "verify", "--config", copy / "proxy.conf", "--checkpoints", copy / "heads.jsonl", "--public-key", "ab" * 32],
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 2 and "not signed by that key" in result.stderr


def test_a_trail_forged_with_another_key_is_named(copy: Path) -> None:
    (copy / "audit.keys").unlink()
    subprocess.run([binary(), "audit", "new-key", "--config", copy / "proxy.conf"], check=True, capture_output=True)
    code, findings = verified(copy)
    assert code == 1 and findings[0]["kind"] == "key"


def test_a_compressed_file_that_is_damaged_is_named(copy: Path) -> None:
    path = closed_files(copy)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    code, findings = verified(copy)
    assert code == 1 and findings[0]["kind"] == "unreadable" and "damaged" in str(findings[0]["text"])


def test_a_restart_goes_on_with_the_chain_and_a_new_key_begins_a_file(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast()
    run_ddl(holdfast, production, 2)
    first = json.loads((holdfast.folder / "audit.jsonl").read_text().splitlines()[0])
    assert first["event"] == "file_start" and first["file"] == 1
    assert audit(holdfast, "new-key").returncode == 0
    holdfast.process.send_signal(signal.SIGHUP)
    eventually(lambda: closed_files(holdfast.folder), what="the first file closed")
    second = eventually(
        lambda: (holdfast.folder / "audit.jsonl").read_text().splitlines() or None, what="the next file"
    )
    second = json.loads(second[0])
    assert second["event"] == "file_start" and second["file"] == 2 and second["key"] != first["key"]
    assert second["instance"] == first["instance"]
    holdfast.stop()
    holdfast.restart()
    run_ddl(holdfast, production, 0)
    holdfast.stop()
    result = audit(holdfast, "verify")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_torn_line_is_said_by_the_trail_and_open_intents_end_as_unknown(
    start_holdfast: StartHoldfast, production: str
) -> None:
    holdfast = start_holdfast()
    connection = holdfast.connect(production, autocommit=False)
    connection.execute("CREATE TABLE half_done (n int)")
    holdfast.trail.wait(event="intent")
    holdfast.kill()
    connection.close()
    live = holdfast.folder / "audit.jsonl"
    with live.open("ab") as file:
        file.write(b'{"v":2,"seq":99,"time":"20')
    holdfast.restart()

    def records(event: str) -> list[dict[str, object]]:
        lines = live.read_text().splitlines()
        return [json.loads(line) for line in lines if f'"event":"{event}"' in line and line.endswith("}")]

    [outcome] = eventually(lambda: records("outcome") or None, what="the outcome")
    assert outcome["transaction"] == "unknown" and outcome["message"] == "the proxy ended first"
    [intent] = records("intent")
    assert outcome["id"] == intent["id"] and outcome["user"] == "postgres"
    [recovered] = records("recovered")
    assert recovered["torn_bytes"] == 26
    holdfast.stop()
    result = audit(holdfast, "verify")
    assert result.returncode == 0 and "torn by a crash" in result.stdout, result.stdout + result.stderr


def test_old_files_are_deleted_and_the_trail_says_so(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(audit={"file": "audit.jsonl", "rotate_size": "64kB", "keep_files": 2})
    run_ddl(holdfast, production, 150)
    holdfast.stop()
    assert len(closed_files(holdfast.folder)) == 2
    retired = audit(holdfast, "--json", "--event", "retired").stdout.splitlines()
    assert retired
    result = audit(holdfast, "verify")
    assert result.returncode == 0 and "are not here" in result.stdout, result.stdout + result.stderr


def test_a_trail_of_an_earlier_version_is_kept_beside(
    start_holdfast: StartHoldfast, production: str, tmp_path: Path
) -> None:
    old = '{"v":1,"time":"2026-11-01T00:00:00.000000Z","event":"start","id":"a","session":"","client":"","user":""}\n'
    (tmp_path / "audit.jsonl").write_text(old)
    holdfast = start_holdfast(audit={"file": str(tmp_path / "audit.jsonl")})
    run_ddl(holdfast, production, 1)
    holdfast.stop()
    [closed] = closed_files(tmp_path)
    assert text_of(closed) == old
    result = audit(holdfast, "verify")
    assert result.returncode == 0 and "1 records are older than the chain" in result.stdout, result.stdout
