"""What a YAML document consists of: scalars, mappings and sequences, each with its place."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspec.diagnostics import Span


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.  text: as YAML reads it; plain: without quotes; value: by the 1.2 core rules."""

    value: bool | int | float | str | None
    text: str
    plain: bool
    span: Span

    def part(self, start: int, end: int) -> Span:
        """Return the place of the characters start to end (0-based, exclusive) of the text.

        The whole place if the text does not stand on one line as it is, because of folds or escapes.
        """
        written = excerpt(self.span)
        if written == self.text:
            return self.span.part(start, end)
        return self.span.part(start + 1, end + 1) if written[1:-1] == self.text else self.span


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a mapping, and the place of its key."""

    key: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Values by the text of their keys, in the order written."""

    entries: dict[str, Entry]
    span: Span


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    span: Span


Node = Scalar | Mapping | Sequence


def excerpt(span: Span) -> str:
    """Return the text that a place covers, its lines joined by single blanks."""
    lines = span.source.lines[span.line - 1 : span.end_line]
    if span.line == span.end_line:
        return lines[0][span.column - 1 : span.end_column - 1] if lines else ""
    if len(lines) > span.end_line - span.line:
        lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return " ".join(line.strip() for line in lines)


def plain_value(node: Node) -> object:
    """Return the dict, list or value that a node stands for."""
    match node:
        case Mapping():
            return {key: plain_value(entry.value) for key, entry in node.entries.items()}
        case Sequence():
            return [plain_value(item) for item in node.items]
        case Scalar():
            return node.value
