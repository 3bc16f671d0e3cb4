"""The values of strings with a grammar: expressions, distributions, events, lengths of annealings."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from rnnspec.syntax.expression import Name, Tree
from rnnspec.syntax.quantity import Time, decimal


@dataclass(frozen=True, slots=True)
class ExpressionText:
    """An expression as written, and its tree, whose offsets point into the text."""

    text: str
    tree: Tree


#: Stands for an expression that could not be read; lowering reports nothing about it.
UNKNOWN = ExpressionText("", Name("", 0, 0))


@dataclass(frozen=True, slots=True)
class DistributionCall:
    """A distribution of initial weights, such as `normal(0, 1/units)`; `zeros` has no arguments."""

    name: str
    arguments: tuple[Tree, ...]
    text: str
    tree: Tree


@dataclass(frozen=True, slots=True)
class Over:
    """The length of an annealing: a percentage of the iterations, or a number of iterations."""

    amount: Fraction
    unit: Literal["%", "iterations"]

    def __str__(self) -> str:
        return f"{decimal(self.amount)} {self.unit}"

    def iterations(self, total: int) -> Fraction:
        """Return the length in iterations.  total: the iterations of the training."""
        return self.amount * total / 100 if self.unit == "%" else self.amount


@dataclass(frozen=True, slots=True)
class Event:
    """The start or end of an epoch, or of the trial (name `trial`), plus an offset, which may be negative."""

    name: str
    edge: Literal["start", "end"]
    offset: Time | None
    text: str


@dataclass(frozen=True, slots=True)
class ConnectionKey:
    """The two ends of a connection.  text: the key in the document."""

    source: str
    target: str
    text: str

    def __str__(self) -> str:
        return f"{self.source} -> {self.target}"
