"""The bypass corpus, case by case: what would destroy is stopped, what is harmless passes unchanged."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.corpus import CORPUS, corpus_proxy, corpus_server, guard_arguments, runner_command

CASES: list[dict[str, Any]] = [
    json.loads(line) for file in sorted(CORPUS.glob("cases*.jsonl")) for line in file.open()
]

# Whether the guard is in each case's database as well: HOLDFAST_CORPUS_GUARD=1 runs the corpus with both walls.
IS_GUARDED = os.environ.get("HOLDFAST_CORPUS_GUARD") == "1"

# Cases that Holdfast does not handle yet, each with the reason. One that is handled must leave the list.
OPEN: dict[str, str] = dict(
    line.strip().split(maxsplit=1)
    for line in (CORPUS / ("open-cases-guarded.txt" if IS_GUARDED else "open-cases.txt")).open()
    if line.strip() and not line.startswith("#")
)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every case's result from the corpus' own runner.

    Destructive cases meet rules that keep data as well as tables, all others the shipped rules.
    """
    folder = tmp_path_factory.mktemp("corpus")
    with (
        corpus_server(IS_GUARDED) as server,
        corpus_proxy(server, True, IS_GUARDED) as strict,
        corpus_proxy(server, False, IS_GUARDED) as shipped,
    ):
        proxies = {"destructive": strict, "benign": shipped, "ddl": shipped, "robust": shipped}
        reports: list[Path] = []
        for expect, holdfast in proxies.items():
            reports.append(folder / f"{expect}.jsonl")
            subprocess.run(
                runner_command(
                    (holdfast.host, holdfast.port), (server.host, server.port),
                    "--jobs", "4", "-q", "--expect", expect, "--report", str(reports[-1]),
                    *(guard_arguments() if IS_GUARDED else []),
                ),
                stdout=subprocess.DEVNULL, timeout=600,
            )  # fmt: skip
    return {result["id"]: result for report in reports for result in map(json.loads, report.open())}


def parameters() -> list[Any]:
    return [
        pytest.param(
            case,
            id=f"{case['expect']} {case['id']}",
            marks=[pytest.mark.xfail(reason=OPEN[case["id"]], strict=True)] if case["id"] in OPEN else [],
        )
        for case in CASES
    ]


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("case", parameters())
def test_case(case: dict[str, Any], results: dict[str, dict[str, Any]]) -> None:
    result = results[case["id"]]
    shown = ("verdict", "before", "after", "data_lost", "transcript", "errors", "setup_error", "trace")
    assert result["ok"], json.dumps(
        {key: result[key] for key in shown if key in result} | {"expected": case.get("direct_transcript")}, indent=1
    )


def test_every_open_case_is_a_case() -> None:
    assert OPEN.keys() <= {case["id"] for case in CASES}


def test_the_generated_cases_are_those_of_the_generator() -> None:
    check = subprocess.run([sys.executable, CORPUS / "make_cases.py", "--check"], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr


def test_case_files_have_no_id_twice() -> None:
    assert len({case["id"] for case in CASES}) == len(CASES)
