"""Numbers and small charts of an ensemble, in characters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

_BLOCKS = " ▁▂▃▄▅▆▇█"
_ASCII = " .:-=+*#%"

#: Shown in place of a performance if the task does not define one.
UNSCORED = "not scored: no epoch of the task has 'correct'"


def quantile(values: Sequence[float], share: float) -> float:
    """Return a quantile of the values, interpolated linearly; nan if there are none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def histogram(values: Sequence[float], bins: int, encoding: str) -> str:
    """Return a histogram of values in [0, 1], a character for each bin; a bin with any value is visible."""
    counts = [0] * bins
    for value in values:
        if math.isfinite(value):
            counts[min(max(int(value * bins), 0), bins - 1)] += 1
    return bars(counts, max(counts), encoding)


def bars(heights: Sequence[float], top: float, encoding: str) -> str:
    """Return heights between 0 and `top` as a row of bars; every height above 0 is visible."""
    marks = _BLOCKS if can_encode(_BLOCKS, encoding) else _ASCII
    row = []
    for height in heights:
        share = height / top if top > 0 and math.isfinite(height) else 0.0
        level = math.ceil(min(max(share, 0.0), 1.0) * (len(marks) - 1))
        row.append(marks[level])
    return "".join(row)


def can_encode(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def span(seconds: float) -> str:
    """Return a duration in its two largest units: `4 h 41 min`, `12 s`."""
    whole = round(seconds)
    for size, name, below, smaller in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // below} {smaller}"
    return f"{whole} s"


def rate(per_second: float) -> str:
    """Return the speed of a training: iterations per second, or seconds per iteration."""
    if per_second >= 1:
        return f"{per_second:.3g} iterations/s"
    return f"{1 / per_second:.3g} s per iteration"


def score(value: float) -> str:
    """Return a performance with three decimals, rounded down; `none` for nan."""
    if not math.isfinite(value):
        return "none"
    # Rounded down: 0.9899 must not look as if a criterion of 0.99 had been reached.
    return str(Decimal(repr(value)).quantize(Decimal("0.001"), ROUND_FLOOR))
