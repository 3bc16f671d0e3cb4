"""RS227, RS228, RS238: scores that are the same for every answer, and equality that cannot hold."""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from rnnspec.check.places import correct_path, expressions, parts, reported
from rnnspec.check.possible import Possible
from rnnspec.diagnostics import Problems, Span
from rnnspec.program.expression_nodes import Apply, Expression, Output, Random, Variable, walk
from rnnspec.program.nodes import Path, Program
from rnnspec.program.sampling import all_values
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.syntax.compose import Document

#: Two different numbers this close, relative to their size, were meant to be equal.
ROUNDING = 1e-9

#: So many numbers are listed in a message.
FEW = 3


def conditions_can_differ(program: Program, document: Document, problems: Problems) -> None:
    """RS227, RS228: settled scores.  RS238: equality that cannot hold."""
    possible = Possible(program.timeline)
    _scores_can_differ(program, possible, document, problems)
    _equality_can_hold(program, possible, document, problems)


def _scores_can_differ(program: Program, possible: Possible, document: Document, problems: Problems) -> None:
    """RS227, RS228: a score that no answer can earn, or that every answer earns."""
    for name, path, value in _scores(program, document):
        settled = possible.truth(value)
        part, span = _decisive(possible, document, path, value, settled)
        if settled is False:
            problems.error(
                "RS227",
                f"'{name}' is never true"
                + ("" if part is value else ", because this never holds")
                + _sides(possible, part),
                span,
                expected="a condition that a network can meet",
            )
        elif settled and name != "scored":
            problems.warning(
                "RS228",
                f"'{name}' is always true, whatever the network answers" + _sides(possible, part),
                span,
                expected="a condition that a network can fail to meet",
            )


def _equality_can_hold(program: Program, possible: Possible, document: Document, problems: Problems) -> None:
    """RS238: == or != between floating-point numbers that are never exactly equal."""
    smooth = _Smooth(program, possible)
    for path, expression in expressions(program, document):
        if reported(problems, "RS227", document.span(path)):
            continue
        for part, span in parts(document, path, expression, _is_equality):
            assert isinstance(part, Apply)
            close = _nearly_equal(possible, *part.arguments)
            if close is not None:
                a, b = close
                problems.warning(
                    "RS238",
                    f"these numbers are never equal: one is {a!r}, the other {b!r}, after rounding",
                    span,
                    expected="a comparison with a tolerance",
                    help="write abs(a - b) < 0.001, or compare whole numbers",
                )
            elif smooth.never_equal(*part.arguments):
                problems.warning(
                    "RS238",
                    "these numbers are never exactly equal: one of them varies continuously",
                    span,
                    expected="a comparison with a tolerance",
                    help="write abs(a - b) < 0.1, or distance(a, b) < 0.1 for directions",
                )


def _is_equality(part: Expression) -> bool:
    return isinstance(part, Apply) and part.function in ("eq", "ne")


def _scores(program: Program, document: Document) -> Iterator[tuple[str, Path, Expression]]:
    timeline = program.timeline
    found: dict[Path, tuple[str, Expression]] = {}
    for epoch in timeline.epochs:
        if epoch.correct is not None:
            found[correct_path(epoch, document)] = "correct", epoch.correct
    for name, value in (("success", timeline.success), ("scored", timeline.scored)):
        if value is not None:
            found[(*timeline.path, name)] = name, value
    for path, (name, value) in found.items():
        yield name, path, value


def _decisive(
    possible: Possible, document: Document, path: Path, value: Expression, settled: bool | None
) -> tuple[Expression, Span]:
    """Return the smallest part of a condition, joined by `and`, that settles it alone, and its place."""
    chosen, place = value, document.span(path)
    if settled is not False:
        return chosen, place
    for part, span in parts(document, path, value, lambda part: True):
        if part is chosen:
            place = span
        if part is chosen and isinstance(part, Apply) and part.function == "and":
            chosen = next((a for a in part.arguments if possible.truth(a) is False), part)
    return chosen, place


def _sides(possible: Possible, part: Expression) -> str:
    """Return what the two sides of a comparison can be."""
    match part:
        case Apply(function="eq" | "ne" | "lt" | "le" | "gt" | "ge", arguments=(first, second)):
            sides = [_range(possible, side) for side in (first, second)]
            return f": {sides[0]} against {sides[1]}" if all(sides) else ""
    return ""


def _range(possible: Possible, expression: Expression) -> str:
    """Return what a number can be, in words; empty if it has no bounds."""
    numbers = possible.numbers(expression)
    if numbers is not None and len(numbers) <= FEW:
        return " or ".join(f"{number:g}" for number in sorted(numbers))
    low, high = possible.interval(expression)
    return f"{low:g} to {high:g}" if math.isfinite(low) and math.isfinite(high) else ""


def _nearly_equal(possible: Possible, first: Expression, second: Expression) -> tuple[float, float] | None:
    """Return two numbers that differ by rounding only, of two sets that have no number in common."""
    a, b = possible.numbers(first), possible.numbers(second)
    if a is None or b is None or a & b:
        return None
    others = sorted(b)
    for number in sorted(a):
        place = bisect(others, number)
        for other in others[max(place - 1, 0) : place + 1]:
            if abs(other - number) <= ROUNDING * max(abs(other), abs(number)):
                return number, other
    return None


@dataclass
class _Smooth:
    """Whether the values of an expression are so dense that a given one practically never occurs."""

    program: Program
    possible: Possible
    _variables: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for draw in self.program.timeline.draws:
            if all(map(self.varies, all_values(draw))):
                self._variables.add(draw.name)

    def never_equal(self, first: Expression, second: Expression) -> bool:
        for side, other in ((first, second), (second, first)):
            alone = _has_output(side) and not _has_output(other)
            if (alone or self.possible.numbers(other) is not None) and self.varies(side):
                return True
        return False

    def varies(self, expression: Expression) -> bool:
        match expression:
            case Variable(name=name):
                return name in self._variables
            case Output(type=type, name=name):
                return type.size is None and not ACTIVATIONS[self._activations[name]].rectified
            case Random(function="uniform" | "exponential", arguments=(*_, low, high)):
                return self.possible.interval(low)[1] < self.possible.interval(high)[0]
            case Random(function="normal", arguments=(_, sd)):
                return self.possible.interval(sd)[0] > 0
            case Apply(function="angle"):
                return True
            case Apply(function="add" | "sub" | "mul" | "div" | "distance" as function, arguments=(a, b)):
                return self._combined(function, a, b) or (
                    function != "div" and self._combined(function, b, a)
                )
            case Apply(function="neg" | "exp" | "log" | "sqrt" | "sin" | "cos", arguments=(a,)):
                return self.varies(a)
            case Apply(function="where", arguments=(_, a, b)):
                return self.varies(a) and self.varies(b)
        return False

    def _combined(self, function: str, dense: Expression, other: Expression) -> bool:
        """Return whether a dense value is combined with one that cannot cancel it."""
        numbers = self.possible.numbers(other)
        alone = _has_output(dense) and not _has_output(other) and function in ("add", "sub", "distance")
        harmless = numbers is not None and not (function in ("mul", "div") and 0 in numbers)
        return (alone or harmless) and self.varies(dense)

    @cached_property
    def _activations(self) -> dict[str, str]:
        return {channel.name: channel.activation.name for channel in self.program.network.outputs}


def _has_output(expression: Expression) -> bool:
    return any(isinstance(node, Output) for node in walk(expression))


RULES = (conditions_can_differ,)
