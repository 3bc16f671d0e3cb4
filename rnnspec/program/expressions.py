"""Lower expression trees: resolve names, check kinds, find rates and bounds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Literal

from rnnspec.diagnostics import Problems, Span, nearest, one_of, shorten
from rnnspec.program.expression_nodes import (
    Apply,
    Clock,
    Expression,
    Number,
    Output,
    Previous,
    Random,
    Rate,
    Type,
    Variable,
    White,
)
from rnnspec.program.functions import CALLABLE, FUNCTIONS, IN_TIME, RANDOM, Argument, Function
from rnnspec.program.nodes import OutputChannel, Path
from rnnspec.program.operators import OPERATORS
from rnnspec.program.refinement import Types, refined
from rnnspec.program.types import APPLIED, CONSTANT, describe, result_type, union, why_not_finite
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.spec.network import MAX_UNITS
from rnnspec.spec.values import UNKNOWN, ExpressionText
from rnnspec.syntax import expression as syntax
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Scalar

Role = Literal[
    "draw", "sequence", "duration", "input", "target", "weight", "correct", "read", "success", "scored"
]

#: The operators between two operands, by symbol.
_BINARY = {operator.usage: name for name, operator in OPERATORS.items() if operator.counts == (2, 2)}


@dataclass(frozen=True)
class Place:
    """The place of an expression, which decides what it may use.

    known: how many epochs of the trial are over, so which reads are known.  variable: the draw that it
    defines.  size, ring: of the channel that it drives (size None for a single unit).
    """

    role: Role
    known: int
    variable: str = ""
    channel: str = ""
    size: int | None = None
    ring: bool = False

    @property
    def random(self) -> bool:
        return self.role in ("draw", "sequence")

    @property
    def clock(self) -> bool:
        return self.role in ("input", "target", "weight", "correct")

    @property
    def outputs(self) -> bool:
        return self.role in ("correct", "read")


#: Returns the type of a variable at a place, or reports why it cannot be used there and returns None.
Lookup = Callable[[str, Place, Span], Type | None]


@dataclass
class ExpressionLowering:
    """Lowers the expressions of one document.

    Requires: dt, in seconds; the output channels; two lookups, of variables and of their previous values.
    Ensures: a typed expression, or None and at least one error at the place in the text.
    """

    document: Document
    problems: Problems
    dt: Fraction
    outputs: Mapping[str, OutputChannel]
    variable: Lookup
    previous: Lookup
    #: Names that mean two things, which has been reported.
    ambiguous: Collection[str] = ()

    def lower(
        self, text: ExpressionText, path: Path, place: Place, calls: list[int] | None = None
    ) -> Expression | None:
        """Lower one expression; `calls` counts random calls through a list of expressions."""
        if text is UNKNOWN:
            return None
        return _One(self, path, place, calls if calls is not None else [0], [0]).lower(text.tree)


@dataclass
class _One:
    """The lowering of one expression."""

    context: ExpressionLowering
    path: Path
    place: Place
    random_calls: list[int]
    white_calls: list[int]
    #: The number of choices of which the current part is a branch, so that it may never be evaluated.
    branches: int = 0
    #: The types of variables in this branch, as far as the conditions of where() narrow them.
    narrowed: Types = field(default_factory=dict)

    def lower(self, tree: syntax.Tree) -> Expression | None:
        match tree:
            case syntax.Number(value=value):
                return _number(float(value))
            case syntax.Quantity(time=time):
                # A time inside an expression is a number of seconds.
                return _number(float(time.seconds(self.context.dt)))
            case syntax.Name():
                return self._name(tree)
            case syntax.Unary(operator="+", operand=operand):
                return self.lower(operand)
            case syntax.Unary(operator=operator, operand=operand):
                return self._apply("neg" if operator == "-" else "not", (operand,), tree)
            case syntax.Binary(operator=operator, left=left, right=right):
                return self._apply(_BINARY[operator], (left, right), tree)
            case syntax.Call(function=function):
                return self._call(tree, function)

    def _name(self, tree: syntax.Name) -> Expression | None:
        name, span = tree.id, self._span(tree)
        if name in self.context.ambiguous:
            return None
        if name == "pi":
            return _number(math.pi)
        if name == "t":
            if not self.place.clock:
                return self._refuse(
                    f"'t' is not defined in {self._where}", tree, "use it in input, target, weight or correct"
                )
            type = replace(CONSTANT, rate=Rate.POINT, low=0.0, high=math.inf)
            return Clock(self.narrowed.get(name, type))
        if name in self.context.outputs and self.place.outputs:
            channel = self.context.outputs[name]
            size = channel.stop - channel.start
            function = ACTIVATIONS[channel.activation.name]
            width = size if size > 1 else None
            return Output(Type("number", width, Rate.POINT, True, False, function.low, function.high), name)
        known = self.context.variable(name, self.place, span)
        return Variable(self.narrowed.get(name, known), name) if known else None

    def _call(self, tree: syntax.Call, function: str) -> Expression | None:
        if not check_call(tree, self.context.document, self.path, self.context.problems):
            return None
        if function in IN_TIME:
            return self._previous(tree) if function == "previous" else self._white(tree)
        if function in RANDOM:
            return self._random(tree, function)
        if FUNCTIONS[function].result in ("channel", "ring") and self.place.role not in ("input", "target"):
            return self._refuse(
                f"{function}() makes a vector for a channel, but {self._where} has no channel",
                tree,
                "use it in 'input' or 'target'",
            )
        return self._apply(function, tree.arguments, tree)

    def _apply(self, name: str, trees: Sequence[syntax.Tree], tree: syntax.Tree) -> Expression | None:
        function = APPLIED[name]
        arguments = self._arguments(function, trees)
        if arguments is None:
            return None
        sizes = {a.type.size: t for a, t in zip(arguments, trees, strict=True) if a.type.size is not None}
        if len(sizes) > 1:
            first, second, *_ = sizes
            self.context.problems.error(
                "RS205",
                f"a vector of {first} and a vector of {second} cannot be combined",
                self._span(tree),
                expected="vectors of the same size",
            )
            return None
        if function.result == "ring" and not self.place.ring:
            self.context.problems.error(
                "RS211",
                f"'{self.place.channel}' is not a ring, so its units have no preferred directions",
                self._span(tree),
                expected="a number for each unit" if self.place.size else "a number",
                help=f"declare it with 'ring: {self.place.size or 32}', or use onehot()",
            )
            return None
        if function.arguments[0] == "index":
            # It counts the units of the channel, or the other arguments.
            size = (self.place.size or 1) if function.result == "channel" else len(arguments) - 1
            if not self._in_range(name, arguments[0], size, trees[0]):
                return None
        if function.defaults:
            absent = function.defaults[len(arguments) - function.counts[0] :]
            arguments = (*arguments, *map(_number, absent))
        if function.result == "ring" and arguments[1].type.high <= 0:
            self.context.problems.error(
                "RS237",
                f"the width of this bump is {_bounds(arguments[1].type)}",
                self._span(trees[1]),
                expected="a width above 0, in radians",
                help="leave it out for pi/8",
            )
            return None
        types = [argument.type for argument in arguments]
        type = result_type(function, types, self.place.size)
        why = "" if self.branches else why_not_finite(function, types, type)
        if why:
            self.context.problems.error("RS221", why, self._span(tree), expected="a finite number")
            return None
        return Apply(type, name, arguments)

    def _in_range(self, name: str, index: Expression, size: int, tree: syntax.Tree) -> bool:
        """Return whether an index is in range; reports it if known bounds exceed the range."""
        low, high = index.type.low, index.type.high
        if low >= 0 and high <= size - 1:
            return True
        # The author must keep unbounded values, such as previous() of the same variable, in range.
        if not math.isfinite(low) and not math.isfinite(high):
            return True
        self.context.problems.error(
            "RS212",
            f"the index of {name}() is out of range: this is {_bounds(index.type)}",
            self._span(tree),
            expected=f"0 to {size - 1}" if size > 1 else "0",
            help=self._size_for(low, high, size)
            if name == "onehot"
            else "subtract 1"
            if low == 1 and high == size
            else "",
        )
        return False

    def _size_for(self, low: float, high: float, size: int) -> str:
        """Return how an index with these bounds can choose a unit of the channel."""
        shift = "subtract 1" if low == 1 else ""
        if high - (low == 1) < size:
            return shift
        if self.place.ring or low < 0 or not float(high).is_integer() or high >= MAX_UNITS:
            return ""
        declare = f"declare '{self.place.channel}' with 'size: {int(high) + (low != 1)}'"
        return f"{declare}, and {shift}" if shift else declare

    def _random(self, tree: syntax.Call, name: str) -> Expression | None:
        function = RANDOM[name]
        call, self.random_calls[0] = self.random_calls[0], self.random_calls[0] + 1
        if not self.place.random:
            return self._refuse(
                f"random functions such as {name}() are not allowed in {self._where}",
                tree,
                self._instead_of_drawing(tree),
            )
        arguments = self._arguments(function, tree.arguments)
        if arguments is None:
            return None
        objection = function.objection([(a.type.low, a.type.high) for a in arguments])
        if objection is not None:
            problem, help = objection
            span = self._span(tree)
            self.context.problems.error("RS212", problem, span, expected=function.usage, help=help)
            return None
        type = result_type(function, [a.type for a in arguments], None)
        own = Rate.SEQUENCE if self.place.role == "sequence" else Rate.TRIAL
        type = replace(type, random=True, rate=max(own, type.rate))
        digest = hashlib.sha256(f"{self.place.variable}#{call}".encode()).digest()
        return Random(type, name, arguments, int.from_bytes(digest[:4], "big"))

    def _instead_of_drawing(self, tree: syntax.Call) -> str:
        """Return the remedy for a random call outside of `draw`: a variable, and in inputs also white()."""
        node = self.context.document.node(self.path)
        call = shorten(node.text[tree.start : tree.end]) if isinstance(node, Scalar) else ""
        draw = f"define a variable in 'draw', such as 'x: {call or f'{tree.function}(...)'}', and use it here"
        if self.place.role != "input":
            return draw
        noise = "white(s)"
        match tree:
            case syntax.Call(function="normal", arguments=(_, syntax.Number(value=sd))):
                noise = f"white({float(sd) * math.sqrt(self.context.dt):.3g})"
        return f"for noise at every step, write {noise}; for one value a trial, {draw}"

    def _white(self, tree: syntax.Call) -> Expression | None:
        call, self.white_calls[0] = self.white_calls[0], self.white_calls[0] + 1
        if self.place.role != "input":
            return self._refuse(
                f"white() changes at every step, so it is not allowed in {self._where}",
                tree,
                "use it in 'input'",
            )
        arguments = self._arguments(IN_TIME["white"], tree.arguments)
        if arguments is None:
            return None
        type = replace(
            arguments[0].type,
            kind="number",
            size=self.place.size,
            rate=Rate.POINT,
            low=-math.inf,
            high=math.inf,
        )
        return White(type, arguments[0], call)

    def _previous(self, tree: syntax.Call) -> Expression | None:
        if self.place.role == "sequence":
            return self._refuse(
                "previous() needs trials, but 'sequence' is drawn once for all trials",
                tree,
                "use it in 'draw'",
            )
        name = tree.arguments[0]
        assert isinstance(name, syntax.Name)
        if name.id in self.context.ambiguous:
            return None
        before = self.context.previous(name.id, self.place, self._span(name))
        initial = self._argument("scalar", tree.arguments[1])
        if before is None or initial is None:
            return None
        first = initial.type
        type = Type(
            "truth" if before.kind == first.kind == "truth" else "number",
            None,
            max(Rate.TRIAL, first.rate),
            before.reads or first.reads,
            before.random or first.random,
            *union((before, first)),
        )
        return Previous(type, name.id, initial)

    # --- arguments -----------------------------------------------------------------------------------

    def _arguments(self, function: Function, trees: Sequence[syntax.Tree]) -> tuple[Expression, ...] | None:
        found: list[Expression | None] = []
        for position, (kind, tree) in enumerate(zip(function.kinds(len(trees)), trees, strict=True)):
            branch, outside = function.chooses and position > 0, self.narrowed
            if branch and kind == "numeric" and function.arguments[0] == "truth" and found[0] is not None:
                self.narrowed = {**outside, **refined(found[0], holds=position == 1)}
            self.branches += branch
            found.append(self._argument(kind, tree))
            self.branches -= branch
            self.narrowed = outside
        return tuple(a for a in found if a is not None) if all(found) else None

    def _argument(self, kind: Argument, tree: syntax.Tree) -> Expression | None:
        argument = self.lower(tree)
        if argument is None or kind == "numeric":
            return argument
        kind = "scalar" if kind == "index" else kind
        type = argument.type
        fits = {
            "scalar": type.size is None,
            "truth": type.size is None and (type.kind == "truth" or _is_bit(argument)),
            "vector": type.size is not None,
            "ring": isinstance(argument, Output) and self.context.outputs[argument.name].ring,
        }[kind]
        if fits:
            return argument
        words, help = {
            "scalar": ("a number", "argmax() and angle() turn a vector into a number"),
            "truth": ("a truth value, such as x > 0.5", ""),
            "vector": ("a vector: an output with more than one unit", ""),
            "ring": ("an output declared with 'ring:'", ""),
        }[kind]
        self.context.problems.error(
            "RS205", f"this is {describe(type)}", self._span(tree), expected=words, help=help
        )
        return None

    # --- places --------------------------------------------------------------------------------------

    def _refuse(self, message: str, tree: syntax.Tree, help: str) -> Expression | None:
        """Report an expression that is not allowed at this place; return None."""
        self.context.problems.error("RS206", message, self._span(tree), help=help)
        return None

    @property
    def _where(self) -> str:
        return f"'{self.place.role}'" if self.place.role != "duration" else "a duration"

    def _span(self, tree: syntax.Tree) -> Span:
        return self._part(tree.start, tree.end)

    def _part(self, start: int, end: int) -> Span:
        return self.context.document.inside(self.path, start, end)


def _bounds(type: Type) -> str:
    return f"{type.low:g}" if type.low == type.high else f"{type.low:g} to {type.high:g}"


def check_call(tree: syntax.Call, document: Document, path: Path, problems: Problems) -> bool:
    """Return whether a function exists and takes this number of arguments; reports it if not."""
    function, count = tree.function, len(tree.arguments)
    if function not in CALLABLE:
        head = document.inside(path, tree.start, tree.start + len(function))
        problems.error(
            "RS202",
            f"there is no function '{function}'",
            head,
            expected=one_of(CALLABLE),
            help=nearest(function, CALLABLE),
        )
        return False
    called = CALLABLE[function]
    least, most = called.counts
    problem = "" if least <= count <= most else f"{function}() has {_count(count, 'argument')}"
    if not problem and called.arguments[0] == "name" and not isinstance(tree.arguments[0], syntax.Name):
        problem = f"the first argument of {function}() must be the name of a variable"
    if problem:
        span = document.inside(path, tree.start, tree.end)
        problems.error("RS203", problem, span, expected=called.usage)
    return not problem


def _number(value: float) -> Number:
    return Number(replace(CONSTANT, low=value, high=value, whole=value.is_integer()), value)


def _is_bit(expression: Expression) -> bool:
    return isinstance(expression, Number) and expression.value in (0.0, 1.0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def truth(problems: Problems, expression: Expression | None, span: Span) -> Expression | None:
    """Return an expression if it is a single truth value; reports it and returns None if not."""
    if expression is None or (
        expression.type.size is None and (expression.type.kind == "truth" or _is_bit(expression))
    ):
        return expression
    problems.error(
        "RS205", f"this is {describe(expression.type)}", span, expected="a truth value, such as x > 0.5"
    )
    return None


def scalar(problems: Problems, expression: Expression | None, span: Span) -> Expression | None:
    """Return an expression if it is a single number or truth value; reports it and returns None if not."""
    if expression is None or expression.type.size is None:
        return expression
    problems.error("RS205", f"this is {describe(expression.type)}", span, expected="a number")
    return None
