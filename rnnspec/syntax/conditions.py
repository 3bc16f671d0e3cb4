"""Reads `--conditions 'coherence=[-0.5, 0.5]; context=[0, 1]'`: values of variables, to be crossed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rnnspec.diagnostics import Problems, Source, Span, shorten
from rnnspec.syntax.source import read_value
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar, Sequence

_EXAMPLE = "coherence=[-0.5, 0.5]; context=[0, 1]"


@dataclass(frozen=True)
class Condition:
    """A variable and the values that it takes.  place: of its name."""

    name: str
    place: Span
    values: tuple[Scalar, ...]

    def patterns(self, trials: int, truth: bool) -> Entry:
        """Return the variable as `balanced` patterns, each of one value for all trials.

        truth: whether the variable is a truth value.
        """
        items = tuple(
            Sequence((_truth(value) if truth else value,) * trials, value.span) for value in self.values
        )
        return Entry(
            self.place, Mapping({"balanced": Entry(self.place, Sequence(items, self.place))}, self.place)
        )


def read_conditions(text: str, problems: Problems) -> tuple[Condition, ...]:
    """Read the values of each variable; reports what is wrong, with its place in the text."""
    found: dict[str, Condition] = {}
    for part in re.finditer(r"[^;]+", text):
        # What follows is left out: the value ends here.
        source = Source("--conditions", text[: part.end()])
        whole = Span(source, 1, part.start() + 1, 1, part.end() + 1)
        if not part[0].strip():
            continue
        name, equals, value = part[0].partition("=")
        indent = len(name) - len(name.lstrip())
        place = whole.part(indent, max(indent + 1, len(name.rstrip())))
        if not equals or not name.strip() or not value.strip():
            message = "this condition has no " + ("name" if equals and value.strip() else "values")
            _error(problems, message, whole)
            continue
        node = read_value(source, part.start() + len(name) + 1, problems)
        values = None if node is None else _values(name.strip(), node, problems)
        if name.strip() in found:
            _error(problems, f"the variable '{shorten(name.strip())}' is given twice", place)
        elif values:
            found[name.strip()] = Condition(name.strip(), place, values)
    if not found and not problems.failed:
        _error(problems, "there are no conditions", Span(Source("--conditions", text), 1, 1, 1, 2))
    return tuple(found.values())


def _values(name: str, node: Node, problems: Problems) -> tuple[Scalar, ...]:
    items = node.items if isinstance(node, Sequence) else (node,)
    for item in items:
        if not isinstance(item, Scalar) or item.value is None:
            _error(problems, f"a value of '{shorten(name)}' is not a number", item.span)
            return ()
    if not items:
        _error(problems, f"there are no values of '{shorten(name)}'", node.span)
    return tuple(item for item in items if isinstance(item, Scalar))


def _truth(scalar: Scalar) -> Scalar:
    text = scalar.text if not isinstance(scalar.value, bool) else str(int(scalar.value))
    written = f"({text}) != 0"
    return Scalar(written, written, False, scalar.span)


def _error(problems: Problems, message: str, place: Span) -> None:
    problems.error("RS018", message, place, expected="NAME=[VALUE, ...]", help=f"for example: {_EXAMPLE}")
