"""What came of a suite on one way, and what differs between two."""

from dataclasses import dataclass, field


@dataclass
class Result:
    """One test: `outcome` is passed, failed or skipped; `text` is what it printed, or said when it failed."""

    outcome: str
    text: str = ""


@dataclass
class SuiteRun:
    suite: str
    version: str
    way: str
    results: dict[str, Result] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        return sum(result.outcome == outcome for result in self.results.values())

    def outcome(self, test: str) -> str:
        return self.results[test].outcome if test in self.results else "missing"

    def text(self, test: str) -> str:
        return self.results[test].text if test in self.results else ""


def newly_failing(direct: SuiteRun, other: SuiteRun) -> list[str]:
    """Tests that passed directly and did not on the other way (or were not even run)."""
    return sorted(
        test for test, result in direct.results.items()
        if result.outcome == "passed" and other.outcome(test) != "passed"
    )  # fmt: skip


def differing(one: SuiteRun, other: SuiteRun, normal) -> list[str]:
    """Tests that printed something else, apart from what `normal` evens out."""
    tests = one.results.keys() | other.results.keys()
    return sorted(test for test in tests if normal(one.text(test)) != normal(other.text(test)))
