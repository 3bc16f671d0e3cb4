"""Interval arithmetic: the bounds of a function's value, from the bounds of its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Interval = tuple[float, float]
Bounds = Callable[[Sequence[Interval]], Interval]

ANY: Interval = (-math.inf, math.inf)

#: The bounds of what may be NaN, such as log(x) of an x that may be negative.  Whatever is computed from it
#: may be NaN as well: min() and max() do not bound it.
UNDEFINED: Interval = (math.nan, math.nan)


def fixed(low: float, high: float) -> Bounds:
    """Return the bounds of a value that stays in an interval whatever its arguments are."""
    return lambda arguments: (low, high)


def monotone(function: Callable[[float], float]) -> Bounds:
    """Return the bounds of a function that never falls."""

    def bounds(arguments: Sequence[Interval]) -> Interval:
        try:
            return function(arguments[0][0]), function(arguments[0][1])
        except (OverflowError, ValueError):
            return UNDEFINED

    return bounds


def corners(operation: Callable[[float, float], float]) -> Bounds:
    """Return the bounds of an operation whose extremes lie at corners of its arguments' intervals."""

    def bounds(arguments: Sequence[Interval]) -> Interval:
        (a, b), (c, d) = arguments
        try:
            values = [operation(x, y) for x in (a, b) for y in (c, d)]
        except (OverflowError, ZeroDivisionError, ValueError):
            return UNDEFINED
        if any(isinstance(v, complex) or math.isnan(v) for v in values):
            return UNDEFINED
        return min(values), max(values)

    return bounds


def union(arguments: Sequence[Interval]) -> Interval:
    """Return the bounds of one of some values."""
    return min(a[0] for a in arguments), max(a[1] for a in arguments)


def of_others(arguments: Sequence[Interval]) -> Interval:
    """Return the bounds of one of the values behind the first argument."""
    return union(arguments[1:])


def smallest(arguments: Sequence[Interval]) -> Interval:
    return min(a[0] for a in arguments), min(a[1] for a in arguments)


def largest(arguments: Sequence[Interval]) -> Interval:
    return max(a[0] for a in arguments), max(a[1] for a in arguments)


def difference(arguments: Sequence[Interval]) -> Interval:
    (a, b), (c, d) = arguments
    return a - d, b - c


def negative(arguments: Sequence[Interval]) -> Interval:
    ((low, high),) = arguments
    return -high, -low


def absolute(arguments: Sequence[Interval]) -> Interval:
    low, high = arguments[0]
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def wave(arguments: Sequence[Interval]) -> Interval:
    """Return the bounds of a sine or cosine."""
    low, high = arguments[0]
    return (-1.0, 1.0) if math.isfinite(low) and math.isfinite(high) else UNDEFINED


def quotient(arguments: Sequence[Interval]) -> Interval:
    low, high = arguments[1]
    return UNDEFINED if low <= 0 <= high else corners(lambda x, y: x / y)(arguments)


def remainder(arguments: Sequence[Interval]) -> Interval:
    low, high = arguments[1]
    finite = all(math.isfinite(bound) for bound in (*arguments[0], low, high))
    if not finite or low <= 0 <= high:
        return UNDEFINED
    least, most = arguments[0]
    if low > 0 <= least:
        # What is below the divisor stays, and nothing grows.
        return (least if most < low else 0.0), min(most, high)
    return min(low, 0.0), max(high, 0.0)


def remainder_reached(arguments: Sequence[Interval]) -> Interval:
    """Return the bounds that a remainder reaches: that of a negative number may be rounded to the divisor."""
    low, high = remainder(arguments)
    positive = arguments[0][0] >= 0 and arguments[1][0] > 0
    return (low, math.nextafter(high, 0)) if positive and high == arguments[1][1] else (low, high)


def whole_remainder(arguments: Sequence[Interval]) -> Interval:
    """Return the bounds of the remainder of whole numbers, which is never the divisor."""
    low, high = remainder(arguments)
    least, most = arguments[1]
    return (low + 1 if low == least < 0 else low), (high - 1 if high == most > 0 else high)


def power(arguments: Sequence[Interval]) -> Interval:
    (base, most), (exponent, top) = arguments
    low, high = corners(lambda x, y: x**y)(arguments)
    if base >= 0:
        return low, high
    # Below 0 only whole exponents have a value; even ones turn at 0, negative ones have none there.
    if exponent != top or not float(exponent).is_integer() or (exponent < 0 <= most):
        return UNDEFINED
    return (0.0 if most >= 0 and exponent % 2 == 0 else low), high


def direction(arguments: Sequence[Interval]) -> Interval:
    """Return the bounds of atan2(y, x)."""
    (y, top), (x, _) = arguments
    # The angle jumps by 2 pi across the negative x axis, and has any value at the origin; elsewhere a
    # rectangle extends from the angle of one of its corners to that of another.
    return corners(math.atan2)(arguments) if y > 0 or top < 0 or x > 0 else (-math.pi, math.pi)


def exponential(value: float) -> float:
    """Return exp(x), infinite where it overflows."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def normal(arguments: Sequence[Interval]) -> Interval:
    """Return the bounds of a draw of normal(mean, sd)."""
    (low, high), (least, most) = arguments
    # The 24-bit uniforms of the noise contract cannot give a normal beyond sqrt(2 ln 2^25).
    reach = math.sqrt(50 * math.log(2)) * max(abs(least), abs(most))
    return low - reach, high + reach


def uniform(arguments: Sequence[Interval]) -> Interval:
    """Return the bounds that uniform(low, high) reaches: its 24-bit numbers stay below 1 - 2^-25."""
    (least, low), (_, high) = arguments
    return least, low + (high - low) * (1 - 2.0**-25)
