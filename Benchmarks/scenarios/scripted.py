"""pgbench with scripts of our own: pipelined batches, a connection for each transaction, DDL on the trail, and what the
guard itself costs."""

from dataclasses import dataclass
from pathlib import Path

from contenders import BARE_BINARY, Contender, Field, Route

from .base import Measurement, Options, Scenario
from .pgbench import Load
from .transactions import ALL, Transactions, cell

BATCH = 10
SELECT = "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
BATCHES = (
    "\\set aid random(1, 100000 * :scale)\n\\startpipeline\n" + SELECT * BATCH + "\\endpipeline\n"
)
# The cheapest DDL there is for the server, on one table for each client, so that none waits for another's lock.
COMMENT = "\\set n random(1, 1000000)\nCOMMENT ON TABLE ddl:client_id IS 'comment :n';\n"


@dataclass
class Scripted(Transactions):
    """A script instead of pgbench's own transactions."""

    script: str = ""
    arguments: tuple[str, ...] = ()
    clients: int = 1
    # To be executed first, in the benchmark's database.
    preparation: str = ""

    def prepare(self, field: Field) -> None:
        if self.preparation:
            field.server.execute(self.preparation, field.database)
        file = Path(field.folder) / f"{self.name}.sql"
        file.write_text(self.script)
        self.load = Load((f"--file={file}", *self.arguments), self.clients)


@dataclass
class Connections(Transactions):
    """pgbench -C: each transaction is a connection, a SELECT and a good-bye."""

    metrics: tuple[str, ...] = ("throughput",)

    def measure(self, contender: Contender) -> list[Measurement]:
        found = super().measure(contender)
        return [
            Measurement(one.metric, one.value, one.unit.replace("transaction", "connection"))
            for one in found
            # pgbench does not count the connecting into a transaction's time.
            if not one.metric.startswith("latency")
        ]  # fmt: skip

    def measure_once(self, contender: Contender) -> list[Measurement]:
        return [Measurement(one.metric, one.value, "per connection") for one in super().measure_once(contender)]


def batches(options: Options) -> list[Scenario]:
    return [
        Scripted(
            name=f"pipeline-prepared-{clients}", group="pipeline",
            title=f"prepared, {clients} client{'s' if clients > 1 else ''}", contenders=ALL,
            parameters={"mode": "prepared", "clients": clients}, options=options, script=BATCHES,
            arguments=("--protocol=prepared",), clients=clients,
        )  # fmt: skip
        for clients in sorted({options.clients[0], min(8, options.clients[-1])})
    ]


def connections(options: Options) -> list[Scenario]:
    clients = min(8, options.clients[-1])
    return [
        Connections(
            name=f"connect-{name}", group="connect", title=f"{title}, {clients} clients at once", contenders=contenders,
            route=route, options=options, parameters={"clients": clients},
            load=Load(("--select-only", "--connect"), clients),
        )  # fmt: skip
        for name, title, contenders, route in [
            ("plain", "without TLS", ALL, Route()),
            ("tls", "TLS on the client's side", ("direct", "pgbouncer", "holdfast"), Route(has_client_tls=True)),
        ]
    ]


def ddl(options: Options) -> list[Scenario]:
    tables = "".join(f"CREATE TABLE IF NOT EXISTS ddl{n} (a int);" for n in range(max(options.clients)))
    return [
        Scripted(
            name=f"ddl-{clients}", group="ddl", title=f"{clients} client{'s' if clients > 1 else ''}",
            contenders=("direct", "pgbouncer", "holdfast", "holdfast-write"), parameters={"clients": clients},
            options=options, script=COMMENT, clients=clients, preparation=tables,
        )  # fmt: skip
        for clients in options.clients
        if clients <= 32
    ]


def guard(options: Options) -> list[Scenario]:
    """Only where there is a Holdfast that judges nothing (Benchmarks/run builds it)."""
    if not BARE_BINARY:
        return []
    return [
        cell(
            options, "guard", "select-only", mode, clients, Route(), ("holdfast-bare", "holdfast"),
        )  # fmt: skip
        for mode in ("simple", "prepared")
        for clients in options.clients
        if clients <= 32
    ]


def scenarios(options: Options) -> list[Scenario]:
    return batches(options) + connections(options) + ddl(options) + guard(options)
