"""TLS: pgbench -S with it on the client's side, and on both; and handshakes by themselves."""

from dataclasses import dataclass, field

import bulkload
from contenders import DATABASE, Contender, Route

from .base import Measurement, Options, Scenario
from .transactions import cell

CLIENT_SIDE = Route(has_client_tls=True)
BOTH_SIDES = Route(has_client_tls=True, server="tls")
# HAProxy does not know how PostgreSQL's clients ask for TLS, so it can only pass the server's own on: it is compared where
# there is TLS on both sides, and does none of it.
ENDS_TLS = ("direct", "pgbouncer", "holdfast")
PASSES_TLS = ("direct", "pgbouncer", "haproxy", "holdfast")


@dataclass
class Handshakes(Scenario):
    """Connections that do a handshake and go; the server never hears of them, but for `direct`."""

    metrics: tuple[str, ...] = ("throughput",)
    proxy_metrics: tuple[str, ...] = ("cpu", "memory")
    options: Options = field(default_factory=Options)

    def measure(self, contender: Contender) -> list[Measurement]:
        count = 20 if self.options.is_quick else 600 * self.options.seconds
        address = bulkload.Address(contender.host, contender.port, DATABASE, has_tls=True)
        meter = contender.meter
        meter.start()
        failures = bulkload.handshakes(address, count, clients=4)
        usage = meter.stop()
        assert failures == 0, f"{failures} of {count} handshakes failed"
        found = [Measurement("throughput", count / usage.wall_seconds, "handshakes/s")]
        if contender.is_proxy:
            found += [
                Measurement("cpu", usage.cpu_seconds / count * 1000, "s per 1,000 handshakes"),
                Measurement("memory", usage.peak_megabytes, "MB"),
            ]
        return found


def scenarios(options: Options) -> list[Scenario]:
    found: list[Scenario] = []
    few = [clients for clients in options.clients if clients <= 32]
    for group, route, contenders in [("tls-client", CLIENT_SIDE, ENDS_TLS), ("tls-both", BOTH_SIDES, PASSES_TLS)]:
        for mode, numbers in [("simple", few), ("prepared", few[len(few) // 2 :])]:
            for clients in numbers:
                found.append(cell(options, group, "select-only", mode, clients, route, contenders))
    found.append(
        Handshakes(
            name="tls-handshakes", title="TLS 1.3, four clients", group="tls-handshakes", contenders=ENDS_TLS,
            route=CLIENT_SIDE, options=options,
        )  # fmt: skip
    )
    return found
