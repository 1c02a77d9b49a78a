"""Percentiles, medians and ratios: the arithmetic of the report, without processes or files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from math import ceil
from statistics import median

PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


class Latencies:
    """Durations in whole microseconds, each counted; so percentiles are exact."""

    def __init__(self, microseconds: Iterable[int] = ()) -> None:
        self._counts = Counter(microseconds)

    @property
    def count(self) -> int:
        return self._counts.total()

    def percentile(self, share: float) -> int:
        """The smallest duration that at least this share of all did not exceed (nearest rank)."""
        assert self._counts, "no durations"
        rank = max(1, ceil(round(share * self.count, 9)))
        passed = 0
        for duration in sorted(self._counts):
            passed += self._counts[duration]
            if passed >= rank:
                return duration
        raise AssertionError("more ranks than durations")


def present(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def middle(values: Iterable[float | None]) -> float | None:
    """The median of what was measured; None where nothing was."""
    found = present(values)
    return median(found) if found else None


def spread(values: Iterable[float | None]) -> tuple[float, float] | None:
    found = present(values)
    return (min(found), max(found)) if found else None


def paired_ratios(values: Sequence[float | None], others: Sequence[float | None]) -> list[float]:
    """Round by round, so that what slows a whole round down falls out. Rounds that lack one of the two are left out."""
    return [
        value / other for value, other in zip(values, others, strict=False)
        if value is not None and other is not None and other > 0
    ]  # fmt: skip


def paired_differences(values: Sequence[float | None], others: Sequence[float | None]) -> list[float]:
    return [
        value - other for value, other in zip(values, others, strict=False)
        if value is not None and other is not None
    ]  # fmt: skip
