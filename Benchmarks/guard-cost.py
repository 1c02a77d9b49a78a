#!/usr/bin/env python3
"""What the guard adds to a DDL: medians with and without it, turn by turn in one run, among 5,000 tables.

    PYTHONPATH=Tests/EndToEnd .venv/bin/python Benchmarks/guard-cost.py [tables] [rounds]
"""

import statistics
import sys
import time

from support.guard import Guard
from support.postgres import PostgresServer

TABLES = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 200

server = PostgresServer()
try:
    server.start()
    guards = {}
    for name in ("without", "with"):
        server.execute(f"CREATE DATABASE {name}_guard")
        for first in range(0, TABLES, 500):
            names = range(first, min(first + 500, TABLES))
            server.execute(
                "".join(f"CREATE TABLE t{n} (id int PRIMARY KEY, a text);" for n in names), f"{name}_guard"
            )
        guards[name] = Guard(server, f"{name}_guard")
    began = time.perf_counter()
    guards["with"].run("install")
    print(f"install, {TABLES} tables: {time.perf_counter() - began:.2f} s")
    began = time.perf_counter()
    guards["with"].run("status")
    print(f"status: {time.perf_counter() - began:.2f} s")
    sessions = {name: guard.session("postgres") for name, guard in guards.items()}
    steps = [
        ("CREATE TABLE", "CREATE TABLE fresh{n} (id int, a text)", None),
        ("CREATE TABLE with a primary key", "CREATE TABLE keyed{n} (id int PRIMARY KEY, a text)", None),
        ("ALTER TABLE ADD COLUMN", "ALTER TABLE fresh{n} ADD COLUMN b int", None),
        ("CREATE INDEX", "CREATE INDEX ON fresh{n} (a)", None),
        ("DROP TABLE of a temporary table", "DROP TABLE scratch", "CREATE TEMP TABLE scratch (id int, a text)"),
        ("CREATE TEMP TABLE", "CREATE TEMP TABLE made{n} (id int)", None),
        ("TRUNCATE of an empty table", "TRUNCATE fresh{n}", None),
        ("SELECT by key (no DDL)", "SELECT * FROM t7 WHERE id = {n}", None),
    ]
    for label, statement, before in steps:
        times = {name: [] for name in sessions}
        for n in range(ROUNDS):
            for name, session in sessions.items():
                if before:
                    session.execute(before)
                text = statement.format(n=n)
                start = time.perf_counter()
                session.execute(text)
                times[name].append((time.perf_counter() - start) * 1000)
        without, guarded = (statistics.median(times[name]) for name in ("without", "with"))
        print(f"{label:36} {without:7.3f} ms   {guarded:7.3f} ms   {guarded - without:+7.3f} ms")
    for session in sessions.values():
        session.close()
    began = time.perf_counter()
    guards["with"].run("remove")
    print(f"remove: {time.perf_counter() - began:.2f} s")
finally:
    server.remove()
