"""The command line beside `serve`: what it prints, for people and for programs."""

import json
import resource
import subprocess
from typing import Any

import pytest

from support.proxy import REPOSITORY, binary, command
from test_refusals import LOSING, PASSING

SHIPPED = str(REPOSITORY / "proxy.conf")


def classify(lines: list[dict[str, Any] | str]) -> list[dict[str, Any]]:
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    printed = command("classify", "--config", SHIPPED, "--json-lines", input=text).stdout
    return [json.loads(line) for line in printed.split("\n")[:-1]]


def test_classify_answers_each_line_in_order_with_verdict_classes_objects_and_rule() -> None:
    answers = classify(
        [
            {"sql": "DROP TABLE public.users"},
            {"sql": "SELECT 1"},
            {"sql": "DROP TABLE public.users", "tag": "test"},
            {"sql": "TRUNCATE a, b", "tag": "production"},
        ]
    )
    assert [answer["verdict"] for answer in answers] == ["block", "allow", "allow", "block"]
    assert answers[0]["classes"] == ["drop_table"]
    assert answers[0]["objects"] == [{"kind": "table", "name": "public.users"}]
    assert answers[0]["rule"] == "keep tables"
    assert answers[1]["classes"] == []
    assert answers[3]["objects"] == [{"kind": "table", "name": "a"}, {"kind": "table", "name": "b"}]


def test_classify_reads_under_the_settings_that_a_line_gives() -> None:
    sql = "SELECT 'a\\'; DROP TABLE users; --'"
    on, off = classify(
        [
            {"sql": sql, "settings": {"standard_conforming_strings": "on"}},
            {"sql": sql, "settings": {"standard_conforming_strings": "off"}},
        ]
    )
    assert (on["verdict"], off["verdict"]) == ("block", "allow")


@pytest.mark.parametrize(
    "line", ["not JSON", "{}", '{"sql": 5}', "[]", '{"sql": "SELECT 1", "settings": 3}', '{"sql_hex": "zz"}']
)
def test_classify_answers_a_line_that_it_cannot_read_with_an_error_and_goes_on(line: str) -> None:
    first, second, third = classify([{"sql": "SELECT 1"}, line, {"sql": "DROP TABLE x"}])
    assert first["verdict"] == "allow"
    assert "error" in second
    assert third["verdict"] == "block"


@pytest.mark.parametrize("statement", LOSING)
def test_classify_blocks_what_the_wire_blocks(statement: str) -> None:
    assert classify([{"sql": statement}])[0]["verdict"] == "block"


@pytest.mark.parametrize("statement", PASSING)
def test_classify_allows_what_the_wire_allows(statement: str) -> None:
    assert classify([{"sql": statement}])[0]["verdict"] == "allow"


def test_classify_tells_a_person_and_a_script_what_would_happen() -> None:
    refused = command("classify", "--config", SHIPPED, "DROP TABLE leads", check=False)
    assert refused.returncode == 3
    for part in ("block", "drop_table", "leads", "keep tables", "production"):
        assert part in refused.stdout
    assert command("classify", "--config", SHIPPED, "--database", "shop_test", "DROP TABLE leads").returncode == 0
    assert command("classify", "--config", SHIPPED, input="SELECT 1;\nDROP TABLE x", check=False).returncode == 3


def test_classify_judges_twenty_thousand_statements_for_each_second_of_cpu() -> None:
    statements = [
        "SELECT abalance FROM pgbench_accounts WHERE aid = 42",
        "UPDATE pgbench_tellers SET tbalance = tbalance + 5 WHERE tid = 7",
        "INSERT INTO leads (name, email) VALUES ('Ann', 'ann@example.test'), ('Bob', NULL)",
        "DROP TABLE IF EXISTS public.leads, public.orders CASCADE",
        "CREATE TABLE t (id serial PRIMARY KEY, name text NOT NULL, made timestamptz DEFAULT now())",
    ]
    lines = "".join(json.dumps({"sql": statement}) + "\n" for statement in statements) * 8_000
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = subprocess.run(
        [binary(), "classify", "--config", SHIPPED, "--json-lines"], input=lines, capture_output=True, text=True
    ).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert printed.count("\n") == 40_000
    # CPU time, not the clock: the machine may be busy with others.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
