"""Composition for tests: the value of the composed document, and its problems on one line each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rnnspec.diagnostics import Problems, render_text
from rnnspec.syntax.compose import compose
from rnnspec.syntax.source import read_text
from rnnspec.syntax.tree import plain_value

Write = Callable[..., None]


def composed(
    path: str, overlays: tuple[str, ...] = (), settings: tuple[str, ...] = ()
) -> tuple[Any, list[str]]:
    """Return the value of a composed document, ... if there is none, and its problems, each on one line."""
    problems = Problems()
    document = compose(path, overlays, settings, problems=problems)
    assert document is not None or problems.failed
    return ... if document is None else document.value, formatted(problems)


def formatted(problems: Problems) -> list[str]:
    lines = []
    for d in problems.sorted():
        text = f"{d.span.source.name}:{d.span.line}:{d.span.column} {d.code} {d.message}"
        text += f"; expected {d.expected}" if d.expected else ""
        lines.append(text + (f"; {d.help}" if d.help else ""))
    return lines


def merged(write: Write, base: str, over: str) -> object:
    write(base=base, over=over)
    value, problems = composed("base.yaml", ("over.yaml",))
    assert problems == []
    return value


def reread(text: str) -> object:
    """Return the value of a text that has no problem."""
    problems = Problems()
    node = read_text(text, "dump.yaml", problems)
    assert not problems.found, render_text(problems.sorted())
    assert node is not None
    return plain_value(node)
