"""The types of expressions: that of a call follows from its function and the types of its arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rnnspec.program.bounds import ANY, UNDEFINED
from rnnspec.program.expression_nodes import Rate, Type
from rnnspec.program.functions import FUNCTIONS, RANDOM, Function
from rnnspec.program.operators import OPERATORS

CONSTANT = Type("number", None, Rate.CONSTANT, False, False, *ANY)
TRUTH = replace(CONSTANT, kind="truth", low=0.0, high=1.0, whole=True)

#: What a program applies to arguments, by the names it gives them.
APPLIED = {**OPERATORS, **FUNCTIONS, **RANDOM}


def result_type(function: Function, arguments: Sequence[Type], channel_size: int | None) -> Type:
    """Return the type of a call whose arguments are of the kinds that its function takes."""
    sizes = [a.size for a in arguments if a.size is not None]
    low, high, slack, whole = _bounds(function, arguments)
    kind, size = "number", None
    match function.result:
        case "same":
            size = sizes[0] if sizes else None
        case "truth":
            kind = "truth"
        case "branch":
            size = sizes[0] if sizes else None
            kind = "truth" if all(a.kind == "truth" for a in arguments[1:]) else "number"
        case "unit":
            high = float(max(sizes, default=1) - 1)
        case "channel" | "ring":
            size = channel_size
    # Quick, since it is asked for every part of every expression: NaN differs from itself.
    if kind != "truth" and (low != low or high != high or any(a.low != a.low for a in arguments)):
        low, high, slack = *UNDEFINED, 0.0
    return Type(
        "truth" if kind == "truth" else "number",
        size,
        max((a.rate for a in arguments), default=Rate.CONSTANT),
        any(a.reads for a in arguments),
        any(a.random for a in arguments),
        low,
        high,
        whole or kind == "truth",
        slack,
    )


def _bounds(function: Function, arguments: Sequence[Type]) -> tuple[float, float, float, bool]:
    """Return low, high, slack and whole of a call."""
    whole = function.whole([a.whole for a in arguments])
    within = [(a.low, a.high) for a in arguments]
    if whole and function.whole_bounds is not None:
        return *function.whole_bounds(within), 0.0, whole
    low, high = function.bounds(within)
    if function.reached is None and not any(a.slack for a in arguments):
        return low, high, 0.0, whole
    reach = (function.reached or function.bounds)([(a.low, a.high - a.slack) for a in arguments])[1]
    if function.steps:
        return low, reach, 0.0, whole
    return low, high, high - reach if reach < high < math.inf else 0.0, whole


def union(types: Sequence[Type]) -> tuple[float, float, bool, float]:
    """Return low, high, whole and slack of what is one of several values."""
    high = max(t.high for t in types)
    reach = max(t.high - t.slack for t in types)
    slack = high - reach if math.isfinite(high) else 0.0
    return min(t.low for t in types), high, all(t.whole for t in types), slack


def why_not_finite(function: Function, arguments: Sequence[Type], result: Type) -> str:
    """Return why a call has no finite value whatever is drawn; empty if it has one, or may have."""
    bounds = [(a.low, a.high) for a in arguments]
    objection = function.objection(bounds)
    if objection is not None:
        return objection[0]
    if math.isfinite(result.low) and math.isfinite(result.high):
        return ""
    constant = all(low == high and math.isfinite(low) for low, high in bounds)
    return "this has no finite value" if constant else ""


def describe(type: Type) -> str:
    """Return the kind of a value in words."""
    if type.size is not None:
        return f"a vector of {type.size}"
    return "a truth value" if type.kind == "truth" else "a number"
