"""Runs driver suites directly and through Holdfast, and writes what differs (scripts/test-drivers)."""

import argparse
import json
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from harness.pytest_suites import SUITES as PYTEST_SUITES
from harness.results import SuiteRun
from harness.ways import WAYS, Way, way

SUITES = {suite.name: suite for suite in PYTEST_SUITES}


def refusals(found: Way) -> list[tuple[float, str, str, list[str]]]:
    if not found.trail:
        return []
    rows = []
    for record in found.trail.records(event="refusal"):
        moment = datetime.fromisoformat(record["time"].replace("Z", "+00:00")).timestamp()
        objects = [item["name"].rsplit(".", 1)[-1] for item in record.get("objects", [])]
        rows.append((moment, record.get("rule", ""), record.get("sql", ""), objects))
    return rows


def run(name: str, way_name: str, work: Path, only: str | None) -> SuiteRun:
    suite = SUITES[name]
    with way(way_name, suite.settings, suite.access) as found:
        suite.prepare(found)
        began = time.monotonic()
        result = suite.run(found, work, only)
        result.refusals = refusals(found)
        print(f"{name} {way_name}: {result.count('passed')} passed, {result.count('failed')} failed, "
              f"{result.count('skipped')} skipped, {time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    (work / f"{name}-{way_name}.json").write_text(json.dumps(asdict(result)))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", help="all of them when none is named: " + ", ".join(SUITES))
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--work", type=Path, required=True, help="the folder with the unpacked sources")
    parser.add_argument("--only", help="pytest's -k")
    arguments = parser.parse_args()
    for name in arguments.suites or SUITES:
        runs = {each: run(name, each, arguments.work, arguments.only) for each in arguments.ways.split(",")}
        direct = runs.get("direct")
        for each, result in runs.items():
            if direct and each != "direct":
                for test in result.differences(direct):
                    print(f"  {each}: {result.outcome(test)} {test}: {result.reason(test) or 'UNEXPLAINED'}")


if __name__ == "__main__":
    main()
