"""RS212, RS229, RS230, RS236: what some trials put out of range, found by sampling trials."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeGuard

from rnnspec.check.guards import may_be_taken
from rnnspec.check.places import Guards, definitions, expressions, guarded_parts
from rnnspec.diagnostics import Problems, Span
from rnnspec.program.expression_nodes import Apply, Expression, Number, Random, Rate, walk
from rnnspec.program.nodes import Epoch, OutputChannel, Program, Target
from rnnspec.program.sampling import Trial, Value, evaluate, sample
from rnnspec.program.types import APPLIED
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.syntax.compose import Document

#: Sampled sequences, and times in an epoch.
SEQUENCES = 64
TIMES = 16

#: By how much a target may miss its range, or the sum of a distribution 1: for rounding.
TOLERANCE = 1e-6


def targets_in_range(program: Program, document: Document, problems: Problems) -> None:
    """RS229: a target that the activation of its output cannot reach.

    RS230: a target for a softmax output that is not a probability distribution.
    """
    channels = {channel.name: channel for channel in program.network.outputs}
    samples, seen = _Samples(program), set()
    for epoch in program.timeline.epochs:
        for target in epoch.targets:
            channel = channels[target.channel]
            distribution = ACTIVATIONS[channel.activation.name].distribution
            check = _check_distribution if distribution else _check_range
            if target.path not in seen and check(epoch, target, channel, samples, document, problems):
                seen.add(target.path)


def _check_distribution(
    epoch: Epoch,
    target: Target,
    channel: OutputChannel,
    samples: _Samples,
    document: Document,
    problems: Problems,
) -> bool:
    """Return whether a target is found that is not a probability distribution; reports it."""
    if isinstance(target.value, Apply) and target.value.function == "onehot":
        return False
    found = next(filter(None, map(_not_distributed, samples.of(epoch, target, channel))), "")
    if found:
        problems.warning(
            "RS230",
            f"a target for the {channel.activation.name} output '{channel.name}' is not a distribution: "
            + found,
            document.span(target.path),
            expected="values from 0 to 1 that sum to 1 over the units",
            help="onehot(k) is a distribution; with 'weight: 0' a time point does not count",
        )
    return bool(found)


def _check_range(
    epoch: Epoch,
    target: Target,
    channel: OutputChannel,
    samples: _Samples,
    document: Document,
    problems: Problems,
) -> bool:
    """Return whether a target is found that its output cannot reach; reports it."""
    function, type = ACTIVATIONS[channel.activation.name], target.value.type
    if type.low >= function.low and type.high <= function.high:
        return False
    outside = _outside(samples.of(epoch, target, channel), function.low, function.high)
    if outside is not None:
        problems.warning(
            "RS229",
            f"a target of {outside:.3g} is out of reach: '{channel.name}' is a {function.name} output, "
            + _reach(function.low, function.high),
            document.span(target.path),
            expected="a target that the output can reach",
            help="change the target, or the 'activation' of the output",
        )
    return outside is not None


def draws_are_valid(program: Program, document: Document, problems: Problems) -> None:
    """RS236: a random call whose arguments make no sense in some trials, such as swapped bounds."""
    timeline, samples = program.timeline, _Samples(program)
    for draw in timeline.draws:
        for path, value in definitions(draw).items():
            for part, span, guards in guarded_parts(document, path, value, _may_fail):
                _check_call(part, span, guards, samples, problems)


def indices_are_whole(program: Program, document: Document, problems: Problems) -> None:
    """RS212: an index of pick() or onehot() that is not a whole number in some trials."""
    samples = _Samples(program)
    for path, value in expressions(program, document):
        # By identity, since an equal part may be no index.
        callers = {id(n.arguments[0]): n.function for n in walk(value) if _may_be_fractional(n)}
        for index, span, guards in guarded_parts(document, path, value, partial(_is_among, callers)):
            found = samples.fraction(index, guards, float(program.network.dt))
            if found is not None:
                fixed = isinstance(index, Number)
                problems.error(
                    "RS212",
                    f"the index of {callers[id(index)]}() is {found}"
                    + (", which is not a whole number" if fixed else " in some trials, not a whole number"),
                    span,
                    expected="whole numbers, counted from 0",
                    help="" if fixed else "round it: floor(x), or floor(x + 0.5)",
                )


@dataclass
class _Samples:
    """Sampled trials, drawn when they are first needed."""

    program: Program
    #: How many more parts of expressions, times units, may be evaluated.
    effort: int = 400_000

    @cached_property
    def trials(self) -> list[tuple[Trial, Trial | None]]:
        """The variables of trials, each with those of the preceding trial."""
        found = sample(self.program.timeline, SEQUENCES)
        return [(trial, trials[i - 1] if i else None) for trials in found for i, trial in enumerate(trials)]

    def of(self, epoch: Epoch, target: Target, channel: OutputChannel) -> Iterator[list[float]]:
        """Yield values of a target, of all units, in sampled trials and at times that count in the loss."""
        size = channel.stop - channel.start
        parts = size * sum(1 for _ in walk(target.value))
        times = TIMES if target.value.type.rate is Rate.POINT else 1
        for trial, before in self.trials:
            duration = epoch.duration.time
            end = evaluate(epoch.duration.value, trial, before) if duration is None else float(duration)
            start = float(epoch.grace)
            if not isinstance(end, float) or not start < end:
                continue
            for time in (start + (end - start) * k / times for k in range(1, times + 1)):
                self.effort -= parts
                if self.effort < 0:
                    return
                if epoch.weight is not None and not evaluate(epoch.weight, trial, before, time):
                    continue
                value = evaluate(target.value, trial, before, time)
                if value is not None:
                    yield value if isinstance(value, list) else [value] * size

    def fraction(self, index: Expression, guards: Guards, time: float) -> str | None:
        """Return a value of an index that is not a whole number; None if no trial has one."""
        values = [
            evaluate(index, trial, before, time)
            for trial, before in self.trials
            if may_be_taken(guards, trial, before, time)
        ]
        if values and not any(values) and None in values and not guards:
            # It depends on outputs: only its bounds are known.
            values = [index.type.low, index.type.high]
        for value in values:
            if isinstance(value, float | int) and math.isfinite(value) and value != int(value):
                short = f"{value:.3g}"
                return repr(value) if float(short).is_integer() else short
        return None


def _not_distributed(values: list[float]) -> str:
    """Return why some values are not a probability distribution; empty if they are."""
    if min(values) < -TOLERANCE:
        return f"it has the value {min(values):.3g}"
    total = math.fsum(values)
    return f"its values sum to {total:.3g}" if abs(total - 1) > TOLERANCE else ""


def _outside(found: Iterator[list[float]], low: float, high: float) -> float | None:
    """Return the value that is farthest out of range; None if none is."""

    def excess(value: float) -> float:
        return max(low - value, value - high)

    values = [value for values in found for value in values if math.isfinite(value)]
    return max((value for value in values if excess(value) > TOLERANCE), key=excess, default=None)


def _reach(low: float, high: float) -> str:
    return f"{low:g} to {high:g}" if math.isfinite(high) else f"{low:g} and above"


# --- draws -------------------------------------------------------------------------------------------


def _may_fail(call: Expression) -> bool:
    """Return whether this is a random call whose arguments may be invalid, by their bounds."""
    if not isinstance(call, Random):
        return False
    types = [argument.type for argument in call.arguments]
    match call.function:
        case "uniform" | "integer":
            return not types[0].high <= types[1].low
        case "exponential":
            return not types[1].high <= types[2].low or not types[0].low > 0
        case "normal":
            return not types[1].low >= 0
        case "bernoulli":
            return not (types[0].low >= 0 and types[0].high <= 1)
    return False


def _may_be_fractional(part: Expression) -> TypeGuard[Apply]:
    """Return whether this is a function of an index that is not known to be a whole number."""
    if not isinstance(part, Apply) or APPLIED[part.function].arguments[:1] != ("index",):
        return False
    return not part.arguments[0].type.whole


def _is_among(callers: Mapping[int, str], part: Expression) -> bool:
    return id(part) in callers


def _check_call(call: Expression, span: Span, guards: Guards, samples: _Samples, problems: Problems) -> None:
    assert isinstance(call, Random)
    for trial, before in samples.trials:
        values = [evaluate(argument, trial, before) for argument in call.arguments]
        fault = _fault(call.function, values)
        if fault and may_be_taken(guards, trial, before):
            problems.warning(
                "RS236",
                f"{call.function}() is drawn with invalid arguments in some trials: {fault[0]}",
                span,
                expected=fault[1],
                help="keep the arguments in range, for example with min() and max()",
            )
            return


def _fault(function: str, values: list[Value]) -> tuple[str, str] | None:
    """Return what is wrong with the arguments of a random call, and what is expected."""
    numbers = [value for value in values if isinstance(value, float | int)]
    if len(numbers) < len(values):
        return None
    match function, numbers:
        case (("uniform" | "integer" | "exponential"), (*_, low, high)) if low > high:
            return f"from {low:.3g} to {high:.3g}", "a lower bound below the upper bound"
        case "exponential", (mean, *_) if mean <= 0:
            return f"a mean of {mean:.3g}", "a mean above 0"
        case "normal", (_, sd) if sd < 0:
            return f"a standard deviation of {sd:.3g}", "a standard deviation of at least 0"
        case "bernoulli", (p,) if not 0 <= p <= 1:
            return f"a probability of {p:.3g}", "a probability from 0 to 1"
    return None


RULES = (targets_in_range, draws_are_valid, indices_are_whole)
