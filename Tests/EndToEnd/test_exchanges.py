"""Random exchanges get through the proxy the very answers that the server gives without it.

Where a statement is refused, the server without a proxy gets a text that does not parse: a refusal is to have the
effects of a syntax error at that place, in every state of a transaction, a pipeline or a COPY. Where it is refused only
when it is executed, the server gets a statement that fails then.
"""

import os

import pytest

from support.exchanges import LATE_STAND_IN_SQL, play, random_exchange
from support.postgres import PostgresServer
from support.proxy import Holdfast
from support.wire import WireClient

# Another HOLDFAST_SEED gives other exchanges; a failure names the one it needs.
FIRST = int(os.environ.get("HOLDFAST_SEED", "0"))
EXCHANGES = int(os.environ.get("HOLDFAST_EXCHANGES", "400"))


def alike(proxy: list[str], server: list[str]) -> bool:
    """The same answers; where it is in flight whether a name exists at all, the worse may have been assumed of it."""

    def is_alike(ours: str, theirs: str) -> bool:
        return ours == theirs or (ours == "E refused" and theirs.startswith(("E 34000", "E 26000")))

    return len(proxy) == len(server) and all(map(is_alike, proxy, server))


@pytest.mark.timeout(1000)
def test_every_exchange_gets_the_answers_of_the_server_itself(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE t (n int)", production)
    postgres.execute(LATE_STAND_IN_SQL, production)
    for seed in range(FIRST, FIRST + EXCHANGES):
        exchange = random_exchange(seed)
        seen = []
        for target in (holdfast, postgres):
            postgres.execute("TRUNCATE t; DROP TABLE IF EXISTS made", production)
            with WireClient(target.host, target.port) as client:
                answers = play(client, production, exchange, target is postgres, seed)
            seen.append([*answers, *map(str, postgres.rows("SELECT n FROM t", production))])
        shown = "\n".join(item.shown for item in exchange)
        assert alike(*seen), f"exchange HOLDFAST_SEED={seed}:\n{shown}\n{seen[0]}\n{seen[1]}"
