"""What values an expression can take: sets of numbers, intervals, and whether a truth value is settled.

All answers are on the safe side: a value that is possible is always among those returned.  A variable that
occurs twice counts as two, so a few values among them may be impossible.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from rnnspec.program.bounds import Interval
from rnnspec.program.expression_nodes import Apply, Expression, Number, Previous, Random, Variable
from rnnspec.program.nodes import Timeline
from rnnspec.program.sampling import all_values
from rnnspec.program.types import APPLIED

Numbers = frozenset[float]

#: A set of more numbers is not followed.
MANY = 1024

#: Comparisons whose operands change places.
_TURNED = {"gt": "lt", "ge": "le"}

#: Functions whose value depends on the sign of a zero.
_SIGNED = ("atan2", "div", "pow")


@dataclass
class Possible:
    """The possible values of the expressions of one task."""

    timeline: Timeline
    _variables: dict[str, Numbers | None] = field(default_factory=dict)
    _found: dict[int, tuple[Expression, Numbers | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Each variable comes after those that it depends on, but for what previous() makes a cycle.
        for draw in self.timeline.draws:
            self._variables[draw.name] = self._union(all_values(draw))

    def numbers(self, expression: Expression) -> Numbers | None:
        """Return the numbers that an expression can be; None if they are too many, or a vector."""
        # By identity, since equal expressions are compared part by part.
        if id(expression) not in self._found:
            self._found[id(expression)] = expression, self._numbers(expression)
        return self._found[id(expression)][1]

    def interval(self, expression: Expression) -> Interval:
        """Return bounds of a number; NaN if it may be undefined."""
        numbers = self.numbers(expression)
        if numbers and not any(map(math.isnan, numbers)):
            return min(numbers), max(numbers)
        return expression.type.low, expression.type.high

    def truth(self, expression: Expression) -> bool | None:
        """Return whether a condition always holds or never does; None if neither is known."""
        numbers = self.numbers(expression)
        if numbers is not None:
            answers = {number != 0 for number in numbers}
            return answers.pop() if len(answers) == 1 else None
        low, high = self.interval(expression)
        if low == high == 0:
            return False
        return True if low > 0 or high < 0 else None

    def constant(self, expression: Expression) -> bool:
        """Return whether an expression, a vector or a number, certainly has only one value."""
        numbers = self.numbers(expression)
        if numbers is not None:
            return len(numbers) == 1
        if expression.type.size is None and expression.type.low == expression.type.high:
            return True
        match expression:
            case Apply(function="mul", arguments=arguments) if any(map(self._zero, arguments)):
                return True
            case Apply(function="where", arguments=(condition, a, b)):
                settled = self.truth(condition)
                if settled is not None:
                    return self.constant(a if settled else b)
                return False
            case Apply(arguments=arguments) if arguments and not expression.type.reads:
                return all(map(self.constant, arguments))
        return False

    # --- sets of numbers -----------------------------------------------------------------------------

    def _zero(self, expression: Expression) -> bool:
        return self.numbers(expression) == frozenset((0.0,))

    def _union(self, expressions: Iterable[Expression]) -> Numbers | None:
        found: set[float] = set()
        for expression in expressions:
            numbers = self.numbers(expression)
            if numbers is None or len(found := found | numbers) > MANY:
                return None
        return frozenset(found)

    def _numbers(self, expression: Expression) -> Numbers | None:
        match expression:
            case Number(value=value):
                return frozenset((value,))
            case Variable(name=name):
                return self._variables.get(name)
            case Previous(name=name, initial=initial):
                before, first = self._variables.get(name), self.numbers(initial)
                return None if before is None or first is None else before | first
            case Random():
                return self._drawn(expression)
            case Apply(type=type) if type.size is None:
                return self._applied(expression)
        return None

    def _drawn(self, call: Random) -> Numbers | None:
        if call.function == "choice":
            return self._union(call.arguments)
        if call.function == "bernoulli":
            low, high = self.interval(call.arguments[0])
            return frozenset((1.0,) if low >= 1 else (0.0,) if high <= 0 else (0.0, 1.0))
        low, high = call.type.low, call.type.high
        if call.function == "integer" and low <= high < low + MANY and low.is_integer():
            return frozenset(low + step for step in range(int(high - low) + 1))
        return frozenset((low,)) if low == high else None

    def _applied(self, expression: Apply) -> Numbers | None:
        name, arguments = expression.function, expression.arguments
        function = APPLIED[name]
        if name == "argmax":
            return frozenset(map(float, range(arguments[0].type.size or 1)))
        if name == "where":
            settled = self.truth(arguments[0])
            taken = arguments[1:] if settled is None else arguments[1:2] if settled else arguments[2:]
            return self._union(taken)
        if function.result == "truth":
            settled = self._judge(name, arguments)
            return frozenset((0.0, 1.0) if settled is None else (float(settled),))
        sets = [self.numbers(argument) for argument in arguments]
        known = [numbers for numbers in sets if numbers is not None]
        if name == "mul" and frozenset((0.0,)) in known and all(map(_finite, arguments)):
            return frozenset((0.0,))
        if function.value is None or len(known) < len(sets) or math.prod(map(len, known)) > MANY:
            return None
        # A set holds only one of the two zeros, which are equal.
        zeros = (0.0, -0.0) if name in _SIGNED else ()
        exact = [(*numbers, *zeros) if 0 in numbers else numbers for numbers in known]
        return frozenset(function.of(*numbers) for numbers in product(*exact))

    # --- truth values --------------------------------------------------------------------------------

    def _judge(self, name: str, arguments: tuple[Expression, ...]) -> bool | None:
        """Return whether a comparison, or `and`, `or`, `not`, always holds or never does."""
        if name in ("and", "or", "not"):
            answers = [self.truth(argument) for argument in arguments]
            if name == "not":
                return None if answers[0] is None else not answers[0]
            decisive = name == "or"
            if decisive in answers:
                return decisive
            return None if None in answers else not decisive
        first, second = arguments if name not in _TURNED else arguments[::-1]
        (a, b), (c, d) = self.interval(first), self.interval(second)
        if any(map(math.isnan, (a, b, c, d))):
            return None
        match _TURNED.get(name, name):
            case "lt":
                return True if b < c else False if a >= d else None
            case "le":
                return True if b <= c else False if a > d else None
            case "eq":
                return self._same(first, second)
        same = self._same(first, second)
        return None if same is None else not same

    def _same(self, first: Expression, second: Expression) -> bool | None:
        """Return whether two numbers are always equal or never."""
        sets = self.numbers(first), self.numbers(second)
        if sets[0] is not None and sets[1] is not None:
            if not sets[0] & sets[1]:
                return False
            return True if len(sets[0] | sets[1]) == 1 else None
        for numbers, other in zip(sets, (second, first), strict=True):
            low, high = self.interval(other)
            if numbers is not None and not any(low <= number <= high for number in numbers):
                return False
        (a, b), (c, d) = self.interval(first), self.interval(second)
        return False if b < c or d < a else None


def _finite(expression: Expression) -> bool:
    return math.isfinite(expression.type.low) and math.isfinite(expression.type.high)
