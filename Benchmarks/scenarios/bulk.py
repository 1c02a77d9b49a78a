"""Much in one answer: COPY out and in, large results of small rows and of big ones."""

from collections.abc import Callable
from dataclasses import dataclass, field

import bulkload
from contenders import DATABASE, Contender, Field

from .base import Measurement, Options, Scenario
from .transactions import ALL

# Megabytes of each, and how it is called.
LOADS = {
    "copy-out": (2000, "COPY out, 2 GB in lines of 100 bytes"),
    "copy-in": (2000, "COPY in, 2 GB in lines of 100 bytes"),
    "small-rows": (1000, "a result of 1 GB in rows of 100 bytes"),
    "big-rows": (1000, "a result of 1 GB in rows of 1 MB"),
}
# Fewer than the others: what is moved makes up for it.
ROUNDS = 3


@dataclass
class Bulk(Scenario):
    """One client moves so much, once a round."""

    metrics: tuple[str, ...] = ("throughput",)
    proxy_metrics: tuple[str, ...] = ("cpu", "switches", "memory", "session-memory")
    options: Options = field(default_factory=Options)
    load: Callable[[bulkload.Address, float], int] = bulkload.copy_out
    megabytes: int = 0

    def prepare(self, field: Field) -> None:
        with field.server.connect(field.database) as connection:
            for statement in bulkload.PREPARATION:
                connection.execute(statement)

    def measure(self, contender: Contender) -> list[Measurement]:
        address = bulkload.Address(contender.host, contender.port, DATABASE)
        # What the proxy holds with a session open that has moved nothing.
        bulkload.small_rows(address, 0)
        meter = contender.meter
        meter.start()
        moved = self.load(address, self.megabytes)
        usage = meter.stop()
        gigabytes = moved / 1e9
        assert gigabytes >= 0.95 * self.megabytes / 1000, f"{moved} bytes instead of {self.megabytes} MB"
        found = [Measurement("throughput", moved / 1e6 / usage.wall_seconds, "MB/s")]
        if contender.is_proxy:
            grown = max(0.0, usage.peak_megabytes - usage.first_megabytes)
            found += [
                Measurement("cpu", usage.cpu_seconds / gigabytes, "s per GB"),
                Measurement("switches", usage.context_switches / gigabytes, "per GB"),
                Measurement("memory", usage.peak_megabytes, "MB"),
                Measurement("session-memory", grown, "MB above the idle proxy"),
            ]
        return found


def scenarios(options: Options) -> list[Scenario]:
    return [
        Bulk(
            name=f"bulk-{name}", title=title, group="bulk", contenders=ALL, rounds=ROUNDS, options=options,
            load=bulkload.LOADS[name], megabytes=10 if options.is_quick else megabytes,
        )  # fmt: skip
        for name, (megabytes, title) in LOADS.items()
    ]
