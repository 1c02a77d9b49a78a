"""The README's words on speed: a run's figures in short, between two marks."""

from pathlib import Path

from figures import middle
from results import Cell, Results
from verdicts import added, judged_cells, ratio, verdicts

BEGIN = "<!-- figures of Benchmarks/run: begin -->"
END = "<!-- end -->"

GROUPS = {
    "select-tcp": "pgbench -S, TCP on both sides",
    "select-socket": "the same, a Unix socket to the server",
    "tls-client": "the same, TLS on the client's side",
    "tls-both": "the same, TLS on both sides",
}


def update_readme(results: Results, file: Path) -> None:
    """Leaves all but what stands between the marks as it is."""
    text = file.read_text()
    assert text.count(BEGIN) == text.count(END) == 1, f"{file} lacks {BEGIN!r} or {END!r}, or has it twice"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    file.write_text(f"{before}{BEGIN}\n{gist(results)}\n{END}{after}")


def gist(results: Results) -> str:
    """A table of ratios, and how many targets are met."""
    lines = [
        "| Holdfast's share of …, over 1, 8 and 32 clients | PgBouncer's CPU | HAProxy's CPU | PgBouncer's throughput |"
        " HAProxy's throughput |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for group, heading in GROUPS.items():
        cells = judged_cells(results, group)
        figures = [
            between(cells, metric, other) for metric in ("cpu", "throughput") for other in ("pgbouncer", "haproxy")
        ]
        if any(figure != "–" for figure in figures):
            lines.append(f"| {heading} | " + " | ".join(figures) + " |")
    found = [one for one in verdicts(results) if one.is_met is not None]
    met = sum(one.is_met is True for one in found)
    lines += [
        "",
        f"{latency(results)}{met} of the {len(found)} targets that a run judges are met;"
        " [docs/benchmarks.md](docs/benchmarks.md) has each of them, by how much the others are missed, and all tables.",
    ]
    return "\n".join(lines)


def between(cells: list[Cell], metric: str, other: str) -> str:
    """`0.71–0.88`, the least and the most of the cells."""
    found = [value for cell in cells if (value := ratio(cell, metric, "holdfast", other)) is not None]
    if not found:
        return "–"
    return f"{min(found):.2f}" if min(found) == max(found) else f"{min(found):.2f}–{max(found):.2f}"


def latency(results: Results) -> str:
    cell = results.cell("select-tcp-simple-1")
    if cell is None or not any(middle(cell.rounds(name, "latency-p50")) for name in ("holdfast", "pgbouncer")):
        return ""
    words = [
        f"{value * 1000:.0f} µs through {label}" for name, label in
        [("holdfast", "Holdfast"), ("pgbouncer", "PgBouncer"), ("haproxy", "HAProxy")]
        if (value := added(cell, "latency-p50", name)) is not None
    ]  # fmt: skip
    return f"A SELECT of one client over TCP takes longer by {', '.join(words)} (p50). " if words else ""
