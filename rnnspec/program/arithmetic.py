"""What functions compute of numbers, by the rules of float64: NaN and infinity instead of errors."""

from __future__ import annotations

import math
from collections.abc import Callable


def evaluate(function: Callable[..., float], *arguments: float) -> float:
    """Return the value of a function: NaN where it has none, infinite where it overflows."""
    try:
        result = function(*arguments)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan
    return float(result)


def divide(a: float, b: float) -> float:
    if b != 0 or math.isnan(a) or a == 0:
        return a / b
    return math.copysign(math.inf, a) * math.copysign(1, b)


def power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except (OverflowError, ValueError):
        if base < 0 and not exponent.is_integer():
            return math.nan
        # Too large, or a pole: 0 to a negative power.
        return math.copysign(math.inf, base) if exponent % 2 == 1 else math.inf


def smallest(*values: float) -> float:
    return math.nan if any(map(math.isnan, values)) else min(values)


def largest(*values: float) -> float:
    return math.nan if any(map(math.isnan, values)) else max(values)


def log(x: float) -> float:
    return -math.inf if x == 0 else math.log(x)


def sign(x: float) -> float:
    return x if math.isnan(x) else float((x > 0) - (x < 0))


def floor(x: float) -> float:
    return float(math.floor(x)) if math.isfinite(x) else x


def pick(index: float, *values: float) -> float:
    """Return the value with an index, counted from 0, and the last one for any other index."""
    last = len(values) - 1
    return next((values[place] for place in range(last) if index == place), values[last])


def distance(a: float, b: float) -> float:
    apart = (a - b) % (2 * math.pi)
    return min(apart, 2 * math.pi - apart)
