"""Reads `--conditions 'coherence=[-0.5, 0.5]; context=[0, 1]'`: values of variables, to be crossed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from rnnspec.diagnostics import Problems, Source, Span, shorten
from rnnspec.syntax.source import read_value
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar, Sequence

_EXAMPLE = "coherence=[-0.5, 0.5]; context=[0, 1]"


@dataclass(frozen=True)
class Condition:
    """A variable and the values that it takes.  place: of its name."""

    name: str
    place: Span
    values: tuple[Scalar, ...]

    def patterns(self, trials: int, truth: bool) -> Entry:
        """Return the variable as `balanced` patterns, each of one value for all trials.

        truth: whether the variable is a truth value.
        """
        items = tuple(
            Sequence((_truth(value) if truth else value,) * trials, value.span) for value in self.values
        )
        return Entry(
            self.place, Mapping({"balanced": Entry(self.place, Sequence(items, self.place))}, self.place)
        )


def read_conditions(text: str, problems: Problems) -> tuple[Condition, ...]:
    """Read the values of each variable; reports what is wrong, with its place in the text."""
    if _separators_confused(text, problems):
        return ()
    found: dict[str, Condition] = {}
    for part in re.finditer(r"[^;]+", text):
        # What follows is left out: the value ends here.
        source = Source("--conditions", text[: part.end()])
        whole = Span(source, 1, part.start() + 1, 1, part.end() + 1)
        if not part[0].strip():
            continue
        name, equals, value = part[0].partition("=")
        indent = len(name) - len(name.lstrip())
        place = whole.part(indent, max(indent + 1, len(name.rstrip())))
        if not equals or not name.strip() or not value.strip():
            lacks = "'='" if not equals else "values" if not value.strip() else "name"
            _error(problems, f"this condition has no {lacks}", whole)
            continue
        if _lacks_brackets(value):
            meant = f"{name.strip()}=[{value.strip().strip('(){}')}]"
            message = f"the values of '{shorten(name.strip())}' are not in brackets"
            _error(
                problems, message, whole.part(len(name) + 1, len(part[0])), f"write '{shorten(meant, 80)}'"
            )
            continue
        node = read_value(source, part.start() + len(name) + 1, problems)
        values = None if node is None else _values(name.strip(), node, problems)
        if name.strip() in found:
            _error(problems, f"the variable '{shorten(name.strip())}' is given twice", place)
        elif values:
            found[name.strip()] = Condition(name.strip(), place, values)
    if not found and not problems.failed:
        _error(problems, "there are no conditions", Span(Source("--conditions", text), 1, 1, 1, 2))
    return tuple(found.values())


def _values(name: str, node: Node, problems: Problems) -> tuple[Scalar, ...]:
    items = node.items if isinstance(node, Sequence) else (node,)
    for item in items:
        if not isinstance(item, Scalar) or item.value is None:
            _error(problems, f"a value of '{shorten(name)}' is not a number", item.span)
            return ()
    if not items:
        _error(problems, f"there are no values of '{shorten(name)}'", node.span)
    return tuple(item for item in items if isinstance(item, Scalar))


#: The name of a variable and its equals sign, which is not a comparison.
_BEGIN = re.compile(r"[A-Za-z_]\w*\s*=(?!=)")
#: What stands between two conditions in place of a semicolon.
_BETWEEN = re.compile(r"(?:\s|[,;&+]|\band\b)*\Z")


def _separators_confused(text: str, problems: Problems) -> bool:
    """Return whether conditions are not separated by semicolons, or values not by commas; reports it."""
    depths = _depths(text)
    begins = [found.start() for found in _BEGIN.finditer(text) if depths[found.start()] == 0]
    pieces = [text[start:end] for start, end in pairwise([*begins, len(text)])]
    for start, piece in zip(begins[1:], pieces, strict=False):
        between = _BETWEEN.search(piece)
        assert between is not None
        if ";" not in between[0]:
            meant = "; ".join(_BETWEEN.sub("", piece) for piece in pieces)
            place = start - len(between[0].lstrip()) if between[0].strip() else start
            _error(
                problems,
                f"this '{between[0].strip()}' stands between conditions"
                if between[0].strip()
                else "a new condition begins here",
                Span(Source("--conditions", text), 1, place + 1, 1, place + 2),
                f"write '{shorten(meant, 100)}'",
                "';' between conditions",
            )
            return True
    for place, letter in enumerate(text):
        # Before a new condition, a bracket is open that should have been closed.
        if letter == ";" and depths[place] > 0 and not _BEGIN.match(text[place + 1 :].lstrip()):
            span = Span(Source("--conditions", text), 1, place + 1, 1, place + 2)
            _error(problems, "this ';' stands between values", span, "", "',' between values")
            return True
    return False


def _depths(text: str) -> list[int]:
    """Return for each character of a text in how many brackets it is."""
    found, depth = [], 0
    for letter in text:
        depth -= letter in ")]}"
        found.append(depth)
        depth += letter in "([{"
    return found


def _lacks_brackets(text: str) -> bool:
    """Return whether a text is several values that are not in square brackets."""
    text = text.strip()
    if text[0] in "({" and text[-1] in ")}" and 0 not in _depths(text)[1:-1]:
        text = text[1:-1]
    return any(letter == "," and not depth for letter, depth in zip(text, _depths(text), strict=True))


def _truth(scalar: Scalar) -> Scalar:
    text = scalar.text if not isinstance(scalar.value, bool) else str(int(scalar.value))
    written = f"({text}) != 0"
    return Scalar(written, written, False, scalar.span)


def _error(
    problems: Problems,
    message: str,
    place: Span,
    help: str = f"for example: {_EXAMPLE}",
    expected: str = "NAME=[VALUE, ...]",
) -> None:
    problems.error("RS018", message, place, expected=expected, help=help)
