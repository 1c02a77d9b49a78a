"""The figures of a soak for the machine (JSON) and for people (Markdown, SVG)."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from . import plots
from .soak import Result

# What the report replaces in a page that holds both; all else stays.
BEGIN, END = "<!-- scripts/soak writes from here -->", "<!-- scripts/soak writes to here -->"


def text(result: Result) -> str:
    """Everything, as JSON."""
    return json.dumps(asdict(result), indent=1) + "\n"


def summary(result: Result) -> str:
    """A few lines for the terminal."""
    series = result.series
    lines = [f"{count:>12,}  {name}" for name, count in sorted(result.counts.items())]
    lines.append(f"resident {series['resident'][0]} kB at first, {series['resident'][-1]} kB at last")
    lines.append(f"descriptors and threads {result.before} before, {result.after} after")
    lines += [f"{name}: {found}" for name, found in result.trends.items()]
    lines += [f"does not hold: {failure}" for failure in result.failures]
    return "\n".join([*lines, f"{len(result.failures)} things do not hold" if result.failures else "everything holds"])


def markdown(result: Result, version: str, folder: str, prefix: str = "soak") -> str:
    """The part of the page that changes with each soak."""
    series = result.series
    events = Counter(result.trail.events)
    cpu = series["cpu_seconds"][-1] - series["cpu_seconds"][0]
    selector = f", `selector = \"{result.selector}\"`" if result.selector else ""
    rows = [
        f"{result.minutes:g} minutes, {version}{selector}.",
        "",
        f"![Memory]({folder}/{prefix}-memory.svg)",
        "",
        f"![Descriptors and sessions]({folder}/{prefix}-descriptors.svg)",
        "",
        "| | second sixth (median) | last sixth (median) | lowest | highest | rise over the time (Theil–Sen, 95 %) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, unit in (("resident", "MB"), ("anonymous", "MB"), ("descriptors", ""), ("threads", "")):
        rows.append(_row(result, name, unit))
    rows += [
        "",
        f"Descriptors and threads before the first client: {result.before[0]} and {result.before[1]}; after the last: "
        f"{result.after[0]} and {result.after[1]}. CPU of the proxy: {cpu:.0f} s, "
        f"{100 * cpu / (60 * result.minutes):.1f} % of one core. Sessions at the same time: "
        f"{median(series['backends']):g} (median), {max(series['backends']):g} (most).",
        "",
        "| what was done | how often |",
        "| --- | ---: |",
        *(f"| {name} | {count:,} |" for name, count in sorted(result.counts.items())),
        "",
        f"The trail: {events['intent']:,} intents, {events['outcome']:,} outcomes "
        f"({result.trail.in_doubt} unknown), {events['refusal']:,} refusals, {events['gap']} gaps, "
        f"{events['session_start']:,} sessions begun and {events['session_end']:,} ended, "
        f"{len(result.unseen)} findings of `audit unseen`; {result.trail.kilobytes / 1024:.1f} MB.",
        "",
        "What did not hold: " + ("nothing." if not result.failures else ""),
        *(f"- {' '.join(failure.split())}" for failure in result.failures),
    ]
    return "\n".join(rows) + "\n"


def _row(result: Result, name: str, unit: str) -> str:
    values = result.series[name]

    def shown(value: float) -> str:
        return f"{value / 1024:.2f} MB" if unit else f"{value:g}"

    found = result.trends.get(name)
    cells = ["–", "–", shown(min(values)), shown(max(values)), "–"]
    if found:
        cells[:2] = [shown(found.early), shown(found.late)]
        cells[4] = f"{shown(found.slope)} ({shown(found.lowest_slope)} to {shown(found.highest_slope)})"
    return f"| {name} | " + " | ".join(cells) + " |"


def insert(page: Path, part: str) -> None:
    """Puts the part between its marks; a page without them becomes nothing but the part."""
    old = page.read_text() if page.exists() else ""
    before, mark, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{part}\n{END}{after}" if mark and end else part)


def draw(result: Result, folder: Path, prefix: str = "soak") -> None:
    """The two plots."""
    series = result.series
    minutes = [seconds / 60 for seconds in series["seconds"]]

    def megabytes(name: str) -> Sequence[float]:
        return [value / 1024 for value in series[name]]

    memory = {"resident": megabytes("resident"), "anonymous": megabytes("anonymous")}
    counts = {"descriptors": series["descriptors"], "sessions": series["backends"], "threads": series["threads"]}
    (folder / f"{prefix}-memory.svg").write_text(plots.lines("Memory of the proxy, MB", minutes, memory))
    (folder / f"{prefix}-descriptors.svg").write_text(
        plots.lines("Descriptors, sessions and threads of the proxy", minutes, counts)
    )
