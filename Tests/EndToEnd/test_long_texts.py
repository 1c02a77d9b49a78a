"""Texts that take long to read: they are read beside the loops, and nothing else changes."""

import pytest
from conftest import StartHoldfast
from support.postgres import PostgresServer
from support.programs import eventually
from support.proxy import Holdfast
from support.wire import SYNC, WireClient, bind, errors, execute, parse, query, transcript

DROP = "DROP TABLE leads; "
# Every part is a statement, parsed by itself: some 0.2 seconds of CPU for each megabyte.
PART = "PERFORM 1; "


def do_block(byte_count: int, last: str = "") -> str:
    head, tail = "DO $$ BEGIN IF false THEN ", last + "END IF; END $$"
    return head + PART * ((byte_count - len(head) - len(tail)) // len(PART)) + tail


@pytest.fixture
def one_loop(start_holdfast: StartHoldfast) -> Holdfast:
    """Every session is on the same loop."""
    return start_holdfast(top={"loops": 1})


@pytest.fixture
def leads(postgres: PostgresServer, production: str) -> str:
    postgres.execute("CREATE TABLE leads (id int)", production)
    return production


def login(holdfast: Holdfast, database: str) -> WireClient:
    return WireClient(holdfast.host, holdfast.port, timeout=120).login(database)


def test_others_work_on_while_a_do_of_eight_megabytes_is_read(one_loop: Holdfast, leads: str) -> None:
    with login(one_loop, leads) as slow, login(one_loop, leads) as other:
        slow.send(query(do_block(8_000_000, DROP)))
        served = 0
        while slow.is_quiet(timeout=0.001):
            assert transcript(other.ask(query("SELECT f.n FROM generate_series(1, 1) AS f(n)")))[-1] == "ZI"
            served += 1
        assert transcript(slow.until("Z")) == ["E(42501)", "ZI"]
    # On the loop itself it was at most the one that was under way.
    assert served >= 100


def test_what_comes_behind_a_long_text_waits_for_it(one_loop: Holdfast, leads: str) -> None:
    with login(one_loop, leads) as client:
        answers = client.ask(
            query(do_block(200_000)), query("SELECT 1"), query(do_block(100_000, DROP)), query("SELECT 2"), syncs=4
        )
        assert transcript(answers, without="TD") == [
            "C(DO)", "ZI", "C(SELECT 1)", "ZI", "E(42501)", "ZI", "C(SELECT 1)", "ZI",
        ]  # fmt: skip


def test_a_long_parse_comes_to_the_same(one_loop: Holdfast, leads: str) -> None:
    with login(one_loop, leads) as client:
        # Whether the table is temporary is asked when it is executed.
        answers = client.ask(parse(do_block(100_000, DROP)), bind(), execute(), SYNC)
        assert transcript(answers) == ["1", "2", "E(42501)", "ZI"]
        answers = client.ask(parse(do_block(100_000)), bind(), execute(), SYNC)
        assert transcript(answers) == ["1", "2", "C(DO)", "ZI"]


def test_the_trail_has_a_long_text_that_was_let_through_and_one_that_was_not(one_loop: Holdfast, leads: str) -> None:
    long_list = "CREATE TABLE sheet (" + ", ".join(f"column_{n} int" for n in range(1000)) + ")"
    with login(one_loop, leads) as client:
        assert transcript(client.ask(query(long_list))) == ["C(CREATE TABLE)", "ZI"]
        refusal = errors(client.ask(query(do_block(100_000, DROP))))[0]
        assert refusal["C"] == "42501" and "DROP TABLE leads" in refusal["D"]
    (record,) = one_loop.trail.wait(event="refusal")
    assert "drop_table" in record["classes"]


def test_a_client_that_leaves_while_its_text_is_read_takes_nothing_with_it(one_loop: Holdfast, leads: str) -> None:
    with login(one_loop, leads) as other:
        for _ in range(3):
            with login(one_loop, leads) as client:
                client.send(query(do_block(500_000, DROP)))
        assert transcript(other.ask(query(do_block(50_000)))) == ["C(DO)", "ZI"]
    eventually(lambda: one_loop.socket_count() <= 2)


def test_rules_of_a_reload_hold_for_a_text_that_is_being_read(one_loop: Holdfast, leads: str) -> None:
    with login(one_loop, leads) as client, login(one_loop, leads) as other:
        client.send(query(do_block(1_500_000, DROP)))
        one_loop.settings.rules = [dict(rule, action="allow") for rule in one_loop.settings.rules]
        one_loop.write(one_loop.settings)
        one_loop.reload()
        # The reload is there before the text has been read: another session may drop already.
        eventually(lambda: transcript(other.ask(query("DROP TABLE IF EXISTS nothing")))[-2] == "C(DROP TABLE)")
        assert client.is_quiet(timeout=0.001)
        assert transcript(client.until("Z")) == ["C(DO)", "ZI"]


def test_a_stop_waits_for_a_text_that_is_being_read(one_loop: Holdfast, leads: str) -> None:
    with login(one_loop, leads) as client:
        client.send(query(do_block(500_000)))
        one_loop.stop(timeout=60)
        seen = transcript(client.rest())
        assert seen[-1:] == ["E(57P01)"]
        assert seen in (["E(57P01)"], ["C(DO)", "ZI", "E(57P01)"])


ROW = "(12, 'some text here', 3.5)"
MEGABYTE = 1 << 20
ROWS = "INSERT INTO leads SELECT v.a FROM (VALUES " + ", ".join([ROW] * (10 * MEGABYTE // 29)) + ") AS v(a, b, c)"
LITERAL = f"INSERT INTO leads VALUES (length('{'x' * 10 * MEGABYTE}'))"


@pytest.mark.parametrize("extended", [False, True], ids=["Query", "Parse"])
@pytest.mark.parametrize("statement", [ROWS, LITERAL], ids=["rows", "one literal"])
def test_an_insert_of_ten_megabytes_is_not_held(
    start_holdfast: StartHoldfast, leads: str, postgres: PostgresServer, statement: str, extended: bool
) -> None:
    """It is under max_statement, but nothing in it has to be parsed."""
    holdfast = start_holdfast(top={"loops": 1, "max_statement": "16MB"})

    def messages(sql: str) -> list[bytes]:
        return [parse(sql), bind(), execute(), SYNC] if extended else [query(sql)]

    with login(holdfast, leads) as client:
        client.ask(*messages("INSERT INTO leads SELECT length('" + "x" * MEGABYTE + "')"))
        before = holdfast.peak_kilobytes()
        assert transcript(client.ask(*messages(statement)))[-1] == "ZI"
        assert holdfast.peak_kilobytes() - before < 3000
        # What must not pass does not, however far the text has been forwarded by then.
        assert transcript(client.ask(*messages(statement + "; DROP TABLE leads"))) == ["E(42501)", "ZI"]
    assert postgres.value("SELECT count(*) > 1 FROM leads", leads)


def test_a_script_of_a_megabyte_that_begins_with_an_insert_is_judged_whole(
    start_holdfast: StartHoldfast, leads: str
) -> None:
    holdfast = start_holdfast(top={"loops": 1, "max_statement": "16MB"})
    script = "INSERT INTO leads VALUES (1);\n" + "UPDATE leads SET id = id WHERE id = 2;\n" * 20_000
    with login(holdfast, leads) as client:
        assert transcript(client.ask(query(script)))[-1] == "ZI"
        assert transcript(client.ask(query(script + "TRUNCATE leads"))) == ["E(42501)", "ZI"]
