"""What the trail must hold after a soak."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.programs import run
from support.proxy import binary

from .stage import TEST


@dataclass(frozen=True)
class TrailCount:
    """The trail of a soak in numbers."""

    events: dict[str, int]
    # Intents without an outcome, outcomes without an intent, intents with more than one outcome.
    incomplete: list[str]
    # Intents in the test database that are no temporary table's.
    migrations: int
    # Outcomes of statements whose session was lost.
    in_doubt: int
    findings: list[dict[str, Any]]
    kilobytes: int

    @property
    def is_whole(self) -> bool:
        return not self.incomplete and not self.events.get("gap")


def count(path: Path) -> TrailCount:
    """Every line must be a record."""
    events: Counter[str] = Counter()
    intents: dict[str, int] = {}
    incomplete: list[str] = []
    findings: list[dict[str, Any]] = []
    migrations = in_doubt = 0
    with open(path) as lines:
        for line in lines:
            record = json.loads(line)
            event = record["event"]
            events[event] += 1
            if event == "intent":
                intents[record["id"]] = 0
                migrations += record["database"] == TEST and "soaked_" in record["sql"]
            elif event == "outcome":
                if record["id"] in intents:
                    intents[record["id"]] += 1
                else:
                    incomplete.append(f"outcome without intent: {line}")
                in_doubt += record.get("transaction") == "unknown"
            elif event == "finding":
                findings.append(record)
    incomplete += [f"{number} outcomes of the intent {id}" for id, number in intents.items() if number != 1]
    return TrailCount(dict(events), incomplete, migrations, in_doubt, findings, path.stat().st_size // 1024)


def unseen(configuration: Path) -> tuple[int, list[dict[str, Any]], str]:
    """`holdfast audit unseen`: its exit status, what it found, what it complained of."""
    done = run(binary(), "audit", "unseen", "--config", configuration, "--json", check=False)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr
