"""Printing: results to stdout, everything else to stderr; colour only on a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable
from typing import TextIO

from rnnspec.diagnostics import Diagnostic, render_text

_RED, _YELLOW, _CYAN, _BOLD, _OFF = "\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[1m", "\x1b[0m"

_HEAD = re.compile(r"^(.*?:\d+:\d+: )(error|warning)(\[RS\d{3}\] )(.*)$")
_CARET = re.compile(r"^( +\| *)(\^+)(.*)$")


def is_terminal(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def note(*lines: str) -> None:
    """Print a remark to stderr; if stderr is closed, do nothing."""
    with contextlib.suppress(OSError):
        print(*lines, sep="\n", file=sys.stderr, flush=True)


def complain(first: str, *more: str) -> None:
    """Print to stderr why a command fails."""
    mark = f"{_RED}rnnspec:{_OFF}" if has_colour(sys.stderr) else "rnnspec:"
    note(f"{mark} {first}", *(f"  {line}" for line in more))


def show_diagnostics(diagnostics: Iterable[Diagnostic], stream: TextIO) -> None:
    """Print diagnostics for a person."""
    text = render_text(diagnostics)
    if text:
        print(_paint(text) if has_colour(stream) else text, file=stream)


def count(number: int, noun: str) -> str:
    """Return `1 error`, `27 specs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _paint(text: str) -> str:
    lines = []
    colour = _RED
    for line in text.split("\n"):
        if head := _HEAD.match(line):
            colour = _RED if head[2] == "error" else _YELLOW
            line = f"{_BOLD}{head[1]}{colour}{head[2]}{head[3]}{_OFF}{_BOLD}{head[4]}{_OFF}"
        elif caret := _CARET.match(line):
            line = f"{caret[1]}{colour}{caret[2]}{caret[3]}{_OFF}"
        elif line.startswith("  help: "):
            line = f"{_CYAN}{line}{_OFF}"
        lines.append(line)
    return "\n".join(lines)
