"""The shape of a scenario. To add one: a module with `scenarios(options)`, named in scenarios/__init__.py."""

from dataclasses import dataclass, field
from typing import Any

from contenders import Contender, Field, Route


@dataclass(frozen=True)
class Options:
    """What the command line chose."""

    seconds: int = 2
    clients: tuple[int, ...] = (1, 8, 32, 200)
    # As little as makes every code path run once; times mean nothing then.
    is_quick: bool = False


@dataclass(frozen=True)
class Measurement:
    """One figure of one contender in one round.

    Scenarios use the same names for the same things, so that they share tables and plots: `throughput` (of whatever the
    unit says, a second), `latency-p50`, `latency-p99`, `latency-p99.9` (ms), `cpu` (seconds of the proxy process),
    `switches` and `calls` (context switches, system calls: per transaction or what the unit says), `memory` (the
    proxy's peak, MB), `session-memory` (kB of the proxy per session).
    """

    metric: str
    value: float
    unit: str


@dataclass
class Scenario:
    """One cell of the comparison: the same work for each contender, once a round.

    `measure` is called for one contender after the other, in another order each round. What goes wrong is raised
    (any exception): the figure is missing then, the report says why, and the run ends with a failure.
    """

    # Unique, the key of the raw data: `select-tcp-simple-8`.
    name: str
    # A row's heading: `simple, 8 clients`.
    title: str
    # The section of the report (report.py has their headings and order).
    group: str
    # Names that `Field.contender` knows.
    contenders: tuple[str, ...]
    route: Route = field(default_factory=Route)
    # Fewer rounds than the run has, for what takes long; None is all of them.
    rounds: int | None = None
    # The metrics that each contender must give. Those of `proxy_metrics` only where there is a proxy.
    metrics: tuple[str, ...] = ()
    proxy_metrics: tuple[str, ...] = ()
    # What verdicts and plots look cells up by: {"mode": "simple", "clients": 8}.
    parameters: dict[str, Any] = field(default_factory=dict)

    def prepare(self, field: Field) -> None:
        """Once, before the first round: tables, files. Nothing by default."""

    def measure(self, contender: Contender) -> list[Measurement]:
        raise NotImplementedError

    def measure_once(self, contender: Contender) -> list[Measurement]:
        """After the last round, once for each contender: what would disturb the times, as counting system calls."""
        return []
