"""Checks the function calls in a fragment; its names are defined in other files."""

from __future__ import annotations

from collections.abc import Iterator

from rnnspec.diagnostics import Problems
from rnnspec.program.expressions import check_call
from rnnspec.program.nodes import Path
from rnnspec.syntax import expression as syntax
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Mapping, Node, Scalar, Sequence

#: The places of expressions.  `*` is any name; expressions can be at any depth below the last word.
PLACES = (
    ("task", "sequence"),
    ("task", "draw"),
    ("task", "input"),
    ("task", "target"),
    ("task", "correct"),
    ("task", "success"),
    ("task", "scored"),
    *(("task", "epochs", "*", key) for key in ("duration", "input", "target", "weight", "correct", "read")),
)


def check_calls_of_fragment(document: Document, problems: Problems) -> None:
    """RS202, RS203: unknown functions, or a wrong number of arguments."""
    for place in PLACES:
        for path, text in _texts(document.tree, place, ()):
            try:
                tree = syntax.parse(text)
            except syntax.ExpressionError:
                # This is a time, or validation has reported the mistake.
                continue
            for call in _calls(tree):
                check_call(call, document, path, problems)


def _texts(node: Node, place: tuple[str, ...], path: Path) -> Iterator[tuple[Path, str]]:
    match node:
        case Scalar(value=str(text)) if not place:
            yield path, text
        case Mapping(entries=entries):
            for key, entry in entries.items():
                if not place or place[0] in (key, "*"):
                    yield from _texts(entry.value, place[1:], (*path, key))
        case Sequence(items=items) if not place:
            for number, item in enumerate(items):
                yield from _texts(item, (), (*path, number))


def _calls(tree: syntax.Tree) -> Iterator[syntax.Call]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, syntax.Call):
            yield node
        stack.extend(syntax.children(node))
