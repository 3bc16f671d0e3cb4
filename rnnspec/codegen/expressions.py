"""Typed expression trees to source: what the writers of all languages have in common.

An expression is written as a number or as a truth value, whatever the place of use asks for: a comparison
that is tested stays a comparison, and one that is counted becomes 1 or 0.  Constants are folded, and what a
constant decides is left out.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from rnnspec.codegen.code import Code, Level, call, infix, prefix
from rnnspec.codegen.constants import known_choice, number, value_of
from rnnspec.codegen.language import Language
from rnnspec.program.expression_nodes import (
    Apply,
    Clock,
    Expression,
    Output,
    Previous,
    Random,
    Variable,
    White,
)
from rnnspec.program.operators import COMPARISONS

#: What a language writes in its own way.
Leaf = Variable | Output | Previous | Clock | White

Kind = Literal["number", "truth"]


@dataclass
class ExpressionWriter(ABC):
    """Writes the expressions of one function of a source, and notes what they need.

    functions: those that the source must define.  outputs: those that were used, in the order of their use.
    """

    language: ClassVar[Language]

    functions: set[str] = field(default_factory=set, init=False)
    outputs: dict[str, None] = field(default_factory=dict, init=False)

    # --- what a language adds ------------------------------------------------------------------------

    @abstractmethod
    def leaf(self, node: Leaf) -> Code:
        """Return a variable, output, previous value, clock, or white noise of scale 1."""

    @abstractmethod
    def words(self, node: Random) -> Code:
        """Return the random words of a call, its first argument."""

    @abstractmethod
    def counted(self, test: Code) -> Code:
        """Return a truth value as a number, 1 or 0."""

    @abstractmethod
    def conditional(self, test: Code, chosen: Code, other: Code, kind: Kind) -> Code:
        """Return one of two values, which are of one kind."""

    def local(self, node: Expression, kind: Kind) -> Code:
        """Return an expression that is no constant, or the name of a local variable that has its value."""
        return self.written(node, kind)

    def applied(self, node: Apply) -> Code:
        """Return an operator or function that computes a number."""
        if node.function == "mul":
            return self._product(*node.arguments)
        return self.combined(node.function, *map(self.number, node.arguments))

    def combined(self, function: str, *arguments: Code) -> Code:
        """Return an operator between arguments that are written, or a call with them."""
        if function not in self.language.operators:
            return self.call(self.language.functions[function], *arguments)
        symbol, level = self.language.operators[function]
        if len(arguments) == 1:
            return prefix(symbol, arguments[0])
        left, right = arguments
        return infix(symbol, left, right, level)

    def multiplies(self, factor: Code) -> bool:
        """Whether a truth value may be multiplied with this as it is."""
        return True

    def is_test(self, node: Expression) -> bool:
        """Whether an expression is a truth value that is not stored as a number."""
        if not isinstance(node, Apply):
            return False
        if node.function == "where":
            return all(map(self.is_test, node.arguments[1:]))
        return node.function in (*COMPARISONS, "and", "or", "not")

    # --- numbers -------------------------------------------------------------------------------------

    def number(self, node: Expression) -> Code:
        """Return an expression as a number."""
        constant = value_of(node)
        return self._constant(node, constant) if constant is not None else self.local(node, "number")

    def written(self, node: Expression, kind: Kind) -> Code:
        """Return an expression that is no constant."""
        return self._number(node) if kind == "number" else self._truth(node)

    def literal(self, value: float) -> Code:
        """Return a number as a literal."""
        return number(value, self.language.literals)

    def call(self, name: str, *arguments: Code) -> Code:
        """Return a call, and note the function if the source must define it."""
        if name in self.language.defined:
            self.functions.add(name)
        return call(name, *arguments)

    def _number(self, node: Expression) -> Code:
        match node:
            case White(scale=scale):
                fresh = self.leaf(node)
                return fresh if value_of(scale) == 1 else self.combined("mul", self.number(scale), fresh)
            case Variable() | Output() | Previous() | Clock():
                return self.leaf(node)
            case Random(function=function, arguments=arguments):
                return self.combined(function, self.words(node), *map(self.number, arguments))
            case Apply():
                return self._apply(node)
        raise ValueError(f"{node!r} is not constant")

    def _apply(self, node: Apply) -> Code:
        if self.is_test(node):
            return self.counted(self.truth(node))
        chosen = known_choice(node)
        if chosen is not None:
            return self.number(chosen)
        if node.function == "where":
            test, first, second = node.arguments
            return self.conditional(self.truth(test), self.number(first), self.number(second), "number")
        return self.applied(node)

    def _product(self, left: Expression, right: Expression) -> Code:
        """Return a product; a truth value on the right needs no conversion."""
        one = self.number(left)
        bare = self.is_test(right) and value_of(right) is None and self.multiplies(one)
        return self.combined("mul", one, self.truth(right) if bare else self.number(right))

    def _constant(self, node: Expression, value: float) -> Code:
        """Return a constant; its arithmetic is kept where it can be read, and is exact."""
        if isinstance(node, Apply) and math.isfinite(value) and abs(value) < 2**53:
            operands = [value_of(argument) for argument in node.arguments]
            if node.function in ("add", "sub", "mul", "div") and all(operands):
                pairs = zip(node.arguments, operands, strict=True)
                return self.combined(node.function, *(self._constant(a, v or 0.0) for a, v in pairs))
        return self.literal(value)

    # --- truth values --------------------------------------------------------------------------------

    def truth(self, node: Expression) -> Code:
        """Return an expression as a truth value."""
        constant = value_of(node)
        if constant is not None:
            return Code(self.language.truths[constant != 0], literal=True)
        return self.local(node, "truth")

    def test(self, node: Apply) -> Code:
        """Return a comparison, `and`, `or` or `not`."""
        if node.function in COMPARISONS:
            return self._comparison(node.function, *map(self.number, node.arguments))
        if node.function == "not":
            return self.combined("not", self.truth(node.arguments[0]))
        return self._logic(node.function, *node.arguments)

    def _truth(self, node: Expression) -> Code:
        if not isinstance(node, Apply) or not self.is_test(node):
            return self._comparison("ne", self._number(node), self.literal(0))
        if node.function != "where":
            return self.test(node)
        chosen = known_choice(node)
        if chosen is not None:
            return self.truth(chosen)
        test, first, second = map(self.truth, node.arguments)
        return self.conditional(test, first, second, "truth")

    def _comparison(self, function: str, left: Code, right: Code) -> Code:
        # Comparisons of comparisons mean something else in Python, and draw warnings in C++.
        return self.combined(function, left.at(Level.SUM), right.at(Level.SUM))

    def _logic(self, function: str, left: Expression, right: Expression) -> Code:
        for one, other in ((left, right), (right, left)):
            if value_of(one) is not None:
                # It decides nothing, or the whole would be constant.
                return self.truth(other)
        _, level = self.language.operators[function]
        # && within || is put in parentheses, as compilers advise.
        sides = (self.truth(side) for side in (left, right))
        return self.combined(function, *(s if s.level == level else s.at(Level.COMPARISON) for s in sides))
