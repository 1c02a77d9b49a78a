"""File systems of their own, which can be filled."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .postgres import open_folder


@contextmanager
def disk_of(size: str) -> Iterator[Path]:
    """An empty one in memory, as large as that (tmpfs: `1m`); needs root."""
    folder = open_folder("holdfast-disk-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()
