"""Values of expressions in numpy, which is there in milliseconds; torch takes seconds to import.

Shapes: a number is (K', B', L'), of networks (or other players), sequences and time points, each 1 where it
does not vary.  A vector has its units as a fourth axis.  Truth values are 1.0 and 0.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnspec.program.expression_nodes import (
    Apply,
    Clock,
    Expression,
    Number,
    Output,
    Previous,
    Random,
    Variable,
    White,
)
from rnnspec.program.functions import FUNCTIONS
from rnnspec.program.operators import OPERATORS

Array = NDArray[Any]


@dataclass(frozen=True)
class Environment:
    """The values that the expressions of one trial may use.

    rng: gives the random calls, values of a shape (K', B, 1).  variables, previous: by name, of this trial
    and of the preceding one; previous is None in the first trial.  outputs: by channel.  clock: t in seconds.
    white: white(1), for so many units (None: a number).
    """

    rng: np.random.Generator
    shape: tuple[int, int, int]
    variables: Mapping[str, Array] = field(default_factory=dict)
    previous: Mapping[str, Array] | None = None
    outputs: Mapping[str, Array] = field(default_factory=dict)
    clock: Array | None = None
    white: Callable[[int | None], Array] | None = None


def evaluate(expression: Expression, environment: Environment) -> Array:
    """Return the value of an expression in float64."""
    match expression:
        case Number(value=value):
            return np.full((1, 1, 1), value)
        case Variable(name=name):
            return environment.variables[name]
        case Previous(name=name, initial=initial):
            if environment.previous is None:
                return evaluate(initial, environment)
            return environment.previous[name]
        case Output(name=name):
            return environment.outputs[name]
        case Clock():
            assert environment.clock is not None
            return environment.clock
        case White(scale=scale):
            assert environment.white is not None
            amount = evaluate(scale, environment)
            size = expression.type.size
            return environment.white(size) * (amount if size is None else amount[..., None])
        case Random(function=function, arguments=arguments):
            values = [evaluate(argument, environment) for argument in arguments]
            return _RANDOM[function](environment.rng, environment.shape, *values)
        case Apply():
            return _apply(expression, environment)


def of_channel(value: Array, size: int) -> Array:
    """Return a value for a channel of one unit as a number, of more units as a vector."""
    if size == 1:
        return value[..., 0] if value.ndim == 4 else value
    if value.ndim == 3:
        value = value[..., None]
    return np.broadcast_to(value, (*value.shape[:3], size))


def _apply(expression: Apply, environment: Environment) -> Array:
    values = [evaluate(argument, environment) for argument in expression.arguments]
    function = expression.function
    with np.errstate(all="ignore"):
        if function in _FOR_CHANNEL:
            return _FOR_CHANNEL[function](expression.type.size, *values)
        if function in _OF_VECTOR:
            return _OF_VECTOR[function](*values)
        if any(value.ndim == 4 for value in values):
            values = [value if value.ndim == 4 else value[..., None] for value in values]
        if function in _FAST:
            return np.asarray(_FAST[function](*values), dtype=float)
        entry = OPERATORS.get(function) or FUNCTIONS[function]
        return np.asarray(np.frompyfunc(entry.of, len(values), 1)(*values), dtype=float)


# --- functions --------------------------------------------------------------------------------------------


def _pick(index: Array, *choices: Array) -> Array:
    result = choices[-1]
    for place in reversed(range(len(choices) - 1)):
        result = np.where(index == place, choices[place], result)
    return result


def _distance(a: Array, b: Array) -> Array:
    apart = np.mod(a - b, 2 * math.pi)
    nearer: Array = np.minimum(apart, 2 * math.pi - apart)
    return nearer


#: Functions of numbers, or of vectors unit by unit, that numpy has.  For all others the table of the language
#: says what they compute, number by number.
_FAST: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "where": lambda condition, a, b: np.where(condition != 0, a, b),
    "pick": _pick,
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
    "abs": np.abs,
    "exp": np.exp,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "floor": np.floor,
    "distance": _distance,
}


def _preferred_directions(size: int) -> Array:
    return 2 * math.pi * np.arange(size) / size


def _ring(size: int | None, angle: Array, width: Array) -> Array:
    apart = _distance(angle[..., None], _preferred_directions(size or 1))
    bump: Array = np.exp(-0.5 * (apart / width[..., None]) ** 2)
    return bump


def _onehot(size: int | None, index: Array) -> Array:
    return _truth(index == 0 if size is None else index[..., None] == np.arange(size))


def _truth(value: Array) -> Array:
    return np.asarray(value, dtype=float)


def _angle(vector: Array) -> Array:
    preferred = _preferred_directions(vector.shape[-1])
    sine, cosine = (vector * np.sin(preferred)).sum(-1), (vector * np.cos(preferred)).sum(-1)
    angle = np.mod(np.arctan2(sine, cosine), 2 * math.pi)
    return np.where(angle >= 2 * math.pi, 0.0, angle)


_FOR_CHANNEL: dict[str, Callable[..., Array]] = {"ring": _ring, "onehot": _onehot}
_OF_VECTOR: dict[str, Callable[[Array], Array]] = {
    "angle": _angle,
    "argmax": lambda vector: vector.argmax(-1).astype(float),
}

Shape = tuple[int, int, int]


def _truncated_exponential(
    rng: np.random.Generator, shape: Shape, mean: Array, low: Array, high: Array
) -> Array:
    value: Array = low - mean * np.log1p(rng.random(shape) * np.expm1(-(high - low) / mean))
    return value


_RANDOM: dict[str, Callable[..., Array]] = {
    "uniform": lambda rng, shape, low, high: low + (high - low) * rng.random(shape),
    "normal": lambda rng, shape, mean, sd: mean + sd * rng.standard_normal(shape),
    "choice": lambda rng, shape, *values: _pick(np.floor(len(values) * rng.random(shape)), *values),
    "bernoulli": lambda rng, shape, p: (rng.random(shape) < p).astype(float),
    "integer": lambda rng, shape, low, high: low + np.floor((high - low + 1) * rng.random(shape)),
    "exponential": _truncated_exponential,
}
