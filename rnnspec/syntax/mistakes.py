"""Translates YAML syntax errors into the most likely mistake and its remedy."""

from __future__ import annotations

import re

import yaml

from rnnspec.diagnostics import Source, Span, shorten

_CLOSING = {"{": "}", "[": "]"}
_NO_SPACE = re.compile(r"\s*(?:- )?(\w+):(?=[^\s:])")
_DEEPER = "this line is indented deeper than the line above, which already has a value"


class ReadError(Exception):
    """A problem in a YAML file after which reading cannot continue."""

    def __init__(self, code: str, message: str, span: Span, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.span, self.help = code, message, span, help


def explain(error: yaml.MarkedYAMLError, source: Source, bracket: Span | None) -> ReadError:
    """Translate an error of the parser.  bracket: the innermost { or [ that was still open."""
    return _Explainer(error, source, bracket).explain()


class _Explainer:
    """The error of the parser, its place, and the line that it was reading.

    begin: the row and column where the construct begins that the parser could not finish.
    """

    def __init__(self, error: yaml.MarkedYAMLError, source: Source, bracket: Span | None) -> None:
        self.source = source
        self.bracket = bracket
        self.problem = f"{error.context or ''}: {error.problem or ''}"
        mark = error.problem_mark or error.context_mark
        begin = error.context_mark or mark
        self.row, self.column = (mark.line, mark.column) if mark else (0, 0)
        self.begin = (begin.line, begin.column) if begin else (0, 0)
        self.line = self._line(self.row)
        self.character = self.line[self.column : self.column + 1]

    def explain(self) -> ReadError:
        said = self.problem
        indent = re.match(r"\s*", self.line)
        if indent and "\t" in indent[0] and self.column <= indent.end() and "quoted" not in said:
            return self._at(self.row, indent[0].index("\t"), "this line is indented with a tab", "use spaces")
        if "directive" in said or "incompatible YAML" in said:
            return self._at(self.row, 0, "directives are not supported", "delete this line", "RS006")
        if "tag" in said:
            return self._here("tags are not supported", "delete it", "RS006")
        if "quoted scalar" in said:
            return self._quoted()
        if "unexpected ':'" in said:
            return self._here("a space is missing after this colon", "write 'key: value'")
        if "anchor" in said or "alias" in said:
            return self._at(*self.begin, "a name must follow '&' or '*'", "put the value in quotes")
        if "start any token" in said:
            return self._here(f"a value cannot start with '{self.character}'", "put the value in quotes")
        if "block scalar" in said:
            help = "start the string on the next line, or put it in quotes"
            return self._here("no text can follow | or > on the same line", help)
        return self._missing_space() or self._brackets() or self._colon() or self._block()

    def _quoted(self) -> ReadError:
        if "escape" in self.problem or "hexdecimal" in self.problem or "Unicode" in self.problem:
            help = r"write \\ for a backslash, or use single quotes"
            return self._here("this is not a valid escape sequence in double quotes", help)
        row, column = self.begin
        quote = self._line(row)[column : column + 1]
        return self._at(row, column, "this quote is never closed", f"close it with {quote}")

    def _missing_space(self) -> ReadError | None:
        """Explain `size:20`, which YAML reads as one word that may continue on the next line."""
        if not re.search("':'|mapping values|expected key|flow", self.problem):
            return None
        for row in (self.row, self.begin[0], self._row_above(self.row)):
            column = self._line(row).find("\N{NO-BREAK SPACE}")
            if column >= 0:
                help = "replace it with an ordinary space"
                return self._at(row, column, "this line contains a no-break space", help)
            found = _NO_SPACE.match(self._line(row))
            if found:
                name, value = found[1], self._line(row)[found.end() :].strip()
                help = f"write '{name}: {shorten(value)}'"
                return self._at(row, found.end() - 1, "a space is missing after this colon", help)
        return None

    def _brackets(self) -> ReadError | None:
        if self.bracket is None:
            return None
        opening = self.source.lines[self.bracket.line - 1][self.bracket.column - 1]
        closing = _CLOSING[opening]
        if self.character == ",":
            return self._here("there is no value before this comma", "delete the comma")
        if self.character and self.character in "]}" and self.character != closing:
            return self._here(f"'{self.character}' cannot close '{opening}'", f"write '{closing}' here")
        if closing in self.line[self.column :]:
            if self.character == ":" and self.row == self.bracket.line - 1:
                return self._here("this value contains a second colon", "put the value in quotes")
            row = self.row if self.character != ":" else self._row_above(self.row)
            column = self.column if row == self.row else len(self._line(row).rstrip())
            help = "add it; or put the value in quotes if this is part of it"
            return self._at(row, column, f"',' or '{closing}' is missing here", help)
        message = f"this '{opening}' is never closed"
        return self._at(self.bracket.line - 1, self.bracket.column - 1, message, f"close it with '{closing}'")

    def _colon(self) -> ReadError | None:
        if "mapping values" in self.problem:
            above = self._row_above(self.row)
            if ": " in self.line[: self.column]:
                return self._here("this line contains a second colon", "put the value in quotes")
            if ":" in self._line(above):
                return self._at(
                    self.row,
                    _indent(self.line),
                    _DEEPER,
                    "indent both lines equally, or delete the value above",
                )
            name, blank, value = shorten(self._line(above).strip()).partition(" ")
            help = f"write '{name}: {value}'" if blank else f"write '{name}:'"
            return self._at(above, _indent(self._line(above)), f"a colon is missing after '{name}'", help)
        if "expected ':'" in self.problem:
            row, column = self.begin
            item = self._line(self._row_above(row))
            if item.lstrip().startswith("- ") and _indent(item) == column:
                help = f"write '- {shorten(self._line(row).strip())}'"
                return self._at(row, column, "this line is not an item of the list above", help)
            return self._at(*self.begin, "this line has no key and no colon", "write 'key: value'")
        return None

    def _block(self) -> ReadError:
        first = not self.line[: self.column].strip()
        if "sequence entries" in self.problem:
            help = "start it on the next line, or write [a, b]"
            return self._here("a list cannot start on the line of its key", help)
        if "'-' indicator" in self.problem or "block collection" in self.problem:
            help = "start it with '- ', or indent it like the key that it belongs to"
            return self._here("this line is not an item of the list above", help)
        if first and self.character == "-":
            return self._here("this list item is indented like a key", "indent it deeper than its key")
        if first and ("expected key" in self.problem or "<" in self.problem):
            message = "the indentation of this line matches no line above"
            return self._here(message, "indent it like the other keys of the same mapping")
        if self.character and self.character in "]}":
            return self._here(f"this '{self.character}' closes nothing", "delete it")
        if "expected key" in self.problem or "<" in self.problem:
            help = "put the whole value in quotes, or close the quote of a line above"
            return self._here("unexpected text after the end of the value", help)
        said = self.problem.strip(": ")
        return self._here(f"this is not valid YAML: {said}", "put strings with special characters in quotes")

    # --- places ---

    def _line(self, row: int) -> str:
        return self.source.lines[row] if 0 <= row < len(self.source.lines) else ""

    def _row_above(self, row: int) -> int:
        """Return the nearest row above that is neither empty nor a comment."""
        above = row - 1
        while above > 0 and not self._line(above).partition("#")[0].strip():
            above -= 1
        return max(above, 0)

    def _here(self, message: str, help: str, code: str = "RS003") -> ReadError:
        return self._at(self.row, self.column, message, help, code)

    def _at(self, row: int, column: int, message: str, help: str, code: str = "RS003") -> ReadError:
        place = Span(self.source, row + 1, column + 1, row + 1, column + 2)
        return ReadError(code, message, place, help)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
