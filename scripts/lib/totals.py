"""Prints `N passed, N failed` over JUnit files; exits 1 if a test failed, a file is missing or a suite ran no test."""

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path


def outcomes(path: Path) -> Counter[str]:
    """How many test cases of one JUnit file passed, failed and were skipped."""
    counts: Counter[str] = Counter()
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            counts["failed"] += 1
        elif case.find("skipped") is not None:
            counts["skipped"] += 1
        else:
            counts["passed"] += 1
    return counts


def main(paths: list[Path]) -> int:
    totals: Counter[str] = Counter()
    complete = True
    for path in paths:
        counts = outcomes(path) if path.exists() else Counter()
        if counts["passed"] + counts["failed"] == 0:
            print(f"error: {path} holds no test that ran", file=sys.stderr)
            complete = False
        totals += counts
    skipped = f", {totals['skipped']} skipped" if totals["skipped"] else ""
    print(f"{totals['passed']} passed, {totals['failed']} failed{skipped}")
    return 0 if complete and totals["failed"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
