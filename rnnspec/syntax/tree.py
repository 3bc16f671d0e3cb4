"""The nodes of a YAML document: scalars, mappings and sequences, each with its place."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspec.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    value: by the core schema of YAML 1.2.  text: its characters.  plain: whether it is unquoted.
    """

    value: bool | int | float | str | None
    text: str
    plain: bool
    span: Span

    def part(self, start: int, end: int) -> Span:
        """Return the place of the characters start to end (0-based, end exclusive) of the text.

        If line folds or escapes hide where these are, return the place of the whole scalar.
        """
        written = excerpt(self.span)
        if written == self.text:
            return self.span.part(start, end)
        return self.span.part(start + 1, end + 1) if written[1:-1] == self.text else self.span


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of a key in a mapping, and the place of the key."""

    key: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Entries by key, in the order written."""

    entries: dict[str, Entry]
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    span: Span


Node = Scalar | Mapping | Sequence


def excerpt(span: Span) -> str:
    """Return the text of a span, its lines joined by single spaces."""
    lines = span.source.lines[span.line - 1 : span.end_line]
    if span.line == span.end_line:
        return lines[0][span.column - 1 : span.end_column - 1] if lines else ""
    if len(lines) > span.end_line - span.line:
        lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return " ".join(line.strip() for line in lines)


def plain_value(node: Node) -> object:
    """Return a node as a dict, list or scalar value."""
    match node:
        case Mapping():
            return {key: plain_value(entry.value) for key, entry in node.entries.items()}
        case Sequence():
            return [plain_value(item) for item in node.items]
        case Scalar():
            return node.value
