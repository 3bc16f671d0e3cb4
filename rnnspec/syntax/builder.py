"""Builds nodes from the events of a YAML parser, without recursion and with limits on every size."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from rnnspec.diagnostics import Problems, Source, Span, shorten
from rnnspec.syntax.core_schema import MAX_NUMBER, NumberError, curly, resolve
from rnnspec.syntax.mistakes import ReadError
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar, Sequence, excerpt

MAX_DEPTH = 64
MAX_NODES = 20_000
MAX_TEXT = 10_000
MAX_KEY = 128

#: The most pieces of one expression that are joined again; without a limit this takes quadratic time.
_MAX_PIECES = 32

_COLON = re.compile(r"[ \t]*:")
_TAG = re.compile(r"(?:&[^\s,\[\]{}]+\s+)?(![^\s,\[\]{}]*)")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s*)*")

_TOO_LARGE = "a spec is a page or two: move data out of it"

#: A key and its value; an item of a sequence has no key.
_Pair = tuple[Scalar | None, Node]


@dataclass(slots=True)
class _Collection:
    """A mapping or sequence whose end has not been read yet.

    before: the number of nodes built before it.  height: the levels of nesting inside, itself included.
    key: the key whose value comes next.
    """

    span: Span
    mapping: bool
    flow: bool
    anchor: str | None
    before: int
    height: int = 1
    key: Scalar | None = None
    pairs: list[_Pair] = field(default_factory=list)

    @property
    def wants_key(self) -> bool:
        return self.mapping and self.key is None


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A node that aliases can repeat.

    Each alias counts its nodes again, and adds its height to the levels of nesting.
    """

    node: Node
    nodes: int
    height: int


class Builder:
    """Builds the node of one document.  open: the stack of collections that have not ended."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        self.open: list[_Collection] = []
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0
        self._root: Node | None = None
        self._usable = True

    @property
    def open_bracket(self) -> Span | None:
        """The place of the innermost { or [ that is not closed."""
        # `[a: b]` holds a mapping without brackets of its own.
        spans = (c.span for c in reversed(self.open) if c.flow)
        return next((span for span in spans if excerpt(span) in ("{", "[")), None)

    def build(self, events: Iterable[Any]) -> Node | None:
        """Return the node of the document, a null scalar if it is empty, None if part of it is unusable.

        Raises ReadError if reading cannot continue.
        """
        documents = 0
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.CollectionStartEvent():
                    self._begin(event)
                case yaml.CollectionEndEvent():
                    self._end(event)
                case yaml.AliasEvent():
                    self._alias(event)
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        help = "a file can hold one document: delete this line, or all that follows"
                        raise ReadError("RS006", "a second document begins here", self._span(event), help)
        empty = Scalar(None, "", True, Span(self.source, 1, 1, 1, 1))
        return (self._root or empty) if self._usable else None

    # --- one event ---

    def _scalar(self, event: Any) -> None:
        span, text, plain = self._span(event), event.value, not event.style
        is_key = self._wants_key
        self._refuse_tag(event, span)
        self._count(1, span)
        limit = MAX_KEY if is_key else MAX_TEXT
        if len(text) > limit:
            what = "key" if is_key else "string"
            raise ReadError("RS004", f"this {what} has more than {limit:,} characters", span, "shorten it")
        if event.anchor is not None or event.tag is not None:
            # The place of the value, without the anchor or tag before it.
            written = excerpt(span)
            properties = _PROPERTIES.match(written)
            span = span.part(properties.end() if properties else 0, len(written))
        if plain and curly(text):
            self._curly(text, span)
            text = text[1:-1]
        value = self._resolve(text, span) if plain and not is_key else text
        self._add(Scalar(value, text, plain, span), event.anchor, 1, 0)

    def _alias(self, event: Any) -> None:
        span, anchor = self._span(event), event.anchor
        name = shorten(anchor)
        if self._wants_key:
            raise _complex_key(span)
        if any(collection.anchor == anchor for collection in self.open):
            raise ReadError("RS006", f"'*{name}' is inside the value that it repeats", span)
        found = self._anchors.get(anchor)
        if found is None:
            help = "if the string should start with '*', put it in quotes"
            raise ReadError("RS003", f"the alias '*{name}' has no anchor '&{name}' above it", span, help)
        if len(self.open) + found.height > MAX_DEPTH:
            raise _too_deep(span)
        if self._nodes + found.nodes > MAX_NODES:
            message = f"'*{name}' makes the document longer than {MAX_NODES:,} keys and values"
            raise ReadError("RS006", message, span, "write the values out, without aliases")
        self._count(found.nodes, span)
        self._add(replace(found.node, span=span), None, found.nodes, found.height)

    def _begin(self, event: Any) -> None:
        span = self._span(event)
        if self._wants_key:
            raise _complex_key(span)
        if len(self.open) >= MAX_DEPTH:
            raise _too_deep(span)
        self._refuse_tag(event, span)
        self._count(1, span)
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.flow_style and span.column < span.end_column:
            # The place of the bracket, without the anchor before it.
            span = Span(self.source, span.end_line, span.end_column - 1, span.end_line, span.end_column)
        self.open.append(_Collection(span, mapping, bool(event.flow_style), event.anchor, self._nodes - 1))

    def _end(self, event: Any) -> None:
        done = self.open.pop()
        first = last = done.span
        if done.flow:
            last = self._span(event)
        else:
            # For a block, the parser gives the start of the next token, not the end of the block; and its
            # start may be an anchor, not a key.
            key, _ = done.pairs[0]
            first = key.span if key else first
            last = done.pairs[-1][1].span
        span = Span(self.source, first.line, first.column, last.end_line, last.end_column)
        pairs = self._rejoin(done.pairs, "{ }" if done.mapping else "[ ]") if done.flow else done.pairs
        node = (
            Mapping(self._entries(pairs, done.flow), span)
            if done.mapping
            else Sequence(tuple(value for _, value in pairs), span)
        )
        self._add(node, done.anchor, self._nodes - done.before, done.height)

    def _add(self, node: Node, anchor: str | None, nodes: int, height: int) -> None:
        """Add a finished node of this many nodes and levels of nesting to its parent."""
        if anchor is not None:
            self._anchors[anchor] = _Anchored(node, nodes, height)
        if not self.open:
            self._root = node
            return
        parent = self.open[-1]
        parent.height = max(parent.height, height + 1)
        if parent.wants_key and isinstance(node, Scalar):
            parent.key = node
        else:
            parent.pairs.append((parent.key, node))
            parent.key = None

    # --- the contents of a collection ---

    def _entries(self, pairs: Iterable[_Pair], flow: bool) -> dict[str, Entry]:
        """Return the entries of a mapping; of equal keys, the first one."""
        entries: dict[str, Entry] = {}
        for key, value in pairs:
            assert key is not None
            first = entries.get(key.text)
            if key.text == "<<" and key.plain:
                self._usable = False
                help = "write the keys out, or move the shared keys to a file and name it in 'extends'"
                self.problems.error("RS006", "merge keys (<<) are not supported", key.span, help=help)
            elif flow and _lacks_colon(key, value):
                self._usable = False
                self._no_value(key)
            elif first is not None:
                message = f"the key '{shorten(key.text)}' is already defined on line {first.key.line}"
                self.problems.error("RS005", message, key.span, help="delete one of the two, or merge them")
            else:
                entries[key.text] = Entry(key.span, value)
        return entries

    def _no_value(self, key: Scalar) -> None:
        text = shorten(key.text)
        name, colon, value = text.partition(":")
        help = f"write a value: '{text}: ...'"
        if colon and name and value:
            help = f"put a space after the colon: '{name}: {value}'"
        elif " " in text:
            name, _, value = text.partition(" ")
            help = f"put a colon after the key: '{name}: {value}'"
        self.problems.error("RS003", f"'{text}' has no value", key.span, expected="'key: value'", help=help)

    def _rejoin(self, pairs: list[_Pair], brackets: str) -> list[_Pair]:
        """Report expressions that commas of a flow collection cut into pieces, and join the pieces again."""
        joined: list[_Pair] = []
        position = 0
        while position < len(pairs):
            key, value = pairs[position]
            end = _end_of_cut(pairs, position)
            if end is not None and isinstance(value, Scalar):
                last = _piece(*pairs[end - 1])
                assert last is not None
                start, stop = value.span, last.span
                span = Span(self.source, start.line, start.column, stop.end_line, stop.end_column)
                text = excerpt(span)
                quote = "'" if '"' in text else '"'
                message = f"inside {brackets} an unquoted string ends at the first comma"
                text = text[1:-1] if curly(text) else text
                help = f"put the expression in quotes: {quote}{shorten(text, 200)}{quote}"
                self.problems.error("RS007", message, span, help=help)
                value = Scalar(text, text, True, span)
            joined.append((key, value))
            position = end or position + 1
        return joined

    def _curly(self, text: str, span: Span) -> None:
        message = f"{text[0]} and {text[-1]} are not quotes in YAML, but part of the string"
        quote = "'" if '"' in text else '"'
        help = f"write {quote}{shorten(text[1:-1], 200)}{quote}"
        self.problems.error("RS021", message, span, expected="straight quotes", help=help)

    def _resolve(self, text: str, span: Span) -> bool | int | float | str | None:
        try:
            return resolve(text)
        except NumberError as error:
            self._usable = False
            expected = f"a finite number of at most {MAX_NUMBER} characters"
            self.problems.error("RS008", f"the number {shorten(text)} {error}", span, expected=expected)
            return text

    # --- places and guards ---

    @property
    def _wants_key(self) -> bool:
        return bool(self.open) and self.open[-1].wants_key

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self.source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _count(self, nodes: int, span: Span) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise ReadError(
                "RS004", f"the document has more than {MAX_NODES:,} keys and values", span, _TOO_LARGE
            )

    def _refuse_tag(self, event: Any, span: Span) -> None:
        if event.tag is None:
            return
        line = self.source.lines[span.line - 1]
        tag = _TAG.match(line, span.column - 1)
        if tag:
            span = Span(self.source, span.line, tag.start(1) + 1, span.line, tag.end(1) + 1)
        help = "delete it; to turn a number into a string, put it in quotes"
        self.problems.error("RS006", "tags are not supported", span, help=help)


def _end_of_cut(pairs: list[_Pair], start: int) -> int | None:
    """Return the position after the last piece of an expression that commas cut inside its parentheses.

    None if there is no such expression at the start.
    """
    _, value = pairs[start]
    if not isinstance(value, Scalar) or not value.plain:
        return None
    depth = value.text.count("(") - value.text.count(")")
    for position in range(start + 1, min(start + 1 + _MAX_PIECES, len(pairs))):
        piece = _piece(*pairs[position])
        if depth <= 0 or piece is None:
            return None
        depth += piece.text.count("(") - piece.text.count(")")
        if depth <= 0:
            return position + 1
    return None


def _piece(key: Scalar | None, value: Node) -> Scalar | None:
    """Return the text between two commas, if it is a single unquoted string without a colon."""
    text = value if key is None else key if _lacks_colon(key, value) else None
    return text if isinstance(text, Scalar) and text.plain else None


def _lacks_colon(key: Scalar, value: Node) -> bool:
    """Return whether a key of a flow mapping has neither a colon nor a value."""
    if not isinstance(value, Scalar) or value.value is not None or not value.plain or value.text:
        return False
    line = key.span.source.lines[key.span.end_line - 1]
    return not _COLON.match(line, key.span.end_column - 1)


def _complex_key(span: Span) -> ReadError:
    return ReadError(
        "RS006", "a key must be a string, not a list, a mapping or an alias", span, "write one word"
    )


def _too_deep(span: Span) -> ReadError:
    return ReadError("RS004", f"the document is nested more than {MAX_DEPTH} levels deep", span, _TOO_LARGE)
