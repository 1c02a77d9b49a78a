"""pgbench's own transactions: -S (one SELECT) and TPC-B, in each protocol, with few clients and with many."""

from dataclasses import dataclass, field

from contenders import Contender, Route
from figures import PERCENTILES

from .base import Measurement, Options, Scenario
from .pgbench import Load

ALL = ("direct", "pgbouncer", "haproxy", "holdfast")
TIMES = ("throughput", *(f"latency-{name}" for name in PERCENTILES))
COSTS = ("cpu", "switches", "memory")


@dataclass
class Transactions(Scenario):
    """One run of pgbench a round."""

    metrics: tuple[str, ...] = TIMES
    proxy_metrics: tuple[str, ...] = COSTS
    options: Options = field(default_factory=Options)
    load: Load = Load((), 1)

    def measure(self, contender: Contender) -> list[Measurement]:
        if self.options.is_quick:
            run = self.load.run_count(contender, 10)
        else:
            run = self.load.run(contender, self.options.seconds)
        return run.measurements(contender.is_proxy)

    def measure_once(self, contender: Contender) -> list[Measurement]:
        calls = self.load.calls_per_transaction(contender, 0.3 if self.options.is_quick else 1)
        return [] if calls is None else [Measurement("calls", calls, "per transaction")]


def cell(
    options: Options, group: str, script: str, mode: str, clients: int, route: Route,
    contenders: tuple[str, ...] = ALL,
) -> Transactions:  # fmt: skip
    """`group` names what is compared and by which route; `script` is one of pgbench's own."""
    return Transactions(
        name=f"{group}-{mode}-{clients}",
        title=f"{mode}, {clients} client{'s' if clients > 1 else ''}",
        group=group, contenders=contenders, route=route, parameters={"mode": mode, "clients": clients},
        options=options, load=Load((f"--builtin={script}", f"--protocol={mode}"), clients),
    )  # fmt: skip


def scenarios(options: Options) -> list[Scenario]:
    """Not every protocol with every number of clients: a complete run has to fit into half an hour."""
    found: list[Scenario] = []
    few = [clients for clients in options.clients if clients <= 32]
    middle = few[len(few) // 2 : len(few) // 2 + 1]
    for mode, numbers in [("simple", options.clients), ("extended", middle), ("prepared", options.clients)]:
        for clients in numbers:
            found.append(cell(options, "select-tcp", "select-only", mode, clients, Route()))
    for mode in ("simple", "prepared"):
        for clients in few:
            found.append(cell(options, "select-socket", "select-only", mode, clients, Route(server="socket")))
    for mode, numbers in [("simple", options.clients), ("extended", middle), ("prepared", middle)]:
        for clients in numbers:
            found.append(cell(options, "tpcb-tcp", "tpcb-like", mode, clients, Route()))
    return found
