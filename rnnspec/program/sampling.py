"""Sample trials in plain Python, without torch: for checks and estimates.

These are not the random numbers of a run.  The points of the random calls are spread evenly: multiples of
the square roots of primes, modulo 1 (Richtmyer 1951), so that means over few trials are accurate.  With many
random calls they are pseudorandom.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence

from rnnspec.program import arithmetic
from rnnspec.program.expression_nodes import (
    Apply,
    Clock,
    Expression,
    Number,
    Previous,
    Random,
    Variable,
    walk,
)
from rnnspec.program.nodes import Draw, Timeline
from rnnspec.program.types import APPLIED

#: A number, a vector, or None for a value that depends on the outputs of a network.
Value = float | list[float] | None

#: The variables of a trial by name.
Trial = Mapping[str, float | None]

#: Stands for the random call of a variable that deals patterns.
PATTERN = -1
#: The most trials of a sequence that are sampled; of a longer one, the first.
MAX_TRIALS = 16
#: The most parts of expressions that are evaluated for the draws of all trials together.
EFFORT = 200_000
#: One for each random call with evenly spread points.
PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)


def sample(timeline: Timeline, count: int, names: Collection[str] | None = None) -> list[list[Trial]]:
    """Return the trials of about so many sequences, fewer if the draws are very long.

    If all trials are drawn alike, each sequence has one.

    names: the variables that are needed, with all that these depend on; all if not given.
    """
    draws = [d for d in timeline.draws if names is None or d.name in names]
    trials = min(timeline.trials, MAX_TRIALS) if any(map(_differs, draws)) else 1
    parts = sum(len(list(walk(value))) for draw in draws for value in all_values(draw))
    sequences = max(1, min(count, EFFORT // max(1, parts * trials)))
    points = _Points(draws, trials)
    return [_sequence(draws, trials, points.of(number)) for number in range(sequences)]


def all_values(draw: Draw) -> tuple[Expression, ...]:
    """Return all expressions of a variable: of each trial, or of each pattern."""
    return (*draw.values, *(value for pattern in draw.patterns or () for value in pattern))


def evaluate(
    expression: Expression | None,
    trial: Trial,
    before: Trial | None = None,
    time: float = 0.0,
    draw: Callable[[Random], float] | None = None,
) -> Value:
    """Return the value of an expression in a trial.

    before: the preceding trial, if there is one.  time: since the epoch began, in seconds.  draw: returns a
    point in (0, 1) for each random call.
    """
    match expression:
        case Number(value=value):
            return value
        case Clock():
            return time
        case Variable(name=name):
            return trial.get(name)
        case Previous(name=name, initial=initial):
            return evaluate(initial, trial, None, time, draw) if before is None else before.get(name)
        case Random(function=function, arguments=arguments) if draw is not None:
            numbers = [_number(evaluate(a, trial, before, time, draw)) for a in arguments]
            return _INVERSE[function](draw(expression), *numbers)
        case Apply(function=function, arguments=arguments, type=type):
            values = [evaluate(a, trial, before, time, draw) for a in arguments]
            return _apply(function, values, type.size or 1)
    return None


def _apply(name: str, values: Sequence[Value], size: int) -> Value:
    function = APPLIED[name]
    if function.chooses and values[0] is not None:
        # A branch that is not taken need not be known.
        key, branches = (float(not values[0]) if name == "where" else values[0]), values[1:]
        return next((value for place, value in enumerate(branches) if place == key), branches[-1])
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    if name == "onehot":
        return [float(unit == known[0]) for unit in range(size)]
    if name == "ring":
        angle, width = map(_number, known)
        apart = (arithmetic.distance(angle, 2 * math.pi * unit / size) for unit in range(size))
        return [math.exp(-0.5 * (d / width) ** 2) if width else float(d == 0) for d in apart]
    if function.value is None:
        return None
    if any(isinstance(value, list) for value in known):
        columns = [value if isinstance(value, list) else [value] * size for value in known]
        return [function.of(*numbers) for numbers in zip(*columns, strict=True)]
    return function.of(*map(_number, known))


def _number(value: Value) -> float:
    return value if isinstance(value, float | int) else math.nan


def _differs(draw: Draw) -> bool:
    """Return whether a variable has another distribution in other trials of a sequence."""
    listed = len(draw.values) > 1 or any(len(pattern) > 1 for pattern in draw.patterns or ())
    return listed or any(isinstance(n, Previous) for value in all_values(draw) for n in walk(value))


def _sequence(draws: Sequence[Draw], trials: int, point: Callable[[str, int, int], float]) -> list[Trial]:
    """Return the trials of a sequence.  point: of the name of a variable, a trial and a random call."""
    found: list[Trial] = []
    for number in range(trials):
        trial: dict[str, float | None] = {}
        before = found[-1] if found else None
        for draw in draws:
            values = draw.values
            if draw.patterns is not None:
                place = int(point(draw.name, 0, PATTERN) * len(draw.patterns))
                values = draw.patterns[min(place, len(draw.patterns) - 1)]
            # What is drawn once for a sequence has the points of the first trial.
            drawn = 0 if draw.scope == "sequence" else number

            def own(call: Random, name: str = draw.name, drawn: int = drawn) -> float:
                return point(name, drawn, call.call)

            value = evaluate(values[min(number, len(values) - 1)], trial, before, draw=own)
            trial[draw.name] = value if isinstance(value, float | int) else None
        found.append(trial)
    return found


class _Points:
    """The points of the random calls of a sequence, each in (0, 1)."""

    def __init__(self, draws: Sequence[Draw], trials: int) -> None:
        self._places: dict[tuple[str, int, int], int] = {}
        for draw in draws:
            repeats = 1 if draw.scope == "sequence" else trials
            calls = [n.call for value in all_values(draw) for n in walk(value) if isinstance(n, Random)]
            for call in dict.fromkeys([*calls, *([PATTERN] if draw.patterns else [])]):
                for trial in range(repeats):
                    self._places.setdefault((draw.name, trial, call), len(self._places))
        spread = len(self._places) <= len(PRIMES)
        self._strides = [math.sqrt(prime) for prime in PRIMES] if spread else []

    def of(self, sequence: int) -> Callable[[str, int, int], float]:
        """Return the points of a sequence, by the name of a variable, the trial and the random call."""
        if self._strides:
            return lambda *place: (0.5 + (sequence + 1) * self._strides[self._places[place]]) % 1 or 0.5
        source = random.Random(sequence)
        points = [source.random() or 0.5 for _ in self._places]
        return lambda *place: points[self._places[place]]


def _normal(point: float, mean: float, sd: float) -> float:
    from statistics import NormalDist

    return mean + sd * NormalDist().inv_cdf(point)


def _exponential(point: float, mean: float, low: float, high: float) -> float:
    try:
        return low - mean * math.log1p(point * math.expm1(-(high - low) / mean))
    except (ArithmeticError, ValueError):
        return math.nan


#: The value of each random call at a point in (0, 1).
_INVERSE: dict[str, Callable[..., float]] = {
    "uniform": lambda point, low, high: low + (high - low) * point,
    "normal": _normal,
    "choice": lambda point, *values: values[int(point * len(values))],
    "bernoulli": lambda point, p: float(point < p),
    "integer": lambda point, low, high: low + arithmetic.floor((high - low + 1) * point),
    "exponential": _exponential,
}
