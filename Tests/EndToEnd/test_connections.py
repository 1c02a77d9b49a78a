"""What an idle session holds, what a short one costs, and that a fleet of clients is back after the server's restart.

Bytes and system calls, not times. The server and the clients are holdfast-standin (Benchmarks/StandIn).
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.programs import eventually
from support.proxy import Holdfast
from support.standin import StandInClients, StandInServer, connect_often
from support.system_calls import counted_system_calls

# Measured: 1,745 bytes. The allocator's steps make 500 sessions a coarse scale.
BYTES_OF_AN_IDLE_SESSION = 2_400
# Measured: 37, of which 7 are waits. How many waits there are depends on who is faster.
CALLS_OF_A_SESSION = 44


@pytest.fixture
def server() -> Iterator[StandInServer]:
    with StandInServer() as server:
        yield server


def anonymous_bytes(holdfast: Holdfast) -> int:
    lines = Path(f"/proc/{holdfast.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024


def test_an_idle_session_holds_little_memory(server: StandInServer, start_holdfast: Callable[..., Holdfast]) -> None:
    holdfast = start_holdfast(server=server.address, top={"max_clients": 1_000})
    with StandInClients(holdfast.addresses[0], "--ask") as clients:
        clients.do("open 100")
        before = anonymous_bytes(holdfast)
        assert clients.do("open 600")["failures"] == {}
        each = (anonymous_bytes(holdfast) - before) / 500
        assert each <= BYTES_OF_AN_IDLE_SESSION, f"{each:.0f} bytes a session"


def test_all_clients_are_back_after_the_servers_restart(
    server: StandInServer, start_holdfast: Callable[..., Holdfast]
) -> None:
    holdfast = start_holdfast(server=server.address, top={"max_clients": 1_000})
    with StandInClients(holdfast.addresses[0], "--reconnect") as clients:
        clients.do("open 300")
        sockets = holdfast.socket_count()
        server.kill()
        server.start()
        back = clients.report()
        assert (back["sessions"], back["lost"]) == (300, 300), back
        assert clients.do("query")["sessions"] == 300
        eventually(lambda: holdfast.socket_count() == sockets, what=f"{sockets} sockets again")


def test_a_short_session_makes_few_system_calls(
    server: StandInServer, start_holdfast: Callable[..., Holdfast], tmp_path: Path
) -> None:
    assert shutil.which("strace"), "strace is missing; scripts/test installs it"
    holdfast = start_holdfast(server=server.address, top={"loops": 1})
    connect_often(holdfast.addresses[0], 20, 1)
    with counted_system_calls(holdfast.pid, tmp_path) as counts:
        connect_often(holdfast.addresses[0], 200, 1)
    each = sum(counts.values()) / 200
    assert each <= CALLS_OF_A_SESSION, f"{each:.1f} calls a session: {counts}"
