"""PostgreSQL's own programs, and how the tests run them."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")


def postgres_programs() -> Path:
    """The folder of the newest installed PostgreSQL's programs; fails where there is none.

    HOLDFAST_POSTGRES_BIN names another one (scripts/test-guard-versions).
    """
    if chosen := os.environ.get("HOLDFAST_POSTGRES_BIN"):
        return Path(chosen)
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not folders:
        raise RuntimeError("no PostgreSQL server found under /usr/lib/postgresql; scripts/test installs it")
    return max(folders, key=lambda folder: int(folder.parent.name))


def program(name: str) -> str:
    return str(postgres_programs() / name)


def unprivileged() -> dict[str, Any]:
    """Arguments for subprocess that give up root: PostgreSQL's server refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def run(
    *command: str | Path,
    environment: Mapping[str, str] | None = None,
    input: str | None = None,
    timeout: float = 100,
    check: bool = True,
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end and returns what it printed; a failure shows its output."""
    completed = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})},
        input=input,
        stdin=None if input is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=timeout,
        **options,
    )
    if check and completed.returncode != 0:
        raise AssertionError(
            f"{command} exited with {completed.returncode}\n{completed.stdout}\n{completed.stderr}"
        )
    return completed


def eventually(
    question: Callable[[], Value], timeout: float = 15, what: str | Callable[[], str] = "the condition"
) -> Value:
    """Asks until the answer is true; for states that nothing announces."""
    end = time.monotonic() + timeout
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what if isinstance(what, str) else what()} did not come within {timeout} s")
        time.sleep(0.02)
