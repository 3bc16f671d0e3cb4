"""The operators of expressions, by the names the program gives them; `usage` is the symbol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rnnspec.program import arithmetic, bounds
from rnnspec.program.bounds import Bounds, Interval
from rnnspec.program.functions import Argument, Function, never


def _binary(symbol: str, interval: Bounds, value: Callable[..., float]) -> Function:
    return Function(symbol, "", "", ("numeric",), (2, 2), "same", interval, value, whole=all)


def _test(
    symbol: str, value: Callable[..., float], argument: Argument = "scalar", count: int = 2
) -> Function:
    return Function(symbol, "", "", (argument,), (count, count), "truth", bounds.fixed(0.0, 1.0), value)


def _zero_divisor(arguments: Sequence[Interval]) -> tuple[str, str] | None:
    return ("this divides by 0", "") if arguments[1] == (0.0, 0.0) else None


OPERATORS = {
    "add": _binary("+", bounds.corners(lambda a, b: a + b), lambda a, b: a + b),
    "sub": _binary("-", bounds.difference, lambda a, b: a - b),
    "mul": _binary("*", bounds.corners(lambda a, b: a * b), lambda a, b: a * b),
    "div": replace(_binary("/", bounds.quotient, arithmetic.divide), objection=_zero_divisor, whole=never),
    "mod": replace(
        _binary("%", bounds.remainder, lambda a, b: a % b),
        objection=_zero_divisor,
        whole_bounds=bounds.whole_remainder,
        reached=bounds.remainder_reached,
    ),
    "pow": replace(_binary("**", bounds.power, arithmetic.power), whole=never),
    "neg": replace(_binary("-", bounds.negative, lambda a: -a), counts=(1, 1)),
    "lt": _test("<", lambda a, b: a < b),
    "le": _test("<=", lambda a, b: a <= b),
    "gt": _test(">", lambda a, b: a > b),
    "ge": _test(">=", lambda a, b: a >= b),
    "eq": _test("==", lambda a, b: a == b),
    "ne": _test("!=", lambda a, b: a != b),
    "and": _test("and", lambda a, b: a != 0 and b != 0, "truth"),
    "or": _test("or", lambda a, b: a != 0 or b != 0, "truth"),
    "not": _test("not", lambda a: a == 0, "truth", 1),
}

COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")

#: The operators that compute numbers and have two operands.
ARITHMETIC = ("add", "sub", "mul", "div", "mod", "pow")
