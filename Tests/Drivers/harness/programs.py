"""One program a language (Tests/Drivers/<language>/): the same tasks with the driver that Debian has for it.

A program prints a section `== name` for each task and what it saw below. Sections are the tests: they have to be the same
text on every way.
"""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .regress import REFUSAL
from .results import Result, SuiteRun, differing
from .ways import Way

FOLDER = Path(__file__).resolve().parents[1]


@dataclass
class ProgramSuite:
    """`build` runs once in the program's folder, `command` each time; `{out}` in both is a folder for what is built."""

    name: str
    command: list[str]
    package: str
    build: list[list[str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    settings: str = ""
    access: str = ""

    def source(self, work: Path) -> Path | None:
        return FOLDER / self.name

    def prepare(self, way: Way) -> None:
        way.server.execute("CREATE DATABASE shop")

    def unlike(self, direct: SuiteRun, other: SuiteRun) -> list[str]:
        return differing(direct, other, str)

    def shaky(self, tests: list[str], way: Way, work: Path) -> set[str]:
        return set()

    def unexplained(self, direct: SuiteRun, production: SuiteRun, stand_in: SuiteRun) -> list[str]:
        return differing(production, stand_in, normal)

    def run(self, way: Way, work: Path, only: str | None = None) -> SuiteRun:
        out = work / f"program-{self.name}"
        out.mkdir(exist_ok=True)
        environment = {**way.environment, "PGDATABASE": "shop", **self.environment}
        environment = {key: value.replace("{out}", str(out)) for key, value in environment.items()}

        def start(command: list[str], timeout: float) -> subprocess.CompletedProcess:
            command = [part.replace("{out}", str(out)) for part in command]
            return subprocess.run(command, cwd=FOLDER / self.name, env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=timeout)  # fmt: skip

        if way.name == "direct":
            for command in self.build:
                built = start(command, 300)
                assert built.returncode == 0, f"{command}\n{built.stdout}\n{built.stderr}"
        completed = start(self.command, 120)
        (work / f"{self.name}-{way.name}.log").write_text(completed.stdout + completed.stderr)
        run = SuiteRun(self.name, version(self.package, out), way.name)
        for section in re.split(r"^== ", completed.stdout, flags=re.MULTILINE)[1:]:
            title, _, text = section.partition("\n")
            run.results[title] = Result("failed" if text.startswith("FAILED") else "passed", text)
        ended = f"exit {completed.returncode}\n{completed.stderr}"
        run.results["end"] = Result("passed" if completed.returncode == 0 else "failed", ended)
        return run


def version(package: str, folder: Path) -> str:
    """Of a Debian package, which is installed or was unpacked in the folder."""
    for file in folder.glob(f"{package}_*.deb"):
        return file.name.split("_")[1].replace("%3a", ":")
    shown = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", package], capture_output=True, text=True)
    return shown.stdout.strip() or "?"


def normal(text: str) -> str:
    """With all refusals alike: drivers print the server's words with more or fewer of its fields."""
    text = REFUSAL.sub("REFUSED\n", text)
    text = re.sub(r'42501 holdfast refused .*|42601 syntax error at or near ""refused"".*', "REFUSED", text)
    return text


JDBC = "/usr/share/java/postgresql.jar"
SUITES = [
    ProgramSuite(
        "jdbc", ["java", "-cp", f"{JDBC}:{{out}}", "Wire"], "libpostgresql-jdbc-java",
        build=[["javac", "-cp", JDBC, "-d", "{out}", "Wire.java"]],
    ),
    # node-pg and what it needs, unpacked by scripts/test-drivers: its packages do not go with every Node.js.
    ProgramSuite(
        "node", ["node", "wire.js"], "node-pg",
        environment={"NODE_PATH": "{out}/usr/share/nodejs:/usr/share/nodejs"},
    ),
    ProgramSuite(
        "go", ["{out}/wire"], "golang-github-jackc-pgx-v4-dev",
        build=[["go", "build", "-o", "{out}/wire", "wire.go"]],
        environment={"GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOCACHE": "{out}/cache", "GOFLAGS": ""},
    ),
    ProgramSuite("ruby", ["ruby", "wire.rb"], "ruby-pg"),
    ProgramSuite("php", ["php", "wire.php"], "php8.2-pgsql"),
    ProgramSuite("perl", ["perl", "wire.pl"], "libdbd-pg-perl"),
    ProgramSuite("odbc", ["/usr/bin/python3", "wire.py"], "odbc-postgresql"),
]  # fmt: skip
