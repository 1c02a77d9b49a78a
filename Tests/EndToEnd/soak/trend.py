"""Whether a series of measurements is flat, by means that a few high or low values do not sway."""

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import median

# How much a flat series may rise, as a share of its level.
TOLERANCE = 0.03


@dataclass(frozen=True)
class Trend:
    """`slope` and its 95 % bounds: by Theil and Sen, in units of the values for the whole time looked at.

    `allowed` is how much the series may rise.
    """

    early: float
    late: float
    allowed: float
    slope: float
    lowest_slope: float
    highest_slope: float

    @property
    def is_flat(self) -> bool:
        """No level above the early one, and no rise that is both beyond noise and beyond the tolerance."""
        return self.late <= self.early + self.allowed and (self.lowest_slope <= 0 or self.slope <= self.allowed)


def trend(seconds: list[float], values: list[float], allowed: float = 0.0) -> Trend:
    """Of everything behind the first sixth, in which the process warms up.

    `allowed` holds instead of the tolerance where it is more.
    """
    count = len(values)
    sixth = count // 6
    early, late = median(values[sixth : 2 * sixth]), median(values[-sixth:])
    points = list(zip(seconds[sixth:], values[sixth:], strict=True))
    span = points[-1][0] - points[0][0]
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0]) * span for a, b in combinations(points, 2) if b[0] > a[0])
    # Sen's bounds: the variance of Kendall's S says how far from the middle of the slopes they lie.
    observations = len(points)
    deviation = 1.96 * math.sqrt(observations * (observations - 1) * (2 * observations + 5) / 18)
    low = max(0, int((len(slopes) - deviation) / 2))
    high = min(len(slopes) - 1, int((len(slopes) + deviation) / 2) + 1)
    return Trend(early, late, max(early * TOLERANCE, allowed), median(slopes), slopes[low], slopes[high])
