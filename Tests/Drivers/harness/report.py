"""The table in docs/drivers.md."""

BEGIN, END = "<!-- table: scripts/test-drivers -->", "<!-- end of table -->"


def page(text: str, comparisons: list) -> str:
    """The page with the rows of the suites that were run; rows of others stay."""
    head, rest = text.split(BEGIN, 1)
    old, tail = rest.split(END, 1)
    rows = {line.split("|")[1].strip(): line for line in old.splitlines()[4:] if line.startswith("|")}
    rows |= {found.suite: row(found) for found in comparisons}
    table = [
        "",
        "",
        "| suite | version | tests | fail directly | fail, recording only | differ, recording only | fail, production "
        "| differ, production | of these not by a rule | refusals by rule |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
        *rows.values(),
        "",
    ]
    return head + BEGIN + "\n".join(table) + "\n" + END + tail


def row(found) -> str:
    rules = ", ".join(f"{rule} {count}" for rule, count in sorted(found.rules.items())) or "none"
    cells = [
        found.suite, found.version, found.tests, found.direct, found.recording, len(found.recording_unlike),
        found.production, len(found.production_unlike), len(found.unexplained), rules,
    ]  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
