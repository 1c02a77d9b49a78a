"""Plays the incident: Alembic builds the application's tables, its test suite tears them down."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from .postgres import PostgresServer
from .programs import run
from .proxy import Holdfast

PROJECT = Path(__file__).resolve().parents[1] / "incident"

TABLES = [
    "accounts", "campaign_leads", "campaigns", "contacts", "invoices", "leads", "notes", "order_lines", "orders",
    "products", "users",
]  # fmt: skip

ROWS = """
INSERT INTO accounts (id, name) VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO users (id, account_id, email) VALUES (1, 1, 'ann@example.test'), (2, 2, 'bob@example.test');
INSERT INTO leads (id, owner_id, name) SELECT n, 1, 'lead ' || n FROM generate_series(1, 100) n;
INSERT INTO contacts (lead_id, phone) SELECT id, '555-' || id FROM leads;
INSERT INTO campaigns (id, title) VALUES (1, 'Spring');
INSERT INTO campaign_leads SELECT 1, id FROM leads;
INSERT INTO products (id, title, price) VALUES (1, 'Anchor', 9.50), (2, 'Rope', 3.25);
INSERT INTO orders (id, account_id) VALUES (1, 1), (2, 2);
INSERT INTO order_lines VALUES (1, 1, 2), (2, 2, 5);
INSERT INTO invoices (order_id, total) VALUES (1, 19.00), (2, 16.25);
INSERT INTO notes (author_id, text) VALUES (1, 'DROP TABLE is only a word here');
"""


def alembic(holdfast: Holdfast, database: str, *arguments: str, driver: str = "psycopg", check: bool = True):
    """Runs Alembic's command line through the proxy."""
    return run(
        sys.executable, "-m", "alembic", "--config", PROJECT / "alembic.ini", *arguments,
        environment={"DATABASE_URL": holdfast.url(database, f"postgresql+{driver}")}, check=check, cwd=PROJECT,
    )  # fmt: skip


def application_suite(
    holdfast: Holdfast, database: str, suite: str, driver: str
) -> subprocess.CompletedProcess[str]:
    """Runs one file of the application's tests, whose teardown drops every table, as a pytest of its own."""
    return run(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", PROJECT / "suite" / f"{suite}.py",
        environment={"DATABASE_URL": holdfast.url(database, f"postgresql+{driver}")}, check=False, cwd=PROJECT,
    )  # fmt: skip


def contents(postgres: PostgresServer, database: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of the database with all its rows, asked from the server itself."""
    tables = postgres.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", database)
    return {name: postgres.rows(f'SELECT t::text FROM "{name}" t ORDER BY 1', database) for (name,) in tables}
