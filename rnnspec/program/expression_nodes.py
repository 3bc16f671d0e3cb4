"""The nodes of expressions in a program: frozen dataclasses, each with its type.

Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal


class Rate(IntEnum):
    """When a value changes."""

    CONSTANT = 0
    SEQUENCE = 1
    TRIAL = 2
    POINT = 3  # at every time point of an epoch


@dataclass(frozen=True)
class Type:
    """The type of a value.

    size: None for a single number or truth value; for a vector, its number of units.  reads: whether it
    depends on a read, so that it differs between networks.  random: whether it contains a random call.
    low, high: bounds of the value, possibly infinite.  whole: whether it is always a whole number.  slack: by
    how much it stays below `high`, as `uniform(0, 1)` stays below 1.
    """

    kind: Literal["number", "truth"]
    size: int | None
    rate: Rate
    reads: bool
    random: bool
    low: float
    high: float
    whole: bool = False
    slack: float = 0.0


@dataclass(frozen=True)
class Number:
    """A literal number; times are in seconds."""

    type: Type
    value: float


@dataclass(frozen=True)
class Variable:
    """The value of a draw or a read in the current trial."""

    type: Type
    name: str


@dataclass(frozen=True)
class Previous:
    """The value of a variable in the preceding trial of the sequence; in the first trial, `initial`."""

    type: Type
    name: str
    initial: Expression


@dataclass(frozen=True)
class Output:
    """The value of an output channel: a number if it has one unit, else a vector.

    Only in `correct` and `read`.
    """

    type: Type
    name: str


@dataclass(frozen=True)
class Clock:
    """t, the time since the epoch began, in seconds."""

    type: Type


@dataclass(frozen=True)
class Apply:
    """A function or operator applied to its arguments.

    function: a name of types.APPLIED, among them the operators add, sub, mul, div, mod, pow, neg, lt,
    le, gt, ge, eq, ne, and, or, not.  The size of the vector that `ring` and `onehot` make is type.size.
    """

    type: Type
    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Random:
    """A random call: uniform, normal, choice, bernoulli, integer or exponential.

    call: the first 32 bits of the SHA-256 of `name#place`, where `name` is the name of the variable and
    `place` counts the random calls before this one in its expression (or list).
    """

    type: Type
    function: str
    arguments: tuple[Expression, ...]
    call: int


@dataclass(frozen=True)
class White:
    """white(s): independent noise at each step and unit of the channel.  call: number in the expression."""

    type: Type
    scale: Expression
    call: int


Expression = Number | Variable | Previous | Output | Clock | Apply | Random | White


def children(node: Expression) -> tuple[Expression, ...]:
    """Return the arguments of an expression."""
    match node:
        case Apply(arguments=arguments) | Random(arguments=arguments):
            return arguments
        case Previous(initial=initial):
            return (initial,)
        case White(scale=scale):
            return (scale,)
        case _:
            return ()


def walk(node: Expression) -> Iterator[Expression]:
    """Yield an expression and all expressions in it, parents first, left to right."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(children(node)))
