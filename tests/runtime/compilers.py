"""Small C++ sources and fake compilers for tests."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import pytest

#: The real compiler, which the scripts call.
REAL = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")

needs_compiler = pytest.mark.skipif(REAL is None, reason="there is no C++ compiler")


def source(value: object) -> str:
    """Return the source of a library with one function, `answer`."""
    return f'extern "C" __attribute__((visibility("default"))) int answer() {{ return {value}; }}\n'


def answer(path: Path) -> int:
    return int(ctypes.CDLL(str(path)).answer())


def script(path: Path, *lines: str) -> Path:
    """Write a shell script that acts as a compiler; $out is its output file."""
    find_out = 'out=""; last=""; for word in "$@"; do [ "$last" = -o ] && out="$word"; last="$word"; done'
    path.write_text("\n".join(["#!/bin/sh", find_out, *lines, ""]), encoding="utf-8")
    path.chmod(0o755)
    return path


#: Lines of a script: answer a query of the version and exit, otherwise continue.
ANSWERS = 'case "$*" in *--version) echo "Script 1.0"; exit 0;; *-dumpmachine) echo here; exit 0;; esac'

HAND_OVER = f'exec "{REAL}" "$@"'
