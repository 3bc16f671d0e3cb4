"""Places in a spec, diagnostics that point at them, and the text in which they are printed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

Severity = Literal["error", "warning"]

#: The most diagnostics collected for one document: a hostile document could have a million.
MAX_DIAGNOSTICS = 100


@dataclass(frozen=True)
class Source:
    """The text that diagnostics point into: a file, or one `--set`."""

    name: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @property
    def is_file(self) -> bool:
        """Whether it is a file, not an option of the command line."""
        return self.name not in ("--set", "--with")


@dataclass(frozen=True)
class Span:
    """A range of a source: lines and columns count from 1, the end is exclusive."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def part(self, start: int, end: int) -> Span:
        """Return the span of the characters start to end (0-based, end exclusive) of this span.

        A span of several lines is returned whole.
        """
        if self.line != self.end_line:
            return self
        first = min(self.column + start, self.end_column)
        last = max(first + 1, min(self.column + end, self.end_column))
        return Span(self.source, self.line, first, self.line, last)


@dataclass(frozen=True)
class Diagnostic:
    """One problem of a spec.

    message: what was found.  expected: what was expected, printed beside the caret.  help: one remedy.
    """

    code: str
    severity: Severity
    message: str
    span: Span
    expected: str = ""
    help: str = ""


class SpecError(Exception):
    """A spec has errors.

    diagnostics: the errors and warnings, sorted by place; at most MAX_DIAGNOSTICS.
    more: how many others were found.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic], more: int = 0) -> None:
        self.diagnostics = tuple(diagnostics)
        self.more = more
        super().__init__(render_text(self.diagnostics) + (f"\n\n... and {more:,} more" if more else ""))


@dataclass
class Problems:
    """Collects the diagnostics of one document while it is read, lowered and checked.

    more: how many were not collected, because MAX_DIAGNOSTICS had been found before.
    silenced: those that a comment has silenced, which are no longer among the others.
    """

    found: list[Diagnostic] = field(default_factory=list)
    silenced: list[Diagnostic] = field(default_factory=list)
    more: int = 0
    _seen: set[Diagnostic] = field(default_factory=set, repr=False)

    def error(self, code: str, message: str, span: Span, *, expected: str = "", help: str = "") -> None:
        self.add(Diagnostic(code, "error", message, span, expected, help))

    def warning(self, code: str, message: str, span: Span, *, expected: str = "", help: str = "") -> None:
        self.add(Diagnostic(code, "warning", message, span, expected, help))

    @property
    def full(self) -> bool:
        return len(self.found) >= MAX_DIAGNOSTICS

    @property
    def failed(self) -> bool:
        return any(d.severity == "error" for d in self.found)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Return the diagnostics, sorted by place."""

        def place(d: Diagnostic) -> tuple[str, int, int, str, str]:
            return (d.span.source.name, d.span.line, d.span.column, d.code, d.message)

        return tuple(sorted(self.found, key=place))

    def stop_on_error(self) -> None:
        """Raise SpecError if an error was found."""
        if self.failed:
            raise SpecError(self.sorted(), self.more)

    def add(self, diagnostic: Diagnostic) -> None:
        # A value that several epochs inherit is lowered, and reported, once for each of them.
        if diagnostic in self._seen:
            return
        self._seen.add(diagnostic)
        if self.full:
            self.more += 1
        else:
            self.found.append(diagnostic)


def closest(word: str, choices: Iterable[str]) -> str:
    """Return the choice that is most similar to a word; an empty string if none is similar.

    Of two, the one that is the same but for capitals, or for two neighbouring letters that are swapped.
    """
    known: dict[str, str] = {}
    for choice in choices:
        known.setdefault(choice.lower(), choice)
    word = word[:64].lower()
    if word in known:
        return known[word]
    letters = sorted(word)
    swapped = (other for other in known if sorted(other) == letters and _one_swap(word, other))
    found = next(swapped, "") or next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), "")
    return known.get(found, "")


def _one_swap(word: str, other: str) -> bool:
    """Return whether two words of the same letters differ by a swap of two neighbours."""
    different = [place for place, (a, b) in enumerate(zip(word, other, strict=True)) if a != b]
    return len(different) == 2 and different[1] == different[0] + 1


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the choice that is most similar to a word, or an empty string."""
    found = closest(word, choices)
    return f"did you mean '{found}'?" if found else ""


def one_of(choices: Iterable[str]) -> str:
    """Return `one of: a, b, c`, shortened to at most 12 names."""
    names = list(choices)
    if not names:
        return "no name, because none is defined"
    shown = ", ".join(names[:12]) + (f", ... ({len(names)} in all)" if len(names) > 12 else "")
    return f"one of: {shown}" if len(names) > 1 else f"'{names[0]}'"


def shorten(text: str, width: int = 40) -> str:
    """Return text from a spec in a form that is safe in a message: one printable line of limited width."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: width + 1])
    return clean if len(clean) <= width else clean[: width - 3] + "..."


# --- text --------------------------------------------------------------------------------------------


def render_text(diagnostics: Iterable[Diagnostic]) -> str:
    """Render diagnostics for people: place, code, message, the line with a caret, help."""
    return "\n\n".join(_text(d) for d in diagnostics)


def _text(d: Diagnostic) -> str:
    return "\n".join(_text_lines(d))


def _text_lines(d: Diagnostic) -> Iterator[str]:
    span = d.span
    yield f"{span.source.name}:{span.line}:{span.column}: {d.severity}[{d.code}] {d.message}"
    line = span.source.lines[span.line - 1] if span.line <= len(span.source.lines) else ""
    if line.strip() or d.expected:
        # Of a very long line, only the part around the caret is shown.
        shift = max(0, span.column - 60) if len(line) > 120 else 0
        shown = shorten(line[shift:].expandtabs(1).rstrip(), 120)
        start = span.column - 1 - shift
        stop = span.end_column - 1 - shift if span.end_line == span.line else len(shown)
        caret = "^" * max(1, min(stop, len(shown)) - start)
        number = f"{span.line:>5}"
        yield f"{number} | {shown}"
        yield f"{' ' * len(number)} | {' ' * start}{caret}" + (
            f" expected {d.expected}" if d.expected else ""
        )
    if d.help:
        yield f"  help: {d.help}"
