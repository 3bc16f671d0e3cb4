"""The kinds of expressions: what every function takes and gives, and the bounds of its value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rnnspec.program.nodes import Rate, Type

Interval = tuple[float, float]
ANY: Interval = (-math.inf, math.inf)

#: The bounds of what may be no number at all, such as log(x) of an x that may be negative.  Whatever is
#: computed from it may be none either: min() and max() do not bound it.
UNDEFINED: Interval = (math.nan, math.nan)

#: What an argument may be: `scalar` a number or truth value, `truth` a truth value, `numeric` a scalar or a
#: vector, `vector` a vector, `ring` a vector whose units have preferred directions.
Wanted = Literal["scalar", "truth", "numeric", "vector", "ring"]

CONSTANT = Type("number", None, Rate.CONSTANT, False, False, *ANY)
TRUTH = replace(CONSTANT, kind="truth", low=0.0, high=1.0)


@dataclass(frozen=True)
class Signature:
    """How a function may be called, in words and in kinds.

    wants: the kind of each argument, the last one repeated up to `most`.  result: `number`, `truth`,
    `same` (elementwise: a vector if an argument is one) or `channel` (a vector of the channel's size).
    bounds: the interval of the value from those of the arguments.
    """

    usage: str
    wants: tuple[Wanted, ...]
    least: int
    most: int
    result: Literal["number", "truth", "same", "channel"]
    bounds: Callable[[Sequence[Interval]], Interval]
    operator: str | None = None


def result_type(signature: Signature, arguments: Sequence[Type], channel_size: int | None) -> Type:
    """Return the type of a call whose arguments have been checked against its signature."""
    sizes = [a.size for a in arguments if a.size is not None]
    match signature.result:
        case "channel":
            kind, size = "number", channel_size
        case "same":
            # where(c, a, b) of truth values is one; arithmetic makes numbers of them.
            branches = arguments[1:] if signature is SIGNATURES["where"] else ()
            kind = "truth" if branches and all(a.kind == "truth" for a in branches) else "number"
            size = sizes[0] if sizes else None
        case result:
            kind, size = result, None
    bounds = [(a.low, a.high) for a in arguments]
    low, high = signature.bounds(bounds)
    # Quick, since it is asked for every part of every expression: nan differs from itself.
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


def why_not_finite(function: str, arguments: Sequence[Type], result: Type) -> str:
    """Return why a call has no finite value whatever is drawn; empty if it has one, or may have."""
    bounds = [(a.low, a.high) for a in arguments]
    if function in ("div", "mod") and bounds[1] == (0.0, 0.0):
        return "this divides by 0"
    if function == "sqrt" and bounds[0][1] < 0:
        return "this is the square root of a negative number"
    if function == "log" and bounds[0][1] <= 0:
        return "this is the logarithm of what is not above 0"
    if math.isfinite(result.low) and math.isfinite(result.high):
        return ""
    constant = all(low == high and math.isfinite(low) for low, high in bounds)
    return "this has no finite value" if constant else ""


def describe(type: Type) -> str:
    """Return the kind of a value in words."""
    if type.size is not None:
        return f"a vector of {type.size}"
    return "a truth value" if type.kind == "truth" else "a number"


# --- bounds ------------------------------------------------------------------------------------------


def _corners(operation: Callable[[float, float], float]) -> Callable[[Sequence[Interval]], Interval]:
    """Bounds of an operation that is monotone in each argument: its values at the corners."""

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


def _monotone(function: Callable[[float], float]) -> Callable[[Sequence[Interval]], Interval]:
    def bounds(arguments: Sequence[Interval]) -> Interval:
        try:
            return function(arguments[0][0]), function(arguments[0][1])
        except (OverflowError, ValueError):
            return UNDEFINED

    return bounds


def _fixed(low: float, high: float) -> Callable[[Sequence[Interval]], Interval]:
    return lambda arguments: (low, high)


def _union(arguments: Sequence[Interval]) -> Interval:
    return min(a[0] for a in arguments), max(a[1] for a in arguments)


def _wave(arguments: Sequence[Interval]) -> Interval:
    low, high = arguments[0]
    return (-1.0, 1.0) if math.isfinite(low) and math.isfinite(high) else UNDEFINED


def _quotient(arguments: Sequence[Interval]) -> Interval:
    low, high = arguments[1]
    return UNDEFINED if low <= 0 <= high else _corners(lambda x, y: x / y)(arguments)


def _modulo(arguments: Sequence[Interval]) -> Interval:
    low, high = arguments[1]
    finite = all(math.isfinite(bound) for bound in (*arguments[0], low, high))
    return (min(low, 0.0), max(high, 0.0)) if finite and not low <= 0 <= high else UNDEFINED


def _power(arguments: Sequence[Interval]) -> Interval:
    (base, most), (exponent, top) = arguments
    low, high = _corners(lambda x, y: x**y)(arguments)
    if base >= 0:
        return low, high
    # Below 0 only whole exponents have a value; even ones turn at 0, negative ones have none there.
    if exponent != top or not float(exponent).is_integer() or (exponent < 0 <= most):
        return UNDEFINED
    return (0.0 if most >= 0 and exponent % 2 == 0 else low), high


def _absolute(arguments: Sequence[Interval]) -> Interval:
    low, high = arguments[0]
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def _exponential(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _random_normal(arguments: Sequence[Interval]) -> Interval:
    # The 24-bit uniforms of the noise contract cannot give a normal beyond sqrt(2 ln 2^25).
    reach = math.sqrt(50 * math.log(2)) * max(abs(arguments[1][0]), abs(arguments[1][1]))
    return arguments[0][0] - reach, arguments[0][1] + reach


_TRUTH = _fixed(0.0, 1.0)

# --- signatures --------------------------------------------------------------------------------------


def _operator(symbol: str, wanted: Wanted, bounds: Callable[[Sequence[Interval]], Interval]) -> Signature:
    result: Literal["same", "truth"] = "same" if wanted == "numeric" else "truth"
    count = 1 if symbol in ("-x", "not") else 2
    return Signature(symbol, (wanted,), count, count, result, bounds, symbol)


#: The operators, by the names the representation gives them.
OPERATORS = {
    "add": _operator("+", "numeric", _corners(lambda x, y: x + y)),
    "sub": _operator("-", "numeric", lambda a: (a[0][0] - a[1][1], a[0][1] - a[1][0])),
    "mul": _operator("*", "numeric", _corners(lambda x, y: x * y)),
    "div": _operator("/", "numeric", _quotient),
    "mod": _operator("%", "numeric", _modulo),
    "pow": _operator("**", "numeric", _power),
    "neg": _operator("-x", "numeric", lambda a: (-a[0][1], -a[0][0])),
    "lt": _operator("<", "scalar", _TRUTH),
    "le": _operator("<=", "scalar", _TRUTH),
    "gt": _operator(">", "scalar", _TRUTH),
    "ge": _operator(">=", "scalar", _TRUTH),
    "eq": _operator("==", "scalar", _TRUTH),
    "ne": _operator("!=", "scalar", _TRUTH),
    "and": _operator("and", "truth", _TRUTH),
    "or": _operator("or", "truth", _TRUTH),
    "not": _operator("not", "truth", _TRUTH),
}

_MANY = 64


def _elementwise(usage: str, bounds: Callable[[Sequence[Interval]], Interval]) -> Signature:
    return Signature(usage, ("numeric",), 1, 1, "same", bounds)


#: The functions a spec may call, besides the random ones, previous and white.
FUNCTIONS = {
    "where": Signature(
        "where(condition, a, b)", ("truth", "numeric", "numeric"), 3, 3, "same", lambda a: _union(a[1:])
    ),
    "min": Signature(
        "min(a, b, ...)",
        ("numeric",),
        2,
        _MANY,
        "same",
        lambda a: (min(x[0] for x in a), min(x[1] for x in a)),
    ),
    "max": Signature(
        "max(a, b, ...)",
        ("numeric",),
        2,
        _MANY,
        "same",
        lambda a: (max(x[0] for x in a), max(x[1] for x in a)),
    ),
    "abs": _elementwise("abs(x)", _absolute),
    "sqrt": _elementwise("sqrt(x)", _monotone(math.sqrt)),
    "exp": _elementwise("exp(x)", _monotone(_exponential)),
    "log": _elementwise("log(x)", _monotone(math.log)),
    "sin": _elementwise("sin(x)", _wave),
    "cos": _elementwise("cos(x)", _wave),
    "tanh": _elementwise("tanh(x)", _monotone(math.tanh)),
    "sign": _elementwise("sign(x)", _fixed(-1.0, 1.0)),
    "floor": _elementwise("floor(x)", _monotone(lambda x: math.floor(x) if math.isfinite(x) else x)),
    "pick": Signature("pick(k, a, b, ...)", ("scalar", "numeric"), 2, _MANY, "same", lambda a: _union(a[1:])),
    "onehot": Signature("onehot(k)", ("scalar",), 1, 1, "channel", _fixed(0.0, 1.0)),
    "ring": Signature("ring(angle, width)", ("scalar",), 1, 2, "channel", _fixed(0.0, 1.0)),
    "angle": Signature("angle(output)", ("ring",), 1, 1, "number", _fixed(0.0, 2 * math.pi)),
    "distance": Signature("distance(a, b)", ("scalar",), 2, 2, "number", _fixed(0.0, math.pi)),
    "argmax": Signature("argmax(output)", ("vector",), 1, 1, "number", _fixed(0.0, math.inf)),
}

#: The random calls, which stand only in `draw` and `sequence`.
RANDOM = {
    "uniform": Signature("uniform(low, high)", ("scalar",), 2, 2, "number", _union),
    "normal": Signature("normal(mean, sd)", ("scalar",), 2, 2, "number", _random_normal),
    "choice": Signature("choice(a, b, ...)", ("scalar",), 1, _MANY, "number", _union),
    "bernoulli": Signature("bernoulli(p)", ("scalar",), 1, 1, "truth", _TRUTH),
    "integer": Signature("integer(low, high)", ("scalar",), 2, 2, "number", _union),
    "exponential": Signature(
        "exponential(mean, low, high)", ("scalar",), 3, 3, "number", lambda a: _union(a[1:])
    ),
}

WHITE = Signature("white(s)", ("scalar",), 1, 1, "number", _fixed(*ANY))

#: Calls with a rule of their own in `expressions.py`.
SPECIAL = ("previous", "white")

SIGNATURES = {**OPERATORS, **FUNCTIONS, **RANDOM}
CALLABLE = (*FUNCTIONS, *RANDOM, *SPECIAL)
