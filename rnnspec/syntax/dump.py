"""Writes a document as YAML: equal values give equal bytes, and reading them gives the same values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping

from rnnspec.syntax.core_schema import CURLY, NumberError, resolve
from rnnspec.syntax.source import FORBIDDEN

#: A list of scalars is written on one line if the line is shorter than this.
_WIDTH = 100

_NOT_PLAIN = re.compile(
    rf"-(?![\w.(])|[\s?:,\[\]{{}}#&*!|>'\"%@`{CURLY}]|<<$|.*(: | #|[:\s]$|[\n\t])", re.DOTALL
)
_FLOW_INDICATOR = re.compile(r"[,\[\]{}]|:\?")


#: Comments by the path of the value on whose first line they stand.
Comments = Mapping[tuple[str | int, ...], str]


def dump(value: Mapping[str, object], comments: Comments | None = None) -> str:
    """Return a document as YAML in block style, keys in their order, quotes only where needed.

    Raises ValueError for a number that is not finite, TypeError for a value that YAML cannot express.
    """
    return "".join(f"{line}\n" for line in _block(value, comments or {})) if value else "{}\n"


def _block(value: object, comments: Comments, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    """Yield the lines of a mapping or list."""
    entries: Iterable[tuple[str, str | int, object]] = ()
    if isinstance(value, Mapping):
        entries = ((f"{_text(str(key), key=True)}:", key, below) for key, below in value.items())
    elif isinstance(value, list | tuple):
        entries = (("-", number, item) for number, item in enumerate(value))
    for head, key, below in entries:
        lines = _entry(head, below, "  ", comments, (*path, key))
        comment = comments.get((*path, key))
        yield next(lines) + (f"  # {comment}" if comment else "")
        yield from lines


def _entry(
    head: str, value: object, indent: str, comments: Comments, path: tuple[str | int, ...]
) -> Iterator[str]:
    line = _line(value)
    if line is not None and (not line.startswith("[") or len(head) + len(line) < _WIDTH):
        yield f"{head} {line}"
    elif head == "-":
        # The first line of the item stands after the dash.
        for number, line in enumerate(_block(value, comments, path)):
            yield f"{indent if number else '- '}{line}"
    else:
        yield head
        for line in _block(value, comments, path):
            yield indent + line


def _line(value: object) -> str | None:
    """Return a value that fits on one line; None for one that needs several."""
    if isinstance(value, Mapping):
        return None if value else "{}"
    if isinstance(value, list | tuple):
        if any(isinstance(item, list | tuple | Mapping) for item in value):
            return None
        return f"[{', '.join(_scalar(item, flow=True) for item in value)}]"
    return _scalar(value)


def flow(value: object) -> str:
    """Return a value as YAML in flow style, on one line.  Raises as `dump` does."""
    if isinstance(value, Mapping):
        entries = (f"{_text(str(key), flow=True, key=True)}: {flow(item)}" for key, item in value.items())
        return f"{{{', '.join(entries)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(flow, value))}]"
    return _scalar(value, flow=True)


def _scalar(value: object, *, flow: bool = False) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a finite number")
            return repr(value)
        case str():
            return _text(value, flow=flow)
    raise TypeError(f"{type(value).__name__} is not a value of a document")


def _text(text: str, *, flow: bool = False, key: bool = False) -> str:
    """Return a string in YAML, in quotes if it would mean something else without them."""
    plain = bool(text) and not _NOT_PLAIN.match(text) and not FORBIDDEN.search(text)
    if plain and flow:
        plain = not _FLOW_INDICATOR.search(text) and text.count("(") == text.count(")")
    if plain and (key or _is_text(text)):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return FORBIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


def _is_text(plain: str) -> bool:
    try:
        return isinstance(resolve(plain), str)
    except NumberError:
        return False
