"""Expressions in C++: how a task's formulas read in a generated kernel.

Everything there is about one trial of one sequence of one network, so a value is a double, a truth value a
bool where it is tested, and a vector an expression of the unit `i` that stands in a loop over the units.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rnnspec.codegen.code import Code, Level, infix
from rnnspec.codegen.cpp.language import CPP
from rnnspec.codegen.expressions import ExpressionWriter, Kind, Leaf
from rnnspec.codegen.render import checked
from rnnspec.program.expression_nodes import (
    Apply,
    Clock,
    Expression,
    Output,
    Previous,
    Random,
    Variable,
    White,
    walk,
)

#: What costs no more than to look up a value that was computed before a loop.
_CHEAP = {*CPP.operators, "abs", "min", "max", "where", "sign", "onehot"}


@dataclass
class CppWriter(ExpressionWriter):
    """Writes the expressions of one function of the kernel, and notes what they need.

    units: of the channel that is written, 1 if it is a number.  column: the first column of w_in that
    white() drives.  stream: the trial and the network that random calls are drawn for.  lines: what must
    stand before the statement that holds the expressions.  rings: the sizes of the vectors that angle() is
    applied to.
    """

    units: int = 1
    column: int = 0
    stream: str = ""
    lines: list[str] = field(default_factory=list)
    whites: set[int] = field(default_factory=set)
    rings: set[int] = field(default_factory=set)
    locals: int = 0

    language = CPP

    def leaf(self, node: Leaf) -> Code:
        match node:
            case Variable(name=name):
                return Code(f"now.{variable(name)}")
            case Output(name=name) if node.type.size is None:
                self.outputs[name] = None
                return Code(variable(name))
            case Output(name=name):
                return Code(f"double(y[at::{variable(name)} + i])")
            case Previous(name=name, initial=initial):
                before, first = f"place.before->{variable(name)}", self.number(initial).at(Level.OR)
                return Code(f"place.before ? {before} : {first.text}", Level.CHOICE)
            case Clock():
                return Code("t")
            case White(call=call):
                return self._white(call, node.type.size)

    def words(self, node: Random) -> Code:
        return self.call("words", Code("place"), Code(f"0x{node.call:08X}"), Code(self.stream))

    def counted(self, test: Code) -> Code:
        return Code(f"double({test.text})")

    def conditional(self, test: Code, chosen: Code, other: Code, kind: Kind) -> Code:
        first, second = test.at(Level.OR), chosen.at(Level.OR)
        return Code(f"{first.text} ? {second.text} : {other.text}", Level.CHOICE)

    def is_test(self, node: Expression) -> bool:
        return (isinstance(node, Apply) and node.function == "onehot") or super().is_test(node)

    def test(self, node: Apply) -> Code:
        if node.function != "onehot":
            return super().test(node)
        unit = Code("i") if node.type.size is not None else self.literal(0)
        return self.combined("eq", self.number(node.arguments[0]).at(Level.SUM), unit)

    def applied(self, node: Apply) -> Code:
        if node.function == "ring":
            unit, units = ("i", node.type.size) if node.type.size else ("0", 1)
            return self.call("ring", Code(unit), Code(str(units)), *map(self.number, node.arguments))
        if node.function in ("angle", "argmax"):
            return self._decoded(node.function, node.arguments[0])
        if node.function == "pick" and node.type.size is not None:
            return self._picked_vector(node)
        return super().applied(node)

    # --- vectors -------------------------------------------------------------------------------------

    def _picked_vector(self, node: Apply) -> Code:
        """Return a choice between vectors, of which only the chosen one is computed."""
        index, *vectors = node.arguments
        chooser = self.number(index)
        if not isinstance(index, Variable | Clock):
            # It is repeated, so it gets a name.
            chooser = self._named(chooser, "number")
        *listed, result = map(self.number, vectors)
        for place in reversed(range(len(listed))):
            test = infix("==", chooser, self.literal(place), Level.COMPARISON)
            result = self.conditional(test, listed[place], result, "number")
        return result

    def _decoded(self, function: str, vector: Expression) -> Code:
        """Return angle() or argmax() of an output, or of what is computed from one."""
        size = vector.type.size or 1
        self.functions.add(function)
        if function == "angle":
            self.rings.add(size)
        if isinstance(vector, Output) and vector.type.size is not None:
            return Code(f"{function}<{size}>(y + at::{variable(vector.name)})")
        units, self.units = self.units, size
        unit = f"[&](int i) {{ return {self.number(vector).text}; }}"
        self.units = units
        return Code(f"{function}<{size}>({unit})")

    def _white(self, call: int, size: int | None) -> Code:
        name = f"white{call}"
        if call not in self.whites:
            self.whites.add(call)
            self.functions.add("White")
            self.lines.append(f"White {name}(place, step, {call});")
        return Code(f"{name}({self.column} + i)" if size is not None else f"{name}({self.column})")

    # --- local variables -----------------------------------------------------------------------------

    def local(self, node: Expression, kind: Kind) -> Code:
        """Compute what is the same for all units, and is not cheap, once before the loop over them."""
        if self.units == 1 or node.type.size is not None or not any(map(_is_costly, walk(node))):
            return self.written(node, kind)
        units, self.units = self.units, 1
        code = self.written(node, kind)
        self.units = units
        return self._named(code, kind)

    def _named(self, code: Code, kind: Kind) -> Code:
        """Return a local variable that has the value of an expression."""
        self.locals += 1
        type, name = ("double", "value") if kind == "number" else ("bool", "test")
        self.lines.append(f"const {type} {name}{self.locals} = {code.text};")
        return Code(f"{name}{self.locals}")


def _is_costly(node: Expression) -> bool:
    return isinstance(node, Random) or (isinstance(node, Apply) and node.function not in _CHEAP)


def variable(name: str) -> str:
    """Return a name of a spec as an identifier: with an underscore, which no keyword and no macro ends in."""
    return f"{checked(name)}_"
