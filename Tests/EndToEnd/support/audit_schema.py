"""docs/audit-record.schema.json, and lines of a trail held against it."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from .audit import Record
from .proxy import REPOSITORY

SCHEMA: dict[str, Any] = json.loads((REPOSITORY / "docs/audit-record.schema.json").read_text())
# What each kind of record has besides the keys of all.
BRANCHES: dict[str, dict[str, Any]] = {
    branch["properties"]["event"]["const"]: branch for branch in SCHEMA["oneOf"]
}
BASE = set(SCHEMA["$defs"]["base"]["properties"])


@cache
def validator(event: str) -> Draft202012Validator:
    """The whole schema with one alternative left: the same answer, with an error that says what is wrong."""
    return Draft202012Validator({**SCHEMA, "oneOf": [BRANCHES[event]]})


def lines(folder: Path) -> list[str]:
    """Of the trail in a folder, closed files first."""
    found: list[str] = []
    live = folder / "audit.jsonl"
    closed = [path for path in folder.glob("audit-*.jsonl*") if path.suffix in (".jsonl", ".zst")]
    for path in [*sorted(closed), live]:
        if not path.exists():
            continue
        if path.suffix == ".zst":
            content = subprocess.run(["zstdcat", path], capture_output=True, check=True).stdout.decode()
        else:
            content = path.read_text()
        found += content.split("\n")[:-1]
    return found


def all_records(folder: Path) -> list[Record]:
    """Without what a crash has left of a line: the record behind it accounts for that."""
    found: list[Record] = []
    torn: str | None = None
    for line in lines(folder):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            assert torn is None, f"two torn lines: {torn} and {line}"
            torn = line
            continue
        if torn is not None:
            assert found[-1]["event"] == "recovered" and found[-1]["torn_bytes"] == len(torn.encode()), torn
            torn = None
    assert torn is None, torn
    return found


def invalid(records: list[Record]) -> list[str]:
    """What is wrong with the records."""
    faults: list[str] = []
    for record in records:
        if record.get("event") not in BRANCHES:
            faults.append(f"no event of the schema: {record}")
            continue
        faults += [
            f"{record['event']}: {error.message} at {error.json_path}: {str(record)[:300]}"
            for error in validator(record["event"]).iter_errors(record)
        ]
    return faults


def assert_valid(folder: Path) -> None:
    faults = invalid(all_records(folder))
    assert not faults, f"{len(faults)} records are not as the schema says:\n" + "\n".join(faults[:20])
