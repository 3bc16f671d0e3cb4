"""Typed expression trees to C++: how a task's formulas read in a generated kernel.

Everything there is about one trial of one sequence of one network, so a value is a double, a truth value a
bool where it is tested, and a vector an expression of the unit `i` that stands in a loop over the units.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from rnnspec.codegen.code import Level
from rnnspec.codegen.constants import known_choice, number, value_of
from rnnspec.codegen.render import checked
from rnnspec.program.nodes import (
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


class Bind(IntEnum):
    """How tightly the outermost operator of an expression binds, loosest first."""

    CHOICE = 0
    OR = 1
    AND = 2
    COMPARISON = 3
    SUM = 4
    PRODUCT = 5
    SIGN = 6
    ATOM = 7


@dataclass(frozen=True)
class Piece:
    """An expression of C++."""

    text: str
    bind: Bind = Bind.ATOM

    def at(self, bind: Bind) -> Piece:
        """Return this in parentheses if it binds looser than asked for."""
        return self if self.bind >= bind else Piece(f"({self.text})")


_ARITHMETIC = {
    "add": ("+", Bind.SUM),
    "sub": ("-", Bind.SUM),
    "mul": ("*", Bind.PRODUCT),
    "div": ("/", Bind.PRODUCT),
}
_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}
_LOGIC = {"and": ("&&", Bind.AND), "or": ("||", Bind.OR)}
_STANDARD = {
    "abs": "std::fabs",
    "sqrt": "std::sqrt",
    "exp": "std::exp",
    "log": "std::log",
    "sin": "std::sin",
    "cos": "std::cos",
    "tanh": "std::tanh",
    "floor": "std::floor",
    "pow": "std::pow",
}
#: Functions of templates/cpu/language.cpp.j2, by the name the representation gives them.
_OWN = {"min": "minimum", "max": "maximum", "mod": "modulo", "sign": "sign", "distance": "distance"}
_CHEAP = {*_ARITHMETIC, *_COMPARISONS, *_LOGIC, "neg", "not", "abs", "min", "max", "where", "sign", "onehot"}

#: Each function of the language, and the others that it calls.
CALLS: dict[str, tuple[str, ...]] = {
    "angle": ("modulo",),
    "argmax": (),
    "bernoulli": ("unit",),
    "choice": ("pick", "unit"),
    "distance": ("minimum", "modulo"),
    "exponential": ("unit",),
    "integer": ("unit",),
    "maximum": (),
    "minimum": (),
    "modulo": (),
    "normal": ("normals",),
    "normals": ("unit",),
    "pattern": (),
    "pick": (),
    "ring": ("distance",),
    "sign": (),
    "uniform": ("unit",),
    "unit": (),
    "White": ("normals",),
    "words": (),
}


@dataclass
class CppWriter:
    """Writes the expressions of one function of the kernel, and notes what they need.

    units: of the channel that is written, 1 if it is a number.  column: the first column of w_in that
    white() drives.  stream: the trial and the network that random calls are drawn for.  lines: what must
    stand before the statement that holds the expressions.  functions: those of CALLS.
    """

    units: int = 1
    column: int = 0
    stream: str = ""
    lines: list[str] = field(default_factory=list)
    functions: set[str] = field(default_factory=set)
    outputs: dict[str, None] = field(default_factory=dict)
    whites: set[int] = field(default_factory=set)
    hoisted: int = 0

    # --- numbers -------------------------------------------------------------------------------------

    def number(self, node: Expression) -> Piece:
        """Return an expression as a double."""
        constant = value_of(node)
        if constant is not None:
            return _constant(node, constant)
        if self._leaves_loop(node):
            return self._once("double", node, self._number)
        return self._number(node)

    def _number(self, node: Expression) -> Piece:
        match node:
            case Variable(name=name):
                return Piece(f"now.{variable(name)}")
            case Output(name=name) if node.type.size is None:
                self.outputs[name] = None
                return Piece(variable(name))
            case Output(name=name):
                return Piece(f"double(y[at::{variable(name)} + i])")
            case Previous(name=name, initial=initial):
                first = self.number(initial).at(Bind.OR)
                return Piece(f"place.before ? place.before->{variable(name)} : {first.text}", Bind.CHOICE)
            case Clock():
                return Piece("t")
            case White(scale=scale, call=call):
                fresh = self._white(call, node.type.size)
                return fresh if value_of(scale) == 1 else _infix("*", self.number(scale), fresh, Bind.PRODUCT)
            case Random(function=function, arguments=arguments, call=call):
                words = self._call("words", Piece("place"), Piece(f"0x{call:08X}"), Piece(self.stream))
                return self._call(function, words, *map(self.number, arguments))
            case Apply(function=function, arguments=arguments):
                return self._apply(node, function, arguments)
        raise ValueError(f"{node!r} is not constant")

    def _apply(self, node: Apply, function: str, arguments: Sequence[Expression]) -> Piece:
        if is_test(node):
            return Piece(f"double({self.truth(node).text})")
        if function in _ARITHMETIC:
            operator, bind = _ARITHMETIC[function]
            left, right = arguments
            # A truth value beside a number needs no conversion.
            bare = function == "mul" and is_test(right) and value_of(right) is None
            one = self.number(left)
            return _infix(operator, one, self.truth(right) if bare else self.number(right), bind)
        if function == "neg":
            return Piece(f"-{self.number(arguments[0]).at(Bind.ATOM).text}", Bind.SIGN)
        if function == "ring":
            angle, width = map(self.number, arguments)
            units, unit = node.type.size or 1, "i" if node.type.size else "0"
            return self._call("ring", Piece(unit), Piece(str(units)), angle, width)
        if function == "where":
            return self._where(node, self.number)
        if function == "pick":
            return self._pick(node, arguments)
        if function in ("angle", "argmax"):
            return self._decoded(function, arguments[0])
        values = [self.number(argument) for argument in arguments]
        if function in _STANDARD:
            return _call(_STANDARD[function], *values)
        return self._call(_OWN[function], *values)

    def _where(self, node: Apply, write: Callable[[Expression], Piece]) -> Piece:
        choice = known_choice(node)
        if choice is not None:
            return write(choice)
        test, chosen, other = node.arguments
        return _choice(self.truth(test), write(chosen), write(other))

    def _pick(self, node: Apply, arguments: Sequence[Expression]) -> Piece:
        choice = known_choice(node)
        if choice is not None:
            return self.number(choice)
        if node.type.size is None:
            return self._call("pick", *map(self.number, arguments))
        # Only the chosen one of several vectors is worked out.
        index = self._simple(arguments[0])
        *listed, result = map(self.number, arguments[1:])
        for place in reversed(range(len(listed))):
            result = _choice(Piece(f"{index.text} == {place}.0", Bind.COMPARISON), listed[place], result)
        return result

    def _decoded(self, function: str, vector: Expression) -> Piece:
        """Return angle() or argmax() of an output, or of what is computed from one."""
        size = vector.type.size or 1
        self.functions.add(function)
        if isinstance(vector, Output) and vector.type.size is not None:
            return _call(f"{function}<{size}>", Piece(f"y + at::{variable(vector.name)}"))
        units, self.units = self.units, size
        unit = Piece(f"[&](int i) {{ return {self.number(vector).text}; }}")
        self.units = units
        return _call(f"{function}<{size}>", unit)

    def _white(self, call: int, size: int | None) -> Piece:
        name = f"white{call}"
        if call not in self.whites:
            self.whites.add(call)
            self.functions.add("White")
            self.lines.append(f"White {name}(place, step, {call});")
        return Piece(f"{name}({self.column} + i)" if size is not None else f"{name}({self.column})")

    # --- truth values --------------------------------------------------------------------------------

    def truth(self, node: Expression) -> Piece:
        """Return an expression as a bool."""
        constant = value_of(node)
        if constant is not None:
            return Piece("true" if constant != 0 else "false")
        if self._leaves_loop(node):
            return self._once("bool", node, self._truth)
        return self._truth(node)

    def _truth(self, node: Expression) -> Piece:
        if isinstance(node, Apply) and is_test(node):
            function, arguments = node.function, node.arguments
            if function == "onehot":
                unit = "i" if node.type.size is not None else "0.0"
                return _infix("==", self.number(arguments[0]), Piece(unit), Bind.COMPARISON)
            if function in _COMPARISONS:
                left, right = map(self.number, arguments)
                return _infix(_COMPARISONS[function], left, right, Bind.COMPARISON)
            if function in _LOGIC:
                return self._logic(function, *arguments)
            if function == "not":
                return Piece(f"!{self.truth(arguments[0]).at(Bind.ATOM).text}", Bind.SIGN)
            return self._where(node, self.truth)
        return _infix("!=", self._number(node), Piece("0.0"), Bind.COMPARISON)

    def _logic(self, function: str, left: Expression, right: Expression) -> Piece:
        for one, other in ((left, right), (right, left)):
            if value_of(one) is not None:
                # It decides nothing, or the whole would be constant.
                return self.truth(other)
        operator, bind = _LOGIC[function]
        # `and` within `or` is put in parentheses, as compilers advise.
        sides = [self.truth(side) for side in (left, right)]
        first, second = (s if s.bind == bind else s.at(Bind.COMPARISON) for s in sides)
        return Piece(f"{first.text} {operator} {second.text}", bind)

    # --- what they share -----------------------------------------------------------------------------

    def _call(self, function: str, *arguments: Piece) -> Piece:
        self.functions.add(function)
        return _call(function, *arguments)

    def _leaves_loop(self, node: Expression) -> bool:
        """Whether an expression is worth computing once, before a loop over units."""
        return (
            self.units > 1
            and node.type.size is None
            and any(
                isinstance(part, Random) or (isinstance(part, Apply) and part.function not in _CHEAP)
                for part in walk(node)
            )
        )

    def _once(self, kind: str, node: Expression, write: Callable[[Expression], Piece]) -> Piece:
        """Write an expression as a local variable before the loop, all of it at once."""
        units, self.units = self.units, 1
        piece = write(node)
        self.units = units
        return self._local(kind, piece)

    def _simple(self, node: Expression) -> Piece:
        """Return a number as something that may be repeated."""
        piece = self.number(node)
        return piece if isinstance(node, Variable | Clock) else self._local("double", piece)

    def _local(self, kind: str, piece: Piece) -> Piece:
        self.hoisted += 1
        name = f"{'value' if kind == 'double' else 'test'}{self.hoisted}"
        self.lines.append(f"const {kind} {name} = {piece.text};")
        return Piece(name)


def variable(name: str) -> str:
    """Return a name of a spec as an identifier: with an underscore, which no keyword and no macro ends in."""
    return f"{checked(name)}_"


def literal(value: float) -> Piece:
    """Return a number as a double literal that reads back to it; simple multiples of pi keep their pi."""
    if value == 0:
        return Piece("0.0") if math.copysign(1, value) > 0 else Piece("-0.0", Bind.SIGN)
    code = number(value)
    text = code.text.replace("math.pi", "PI").replace("math.inf", "INFINITY").replace("math.nan", "NAN")
    bind = {Level.PRODUCT: Bind.PRODUCT, Level.SIGN: Bind.SIGN, Level.ATOM: Bind.ATOM}[code.level]
    return Piece(f"{text}.0" if text.removeprefix("-").isdecimal() else text, bind)


def is_test(node: Expression) -> bool:
    """Whether an expression is a truth value that is not stored as a number."""
    if not isinstance(node, Apply):
        return False
    if node.function == "where":
        return all(map(is_test, node.arguments[1:]))
    return node.function in _COMPARISONS or node.function in ("and", "or", "not", "onehot")


def _constant(node: Expression, value: float) -> Piece:
    """Return a constant; its arithmetic is kept where it can be read."""
    if isinstance(node, Apply) and node.function in _ARITHMETIC and math.isfinite(value):
        operands = [value_of(argument) for argument in node.arguments]
        if all(operands):
            left, right = (_constant(a, v or 0.0) for a, v in zip(node.arguments, operands, strict=True))
            return _infix(_ARITHMETIC[node.function][0], left, right, _ARITHMETIC[node.function][1])
    return literal(value)


def _infix(operator: str, left: Piece, right: Piece, bind: Bind) -> Piece:
    first = left.at(Bind.SUM if bind == Bind.COMPARISON else bind)
    return Piece(f"{first.text} {operator} {right.at(Bind(bind + 1)).text}", bind)


def _choice(test: Piece, chosen: Piece, other: Piece) -> Piece:
    first, second = test.at(Bind.OR), chosen.at(Bind.OR)
    return Piece(f"{first.text} ? {second.text} : {other.text}", Bind.CHOICE)


def _call(function: str, *arguments: Piece) -> Piece:
    return Piece(f"{function}({', '.join(argument.text for argument in arguments)})")
