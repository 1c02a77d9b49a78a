"""The three ways to a server that every suite goes: directly, recording only, and production with the shipped rules."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support.audit import AuditTrail
from support.postgres import PostgresServer, open_folder
from support.proxy import Holdfast, ProxySettings, RULES

WAYS = ("direct", "recording", "production")


@dataclass
class Way:
    """One address of a fresh server, and what Holdfast wrote down of it."""

    name: str
    server: PostgresServer
    host: str
    port: int
    trail: AuditTrail | None
    holdfast: Holdfast | None

    @property
    def environment(self) -> dict[str, str]:
        """libpq's variables for a program that goes this way."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        return {**own, "LC_ALL": "C.UTF-8", "PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": "postgres"}


@contextmanager
def way(name: str, settings: str = "", access: str = "") -> Iterator[Way]:
    """A server of its own, so that nothing that one run leaves behind meets the next."""
    server = PostgresServer(settings, access)
    folder = open_folder("holdfast-drivers-")
    holdfast: Holdfast | None = None
    try:
        server.start()
        if name == "direct":
            yield Way(name, server, server.host, server.port, None, None)
            return
        holdfast = Holdfast(folder, ProxySettings(
            server=server.address,
            catalog={"connection": f"host={server.host} port={server.port} user=postgres"},
            # Whatever the database is called: suites like the name "test".
            tags=[{"name": name, "database": ["*"]}],
            rules=[] if name == "recording" else RULES,
        ))  # fmt: skip
        holdfast.start()
        yield Way(name, server, holdfast.host, holdfast.port, holdfast.trail, holdfast)
        holdfast.stop(60)
    finally:
        if holdfast:
            holdfast.kill()
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)
