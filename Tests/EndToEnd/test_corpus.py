"""The bypass corpus, case by case: what would destroy is stopped, what is harmless passes unchanged."""

import json
import subprocess
from typing import Any

import pytest

from support.corpus import CORPUS, corpus_proxy, corpus_server, runner_command

CASES: list[dict[str, Any]] = [json.loads(line) for line in (CORPUS / "cases.jsonl").read_text().splitlines()]


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Every case's result from one run of the corpus' own runner."""
    report = tmp_path_factory.mktemp("corpus") / "report.jsonl"
    with corpus_server() as server, corpus_proxy(server) as holdfast:
        subprocess.run(
            runner_command(
                (holdfast.host, holdfast.port), (server.host, server.port), "--jobs", "4", "-q", "--report", str(report)
            ),
            stdout=subprocess.DEVNULL,
            timeout=900,
        )
    results = [json.loads(line) for line in report.read_text().splitlines()]
    return {result["id"]: result for result in results}


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['expect']}-{case['id']}")
def test_case(case: dict[str, Any], verdicts: dict[str, dict[str, Any]]) -> None:
    result = verdicts[case["id"]]
    assert result["ok"], json.dumps(
        {key: result.get(key) for key in ("verdict", "before", "after", "lost", "transcript", "errors", "setup_error")}
        | {"expected": case.get("direct_transcript")},
        indent=1,
    )
