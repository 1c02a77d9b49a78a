"""Thousands of connections, idle and fresh, by Benchmarks/connections: a server and clients of our own."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from contenders import Contender
from support.standin import standin_binary

from .base import Measurement, Options, Scenario

PROGRAM = Path(__file__).resolve().parents[1] / "connections.py"
PARTS = {
    "idle": "idle sessions",
    "silent": "sessions that never asked anything",
    "idle-tls": "idle sessions with TLS",
    "connect": "connecting, asking once and leaving",
    "connect-tls": "the same with TLS",
    "storm": "all clients reconnect after the server was killed (60 s: given up)",
}
# Not in the quick form: after a restart of the server PgBouncer waits before it logs in again, and Benchmarks/connections
# gives up before that. test_connections holds that Holdfast's clients are all back.
SLOW = ("storm",)
QUICK = (
    "--sessions=20", "--tls-sessions=10", "--storm-sessions=20", "--connections=50", "--in-flight=2", "--rounds=1",
)  # fmt: skip


@dataclass
class ManyConnections(Scenario):
    """One part of Benchmarks/connections, which measures both proxies in turn by itself: asked once, for both."""

    options: Options = field(default_factory=Options)
    _figures: list[dict[str, object]] | None = field(default=None, repr=False)

    def measure(self, contender: Contender) -> list[Measurement]:
        if self._figures is None:
            # Not tried again for the other contender if this fails.
            self._figures = []
            self._figures = self._run()
        assert self._figures, "Benchmarks/connections found nothing"
        return [
            Measurement(str(one["name"]), float(str(one["value"])), str(one["unit"]))
            for one in self._figures
            if one["contender"] == contender.name
        ]

    def _run(self) -> list[dict[str, object]]:
        with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
            file = Path(folder) / "figures.json"
            subprocess.run(
                [
                    sys.executable, PROGRAM, "--only", self.parameters["part"], "--json", file,
                    *(QUICK if self.options.is_quick else ()),
                ],
                check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=dict(os.environ), timeout=500,
            )  # fmt: skip
            figures: list[dict[str, object]] = json.loads(file.read_text())
        return figures


def scenarios(options: Options) -> list[Scenario]:
    """Only where holdfast-standin is built (Benchmarks/run and scripts/test build it)."""
    if not standin_binary().exists():
        return []
    return [
        ManyConnections(
            name=f"many-{part}", title=title, group="many", contenders=("holdfast", "pgbouncer"), rounds=1,
            parameters={"part": part}, options=options,
        )  # fmt: skip
        for part, title in PARTS.items()
        if not (options.is_quick and part in SLOW)
    ]
