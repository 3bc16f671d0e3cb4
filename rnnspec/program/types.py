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
TRUTH = replace(CONSTANT, kind="truth", low=0.0, high=1.0)

#: What a program applies to arguments, by the names it gives them.
APPLIED = {**OPERATORS, **FUNCTIONS, **RANDOM}


def result_type(function: Function, arguments: Sequence[Type], channel_size: int | None) -> Type:
    """Return the type of a call whose arguments are of the kinds that its function takes."""
    sizes = [a.size for a in arguments if a.size is not None]
    low, high = function.bounds([(a.low, a.high) for a in arguments])
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
        low, high = UNDEFINED
    return Type(
        "truth" if kind == "truth" else "number",
        size,
        max((a.rate for a in arguments), default=Rate.CONSTANT),
        any(a.reads for a in arguments),
        any(a.random for a in arguments),
        low,
        high,
    )


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
