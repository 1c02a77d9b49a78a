"""What came of a suite on one way, and what differs between two."""

import re
from dataclasses import dataclass, field

# The words of every refusal (Session/Refusal.swift).
REFUSAL = re.compile(r"holdfast refused .*?rule \"([^\"]+)\"", re.DOTALL)


@dataclass
class Result:
    """One test: `outcome` is passed, failed or skipped; `text` is what it said when it failed."""

    outcome: str
    text: str = ""
    # When it ran, in seconds since 1970; refusals in that time belong to it.
    began: float = 0
    ended: float = 0


@dataclass
class SuiteRun:
    suite: str
    version: str
    way: str
    results: dict[str, Result] = field(default_factory=dict)
    # Statements that rules refused meanwhile: (time, rule, statement, objects).
    refusals: list[tuple[float, str, str, list[str]]] = field(default_factory=list)

    def count(self, outcome: str) -> int:
        return sum(result.outcome == outcome for result in self.results.values())

    def differences(self, direct: "SuiteRun") -> list[str]:
        """Tests that passed directly and did not here (or were not run here at all)."""
        return sorted(
            test for test, result in direct.results.items()
            if result.outcome == "passed" and self.outcome(test) != "passed"
        )  # fmt: skip

    def outcome(self, test: str) -> str:
        return self.results[test].outcome if test in self.results else "missing"

    def reason(self, test: str) -> str | None:
        """The rule behind a failure: by the error's own words, by what was refused while the test ran, or by an object
        that an earlier refusal kept. None: no rule explains it."""
        result = self.results.get(test)
        if result is None:
            return None
        if found := REFUSAL.search(result.text):
            return found[1]
        for time, rule, _, _ in self.refusals:
            if result.began <= time <= result.ended:
                return f"{rule} (refused during the test)"
        for time, rule, _, objects in self.refusals:
            if time <= result.ended and any(name and name in result.text for name in objects):
                return f"{rule} (refused earlier, an object was left)"
        return None
