"""How the loops wait: by epoll, or by io_uring where that is chosen."""

import re
import sys
from pathlib import Path

import pytest

from conftest import StartHoldfast
from support import without_io_uring
from support.proxy import Holdfast, ProxySettings
from support.system_calls import counted_system_calls

REFUSALS = {"EPERM": "is forbidden here", "ENOSYS": "older than Linux 6.1", "EINVAL": "older than Linux 6.1"}


def forbidding(code: str) -> list[str]:
    return [sys.executable, without_io_uring.__file__, code]


def rings(holdfast: Holdfast) -> int:
    links = Path(f"/proc/{holdfast.pid}/fd").iterdir()
    return sum("io_uring" in str(link.readlink()) for link in links)


@pytest.mark.parametrize("choice", ["auto", "epoll"])
def test_epoll_needs_no_ring(start_holdfast: StartHoldfast, production: str, choice: str) -> None:
    holdfast = start_holdfast(prefix=forbidding("EPERM"), top={"selector": choice})
    assert rings(holdfast) == 0
    with holdfast.connect(production) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("code", REFUSALS)
def test_io_uring_that_is_demanded_and_cannot_be_had_is_an_error_at_the_start(tmp_path: Path, code: str) -> None:
    settings = ProxySettings(server="127.0.0.1:5432", prefix=forbidding(code), top={"selector": "io_uring"})
    holdfast = Holdfast(tmp_path, settings)
    with pytest.raises(AssertionError, match="did not come up"):
        holdfast.start()
    assert holdfast.process.wait(10) != 0
    reason = f"cannot wait for sockets by io_uring: .*{REFUSALS[code]}.*selector = \"auto\""
    assert re.search(reason, holdfast.log_text()), holdfast.log_text()


def test_each_loop_has_a_ring_where_io_uring_is_chosen(start_holdfast: StartHoldfast, production: str) -> None:
    holdfast = start_holdfast(top={"selector": "io_uring", "loops": 3})
    assert rings(holdfast) == 3
    with holdfast.connect(production) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_loop_told_to_look_longer_looks_before_it_sleeps_and_sleeps_once_it_is_idle(
    start_holdfast: StartHoldfast, production: str, tmp_path: Path
) -> None:
    holdfast = start_holdfast(top={"selector": "epoll", "busy_poll": 1000, "loops": 1})
    with holdfast.connect(production, autocommit=True) as connection:
        with counted_system_calls(holdfast.pid, tmp_path) as busy:
            for _ in range(50):
                connection.execute("SELECT pg_sleep(0.0005)")
        # Two waits each at least, and the looks in vain before them.
        assert busy["epoll_pwait"] > 200, busy
        with counted_system_calls(holdfast.pid, tmp_path) as idle:
            connection.execute("SELECT pg_sleep(1)")
        # About 1 ms of looks after each of the two messages, however long they are waited for: a look under strace takes
        # more than 10 µs.
        assert idle["epoll_pwait"] < 400, idle
