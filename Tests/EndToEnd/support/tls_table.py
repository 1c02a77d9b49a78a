"""docs/tls-matrix.md: the observed cells of the TLS matrix as tables that a person can look something up in."""

import re

from .tls_expectations import CLIENT_TLS_MODES, Combination, expected
from .tls_matrix import CLIENT_MODES, METHODS, Cells

INTRODUCTION = """# The TLS matrix

What clients see, for every way to ask for TLS, to offer it and to go on to the server. The tables are made by
`Tests/EndToEnd/test_tls_matrix.py`: it connects once for every cell, holds what comes of it against what PostgreSQL itself
answers, and against this page. What the settings mean is in [tls.md](tls.md).

    cd Tests/EndToEnd && pytest test_tls_matrix.py                        # compare
    cd Tests/EndToEnd && pytest test_tls_matrix.py --write-tls-matrix     # write this page anew

How to read it:

- A column is the client's `sslmode`; `direct` is `sslnegotiation=direct` (libpq 17 and newer).
- A row is the method that the server's pg_hba.conf names for the role, with the right password or certificate.
  `SCRAM-PLUS` is `channel_binding=require`, `SCRAM, no binding` is `channel_binding=disable`, `SCRAM` libpq's default
  `prefer`. `certificate` is the method `cert`; there `client_certificates = "verify-full"` is set, and Holdfast shows the
  server a certificate of its own. Without `[client_tls]` it has none.
- `TLS` or `clear` is how a client came in that was let in. A number is an error, by its text under the tables; with two
  numbers libpq tried both ways.
- With `auth = "scram"` Holdfast has a SCRAM verifier of every role, so that each row is SCRAM as far as the client can see;
  the method is what the server asks Holdfast for.
- **Bold** is what differs from PostgreSQL without a proxy, set up as the client's side is.
"""

Observed = dict[Combination, Cells]


class Notes:
    """The errors by number, in the order of their first appearance."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def cell(self, error: str) -> str:
        parts = [re.sub(r'user "\w+"', 'user "…"', part) for part in error.split(" / ")]
        numbers = [self.numbers.setdefault(part, len(self.numbers) + 1) for part in dict.fromkeys(parts)]
        return ", ".join(str(number) for number in numbers)

    def text(self) -> str:
        return "".join(f"{number}. `{error}`\n" for error, number in self.numbers.items())


def places(combinations: list[Combination]) -> str:
    """In words: which settings and servers lead to the same table."""
    by_server: dict[tuple[str, ...], list[str]] = {}
    for client_tls in CLIENT_TLS_MODES:
        here = [combination for combination in combinations if combination.client_tls == client_tls]
        servers = []
        for has_tls, name in ((True, "with TLS"), (False, "without TLS")):
            modes = [f"`{one.server_tls}`" for one in here if one.server_has_tls == has_tls]
            if modes:
                servers.append(f"{', '.join(modes)} to a server {name}")
        if servers:
            by_server.setdefault(tuple(servers), []).append(f"`{client_tls}`")
    return "\n".join(
        f"- `[client_tls]` {', '.join(clients)}; `[server_tls]` {'; '.join(servers)}"
        for servers, clients in by_server.items()
    )


def table(cells: Cells, client_tls: str, notes: Notes) -> str:
    lines = ["| | " + " | ".join(CLIENT_MODES) + " |", "| --- |" + " --- |" * len(CLIENT_MODES)]
    for method in METHODS:
        if (CLIENT_MODES[0], method.name) not in cells:
            continue
        row = []
        for mode in CLIENT_MODES:
            outcome = cells[mode, method.name]
            shown = notes.cell(outcome.error) if outcome.error else str(outcome)
            same = str(outcome) == str(expected(mode, method, client_tls))
            row.append(shown if same else f"**{shown}**")
        lines.append(f"| {method.name} | " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def page(observed: Observed) -> str:
    """The whole of docs/tls-matrix.md."""
    notes = Notes()
    sections = [INTRODUCTION]
    kinds = dict.fromkeys((one.authentication, one.shares_certificate) for one in observed)
    for authentication, shares_certificate in kinds:
        title = f'## auth = "{authentication}"'
        if shares_certificate:
            title += ", and clients are shown the server's own certificate"
        sections.append(title + "\n")
        tables: dict[str, list[Combination]] = {}
        for combination, cells in observed.items():
            if (combination.authentication, combination.shares_certificate) == (authentication, shares_certificate):
                tables.setdefault(table(cells, combination.client_tls, notes), []).append(combination)
        sections += [f"{places(combinations)}\n\n{text}" for text, combinations in tables.items()]
    sections.append("## The errors\n\n" + notes.text())
    return "\n".join(sections)
