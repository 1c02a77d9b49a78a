"""Bar charts as SVG. Plain, with a light ground of their own, so that they can be read on any page."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

COLOURS = {
    "direct": "#98a2b3", "pgbouncer": "#d9822b", "haproxy": "#4c7fc0", "holdfast": "#1f8a5b",
    "holdfast-write": "#7cc7a3", "holdfast-bare": "#a9b8a0",
}  # fmt: skip

WIDTH = 860
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 58, 50
PLOT_HEIGHT = 220
HEIGHT = TOP + PLOT_HEIGHT + BOTTOM


@dataclass(frozen=True)
class Bar:
    """A median, and the least and the most of the rounds."""

    value: float
    low: float
    high: float


class Scale:
    """From values to heights above the axis, and the values that get a line."""

    def __init__(self, highest: float, lowest: float, is_logarithmic: bool) -> None:
        """`lowest` is the least value above 0; only the logarithmic one needs it."""
        self._is_logarithmic = is_logarithmic
        if is_logarithmic:
            self._bottom = floor(log10(lowest))
            self._top = max(ceil(log10(highest)), self._bottom + 1)
            self.marks = [10.0**power for power in range(self._bottom, self._top + 1)]
        else:
            step = nice_step(highest / 5)
            self.marks = [step * index for index in range(ceil(highest / step - 1e-9) + 1)]

    def height(self, value: float) -> float:
        if not self._is_logarithmic:
            return value / self.marks[-1] * PLOT_HEIGHT
        if value <= 0:
            return 0
        return max(0.0, (log10(value) - self._bottom) / (self._top - self._bottom)) * PLOT_HEIGHT


def nice_step(least: float) -> float:
    """The next of 1, 2, 2.5, 5, 10 … times a power of ten."""
    power = 10.0 ** floor(log10(least))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= least * (1 - 1e-9))


def shown(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:g}" if value == 0 or abs(value) >= 0.001 else f"{value:.0e}"


def bar_chart(
    title: str, unit: str, categories: Sequence[str], series: dict[str, Sequence[Bar | None]],
    is_logarithmic: bool = False,
) -> str:  # fmt: skip
    """A group of bars for each category, a bar in it for each of the series; None leaves a gap.

    In a category's name, a line break splits it over two lines.
    """
    bars = [bar for row in series.values() for bar in row if bar is not None]
    assert bars, f"nothing to plot for {title!r}"
    positive = [bar.value for bar in bars if bar.value > 0] or [1.0]
    scale = Scale(max([bar.high for bar in bars] + [min(positive)]), min(positive), is_logarithmic)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif"'
        ' font-size="12">',
        "<style>.t{fill:#123}.s{fill:#456}.m{text-anchor:middle}.e{text-anchor:end}.g{stroke:#d5dbe3}.w{stroke:#123}"
        "</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#f6f8fa"/>',
        f'<text class="t" x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    parts += legend(list(series), unit)
    floor_y = TOP + PLOT_HEIGHT
    for mark in scale.marks:
        y = floor_y - scale.height(mark)
        parts.append(f'<path class="g" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="s e" x="{LEFT - 6}" y="{y + 4:.1f}">{shown(mark)}</text>')
    group_width = (WIDTH - LEFT - RIGHT) / len(categories)
    bar_width = min(34.0, group_width * 0.84 / len(series))
    for index, category in enumerate(categories):
        centre = LEFT + group_width * (index + 0.5)
        for line, text in enumerate(category.split("\n")):
            parts.append(f'<text class="t m" x="{centre:.1f}" y="{floor_y + 18 + 15 * line}">{escape(text)}</text>')
        for place, (name, row) in enumerate(series.items()):
            bar = row[index]
            if bar is None:
                continue
            x = centre + (place - len(series) / 2) * bar_width
            height = scale.height(bar.value)
            parts.append(
                f'<rect x="{x + 1:.1f}" y="{floor_y - height:.1f}" width="{bar_width - 2:.1f}" height="{height:.1f}"'
                f' fill="{COLOURS.get(name, "#777")}"><title>{escape(name)}: {bar.value:.4g} {escape(unit)}</title></rect>'
            )
            if bar.high > bar.low:
                top, bottom = floor_y - scale.height(bar.high), floor_y - scale.height(bar.low)
                parts.append(f'<path class="w" d="M{x + bar_width / 2:.1f} {bottom:.1f}V{top:.1f}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def legend(names: Sequence[str], unit: str) -> list[str]:
    parts = [f'<text class="s e" x="{WIDTH - RIGHT}" y="44">{escape(unit)}; the line is the spread</text>']
    x = float(LEFT)
    for name in names:
        parts.append(f'<rect x="{x:.0f}" y="34" width="11" height="11" fill="{COLOURS.get(name, "#777")}"/>')
        parts.append(f'<text class="s" x="{x + 16:.0f}" y="44">{escape(name)}</text>')
        x += 34 + 7 * len(name)
    return parts
