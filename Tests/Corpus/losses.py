#!/usr/bin/env python3
"""Writes what is lost all the same, by technique, as Markdown: from reports of runner.py (--report).

  losses.py --wire REPORT [--both REPORT] --out FILE

`--wire` is a run with the proxy alone, `--both` one with the guard in each case's database as well. Only destructive
cases count. `scripts/corpus --losses FILE` runs both and writes the file.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Result = dict[str, Any]

# How visible the loss is on the wire, in the order of the tables.
VISIBLE = {
    "plain": "written in the statement",
    "lexer": "written, but only PostgreSQL's exact reading shows it",
    "split": "spread over several messages",
    "embedded": "in a literal or body of the same message",
    "dynamic": "SQL put together while it runs",
    "server": "code and objects already in the database",
    "oob": "another route than the statement",
}
# What the last part of a category means, where its words do not say it.
TECHNIQUES = {
    "rows": "DELETE and UPDATE of all rows",
    "update": "UPDATE of all rows through a join or a conflict",
    "large_objects": "large objects unlinked or cut by functions",
    "preexisting": "a routine, trigger, view or default that is there is used",
    "functioncall": "a function called by its OID, without SQL",
    "stored_call": "a routine that is there is called, in any clause",
    "stored_kind": "a routine that is there, of any kind and language",
    "stored_body": "a routine that is there, whatever its body does",
    "stored_planned": "a routine that is there is run by the planner",
    "stored_name": "a name that leads to another routine",
    "stored_stale": "a routine or trigger is changed behind the session",
    "stored_trigger": "a trigger that is there fires",
    "stored_rewrite": "a rule or view that is there rewrites the statement",
    "stored_column": "a default, generated column or CHECK that is there is run",
    "stored_type": "a type, domain, cast or operator that is there is used",
    "stored_index": "an index expression or policy that is there is run",
    "stored_event": "an event trigger that is there fires",
    "temp_undone": "the temporary table of that name is gone again",
    "temp_path": "search_path decides between temporary and permanent",
    "temp_later": "parsed while the name was temporary, run when it was not",
    "temp_mixed": "temporary and permanent objects hang together",
    "cascade": "CASCADE from an object that is no table",
    "cascade_rows": "TRUNCATE … CASCADE",
    "dynamic_stored": "a function that takes a query as text, a program, dblink",
    "dynamic_runner": "a routine that runs the text it is given",
    "dynamic_text": "EXECUTE of a text that is kept in the database",
    "past_the_proxy": "a connection to the server itself",
    "next_door": "a session in a database with another tag",
    "foreign_table": "a foreign table that leads back to the database",
    "second_session": "two sessions share the deed",
    "replicated": "logical replication applies it",
    "catalog_behind": "the catalog is written by a routine or past the proxy",
    "client_program": "a client program of PostgreSQL",
    "owed_replies": "sent while replies are owed",
    "failed_transaction": "sent around an error or on a replication connection",
    "led_astray": "objects and settings that lead a question about names astray",
    "odd_names": "names that are not UTF-8, or longer than 63 bytes",
}  # fmt: skip


def read(path: Path) -> dict[str, Result]:
    with path.open(encoding="utf-8") as lines:
        return {result["id"]: result for result in map(json.loads, lines) if result["expect"] == "destructive"}


LOST = {"LOST", "PARTIAL", "BLOCKED_BAD_STATE"}
KEPT = {"BLOCKED", "INTACT_SILENT"}


def is_lost(result: Result | None) -> bool:
    return result is not None and result["verdict"] in LOST


def is_unproven(result: Result | None) -> bool:
    """The case could not run, so it shows neither."""
    return result is None or result["verdict"] not in LOST | KEPT


def technique(category: str) -> str:
    name = category.split(".", 1)[1]
    return TECHNIQUES.get(name, name.replace("_", " "))


class Tally:
    """Counts cases and what was lost of them under each wall."""

    def __init__(self) -> None:
        self.cases = self.wire = self.both = 0

    def add(self, wire: Result, both: Result | None, has_both: bool) -> None:
        self.cases += 1
        self.wire += is_lost(wire)
        self.both += has_both and is_lost(both)

    def row(self, title: str, has_both: bool) -> str:
        return f"| {title} | {self.cases} | {self.wire} | {self.both if has_both else '–'} |"


def tallied(
    keys: Iterable[tuple[str, str]], wire: dict[str, Result], both: dict[str, Result] | None
) -> dict[str, Tally]:
    """`keys`: a case's id and what it is counted under."""
    tallies: dict[str, Tally] = {}
    for name, key in keys:
        tallies.setdefault(key, Tally()).add(wire[name], (both or {}).get(name), both is not None)
    return tallies


def table(title: str, tallies: dict[str, Tally], has_both: bool) -> list[str]:
    head = f"| {title} | cases | lost with the wire wall only | lost with both walls |"
    return [head, "| --- | ---: | ---: | ---: |", *[tally.row(key, has_both) for key, tally in tallies.items()], ""]


def named(title: str, results: Iterable[Result]) -> list[str]:
    names = sorted(result["id"] for result in results)
    return [f"{title} ({len(names)}): {', '.join(f'`{name}`' for name in names) or 'nothing'}."]


def report(wire: dict[str, Result], both: dict[str, Result] | None) -> str:
    """Two tables: by how visible the loss is, and by technique as far as anything is lost; then the ids."""
    has_both = both is not None
    order = {kind: number for number, kind in enumerate(VISIBLE)}
    cases = sorted(wire.values(), key=lambda result: order[result["vis"]])
    lines = table("on the wire", tallied(((case["id"], f"{case['vis']}: {VISIBLE[case['vis']]}") for case in cases),
                                         wire, both), has_both)  # fmt: skip
    total = tallied(((case["id"], "all") for case in cases), wire, both).get("all", Tally())
    lines[-1:-1] = [total.row("**all**", has_both)]
    techniques = tallied(((case["id"], technique(case["category"])) for case in cases), wire, both)
    lines += table("technique", {key: tally for key, tally in techniques.items() if tally.wire or tally.both}, has_both)
    for title, results in (("the wire wall only", wire), ("both walls", both)):
        if results is not None:
            lines += [*named(f"Lost with {title}", filter(is_lost, results.values())), ""]
            unproven = [{"id": name} for name in wire if is_unproven(results.get(name))]
            lines += [*named(f"Could not run with {title}", unproven), ""] if unproven else []
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wire", type=Path, required=True)
    parser.add_argument("--both", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.write_text(report(read(options.wire), read(options.both) if options.both else None), encoding="utf-8")


if __name__ == "__main__":
    main()
