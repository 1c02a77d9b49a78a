"""Statements with secrets in them (Tests/Corpus/secrets), and where a secret could be found again."""

import secrets
import string
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .proxy import REPOSITORY

CORPUS = REPOSITORY / "Tests/Corpus/secrets"
CHARACTERS = string.ascii_letters + string.digits


@dataclass(frozen=True)
class SecretStatement:
    title: str
    template: str

    def written(self) -> tuple[str, list[str]]:
        """The statement with new secrets, and these."""
        made = [new_secret() for _ in range(self.template.count("{secret}"))]
        text = self.template
        for secret in made:
            text = text.replace("{secret}", secret, 1)
        return text, made


def new_secret() -> str:
    """Begins with a letter, so that it is a name where its quotes are forgotten."""
    return "k" + "".join(secrets.choice(CHARACTERS) for _ in range(15))


def secret_statements() -> list[SecretStatement]:
    blocks = (CORPUS / "secrets.txt").read_text().split("\n## ")[1:]
    return [SecretStatement(*block.rstrip("\n").split("\n", 1)) for block in blocks]


def harmless_statements() -> list[str]:
    lines = (CORPUS / "harmless.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def written_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """All that a Holdfast has written into its folder, compressed files unpacked."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name == "proxy.conf":
            continue
        if path.suffix == ".zst":
            yield path, subprocess.run(["zstdcat", path], capture_output=True, check=True).stdout.decode()
        else:
            yield path, path.read_bytes().decode("utf-8", "replace")


def forms(secret: str) -> set[str]:
    """How the secret could stand in a file: as it is, in hexadecimal digits, in other letters."""
    return {secret.lower(), secret.encode().hex()}
