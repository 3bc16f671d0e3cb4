"""What an error has refused: no rule computes with it, and no rule reports what follows from it."""

from __future__ import annotations

from collections.abc import Iterator

from rnnspec.diagnostics import Problems, Span
from rnnspec.program.nodes import Path, Program
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Mapping, Node, Sequence


def refused(document: Document, problems: Problems, *paths: Path) -> bool:
    """Return whether an error points at one of some values, at its key, or at a part of it."""
    errors = [d.span for d in problems.found if d.severity == "error"]
    if not errors:
        return False
    places = [place for path in paths for place in _places(document, path)]
    return any(_within(error, place) for error in errors for place in places)


def dt_path(program: Program) -> Path:
    """Return the path of the time step, on which every number of steps depends."""
    return (*program.network.path, "dt")


def _places(document: Document, path: Path) -> Iterator[Span]:
    node = document.node(path)
    if node is None:
        return
    yield document.span(path, key=True)
    waiting: list[Node] = [node]
    while waiting:
        node = waiting.pop()
        yield node.span
        # A value that another file or a setting overrides lies outside of the span of its mapping.
        if isinstance(node, Mapping):
            for entry in node.entries.values():
                yield entry.key
                waiting.append(entry.value)
        elif isinstance(node, Sequence):
            waiting.extend(node.items)


def _within(inner: Span, outer: Span) -> bool:
    start = (outer.line, outer.column) <= (inner.line, inner.column)
    end = (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    return inner.source is outer.source and start and end
