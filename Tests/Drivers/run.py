"""Runs driver suites directly and through Holdfast, and writes what differs (scripts/test-drivers).

Each suite runs against fresh servers: directly; through a session tagged for recording only; through one tagged
production with the shipped rules; and, where that one differs, once more directly with only the refused statements
replaced (harness/stand_in.py). Ends with 1 where a test fails on recording only or for another reason than a rule.
"""

import argparse
import asyncio
import json
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness import programs, pytest_suites, regress
from harness.report import page
from harness.results import SuiteRun
from harness.stand_in import StandIn
from harness.ways import Way, way

SUITES = {suite.name: suite for suite in pytest_suites.SUITES + regress.SUITES + programs.SUITES}


@dataclass
class Comparison:
    """A suite on all ways: what the table in docs/drivers.md shows."""

    suite: str
    version: str
    tests: int
    # Tests that fail on each way.
    direct: int
    recording: int
    production: int
    # Tests that are not on that way what they are directly.
    recording_unlike: list[str] = field(default_factory=list)
    production_unlike: list[str] = field(default_factory=list)
    # Those of production_unlike that no rule explains.
    unexplained: list[str] = field(default_factory=list)
    rules: dict[str, int] = field(default_factory=dict)


def run(suite, found: Way, work: Path, only: str | None) -> SuiteRun:
    began = time.monotonic()
    suite.prepare(found)
    result = suite.run(found, work, only)
    (work / f"{suite.name}-{found.name}.json").write_text(json.dumps(asdict(result)))
    print(f"{suite.name}, {found.name}: {result.count('passed')} passed, {result.count('failed')} failed, "
          f"{result.count('skipped')} skipped, {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    return result


def run_stand_in(suite, records: list, work: Path, only: str | None) -> SuiteRun:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    with way("direct", suite.settings, suite.access) as found:
        stand_in = StandIn(found.host, found.port, records)
        port = asyncio.run_coroutine_threadsafe(stand_in.start(), loop).result()
        found.name, found.port = "stand-in", port
        return run(suite, found, work, only)


def compare(suite, work: Path, only: str | None) -> Comparison:
    runs, records = {}, []
    for name in ("direct", "recording", "production"):
        with way(name, suite.settings, suite.access) as found:
            runs[name] = run(suite, found, work, only)
            if name == "production" and found.trail:
                records = found.trail.records()
                (work / f"{suite.name}.trail").write_text(found.trail.path.read_text())
    direct, recording, production = runs["direct"], runs["recording"], runs["production"]
    result = Comparison(
        suite.name, direct.version, len(direct.results), direct.count("failed"), recording.count("failed"),
        production.count("failed"), suite.unlike(direct, recording), suite.unlike(direct, production),
        rules=dict(Counter(record["rule"] for record in records if record["event"] == "refusal")),
    )  # fmt: skip
    if result.production_unlike:
        stand_in = run_stand_in(suite, records, work, only)
        result.unexplained = suite.unexplained(direct, production, stand_in)
    if doubtful := sorted({*result.recording_unlike, *result.unexplained}):
        # Some tests fail now and then without Holdfast, too.
        with way("direct", suite.settings, suite.access) as found:
            suite.prepare(found)
            shaky = suite.shaky(doubtful, found, work)
        for test in sorted(shaky):
            print(f"  fails at times without Holdfast, too: {test}")
        result.recording_unlike = [test for test in result.recording_unlike if test not in shaky]
        result.unexplained = [test for test in result.unexplained if test not in shaky]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", help="all of them when none is named: " + ", ".join(SUITES))
    parser.add_argument("--work", type=Path, required=True, help="the folder with the unpacked sources and the logs")
    parser.add_argument("--only", help="tests to run (pytest's -k, or names of regression tests)")
    parser.add_argument("--write", type=Path, help="docs/drivers.md: its table is replaced")
    arguments = parser.parse_args()
    comparisons = []
    for name in arguments.suites or SUITES:
        if SUITES[name].source(arguments.work) is None:
            print(f"{name}: left out, its source is not there")
            continue
        found = compare(SUITES[name], arguments.work, arguments.only)
        comparisons.append(found)
        (arguments.work / f"{name}-comparison.json").write_text(json.dumps(asdict(found), indent=1))
        if arguments.write:
            arguments.write.write_text(page(arguments.write.read_text(), comparisons))
        for label, tests in [("differs on recording only", found.recording_unlike),
                             ("differs on production, no rule explains it", found.unexplained)]:  # fmt: skip
            for test in tests:
                print(f"  {label}: {test}")
    failures = [found for found in comparisons if found.recording_unlike or found.unexplained]
    print(f"{len(comparisons) - len(failures)} passed, {len(failures)} failed")
    raise SystemExit(1 if failures or not comparisons else 0)


if __name__ == "__main__":
    main()
