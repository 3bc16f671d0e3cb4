"""The functions of expressions: how each is called, and what is known of its value.

This table is what the lowering, the type checker, the error messages, the folding of constants and the
table in docs/language.md read.  A target adds only its code: docs/architecture.md, "How to add".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rnnspec.program import arithmetic, bounds
from rnnspec.program.bounds import Bounds, Interval

#: What an argument may be: a `scalar`, which is a number or truth value; an `index`, a scalar that counts
#: from 0; a `truth` value; `numeric`, a scalar or a vector; a `vector`; a `ring`, a vector whose units have
#: preferred directions; the `name` of a variable.
Argument = Literal["scalar", "index", "truth", "numeric", "vector", "ring", "name"]

#: What the value is: a `number`; a `truth` value; the `same` as the arguments, a vector if one of them is; a
#: `branch`, one of the arguments behind the first, so a truth value if they are; the number of a `unit` of
#: the argument; a vector for a `channel`, or for a channel that is a `ring`.
Result = Literal["number", "truth", "same", "branch", "unit", "channel", "ring"]

#: Why a call has no value whatever is drawn, and the remedy (or ""), from the bounds of its arguments; None
#: if it has a value or may have one.
Objection = Callable[[Sequence[Interval]], tuple[str, str] | None]

#: Whether the value is a whole number, from whether each argument is.
Whole = Callable[[Sequence[bool]], bool]


def always(arguments: Sequence[bool]) -> bool:
    return True


def never(arguments: Sequence[bool]) -> bool:
    return False


def behind_first(arguments: Sequence[bool]) -> bool:
    return all(arguments[1:])


#: The most arguments of a function that takes any number.
MANY = 64


@dataclass(frozen=True)
class Function:
    """An operator, a function or a random call.

    usage: how it is written.  meaning, example: its line in docs/language.md; the example uses the names of
    the first spec there.  arguments: their kinds; the last one repeats.  counts: the fewest and the most
    arguments.  bounds: of the value, from those of the arguments.  value: of numbers in float64; None for
    what is random, or makes or takes a vector.  defaults: the last arguments, where they are left out.
    chooses: whether the first argument chooses one of the others, which is the value.

    For narrower bounds: whole, whether the value is a whole number; whole_bounds, those of a whole number;
    reached, those that a value reaches, which `bounds` may exceed by a rounding error; steps, whether the
    function jumps at whole numbers, so that its bounds are those of what its argument reaches.
    """

    usage: str
    meaning: str
    example: str
    arguments: tuple[Argument, ...]
    counts: tuple[int, int]
    result: Result
    bounds: Bounds
    value: Callable[..., float] | None = None
    objection: Objection = lambda intervals: None
    defaults: tuple[float, ...] = ()
    chooses: bool = False
    whole: Whole = never
    whole_bounds: Bounds | None = None
    reached: Bounds | None = None
    steps: bool = False

    def kinds(self, count: int) -> list[Argument]:
        """Return the kind of each of so many arguments."""
        return [*self.arguments, *self.arguments[-1:] * count][:count]

    def of(self, *numbers: float) -> float:
        """Return the value of numbers, by the rules of float64: NaN where there is none."""
        assert self.value is not None
        return arithmetic.evaluate(self.value, *numbers)


def _objects(message: str, to: Callable[[Sequence[Interval]], bool], remedy: str = "") -> Objection:
    return lambda intervals: (message, remedy) if to(intervals) else None


# --- functions that may stand anywhere ---------------------------------------------------------------


def _unary(
    usage: str,
    meaning: str,
    example: str,
    interval: Bounds,
    value: Callable[[float], float],
    objection: Objection = lambda intervals: None,
) -> Function:
    return Function(usage, meaning, example, ("numeric",), (1, 1), "same", interval, value, objection)


_ANYWHERE = {
    "where": Function(
        "where(condition, a, b)",
        "a if the condition holds, else b",
        "where(direction < pi, 1, -1)",
        ("truth", "numeric"),
        (3, 3),
        "branch",
        bounds.of_others,
        value=lambda condition, a, b: a if condition != 0 else b,
        chooses=True,
        whole=behind_first,
    ),
    "pick": Function(
        "pick(k, a, b, ...)",
        "a if k is 0, b if k is 1, ...",
        "pick(direction > pi, 0.5, 1)",
        ("index", "numeric"),
        (2, MANY),
        "same",
        bounds.of_others,
        value=arithmetic.pick,
        chooses=True,
        whole=behind_first,
    ),
    "min": Function(
        "min(a, b, ...)",
        "the smallest of the values",
        "min(direction, 3)",
        ("numeric",),
        (2, MANY),
        "same",
        bounds.smallest,
        value=arithmetic.smallest,
        whole=all,
    ),
    "max": Function(
        "max(a, b, ...)",
        "the largest of the values",
        "max(direction, 3)",
        ("numeric",),
        (2, MANY),
        "same",
        bounds.largest,
        value=arithmetic.largest,
        whole=all,
    ),
    "abs": replace(
        _unary("abs(x)", "the absolute value", "abs(direction - pi)", bounds.absolute, abs), whole=all
    ),
    "sqrt": _unary(
        "sqrt(x)",
        "the square root",
        "sqrt(direction)",
        bounds.monotone(math.sqrt),
        math.sqrt,
        _objects("this is the square root of a negative number", lambda of: of[0][1] < 0),
    ),
    "exp": _unary(
        "exp(x)", "e to the power x", "exp(-t / 100 ms)", bounds.monotone(bounds.exponential), math.exp
    ),
    "log": _unary(
        "log(x)",
        "the natural logarithm",
        "log(1 + direction)",
        bounds.monotone(math.log),
        arithmetic.log,
        _objects("this is the logarithm of 0 or of a negative number", lambda of: of[0][1] <= 0),
    ),
    "sin": _unary("sin(x)", "the sine, x in radians", "sin(20*pi * t)", bounds.wave, math.sin),
    "cos": _unary("cos(x)", "the cosine, x in radians", "cos(20*pi * t)", bounds.wave, math.cos),
    "tanh": _unary(
        "tanh(x)", "the hyperbolic tangent", "tanh(direction - pi)", bounds.monotone(math.tanh), math.tanh
    ),
    "floor": replace(
        _unary(
            "floor(x)",
            "the largest whole number that is not above x",
            "floor(direction)",
            bounds.monotone(arithmetic.floor),
            arithmetic.floor,
        ),
        whole=always,
        steps=True,
    ),
    "sign": replace(
        _unary("sign(x)", "-1, 0 or 1", "sign(direction - pi)", bounds.fixed(-1.0, 1.0), arithmetic.sign),
        whole=always,
    ),
}

# --- functions about channels and directions ---------------------------------------------------------

_FOR_CHANNELS = {
    "ring": Function(
        "ring(angle, width)",
        "a bump of height 1 on a ring: exp(-1/2 (d / width)^2), d the circular distance to each preferred "
        "direction; width pi/8 if absent",
        "ring(direction, pi/16)",
        ("scalar",),
        (1, 2),
        "ring",
        bounds.fixed(0.0, 1.0),
        defaults=(math.pi / 8,),
    ),
    "onehot": Function(
        "onehot(k)",
        "1 at unit k, counted from 0, else 0",
        "onehot(3)",
        ("index",),
        (1, 1),
        "channel",
        bounds.fixed(0.0, 1.0),
    ),
}

_OF_OUTPUTS = {
    "angle": Function(
        "angle(output)",
        "the direction of a ring's population vector, in [0, 2 pi)",
        "angle(saccade)",
        ("ring",),
        (1, 1),
        "number",
        bounds.fixed(0.0, 2 * math.pi),
    ),
    "argmax": Function(
        "argmax(output)",
        "the unit with the largest value, counted from 0; the first of equals",
        "argmax(saccade)",
        ("vector",),
        (1, 1),
        "unit",
        bounds.fixed(0.0, math.inf),
        whole=always,
    ),
}

_OF_DIRECTIONS = {
    "distance": Function(
        "distance(a, b)",
        "circular distance, in [0, pi]; any multiple of 2 pi may be added to either",
        "distance(direction, pi/2)",
        ("scalar",),
        (2, 2),
        "number",
        bounds.fixed(0.0, math.pi),
        value=arithmetic.distance,
    ),
    "atan2": Function(
        "atan2(y, x)",
        "the direction of the vector (x, y), in (-pi, pi]; 0 for (0, 0). Zeros have signs, as in C: "
        "atan2(-0, -1) is -pi",
        "atan2(1 + sin(direction), cos(direction))",
        ("numeric",),
        (2, 2),
        "same",
        bounds.direction,
        value=math.atan2,
    ),
}

#: The functions a spec may call, besides the random ones and those in time.
FUNCTIONS = {**_ANYWHERE, **_FOR_CHANNELS, **_OF_OUTPUTS, **_OF_DIRECTIONS}

# --- random calls, and functions in time -------------------------------------------------------------


def _outside_0_to_1(arguments: Sequence[Interval]) -> bool:
    return arguments[0][1] < 0 or arguments[0][0] > 1


def _empty(arguments: Sequence[Interval]) -> tuple[str, str] | None:
    """Object to a lower bound, the last argument but one, that is above the upper one."""
    (low, _), (_, high) = arguments[-2:]
    return (
        (f"there is no number between {low:g} and {high:g}", "the lower bound comes first")
        if low > high
        else None
    )


def _not_whole(arguments: Sequence[Interval]) -> tuple[str, str] | None:
    """Object to a fixed bound that is not a whole number, and to bounds in the wrong order."""
    fixed = (low for low, high in arguments if low == high and math.isfinite(low))
    wrong = next((bound for bound in fixed if not float(bound).is_integer()), None)
    if wrong is not None:
        return f"{wrong:g} is not a whole number", "uniform(low, high) draws from all numbers"
    return _empty(arguments)


def _unlikely(arguments: Sequence[Interval]) -> tuple[str, str] | None:
    return ("the mean must be above 0", "") if arguments[0][1] <= 0 else _empty(arguments)


def _random(
    usage: str,
    meaning: str,
    example: str,
    interval: Bounds,
    objection: Objection = lambda intervals: None,
    result: Result = "number",
) -> Function:
    count = usage.count(",") + 1
    counts = (1, MANY) if "..." in usage else (count, count)
    return Function(usage, meaning, example, ("scalar",), counts, result, interval, objection=objection)


#: The random calls, which stand only in `draw` and `sequence`.
RANDOM = {
    "uniform": replace(
        _random("uniform(low, high)", "between the two", "uniform(0, 2*pi)", bounds.union, _empty),
        reached=bounds.uniform,
    ),
    "normal": _random(
        "normal(mean, sd)",
        "Gaussian",
        "normal(0, 1)",
        bounds.normal,
        _objects("the standard deviation must not be negative", lambda of: of[1][1] < 0),
    ),
    "choice": replace(
        _random("choice(a, b, ...)", "one of the values, equally likely", "choice(1, 2)", bounds.union),
        whole=all,
    ),
    "bernoulli": _random(
        "bernoulli(p)",
        "true with probability p",
        "bernoulli(0.5)",
        bounds.fixed(0.0, 1.0),
        _objects("the probability must be between 0 and 1", _outside_0_to_1),
        "truth",
    ),
    "integer": replace(
        _random(
            "integer(low, high)",
            "a whole number, both ends included",
            "integer(1, 4)",
            bounds.union,
            _not_whole,
        ),
        whole=all,
    ),
    "exponential": _random(
        "exponential(mean, low, high)",
        "exponential, truncated to an interval; its mean is that before it is truncated",
        "exponential(0.3, 0.1, 1)",
        bounds.of_others,
        _unlikely,
    ),
}

#: What looks back in time, or is fresh at every step: `expressions.py` has a rule for each.
IN_TIME = {
    "previous": Function(
        "previous(x, initial)",
        "x in the preceding trial of the sequence, `initial` in the first; of any variable, itself and reads "
        "included (draw, epochs)",
        "previous(direction, 0)",
        ("name", "scalar"),
        (2, 2),
        "number",
        bounds.of_others,
    ),
    "white": Function(
        "white(s)",
        "fresh noise at every step and unit, s * N(0, 1) / sqrt(dt / 1 s); the same for all networks unless "
        "`trials: independent` (input)",
        "white(0.1)",
        ("scalar",),
        (1, 1),
        "number",
        bounds.fixed(*bounds.ANY),
    ),
}

#: All that a spec may call, by the headings of the table in docs/language.md.
GROUPS = {
    "": _ANYWHERE,
    "for channels (input, target)": _FOR_CHANNELS,
    "of outputs (correct, read)": _OF_OUTPUTS,
    "of directions": _OF_DIRECTIONS,
    "random (draw, sequence)": RANDOM,
    "in time": IN_TIME,
}
CALLABLE = {name: function for group in GROUPS.values() for name, function in group.items()}
