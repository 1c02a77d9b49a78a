"""Both walls together: what the rules let pass gets a grant for exactly that, and everything else meets the guard."""

import signal
from collections.abc import Iterator

import psycopg
import pytest

from support.postgres import PostgresServer
from support.programs import eventually
from support.proxy import RULES, Holdfast, command
from support.wire import SYNC, WireClient, bind, execute, parse, query, transcript

# The role `keeper` may do what production otherwise may not.
EXEMPT_RULES = [{**rule, "except": {"users": ["keeper"]}} for rule in RULES]

SHOP = """
CREATE TABLE leads (id int PRIMARY KEY, name text, note text);
INSERT INTO leads VALUES (1, 'Ann'), (2, 'Bob');
CREATE TABLE orders (id int, lead int REFERENCES leads);
CREATE TABLE parts (n int) PARTITION BY RANGE (n);
CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE SCHEMA sales;
CREATE TABLE sales.invoices (id int);
"""


@pytest.fixture(scope="module", autouse=True)
def roles(postgres: PostgresServer) -> None:
    postgres.execute("CREATE ROLE keeper LOGIN SUPERUSER; CREATE ROLE holdfast_grants LOGIN")


@pytest.fixture
def shop(postgres: PostgresServer, production: str) -> Iterator[str]:
    """A guarded production database."""
    postgres.execute(SHOP, production)
    database = f"postgresql://postgres@{postgres.host}:{postgres.port}/{production}"
    command("guard", "install", "--database", database, "--role", "holdfast_grants")
    yield production


@pytest.fixture
def holdfast(start_holdfast, postgres: PostgresServer) -> Holdfast:
    return start_holdfast(
        rules=EXEMPT_RULES,
        guard={"connection": f"host={postgres.host} port={postgres.port} user=holdfast_grants dbname=postgres",
               "watch": "off"},
    )  # fmt: skip


def open_grants(postgres: PostgresServer, database: str) -> int:
    return postgres.value("SELECT count(*) FROM holdfast.grants()", database)


def exists(postgres: PostgresServer, database: str, table: str) -> bool:
    return postgres.value(f"SELECT to_regclass('{table}') IS NOT NULL", database)


ALLOWED = [
    "DROP TABLE orders",
    "DROP TABLE leads CASCADE",
    "DROP TABLE parts",
    "DROP TABLE parts_low",
    "TRUNCATE leads CASCADE",
    "DROP SCHEMA sales CASCADE",
    "ALTER TABLE leads RENAME TO people",
    "ALTER TABLE leads SET SCHEMA sales",
    "ALTER TABLE leads DROP COLUMN note",
    "ALTER TABLE parts DETACH PARTITION parts_low",
    "BEGIN; DROP TABLE orders; DROP TABLE sales.invoices; COMMIT",
    "DO $$ BEGIN DROP TABLE orders; END $$",
]
WAYS = [
    (statement, way)
    for statement in ALLOWED
    for way in ("simple", "extended")
    # One statement only in a Parse.
    if way == "simple" or not statement.startswith("BEGIN")
]


@pytest.mark.parametrize(("statement", "way"), WAYS)
def test_what_the_rules_let_pass_passes_the_guard(
    holdfast: Holdfast, postgres: PostgresServer, shop: str, statement: str, way: str
) -> None:
    with holdfast.connect(shop, user="keeper") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="holdfast guard refused"):
            postgres.execute(statement, shop)
        if way == "simple":
            psycopg.ClientCursor(connection).execute(statement)
        else:
            connection.execute(statement)
        eventually(lambda: open_grants(postgres, shop) == 0, 10, lambda: "no grant is left")
        if "orders" in statement and "DROP TABLE" in statement:
            assert not exists(postgres, shop, "orders")


def test_a_grant_is_for_the_tables_that_were_judged_and_no_others(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    # The trigger drops another table while the allowed statement runs.
    postgres.execute(
        """CREATE FUNCTION also() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN IF to_regclass('orders') IS NOT NULL THEN DROP TABLE orders; END IF; END $$;
        CREATE EVENT TRIGGER also ON ddl_command_end WHEN TAG IN ('DROP TABLE') EXECUTE FUNCTION also()""",
        shop,
    )
    with holdfast.connect(shop, user="keeper") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="holdfast guard refused"):
            connection.execute("DROP TABLE sales.invoices")
    assert exists(postgres, shop, "sales.invoices") and exists(postgres, shop, "orders")
    postgres.execute("DROP EVENT TRIGGER also", shop)


def test_what_the_rules_refuse_never_comes_to_the_guard(holdfast: Holdfast, postgres: PostgresServer, shop: str) -> None:
    with holdfast.connect(shop) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="holdfast refused"):
            connection.execute("DROP TABLE leads")
    assert exists(postgres, shop, "leads")


def test_every_statement_of_a_transaction_gets_its_own_grant(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    with WireClient(holdfast.host, holdfast.port) as client:
        client.login(shop, user="keeper")
        assert transcript(client.ask(query("BEGIN"))) == ["C(BEGIN)", "ZT"]
        assert transcript(client.ask(query("DROP TABLE orders"))) == ["C(DROP TABLE)", "ZT"]
        assert transcript(client.ask(query("ROLLBACK"))) == ["C(ROLLBACK)", "ZI"]
        assert exists(postgres, shop, "orders")
        answer = client.ask(
            parse("DROP TABLE orders"), bind(), execute(), parse("DROP TABLE sales.invoices"), bind(), execute(), SYNC
        )
        assert transcript(answer) == ["1", "2", "C(DROP TABLE)", "1", "2", "C(DROP TABLE)", "ZI"]
    eventually(lambda: open_grants(postgres, shop) == 0, 10, lambda: "no grant is left")


def test_the_log_of_the_database_names_the_intent_in_the_trail(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    with holdfast.connect(shop, user="keeper") as connection:
        connection.execute("DROP TABLE orders")
    (intent,) = [record for record in holdfast.trail.wait(event="intent") if record["command"] == "DROP TABLE"]
    logged = postgres.value("SELECT audit_id FROM holdfast.ddl WHERE object_identity = 'public.orders' AND phase = 'drop'", shop)
    assert logged == intent["id"]


def test_a_proxy_that_dies_leaves_no_grant_and_no_table_unguarded(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    with postgres.connect(shop) as other:
        # The statement waits for this lock with its grant open.
        other.execute("BEGIN; LOCK TABLE orders")
        client = WireClient(holdfast.host, holdfast.port)
        client.login(shop, user="keeper")
        client.send(query("DROP TABLE orders"))
        eventually(lambda: open_grants(postgres, shop) == 1, 10, lambda: "the grant is open")
        holdfast.process.send_signal(signal.SIGKILL)
        holdfast.process.wait(10)
        holdfast.was_ended = True
        eventually(lambda: open_grants(postgres, shop) == 0, 10, lambda: "no grant is left")
        other.execute("ROLLBACK")
    eventually(
        lambda: postgres.value(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{shop}' AND query LIKE 'DROP%'", "postgres") == 0,
        10, lambda: "the server has noticed that the client is gone",
    )  # fmt: skip
    assert exists(postgres, shop, "orders")


def test_without_its_connection_the_proxy_forwards_and_the_guard_refuses(
    start_holdfast, postgres: PostgresServer, shop: str
) -> None:
    holdfast = start_holdfast(
        rules=EXEMPT_RULES, guard={"connection": "host=127.0.0.1 port=1 dbname=postgres", "watch": "off"}
    )
    with holdfast.connect(shop, user="keeper") as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="holdfast guard refused"):
            connection.execute("DROP TABLE orders")
    holdfast.wait_for_log("the guard cannot be given a grant")
    assert exists(postgres, shop, "orders")


def test_a_database_without_a_guard_needs_no_grant(holdfast: Holdfast, postgres: PostgresServer, production: str) -> None:
    postgres.execute("CREATE TABLE leads (id int)", production)
    with holdfast.connect(production, user="keeper") as connection:
        connection.execute("DROP TABLE leads")
    assert not exists(postgres, production, "leads")
