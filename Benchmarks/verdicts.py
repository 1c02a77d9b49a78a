"""The targets, and what a run says of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from figures import middle, paired_differences, paired_ratios
from results import Cell, Results

# What the targets are about: others are measured too, but not judged.
TARGET_CLIENTS = (1, 8, 32)
TARGET_MODES = ("simple", "prepared")
ROUTES = {"select-tcp": "TCP on both sides", "select-socket": "a Unix socket to the server"}


@dataclass(frozen=True)
class Verdict:
    target: str
    measured: str
    # None where the run has no figure for it.
    is_met: bool | None
    # In words, where it is not met.
    shortfall: str = ""

    @property
    def text(self) -> str:
        if self.is_met is None:
            return "not measured"
        return "met" if self.is_met else f"missed{': ' if self.shortfall else ''}{self.shortfall}"


def ratio(cell: Cell, metric: str, name: str, other: str) -> float | None:
    """The median of the rounds' ratios, to two digits, as it is shown."""
    ratios = paired_ratios(cell.rounds(name, metric), cell.rounds(other, metric))
    return round(median(ratios), 2) if ratios else None


def added(cell: Cell, metric: str, name: str) -> float | None:
    """What is on top of `direct`, median of the rounds' differences."""
    differences = paired_differences(cell.rounds(name, metric), cell.rounds("direct", metric))
    return median(differences) if differences else None


def bounded(
    target: str, figures: Iterable[tuple[str, float | None]], limit: float, at_most: bool, digits: int = 2, unit: str = ""
) -> Verdict:
    """All figures must keep to the limit; the names say where the worst is."""
    found = [(name, value) for name, value in figures if value is not None]
    if not found:
        return Verdict(target, "–", None)
    worst_name, worst = (max if at_most else min)(found, key=lambda pair: pair[1])
    values = [value for _, value in found]
    missed = [value for value in values if (value > limit if at_most else value < limit)]
    measured = f"{min(values):.{digits}f}{unit}"
    if len(values) > 1:
        measured += f" to {max(values):.{digits}f}{unit}, median {median(values):.{digits}f}{unit}"
        measured += f"; worst: {worst_name}"
    short = f"by {abs(worst - limit):.{digits}f}{unit}"
    if len(values) > 1:
        short = f"{len(missed)} of {len(values)} cells, at worst {short}"
    return Verdict(target, measured, not missed, short if missed else "")


def judged_cells(results: Results, group: str) -> list[Cell]:
    return [
        cell for cell in results.group(group)
        if cell.parameters.get("clients") in TARGET_CLIENTS and cell.parameters.get("mode") in TARGET_MODES
    ]  # fmt: skip


def ratios(cells: Iterable[Cell], metric: str, other: str, name: str = "holdfast") -> list[tuple[str, float | None]]:
    return [(cell.title, ratio(cell, metric, name, other)) for cell in cells]


def verdicts(results: Results) -> list[Verdict]:
    return [
        *transactions(results), *tls(results), *bulk(results), *many(results), guard(results), *judging(results),
    ]  # fmt: skip


def transactions(results: Results) -> list[Verdict]:
    found = []
    for group, route in ROUTES.items():
        cells = judged_cells(results, group)
        found += [
            bounded(
                f"1. CPU per transaction at most 0.85 of PgBouncer's, {route}", ratios(cells, "cpu", "pgbouncer"), 0.85,
                at_most=True,
            ),
            bounded(
                f"1. CPU per transaction at most 0.75 of HAProxy's, {route}", ratios(cells, "cpu", "haproxy"), 0.75,
                at_most=True,
            ),
            bounded(
                f"1. Throughput at least that of both, {route}",
                [
                    (f"{title} to {other}", value) for other in ("pgbouncer", "haproxy")
                    for title, value in ratios(cells, "throughput", other)
                ],
                1.0, at_most=False,
            ),
            bounded(
                f"1. Added p50 at one client at most PgBouncer's, {route} (µs above it)",
                [
                    (cell.title, excess(cell, "latency-p50"))
                    for cell in cells if cell.parameters["clients"] == min(TARGET_CLIENTS)
                ],
                0.0, at_most=True, digits=0, unit=" µs",
            ),
            bounded(
                f"1. p99 no worse than PgBouncer's, {route}", ratios(cells, "latency-p99", "pgbouncer"), 1.0, at_most=True
            ),
        ]  # fmt: skip
    return found


def excess(cell: Cell, metric: str) -> float | None:
    """Microseconds that Holdfast adds more than PgBouncer; `direct` falls out of the difference."""
    differences = paired_differences(cell.rounds("holdfast", metric), cell.rounds("pgbouncer", metric))
    return round(median(differences) * 1000) if differences else None


def tls(results: Results) -> list[Verdict]:
    found = [
        bounded(
            f"2. CPU per transaction at most PgBouncer's, {where}", ratios(judged_cells(results, group), "cpu", "pgbouncer"),
            1.0, at_most=True,
        )
        for group, where in [("tls-client", "TLS on the client's side"), ("tls-both", "TLS on both sides")]
    ]  # fmt: skip
    cells = results.group("tls-handshakes")
    return [
        *found,
        bounded("2. Handshakes a second at least PgBouncer's", ratios(cells, "throughput", "pgbouncer"), 1.0, at_most=False),
    ]  # fmt: skip


def bulk(results: Results) -> list[Verdict]:
    cells = results.group("bulk")
    return [
        bounded(
            "3. COPY of 2 GB out and in, results of 1 GB: at least 0.90 of HAProxy's throughput",
            ratios(cells, "throughput", "haproxy"), 0.9, at_most=False,
        ),
        bounded(
            "3. Memory of a session that moves them under 2 MB",
            [
                (cell.title, middle(cell.rounds("holdfast", "session-memory"))) for cell in cells
                if cell.has("session-memory")
            ],
            2.0, at_most=True, unit=" MB",
        ),
    ]  # fmt: skip


def of_many(results: Results, wanted: Callable[[str], bool], contender: str) -> list[tuple[str, float]]:
    """The figures of Benchmarks/connections whose name fits."""
    found = []
    for cell in results.group("many"):
        for metric in cell.units:
            value = middle(cell.rounds(contender, metric))
            if wanted(metric) and value is not None:
                found.append((metric, value))
    return found


def many(results: Results) -> list[Verdict]:
    # The largest count without TLS is the one that the target is about.
    idle = of_many(results, lambda name: name.startswith("idle ") and name.endswith(": resident"), "holdfast")
    idle = [(name, value) for name, value in idle if "TLS" not in name and "after" not in name]
    largest = max((name for name, _ in idle), key=lambda name: int(name.split()[1].rstrip(":")), default="")
    resident = [(name, value * 1.048576) for name, value in idle if name == largest]
    each = f"{largest.split(':')[0]}: anonymous per session"
    own = dict(of_many(results, lambda name: name == each, "holdfast"))
    others = dict(of_many(results, lambda name: name == each, "pgbouncer"))
    session: list[tuple[str, float | None]] = [
        (name, round(value / others[name], 2)) for name, value in own.items() if others.get(name)
    ]
    plain = [
        (name, value)
        for name, value in of_many(results, lambda name: name.startswith("connect, ") and name.endswith(": connections"), "holdfast")
    ]  # fmt: skip
    rivals = dict(of_many(results, lambda name: name.endswith(": connections"), "pgbouncer"))
    best = max(plain, key=lambda pair: pair[1], default=None)
    needed = max(3000.0, max((rivals.get(name, 0) for name, _ in plain), default=0))
    count = largest.removeprefix("idle ").split(":")[0] or "10000"
    storm = of_many(results, lambda name: name.endswith("until all are in"), "holdfast")
    return [
        bounded(f"4. {count} idle sessions under 100 MB resident", resident, 100.0, at_most=True, digits=0, unit=" MB"),
        bounded("4. Less memory per idle session than PgBouncer (ratio)", session, 1.0, at_most=True),
        bounded(
            f"4. Connections a second: 3,000 or PgBouncer's best, here {needed:,.0f}",
            [best] if best else [], needed, at_most=False, digits=0,
        ),
        bounded(
            "4. All clients are back within seconds (10) of the server's restart", storm, 10.0, at_most=True, digits=1,
            unit=" s",
        ),
    ]  # fmt: skip


def guard(results: Results) -> Verdict:
    """All rounds of all cells together: 3 % is less than what one cell swings by."""
    target = "5. Judging and trail cost at most 3 % CPU over a bare relay, pgbench -S"
    cells = results.group("guard")
    together = [
        value for cell in cells for value in paired_ratios(cell.rounds("holdfast", "cpu"), cell.rounds("holdfast-bare", "cpu"))
    ]  # fmt: skip
    if not together:
        return Verdict(target, "–", None)
    cost = (median(together) - 1) * 100
    by_cell = [value for _, value in ratios(cells, "cpu", "holdfast-bare") if value is not None]
    measured = (
        f"{cost:+.1f} %, median of {len(together)} pairs; by cell {(min(by_cell) - 1) * 100:+.0f} %"
        f" to {(max(by_cell) - 1) * 100:+.0f} %"
    )
    return Verdict(target, measured, cost <= 3, f"by {cost - 3:.1f} %" if cost > 3 else "")


def judging(results: Results) -> list[Verdict]:
    cell = results.cell("judging")

    def figures(beginning: str) -> list[tuple[str, float | None]]:
        if cell is None:
            return []
        return [
            (metric, middle(cell.rounds("holdfast", metric))) for metric in cell.units if metric.startswith(beginning)
        ]

    def microseconds(beginning: str) -> list[tuple[str, float | None]]:
        return [(name, value / 1000 if value is not None else None) for name, value in figures(beginning)]

    return [
        bounded(
            "6. Judging a pgbench SELECT under 1 µs, also where it is parsed", microseconds("judge pgbench SELECT"), 1.0,
            at_most=True, unit=" µs",
        ),
        bounded(
            "6. Judging a 2 KB join under 25 µs, also where it is parsed", microseconds("judge 2 KB join"), 25.0,
            at_most=True, digits=1, unit=" µs",
        ),
        bounded(
            "6. The lexer at 1 GB/s or better on literal-heavy text",
            [(name, value / 1000 if value is not None else None) for name, value in figures("lex 100 MB")], 1.0,
            at_most=False, digits=1, unit=" GB/s",
        ),
    ]  # fmt: skip
