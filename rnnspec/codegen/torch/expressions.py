"""Typed expression trees to Python: how a task's formulas read in a generated module.

Every value there has the axes (K', B, T', C'), each 1 where it does not vary: a number is a vector of one
unit, so numbers and vectors meet without ado.  Numbers are float64 tensors or Python numbers, truth values
are bool tensors where they are tested and 1.0 or 0.0 where they are counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from rnnspec.codegen.code import Code, Level, call, infix, power, prefix
from rnnspec.codegen.constants import known_choice, number, value_of
from rnnspec.codegen.render import identifier, quoted
from rnnspec.program.nodes import (
    Apply,
    Clock,
    Expression,
    Output,
    Previous,
    Random,
    Variable,
    White,
)

_ARITHMETIC = {
    "add": ("+", Level.SUM),
    "sub": ("-", Level.SUM),
    "mul": ("*", Level.PRODUCT),
    "div": ("/", Level.PRODUCT),
    "mod": ("%", Level.PRODUCT),
}
_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_LOGIC = {"and": ("&", Level.AND), "or": ("|", Level.OR)}
_ELEMENTWISE = ("abs", "sqrt", "exp", "log", "sin", "cos", "tanh", "sign", "floor")


@dataclass
class Writer:
    """Writes the expressions of one function of the module, and notes what they need.

    near: the tensor whose device and dtype values take on, or None to stay float64 on the CPU.
    channel: the input channel that white() drives.  stream: what trial.words() is told of a draw's scope.
    variables, outputs: those that were used, in the order of their use.  functions: those of CALLS.
    """

    near: str | None = None
    channel: str = ""
    stream: str = ""
    variables: dict[str, None] = field(default_factory=dict)
    outputs: dict[str, None] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    clock: bool = False

    # --- numbers -------------------------------------------------------------------------------------

    def number(self, node: Expression) -> Code:
        """Return an expression as a number: a Python number, or a float tensor."""
        constant = value_of(node)
        if constant is not None:
            return self._constant(node, constant)
        match node:
            case Variable(name=name):
                self.variables[name] = None
                return Code(identifier(name))
            case Output(name=name):
                self.outputs[name] = None
                return Code(identifier(name))
            case Previous(name=name, initial=initial):
                first = self.number(initial)
                return Code(f"trial.previous({quoted(name)}, {first.text}){self._moved}")
            case Clock():
                self.clock = True
                return Code("t")
            case White(scale=scale, call=number_of_call):
                fresh = Code(f"white({number_of_call}, {quoted(self.channel)})")
                return fresh if value_of(scale) == 1 else infix("*", self.number(scale), fresh, Level.PRODUCT)
            case Random(function=function, arguments=arguments, call=number_of_call):
                words = Code(f"trial.words(0x{number_of_call:08X}{self.stream})")
                return self._call(function, words, *map(self.number, arguments))
            case Apply(function=function, arguments=arguments):
                return self._apply(node, function, arguments)
        raise ValueError(f"{node!r} is not constant")

    def _constant(self, node: Expression, value: float) -> Code:
        """Return a constant; its arithmetic is kept as long as Python's own gives the same."""
        if isinstance(node, Apply) and math.isfinite(value) and abs(value) < 2**53:
            operands = [value_of(a) for a in node.arguments]
            if node.function in _ARITHMETIC and node.function != "mod" and all(operands):
                left, right = (
                    self._constant(a, v or 0.0) for a, v in zip(node.arguments, operands, strict=True)
                )
                return infix(_ARITHMETIC[node.function][0], left, right, _ARITHMETIC[node.function][1])
        return number(value)

    def _apply(self, node: Apply, function: str, arguments: Sequence[Expression]) -> Code:
        if function in _COMPARISONS or function in ("and", "or", "not"):
            return self._call("number", self.truth(node))
        if function == "mul":
            return self._product(*arguments)
        if function in _ARITHMETIC:
            operator, level = _ARITHMETIC[function]
            left, right = map(self.number, arguments)
            if function == "div" and left.python and not right.python:
                # torch takes a Python number over a tensor as a product with the reciprocal: 49 / 49 < 1.
                left = self._call("number", left)
            return infix(operator, left, right, level)
        if function == "pow":
            base, exponent = map(self.number, arguments)
            return power(base, exponent)
        if function == "neg":
            return prefix("-", self.number(arguments[0]))
        if function in ("ring", "onehot"):
            return self._vector(node, function, arguments)
        if function in ("where", "pick"):
            return self._chosen(node, function, arguments)
        if function in _ELEMENTWISE:
            return call(f"torch.{function}", self.number(arguments[0]))
        names = {"min": "minimum", "max": "maximum"}
        return self._call(names.get(function, function), *map(self.number, arguments))

    def _product(self, left: Expression, right: Expression) -> Code:
        """Return a product; a truth value beside a float tensor needs no conversion."""
        one = self.number(left)
        bare = not one.python and _is_test(right) and value_of(right) is None
        return infix("*", one, self.truth(right) if bare else self.number(right), Level.PRODUCT)

    def _chosen(self, node: Apply, function: str, arguments: Sequence[Expression]) -> Code:
        """Return a choice between values, or the one that a constant chooses."""
        choice = known_choice(node)
        if choice is not None:
            return self.number(choice)
        first = self.truth(arguments[0]) if function == "where" else self.number(arguments[0])
        return self._call(function, first, *map(self.number, arguments[1:]))

    def _vector(self, node: Apply, function: str, arguments: Sequence[Expression]) -> Code:
        first = self.number(arguments[0])
        if node.type.size is None:
            # onehot(k) for a channel of a single unit.
            return self._call("number", infix("==", first, Code("0", python=True), Level.COMPARISON))
        parts = [first, Code(str(node.type.size), python=True)]
        if function == "ring" and value_of(arguments[1]) != math.pi / 8:
            parts.append(self.number(arguments[1]))
        return self._call(function, *parts)

    # --- truth values --------------------------------------------------------------------------------

    def truth(self, node: Expression) -> Code:
        """Return an expression as a truth value: True, False or a bool tensor."""
        constant = value_of(node)
        if constant is not None:
            return Code(str(constant != 0), python=True)
        if isinstance(node, Apply):
            function, arguments = node.function, node.arguments
            if function in _COMPARISONS:
                left, right = (self.number(a).at(Level.SUM) for a in arguments)
                return infix(_COMPARISONS[function], left, right, Level.COMPARISON)
            if function in _LOGIC:
                return self._logic(function, *arguments)
            if function == "not":
                return prefix("~", self.truth(arguments[0]).at(Level.ATOM))
            if function == "where" and _is_test(node):
                choice = known_choice(node)
                if choice is not None:
                    return self.truth(choice)
                return call("torch.where", *map(self.truth, arguments))
        return infix("!=", self.number(node).at(Level.SUM), Code("0", python=True), Level.COMPARISON)

    def _logic(self, function: str, left: Expression, right: Expression) -> Code:
        for one, other in ((left, right), (right, left)):
            if value_of(one) is not None:
                # It decides nothing, or the whole would be constant.
                return self.truth(other)
        operator, level = _LOGIC[function]
        sides = [self.truth(side) for side in (left, right)]
        first, second = (s.at(Level.ATOM) if s.level == Level.COMPARISON else s for s in sides)
        return infix(operator, first, second, level)

    # --- calls ---------------------------------------------------------------------------------------

    def _call(self, function: str, *arguments: Code) -> Code:
        self.functions.add(function)
        return call(function, *arguments)

    @property
    def _moved(self) -> str:
        return f".to({self.near})" if self.near else ""


def _is_test(node: Expression) -> bool:
    """Whether an expression is a truth value that is not stored as a number."""
    if isinstance(node, Apply) and node.function == "where":
        return all(map(_is_test, node.arguments[1:]))
    return isinstance(node, Apply) and (
        node.function in _COMPARISONS or node.function in ("and", "or", "not")
    )
