#!/usr/bin/env python3
"""Counts what Holdfast itself does for a transaction of each scenario, and records it as the budgets that CI holds.

    PYTHONPATH=Tests/EndToEnd .venv/bin/python Benchmarks/budgets.py                     counts
    PYTHONPATH=Tests/EndToEnd .venv/bin/python Benchmarks/budgets.py --write             and writes Benchmarks/budgets.toml
    PYTHONPATH=Tests/EndToEnd .venv/bin/python Benchmarks/budgets.py --functions 20      and shows the dearest functions

HOLDFAST_BIN names another binary than .build/release/holdfast.
"""

import argparse
from pathlib import Path

from support.instructions import SCENARIOS, counted_holdfast

HEAD = """\
# What Holdfast itself may do for one transaction: user-space instructions and allocations of the loop's thread (for long
# texts also of the one that judges them), as Tests/EndToEnd/support/instructions.py counts them. test_budgets.py fails
# above `tolerance` times the instructions, and above the allocations. Written by
#     PYTHONPATH=Tests/EndToEnd .venv/bin/python Benchmarks/budgets.py --write
# Renew it when a change makes a transaction cheaper; a dearer one needs a reason in the commit.
tolerance = 1.1
"""

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--write", action="store_true")
parser.add_argument("--functions", type=int, default=0)
options = parser.parse_args()

budgets = HEAD
with counted_holdfast() as holdfast:
    for scenario in SCENARIOS:
        count = holdfast.count(scenario)
        print(f"{scenario.name:34} {count.instructions:10,.0f} instructions {count.allocations:6.2f} allocations")
        if options.functions:
            print(count.shown(options.functions))
        budgets += (
            f'\n["{scenario.name}"]\ninstructions = {round(count.instructions)}\n'
            f"allocations = {round(count.allocations)}\n"
        )
if options.write:
    (Path(__file__).parent / "budgets.toml").write_text(budgets)
