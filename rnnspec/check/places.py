"""The expressions of a program, and the places of their parts in the document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

from rnnspec.diagnostics import Problems, Span
from rnnspec.program.expression_nodes import Apply, Expression, Number, Random, White, children, walk
from rnnspec.program.nodes import Draw, Epoch, Path, Program
from rnnspec.program.types import APPLIED
from rnnspec.syntax import expression as syntax
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Scalar

#: The choices, where() and pick(), of which a part is a branch, each with the number of that argument.
Guards = tuple[tuple[Expression, int], ...]


def expressions(program: Program, document: Document) -> Iterator[tuple[Path, Expression]]:
    """Yield every expression of a task with its path, those that epochs inherit once."""
    timeline = program.timeline
    found: dict[Path, Expression] = {}
    for draw in timeline.draws:
        found |= definitions(draw)
    for epoch in timeline.epochs:
        found |= {drive.path: drive.value for drive in epoch.drives}
        found |= {target.path: target.value for target in epoch.targets}
        found |= {read.path: read.value for read in epoch.reads}
        if epoch.duration.value is not None:
            found[epoch.duration.path] = epoch.duration.value
        if epoch.weight is not None:
            found[(*epoch.path, "weight")] = epoch.weight
        if epoch.correct is not None:
            found[correct_path(epoch, document)] = epoch.correct
    for name, value in (("success", timeline.success), ("scored", timeline.scored)):
        if value is not None:
            found[(*timeline.path, name)] = value
    yield from found.items()


def definitions(draw: Draw) -> dict[Path, Expression]:
    """Return the expressions of a variable by path."""
    if draw.patterns is not None:
        return {
            (*draw.path, "balanced", p, i): value
            for p, pattern in enumerate(draw.patterns)
            for i, value in enumerate(pattern)
        }
    if len(draw.values) == 1:
        # A list of one value has a place of its own only where it is written as a list.
        return {draw.path: draw.values[0]}
    return {(*draw.path, i): value for i, value in enumerate(draw.values)}


def weightless(epoch: Epoch) -> bool:
    """Return whether the targets of an epoch do not count in the loss."""
    return isinstance(epoch.weight, Number) and epoch.weight.value == 0


def correct_path(epoch: Epoch, document: Document) -> Path:
    """Return the path of the `correct` of an epoch, which may be that of the task."""
    own = (*epoch.path, "correct")
    return own if document.node(own) is not None else ("task", "correct")


def text_of(document: Document, path: Path) -> str:
    """Return an expression as it is written; empty for a list."""
    node = document.node(path)
    return str(node.value) if isinstance(node, Scalar) else ""


def tree_of(document: Document, path: Path) -> syntax.Tree | None:
    """Return the tree of an expression as it is written; None for a truth value of YAML, or a list."""
    try:
        return _parse(text_of(document, path))
    except syntax.ExpressionError:
        return None


#: Several rules read the same expressions.
_parse = lru_cache(maxsize=1024)(syntax.parse)


def parts(
    document: Document, path: Path, expression: Expression, wanted: Callable[[Expression], bool]
) -> Iterator[tuple[Expression, Span]]:
    """Yield the wanted parts of an expression, parents first, each with its place."""
    for part, span, _ in guarded_parts(document, path, expression, wanted):
        yield part, span


def guarded_parts(
    document: Document, path: Path, expression: Expression, wanted: Callable[[Expression], bool]
) -> Iterator[tuple[Expression, Span, Guards]]:
    """Yield the same, each with the choices of which it is a branch."""
    if not any(map(wanted, walk(expression))):
        return
    waiting: list[tuple[Expression, syntax.Tree | None, Guards]] = [(expression, tree_of(document, path), ())]
    while waiting:
        part, tree, guards = waiting.pop()
        while isinstance(tree, syntax.Unary) and tree.operator == "+":
            tree = tree.operand
        if wanted(part):
            place = document.span(path) if tree is None else document.inside(path, tree.start, tree.end)
            yield part, place, guards
        if tree is not None and isinstance(part, Apply | Random | White):
            chooses = isinstance(part, Apply) and APPLIED[part.function].chooses
            # Arguments with a default may be left out.
            below = enumerate(zip(children(part), syntax.children(tree), strict=False))
            waiting += [
                (child, inner, (*guards, (part, number)) if chooses and number else guards)
                for number, (child, inner) in below
            ][::-1]


def reported(problems: Problems, code: str, span: Span) -> bool:
    """Return whether a diagnostic with this code has been found within a place."""
    start, end = (span.line, span.column), (span.end_line, span.end_column)
    return any(
        d.code == code and d.span.source == span.source and start <= (d.span.line, d.span.column) <= end
        for d in problems.found
    )
