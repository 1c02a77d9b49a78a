"""What a name means is asked of the server when it matters, and the client never notices."""

import re
from collections.abc import Iterator

import psycopg
import pytest

from support.postgres import PostgresServer
from support.proxy import RULES, Holdfast
from support.wire import SYNC, WireClient, bind, close, describe, execute, parse, query, transcript

SHOP = """
CREATE TABLE leads (id int PRIMARY KEY, name text);
INSERT INTO leads SELECT n, 'x' FROM generate_series(1, 1000) n;
CREATE TABLE orders (id int, lead int REFERENCES leads);
CREATE VIEW lead_names AS SELECT name FROM leads;
CREATE MATERIALIZED VIEW lead_count AS SELECT count(*) FROM leads;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE diary (day date, mood mood);
CREATE TYPE unused AS ENUM ('a');
CREATE TYPE point2 AS (x int, y int);
CREATE TABLE points OF point2;
CREATE TABLE parts (n int) PARTITION BY RANGE (n);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE SCHEMA empty;
CREATE SCHEMA sales;
CREATE TABLE sales.invoices (id int);
CREATE INDEX leads_name ON leads (name);
CREATE TABLE leads_name_idx (id int);
CREATE ROLE shop_clerk;
CREATE TABLE clerks (id int);
ALTER TABLE clerks OWNER TO shop_clerk;
CREATE DOMAIN cents AS int;
CREATE TABLE prices (price cents);
ANALYZE;
"""


@pytest.fixture
def shop(postgres: PostgresServer, production: str) -> Iterator[str]:
    postgres.execute(SHOP, production)
    yield production
    postgres.execute("DROP OWNED BY shop_clerk; DROP ROLE shop_clerk", production)


@pytest.fixture
def client(holdfast: Holdfast, shop: str) -> Iterator[WireClient]:
    with WireClient(holdfast.host, holdfast.port) as client:
        yield client.login(shop)


def extended(statement: str) -> list[bytes]:
    return [parse(statement), bind(), describe("P"), execute(), SYNC]


def named(statement: str) -> list[bytes]:
    return [parse(statement, "s"), bind("p", "s"), execute("p"), close("P", "p"), close("S", "s"), SYNC]


WAYS = {"query": lambda statement: [query(statement)], "extended": extended, "named": named}

# Each text is sent by itself; the last one is what counts.
PASSING = [
    ["CREATE TEMP TABLE w (n int)", "DROP TABLE w"],
    ["CREATE TEMP TABLE leads (n int)", "DROP TABLE leads"],
    ["CREATE TEMP TABLE leads (n int)", "TRUNCATE leads"],
    ["CREATE TEMP TABLE leads (n int)", "ALTER TABLE leads RENAME TO w"],
    ["CREATE TEMP TABLE w (n int)", "CREATE TEMP VIEW v AS SELECT * FROM w", "DROP TABLE w CASCADE"],
    ["CREATE TEMP TABLE a (n int)", "CREATE TEMP TABLE b (n int)", "DROP TABLE a, b"],
    ["BEGIN", "CREATE TEMP TABLE w (n int)", "SAVEPOINT s", "DROP TABLE w"],
    ['CREATE TEMP TABLE "Ünïcode ""quoted""" (n int)', 'DROP TABLE "Ünïcode ""quoted"""'],
    ["DROP TABLE IF EXISTS nothing, nothing_either CASCADE"],
    ["DROP TABLE nothing"],
    ["DROP SCHEMA empty CASCADE"],
    ["DROP SCHEMA sales"],
    ["DROP TYPE unused CASCADE"],
    ["CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm CASCADE"],
    ["ALTER INDEX leads_name RENAME TO leads_by_name"],
    ["DO $$ BEGIN DROP TABLE IF EXISTS tmp; CREATE TEMP TABLE tmp (n int); DROP TABLE tmp; END $$"],
]
REFUSED = [
    ["CREATE TEMP TABLE leads (n int)", "DROP TABLE leads", "DROP TABLE leads"],
    ["BEGIN", "CREATE TEMP TABLE leads (n int)", "ROLLBACK", "DROP TABLE leads"],
    ["BEGIN", "SAVEPOINT s", "CREATE TEMP TABLE leads (n int)", "ROLLBACK TO s", "DROP TABLE leads"],
    ["BEGIN", "CREATE TEMP TABLE leads (n int) ON COMMIT DROP", "COMMIT", "DROP TABLE leads"],
    ["CREATE TEMP TABLE leads (n int)", "SET search_path = public, pg_temp", "DROP TABLE leads"],
    ["CREATE TEMP TABLE leads (n int)", "DROP TABLE leads, public.leads"],
    ["CREATE TEMP TABLE w (n int)", "DROP TABLE w, leads"],
    ["CREATE TEMP TABLE leads (n int)", "DISCARD TEMP", "TRUNCATE leads"],
    ["CREATE TEMP TABLE leads (n int)", "ALTER TABLE leads RENAME TO w", "DROP TABLE leads"],
    ["ALTER INDEX leads_name_idx RENAME TO gone"],
    ["DROP TYPE mood CASCADE"],
    ["DROP DOMAIN cents CASCADE"],
    ["ALTER TYPE point2 DROP ATTRIBUTE y CASCADE"],
    ["DROP SCHEMA sales CASCADE"],
    ["DROP OWNED BY shop_clerk"],
    ["DROP TABLE parts"],
    ["CREATE TEMP TABLE leads (n int)", "DO $$ BEGIN DROP TABLE leads; DROP TABLE leads; END $$"],
    ["CREATE TEMP TABLE t (n int)", "CREATE TABLE public.keeps (t pg_temp.t)", "DROP TABLE t CASCADE"],
]


def play(target: Holdfast | PostgresServer, database: str, statements: list[str], way: str) -> list[list[str]]:
    with WireClient(target.host, target.port) as client:
        client.login(database)
        before = [transcript(client.ask(query(statement))) for statement in statements[:-1]]
        answers = before + [transcript(client.ask(*WAYS[way](statements[-1])))]
        assert client.is_quiet()
        return answers


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("statements", PASSING, ids=lambda statements: "; ".join(statements)[:70])
def test_what_loses_nothing_of_the_databases_gets_the_servers_own_answers(
    holdfast: Holdfast, postgres: PostgresServer, shop: str, statements: list[str], way: str
) -> None:
    ours = play(holdfast, shop, statements, way)
    with postgres.database("twin") as twin:
        postgres.execute(re.sub(r"(CREATE ROLE|ALTER TABLE clerks).*;", "", SHOP), twin)
        assert ours == play(postgres, twin, statements, way)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("statements", REFUSED, ids=lambda statements: "; ".join(statements)[:70])
def test_what_loses_a_table_under_whatever_name_is_refused(
    holdfast: Holdfast, shop: str, statements: list[str], way: str
) -> None:
    assert "E(42501)" in play(holdfast, shop, statements, way)[-1]


@pytest.mark.parametrize(
    ("statement", "taken"),
    [
        ("DROP TABLE leads CASCADE", ["table public.leads (about 1000 rows", "view public.lead_names",
                                      "materialized_view public.lead_count", "constraint public.orders.orders_lead_fkey"]),
        ("DROP TYPE mood CASCADE", ["column public.diary.mood"]),
        ("DROP SCHEMA sales CASCADE", ["table sales.invoices"]),
        ("DROP OWNED BY shop_clerk", ["table public.clerks"]),
        ("TRUNCATE leads CASCADE", ["table public.leads (about 1000 rows", "table public.orders"]),
        ("DROP TABLE parts", ["table public.parts", "table public.parts_low"]),
    ],
)  # fmt: skip
def test_the_refusal_and_the_trail_say_what_would_go(
    holdfast: Holdfast, shop: str, statement: str, taken: list[str]
) -> None:
    with holdfast.connect(shop) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
            connection.execute(statement)
    (record,) = holdfast.trail.wait(event="refusal")
    for part in taken:
        assert part in (caught.value.diag.message_detail or "")
        assert part in " ".join(record["remarks"])


def test_the_unnamed_statement_and_portal_live_on(client: WireClient) -> None:
    client.ask(query("CREATE TEMP TABLE w (n int)"))
    answer = client.ask(
        parse("SELECT generate_series(1, 3)"), bind(), execute(limit=1),
        parse("DROP TABLE w", "drop"), bind("drop", "drop"), execute("drop"),
        execute(), bind("again"), execute("again"), SYNC,
    )  # fmt: skip
    assert transcript(answer) == [
        "1", "2", "D", "s", "1", "2", "C(DROP TABLE)", "D", "D", "C(SELECT 2)", "2", "D", "D", "D", "C(SELECT 3)", "ZI",
    ]  # fmt: skip


def test_a_statement_parsed_for_a_temporary_table_is_judged_when_it_runs(client: WireClient) -> None:
    client.ask(query("CREATE TEMP TABLE leads (n int)"))
    client.ask(parse("DROP TABLE leads", "s"), SYNC)
    assert transcript(client.ask(bind(statement="s"), execute(), SYNC)) == ["2", "C(DROP TABLE)", "ZI"]
    assert transcript(client.ask(bind(statement="s"), execute(), SYNC)) == ["2", "E(42501)", "ZI"]


def test_a_plan_made_for_the_permanent_table_is_not_covered_by_a_later_temporary_one(
    start_holdfast, postgres: PostgresServer, shop: str
) -> None:
    holdfast = start_holdfast(rules=[*RULES, KEEP_ROWS])
    postgres.execute("CREATE TABLE letters (n int); INSERT INTO letters VALUES (1)", shop)
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(shop)
        client.ask(query("CREATE TEMP TABLE other (n int)"))
        client.ask(parse("DELETE FROM letters", "s"), SYNC)
        client.ask(query("CREATE TEMP TABLE letters (n int)"))
        assert "E(42501)" in transcript(client.ask(bind(statement="s"), execute(), SYNC))
        assert "E(42501)" in transcript(client.ask(query("EXECUTE s")))
        # Sent as one text it is planned now: that deletes from the temporary table.
        assert transcript(client.ask(query("DELETE FROM letters"))) == ["C(DELETE 0)", "ZI"]
    assert postgres.value("SELECT count(*) FROM letters", shop) == 1


def test_a_portal_that_fetch_could_run_is_asked_about_when_it_is_bound(
    start_holdfast, postgres: PostgresServer, shop: str
) -> None:
    holdfast = start_holdfast(rules=[*RULES, KEEP_ROWS])
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(shop)
        client.ask(query("BEGIN"))
        answer = client.ask(parse("DELETE FROM orders RETURNING id"), bind("p"), SYNC)
        assert "E(42501)" in transcript(answer)
        client.ask(query("ROLLBACK"))
        client.ask(query("BEGIN; CREATE TEMP TABLE w (n int); INSERT INTO w VALUES (1)"))
        client.ask(parse("DELETE FROM w RETURNING n"), bind("p"), SYNC)
        assert transcript(client.ask(query("FETCH ALL FROM p"))) == ["T", "D", "C(FETCH 1)", "ZT"]


def test_nothing_in_the_search_path_changes_the_answer(holdfast: Holdfast, postgres: PostgresServer, shop: str) -> None:
    postgres.execute(
        """
        CREATE SCHEMA evil;
        CREATE FUNCTION evil.yes(oid, oid) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
        CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.yes);
        CREATE FUNCTION evil.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT NULL::regclass';
        CREATE FUNCTION evil.pg_my_temp_schema() RETURNS oid LANGUAGE sql AS 'SELECT 2200::oid';
        CREATE TABLE evil.pg_class (oid oid, relname name);
        CREATE TABLE evil.pg_depend (classid oid);
        CREATE DOMAIN evil.text AS text;
        """,
        shop,
    )
    with holdfast.connect(shop) as connection:
        connection.execute("SET search_path = evil, public, pg_catalog")
        for statement in ("DROP TABLE leads", "DROP TYPE mood CASCADE", "DROP SCHEMA sales CASCADE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


def test_names_that_cannot_be_put_for_certain_are_not_asked_about(holdfast: Holdfast, shop: str) -> None:
    with holdfast.connect(shop, client_encoding="LATIN1") as connection:
        connection.execute('CREATE TEMP TABLE "Müller" (n int)')
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute('DROP TABLE "Müller"')
    with holdfast.connect(shop) as connection:
        connection.execute('CREATE TEMP TABLE "Müller" (n int)')
        connection.execute('DROP TABLE "Müller"')


def test_a_transaction_with_an_old_snapshot_is_told_the_worse_of_what_hangs_on_a_name(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    with holdfast.connect(shop) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM leads")
        postgres.execute("ALTER TABLE sales.invoices ADD COLUMN unused unused", shop)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TYPE unused CASCADE")
        connection.execute("ROLLBACK")
        # Which relation a name is, is known in any snapshot.
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM leads")
        connection.execute("CREATE TEMP TABLE w (n int)")
        connection.execute("DROP TABLE w")
        connection.execute("COMMIT")


def test_a_cancelled_question_is_a_cancelled_statement(holdfast: Holdfast, postgres: PostgresServer, shop: str) -> None:
    with holdfast.connect(shop) as connection, postgres.connect(shop) as other:
        other.execute("BEGIN; LOCK TABLE pg_catalog.pg_depend IN ACCESS EXCLUSIVE MODE")
        connection.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("DROP TYPE unused CASCADE")
        other.execute("ROLLBACK")
        connection.execute("DROP TYPE unused CASCADE")


def test_only_statements_that_need_it_are_asked_about_and_once(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    postgres.execute(f"ALTER DATABASE {shop} SET log_statement = 'all'", "postgres")

    def questions() -> int:
        return postgres.log.read_text(errors="replace").count("holdfast: what do these names mean?")

    before = questions()
    with holdfast.connect(shop) as connection:
        for statement in (
            "SELECT 1", "INSERT INTO orders VALUES (1, 1)", "UPDATE leads SET name = 'y' WHERE id = 1",
            "DELETE FROM orders WHERE id = 1", "CREATE TABLE t (n int)", "ALTER TABLE t ADD COLUMN m int",
            "CREATE TEMP TABLE w (n int)", "DROP INDEX leads_name", "DROP VIEW lead_names",
        ):  # fmt: skip
            connection.execute(statement)
        assert questions() == before
        connection.execute("DROP TABLE w")
        assert questions() == before + 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DROP TABLE leads CASCADE")
        assert questions() == before + 2


KEEP_ROWS = {"name": "keep rows of any", "tags": ["production"], "classes": ["data_loss"], "action": "block"}
