"""What a condition tells about the values of variables: `where(x == 3, 0, x + 1)` adds 1 to no 3."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from rnnspec.program.expression_nodes import Apply, Clock, Expression, Type, Variable

#: The comparison with the operands swapped, and the one that holds where it does not.
_SWAPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
_OPPOSITE = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt", "eq": "ne", "ne": "eq"}

#: The types of variables, and of `t`, by name.
Types = Mapping[str, Type]


def refined(condition: Expression, holds: bool) -> Types:
    """Return the narrower types of variables where a condition holds, or where it does not."""
    found: dict[str, Type] = {}
    for name, type in _narrowed(condition, holds):
        if name in found:
            other = found[name]
            type = _within(other, type.low, type.high - type.slack)
        found[name] = type
    return found


def _narrowed(condition: Expression, holds: bool) -> Iterator[tuple[str, Type]]:
    match condition:
        case Variable(type=Type(kind="truth") as type, name=name):
            yield name, _within(type, float(holds), float(holds))
        case Apply(function="not", arguments=(inner,)):
            yield from _narrowed(inner, not holds)
        case Apply(function="and" | "or" as word, arguments=parts) if holds == (word == "and"):
            for part in parts:
                yield from _narrowed(part, holds)
        case Apply(function=word, arguments=(left, right)) if word in _OPPOSITE:
            word = word if holds else _OPPOSITE[word]
            yield from _compared(left, word, right)
            yield from _compared(right, _SWAPPED[word], left)


def _compared(value: Expression, word: str, other: Expression) -> Iterator[tuple[str, Type]]:
    """Yield the type of a variable that compares in this way with another value."""
    if not isinstance(value, Variable | Clock):
        return
    name = value.name if isinstance(value, Variable) else "t"
    type, low, high = value.type, other.type.low, other.type.high
    if any(map(math.isnan, (type.low, type.high, low, high))):
        return
    match word:
        case "eq":
            yield name, _within(type, low, high)
        case "le":
            yield name, _within(type, -math.inf, high)
        case "ge":
            yield name, _within(type, low, math.inf)
        case "lt":
            yield name, _within(type, -math.inf, _below(high, type.whole))
        case "gt":
            yield name, _within(type, -_below(-low, type.whole), math.inf)
        case "ne" if low == high and type.whole:
            least = type.low + 1 if type.low == low else type.low
            most = type.high - 1 if type.high == low else type.high
            yield name, _within(type, least, most)


def _below(bound: float, whole: bool) -> float:
    """Return the largest number, or whole number, below a bound."""
    if not math.isfinite(bound):
        return bound
    return math.ceil(bound) - 1.0 if whole else math.nextafter(bound, -math.inf)


def _within(type: Type, low: float, high: float) -> Type:
    """Return a type whose values also lie in an interval; unchanged if that leaves nothing."""
    if type.whole:
        low = float(math.ceil(low)) if math.isfinite(low) else low
        high = float(math.floor(high)) if math.isfinite(high) else high
    reach = min(type.high - type.slack, high)
    least, most = max(type.low, low), min(type.high, high)
    if least > reach:
        return type
    return replace(type, low=least, high=most, slack=most - reach if math.isfinite(most) else 0.0)
