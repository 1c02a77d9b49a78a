"""The soak of scripts/soak, half a minute of it; and how it tells what is flat from what is not."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from soak import plots, report
from soak.soak import Result, soak
from soak.stage import Stage
from soak.trail import count
from soak.trend import trend

SECONDS = [float(second) for second in range(0, 3600, 10)]


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    try:
        stage.build()
        yield stage
    finally:
        stage.remove()


@pytest.mark.timeout(300)
def test_half_a_minute_of_everything_loses_nothing_and_leaves_nothing_behind(stage: Stage, tmp_path: Path) -> None:
    result = soak(stage, minutes=0.5, interval=5, restarts=1, say=lambda sample: None)
    assert result.failures == []
    # Everybody has had turns.
    for name in (
        "pgbench transactions", "connections for one statement", "rounds of prepared statements", "pipelines",
        "notifications", "scripts by psql", "bytes copied", "bytes read slowly", "bytes bound",
        "large statements refused", "statements refused", "statements of DDL", "reloads", "requests to cancel",
        "cancels in flight",
        "clients that vanished", "turns of the idle crowd", "restarts of the server",
    ):  # fmt: skip
        assert result.counts[name] > 0, name
    assert_reported(result, tmp_path)


def assert_reported(result: Result, folder: Path) -> None:
    """What scripts/soak writes can be read, and a page keeps what stands around its figures."""
    assert json.loads(report.text(result))["counts"] == result.counts
    page = folder / "soak.md"
    page.write_text(f"above\n{report.BEGIN}\nold figures\n{report.END}\nbelow\n")
    report.insert(page, report.markdown(result, "this build", "images"))
    report.insert(page, report.markdown(result, "that build", "images"))
    text = page.read_text()
    assert text.startswith("above\n") and text.endswith("\nbelow\n") and "that build" in text
    assert "old figures" not in text and "this build" not in text
    report.draw(result, folder)
    for plot in ("soak-memory.svg", "soak-descriptors.svg"):
        drawn = ElementTree.parse(folder / plot).findall("{*}polyline")
        assert all(len(line.attrib["points"].split()) == len(result.series["seconds"]) for line in drawn) and drawn


def noisy(level: float, rise: float, noise: float = 0.02) -> list[float]:
    """A series that rises by a share of its level in the whole time; now and then a peak."""
    random = Random(1)
    return [
        level * (1 + rise * second / SECONDS[-1] + random.gauss(0, noise)) * (3 if random.random() < 0.02 else 1)
        for second in SECONDS
    ]


def test_noise_and_peaks_are_flat() -> None:
    assert trend(SECONDS, noisy(10_000, rise=0)).is_flat
    assert trend(SECONDS, [5.0] * len(SECONDS)).is_flat


def test_a_warm_start_is_flat() -> None:
    assert trend(SECONDS, [8_000 + 2_000 * min(1.0, second / 500) for second in SECONDS]).is_flat


def test_a_slow_leak_is_not_flat() -> None:
    found = trend(SECONDS, noisy(10_000, rise=0.1))
    assert not found.is_flat
    assert 0 < found.lowest_slope < found.slope < found.highest_slope < 10_000 * 0.1


def test_an_intent_without_an_outcome_is_found(tmp_path: Path) -> None:
    trail = tmp_path / "audit.jsonl"
    intent = {"event": "intent", "id": "1", "database": "shop_test", "sql": "CREATE TABLE soaked_1 ()"}
    outcome = {"event": "outcome", "id": "1", "transaction": "committed"}
    trail.write_text("".join(json.dumps(record) + "\n" for record in (intent, outcome, {**intent, "id": "2"})))
    counted = count(trail)
    assert (counted.migrations, counted.incomplete, counted.is_whole) == (2, ["0 outcomes of the intent 2"], False)


def test_ticks_are_round_and_reach_the_highest_value() -> None:
    assert plots.ticks(87) == [0, 20, 40, 60, 80, 100]
    assert plots.ticks(60, 6) == [0, 10, 20, 30, 40, 50, 60]
    assert plots.ticks(6.4)[-1] >= 6.4
