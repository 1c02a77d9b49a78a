"""holdfast recover: what a watch finds missing comes back, from snapshots and by the migrations, step by step."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import StartHoldfast
from support.incident import TABLES
from support.postgres import PostgresServer, free_port, open_folder
from support.programs import eventually
from support.proxy import binary
from support.recovery import Shop, url
from support.snapshots import rules

ROLES = {"recover_owner": "LOGIN", "recover_maker": "LOGIN CREATEDB"}


@pytest.fixture(scope="module", autouse=True)
def roles(postgres: PostgresServer) -> None:
    for role, options in ROLES.items():
        postgres.execute(f"CREATE ROLE {role} {options}")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = open_folder("holdfast-recover-")
    yield made
    shutil.rmtree(made)


@pytest.fixture
def unmade(postgres: PostgresServer, production: str, folder: Path) -> Iterator[Shop]:
    shop = Shop(postgres, folder, production)
    yield shop
    left = shop.scratch_databases()
    for name in left:
        postgres.execute(f'DROP DATABASE "{name}"')
    assert not left, "a scratch database was left behind"


@pytest.fixture
def shop(unmade: Shop) -> Shop:
    unmade.make()
    return unmade


def headings(runbook: str) -> list[str]:
    return [line.split(". ", 1)[1] for line in runbook.splitlines() if line.startswith("### ")]


# ---- Nothing is missing ----------------------------------------------------------------------------------------------


def test_nothing_missing_is_said_and_is_no_failure(shop: Shop) -> None:
    done = shop.recover()
    assert "nothing is missing: 12 of 12 expected tables are there; alembic says 0002" in done.stdout
    assert "There is nothing to be done." in shop.recover("--dry-run").stdout


def test_what_a_recovery_does_not_mend_is_listed(shop: Shop) -> None:
    shop.execute("ALTER TABLE leads DROP COLUMN score; CREATE TABLE extra (id int)")
    done = shop.recover(code=1)
    assert "column_missing" in done.stdout and "table_unexpected" in done.stdout


# ---- By the migrations -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [["leads"], ["accounts"], TABLES[:4], TABLES[3:9], TABLES[:10]], ids=len)
def test_some_tables_come_back_by_the_migrations_and_the_others_are_not_touched(shop: Shop, lost: list[str]) -> None:
    before, counts = shop.schema(), shop.counts()
    shop.lose(*lost)
    done = shop.recover("--yes", code=None)
    report = shop.look()
    assert report["findings"] == [], done.stdout
    assert report["missing_tables"] == [] and shop.versions() == ["0002"]
    after = shop.counts()
    assert after == {name: 0 if name in lost else count for name, count in counts.items()}
    # All keys of the application point to rows that are lost if any do.
    broken = shop.rows("SELECT conrelid::regclass::text FROM pg_constraint WHERE NOT convalidated ORDER BY 1")
    assert before.replace(" NOT VALID", "") == shop.schema().replace(" NOT VALID", "")
    assert done.returncode == 0, done.stdout + done.stderr
    for (name,) in broken:
        assert after[name] > 0 and f"foreign key {name}." in done.stdout and "stays NOT VALID" in done.stdout


def test_all_eleven_tables_come_back_by_the_migrations_in_the_database_itself(shop: Shop) -> None:
    before = shop.schema()
    shop.lose(*TABLES)
    book = shop.recover("--dry-run").stdout
    assert headings(book) == [
        "Reset the migration state: empty public.alembic_version",
        "Run the migrations in the database itself, up to head (0002)",
        "Verify: expected tables, migration state and data checks, as the watch does",
    ]
    assert 'DELETE FROM "public"."alembic_version";' in book and "alembic upgrade head" in book
    assert shop.look()["missing_tables"] == [f"public.{name}" for name in TABLES], "--dry-run changed something"
    done = shop.recover("--yes")
    assert "recovered: all is as expected" in done.stdout
    assert shop.schema() == before and shop.versions() == ["0002"]
    assert set(shop.counts().values()) == {0}


def test_all_tables_and_the_state_too(shop: Shop) -> None:
    before = shop.schema()
    shop.lose(*TABLES, "alembic_version")
    shop.recover("--yes")
    assert shop.schema() == before and shop.versions() == ["0002"]


def test_a_type_that_was_left_over_does_not_stop_the_migrations(unmade: Shop) -> None:
    version = unmade.project / "migrations/versions/0003_mood.py"
    version.write_text(
        "import sqlalchemy as sa\nfrom alembic import op\nrevision = '0003'\ndown_revision = '0002'\n"
        "def upgrade():\n"
        "    op.create_table('moods', sa.Column('m', sa.Enum('sad', 'fine', name='mood'), primary_key=True))\n"
        "    op.execute(\"INSERT INTO moods VALUES ('sad'), ('fine')\")\n"
        "def downgrade():\n    pass\n"
    )
    unmade.make()
    before = unmade.schema()
    unmade.lose(*TABLES, "moods")
    assert "scratch" in unmade.recover("--yes").stdout
    assert unmade.schema() == before
    # What a migration inserts comes back.
    assert unmade.rows("SELECT * FROM moods") == [("sad",), ("fine",)]


def test_tables_come_back_as_far_as_the_database_had_come(unmade: Shop) -> None:
    unmade.alembic("upgrade", "0001")
    unmade.look("--accept")
    before = unmade.schema()
    unmade.lose("leads", "contacts")
    unmade.recover("--yes", code=1)  # the watch says that the database is behind
    assert unmade.schema() == before and unmade.versions() == ["0001"]


def test_comments_on_keys_and_triggers_and_views_come_back(unmade: Shop) -> None:
    version = unmade.project / "migrations/versions/0003_more.py"
    version.write_text(
        "from alembic import op\nrevision = '0003'\ndown_revision = '0002'\n"
        "def upgrade():\n"
        "    op.execute('COMMENT ON CONSTRAINT notes_author_id_fkey ON notes IS $$-- who; NOT VALID;$$')\n"
        "    op.execute('ALTER TABLE notes ALTER text SET DEFAULT $$;$$')\n"
        "    op.execute('CREATE VIEW loud AS SELECT upper(text) AS text FROM notes')\n"
        "    op.execute('CREATE FUNCTION hum() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$')\n"
        "    op.execute('CREATE TRIGGER hums BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION hum()')\n"
        "def downgrade():\n    pass\n"
    )
    unmade.make()
    before = unmade.dump()
    unmade.take("notes")
    unmade.lose("notes")
    unmade.recover("--yes")
    assert unmade.dump() == before
    shutil.rmtree(unmade.folder / "snapshots")
    schema = unmade.schema()
    unmade.lose("notes")
    unmade.execute("DROP FUNCTION hum")
    unmade.recover("--yes")
    assert unmade.schema() == schema


def test_tables_keep_default_privileges_and_owners(shop: Shop) -> None:
    shop.execute(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO recover_owner; DROP TABLE notes;"
        "CREATE TABLE notes (id serial PRIMARY KEY, author_id int NOT NULL REFERENCES users, text varchar NOT NULL)"
    )
    shop.accept()
    before = shop.schema()
    assert "GRANT SELECT ON TABLE public.notes TO recover_owner" in before
    shop.lose("notes")
    shop.recover("--yes")
    assert shop.schema() == before


def test_by_a_role_that_is_no_superuser(unmade: Shop) -> None:
    unmade.execute("GRANT CREATE ON SCHEMA public TO recover_maker")
    owner = url(unmade.postgres, unmade.database, "recover_maker")
    unmade.alembic("upgrade", "head", user="recover_maker")
    unmade.accept()
    unmade.watch["recover_connection"] = owner
    before = unmade.schema()
    for lost in (["leads", "notes"], [*TABLES, "alembic_version"]):
        unmade.take("notes")
        unmade.lose(*lost)
        unmade.recover("--yes")
        assert unmade.schema() == before


# ---- The migration state ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("statement", ["DROP TABLE alembic_version", "DELETE FROM alembic_version"])
def test_a_lost_state_is_put_back_as_it_was_accepted(shop: Shop, statement: str) -> None:
    before = shop.dump()
    shop.execute(statement)
    assert headings(shop.recover("--dry-run").stdout)[0] == "Let public.alembic_version say 0002"
    shop.recover("--yes")
    assert shop.dump() == before


def forget_revisions(shop: Shop) -> None:
    """As a baseline of an earlier Holdfast."""
    path = shop.folder / "watch/shop.baseline.json"
    baseline = json.loads(path.read_text())
    del baseline["revisions"]
    path.write_text(json.dumps(baseline))


def test_a_lost_state_that_nobody_accepted_is_the_head_if_the_tables_are(shop: Shop) -> None:
    forget_revisions(shop)
    before = shop.dump()
    shop.lose("alembic_version")
    shop.recover("--yes")
    assert shop.dump() == before


def test_a_lost_state_that_cannot_be_told_stops_the_recovery(shop: Shop) -> None:
    forget_revisions(shop)
    shop.execute("ALTER TABLE leads DROP COLUMN score; DROP TABLE alembic_version")
    done = shop.recover("--yes", code=3)
    assert "public.leads.score" in done.stderr and "alembic stamp" in done.stderr
    assert shop.scratch_databases()
    shop.recover("--abandon")
    assert not shop.scratch_databases()
    shop.recover("--abandon", code=2)


def two_heads(shop: Shop) -> None:
    for name in ("left", "right"):
        (shop.project / f"migrations/versions/0003_{name}.py").write_text(
            f"import sqlalchemy as sa\nfrom alembic import op\nrevision = '{name}'\ndown_revision = '0002'\n"
            f"def upgrade():\n    op.create_table('{name}s', sa.Column('id', sa.Integer, primary_key=True),\n"
            "        sa.Column('lead_id', sa.Integer, sa.ForeignKey('leads.id')))\ndef downgrade():\n    pass\n"
        )
    shop.watch["heads"] = 2
    shop.make("heads")


@pytest.mark.parametrize("lost", [["lefts"], ["lefts", "rights", "leads"], [*TABLES, "lefts", "rights"]], ids=len)
@pytest.mark.parametrize("loses_state", [False, True], ids=["state", "no state"])
def test_two_heads(unmade: Shop, lost: list[str], loses_state: bool) -> None:
    two_heads(unmade)
    before = unmade.schema()
    unmade.lose(*lost, *(["alembic_version"] if loses_state else []))
    unmade.recover("--yes")
    assert unmade.versions() == ["left", "right"]
    assert unmade.schema().replace(" NOT VALID", "") == before
    assert unmade.look()["status"] == "ok"


def test_a_revision_that_no_script_has_is_said(shop: Shop) -> None:
    shop.execute("UPDATE alembic_version SET version_num = 'feedbeef'")
    shop.lose("notes")
    done = shop.recover("--yes", code=1)
    assert "names revision feedbeef, which no script in migrations_folder has" in done.stdout
    assert "notes" not in {row[0] for row in shop.rows("SELECT tablename::text FROM pg_tables")}


# ---- From snapshots --------------------------------------------------------------------------------------------------


def test_tables_come_back_with_the_rows_that_a_snapshot_holds(shop: Shop) -> None:
    before = shop.dump()
    shop.take()
    shop.lose(*TABLES)
    book = shop.recover("--dry-run").stdout
    assert "with its rows" in book and "CREATE TABLE public.leads (" in book
    shop.recover("--yes")
    assert shop.dump() == before
    assert "restored" in {note["action"] for note in snapshot_notes(shop)}


def snapshot_notes(shop: Shop) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((shop.folder / "snapshots").glob(".*.note"))]


def test_snapshots_and_migrations_together(shop: Shop) -> None:
    before, counts = shop.schema(), shop.counts()
    shop.take("orders", "order_lines", "products")
    shop.lose(*TABLES)
    done = shop.recover("--yes")
    held = {"orders", "order_lines", "products"}
    assert shop.counts() == {name: count if name in held else 0 for name, count in counts.items()}
    assert shop.schema().replace(" NOT VALID", "") == before
    # orders point to accounts, which came back empty.
    assert "foreign key orders.orders_account_id_fkey stays NOT VALID" in done.stdout


def test_the_newest_snapshot_of_each_table_is_taken(shop: Shop) -> None:
    shop.take()
    shop.execute("INSERT INTO notes (author_id, text) VALUES (1, 'later')")
    shop.take("notes")
    shop.lose("notes", "invoices")
    shop.recover("--yes")
    assert shop.rows("SELECT count(*) FROM notes") == [(2,)] and shop.rows("SELECT count(*) FROM invoices") == [(2,)]


CHILDREN_FIRST = [
    "notes", "invoices", "order_lines", "orders", "products", "campaign_leads", "campaigns", "contacts", "leads", "users",
    "accounts",
]  # fmt: skip


@pytest.mark.parametrize("order", [CHILDREN_FIRST, CHILDREN_FIRST[::-1]], ids=["children first", "parents first"])
def test_what_statement_after_statement_took_comes_back_as_it_was(
    shop: Shop, start_holdfast: StartHoldfast, order: list[str]
) -> None:
    """As drop_all does it, by a user who may: each statement has a snapshot of its own."""
    snapshots = {**shop.snapshots, "folder": str(shop.folder / "snapshots")}
    holdfast = start_holdfast(rules=rules(), snapshots=snapshots)
    before = shop.dump()
    with holdfast.connect(shop.database) as connection:
        for table in order:
            connection.execute(f"DROP TABLE {table} CASCADE")
    assert len(shop.look()["missing_tables"]) == 11
    done = shop.recover("--yes")
    assert "before DROP TABLE" in done.stdout and "scratch" not in done.stdout
    assert shop.dump() == before


def test_a_snapshot_that_was_changed_is_named_and_not_used(shop: Shop) -> None:
    snapshot = shop.take()
    with open(shop.folder / "snapshots" / snapshot / "tables.dump", "ab") as archive:
        archive.write(b"x")
    shop.lose("notes")
    done = shop.recover("--yes")
    assert "tables.dump was changed" in done.stderr and "made anew by the migrations" in done.stdout


def test_another_tools_tables_come_back_from_a_snapshot_and_else_the_way_is_told(
    postgres: PostgresServer, production: str, folder: Path
) -> None:
    shop = Shop(postgres, folder, production)
    shop.execute(
        "CREATE TABLE django_migrations (id int PRIMARY KEY, app text, name text, applied timestamptz);"
        "INSERT INTO django_migrations VALUES (1, 'shop', '0001_initial', now()); CREATE TABLE shop_order (id int);"
        "CREATE TABLE shop_note (id int); INSERT INTO shop_order VALUES (1)"
    )
    del shop.watch["migrations_folder"]
    shop.accept()
    before = shop.dump()
    shop.take("django_migrations", "shop_order")
    shop.lose("django_migrations", "shop_order")
    shop.recover("--yes")
    assert shop.dump() == before
    shop.lose("shop_note")
    done = shop.recover("--yes", code=1)
    assert "python manage.py migrate" in done.stdout and "nothing of this can be recovered" in done.stderr


# ---- Asking, stopping, going on --------------------------------------------------------------------------------------


def test_nothing_is_done_unless_somebody_says_yes(shop: Shop) -> None:
    shop.lose("notes")
    assert "nobody is there to be asked" in shop.recover(code=4).stderr
    shop.recover(code=4, input="no\n")
    assert shop.look()["missing_tables"] == ["public.notes"]
    shop.recover(input="y\n")
    assert shop.look()["missing_tables"] == []


def test_a_migration_that_fails_stops_it_and_once_mended_it_goes_on(shop: Shop) -> None:
    version = shop.project / "migrations/versions/0002_orders.py"
    good = version.read_text()
    version.write_text(good.replace("op.execute(\"UPDATE", "op.execute(\"UPDAT"))
    shop.take("notes")
    before = shop.schema()
    shop.lose("notes", "invoices")
    done = shop.recover("--yes", code=3)
    assert "alembic -c" not in done.stderr and "upgrade head failed in" in done.stderr and "syntax error" in done.stderr
    assert "stands at step 2 of" in done.stderr
    # Nothing has changed in the database itself, and what Alembic said is kept.
    assert len(shop.look()["missing_tables"]) == 2
    assert "UPDAT" in (shop.folder / "watch/shop.recovery.log").read_text()
    assert shop.journal()["doneCount"] == 1
    shop.recover("--resume", "--yes", code=3)
    version.write_text(good)
    done = shop.recover("--yes")
    assert "1. done  make the empty scratch database" in done.stdout
    assert shop.schema() == before and shop.rows("SELECT count(*) FROM notes") == [(1,)]
    shop.recover("--resume", code=2)


def test_a_migration_that_fails_halfway_in_the_database_itself(shop: Shop) -> None:
    env = shop.project / "migrations/env.py"
    env.write_text(env.read_text().replace("target_metadata=Base.metadata",
                                           "target_metadata=Base.metadata, transaction_per_migration=True"))  # fmt: skip
    version = shop.project / "migrations/versions/0002_orders.py"
    good = version.read_text()
    version.write_text(good.replace("op.execute(\"UPDATE", "op.execute(\"UPDAT"))
    before = shop.schema()
    shop.lose(*TABLES)
    shop.recover("--yes", code=3)
    assert shop.versions() == ["0001"]
    version.write_text(good)
    shop.recover("--yes")
    assert shop.schema() == before and shop.versions() == ["0002"]


def test_a_recovery_that_was_killed_goes_on(shop: Shop) -> None:
    version = shop.project / "migrations/versions/0002_orders.py"
    good = version.read_text()
    version.write_text(good.replace("def upgrade() -> None:", "def upgrade() -> None:\n    import time; time.sleep(600)"))
    shop.lose("notes")
    process = subprocess.Popen(
        [str(binary()), "recover", "shop", "--config", str(shop.configuration), "--yes"], stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        eventually(
            lambda: (shop.folder / "watch/shop.recovery.json").exists() and shop.journal()["doneCount"] == 1, 60
        )
        # Another one has to wait.
        assert "another process is recovering shop" in shop.recover(code=2).stderr
    finally:
        process.kill()
        process.communicate()
    version.write_text(good)
    end_sleepers(shop)
    shop.recover("--yes")
    assert shop.look()["status"] == "ok"


def test_an_interrupted_recovery_ends_what_it_runs_and_goes_on_later(shop: Shop) -> None:
    version = shop.project / "migrations/versions/0002_orders.py"
    good = version.read_text()
    version.write_text(good.replace("def upgrade() -> None:", "def upgrade() -> None:\n    import time; time.sleep(600)"))
    shop.lose("notes")
    process = subprocess.Popen(
        [str(binary()), "recover", "shop", "--config", str(shop.configuration), "--yes"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    eventually(lambda: any("upgrade head" in (note["statement"] or "") for note in waiting(shop)), 60)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 3 and "upgrade head was interrupted" in said
    version.write_text(good)
    # Nobody keeps the scratch database busy.
    eventually(lambda: not shop.postgres.rows(SCRATCH_SESSIONS))
    shop.recover("--yes")
    assert shop.look()["status"] == "ok"


def waiting(shop: Shop) -> list[dict]:
    return [{"statement": None, **note} for note in shop.notes()] if (shop.folder / "watch").exists() else []


SCRATCH_SESSIONS = "SELECT pid FROM pg_stat_activity WHERE datname LIKE 'holdfast_scratch%'"


def end_sleepers(shop: Shop) -> None:
    """The migration that a killed recovery has left behind keeps its database busy."""
    shop.postgres.execute(f"SELECT pg_terminate_backend(pid) FROM ({SCRATCH_SESSIONS}) s")
    eventually(lambda: not shop.postgres.rows(SCRATCH_SESSIONS))


def test_statements_wait_for_the_trail_and_reach_it(shop: Shop, start_holdfast: StartHoldfast) -> None:
    shop.take("notes")
    shop.lose("notes", "invoices")
    shop.recover("--yes")
    notes = shop.notes()
    said = [note["statement"] for note in notes if note["action"] == "statement"]
    for part in (
        "CREATE DATABASE", "upgrade head", "CREATE TABLE public.notes (", "CREATE TABLE public.invoices (",
        "FOREIGN KEY (order_id) REFERENCES public.orders(id) NOT VALID", "VALIDATE CONSTRAINT", "DROP DATABASE",
    ):  # fmt: skip
        assert any(part in statement for statement in said), f"{part}\n{said}"
    assert [note["action"] for note in (notes[0], notes[-1])] == ["begun", "finished"]

    watch = {**shop.watch, "interval": "off"}
    holdfast = start_holdfast(watch=[watch], watching={"state": str(shop.folder / "watch")})
    records = holdfast.trail.wait(len(notes), event="recovery")
    assert [record.get("statement") for record in records if record["action"] == "statement"] == said
    assert {record["database"] for record in records} == {shop.database}
    assert len({record["recovery"] for record in records}) == 1 and not shop.notes()


@pytest.mark.parametrize("lost", [["notes", "invoices"], TABLES], ids=len)
def test_through_the_proxy_every_statement_is_an_intent(
    shop: Shop, start_holdfast: StartHoldfast, lost: list[str]
) -> None:
    """Under the shipped rules, on production."""
    before = shop.schema()
    if len(lost) == 2:
        shop.take("notes")
    shop.lose(*lost)
    holdfast = start_holdfast()
    shop.watch["recover_connection"] = holdfast.url(shop.database)
    shop.watch["scratch_connection"] = url(shop.postgres, "postgres")
    shop.recover("--yes")
    assert shop.schema() == before
    said = holdfast.trail.wait(event="intent", database=shop.database) and holdfast.trail.statements(event="intent")
    made = [text for text in said if "CREATE TABLE" in text and "alembic_version" not in text]
    assert len(made) == len(lost)
    if len(lost) == 11:
        assert 'DELETE FROM "public"."alembic_version";' in said
    assert not holdfast.trail.records(event="refusal")


def test_a_server_that_goes_down_stops_it_and_it_goes_on_when_it_is_up(folder: Path) -> None:
    server = PostgresServer()
    try:
        server.start()
        server.execute("CREATE DATABASE shop")
        shop = Shop(server, folder, "shop")
        shop.make()
        version = shop.project / "migrations/versions/0002_orders.py"
        good = version.read_text()
        version.write_text(good.replace("def upgrade() -> None:", "def upgrade() -> None:\n    op.execute('SELECT pg_sleep(600)')"))
        shop.lose("notes")
        process = subprocess.Popen(
            [str(binary()), "recover", "shop", "--config", str(shop.configuration), "--yes"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        eventually(lambda: server.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND datname LIKE 'holdfast%'"), 60)
        server.stop("immediate")
        _, said = process.communicate(timeout=60)
        assert process.returncode == 3 and "upgrade head failed in" in said
        assert "cannot be reached" in shop.recover("--yes", code=3).stderr
        server.start()
        version.write_text(good)
        shop.recover("--yes")
        assert shop.look()["missing_tables"] == []
    finally:
        server.remove()


# ---- What stands in the way ------------------------------------------------------------------------------------------


def test_names_that_are_not_there_and_a_server_that_is_down(shop: Shop) -> None:
    done = shop.command("recover", "shpo")
    assert done.returncode == 2 and 'no [[watch]] block of proxy.conf is called "shpo"; there are: shop' in done.stderr
    shop.watch["connection"] = f"host=127.0.0.1 port={free_port()} dbname=x connect_timeout=2"
    assert "nobody can say what is missing: the database cannot be reached" in shop.recover(code=2).stderr


def test_a_connection_to_another_database_is_refused(shop: Shop, postgres: PostgresServer) -> None:
    shop.lose("notes")
    shop.watch["recover_connection"] = url(postgres, "postgres")
    assert "recover_connection leads to database postgres" in shop.recover(code=2).stderr
    shop.watch["recover_connection"] = f"host=127.0.0.1 port={free_port()} dbname={shop.database}"
    assert "cannot be reached by recover_connection" in shop.recover(code=2).stderr


def test_without_an_accepted_state_nobody_knows(shop: Shop) -> None:
    (shop.folder / "watch/shop.baseline.json").unlink()
    shop.lose("notes")
    assert 'name the tables: tables = ["public.orders", …]' in shop.recover(code=2).stderr
    shop.watch["tables"] = TABLES
    shop.recover("--yes")
    assert shop.look()["missing_tables"] == []


def test_permissions_that_are_missing_are_named(shop: Shop, postgres: PostgresServer) -> None:
    shop.lose("notes")
    shop.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO recover_owner, recover_maker")
    shop.watch["recover_connection"] = url(postgres, shop.database, "recover_owner")
    done = shop.recover("--yes", code=1)
    assert 'role recover_owner may not make one: ALTER ROLE "recover_owner" CREATEDB' in done.stdout
    shop.watch["recover_connection"] = url(postgres, shop.database, "recover_maker")
    done = shop.recover("--yes", code=3)
    assert "permission denied" in done.stderr
    # Another role is let in, and it goes on.
    del shop.watch["recover_connection"]
    shop.execute("GRANT recover_maker TO postgres")
    shop.recover("--yes")


def test_a_role_that_may_not_read_the_state(shop: Shop, postgres: PostgresServer) -> None:
    shop.lose("notes")
    shop.watch["recover_connection"] = url(postgres, shop.database, "recover_maker")
    done = shop.recover("--yes", code=2)
    assert "permission denied for table alembic_version" in done.stderr
    assert "let recover_connection in proxy.conf name a role that may (recover_maker may not)" in done.stderr


def test_a_missing_folder_and_one_that_does_not_parse(shop: Shop) -> None:
    shop.lose("notes")
    broken = shop.project / "migrations/versions/0009_broken.py"
    broken.write_text("revision = NAME\ndown_revision = None\n")
    done = shop.recover("--yes", code=1)
    assert "0009_broken.py: revision is not a plain text" in done.stdout
    broken.unlink()
    shop.watch["migrations_folder"] = str(shop.folder / "elsewhere")
    assert "elsewhere cannot be read" in shop.recover("--yes", code=1).stdout
    del shop.watch["migrations_folder"]
    assert "write migrations_folder into the [[watch]] block" in shop.recover("--yes", code=1).stdout
    assert shop.look()["missing_tables"] == ["public.notes"]


def test_a_program_that_is_missing_is_named_before_anything_is_done(shop: Shop) -> None:
    shop.lose("notes")
    shop.watch["migrations_command"] = ["/nowhere/alembic"]
    assert "/nowhere/alembic cannot be run" in shop.recover("--yes", code=1).stdout
    shop.watch["migrations_command"] = ["no-such-alembic"]
    assert "no-such-alembic is neither in" in shop.recover("--yes", code=1).stdout


def test_a_project_that_finds_another_database_is_not_run(shop: Shop) -> None:
    env = shop.project / "migrations/env.py"
    target = url(shop.postgres, shop.database).replace(":", "+psycopg:", 1)
    env.write_text(env.read_text().replace('os.environ["DATABASE_URL"]', f'"{target}"'))
    shop.lose("notes")
    before = shop.dump()
    done = shop.recover("--yes", code=3)
    assert "Alembic does not work on database holdfast_scratch_" in done.stderr and "migrations_variable" in done.stderr
    assert shop.dump() == before
    shop.recover("--abandon")


def test_a_project_with_a_variable_of_its_own_or_none(shop: Shop) -> None:
    env = shop.project / "migrations/env.py"
    good = env.read_text()
    env.write_text(good.replace("DATABASE_URL", "SHOP_DB"))
    shop.watch["migrations_variable"] = "SHOP_DB"
    shop.lose("notes")
    shop.recover("--yes")
    # By sqlalchemy.url of alembic.ini.
    env.write_text(good.replace('os.environ["DATABASE_URL"]', 'context.config.get_main_option("sqlalchemy.url")'))
    del shop.watch["migrations_variable"]
    shop.lose("notes")
    shop.recover("--yes")
    assert shop.look()["status"] == "ok"


def test_a_migration_that_takes_too_long_is_ended(shop: Shop) -> None:
    version = shop.project / "migrations/versions/0002_orders.py"
    good = version.read_text()
    version.write_text(good.replace("def upgrade() -> None:", "def upgrade() -> None:\n    import time; time.sleep(600)"))
    shop.lose("notes")
    shop.watch["migrations_timeout"] = "6s"
    begin = time.monotonic()
    done = shop.recover("--yes", code=3)
    assert "was not done within 6 s (migrations_timeout)" in done.stderr and time.monotonic() - begin < 60
    version.write_text(good)
    shop.watch["migrations_timeout"] = "10m"
    shop.recover("--yes")


def test_odd_names_and_partitions(unmade: Shop) -> None:
    version = unmade.project / "migrations/versions/0003_odd.py"
    version.write_text(
        "from alembic import op\nrevision = '0003'\ndown_revision = '0002'\n"
        "def upgrade():\n"
        "    op.execute('CREATE SCHEMA \"odd.schema\"')\n"
        "    op.execute('CREATE TABLE \"odd.schema\".\"Odd \"\"name\" (\"A b\" serial PRIMARY KEY)')\n"
        "    op.execute('CREATE TABLE parted (at date NOT NULL, lead_id int REFERENCES leads) PARTITION BY RANGE (at)')\n"
        "    op.execute(\"CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')\")\n"
        "def downgrade():\n    pass\n"
    )
    unmade.make()
    before = unmade.schema()
    unmade.execute('DROP TABLE parted, notes; DROP SCHEMA "odd.schema" CASCADE')
    unmade.recover("--yes")
    assert unmade.schema() == before
    unmade.execute("DROP TABLE parted_1")
    unmade.recover("--yes")
    assert unmade.schema() == before
