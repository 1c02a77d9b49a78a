"""One program each in Perl, Ruby, PHP and ODBC, directly and through Holdfast: what they print is the same text.

`scripts/test-drivers` does the same with more languages and with the drivers' own test suites.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Drivers"))

from harness.programs import SUITES  # noqa: E402
from run import compare  # noqa: E402

PROGRAMS = {suite.name: suite for suite in SUITES}


@pytest.mark.parametrize("name", ["perl", "ruby", "php", "odbc"])
def test_a_program_sees_what_it_sees_directly_but_for_what_rules_refuse(name: str, tmp_path: Path) -> None:
    found = compare(PROGRAMS[name], tmp_path, None)
    assert found.direct == 0, f"it fails without Holdfast: {(tmp_path / f'{name}-direct.log').read_text()}"
    assert found.tests >= 13
    assert found.recording_unlike == []
    # Production refuses something, and it does nothing else.
    assert found.production_unlike == ["refusal"]
    assert found.unexplained == []
    assert sum(found.rules.values()) >= 3
