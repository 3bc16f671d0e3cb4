"""Reads YAML files and strings into nodes with places; limits the encoding, characters and size."""

from __future__ import annotations

import os
import re
import stat
from itertools import islice
from pathlib import Path

import yaml

from rnnspec.diagnostics import Problems, Source, Span, nearest
from rnnspec.syntax.builder import Builder
from rnnspec.syntax.mistakes import ReadError, explain
from rnnspec.syntax.tree import Entry, Mapping, Node, Scalar, Sequence

__all__ = [
    "Entry",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "read_file",
    "read_mapping",
    "read_text",
    "read_value",
]

MAX_BYTES = 1 << 20

#: Characters that a spec cannot contain: those that YAML forbids, line breaks of YAML 1.1 that editors do not
#: show as such, and a byte order mark that is not at the start.
FORBIDDEN = re.compile(
    "[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

#: Only the parser of PyYAML is used, which yields events one at a time.  Its composer recurses, repeats
#: aliases without limit, and resolves scalars by the rules of YAML 1.1.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_file(path: Path | str, problems: Problems) -> Mapping | None:
    """Read a file that holds one mapping; None if it cannot be used.  Reports all problems.

    Some mistakes (a duplicate key, a tag, an expression cut at a comma) are reported and repaired, so that
    the rest of the document is checked too.  A result does not mean that there were no errors.
    """
    data = _load(path, problems)
    return None if data is None else read_mapping(data, str(path), problems)


def read_mapping(data: bytes | str, name: str, problems: Problems) -> Mapping | None:
    """Read YAML text that holds one mapping; otherwise as `read_file`."""
    node = read_text(data, name, problems)
    if node is None or isinstance(node, Mapping):
        return node
    found, help = "a list", "a spec starts with 'rnnspec: 1'"
    if isinstance(node, Scalar):
        found = "a single value"
        if re.match(r"\w+:\S", node.text):
            help = "put a space after the colon: 'key: value'"
    problems.error(
        "RS009", f"the document is {found}", node.span, expected="a mapping: keys and values", help=help
    )
    return None


def read_text(data: bytes | str, name: str, problems: Problems) -> Node | None:
    """Read one YAML document; None if it cannot be used.  Reports all problems."""
    if isinstance(data, bytes) and _is_binary(data):
        problems.error("RS002", "this is not a spec: the file holds binary data", _start(name), help=_GIVE)
        return None
    beginning = data[:_BEGINNING]
    beginning = beginning if isinstance(beginning, str) else beginning.decode(errors="replace")
    if _is_table(beginning):
        row = beginning.split("\n", 1)[0].rstrip("\r")
        place = Span(Source(name, row), 1, 1, 1, max(2, len(row) + 1))
        message = "this is not a spec: the file holds a table"
        problems.error("RS009", message, place, expected="a mapping: keys and values", help=_GIVE)
        return None
    if len(data) > MAX_BYTES:
        help = "a spec is a page or two: move data out of it"
        problems.error("RS004", f"the file is larger than {MAX_BYTES:,} bytes", _start(name), help=help)
        return None
    text = data if isinstance(data, str) else _decode(data, name, problems)
    node = None if text is None else read_value(Source(name, _unify(text)), 0, problems)
    if isinstance(node, Scalar) and node.value is None:
        problems.error("RS009", "the document is empty", node.span, help="a spec starts with 'rnnspec: 1'")
        return None
    return node


def read_value(source: Source, start: int, problems: Problems) -> Node | None:
    """Read the YAML that begins at a character (0-based) of the first line of a source."""
    # Spaces in place of what is not read keep the columns right.
    text = " " * start + source.text[start:]
    builder = Builder(source, problems)
    try:
        _refuse_characters(source)
        _refuse_tag_directive(source)
        return builder.build(yaml.parse(text, Loader=_LOADER))
    except ReadError as error:
        mistake = error
    except yaml.MarkedYAMLError as error:
        mistake = explain(error, source, builder.open_bracket)
    problems.error(mistake.code, mistake.message, mistake.span, help=mistake.help)
    return None


def neighbour(path: Path | str) -> str:
    """Return `did you mean 'x'?` for the file with the most similar name in the same folder."""
    try:
        with os.scandir(os.path.dirname(path) or ".") as files:
            names = sorted(file.name for file in islice(files, 1000))
    except (OSError, ValueError):
        return ""
    return nearest(os.path.basename(path), names)


# --- files that are no specs -------------------------------------------------------------------------

#: By so many characters a table is known.
_BEGINNING = 4096
#: What to do instead.
_GIVE = "give a YAML file that says 'rnnspec: 1'"

#: How files begin that are archives, arrays, images or documents.
_SIGNATURES = (
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"\x93NUMPY",
    b"\x89",
    b"\xff\xd8\xff",
    b"GIF8",
    b"%PDF-",
    b"MATLAB 5",
)
_KEY = re.compile(r":(\s|$)")
_BEGIN = re.compile(r"\s*(\w+\s*:|[\[{])")
_NUMBER = re.compile(r"\s*[+-]?[0-9.]+(,[0-9]+)?([eE][+-]?[0-9]+)?\s*")


def _is_binary(data: bytes) -> bool:
    if data.startswith(_SIGNATURES):
        return True
    if b"\0" not in data or data.startswith(_BYTE_ORDER_MARKS):
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def _is_table(text: str) -> bool:
    """Return whether a text begins with rows of numbers, between commas, semicolons, tabs or spaces."""
    rows = [row for row in text.splitlines()[:8] if row.strip() and row[0] not in "#%"][:4]
    if any(map(_KEY.search, rows[1:])) or any(map(_BEGIN.match, rows[:1])):
        return False
    for separator in (",", ";", "\t", None):
        fields = [row.split(separator) for row in rows]
        same = len({len(row) for row in fields}) == 1 and len(fields[0]) > 1
        # The first row may have the names of the columns.
        if same and len(rows) > 1 and all(any(map(_NUMBER.fullmatch, row)) for row in fields[1:]):
            return True
    return False


# --- bytes to text -----------------------------------------------------------------------------------


def _load(path: Path | str, problems: Problems) -> bytes | None:
    """Return the first MAX_BYTES + 1 bytes of a regular file."""
    help = ""
    try:
        # Without this flag, opening a named pipe that has no writer would block forever.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NONBLOCK)) as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode):
                return file.read(MAX_BYTES + 1)
            message, help = "this is not a regular file", "give the path of a YAML file"
    except FileNotFoundError:
        message, help = "there is no such file", neighbour(path)
    except IsADirectoryError:
        message, inside = "this is a folder, not a file", os.path.join(path, "spec.yaml")
        help = f"did you mean '{inside}'?" if os.path.exists(inside) else "give the path of a file in it"
    except PermissionError:
        message = "you have no permission to read this file"
    except (OSError, ValueError) as error:
        message = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
    problems.error("RS001", message, _start(str(path)), help=help)
    return None


#: Of UTF-16.
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)


def _decode(data: bytes, name: str, problems: Problems) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = _unify(data[: error.start].decode()).split("\n")
        line, column = len(before), len(before[-1]) + 1
        span = Span(Source(name, _unify(data.decode(errors="replace"))), line, column, line, column + 1)
        utf16 = data.startswith(_BYTE_ORDER_MARKS)
        help = "the file looks like UTF-16: save it as UTF-8" if utf16 else "save the file as UTF-8"
        message = f"the file is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}"
        problems.error("RS002", message, span, help=help)
        return None


def _unify(text: str) -> str:
    """Return text with line breaks of one kind, and without a byte order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _refuse_characters(source: Source) -> None:
    found = FORBIDDEN.search(source.text)
    if found:
        message = f"the character U+{ord(found[0]):04X} is not allowed in a spec"
        raise ReadError(
            "RS003", message, _place(source, found), "delete it; it may be invisible in your editor"
        )


def _refuse_tag_directive(source: Source) -> None:
    # Before its first event, the parser compares each directive with all earlier ones: quadratic time.
    found = re.search(r"^%TAG\b.*", source.text, re.MULTILINE)
    if found:
        raise ReadError("RS006", "directives are not supported", _place(source, found), "delete this line")


def _place(source: Source, found: re.Match[str]) -> Span:
    line = source.text.count("\n", 0, found.start()) + 1
    column = found.start() - source.text.rfind("\n", 0, found.start())
    return Span(source, line, column, line, column + len(found[0]))


def _start(name: str) -> Span:
    return Span(Source(name, ""), 1, 1, 1, 1)
