"""Lower the distributions of initial weights: check names and arguments, compute constants."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rnnspec.diagnostics import Problems, nearest, one_of
from rnnspec.program.nodes import Distribution, Path
from rnnspec.spec.values import DistributionCall
from rnnspec.syntax import expression as syntax
from rnnspec.syntax.compose import Document

#: The usage of each distribution, as messages show it.
USAGE = {
    "normal": "normal(mean, sd)",
    "uniform": "uniform(low, high)",
    "gamma": "gamma(shape, scale)",
    "orthogonal": "orthogonal(gain)",
    "identity": "identity(gain)",
    "zeros": "zeros",
    "spectral": "spectral(distribution, radius)",
}

#: The usage of a distribution whose arguments are out of range.
_RANGES = {
    "normal": "normal(mean, sd) with sd of at least 0",
    "uniform": "uniform(low, high) with low <= high",
    "gamma": "gamma(shape, scale)",
}

_OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
    "**": lambda a, b: a**b,
}


@dataclass(frozen=True)
class DistributionLowering:
    """Lowers the distributions of one document."""

    document: Document
    problems: Problems

    def lower(
        self, call: DistributionCall, path: Path, sizes: Mapping[str, float], *, whole: bool = False
    ) -> tuple[Distribution, float | None] | None:
        """Return the distribution and its spectral radius; None if there is an error.

        sizes: the values of the names that may be used, such as `units`.  whole: whether the distribution is
        for a whole square matrix, which may have a spectral radius.
        """
        return self._call(call.name, call.arguments, call.tree, path, sizes, whole)

    def _call(
        self,
        name: str,
        arguments: tuple[syntax.Tree, ...],
        tree: syntax.Tree,
        path: Path,
        sizes: Mapping[str, float],
        whole: bool,
    ) -> tuple[Distribution, float | None] | None:
        if name not in USAGE:
            self._error(path, tree, f"there is no distribution '{name}'", one_of(USAGE), nearest(name, USAGE))
            return None
        if name == "spectral":
            return self._spectral(arguments, tree, path, sizes, whole)
        wanted = USAGE[name].count(",") + 1 if "(" in USAGE[name] else 0
        if len(arguments) != wanted and not (name in ("orthogonal", "identity") and not arguments):
            self._error(path, tree, f"'{name}' has {_count(arguments)}", USAGE[name])
            return None
        values: list[float] = []
        for argument in arguments:
            try:
                values.append(_constant(argument, sizes))
            except _NotConstantError as error:
                self._error(
                    path,
                    error.tree,
                    str(error),
                    f"a number, which may use {one_of(sizes)}" if sizes else "a number",
                )
                return None
        if not arguments and wanted:
            values = [1.0]
        if problem := _range_problem(name, values):
            self._error(path, tree, problem, _RANGES[name])
            return None
        return Distribution(path, name, tuple(values)), None

    def _spectral(
        self,
        arguments: tuple[syntax.Tree, ...],
        tree: syntax.Tree,
        path: Path,
        sizes: Mapping[str, float],
        whole: bool,
    ) -> tuple[Distribution, float | None] | None:
        if not whole:
            self._error(
                path,
                tree,
                "a spectral radius applies only to the whole of w_rec",
                "another distribution",
                "write 'spectral' in weights.w_rec",
                code="RS107",
            )
            return None
        if len(arguments) != 2:
            self._error(path, tree, f"'spectral' has {_count(arguments)}", USAGE["spectral"])
            return None
        inner = arguments[0]
        if isinstance(inner, syntax.Call):
            lowered = self._call(inner.function, inner.arguments, inner, path, sizes, False)
        elif isinstance(inner, syntax.Name):
            lowered = self._call(inner.id, (), inner, path, sizes, False)
        else:
            self._error(path, inner, "the first argument is not a distribution", USAGE["spectral"])
            return None
        try:
            radius = _constant(arguments[1], sizes)
        except _NotConstantError as error:
            self._error(path, error.tree, str(error), "a number")
            return None
        if radius <= 0:
            self._error(path, arguments[1], f"the spectral radius is {radius:g}", "a number above 0")
            return None
        if lowered is not None and lowered[0].name == "zeros":
            self._error(
                path, inner, "a matrix of zeros cannot be scaled to a spectral radius", "another distribution"
            )
            return None
        return (lowered[0], radius) if lowered else None

    def _error(
        self, path: Path, tree: syntax.Tree, message: str, expected: str, help: str = "", code: str = "RS104"
    ) -> None:
        span = self.document.inside(path, tree.start, tree.end)
        self.problems.error(code, message, span, expected=expected, help=help)


class _NotConstantError(Exception):
    def __init__(self, message: str, tree: syntax.Tree) -> None:
        super().__init__(message)
        self.tree = tree


def _constant(tree: syntax.Tree, sizes: Mapping[str, float]) -> float:
    """Return the value of a constant expression of numbers and sizes.  Raises _NotConstantError."""
    try:
        match tree:
            case syntax.Number(value=value):
                return float(value)
            case syntax.Name(id="pi"):
                return math.pi
            case syntax.Name(id=name) if name in sizes:
                return float(sizes[name])
            case syntax.Unary(operator="-", operand=operand):
                return -_constant(operand, sizes)
            case syntax.Unary(operator="+", operand=operand):
                return _constant(operand, sizes)
            case syntax.Call(function="sqrt", arguments=(operand,)):
                return math.sqrt(_constant(operand, sizes))
            case syntax.Binary(operator=operator, left=left, right=right) if operator in _OPERATIONS:
                value = _OPERATIONS[operator](_constant(left, sizes), _constant(right, sizes))
                if isinstance(value, complex) or not math.isfinite(value):
                    raise _NotConstantError("the value of this is not finite", tree)
                return float(value)
    except (ArithmeticError, ValueError):
        raise _NotConstantError("the value of this is not finite", tree) from None
    raise _NotConstantError("this is not a constant", tree)


def _count(arguments: tuple[syntax.Tree, ...]) -> str:
    return f"{len(arguments)} argument{'' if len(arguments) == 1 else 's'}"


def _range_problem(name: str, values: list[float]) -> str:
    if name == "normal" and values[1] < 0:
        return f"the standard deviation is {values[1]:g}"
    if name == "uniform" and values[0] > values[1]:
        return f"the lower bound {values[0]:g} is above the upper bound {values[1]:g}"
    if name == "gamma" and min(values) <= 0:
        return "the shape and the scale of a gamma distribution must be above 0"
    return ""
