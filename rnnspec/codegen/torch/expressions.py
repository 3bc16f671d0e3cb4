"""Expressions in Python with torch: how a task's formulas read in a generated module.

Every value there has the axes (K', B, T', C'), each 1 where it does not vary: a number is a vector of one
unit, so numbers and vectors meet without ado.  Numbers are float64 tensors or Python numbers, truth values
are bool tensors where they are tested and 1.0 or 0.0 where they are counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rnnspec.codegen.code import Code, call, power
from rnnspec.codegen.constants import value_of
from rnnspec.codegen.expressions import ExpressionWriter, Kind, Leaf
from rnnspec.codegen.render import quoted
from rnnspec.codegen.torch.language import TORCH, identifier
from rnnspec.program.expression_nodes import Apply, Clock, Output, Previous, Random, Variable, White


@dataclass
class TorchWriter(ExpressionWriter):
    """Writes the expressions of one function of the module, and notes what they need.

    near: the tensor whose device and dtype values take on, or None to stay float64 on the CPU.
    channel: the input channel that white() drives.  stream: what trial.words() is told of a draw's scope.
    variables: those that were used, in the order of their use.  clock: whether t was used.
    """

    near: str | None = None
    channel: str = ""
    stream: str = ""
    variables: dict[str, None] = field(default_factory=dict)
    clock: bool = False

    language = TORCH

    def leaf(self, node: Leaf) -> Code:
        match node:
            case Variable(name=name):
                self.variables[name] = None
                return Code(identifier(name))
            case Output(name=name):
                self.outputs[name] = None
                return Code(identifier(name))
            case Previous(name=name, initial=initial):
                moved = f".to({self.near})" if self.near else ""
                return Code(f"trial.previous({quoted(name)}, {self.number(initial).text}){moved}")
            case Clock():
                self.clock = True
                return Code("t")
            case White(call=number_of_call):
                return Code(f"white({number_of_call}, {quoted(self.channel)})")

    def words(self, node: Random) -> Code:
        return Code(f"trial.words(0x{node.call:08X}{self.stream})")

    def counted(self, test: Code) -> Code:
        return self.call("number", test)

    def conditional(self, test: Code, chosen: Code, other: Code, kind: Kind) -> Code:
        if kind == "truth":
            return call("torch.where", test, chosen, other)
        return self.call("where", test, chosen, other)

    def multiplies(self, factor: Code) -> bool:
        # A Python number times a bool tensor is a tensor of whole numbers.
        return not factor.literal

    def applied(self, node: Apply) -> Code:
        if node.function in ("ring", "onehot"):
            return self._vector(node)
        return super().applied(node)

    def combined(self, function: str, *arguments: Code) -> Code:
        if function == "pow":
            return power(*arguments)
        if function == "div" and arguments[0].literal and not arguments[1].literal:
            # torch takes a Python number over a tensor as a product with the reciprocal: 49 / 49 < 1.
            arguments = (self.call("number", arguments[0]), arguments[1])
        return super().combined(function, *arguments)

    def call(self, name: str, *arguments: Code) -> Code:
        if name.startswith("torch."):
            # The functions of torch take no Python numbers.
            arguments = tuple(self.call("number", a) if a.literal else a for a in arguments)
        return super().call(name, *arguments)

    def _vector(self, node: Apply) -> Code:
        """Return ring() or onehot() for a channel, of which ring() leaves out its usual width."""
        first, *others = node.arguments
        if node.type.size is None:
            # onehot(k) for a channel of a single unit.
            return self.call("number", self.combined("eq", self.number(first), self.literal(0)))
        parts = [self.number(first), Code(str(node.type.size), literal=True)]
        parts += [self.number(width) for width in others if value_of(width) != math.pi / 8]
        return self.call(node.function, *parts)
