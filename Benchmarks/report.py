"""The report in Markdown, with its plots: made from a run's data alone, so that it can be made again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import middle, spread
from plots import Bar, bar_chart
from results import Cell, Results
from verdicts import added, ratio, verdicts

REMARKS = Path(__file__).parent / "remarks.md"


@dataclass(frozen=True)
class Section:
    heading: str
    text: str


SECTIONS = {
    "select-tcp": Section("pgbench -S, TCP on both sides", "One SELECT by key a transaction."),
    "select-socket": Section(
        "pgbench -S, a Unix socket to the server", "Clients come by TCP; every contender reaches the server by its socket."
    ),
    "tpcb-tcp": Section(
        "pgbench TPC-B, TCP on both sides", "Seven statements a transaction, so as many round trips; percentiles are of "
        "whole transactions, which wait for each other's rows where there are many clients."
    ),
    "tls-client": Section(
        "TLS on the client's side", "pgbench -S over TLS 1.3, in clear to the server. HAProxy cannot take part: it does not "
        "know how a PostgreSQL client asks for TLS."
    ),
    "tls-both": Section(
        "TLS on both sides", "pgbench -S. HAProxy only passes the server's TLS on and does none of its own; it is here to "
        "show what the encryption costs the others."
    ),
    "tls-handshakes": Section(
        "TLS handshakes", "Connections that shake hands (P-256 certificate, no resumption) and go. The client is a Python "
        "program with four threads, which bounds the rate; CPU per handshake is not bounded by it."
    ),
    "pipeline": Section("Pipelined batches", "A transaction is a batch of ten SELECTs that are sent at once."),
    "connect": Section(
        "Connect and disconnect", "`pgbench -S --connect`: each transaction has a connection of its own. PgBouncer reuses its "
        "connections to the server; Holdfast and HAProxy open one for each client, so that the server forks each time."
    ),
    "ddl": Section(
        "DDL with the audit trail", "`COMMENT ON TABLE`, simple protocol, a table for each client. `holdfast` has "
        "`durability = \"fsync\"`: the intent is on the disk before the server sees the statement; `holdfast-write` has "
        "`\"write\"`. The server itself runs with fsync off, so that only the trail waits for the disk."
    ),
    "guard": Section(
        "What the guard costs", "pgbench -S through Holdfast, and through a build of it (`holdfast-bare`) that looks at nothing "
        "once a client is logged in: no framing, no judging, no trail."
    ),
    "bulk": Section("COPY and large results", "One client. Memory is the proxy's peak above what it had before."),
    "many": Section(
        "Thousands of connections", "By `Benchmarks/connections`: server and clients are a program of our own "
        "(`holdfast-standin`), so that only the proxies are measured."
    ),
    "judging": Section(
        "Judging by itself", "`holdfast-benchmark`, without sockets; more in [benchmarks-judging.md](benchmarks-judging.md)."
    ),
}  # fmt: skip


def write_report(results: Results, file: Path) -> None:
    """The file and its plots, in `images/` beside it."""
    images = file.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    drawn = plots(results)
    for old in images.glob("bench-*.svg"):
        old.unlink()
    for name, picture in drawn.items():
        (images / f"{name}.svg").write_text(picture)
    file.write_text(report(results, list(drawn)))


def report(results: Results, pictures: Sequence[str] = ()) -> str:
    lines = [
        "# Benchmarks",
        "",
        "No proxy at all (`direct`), PgBouncer in session mode, HAProxy passing TCP on, and Holdfast with the shipped rules on a"
        " production database, judging and audit trail on; all in front of one PostgreSQL, everything on loopback. One run:"
        " each round visits every cell, each cell every contender, in another order each round.",
        "",
        *(["**A quick run: it shows that everything runs, and nothing here is a measurement.**", ""] if results.is_quick else []),
        "## Targets",
        "",
        "| target | measured | verdict |",
        "| --- | --- | --- |",
        *(f"| {one.target} | {one.measured} | {one.text} |" for one in verdicts(results)),
        "",
        "A ratio is the median of the rounds' ratios, so that what slows a whole round down falls out. The seventh target, an"
        " hour of mixed traffic, has a page of its own: [soak.md](soak.md).",
        "",
    ]
    if REMARKS.exists():
        lines += [REMARKS.read_text().strip(), ""]
    lines += ["## The run", "", *(f"- {name}:{'' if text.startswith(chr(10)) else ' '}{text}" for name, text in results.facts.items()), ""]
    lines += [
        "Made by `Benchmarks/run`; made again from its data by `Benchmarks/run --report docs/benchmarks/*.json`."
        " `Benchmarks/run --scenarios select-tcp --rounds 3` repeats a part.",
        "",
        "CPU is user and system time of the proxy's process, all threads. Added latencies are on top of `direct`, of all"
        " transactions in pgbench's log; a negative one means that the proxy kept clients from crowding the server. All of these"
        " are taken only while all clients are at work. System calls are counted in runs of their own. Memory is the process'"
        " peak. Everything shares the machine's processors, clients and server too: figures of one run compare, others do not."
        " Parentheses hold the least and the most of the rounds.",
    ]
    if results.failures:
        lines += ["", "## Failures", ""]
        for one in results.failures:
            lines += [f"- {one.scenario}, {one.contender}, round {one.round}:", "", "```", one.text.strip(), "```"]
    for group in results.groups():
        section = SECTIONS.get(group, Section(group, ""))
        lines += ["", f"## {section.heading}", "", section.text, ""]
        for picture in pictures:
            if picture.removeprefix("bench-").startswith(group):
                lines += [f"![{section.heading}](images/{picture}.svg)", ""]
        cells = results.group(group)
        lines += by_metric(cells) if group in ("many", "judging") else by_contender(cells)
    return "\n".join(lines) + "\n"


# MARK: Tables


@dataclass(frozen=True)
class Column:
    """One figure of a cell and a contender, as text; None where there is none."""

    heading: str
    text: Callable[[Cell, str], str | None]


def number(value: float, digits: int = 3) -> str:
    """With so many digits that mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    shown = f"{value:.{digits}g}"
    return f"{float(shown):.0f}" if "e" in shown and abs(value) >= 1 else shown


def plain(heading: str, metric: str, factor: float = 1) -> Column:
    def text(cell: Cell, name: str) -> str | None:
        value = middle(cell.rounds(name, metric))
        return None if value is None else number(value * factor)

    return Column(heading, text)


def with_spread(heading: str, metric: str) -> Column:
    def text(cell: Cell, name: str) -> str | None:
        value, bounds = middle(cell.rounds(name, metric)), spread(cell.rounds(name, metric))
        if value is None or bounds is None:
            return None
        return number(value) if bounds[0] == bounds[1] else f"{number(value)} ({number(bounds[0])}–{number(bounds[1])})"

    return Column(heading, text)


def compared(heading: str, metric: str, other: str) -> Column:
    def text(cell: Cell, name: str) -> str | None:
        value = ratio(cell, metric, name, other)
        return None if value is None or name in (other, "direct") else f"{value:.2f}"

    return Column(heading, text)


def on_top(heading: str, metric: str) -> Column:
    """Milliseconds as microseconds."""

    def text(cell: Cell, name: str) -> str | None:
        value = added(cell, metric, name)
        return None if value is None or name == "direct" else f"{value * 1000:+,.0f}"

    return Column(heading, text)


def unit_of(cells: Sequence[Cell], metric: str) -> str:
    return next((cell.units[metric] for cell in cells if cell.has(metric)), "")


def columns(cells: Sequence[Cell]) -> list[Column]:
    """All that any report has; those without a figure are left out later."""
    cpu = unit_of(cells, "cpu").replace(" transactions", "")
    return [
        with_spread(unit_of(cells, "throughput"), "throughput"),
        compared("rate to PgBouncer", "throughput", "pgbouncer"),
        compared("rate to HAProxy", "throughput", "haproxy"),
        plain("p50, ms", "latency-p50"),
        on_top("added p50, µs", "latency-p50"),
        on_top("added p99, µs", "latency-p99"),
        on_top("added p99.9, µs", "latency-p99.9"),
        with_spread(f"CPU {cpu}", "cpu"),
        compared("CPU to PgBouncer", "cpu", "pgbouncer"),
        compared("CPU to HAProxy", "cpu", "haproxy"),
        compared("CPU to bare", "cpu", "holdfast-bare"),
        plain(f"switches {unit_of(cells, 'switches')}", "switches"),
        plain(f"system calls {unit_of(cells, 'calls')}", "calls"),
        plain("memory, MB", "memory"),
        plain("above before, MB", "session-memory"),
    ]


def by_contender(cells: Sequence[Cell]) -> list[str]:
    """A row for each cell and contender."""
    rows = [(cell, name) for cell in cells for name in cell.contenders]
    kept = [
        (column.heading, texts) for column in columns(cells)
        if any((texts := [column.text(cell, name) for cell, name in rows]))
    ]  # fmt: skip
    lines = [
        "| | | " + " | ".join(heading for heading, _ in kept) + " |",
        "| --- | --- |" + " ---: |" * len(kept),
    ]
    for index, (cell, name) in enumerate(rows):
        title = cell.title if name == cell.contenders[0] else ""
        lines.append(f"| {title} | {name} | " + " | ".join(texts[index] or "–" for _, texts in kept) + " |")
    return lines


def by_metric(cells: Sequence[Cell]) -> list[str]:
    """A row for each metric, a column for each contender."""
    names = list(dict.fromkeys(name for cell in cells for name in cell.contenders))
    lines = ["| | " + " | ".join(names) + " | |", "| --- |" + " ---: |" * len(names) + " --- |"]
    for cell in cells:
        for metric, unit in cell.units.items():
            values = [middle(cell.rounds(name, metric)) for name in names]
            shown = ["–" if value is None else number(value, 4) for value in values]
            lines.append(f"| {metric} | " + " | ".join(shown) + f" | {unit} |")
    return lines


# MARK: Plots


def bar(cell: Cell, name: str, metric: str) -> Bar | None:
    value, bounds = middle(cell.rounds(name, metric)), spread(cell.rounds(name, metric))
    return None if value is None or bounds is None else Bar(value, *bounds)


def chart(
    cells: Sequence[Cell], metric: str, title: str, unit: str, names: Sequence[str], is_logarithmic: bool = False
) -> str | None:
    """None where there is nothing to draw."""
    series = {name: [bar(cell, name, metric) for cell in cells] for name in names}
    drawn = {name: row for name, row in series.items() if any(row)}
    if not drawn:
        return None
    titles = [cell.title.replace(", ", "\n", 1) for cell in cells]
    return bar_chart(title, unit, titles, drawn, is_logarithmic)


ALL = ("direct", "pgbouncer", "haproxy", "holdfast")
PROXIES = ALL[1:]


def plots(results: Results) -> dict[str, str]:
    """SVG texts by file name, without its end."""
    cpu = "CPU seconds per 100,000 transactions"
    wanted = {}
    for group, where in [
        ("select-tcp", "pgbench -S, TCP on both sides"),
        ("select-socket", "pgbench -S, a Unix socket to the server"),
        ("tpcb-tcp", "pgbench TPC-B"),
        ("tls-client", "pgbench -S, TLS on the client's side"),
        ("tls-both", "pgbench -S, TLS on both sides"),
    ]:
        cells = results.group(group)
        wanted[f"bench-{group}-cpu"] = chart(cells, "cpu", f"{where}: CPU of the proxy", cpu, PROXIES)
        if group in ("select-tcp", "select-socket"):
            wanted[f"bench-{group}-throughput"] = chart(
                cells, "throughput", f"{where}: throughput", "transactions a second", ALL
            )
    wanted["bench-select-tcp-latency"] = latency_chart(results)
    wanted["bench-bulk"] = chart(
        [shortened(cell) for cell in results.group("bulk")], "throughput", "COPY and large results", "MB a second", ALL
    )
    wanted["bench-ddl"] = chart(
        results.group("ddl"), "throughput", "DDL with the audit trail", "statements a second (logarithmic)",
        ("direct", "pgbouncer", "holdfast", "holdfast-write"), is_logarithmic=True,
    )  # fmt: skip
    wanted["bench-guard"] = chart(
        results.group("guard"), "cpu", "What the guard costs", cpu, ("holdfast-bare", "holdfast")
    )
    return {name: picture for name, picture in wanted.items() if picture}


def shortened(cell: Cell) -> Cell:
    """With a title that fits below a bar."""
    title = cell.title.replace(" in lines of 100 bytes", "").replace("a result of 1 GB in ", "1 GB, ")
    return Cell(cell.name, title, cell.group, cell.contenders, cell.parameters, cell.units, cell.values)


def latency_chart(results: Results) -> str | None:
    """Percentiles of the cells with one client and with eight, simple protocol."""
    cells = [
        cell for cell in results.group("select-tcp")
        if cell.parameters.get("mode") == "simple" and cell.parameters.get("clients") in (1, 8)
    ]  # fmt: skip
    metrics = ("latency-p50", "latency-p99", "latency-p99.9")
    series = {name: [bar(cell, name, metric) for cell in cells for metric in metrics] for name in ALL}
    drawn = {name: row for name, row in series.items() if any(row)}
    if not drawn:
        return None
    titles = [f"{metric.removeprefix('latency-')}\n{cell.title}" for cell in cells for metric in metrics]
    return bar_chart(
        "pgbench -S, TCP on both sides: latency", "milliseconds (logarithmic)", titles, drawn, is_logarithmic=True
    )
