"""Numbers as source text, and the value of expressions that are constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rnnspec.codegen.code import Code, Level
from rnnspec.program.nodes import Apply, Expression, Number

_MULTIPLES = [(n, d) for d in (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 16, 18, 32, 36) for n in range(1, 9)]


def literal(value: float) -> str:
    """Return a number as a literal that reads back to it."""
    if math.isnan(value):
        return "math.nan"
    if math.isinf(value):
        return "math.inf" if value > 0 else "-math.inf"
    return str(int(value)) if value == int(value) and abs(value) < 10**6 else repr(float(value))


def number(value: float) -> Code:
    """Return a number as source; simple multiples of pi keep their pi."""
    if value < 0:
        positive = number(-value)
        return Code(f"-{positive.at(Level.SIGN).text}", Level.SIGN, python=True)
    for n, d in _MULTIPLES:
        if value == n * math.pi / d:
            text = ("math.pi" if n == 1 else f"{n} * math.pi") + ("" if d == 1 else f" / {d}")
            return Code(text, Level.ATOM if n == d == 1 else Level.PRODUCT, python=True)
    return Code(literal(value), python=True)


def value_of(node: Expression) -> float | None:
    """Return the value of an expression that is a constant number, by the rules of float64; else None."""
    if isinstance(node, Number):
        return float(node.value)
    if not isinstance(node, Apply):
        return None
    # Each argument is looked at once: nested calls would double the work at every level.
    known = [value_of(argument) for argument in node.arguments]
    if node.function in ("where", "pick") and known[0] is not None:
        return known[_place(node, known[0])]
    if node.function not in _FUNCTIONS:
        return None
    if node.function in ("and", "or") and any(
        k is not None and (k != 0) == (node.function == "or") for k in known
    ):
        return float(node.function == "or")
    values = [value for value in known if value is not None]
    if len(values) < len(known):
        return None
    try:
        result = _FUNCTIONS[node.function](values)
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan
    return math.nan if isinstance(result, complex) else float(result)


def known_choice(node: Apply) -> Expression | None:
    """Return the argument of a where or pick that a constant chooses; None if it is no such call."""
    if node.function not in ("where", "pick"):
        return None
    chooser = value_of(node.arguments[0])
    return None if chooser is None else node.arguments[_place(node, chooser)]


def _place(node: Apply, chooser: float) -> int:
    """Return which argument of a where or pick its first one chooses."""
    if node.function == "where":
        return 1 if chooser != 0 else 2
    last = len(node.arguments) - 1
    return next((place for place in range(1, last) if chooser == place - 1), last)


def _divide(v: Sequence[float]) -> float:
    if v[1] != 0 or math.isnan(v[0]) or v[0] == 0:
        return v[0] / v[1]
    return math.copysign(math.inf, v[0]) * math.copysign(1, v[1])


def _power(v: Sequence[float]) -> float:
    base, exponent = v
    negative = base < 0 and exponent % 2 == 1
    if base == 0 and exponent < 0:
        return math.inf
    try:
        return float(math.pow(base, exponent))
    except OverflowError:
        return -math.inf if negative else math.inf


def _log(v: Sequence[float]) -> float:
    return -math.inf if v[0] == 0 else math.log(v[0])


def _distance(v: Sequence[float]) -> float:
    apart = (v[0] - v[1]) % (2 * math.pi)
    return min(apart, 2 * math.pi - apart)


_FUNCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "add": lambda v: v[0] + v[1],
    "sub": lambda v: v[0] - v[1],
    "mul": lambda v: v[0] * v[1],
    "div": _divide,
    "mod": lambda v: v[0] % v[1],
    "pow": _power,
    "neg": lambda v: -v[0],
    "lt": lambda v: v[0] < v[1],
    "le": lambda v: v[0] <= v[1],
    "gt": lambda v: v[0] > v[1],
    "ge": lambda v: v[0] >= v[1],
    "eq": lambda v: v[0] == v[1],
    "ne": lambda v: v[0] != v[1],
    "and": lambda v: v[0] != 0 and v[1] != 0,
    "or": lambda v: v[0] != 0 or v[1] != 0,
    "not": lambda v: v[0] == 0,
    "min": lambda v: math.nan if any(map(math.isnan, v)) else min(v),
    "max": lambda v: math.nan if any(map(math.isnan, v)) else max(v),
    "abs": lambda v: abs(v[0]),
    "sqrt": lambda v: math.sqrt(v[0]),
    "exp": lambda v: math.exp(v[0]),
    "log": _log,
    "sin": lambda v: math.sin(v[0]),
    "cos": lambda v: math.cos(v[0]),
    "tanh": lambda v: math.tanh(v[0]),
    "sign": lambda v: (v[0] > 0) - (v[0] < 0),
    "floor": lambda v: math.floor(v[0]) if math.isfinite(v[0]) else v[0],
    "distance": _distance,
}
