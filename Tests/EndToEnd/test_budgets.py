"""What Holdfast itself does for a transaction, in instructions and allocations, stays within what is recorded.

Counts, not times: they do not depend on the machine's load, only on the program, the compiler and libc. The numbers stand
in Benchmarks/budgets.toml, with how to renew them.
"""

import shutil
import tomllib
from collections.abc import Iterator

import pytest

from support.instructions import SCENARIOS, CountedHoldfast, Scenario, counted_holdfast
from support.proxy import REPOSITORY

BUDGETS = tomllib.loads((REPOSITORY / "Benchmarks/budgets.toml").read_text())


@pytest.fixture(scope="module")
def counted() -> Iterator[CountedHoldfast]:
    assert shutil.which("valgrind"), "valgrind is missing; scripts/test installs it"
    with counted_holdfast() as holdfast:
        yield holdfast


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_transaction_costs_no_more_than_is_recorded(counted: CountedHoldfast, scenario: Scenario) -> None:
    budget = BUDGETS[scenario.name]
    count = counted.count(scenario)
    shown = f"{count.instructions:.0f} instructions where {budget['instructions']} are recorded\n{count.shown()}"
    assert count.instructions <= budget["instructions"] * BUDGETS["tolerance"], shown
    assert count.allocations <= budget["allocations"], f"{count.allocations} allocations\n{count.shown()}"


def test_every_scenario_has_a_budget() -> None:
    assert {scenario.name for scenario in SCENARIOS} == set(BUDGETS) - {"tolerance"}
