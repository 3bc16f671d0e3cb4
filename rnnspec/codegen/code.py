"""Expressions of a source: text with its precedence, and how a long one of Python is broken into lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

_SIMPLE = re.compile(r"[A-Za-z_][\w.]*|[\d.]+(e[+-]?\d+)?")

#: The longest line of a generated source.
WIDTH = 110


class Level(IntEnum):
    """How tightly the outermost operator of an expression binds, loosest first, in Python and in C++.

    Logic is looser than comparisons where it is && and || of C++, tighter where it is & and | of tensors.
    """

    CHOICE = 0
    OR = 1
    AND = 2
    COMPARISON = 3
    BIT_OR = 4
    BIT_AND = 5
    SUM = 6
    PRODUCT = 7
    SIGN = 8
    POWER = 9
    ATOM = 10


@dataclass(frozen=True)
class Code:
    """An expression of Python or C++.

    literal: whether literals alone make it up; in Python it is a number then, and no tensor.  parts: the
    arguments of a call, or the operands of a chain of operators of one level; operators: one less than
    operands, empty for a call.
    """

    text: str
    level: Level = Level.ATOM
    literal: bool = False
    parts: tuple[Code, ...] = ()
    operators: tuple[str, ...] = ()

    def at(self, level: Level) -> Code:
        """Return this in parentheses if it binds looser than a level."""
        if self.level >= level:
            return self
        return Code(f"({self.text})", Level.ATOM, self.literal, (self,))


def call(function: str, *arguments: Code) -> Code:
    """Return the call of a function."""
    return Code(f"{function}({', '.join(a.text for a in arguments)})", parts=arguments)


def infix(operator: str, left: Code, right: Code, level: Level) -> Code:
    """Return left operator right; a chain of one level stays one chain, associated to the left."""
    left, right = left.at(level), right.at(Level(level + 1))
    chain = left.level == level and bool(left.operators)
    return Code(
        f"{left.text} {operator} {right.text}",
        level,
        left.literal and right.literal,
        (*left.parts, right) if chain else (left, right),
        (*left.operators, operator) if chain else (operator,),
    )


def prefix(operator: str, operand: Code) -> Code:
    """Return an operator before its only operand; it breaks as the operand does."""
    # -(x**2) rather than -x**2, which few read rightly, and -(-x), as --x is something else in C++.
    inner = operand.at(Level.ATOM)
    parts = () if inner.operators else inner.parts
    return Code(f"{operator}{inner.text}", Level.SIGN, parts=parts)


def power(base: Code, exponent: Code) -> Code:
    """Return base ** exponent, set closely if both are simple."""
    base, exponent = base.at(Level.ATOM), exponent.at(Level.SIGN)
    simple = _SIMPLE.fullmatch(base.text) and _SIMPLE.fullmatch(exponent.text.removeprefix("-"))
    text = f"{base.text}**{exponent.text}" if simple else f"{base.text} ** {exponent.text}"
    return Code(text, Level.POWER)


def break_lines(code: Code, first: int, last: int, indent: int) -> str:
    """Return an expression on as few lines as it needs.

    first: the columns before it on its first line.  last: those behind it on its last.  indent: of the
    statement it stands in.
    """
    if first + len(code.text) + last <= WIDTH:
        return code.text
    if len(code.operators) == 1 and code.parts[1].parts and not code.parts[1].operators:
        # One operator before a call: the brackets of the call are enough.
        start, opened = f"{code.parts[0].text} {code.operators[0]} ", code.parts[1].text.index("(") + 1
        if first + len(start) + opened <= WIDTH:
            return start + _brackets(code.parts[1], indent)
    if code.operators:
        body = _operands(code, indent + 4)
        return f"(\n{' ' * (indent + 4)}{body}\n{' ' * indent})"
    return _brackets(code, indent)


def _brackets(code: Code, indent: int) -> str:
    """Break inside the brackets of a call: all arguments on a line of their own, or each."""
    if not code.parts:
        return code.text
    inner = indent + 4
    head = code.text[: code.text.index("(") + 1]
    margin = "\n" + " " * inner
    if head.lstrip("-~") == "(":
        return f"{head}{margin}{_operands(code.parts[0], inner)}\n{' ' * indent})"
    together = ", ".join(part.text for part in code.parts)
    if inner + len(together) <= WIDTH and not _nested(code.parts):
        return f"{head}{margin}{together}\n{' ' * indent})"
    each = "".join(f"{margin}{_inside(part, inner, 1)}," for part in code.parts)
    return f"{head}{each}\n{' ' * indent})"


def _nested(parts: Sequence[Code]) -> bool:
    return len(parts) == 1 and bool(parts[0].parts) and not parts[0].operators


def _inside(code: Code, indent: int, last: int) -> str:
    """Return an expression that stands in brackets already, so needs none to be broken."""
    if indent + len(code.text) + last <= WIDTH:
        return code.text
    return _operands(code, indent) if code.operators else _brackets(code, indent)


def _operands(code: Code, indent: int) -> str:
    """Put each operand of a chain on a line, its operator before it."""
    if not code.operators:
        return _inside(code, indent, 0)
    lines = [_inside(code.parts[0], indent, 0)]
    for operator, part in zip(code.operators, code.parts[1:], strict=True):
        room = len(operator) + 1
        lines.append(
            f"{operator} {_inside(part, indent, 0) if indent + room + len(part.text) > WIDTH else part.text}"
        )
    return f"\n{' ' * indent}".join(lines)
