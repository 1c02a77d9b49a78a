"""scripts/demo: the incident from end to end, as anybody can play it."""

import os
import sys

from support.incident import TABLES
from support.programs import run
from support.proxy import REPOSITORY, binary


def test_the_demonstration_goes_as_it_is_told() -> None:
    done = run(
        REPOSITORY / "scripts/demo", timeout=300, check=False,
        environment={"HOLDFAST_BIN": str(binary()), "HOLDFAST_PYTHON": sys.executable, "TMPDIR": os.environ.get("TMPDIR", "/tmp")},
    )  # fmt: skip
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    for part in (
        'rule "keep tables"', "alembic_version says head (0002), and 11 of 11 expected tables are missing",
        "# Recovery of shop", "recovered: all is as expected", "12 of 12", "The end: nothing is missing.",
        "recovery  finished", "watch     cleared",
    ):  # fmt: skip
        assert part in said, f"{part!r}\n{said}"
    for table in TABLES:
        assert f"table public.{table} is back" in said, table
