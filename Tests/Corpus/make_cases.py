#!/usr/bin/env python3
"""Makes cases-holdfast.jsonl: the cases of ideas/, each with what a real PostgreSQL 15 did when it was sent there.

  make_cases.py --direct HOST:PORT       proves new and changed cases and writes the file
                --all                    proves every case anew
                --only REGEX             proves only these; writes nothing
                --check                  without a server: whether the file has every case as ideas/ has it
                --list                   without a server: the ids

`scripts/corpus --make` starts a server and runs this. Each case runs three times at most: as it is (proof, what was
lost, transcript), with a witness (event triggers that note every DDL command and every dropped object), and, if it
destroys, with an event trigger that refuses to drop tables. A case that does not do what it claims is reported and left
out, and the exit status is 1.
"""

import argparse
import concurrent.futures
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import runner
from ideas import TOPICS
from ideas.case import Case

HERE = Path(__file__).resolve().parent
FILE = HERE / "cases-holdfast.jsonl"
RECORDED = ("proof_before", "lost_direct", "event_trigger_stops", "server_ddl", "server_drops", "direct_transcript")

WITNESS = [
    "create schema rt_witness",
    "create table rt_witness.seen (n serial, kind text, what text)",
    """create function rt_witness.note_ddl() returns event_trigger language plpgsql security definer as
    $$ begin insert into rt_witness.seen (kind, what) values ('ddl', tg_tag); end $$""",
    """create function rt_witness.note_drops() returns event_trigger language plpgsql security definer as
    $$ begin insert into rt_witness.seen (kind, what) select 'drop', object_type || ' ' || object_identity
    from pg_event_trigger_dropped_objects() where (original or object_type in ('table', 'materialized view', 'schema'))
    and coalesce(schema_name, '') !~ '^pg_temp'; end $$""",
    "create event trigger rt_note_ddl on ddl_command_end execute function rt_witness.note_ddl()",
    "create event trigger rt_note_drops on sql_drop execute function rt_witness.note_drops()",
    "alter event trigger rt_note_ddl enable always",
    "alter event trigger rt_note_drops enable always",
]
SEEN = (
    "select coalesce(json_agg(json_build_array(kind, what) order by n) filter (where what !~ 'rt_witness'), '[]')"
    " from rt_witness.seen"
)
GUARD = [
    "create schema rt_guard",
    """create function rt_guard.refuse() returns event_trigger language plpgsql security definer as
    $$ begin if exists (select from pg_event_trigger_dropped_objects() where object_type in
    ('table', 'table column', 'materialized view', 'foreign table', 'schema')) then raise exception 'kept'; end if;
    end $$""",
    "create event trigger rt_refuse on sql_drop execute function rt_guard.refuse()",
    "alter event trigger rt_refuse enable always",
]


def all_cases() -> list[Case]:
    cases = [case for topic in TOPICS for case in topic.cases()]
    check_names(cases)
    return cases


def check_names(cases: Iterable[Case]) -> None:
    """Two ids that make one database name would run in one database."""
    names: dict[str, str] = {}
    for case in cases:
        database = re.sub(r"[^a-z0-9]+", "_", case["id"].lower())[:58]
        if database in names:
            raise SystemExit(f"{case['id']} and {names[database]} have the same database")
        names[database] = case["id"]


class Prover:
    """Runs cases on PostgreSQL itself and notes what happened."""

    def __init__(self, host: str, port: int, pgbin: str) -> None:
        arguments = ["--host", host, "--port", str(port), "--direct-host", host, "--direct-port", str(port),
                     "--mode", "direct", "--pgbin", pgbin]  # fmt: skip
        self.settings = runner.parser().parse_args(arguments)

    def run(self, case: Case, setup: Iterable[str] = (), **fields: Any) -> dict[str, Any]:
        return runner.Runner(self.settings).run({**case, **fields, "setup": [*case.get("setup", []), *setup]})

    def prove(self, case: Case) -> tuple[Case, dict[str, Any]]:
        """The case with its record, and the result of its plain run."""
        result = self.run(case)
        if not result["ok"]:
            return case, result
        record: dict[str, Any] = {}
        if case["expect"] == "destructive":
            record |= {"proof_before": result["before"], "lost_direct": self.own_losses(case, result["lost"])}
            guarded = self.run(case, GUARD)
            record["event_trigger_stops"] = guarded.get("after") == guarded.get("before")
        if case["expect"] in ("benign", "ddl"):
            record["direct_transcript"] = runner.strip(result["transcript"], case.get("loose_rows"))
        if case["expect"] != "robust":
            record |= self.witnessed(case)
        return {**case, **record}, result

    def own_losses(self, case: Case, lost: dict[str, list[str]]) -> dict[str, list[str]]:
        """Without the databases of cases that ran at the same time."""
        mine = runner.Runner(self.settings).dbname(case)
        return {kind: lost[kind] for kind in lost if kind != "dbs"} | {
            "dbs": [name.replace(mine, "@@DB@@") for name in lost[kind] if name.startswith(mine)]
            for kind in lost
            if kind == "dbs" and any(name.startswith(mine) for name in lost[kind])
        }

    def witnessed(self, case: Case) -> dict[str, list[str]]:
        """Command tags and objects that event triggers saw; what is not readable afterwards is left out."""
        database = runner.Runner(self.settings).dbname(case)
        state = self.run(case, WITNESS, blocked_sql=SEEN).get("blocked_state") or "[]"
        seen = [] if state.startswith("ERROR") else json.loads(state)
        kinds = {"server_ddl": "ddl", "server_drops": "drop"}
        noted = {field: [what.replace(database, "@@DB@@") for kind, what in seen if kind == wanted]
                 for field, wanted in kinds.items()}  # fmt: skip
        return {field: entries for field, entries in noted.items() if entries}


def shown(case: Case, result: dict[str, Any]) -> str:
    keys = ("verdict", "before", "after", "lost", "transcript", "errors", "setup_error", "connect_error")
    return json.dumps({"id": case["id"], "steps": case["steps"], "want": case["proof_expected_direct"]}
                      | {key: result[key] for key in keys if result.get(key)}, ensure_ascii=False)[:1500]  # fmt: skip


def prove_all(cases: list[Case], prover: Prover, jobs: int) -> tuple[list[Case], list[str]]:
    """The proven cases in their order, and the ids of the others. What touches the whole cluster runs by itself."""
    outcomes: dict[str, tuple[Case, dict[str, Any]]] = {}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for case, result in pool.map(prover.prove, [case for case in cases if not case.get("alone")]):
            outcomes[case["id"]] = case, result
    outcomes |= {case["id"]: prover.prove(case) for case in cases if case.get("alone")}
    ordered = [outcomes[case["id"]] for case in cases]
    for case, result in ordered:
        if not result["ok"]:
            print(shown(case, result), flush=True)
    return (
        [case for case, result in ordered if result["ok"]], [case["id"] for case, result in ordered if not result["ok"]]
    )  # fmt: skip


def recorded() -> dict[str, Case]:
    """What the file has, by id."""
    if not FILE.exists():
        return {}
    with FILE.open(encoding="utf-8") as lines:
        return {case["id"]: case for case in map(json.loads, lines)}


def claim(case: Case) -> Case:
    """A case without its record."""
    return {key: value for key, value in case.items() if key not in RECORDED}


def address(text: str) -> tuple[str, int]:
    host, port = text.rsplit(":", 1)
    return host, int(port)


def check(cases: list[Case]) -> int:
    written = {name: claim(case) for name, case in recorded().items()}
    wanted = {case["id"]: case for case in cases}
    stale = sorted(name for name in written.keys() | wanted.keys() if written.get(name) != wanted.get(name))
    print(f"{len(wanted)} cases, {len(stale)} not as in {FILE.name}: {' '.join(stale)}")
    return 1 if stale else 0


def write(cases: list[Case], records: dict[str, Case], failed: list[str]) -> None:
    kept = [records[case["id"]] for case in cases if case["id"] not in failed]
    FILE.write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in kept), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--direct", type=address, help="a PostgreSQL 15 prepared as scripts/corpus does")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pgbin", default="/usr/lib/postgresql/15/bin")
    options = parser.parse_args()
    cases = [case for case in all_cases() if re.search(options.only, case["id"])]
    if options.check:
        return check(all_cases())
    if options.list:
        print("\n".join(case["id"] for case in cases))
        return 0
    if not options.direct:
        parser.error("--direct, --check or --list")
    known = {} if options.all or options.only else recorded()
    new = [case for case in cases if claim(known.get(case["id"], {})) != case]
    proven, failed = prove_all(new, Prover(*options.direct, options.pgbin), options.jobs)
    if not options.only:
        write(cases, known | {case["id"]: case for case in proven}, failed)
    print(f"{len(proven)} proven, {len(failed)} not: {' '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
