"""The report in Markdown."""

from pathlib import Path

from figures import middle
from results import Results


def write_report(results: Results, file: Path) -> None:
    file.write_text(report(results))


def report(results: Results) -> str:
    lines = ["# Benchmarks", ""]
    lines += [f"- {name}: {text}" for name, text in results.facts.items()]
    for group in results.groups():
        lines += ["", f"## {group}", ""]
        for cell in results.group(group):
            metrics = list(cell.units)
            lines += ["", f"### {cell.title}", "", "| | " + " | ".join(metrics) + " |"]
            lines.append("| --- |" + " ---: |" * len(metrics))
            for name in cell.contenders:
                values = [middle(cell.rounds(name, metric)) for metric in metrics]
                shown = ["–" if value is None else f"{value:.4g}" for value in values]
                lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines) + "\n"
