"""What is measured, in the order of the report."""

from . import bulk, judging, many, scripted, tls, transactions
from .base import Measurement, Options, Scenario

MODULES = (transactions, tls, scripted, bulk, many, judging)


def all_scenarios(options: Options) -> list[Scenario]:
    found = [scenario for module in MODULES for scenario in module.scenarios(options)]
    names = [scenario.name for scenario in found]
    assert len(set(names)) == len(names), f"two scenarios share a name: {names}"
    return found


__all__ = ["Measurement", "Options", "Scenario", "all_scenarios"]
