"""Compares Holdfast with PgBouncer, HAProxy and no proxy: every scenario once a round, every contender in turn."""

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from contenders import ContenderDied, Field
from machine import Load, facts
from readme import update_readme
from report import write_report
from results import Cell, Failure, Results, merged
from scenarios import Options, Scenario, all_scenarios


class Suite:
    """One run: its scenarios, its field, what it has found so far."""

    def __init__(self, field: Field, scenarios: list[Scenario], rounds: int, results: Results) -> None:
        self._field = field
        self._scenarios = scenarios
        self._rounds = rounds
        self._results = results

    def prepare(self) -> None:
        """Scenarios whose preparation fails are left out, as failures."""
        ready = []
        for scenario in self._scenarios:
            self._results.cells.append(
                Cell(
                    scenario.name, scenario.title, scenario.group, list(scenario.contenders), dict(scenario.parameters)
                )
            )
            try:
                scenario.prepare(self._field)
                ready.append(scenario)
            except Exception as error:
                self._fail(scenario, "", 0, error)
        self._scenarios = ready

    def measure(self, round_index: int) -> None:
        for scenario in self._scenarios:
            if round_index < (scenario.rounds or self._rounds):
                for name in turned(scenario.contenders, round_index):
                    self._measure(scenario, name, round_index)

    def measure_once(self) -> None:
        for scenario in self._scenarios:
            for name in scenario.contenders:
                self._measure(scenario, name, None)

    def expected(self) -> Iterator[tuple[str, str, str]]:
        """Which figures the run must have."""
        for scenario in self._scenarios:
            for name in scenario.contenders:
                yield from ((scenario.name, name, metric) for metric in scenario.metrics)
                if name != "direct":
                    yield from ((scenario.name, name, metric) for metric in scenario.proxy_metrics)

    def _measure(self, scenario: Scenario, name: str, round_index: int | None) -> None:
        cell = self._results.cell(scenario.name)
        assert cell
        try:
            contender = self._field.contender(name, scenario.route)
            found = scenario.measure_once(contender) if round_index is None else scenario.measure(contender)
            contender.check()
        except Exception as error:
            self._fail(scenario, name, round_index or 0, error)
            return
        for one in found:
            cell.add(name, round_index or 0, one.metric, one.value, one.unit)
        if found:
            shown = ", ".join(f"{one.metric} {one.value:.4g}" for one in found)
            where = "once" if round_index is None else f"round {round_index + 1}"
            say(f"{where} {scenario.name} {name}: {shown}")

    def _fail(self, scenario: Scenario, contender: str, round_index: int, error: Exception) -> None:
        kind = "" if isinstance(error, (AssertionError, ContenderDied)) else f"{type(error).__name__}: "
        self._results.failures.append(Failure(scenario.name, contender, round_index + 1, f"{kind}{error}"))
        say(f"FAILED {scenario.name} {contender}: {kind}{error}")


def turned(names: tuple[str, ...], round_index: int) -> list[str]:
    """Each round begins with another contender, and every second goes backwards, so that none always follows
    the same one."""
    step = 1 if round_index % 2 == 0 else -1
    return [names[(round_index + step * place) % len(names)] for place in range(len(names))]


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def integers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Benchmarks/run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--seconds", type=int, default=2, help="of each cell in each round (default 2)")
    parser.add_argument("--clients", type=integers, default=(1, 8, 32, 200), help="default 1,8,32,200")
    parser.add_argument(
        "--scenarios", default="", help="only those whose name begins with one of these, split by commas"
    )
    parser.add_argument("--list", action="store_true", help="names the scenarios and ends")
    parser.add_argument(
        "--quick", action="store_true",
        help="every scenario once and as short as can be: a test of the suite, no measurement",
    )  # fmt: skip
    parser.add_argument("--scale", type=int, help="pgbench's scale (default 20; quick: 1)")
    parser.add_argument("--loops", type=int, default=0, help="threads of Holdfast and HAProxy (default: one a core)")
    parser.add_argument("--json", type=Path, default=Path(".build/benchmarks.json"), help="where the raw data goes")
    parser.add_argument("--markdown", type=Path, help="also writes the report to this file, its plots to images/ there")
    parser.add_argument("--readme", type=Path, help="also renews the figures between the marks in this file")
    parser.add_argument(
        "--report", type=Path, nargs="+", metavar="JSON",
        help="measures nothing, makes the report of this data; of a scenario that several files have, the last counts",
    )  # fmt: skip
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Scenario]:
    settings = Options(options.seconds, (1, 2) if options.quick else options.clients, options.quick)
    beginnings = tuple(options.scenarios.split(","))
    found = [scenario for scenario in all_scenarios(settings) if scenario.name.startswith(beginnings)]
    if not found:
        sys.exit(f"no scenario begins with {options.scenarios!r}; --list names them")
    return found


def measure(options: argparse.Namespace) -> int:
    """The exit status: 0 only if every figure was found."""
    scenarios = chosen(options)
    rounds = 1 if options.quick else options.rounds
    results = Results(facts=facts(options, rounds, scenarios), is_quick=options.quick)
    load = Load()
    with Field(options.scale or (1 if options.quick else 20), options.loops) as field:
        suite = Suite(field, scenarios, rounds, results)
        suite.prepare()
        try:
            for index in range(rounds):
                suite.measure(index)
                results.write(options.json)
            suite.measure_once()
        finally:
            results.facts |= load.facts()
            results.write(options.json)
        missing = list(results.missing(suite.expected()))
    for line in missing:
        say(f"MISSING {line}")
    say(f"the raw data is in {options.json}")
    show(results, options)
    return 1 if missing or results.failures else 0


def show(results: Results, options: argparse.Namespace) -> None:
    if options.markdown:
        write_report(results, options.markdown)
    if options.readme:
        update_readme(results, options.readme)


def main() -> int:
    options = arguments()
    # So that what was started is ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.list:
        print("\n".join(scenario.name for scenario in chosen(options)))
        return 0
    if options.report:
        options.markdown = options.markdown or Path("docs/benchmarks.md")
        show(merged([Results.read(file) for file in options.report]), options)
        return 0
    options.json.parent.mkdir(parents=True, exist_ok=True)
    return measure(options)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
