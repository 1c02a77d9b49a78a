"""PostgreSQL's own regression tests through a port: pg_regress with --use-existing, over the whole schedule."""

import difflib
import itertools
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.programs import program, unprivileged

from .results import Result, SuiteRun, differing
from .ways import Way

PG_REGRESS = "/usr/lib/postgresql/15/lib/pgxs/src/test/regress/pg_regress"
# How a refusal, Holdfast's or the stand-in's, looks in psql.
REFUSAL = re.compile(
    r"^(?:ERROR:  |psql:.*ERROR:  | )?(?:holdfast refused .*\n(?:DETAIL:  (?:.*\n)*?Database .* audit id .*\n)?(?:HINT:  .*\n)?"
    r"|syntax error at or near \"\"refused\"\"\n(?:LINE \d+: .*\n *\^\n)?)",
    re.MULTILINE,
)
LINE = re.compile(r"^(?:test|    ?) *(\S+) +\.\.\. (ok|FAILED|failed)", re.MULTILINE)


@dataclass
class RegressionSuite:
    """A test is a file of src/test/regress. Its outcome is what psql printed: two ways agree where those texts are
    equal, whether or not they are what the file `expected` says."""

    name: str
    schedule: str
    settings: str = ""
    access: str = ""

    def source(self, work: Path) -> Path | None:
        found = sorted((work / "sources").glob("postgresql-15*/src/test/regress"))
        return found[-1] if found else None

    def unlike(self, direct: SuiteRun, other: SuiteRun) -> list[str]:
        return differing(direct, other, normal)

    def shaky(self, tests: list[str], way: Way, work: Path) -> set[str]:
        return set()

    def unexplained(self, direct: SuiteRun, production: SuiteRun, stand_in: SuiteRun) -> list[str]:
        """Tests whose first difference from the stand-in's run is no refusal on either side. (What follows a refusal in one
        run only is its consequence; the stand-in misses refused function calls, which are no texts, and takes the one for
        the other where the same text is passed once and refused once.)"""
        return [
            test for test in differing(production, stand_in, normal)
            if test not in READERS_OF_THE_CATALOG and not begins_with_refusal(production.text(test), stand_in.text(test))
        ]  # fmt: skip

    def prepare(self, way: Way) -> None:
        # What pg_regress does for a database that it makes itself.
        way.server.execute("CREATE DATABASE regression TEMPLATE template0")
        for name, value in [("messages", "C"), ("monetary", "C"), ("numeric", "C"), ("time", "C")]:
            way.server.execute(f"ALTER DATABASE regression SET lc_{name} TO '{value}'")
        way.server.execute("ALTER DATABASE regression SET bytea_output TO 'hex'")
        way.server.execute("ALTER DATABASE regression SET timezone_abbreviations TO 'Default'")

    def run(self, way: Way, work: Path, only: str | None = None) -> SuiteRun:
        source = self.source(work)
        assert source, f"{self.name}: no source under {work / 'sources'}"
        library = source / "regress.so"
        if not library.exists():
            subprocess.run(
                ["gcc", "-O2", "-fPIC", "-shared", "-I/usr/include/postgresql/15/server", "-o", library, source / "regress.c"],
                check=True,
            )  # fmt: skip
        # The same folder on every way: statements name it.
        output = work / self.name
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        (output / "results").mkdir()
        # The server writes into results/ (COPY … TO), so it has to be everybody's; so does the folder for psql.
        for folder in (output, output / "results"):
            folder.chmod(0o777)
        tests = only.split(",") if only else [f"--schedule={source / self.schedule}"]
        command = [
            PG_REGRESS, "--use-existing", f"--host={way.host}", f"--port={way.port}", "--user=postgres",
            f"--bindir={Path(program('psql')).parent}", f"--dlpath={source}", f"--inputdir={source}",
            f"--outputdir={output}", "--dbname=regression", *tests,
        ]  # fmt: skip
        environment = {key: value for key, value in way.environment.items() if not key.startswith("PG")}
        log = work / f"{self.name}-{way.name}.log"
        with open(log, "wb") as file:
            subprocess.run(command, cwd=output, env=environment, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                           timeout=3600, **unprivileged())  # fmt: skip
        run = SuiteRun(self.name, "15.18", way.name)
        failed = {name for name, outcome in LINE.findall(log.read_text()) if outcome != "ok"}
        for file in sorted((output / "results").glob("*.out")):
            text = file.read_text(errors="replace")
            run.results[file.stem] = Result("failed" if file.stem in failed else "passed", text)
        return run


# They list what tests that run at the same time have made so far, and are not alike in two runs.
READERS_OF_THE_CATALOG = {"create_table", "type_sanity"}


def begins_with_refusal(one: str, other: str) -> bool:
    lines = difflib.ndiff(normal(one).splitlines(), normal(other).splitlines())
    changed = itertools.dropwhile(lambda line: line[0] == " ", lines)
    hunk = itertools.takewhile(lambda line: line[0] != " ", changed)
    return any(line[2:] == "REFUSED" for line in hunk)


def normal(text: str) -> str:
    """Without what differs from run to run anyhow (OIDs, times, sizes, and the widths of columns with them) and with all
    refusals alike."""
    text = REFUSAL.sub("REFUSED\n", text)
    text = re.sub(r"\d+", "0", text)
    return re.sub(r"[ -]+", " ", text)


SUITES = [
    RegressionSuite("regress", "parallel_schedule"),
]
