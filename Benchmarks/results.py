"""What a run found, as data: kept as JSON, from which the report can be made again."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Raised when files of before can no longer be read.
VERSION = 1


@dataclass
class Failure:
    scenario: str
    contender: str
    round: int
    text: str


@dataclass
class Cell:
    """One scenario's figures: for each contender and metric the values of all rounds, None where one is missing."""

    name: str
    title: str
    group: str
    contenders: list[str]
    parameters: dict[str, Any]
    units: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)

    def add(self, contender: str, round_index: int, metric: str, value: float, unit: str) -> None:
        """`round_index` counts from 0."""
        known = self.units.setdefault(metric, unit)
        assert known == unit, f"{self.name}: {metric} in {known!r} and in {unit!r}"
        rounds = self.values.setdefault(contender, {}).setdefault(metric, [])
        rounds += [None] * (round_index + 1 - len(rounds))
        # Six digits are more than any measurement here has.
        rounds[round_index] = float(f"{value:.6g}")

    def rounds(self, contender: str, metric: str) -> list[float | None]:
        return self.values.get(contender, {}).get(metric, [])

    def has(self, metric: str) -> bool:
        return metric in self.units


@dataclass
class Results:
    """All of a run. `facts` are lines about the machine, the versions and the options, by name."""

    facts: dict[str, str] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    # The figures were made as fast as possible, to see that all are there.
    is_quick: bool = False

    def cell(self, name: str) -> Cell | None:
        return next((cell for cell in self.cells if cell.name == name), None)

    def group(self, name: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.group == name]

    def groups(self) -> list[str]:
        """In the order of the run."""
        return list(dict.fromkeys(cell.group for cell in self.cells))

    def missing(self, expected: Iterable[tuple[str, str, str]]) -> Iterator[str]:
        """Those (scenario, contender, metric) for which there is no figure at all."""
        for name, contender, metric in expected:
            cell = self.cell(name)
            if cell is None or not any(value is not None for value in cell.rounds(contender, metric)):
                yield f"{name}: no {metric} of {contender}"

    def write(self, file: Path) -> None:
        """Whole or not at all."""
        part = file.with_suffix(".part")
        data = {"version": VERSION, **asdict(self)}
        part.write_text(json.dumps(data, indent=None, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
        part.replace(file)

    @classmethod
    def read(cls, file: Path) -> "Results":
        data = json.loads(file.read_text())
        if data.get("version") != VERSION:
            raise ValueError(f"{file} has version {data.get('version')}, this program reads {VERSION}")
        return cls(
            data["facts"], [Cell(**cell) for cell in data["cells"]], [Failure(**one) for one in data["failures"]],
            data["is_quick"],
        )  # fmt: skip


def merged(parts: Sequence[Results]) -> Results:
    """Several runs as one: of a scenario that more than one has, the last one's figures; of facts that differ, all."""
    cells = {cell.name: cell for part in parts for cell in part.cells}
    order = list(dict.fromkeys(cell.group for part in parts for cell in part.cells))
    facts = {}
    for name in dict.fromkeys(name for part in parts for name in part.facts):
        values = list(dict.fromkeys(part.facts[name] for part in parts if name in part.facts))
        facts[name] = values[0] if len(values) == 1 else "".join(f"\n  - {value}" for value in values)
    failures = [
        one for index, part in enumerate(parts) for one in part.failures
        if not any(later.cell(one.scenario) for later in parts[index + 1 :])
    ]  # fmt: skip
    return Results(
        facts, sorted(cells.values(), key=lambda cell: order.index(cell.group)), failures,
        any(part.is_quick for part in parts),
    )  # fmt: skip
