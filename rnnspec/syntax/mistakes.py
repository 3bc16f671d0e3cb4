"""What a YAML syntax error most likely means, in plain words, with one remedy for the frequent ones."""

from __future__ import annotations

import re

import yaml

from rnnspec.diagnostics import Source, Span, shorten

_CLOSING = {"{": "}", "[": "]"}
_NO_SPACE = re.compile(r"\s*(?:- )?(\w+):(?=[^\s:])")
_DEEPER = "this line is indented deeper than the one above, which has a value already"


class ReadError(Exception):
    """A problem of a YAML text after which reading cannot go on."""

    def __init__(self, code: str, message: str, span: Span, help: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.span, self.help = code, message, span, help


def explain(error: yaml.MarkedYAMLError, source: Source, bracket: Span | None) -> ReadError:
    """Translate a parser's error.  bracket: the innermost { or [ that was still open."""
    return _Explainer(error, source, bracket).explain()


class _Explainer:
    """What the parser said, where, and the line it was reading; its context begins at `begin`."""

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
            return self._at(self.row, indent[0].index("\t"), "a tab indents this line", "indent with spaces")
        if "directive" in said or "incompatible YAML" in said:
            return self._at(
                self.row, 0, "a directive is not part of the language", "delete this line", "RS006"
            )
        if "tag" in said:
            return self._here("a tag is not part of the language", "delete it", "RS006")
        if "quoted scalar" in said:
            return self._quoted()
        if "unexpected ':'" in said:
            return self._here("a space is missing after this colon", "write 'key: value'")
        if "anchor" in said or "alias" in said:
            return self._at(*self.begin, "a name must follow this sign", "put the value in quotes")
        if "start any token" in said:
            return self._here(f"a value cannot start with '{self.character}'", "put the value in quotes")
        if "block scalar" in said:
            help = "start the text in the next line, or put it in quotes"
            return self._here("nothing may stand here after | or >", help)
        return self._missing_space() or self._brackets() or self._colon() or self._block()

    def _quoted(self) -> ReadError:
        if "escape" in self.problem or "hexdecimal" in self.problem or "Unicode" in self.problem:
            help = r"write \\ for a backslash, or use single quotes"
            return self._here("this is no escape that double quotes know", help)
        row, column = self.begin
        quote = self._line(row)[column : column + 1]
        return self._at(row, column, "this quote is never closed", f"close it with {quote}")

    def _missing_space(self) -> ReadError | None:
        """`size:20`, which YAML takes for one word that may go on in the next line."""
        if not re.search("':'|mapping values|expected key|flow", self.problem):
            return None
        for row in (self.row, self.begin[0], self._row_above(self.row)):
            column = self._line(row).find("\N{NO-BREAK SPACE}")
            if column >= 0:
                help = "replace it by an ordinary space"
                return self._at(row, column, "a no-break space stands in this line", help)
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
            return self._here("there is nothing before this comma", "delete it")
        if self.character and self.character in "]}" and self.character != closing:
            return self._here(f"'{opening}' is closed by '{self.character}'", f"write '{closing}' here")
        if closing in self.line[self.column :]:
            if self.character == ":" and self.row == self.bracket.line - 1:
                return self._here("a second colon stands in this value", "put the value in quotes")
            row = self.row if self.character != ":" else self._row_above(self.row)
            column = self.column if row == self.row else len(self._line(row).rstrip())
            help = "put it before this, or put the whole value in quotes"
            return self._at(row, column, "a comma is missing here", help)
        message = f"this '{opening}' is never closed"
        return self._at(self.bracket.line - 1, self.bracket.column - 1, message, f"close it with '{closing}'")

    def _colon(self) -> ReadError | None:
        if "mapping values" in self.problem:
            above = self._row_above(self.row)
            if ": " in self.line[: self.column]:
                return self._here("a second colon stands in this line", "put the value in quotes")
            if ":" in self._line(above):
                return self._at(
                    self.row, _indent(self.line), _DEEPER, "indent both alike, or delete the value above"
                )
            name, blank, value = shorten(self._line(above).strip()).partition(" ")
            help = f"write '{name}: {value}'" if blank else f"write '{name}:'"
            return self._at(above, _indent(self._line(above)), f"a colon is missing after '{name}'", help)
        if "expected ':'" in self.problem:
            return self._at(*self.begin, "there is no key and colon in this line", "write 'key: value'")
        return None

    def _block(self) -> ReadError:
        first = not self.line[: self.column].strip()
        if "sequence entries" in self.problem:
            help = "start it in the next line, or write [a, b]"
            return self._here("a list cannot start in the line of its key", help)
        if "'-' indicator" in self.problem or "block collection" in self.problem:
            help = "start it with '- ', or indent it like the key that it belongs to"
            return self._here("this line is no item of the list above", help)
        if first and self.character == "-":
            return self._here("a list item stands among keys", "indent it deeper than its key")
        if first and ("expected key" in self.problem or "<" in self.problem):
            message = "this line is not indented like any line above"
            return self._here(message, "indent it exactly like the keys beside it")
        if self.character and self.character in "]}":
            return self._here(f"this '{self.character}' closes nothing", "delete it")
        if "expected key" in self.problem or "<" in self.problem:
            help = "put quotes around the whole value, and double those inside"
            return self._here("the value ended before this", help)
        said = self.problem.strip(": ")
        return self._here(f"this is no YAML: {said}", "put texts with special characters in quotes")

    # --- places ---

    def _line(self, row: int) -> str:
        return self.source.lines[row] if 0 <= row < len(self.source.lines) else ""

    def _row_above(self, row: int) -> int:
        """Return the nearest row above that is neither blank nor a comment."""
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
