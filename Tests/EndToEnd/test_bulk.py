"""Large amounts of data: dumps, restores, COPY both ways, large objects."""

import hashlib
import os
import struct
from pathlib import Path

import psycopg
import psycopg2
import pytest

from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import program, run
from support.proxy import Holdfast
from support.samples import SCHEMA
from support.wire import WireClient, query, transcript

COPY_BYTES = 200_000_000


@pytest.fixture
def shop(postgres: PostgresServer, production: str) -> str:
    postgres.execute(SCHEMA, production)
    postgres.execute("INSERT INTO people (name) SELECT md5(n::text) FROM generate_series(1, 20000) n", production)
    return production


def dump(environment: dict[str, str], *arguments: str | Path) -> str:
    return run(program("pg_dump"), *arguments, environment=environment).stdout


def direct(postgres: PostgresServer, database: str) -> dict[str, str]:
    return {"PGHOST": postgres.host, "PGPORT": str(postgres.port), "PGUSER": "postgres", "PGDATABASE": database}


def without_keys(script: str) -> list[str]:
    """A dump without the random \\restrict key that newer pg_dumps write."""
    return [line for line in script.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_pg_dump_through_the_proxy_equals_pg_dump_without_it(
    holdfast: Holdfast, postgres: PostgresServer, shop: str
) -> None:
    assert without_keys(dump(holdfast.environment(shop))) == without_keys(dump(direct(postgres, shop)))


@pytest.mark.parametrize("options", [["--single-transaction"], ["--jobs=2"]], ids=["one transaction", "two jobs"])
def test_pg_restore_of_a_dump_gives_the_same_database(
    holdfast: Holdfast, postgres: PostgresServer, shop: str, test_database: str, tmp_path: Path, options: list[str]
) -> None:
    archive = tmp_path / "shop.dump"
    dump(holdfast.environment(shop), "--format=custom", f"--file={archive}")
    run(
        program("pg_restore"), *options, f"--dbname={test_database}", archive,
        environment=holdfast.environment(test_database),
    )  # fmt: skip
    assert without_keys(dump(direct(postgres, test_database))) == without_keys(dump(direct(postgres, shop)))


def test_pg_restore_into_an_empty_production_database_is_no_loss_and_passes(
    holdfast: Holdfast, postgres: PostgresServer, shop: str, tmp_path: Path
) -> None:
    archive = tmp_path / "shop.dump"
    dump(holdfast.environment(shop), "--format=custom", f"--file={archive}")
    with postgres.database("restored") as restored:
        run(
            program("pg_restore"), f"--dbname={restored}", archive, environment=holdfast.environment(restored)
        )  # fmt: skip
        assert without_keys(dump(direct(postgres, restored))) == without_keys(dump(direct(postgres, shop)))


def test_pg_restore_with_clean_over_production_is_refused(
    holdfast: Holdfast, postgres: PostgresServer, shop: str, tmp_path: Path
) -> None:
    archive = tmp_path / "shop.dump"
    dump(holdfast.environment(shop), "--format=custom", f"--file={archive}")
    refused = run(
        program("pg_restore"), "--clean", "--exit-on-error", "--single-transaction", f"--dbname={shop}", archive,
        environment=holdfast.environment(shop), check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert postgres.value("SELECT count(*) FROM people", shop) == 20_002


def test_two_hundred_megabytes_go_in_and_out_by_copy_with_equal_checksums(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE UNLOGGED TABLE bulk (line text)", production)
    line = b"x" * 99 + b"\n"
    block = b"".join(b"%08d" % number + line[8:] for number in range(10_000))
    sent, received = hashlib.sha256(), hashlib.sha256()
    with holdfast.connect(production) as connection:
        # A scan of a large table may begin where another process's scan is (or, after a parallel one, was): the rows would
        # come in another order, and with them another checksum.
        connection.execute("SET synchronize_seqscans = off")
        with connection.cursor().copy("COPY bulk FROM STDIN") as copy:
            for _ in range(COPY_BYTES // len(block)):
                copy.write(block)
                sent.update(block)
        assert postgres.value("SELECT count(*) FROM bulk", production) == COPY_BYTES // len(line)
        with connection.cursor().copy("COPY bulk TO STDOUT") as copy:
            for data in copy:
                received.update(data)
    assert received.hexdigest() == sent.hexdigest()
    assert holdfast.resident_kilobytes() < 150_000


def test_a_copy_that_the_client_fails_keeps_nothing_and_the_session_goes_on(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE bulk (line text)", production)
    with holdfast.connect(production) as connection:
        with pytest.raises(ZeroDivisionError), connection.cursor().copy("COPY bulk FROM STDIN") as copy:
            copy.write(b"one\n" * 100_000)
            raise ZeroDivisionError
        assert connection.execute("SELECT count(*) FROM bulk").fetchone()[0] == 0


def test_a_copy_that_the_server_fails_ends_with_its_error_and_the_session_goes_on(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE numbers (n int)", production)
    with holdfast.connect(production) as connection:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            with connection.cursor().copy("COPY numbers FROM STDIN") as copy:
                copy.write(b"not a number\n")
                for _ in range(2000):
                    copy.write(b"1\n" * 1000)
        assert connection.execute("SELECT count(*) FROM numbers").fetchone()[0] == 0


def test_large_objects_go_in_and_out_by_fast_path_calls_but_cannot_be_unlinked(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    content = os.urandom(3_000_000)
    connection = psycopg2.connect(host=holdfast.host, port=holdfast.port, dbname=production, user="postgres")
    with connection:
        large = connection.lobject(0, "wb")
        assert large.write(content) == len(content)
        large.close()
    with connection:
        again = connection.lobject(large.oid, "rb")
        again.seek(1_000_000)
        assert again.read(1000) == content[1_000_000:1_001_000]
        again.seek(0)
        assert again.read() == content
        again.close()
    with pytest.raises(psycopg2.Error, match="holdfast refused"), connection:
        connection.lobject(large.oid).unlink()
    connection.close()
    assert postgres.value(f"SELECT length(lo_get({large.oid}))", production) == len(content)


def test_one_value_of_thirty_megabytes_passes_as_parameter_and_as_result(
    holdfast: Holdfast, production: str
) -> None:
    value = os.urandom(30_000_000)
    with holdfast.connect(production) as connection:
        (answer,) = connection.execute("SELECT %b::bytea", [value], binary=True).fetchone()
    assert answer == value


# The server's own lexer takes no literal over 512 MB (its buffer doubles, and must stay under 1 GB).
HALF = 450 * 1_000_000


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("end", "expected"),
    [("')", ["C(INSERT 0 2)", "ZI"]), ("'); DROP TABLE blobs", ["E(42501)", "ZI"])],
    ids=["an INSERT passes", "a DROP at its end does not"],
)
def test_nine_hundred_megabytes_in_one_statement_cost_no_memory(
    start_holdfast: StartHoldfast, postgres: PostgresServer, production: str, end: str, expected: list[str]
) -> None:
    postgres.execute("CREATE TABLE blobs (id int, content text COMPRESSION lz4)", production)
    holdfast = start_holdfast()
    beginning, middle, last = b"INSERT INTO blobs VALUES (1, '", b"'), (2, '", end.encode() + b"\0"
    piece = b"x" * 1_000_000
    with WireClient(holdfast.host, holdfast.port, timeout=200) as client:
        client.login(production)
        assert transcript(client.ask(query("SELECT 1"))) == ["T", "D", "C(SELECT 1)", "ZI"]
        peak = holdfast.peak_kilobytes()
        length = len(beginning) + len(middle) + len(last) + 2 * HALF
        client.send(b"Q" + struct.pack("!I", length + 4) + beginning)
        for _ in range(HALF // len(piece)):
            client.send(piece)
        client.send(middle)
        for _ in range(HALF // len(piece)):
            client.send(piece)
        client.send(last)
        assert transcript(client.until()) == expected
        assert holdfast.peak_kilobytes() < peak + 8_000
    lengths = [length for (length,) in postgres.rows("SELECT length(content) FROM blobs", production)]
    assert lengths == ([HALF, HALF] if "INSERT" in expected[0] else [])
