"""The incident from end to end, played on a server of its own: see scripts/demo. Whatever does not go as told ends it with 1."""

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "Tests/EndToEnd"))

from support.incident import PROJECT, ROWS, TABLES, alembic, application_suite  # noqa: E402
from support.postgres import PostgresServer, open_folder  # noqa: E402
from support.proxy import Holdfast, ProxySettings, binary  # noqa: E402

DATABASE = "shop"
INTERVAL = 2
# What the nightly snapshot of the story holds; the rest of the eleven is in none.
HELD = ["accounts", "users", "products", "orders", "order_lines", "invoices"]


class Story:
    def __init__(self, postgres: PostgresServer, folder: Path) -> None:
        self.postgres = postgres
        self.folder = folder
        self.act_number = 0
        address = f"host={postgres.host} port={postgres.port} user=postgres"
        self.holdfast = Holdfast(
            folder,
            ProxySettings(
                server=postgres.address,
                snapshots={"folder": "snapshots", "connection": f"{address} dbname=postgres"},
                watching={"state": "watch"},
                watch=[
                    {
                        "name": DATABASE, "connection": f"{address} dbname={DATABASE}", "interval": f"{INTERVAL}s",
                        "migrations_folder": str(PROJECT), "migrations_scheme": "postgresql+psycopg",
                        "migrations_command": [sys.executable, "-m", "alembic"],
                        "check": [{"name": "orders", "table": "public.orders", "min_rows": 1}],
                    }
                ],
            ),
        )  # fmt: skip

    # ---- How it is told ---------------------------------------------------------------------------------------------

    def act(self, title: str) -> None:
        self.act_number += 1
        print(f"\n{self.act_number}. {title}\n", flush=True)

    def tell(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def show(self, command: str, output: str, most: int = 60) -> None:
        print(f"   $ {command}")
        lines = output.rstrip().splitlines()
        for line in lines[:most]:
            print(f"   | {line}")
        if len(lines) > most:
            print(f"   | … and {len(lines) - most} lines more")
        sys.stdout.flush()

    def require(self, holds: bool, what: str) -> None:
        if not holds:
            raise SystemExit(f"\nThe demonstration stops: {what}")

    def run(self, *words: str, code: int = 0, most: int = 60, shown: str | None = None) -> str:
        """Runs and shows one of Holdfast's commands."""
        done = subprocess.run(
            [str(binary()), *words, "--config", str(self.holdfast.configuration)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.show(shown or f"holdfast {' '.join(words)}", done.stdout, most)
        self.require(done.returncode == code, f"holdfast {words[0]} ended with {done.returncode}, not {code}")
        return done.stdout

    def tables(self) -> list[str]:
        found = self.postgres.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", DATABASE)
        return [row[0] for row in found]

    def counts(self) -> dict[str, int]:
        return {name: self.postgres.rows(f"SELECT count(*) FROM {name}", DATABASE)[0][0] for name in TABLES}

    # ---- What happens -----------------------------------------------------------------------------------------------

    def play(self) -> None:
        self.migrate()
        counts = self.counts()
        self.refuse(counts)
        self.keep()
        self.lose()
        self.report()
        self.recover(counts)
        self.look_back()

    def migrate(self) -> None:
        self.act("An application's eleven tables, made by Alembic through the proxy")
        said = alembic(self.holdfast, DATABASE, "upgrade", "head")
        self.show("alembic upgrade head", (said.stdout + said.stderr) or "(done)")
        with self.holdfast.connect(DATABASE) as connection:
            connection.execute(ROWS)
        self.require(self.tables() == sorted([*TABLES, "alembic_version"]), "the migrations did not make the tables")
        self.tell("What is there now is what is expected from now on:")
        self.run("watch", "--accept")

    def refuse(self, before: dict[str, int]) -> None:
        self.act("A test suite runs Base.metadata.drop_all against it: refused at the proxy")
        suite = application_suite(self.holdfast, DATABASE, "test_with_engine", "psycopg")
        wanted = ("holdfast refused", "DETAIL", "HINT", "passed")
        lines = [line.removeprefix("E").strip() for line in suite.stdout.splitlines() if any(word in line for word in wanted)]
        self.show("pytest suite/test_with_engine.py", "\n".join(dict.fromkeys(lines)), 8)
        self.require("holdfast refused" in suite.stdout, "nothing was refused")
        self.require(self.counts() == before, "rows are missing although it was refused")
        self.tell("All eleven tables and all rows are there.")

    def keep(self) -> None:
        self.act("A snapshot, as a nightly job might take it: of six tables")
        self.run("snapshot", "take", "--database", DATABASE, *HELD)

    def lose(self) -> None:
        self.act("Somebody goes past the proxy, straight to the server, and drops all eleven")
        self.postgres.execute(f"DROP TABLE {', '.join(TABLES)} CASCADE", DATABASE)
        self.lost_at = time.monotonic()
        self.show(f"psql -p {self.postgres.port} -c 'DROP TABLE accounts, campaign_leads, … CASCADE'", "DROP TABLE")
        self.tell(f"What is left: {', '.join(self.tables())}, which still says that everything has been migrated.")

    def report(self) -> None:
        self.act(f"The watch of holdfast serve looks every {INTERVAL} s")
        found = self.holdfast.trail.wait(event="watch", check="migration_disagrees", state="raised", timeout=20)
        passed = time.monotonic() - self.lost_at
        self.require(passed < INTERVAL + 2, f"it took {passed:.1f} s")
        missing = self.holdfast.trail.records(event="watch", check="table_missing", state="raised")
        self.require(len(missing) == 11, f"{len(missing)} tables were reported, not 11")
        self.tell(f"{passed:.1f} s after the loss log, trail, webhook and command have been told, of each table, and:")
        self.tell(found[0]["text"])

    def recover(self, before: dict[str, int]) -> None:
        self.act("The plan, as a runbook")
        self.run("recover", DATABASE, "--dry-run", most=24)
        self.act("The recovery")
        self.run("recover", DATABASE, "--yes", most=100)
        self.require(self.tables() == sorted([*TABLES, "alembic_version"]), "tables are missing after the recovery")
        after = self.counts()
        wanted = {name: count if name in HELD else 0 for name, count in before.items()}
        self.require(after == wanted, f"rows are {after}, not {wanted}")
        rows = ", ".join(f"{after[name]} {name}" for name in HELD)
        self.tell(f"All eleven tables are back, and the rows that the snapshot held: {rows}.")

    def look_back(self) -> None:
        self.act("The watch is green")
        self.run("watch")
        self.holdfast.trail.wait(event="watch", check="migration_disagrees", state="cleared", timeout=20)
        self.act("The trail tells the story")
        self.holdfast.trail.wait(event="recovery", action="finished", timeout=20)
        for record in self.holdfast.trail.records():
            line = self.told(record)
            if line:
                self.tell(f"{record['time'][11:19]}  {line}")

    @staticmethod
    def told(record: dict) -> str:
        event = record["event"]
        if event == "refusal":
            return f"refusal   {record['command']} by {record['user']}, rule \"{record['rule']}\""
        if event == "snapshot":
            return f"snapshot  {record['action']} {record.get('snapshot', '')}: {record['text']}"
        if event == "watch" and record["check"] in ("migration_disagrees", "rows_too_few"):
            return f"watch     {record['state']}: {record['text'][:100]}"
        if event == "recovery" and record["action"] in ("begun", "done", "failed", "finished"):
            step = f" step {record['step']}" if "step" in record else ""
            return f"recovery  {record['action']}{step}: {record['text'][:100]}"
        return ""


def main() -> None:
    arguments = argparse.ArgumentParser(description="The incident from end to end.")
    arguments.add_argument("--keep", action="store_true", help="leave everything running until Enter is pressed")
    keeps = arguments.parse_args().keep
    folder = open_folder("holdfast-demo-")
    postgres = PostgresServer()
    story = None
    try:
        postgres.start()
        postgres.execute(f"CREATE DATABASE {DATABASE}")
        story = Story(postgres, folder)
        story.holdfast.start()
        print(f"PostgreSQL listens on port {postgres.port}, Holdfast in front of it on port {story.holdfast.port}.")
        story.play()
        print("\nThe end: nothing is missing.")
        if keeps:
            input(f"\nproxy.conf: {story.holdfast.configuration}. Enter ends server and proxy. ")
        story.holdfast.stop()
    finally:
        if story:
            story.holdfast.kill()
        postgres.remove()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
