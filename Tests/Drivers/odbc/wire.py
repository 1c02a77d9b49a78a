"""What an application does through psqlODBC; prints a section for each task (see Tests/Drivers/harness/programs.py)."""

import os
import threading

import pyodbc

WORDS = "DRIVER={{PostgreSQL Unicode}};SERVER={};PORT={};DATABASE={};UID=postgres;PWD=;{}"


def connect(options: str = "") -> pyodbc.Connection:
    environment = (os.environ["PGHOST"], os.environ["PGPORT"], os.environ["PGDATABASE"])
    return pyodbc.connect(WORDS.format(*environment, options), autocommit=True)


def words(error: Exception) -> str:
    if isinstance(error, pyodbc.Error):
        text = str(error.args[1]).split("\n")[0].split("ERROR: ", 1)[-1].split(";")[0].strip()
        return f"{error.args[0]} {text}"
    return repr(error)


def task(name: str, options: str = ""):
    def run(work) -> None:
        print(f"== {name}", flush=True)
        try:
            work(connect(options))
        except Exception as error:
            print("FAILED", words(error))

    return run


def show(connection: pyodbc.Connection, sql: str, *parameters) -> None:
    try:
        cursor = connection.execute(sql, *parameters)
        while True:
            print(cursor.fetchall() if cursor.description else cursor.rowcount)
            if not cursor.nextset():
                break
    except pyodbc.Error as error:
        print(words(error))


@task("connect")
def _(connection):
    print(connection.getinfo(pyodbc.SQL_DBMS_NAME), connection.getinfo(pyodbc.SQL_DATABASE_NAME))


@task("schema")
def _(connection):
    show(connection, "CREATE TABLE items (id int PRIMARY KEY, name text NOT NULL, price numeric CHECK (price >= 0))")
    print([row.table_name for row in connection.cursor().tables(schema="public")])
    print([(row.column_name, row.type_name) for row in connection.cursor().columns(table="items")])
    print([row.column_name for row in connection.cursor().primaryKeys("items")])


@task("simple")
def _(connection):
    show(connection, "SELECT 1; SELECT 2, NULL; INSERT INTO items VALUES (1, 'one', 1); UPDATE items SET price = 2")
    show(connection, "SELECT 1/0")
    show(connection, "SELEC")
    show(connection, "")


def prepared(connection):
    for round in range(8):
        show(
            connection, "SELECT ?::int, ?::text, ?::bytea, ?::numeric, ?::float8, ?::date", round, f"naïve ☃ {round}",
            b"\0\1\xff", "123.4567890123", 1 / 3, None,
        )  # fmt: skip


task("prepared", "UseServerSidePrepare=1")(prepared)
task("prepared, by the driver", "UseServerSidePrepare=0")(prepared)


@task("transactions")
def _(connection):
    connection.autocommit = False
    show(connection, "INSERT INTO items VALUES (2, 'two', 2)")
    show(connection, "INSERT INTO items VALUES (2, 'again', 2)")
    show(connection, "SELECT 1")
    connection.rollback()
    show(connection, "SELECT count(*) FROM items")


@task("transactions, a savepoint a statement", "Protocol=7.4-2")
def _(connection):
    connection.autocommit = False
    show(connection, "INSERT INTO items VALUES (2, 'two', 2)")
    show(connection, "INSERT INTO items VALUES (2, 'again', 2)")
    show(connection, "SELECT count(*) FROM items")
    connection.rollback()
    show(connection, "SELECT count(*) FROM items")


@task("executemany")
def _(connection):
    rows = [(id, "x" * (id % 300), id) for id in range(100, 1100)]
    connection.cursor().executemany("INSERT INTO items VALUES (?, ?, ?)", rows)
    show(connection, "SELECT count(*), sum(length(name)) FROM items")


@task("cursor", "UseDeclareFetch=1;Fetch=777")
def _(connection):
    print(sum(row[0] for row in connection.execute("SELECT n FROM generate_series(1, 10000) n")))


@task("cancel")
def _(connection):
    watcher = connect()
    active = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%' AND state = 'active'"
    cursor = connection.cursor()

    def cancel() -> None:
        while not watcher.execute(active).fetchall():
            pass
        cursor.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    try:
        cursor.execute("SELECT pg_sleep(60)")
    except pyodbc.Error as error:
        print(words(error))
    thread.join()
    show(connection, "SELECT 'goes on'")


@task("large values")
def _(connection):
    print(len(connection.execute("SELECT repeat('é', 2000000)").fetchone()[0]))
    print(connection.execute("SELECT length(?::text)", "y" * 2_000_000).fetchone())
    print(len(connection.execute("SELECT n, repeat('x', 100) FROM generate_series(1, 100000) n").fetchall()))


@task("refusal")
def _(connection):
    show(connection, "CREATE TABLE copied (n int)")
    connection.autocommit = False
    show(connection, "INSERT INTO items VALUES (9000, 'in a transaction', 1)")
    show(connection, "DROP TABLE copied")
    show(connection, "SELECT 1")
    connection.rollback()
    connection.autocommit = True
    show(connection, "TRUNCATE copied")
    show(connection, "DELETE FROM items WHERE id = ?", 9000)
    show(connection, "DROP TABLE items, copied")
    show(connection, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
