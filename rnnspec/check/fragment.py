"""What can be said of the expressions of a fragment, whose names are defined elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from rnnspec.diagnostics import Problems
from rnnspec.program.expressions import check_call
from rnnspec.program.nodes import Path
from rnnspec.syntax import expression as syntax
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Mapping, Node, Scalar, Sequence

#: Where expressions stand; `*` is any name, and what is below the last word is any depth.
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
    """RS202, RS203: functions that do not exist, or are given too few or too many arguments."""
    for place in PLACES:
        for path, text in _texts(document.tree, place, ()):
            try:
                tree = syntax.parse(text)
            except syntax.ExpressionError:
                # A time, or reported where it was read.
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
