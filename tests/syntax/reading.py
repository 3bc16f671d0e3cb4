"""Reading for tests: the value of a text, and its problems on one line each."""

from __future__ import annotations

from rnnspec.diagnostics import Problems, Span
from rnnspec.syntax.source import read_text
from rnnspec.syntax.tree import Mapping, Node, Sequence, plain_value


def read(text: str | bytes) -> tuple[object, list[str]]:
    """Return the value of a text, ... if it has none, and its problems, each on one line."""
    problems = Problems()
    node = read_text(text, "spec.yaml", problems)
    assert node is not None or problems.failed
    return ... if node is None else plain_value(node), formatted(problems)


def formatted(problems: Problems) -> list[str]:
    """Return `line:column code message; expected ...; help`, sorted."""
    lines = []
    for d in problems.sorted():
        text = f"{d.span.line}:{d.span.column} {d.code} {d.message}"
        text += f"; expected {d.expected}" if d.expected else ""
        lines.append(text + (f"; {d.help}" if d.help else ""))
    return lines


def walk(node: Node | None, path: str = "") -> list[tuple[str, Span]]:
    """Return the path and place of a node, and of every key and node below it."""
    assert node is not None
    found = [(path, node.span)]
    if isinstance(node, Mapping):
        for key, entry in node.entries.items():
            below = f"{path}.{key}" if path else key
            found += [(f"{below}/key", entry.key), *walk(entry.value, below)]
    if isinstance(node, Sequence):
        for number, item in enumerate(node.items):
            found += walk(item, f"{path}.{number}")
    return found
