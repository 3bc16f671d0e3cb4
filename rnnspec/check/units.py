"""RS231, RS232: durations without a unit, which are seconds, and draws that mix times with plain numbers.

A program has forgotten the units, so these rules read the text of the expressions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from rnnspec.check.places import definitions, text_of, tree_of
from rnnspec.diagnostics import Problems
from rnnspec.program.functions import RANDOM
from rnnspec.program.nodes import Path, Program
from rnnspec.syntax import expression as syntax
from rnnspec.syntax.compose import Document
from rnnspec.syntax.quantity import Time

#: What a number is: a time; a plain number; 0, which needs no unit; `any` where nothing is known.
Dimension = Literal["time", "number", "zero", "any"]

#: Draws whose value has the unit of their arguments.
_DRAWS = ("uniform", "normal", "choice", "integer", "exponential")

#: A bare number in a duration from this on cannot be meant in seconds.
_MILLISECONDS = 10


def units_are_written(program: Program, document: Document, problems: Problems) -> None:
    """RS231: a drawn duration without a unit.  RS232: a draw of times and plain numbers."""
    units = _Units(program, document)
    for path, call in units.mixed():
        bare = [a for a in call.arguments if units.dimension(a) == "number"]
        numbers = [a for a in bare if _literal(a) is not None]
        times = [a.time for a in call.arguments if isinstance(a, syntax.Quantity) and a.time.amount]
        written = _with_units(call, text_of(document, path), program.network.dt, times[0] if times else None)
        help = f"write {written}" if len(numbers) == len(bare) else ""
        problems.warning(
            "RS232",
            f"{call.function}() draws from times and from numbers without a unit, which are seconds",
            document.inside(path, bare[0].start, bare[-1].end),
            expected="a unit for each time",
            help=help or "give each time a unit, such as '500 ms'",
        )
    for epoch in program.timeline.epochs:
        if epoch.duration.value is None:
            continue
        for path, tree in units.without(epoch.duration.path):
            problems.warning(
                "RS231",
                f"the duration of '{epoch.name}' has no unit here, so it is in seconds"
                + _range(program, path, document),
                document.inside(path, tree.start, tree.end),
                expected="a unit, such as ms or s",
                help=f"write {_repaired(tree, text_of(document, path), program.network.dt)}",
            )


@dataclass
class _Units:
    """The units of the expressions in durations and draws."""

    program: Program
    document: Document
    texts: dict[str, dict[Path, syntax.Tree]] = field(default_factory=dict)
    _variables: dict[str, Dimension] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Each variable comes after those that it depends on, but for what previous() makes a cycle.
        for draw in self.program.timeline.draws:
            trees = dict(self._trees(definitions(draw)))
            self.texts[draw.name] = trees
            self._variables[draw.name] = _common(list(map(self.dimension, trees.values())) or ["any"])

    def mixed(self) -> Iterator[tuple[Path, syntax.Call]]:
        """Yield the draws with arguments that are times and others that are plain numbers."""
        for trees in self.texts.values():
            for path, tree in trees.items():
                for part in _parts(tree):
                    if not isinstance(part, syntax.Call) or part.function not in _DRAWS:
                        continue
                    if {"time", "number"} <= set(map(self.dimension, part.arguments)):
                        yield path, part

    def without(self, path: Path) -> Iterator[tuple[Path, syntax.Tree]]:
        """Yield the numbers without a unit in an expression that should be a time, and in its variables.

        Of each variable, only the first.
        """
        waiting = [("", place, tree) for place, tree in self._trees([path])]
        reported = set()
        while waiting:
            owner, place, tree = waiting.pop()
            below: Iterable[syntax.Tree] = ()
            match tree:
                case syntax.Name(id=name) if name in self.texts:
                    if name not in self._seen:
                        self._seen.add(name)
                        waiting += [(name, *found) for found in reversed(self.texts[name].items())]
                    continue
                case syntax.Unary(operator="+" | "-", operand=operand):
                    below = (operand,)
                case syntax.Binary(operator="+" | "-" | "%", left=left, right=right):
                    below = (left, right)
                case syntax.Call(function=function) if (alike := _alike(tree)) is not None:
                    dimensions = set(map(self.dimension, alike))
                    if function not in _DRAWS or "number" not in dimensions:
                        below = alike
                    elif {"time", "any"} & dimensions:
                        # What is mixed has a message of its own.
                        continue
            waiting += [(owner, place, part) for part in reversed(tuple(below))]
            if not below and self.dimension(tree) == "number" and owner not in reported:
                reported |= {owner} - {""}
                yield place, tree

    def dimension(self, tree: syntax.Tree) -> Dimension:
        match tree:
            case syntax.Number(value=value):
                return "number" if value else "zero"
            case syntax.Quantity(time=time):
                return "time" if time.amount else "zero"
            case syntax.Name(id="pi"):
                return "number"
            case syntax.Name(id=name):
                return self._variables.get(name, "any")
            case syntax.Unary(operator="not"):
                return "number"
            case syntax.Unary(operand=operand):
                return self.dimension(operand)
            case syntax.Binary(operator=operator, left=left, right=right):
                return _combined(operator, self.dimension(left), self.dimension(right))
            case syntax.Call():
                return self._of_call(tree)

    def _of_call(self, tree: syntax.Call) -> Dimension:
        alike = _alike(tree)
        if alike is not None:
            return _common([self.dimension(argument) for argument in alike])
        if tree.function in ("bernoulli", "sign", "argmax") or tree.function in RANDOM:
            return "number"
        known = {self.dimension(argument) for argument in tree.arguments}
        return "number" if known <= {"number", "zero"} else "any"

    def _trees(self, paths: Iterable[Path]) -> Iterator[tuple[Path, syntax.Tree]]:
        for path in paths:
            tree = tree_of(self.document, path)
            if tree is not None:
                yield path, tree


def _alike(tree: syntax.Call) -> tuple[syntax.Tree, ...] | None:
    """Return the arguments with the unit of the value; None if the value has no unit."""
    match tree.function:
        case "where" | "pick":
            return tree.arguments[1:]
        case "min" | "max" | "abs" | "previous":
            return tree.arguments
        case function if function in _DRAWS:
            return tree.arguments
    return None


def _common(dimensions: list[Dimension]) -> Dimension:
    """Return the dimension of a sum, or of one of some values."""
    for dimension in ("any", "time", "number"):
        if dimension in dimensions:
            return dimension
    return "zero"


def _combined(operator: str, left: Dimension, right: Dimension) -> Dimension:
    match operator:
        case "+" | "-" | "%":
            return _common([left, right])
        case "*" if "zero" in (left, right):
            return "zero"
        case "*" if {left, right} <= {"number"}:
            return "number"
        case "*" if "time" in (left, right) and left != right:
            return "time"
        case "/" if left == "zero" or right in ("number", "zero"):
            return left
        case "/" if left == right == "time":
            return "number"
        case "**" if left == right == "number":
            return "number"
        case "*" | "/" | "**":
            return "any"
    # Comparisons and truth values.
    return "number"


def _parts(tree: syntax.Tree) -> Iterator[syntax.Tree]:
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(syntax.children(part))


# --- words -------------------------------------------------------------------------------------------


def _literal(tree: syntax.Tree) -> float | None:
    """Return the value of a number as written, with its sign."""
    match tree:
        case syntax.Number(value=value):
            return float(value)
        case syntax.Unary(operator="-", operand=syntax.Number(value=value)):
            return -float(value)
    return None


def _with_units(tree: syntax.Call, text: str, dt: Fraction, beside: Time | None = None) -> str:
    """Return a call with a unit behind each number.  beside: another time of the call, with its unit.

    text: the whole expression.
    """
    values = [abs(value) for value in map(_literal, tree.arguments) if value]
    unit = "ms" if max(values, default=0) >= _MILLISECONDS else "s"
    written = []
    for argument in tree.arguments:
        value = _literal(argument)
        if value and beside is not None:
            unit = _closer(abs(value), beside, dt)
        written.append(text[argument.start : argument.end] + (f" {unit}" if value else ""))
    return f"{tree.function}({', '.join(written)})"


def _closer(value: float, beside: Time, dt: Fraction) -> str:
    """Return the unit of another time, or s, whichever makes the number more similar to that time."""
    seconds = abs(float(beside.seconds(dt)))
    unit = seconds / abs(float(beside.amount))
    return beside.unit if abs(math.log(value * unit / seconds)) < abs(math.log(value / seconds)) else "s"


def _repaired(tree: syntax.Tree, text: str, dt: Fraction) -> str:
    """Return what to write in place of a number, or a draw of numbers, without a unit."""
    if (value := _literal(tree)) is not None:
        return f"{text[tree.start : tree.end]} {'ms' if abs(value) >= _MILLISECONDS else 's'}"
    drawn = isinstance(tree, syntax.Call) and tree.function in _DRAWS
    if isinstance(tree, syntax.Call) and drawn and None not in map(_literal, tree.arguments):
        return _with_units(tree, text, dt)
    return "the numbers with a unit, or multiply by a unit: '* 1 s' or '* 1 ms'"


def _range(program: Program, path: Path, document: Document) -> str:
    """Return the bounds of a variable that is nothing but a draw, in seconds."""
    for draw in program.timeline.draws:
        if path == draw.path and math.isfinite(draw.type.low) and math.isfinite(draw.type.high):
            low, high = f"{draw.type.low:,.4g}", f"{draw.type.high:,.4g}"
            return f": {low} s" if low == high else f": {low} s to {high} s"
    return ""


RULES = (units_are_written,)
