"""Lines over time, as SVG that reads on a light and on a dark page."""

from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 40
COLOURS = ["#2563c9", "#c2571a", "#2f8f4e", "#8a4fb3"]


def ticks(highest: float, count: int = 5) -> list[float]:
    """Round numbers from 0 to the first one that is not below the highest value."""
    rough = max(highest, 1e-9) / count
    power = 10.0 ** (len(str(int(rough))) - 1 if rough >= 1 else -1)
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    values = [0.0]
    while values[-1] < highest:
        values.append(values[-1] + step)
    return values


def lines(title: str, minutes: Sequence[float], series: dict[str, Sequence[float]]) -> str:
    """A plot of each series over the minutes."""
    across, up = ticks(minutes[-1], 6), ticks(max(max(values) for values in series.values()))
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(minute: float) -> float:
        return LEFT + width * minute / across[-1]

    def y(value: float) -> float:
        return TOP + height * (1 - value / up[-1])

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="20" font-size="14" fill="#222222">{escape(title)}</text>',
    ]
    for value in up:
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end" fill="#555555">{value:g}</text>')
    for minute in across:
        parts.append(
            f'<text x="{x(minute):.1f}" y="{HEIGHT - 20}" text-anchor="middle" fill="#555555">{minute:g}</text>'
        )
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end" fill="#555555">minutes</text>')
    for index, (name, values) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        points = " ".join(f"{x(minute):.1f},{y(value):.1f}" for minute, value in zip(minutes, values, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        place = WIDTH - RIGHT - 130 * (len(series) - index)
        parts.append(f'<path d="M{place} 16h16" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{place + 22}" y="20" fill="#222222">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
