"""Random exchanges get through the proxy the very answers that the server gives without it.

Where a statement is refused, the server without a proxy gets a text that does not parse: a refusal is to have the
effects of a syntax error at that place, in every state of a transaction, a pipeline or a COPY.
"""

import os

import pytest

from support.exchanges import play, random_exchange
from support.postgres import PostgresServer
from support.proxy import Holdfast
from support.wire import WireClient

# Another HOLDFAST_SEED gives other exchanges; a failure names the one it needs.
FIRST = int(os.environ.get("HOLDFAST_SEED", "0"))
EXCHANGES = int(os.environ.get("HOLDFAST_EXCHANGES", "400"))


@pytest.mark.timeout(1000)
def test_every_exchange_gets_the_answers_of_the_server_itself(
    holdfast: Holdfast, postgres: PostgresServer, production: str
) -> None:
    postgres.execute("CREATE TABLE t (n int)", production)
    for seed in range(FIRST, FIRST + EXCHANGES):
        exchange = random_exchange(seed)
        seen = []
        for target in (holdfast, postgres):
            postgres.execute("TRUNCATE t; DROP TABLE IF EXISTS made", production)
            with WireClient(target.host, target.port) as client:
                answers = play(client, production, exchange, target is postgres, seed)
            seen.append([*answers, *map(str, postgres.rows("SELECT n FROM t", production))])
        shown = "\n".join(item.shown for item in exchange)
        assert seen[0] == seen[1], f"exchange HOLDFAST_SEED={seed}:\n{shown}"
