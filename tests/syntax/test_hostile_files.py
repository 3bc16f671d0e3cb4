"""Files that want to cost time or memory, and any others: they are read or refused, soon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from syntax.reading import read, walk

from rnnspec.cli.formats import github, junit, sarif
from rnnspec.cli.formats import json as json_format
from rnnspec.cli.formats.report import CheckedSpec, Report
from rnnspec.diagnostics import Problems
from rnnspec.syntax import source as source_room
from rnnspec.syntax.source import read_text

# --- hostile files -----------------------------------------------------------------------------------

#: Prints the codes that were found, and the processor time in units of a loop that reads 400 kB: how busy the
#: machine is slows both.  A child that takes more than a minute of processor time is ended by the system.
MEASURE = """
import resource, sys, time
from rnnspec.diagnostics import Problems, render_text
from rnnspec.syntax.source import read_file
resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
def unit():
    start, text = time.process_time(), "abc\\n" * 100_000
    sum(character == "\\n" for character in text)
    return time.process_time() - start
before, problems, start = unit(), Problems(), time.process_time()
read_file(sys.argv[1], problems)
render_text(problems.sorted())
spent = time.process_time() - start
print(*{d.code for d in problems.found}, spent / max(before, unit()))
"""

MIB = 1 << 20
HOSTILE = {
    "hundred megabytes": ("", "RS004"),
    "just too large": ("#" * (MIB + 1), "RS004"),
    "deep brackets": ("[" * MIB, "RS004"),
    "deep braces": ("{a: " * (MIB // 4), "RS004"),
    "deep dashes": ("- " * (MIB // 2), "RS004"),
    "deep keys": ("? " * (MIB // 2), "RS006"),
    "deep blocks": ("".join(" " * i + "a:\n" for i in range(1400)), "RS004"),
    "many values": ("[" + "1," * (MIB // 2 - 1) + "]", "RS004"),
    "many keys": ("{" + ", ".join(f"k{i}: 1" for i in range(80_000)) + "}", "RS004"),
    "many duplicates": ("{" + "a: 1, " * 9_000 + "}", "RS005"),
    "many anchors on one line": ("[" + f"&a {'x' * 40}, " * 19_000 + "!!str 1]", "RS006"),
    "many lone keys on one line": ("{" + f"{'x' * 90}, " * 9_000 + "}", "RS003"),
    "many tags": ("[" + "!!a 1," * 19_000 + "]", "RS006"),
    "many open parentheses": ("[" + "(" * 40 + ("," + "(" * 40) * 19_000 + ", .nan]", "RS008"),
    "one long text": ("a: " + "x" * (MIB - 3), "RS004"),
    "one long quoted text": ("a: '" + "x\n\n" * (MIB // 3 - 3) + "'", "RS004"),
    "one long key": ("? " + "x" * (MIB - 2), "RS004"),
    "one long number": ("a: " + "1" * 10_000, "RS008"),
    "billion laughs": (
        "a0: &a0 [x, x]\n"
        + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)),
        "RS006",
    ),
    "deep aliases": (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 100)),
        "RS004",
    ),
    "tag directives": ("".join(f"%TAG !a{i}! b\n" for i in range(MIB // 20)) + "---\na: 1\n", "RS006"),
    "a long way from a mistake": ("a\n" + "#\n" * (MIB // 2 - 8) + "b: 1\n", "RS003"),
    "control characters": ("\x01" * MIB, "RS003"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a system that enforces limits")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_take_little_time_and_memory(name: str, tmp_path: Path) -> None:
    text, code = HOSTILE[name]
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    if name == "hundred megabytes":
        with file.open("wb") as handle:
            handle.truncate(100 * MIB)
    environment = {**os.environ, "PYTHONPATH": str(Path(source_room.__file__).parents[2])}
    command = [sys.executable, "-c", MEASURE, str(file)]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (answer.returncode, answer.stderr) == (0, "")
    *codes, units = answer.stdout.split()
    assert code in codes
    # The longest takes 20: a second.
    assert float(units) < 80


# --- properties --------------------------------------------------------------------------------------

SPEC = """rnnspec: 1
name: delayed_go
network:
  dt: 5 ms
  populations: {input: {size: 20, tau: 100 ms}, all: &all {size: 10, tau: 50 ms}}
  weights: {w_rec: "normal(0, 1/units)", bias: 'zeros'}
task:
  sequence: {rule: {balanced: [[1, 1], [1, 2]]}}
  draw:
    direction: uniform(0, 2*pi)   # µ
  epochs:
    - *all
    - {duration: 500 ms, jitter: 1e-1}
summary: |
  A text
  of two lines
"""

PIECES = [
    "a",
    "é",
    "1",
    "(",
    ")",
    ", ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\n",
    "\n  ",
    "- ",
    "? ",
    "&a ",
    "*a ",
    "!t ",
]
PIECES += [
    "'",
    '"',
    "#",
    " #",
    "|",
    ">",
    "%",
    "@",
    "`",
    "\t",
    "\r",
    "\x00",
    "\u2028",
    "\ufeff",
    "---",
    "...",
    "<<",
]
PIECES += [
    ".nan",
    "1e999",
    "null",
    "~",
    "\\",
    "\\x",
    "%TAG ! a\n",
    "%YAML 1.2\n",
    "0x1f",
    "size:20",
    "\ud800",
]


def check_whatever_is_read(data: str | bytes) -> None:
    """Read anything: never an exception; places lie in the source; without a value there is a reason."""
    problems = Problems()
    node = read_text(data, "spec.yaml", problems)
    assert node is not None or problems.failed
    spans = [d.span for d in problems.found] + ([span for _, span in walk(node)] if node is not None else [])
    for span in spans:
        lines = span.source.lines
        assert 1 <= span.line <= span.end_line <= len(lines) + 1
        assert 1 <= span.column <= len(lines[span.line - 1] if span.line <= len(lines) else "") + 1
        assert (span.end_line, span.end_column) >= (span.line, span.column)
    report = Report((CheckedSpec("spec.yaml", problems.sorted()),))
    for form in (github, json_format, junit, sarif):
        form.render(report)
    github.summary(report, "")


@given(st.binary(max_size=200))
@examples(100)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    check_whatever_is_read(data)


@given(st.text(max_size=100))
@examples(100)
def test_any_text_is_read_or_refused(text: str) -> None:
    check_whatever_is_read(text)


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("a: |\n  x")
@examples(300)
def test_any_pieces_of_yaml_are_read_or_refused(text: str) -> None:
    check_whatever_is_read(text)


@given(
    st.lists(
        st.tuples(st.integers(0, len(SPEC)), st.integers(0, 12), st.sampled_from(["", *PIECES])),
        min_size=1,
        max_size=3,
    )
)
@examples(150)
def test_a_damaged_spec_is_read_or_refused(edits: list[tuple[int, int, str]]) -> None:
    text = SPEC
    for start, length, piece in edits:
        text = text[:start] + piece + text[start + length :]
    check_whatever_is_read(text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=20),
    lambda below: (
        st.lists(below, max_size=4) | st.dictionaries(st.text("abc_ é", max_size=5), below, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES.filter(lambda value: value is not None))
@examples(100)
def test_json_means_in_yaml_what_it_means_in_json(value: object) -> None:
    assert read(json.dumps(value)) == (value, [])
