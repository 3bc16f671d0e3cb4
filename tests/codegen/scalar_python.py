"""A third language, to show what one takes: plain Python, in which every value is one number."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rnnspec.codegen.code import Code, Level
from rnnspec.codegen.expressions import ExpressionWriter, Kind, Leaf
from rnnspec.codegen.torch.language import TORCH
from rnnspec.program.expression_nodes import Random, Variable
from rnnspec.program.types import APPLIED

_OPERATORS = {
    **TORCH.operators,
    "and": ("and", Level.AND),
    "or": ("or", Level.OR),
    "not": ("not ", Level.SIGN),
}
#: What Python raises an error for is a function, and so is what it has no operator for.
_FUNCTIONS = APPLIED.keys() - _OPERATORS.keys() | {"div", "mod", "pow"}

SCALAR = replace(
    TORCH,
    operators={name: _OPERATORS[name] for name in _OPERATORS.keys() - _FUNCTIONS},
    functions={name: f"{name}_" for name in _FUNCTIONS},
    defined={},
)


@dataclass
class ScalarWriter(ExpressionWriter):
    """Writes expressions of variables."""

    language = SCALAR

    def leaf(self, node: Leaf) -> Code:
        assert isinstance(node, Variable)
        return Code(node.name)

    def words(self, node: Random) -> Code:
        raise NotImplementedError

    def counted(self, test: Code) -> Code:
        return Code(f"float({test.text})")

    def conditional(self, test: Code, chosen: Code, other: Code, kind: Kind) -> Code:
        return Code(f"({chosen.text} if {test.text} else {other.text})")


def scalar_value(text: str, **variables: float) -> float:
    """Return the value of an expression that was written."""
    names = {f"{name}_": function.of for name, function in APPLIED.items() if function.value is not None}
    return float(eval(text, {"math": math, **names, **variables}))
