"""Files with one record a line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from rnnspec.runs.record import Record
from rnnspec.runs.regular import read_end

Row = TypeVar("Row", bound=Record)

#: Bytes at the end of a file in which the last line is looked for; a line has a few numbers for each network.
_TAIL = 2**22


def parse_lines(kind: type[Row], data: bytes, file: Path) -> Iterator[Row]:
    """Yield the records of the lines of a file, without lines that a power cut has torn.

    Raises RequestError for a line that holds something else.
    """
    for number, line in enumerate(data.splitlines(), 1):
        try:
            from_json(line)
        except ValueError:
            continue
        yield kind.parse(line, f"{file}, line {number:,}")


def valid_lines(kind: type[Row], data: bytes) -> Iterator[Row]:
    """Yield the records of the lines of a file, without any other lines."""
    for line in data.splitlines():
        with contextlib.suppress(ValidationError):
            yield kind.model_validate_json(line)


def last_line(kind: type[Row], file: Path) -> Row | None:
    """Return the record of the last whole line of a file; None if there is none, or no file.

    Raises OSError if the file cannot be read, and RequestError if it is not a regular file.
    """
    try:
        lines = read_end(file, _TAIL).split(b"\n")
    except FileNotFoundError:
        return None
    for line in reversed(lines[:-1]):
        with contextlib.suppress(ValidationError):
            return kind.model_validate_json(line)
    return None
