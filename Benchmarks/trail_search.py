"""Times searches in a large trail: with the indexes of its closed files, and without."""

import argparse
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

HOLDFAST = os.environ["HOLDFAST_BIN"]
TRAILMAKER = os.environ["TRAILMAKER_BIN"]
REPOSITORY = Path(__file__).resolve().parents[1]


def found(folder: Path, *options: str) -> list[dict]:
    """The rows of a search."""
    done = subprocess.run(
        [HOLDFAST, "audit", "search", folder, "--format", "json", *options], capture_output=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def timed(rounds: int, *command: str | Path) -> tuple[float, int, int]:
    """The median of some runs in seconds, the lines that it printed, its peak of memory in kilobytes."""
    seconds: list[float] = []
    lines = peak = 0
    for _ in range(rounds):
        with tempfile.TemporaryFile() as output:
            begun = time.monotonic()
            process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            seconds.append(time.monotonic() - begun)
            process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, command
            output.seek(0)
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: output.read(1 << 20), b""))
            peak = usage.ru_maxrss
    return statistics.median(seconds), lines, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--quick", action="store_true", help="selective searches only, once")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="holdfast-trail-"))
    try:
        measure(folder, options)
    finally:
        if not options.folder:
            shutil.rmtree(folder)


def measure(folder: Path, options: argparse.Namespace) -> None:
    if not (folder / "audit.jsonl").exists():
        begun = time.monotonic()
        made = subprocess.run([TRAILMAKER, folder, str(options.records)], check=True, capture_output=True, text=True)
        print(f"{made.stdout.strip()}, made in {time.monotonic() - begun:.0f} s", flush=True)
    sizes = {ending: sum(path.stat().st_size for path in folder.glob(f"audit*{ending}")) for ending in (".zst", ".idx", ".jsonl")}
    closed = len(list(folder.glob("audit-*.zst")))

    # Something of every kind that is surely there.
    (refusal,) = found(folder, "--verdict", "block", "--limit", "1")
    (failed,) = found(folder, "--outcome", "error", "--limit", "1")
    name = refusal["objects"][0]["name"]
    day = (datetime.datetime.fromisoformat(refusal["time"]) - datetime.timedelta(days=30)).strftime("%Y-%m-%d")
    next_day = (datetime.date.fromisoformat(day) + datetime.timedelta(days=1)).isoformat()
    selective: list[tuple[str, list[str]]] = [
        ("one session", ["--session", failed["session"]]),
        ("one object", ["--object", name]),
        ("one object, its refusals", ["--object", name, "--verdict", "block"]),
        ("one client", ["--client", refusal["client"].rsplit(":", 1)[0]]),
        ("an SQLSTATE of one user", ["--outcome", "42P01", "--user", failed["user"]]),
        ("refusals of a day", ["--verdict", "block", "--since", day, "--until", next_day]),
        ("a text", ["--text", f"drop table {name}"]),
        ("a user who is nobody", ["--user", "nobody"]),
        ("the latest 20", ["--limit", "20"]),
        ("the latest 20 of a class", ["--class", "drop_index", "--limit", "20"]),
    ]
    wide: list[tuple[str, list[str]]] = [
        ("all refusals", ["--verdict", "block"]),
        ("all errors", ["--outcome", "error"]),
        ("all of one day", ["--since", day, "--until", next_day]),
    ]
    rows: list[str] = []

    def add(label: str, *command: str | Path, both: bool = True, rounds: int = options.rounds) -> None:
        seconds, lines, peak = timed(rounds, *command)
        without = timed(max(1, rounds // 2), *command, "--no-index")[0] if both else None
        rows.append(
            f"| {label} | {lines:,} | {seconds:.2f} s | {'–' if without is None else f'{without:.2f} s'} | {peak / 1024:.0f} MB |"
        )
        print(rows[-1], flush=True)

    rounds = 1 if options.quick else options.rounds
    for label, arguments in selective + ([] if options.quick else wide):
        add(f"{label}: `{' '.join(arguments)}`", HOLDFAST, "audit", "search", folder, *arguments, rounds=rounds)
    if not options.quick:
        add("`audit show` of a refusal", HOLDFAST, "audit", "show", refusal["id"], folder, rounds=rounds)
        add("`audit report` of everything", HOLDFAST, "audit", "report", folder, both=False, rounds=1)
    table = [
        f"{closed} closed files of {sizes['.zst'] / 1e6:,.0f} MB, their indexes {sizes['.idx'] / 1e6:,.0f} MB, and one of "
        f"{(folder / 'audit.jsonl').stat().st_size / 1e6:,.0f} MB that is being written; {os.cpu_count()} cores; "
        f"{datetime.date.today().isoformat()}.",
        "",
        "| what is looked for | lines | with indexes | without | memory |",
        "| --- | ---: | ---: | ---: | ---: |",
        *rows,
    ]
    if options.markdown:
        text = options.markdown.read_text()
        begin, end = "<!-- figures of Benchmarks/trail-search: begin -->", "<!-- end -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        assert pattern.search(text), f"{options.markdown} has no place for the figures"
        options.markdown.write_text(pattern.sub(lambda _: "\n".join([begin, *table, end]), text))


if __name__ == "__main__":
    main()
