"""The command line of scripts/soak."""

import argparse
import logging
import sys
from pathlib import Path

from . import report
from .sampling import Sample
from .soak import soak
from .stage import Stage


def show(sample: Sample) -> None:
    print(
        f"{sample.seconds:7.1f} s  {sample.resident} kB resident, {sample.anonymous} anonymous, "
        f"{sample.descriptors} descriptors, {sample.threads} threads, {sample.backends} sessions, "
        f"{sample.logins} logins, {sample.refused} refused, {sample.cpu_seconds:.1f} s CPU", flush=True,
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description="Everything at once through one Holdfast.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--interval", type=float, default=10, help="seconds between two samples (default 10)")
    parser.add_argument("--restarts", type=int, default=2, help="restarts of the server (default 2)")
    parser.add_argument("--selector", default="", help="what the loops wait with, as in proxy.conf")
    parser.add_argument("--version", default="this version", help="which build it was, for the report")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all samples and counts")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="the page whose figures are replaced")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="where the plots go")
    parser.add_argument("--prefix", default="soak", help="how the plots' names begin (default soak)")
    options = parser.parse_args()

    # The driver's own words about pipelines that are meant to fail.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    stage = Stage(options.selector)
    try:
        stage.build()
        result = soak(stage, options.minutes, options.interval, options.restarts, show)
    finally:
        stage.remove()
    print(report.summary(result))
    if options.json:
        options.json.write_text(report.text(result))
    if options.plots:
        report.draw(result, options.plots, options.prefix)
    if options.markdown:
        report.insert(options.markdown, report.markdown(result, options.version, "images", options.prefix))
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
