"""Evaluation of typed expressions in plain Python, independent of the engines; vectors are lists."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable
from typing import Any

from rnnspec.program.expression_nodes import Apply, Expression, Number, Output, Previous, Random, Variable

#: Values by name; `previous x` is the value of x in the preceding trial.
Values = dict[str, Any]

_NUMBERS: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "mod": operator.mod,
    "pow": operator.pow,
    "neg": operator.neg,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
    "not": operator.not_,
    "where": lambda c, a, b: a if c else b,
    "distance": lambda a, b: abs((a - b + math.pi) % (2 * math.pi) - math.pi),
}


def evaluate(expression: Expression, values: Values, source: random.Random | None = None) -> Any:
    """Return the value of an expression; random calls take their numbers from `source`."""
    match expression:
        case Number(value=value):
            return value
        case Variable(name=name) | Output(name=name):
            return values[name]
        case Previous(name=name, initial=initial):
            return values.get(f"previous {name}", evaluate(initial, values, source))
        case Random(function=function, arguments=arguments):
            assert source is not None
            return _draw(function, [evaluate(a, values, source) for a in arguments], source)
        case Apply(function=function, arguments=arguments, type=result):
            return _apply(function, [evaluate(a, values, source) for a in arguments], result.size)
    raise NotImplementedError(type(expression).__name__)


def _draw(function: str, arguments: list[float], source: random.Random) -> float:
    match function:
        case "uniform":
            return source.uniform(*arguments)
        case "choice":
            return source.choice(arguments)
        case "bernoulli":
            return float(source.random() < arguments[0])
    raise NotImplementedError(function)


def _apply(function: str, arguments: list[Any], size: int | None) -> Any:
    match function:
        case "ring":
            assert size is not None
            angle, width = arguments
            bumps = (_NUMBERS["distance"](angle, 2 * math.pi * i / size) / width for i in range(size))
            return [math.exp(-0.5 * x**2) for x in bumps]
        case "onehot":
            assert size is not None
            return [float(i == arguments[0]) for i in range(size)]
        case "angle":
            (output,) = arguments
            turns = [2 * math.pi * i / len(output) for i in range(len(output))]
            y = sum(v * math.sin(a) for v, a in zip(output, turns, strict=True))
            x = sum(v * math.cos(a) for v, a in zip(output, turns, strict=True))
            return math.atan2(y, x) % (2 * math.pi)
        case "argmax":
            return arguments[0].index(max(arguments[0]))
    if any(isinstance(a, list) for a in arguments):
        columns = [a if isinstance(a, list) else [a] * (size or 1) for a in arguments]
        return [_NUMBERS[function](*row) for row in zip(*columns, strict=True)]
    return _NUMBERS[function](*arguments)
