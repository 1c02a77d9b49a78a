"""What judging costs by itself: holdfast-benchmark (Benchmarks/Micro), which needs no server and no client."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from contenders import Contender
from support.proxy import binary

from .base import Measurement, Options, Scenario


def program() -> Path:
    """Built beside the proxy."""
    return binary().parent / "holdfast-benchmark"


@dataclass
class Judging(Scenario):
    metrics: tuple[str, ...] = ("judge pgbench SELECT",)

    def measure(self, contender: Contender) -> list[Measurement]:
        printed = "".join(
            subprocess.run([program(), part], check=True, capture_output=True, text=True, timeout=300).stdout
            for part in ("judge pgbench SELECT", "judge 2 KB join", "lex 100 MB", "machine")
        )
        return measurements(printed)


def measurements(printed: str) -> list[Measurement]:
    """From lines like `judge 2 KB join (2048 bytes)    9200 ns  222 MB/s`; the lexer's are rates."""
    found = []
    for line in printed.splitlines():
        match = re.match(r"(.*?)\s+(\d+) ns(?:\s+(\d+) MB/s)?$", line)
        if match and match[1].startswith("lex") and match[3]:
            found.append(Measurement(match[1], int(match[3]), "MB/s"))
        elif match:
            found.append(Measurement(match[1], int(match[2]), "ns"))
    return found


def scenarios(options: Options) -> list[Scenario]:
    """Only where it is built (Benchmarks/run builds it), and not in the quick form: it takes as long as it takes."""
    if options.is_quick or not program().exists():
        return []
    return [
        Judging(
            name="judging", title="judging", group="judging", contenders=("holdfast",), rounds=1,
        )  # fmt: skip
    ]
