"""The mean durations of epochs: exact for sums of draws, else from sampled trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

from rnnspec.program.expression_nodes import Apply, Expression, Number, Random, Rate, Variable
from rnnspec.program.nodes import Timeline
from rnnspec.program.sampling import Trial, all_values, evaluate, sample
from rnnspec.program.timing import duration_draws, trial_steps

#: Sampled sequences.
COUNT = 2000


@lru_cache(maxsize=64)
def mean_durations(timeline: Timeline) -> tuple[float, ...]:
    """Return the mean duration of each epoch over trials and sequences, in seconds, without jitter."""
    means: dict[str, float | None] = {}
    for draw in timeline.draws:
        values = [_exact(value, means) for value in all_values(draw)]
        known = [value for value in values if value is not None]
        # Trials and patterns occur equally often.
        means[draw.name] = math.fsum(known) / len(known) if len(known) == len(values) else None
    exact = [
        _exact(epoch.duration.value, means) if epoch.duration.time is None else float(epoch.duration.time)
        for epoch in timeline.epochs
    ]
    if None not in exact:
        return tuple(mean for mean in exact if mean is not None)
    trials = [trial for found in sample(timeline, COUNT, duration_draws(timeline)) for trial in found]
    return tuple(
        _sampled(epoch.duration.value, trials) if mean is None else mean
        for epoch, mean in zip(timeline.epochs, exact, strict=True)
    )


def mean_trial_steps(timeline: Timeline, dt: Fraction, theta: Fraction = Fraction(1)) -> tuple[int, ...]:
    """Return the steps of each epoch of a trial without jitter, with the means of drawn durations."""
    return trial_steps(timeline, dt, theta, [0] * len(timeline.epochs), mean_durations(timeline))


def _exact(value: Expression | None, means: Mapping[str, float | None]) -> float | None:
    """Return the mean of draws, of their sums and of their multiples; None for all other expressions.

    means: of the variables, by name.
    """
    match value:
        case Number(value=number):
            return number
        case Variable(name=name):
            return means.get(name)
        case Random(function=function, arguments=arguments):
            found = [_exact(a, means) for a in arguments]
            numbers = [mean for mean in found if mean is not None]
            # Of all but `exponential`, the mean is linear in the arguments.
            fixed = all(a.type.rate is Rate.CONSTANT and not a.type.random for a in arguments)
            usable = len(numbers) == len(arguments) and (fixed or function != "exponential")
            return _mean_of_draw(function, numbers) if usable else None
        case Apply(function="neg", arguments=(inner,)):
            mean = _exact(inner, means)
            return None if mean is None else -mean
        case Apply(function="add" | "sub" as function, arguments=(first, second)):
            a, b = _exact(first, means), _exact(second, means)
            return None if a is None or b is None else a + b if function == "add" else a - b
        case Apply(function="mul", arguments=(Number(value=factor), inner) | (inner, Number(value=factor))):
            mean = _exact(inner, means)
            return None if mean is None else factor * mean
        case Apply(function="div", arguments=(inner, Number(value=divisor))) if divisor:
            mean = _exact(inner, means)
            return None if mean is None else mean / divisor
    return None


def _mean_of_draw(function: str, arguments: Sequence[float]) -> float:
    """Return the mean of a random call."""
    match function:
        case "exponential":
            mean, low, high = arguments
            width = high - low
            return low + mean + width / math.expm1(-width / mean) + width if width else low
        case "normal" | "bernoulli":
            return arguments[0]
    return math.fsum(arguments) / len(arguments)


def _sampled(value: Expression | None, trials: Sequence[Trial]) -> float:
    """Return the mean of a bounded expression over sampled trials."""
    assert value is not None
    numbers = [number for trial in trials if isinstance(number := evaluate(value, trial), float | int)]
    finite = [number for number in numbers if math.isfinite(number)]
    if not finite:
        return (value.type.low + value.type.high) / 2
    # Rounded, because the last digits of functions differ between machines, and it reaches generated source.
    return float(f"{math.fsum(finite) / len(finite):.9g}")
