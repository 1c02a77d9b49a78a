"""The audit trail as the tests read it."""

import json
from pathlib import Path
from typing import Any

from .programs import eventually

Record = dict[str, Any]


class AuditTrail:
    def __init__(self, path: Path) -> None:
        self.path = path

    def records(self, **wanted: Any) -> list[Record]:
        """The whole lines of the trail, those whose fields have the wanted values."""
        if not self.path.exists():
            return []
        lines = self.path.read_text().split("\n")[:-1]
        records = [json.loads(line) for line in lines]
        return [record for record in records if all(record.get(key) == value for key, value in wanted.items())]

    def wait(self, count: int = 1, timeout: float = 10, **wanted: Any) -> list[Record]:
        """At least so many records with these values; outcomes are written after the client has its answer."""
        return eventually(
            lambda: found if len(found := self.records(**wanted)) >= count else None, timeout,
            lambda: f"{count} records with {wanted} in the trail\n{self.path.read_text()}",
        )  # fmt: skip

    def statements(self, **wanted: Any) -> list[str]:
        return [record["sql"] for record in self.records(**wanted)]
