"""Numbers as source text, and the value of expressions that are constant."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rnnspec.codegen.code import Code, Level
from rnnspec.program.expression_nodes import Apply, Expression, Number
from rnnspec.program.types import APPLIED

_MULTIPLES = [(n, d) for d in (1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 16, 18, 32, 36) for n in range(1, 9)]


@dataclass(frozen=True)
class Literals:
    """How a language writes numbers; whole: what stands behind the digits of a whole number."""

    pi: str
    infinity: str
    nan: str
    whole: str = ""


PYTHON = Literals("math.pi", "math.inf", "math.nan")


def literal(value: float, literals: Literals = PYTHON) -> str:
    """Return a number as a literal that reads back to it."""
    if math.isnan(value):
        return literals.nan
    if math.isinf(value):
        return literals.infinity if value > 0 else f"-{literals.infinity}"
    negative_zero = value == 0 and math.copysign(1, value) < 0
    if value == int(value) and abs(value) < 10**6 and not negative_zero:
        return f"{int(value)}{literals.whole}"
    return repr(float(value))


def number(value: float, literals: Literals = PYTHON) -> Code:
    """Return a number as source; simple multiples of pi keep their pi."""
    if value == 0:
        level = Level.ATOM if math.copysign(1, value) > 0 else Level.SIGN
        return Code(literal(value, literals), level, literal=True)
    if value < 0:
        positive = number(-value, literals)
        return Code(f"-{positive.at(Level.SIGN).text}", Level.SIGN, literal=True)
    for n, d in _MULTIPLES:
        if value == n * math.pi / d:
            text = (literals.pi if n == 1 else f"{n} * {literals.pi}") + ("" if d == 1 else f" / {d}")
            return Code(text, Level.ATOM if n == d == 1 else Level.PRODUCT, literal=True)
    return Code(literal(value, literals), literal=True)


def value_of(node: Expression) -> float | None:
    """Return the value of an expression that is a constant number, by the rules of float64; else None."""
    if isinstance(node, Number):
        return float(node.value)
    if not isinstance(node, Apply):
        return None
    # Each argument is looked at once: nested calls would double the work at every level.
    known = [value_of(argument) for argument in node.arguments]
    function = APPLIED[node.function]
    if function.chooses and known[0] is not None:
        return known[_place(node, known[0])]
    if node.function in ("and", "or") and any(
        k is not None and (k != 0) == (node.function == "or") for k in known
    ):
        return float(node.function == "or")
    values = [value for value in known if value is not None]
    if function.value is None or len(values) < len(known):
        return None
    return function.of(*values)


def known_choice(node: Apply) -> Expression | None:
    """Return the argument that a constant chooses among the others; None if there is no such constant."""
    if not APPLIED[node.function].chooses:
        return None
    chooser = value_of(node.arguments[0])
    return None if chooser is None else node.arguments[_place(node, chooser)]


def _place(node: Apply, chooser: float) -> int:
    """Return the place of the argument of a where or pick that its first one chooses."""
    if node.function == "where":
        return 1 if chooser != 0 else 2
    last = len(node.arguments) - 1
    return next((place for place in range(1, last) if chooser == place - 1), last)
