"""YAML to values with places: what is read, what is refused, where, and in which words."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from syntax.reading import formatted, read, walk

from rnnspec.diagnostics import Problems, Source, Span, render_text
from rnnspec.syntax import source as source_room
from rnnspec.syntax.source import Mapping, Scalar, read_file, read_text
from rnnspec.syntax.tree import plain_value

# --- values ------------------------------------------------------------------------------------------

CORE = {
    "1": 1,
    "-17": -17,
    "017": 17,
    "0o17": 15,
    "0x1F": 31,
    "1e-3": 0.001,
    "1E3": 1000.0,
    ".5": 0.5,
    "5.": 5.0,
    "-0.0": -0.0,
    "1_000": "1_000",
    "1:30": "1:30",
    "no": "no",
    "On": "On",
    "yes": "yes",
    "true": True,
    "False": False,
    "tRue": "tRue",
    "null": None,
    "~": None,
    "": None,
    "'null'": "null",
    '"1"': "1",
    "2001-01-01": "2001-01-01",
    "5 ms": "5 ms",
    "50 %": "50 %",
    "1e": "1e",
    "+": "+",
    ".": ".",
    "0x": "0x",
    "-x**2": "-x**2",
    "=": "=",
    "٣": "٣",
    "normal(0, 1/units)": "normal(0, 1/units)",
    "|\n  a\n  b\n": "a\nb\n",
}


@pytest.mark.parametrize(("text", "value"), CORE.items())
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found, problems = read(f"key: {text}")
    assert isinstance(found, dict)
    assert problems == []
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


def test_keys_are_their_text() -> None:
    assert read("1: a\nyes: b\n'x y': c\n017: d\n.nan: e\n~: f\n") == (
        {"1": "a", "yes": "b", "x y": "c", "017": "d", ".nan": "e", "~": "f"},
        [],
    )


def test_anchors_repeat_what_they_name() -> None:
    assert read("a: &x {b: [1, 2]}\nc: *x\nd: &x 3\ne: *x\n") == (
        {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": 3, "e": 3},
        [],
    )


def test_line_breaks_of_every_system_are_one() -> None:
    assert read("a: 1\r\nb: |\r\n  x\r\n  y\r\nc: 2\rd: 3\n") == ({"a": 1, "b": "x\ny\n", "c": 2, "d": 3}, [])


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    problems = Problems()
    for text in ("\ufeffé: 1", "\ufeffé: 1".encode()):
        node = read_text(text, "spec.yaml", problems)
        assert isinstance(node, Mapping)
        assert covered(node.entries["é"].key) == "é"
        assert node.entries["é"].key.column == 1
    assert not problems.found


def test_json_is_yaml() -> None:
    value = {"a": [1, 2.5, "x, y", None, True, {"b": {}}], "c": [], "é\n": "\u2028"}
    assert read(json.dumps(value)) == (value, [])


# --- places ------------------------------------------------------------------------------------------


def covered(span: Span) -> str:
    """Return the text that a place covers, line breaks kept."""
    lines = span.source.lines[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


def test_every_node_knows_its_place() -> None:
    text = "\n".join(
        [
            "# Grüße",
            "é: {ü: 'ß', x: [1, µs]}  # und",
            "block:",
            "  - a: 1",
            "    b: &anchor  2",
            "  - *anchor",
            "  - &list",
            "    - c",
            "",
            "empty:",
            "last: &m",
            "  d: 4",
            "",
        ]
    )
    node = read_text(text, "spec.yaml", Problems())
    places = {path: covered(span) for path, span in walk(node)}
    assert places["é/key"] == "é"
    assert places["é"] == "{ü: 'ß', x: [1, µs]}"
    assert places["é.ü"] == "'ß'"
    assert places["é.x"] == "[1, µs]"
    assert places["é.x.1"] == "µs"
    assert places["block"] == text[text.index("- a") : text.index("\n\nempty")]
    assert places["block.0"] == "a: 1\n    b: &anchor  2"
    assert places["block.0.b"] == "2"
    assert places["block.1"] == "*anchor"
    assert places["block.2.0"] == "c"
    assert places["empty"] == ""
    assert places["last"] == "d: 4"
    assert places[""] == text[text.index("é") :].rstrip("\n")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: one two", "two"),
        ("a: 'one two'", "two"),
        ('a: "one two" # x', "two"),
        ("a: &x one two", "two"),
        ("a: 'it''s two'", "'it''s two'"),
        ('a: "\\x41 two"', '"\\x41 two"'),
        ("a: one\n  two", "one\n  two"),
        ("a: |\n  one two\n", "|\n  one two\n"),
    ],
)
def test_part_of_a_text(text: str, part: str) -> None:
    node = read_text(text, "spec.yaml", Problems())
    assert isinstance(node, Mapping)
    value = node.entries["a"].value
    assert isinstance(value, Scalar)
    start = value.text.index("two")
    assert covered(value.part(start, start + 3)) == part


# --- refusals ----------------------------------------------------------------------------------------

START = "a spec starts with 'rnnspec: 1'"
TAB = "RS003 this line is indented with a tab; use spaces"
SPACE = "RS003 a space is missing after this colon; write"
LIST = "start it on the next line, or write [a, b]"
INDENT = (
    "RS003 the indentation of this line matches no line above; "
    "indent it like the other keys of the same mapping"
)
TAG = "RS006 tags are not supported; delete it"
QUOTES = "are not quotes in YAML, but part of the string; expected straight quotes"
CUT = "RS007 inside {} an unquoted string ends at the first comma; put the expression in quotes:"
CURLY, SQUARE = CUT.format("{ }"), CUT.format("[ ]")
ESCAPE = (
    "this is not a valid escape sequence in double quotes; write \\\\ for a backslash, or use single quotes"
)
SECOND = "a second document begins here; a file can hold one document: delete this line, or all that follows"
DIRECTIVE = "RS006 directives are not supported; delete this line"
KEY = "RS006 a key must be a string, not a list, a mapping or an alias; write one word"
FINITE = "expected a finite number of at most 64 characters"
COMMA = "add it; or put the value in quotes if this is part of it"

REFUSED = {
    # Nothing to read.
    "": f"1:1 RS009 the document is empty; {START}",
    "# only a comment\n": f"1:1 RS009 the document is empty; {START}",
    "--- ~\n": f"1:5 RS009 the document is empty; {START}",
    # Indentation.
    "a:\n\tb: 1\n": f"2:1 {TAB}",
    "a: 1\n\tb: 1\n": f"2:1 {TAB}",
    "a:\n    b: 1\n  c: 2\n": f"3:3 {INDENT}",
    "  a: 1\nb: 2\n": f"2:1 {INDENT}",
    "a: 1\n b: 2\n": (
        "2:2 RS003 this line is indented deeper than the line above, which already has a value; "
        "indent both lines equally, or delete the value above"
    ),
    "a: 1\n- b\n": "2:1 RS003 this list item is indented like a key; indent it deeper than its key",
    "- a\nb: 1\n": (
        "2:1 RS003 this line is not an item of the list above; "
        "start it with '- ', or indent it like the key that it belongs to"
    ),
    # Colons.
    "size: 1\ntau:5 ms\n": f"2:4 {SPACE} 'tau: 5 ms'",
    "a:\n  size:20\n  tau: 5\n": f"2:7 {SPACE} 'size: 20'",
    "a: {b:, c: 1}": f"1:6 {SPACE} 'key: value'",
    "a: {size:20}": "1:5 RS003 'size:20' has no value; expected 'key: value'; "
    "put a space after the colon: 'size: 20'",
    "a: {size 20}": "1:5 RS003 'size 20' has no value; expected 'key: value'; "
    "put a colon after the key: 'size: 20'",
    "a: {size}": "1:5 RS003 'size' has no value; expected 'key: value'; write a value: 'size: ...'",
    "a: b: c\n": "1:5 RS003 this line contains a second colon; put the value in quotes",
    "a: {b: c: d}": "1:9 RS003 this value contains a second colon; put the value in quotes",
    "a\nb: 1\n": "1:1 RS003 a colon is missing after 'a'; write 'a:'",
    "a:\n  b 1\n  c: 2\n": "2:3 RS003 a colon is missing after 'b'; write 'b: 1'",
    "a: 1\nfoo bar\n": "2:1 RS003 this line has no key and no colon; write 'key: value'",
    "a: 1\nb:\u00a02\n": ("2:3 RS003 this line contains a no-break space; replace it with an ordinary space"),
    "a: - b\n": f"1:4 RS003 a list cannot start on the line of its key; {LIST}",
    # Quotes.
    "a: 'x\nb: 2\n": "1:4 RS003 this quote is never closed; close it with '",
    'é: "x\n': '1:4 RS003 this quote is never closed; close it with "',
    "a: 'it's'\n": (
        "1:8 RS003 unexpected text after the end of the value; put the whole value in quotes, or close the "
        "quote of a line above"
    ),
    'a: "\\q"': (f"1:5 RS003 {ESCAPE}"),
    "a: @x": "1:4 RS003 a value cannot start with '@'; put the value in quotes",
    "a: `x`": "1:4 RS003 a value cannot start with '`'; put the value in quotes",
    "a: &  x": "1:4 RS003 a name must follow '&' or '*'; put the value in quotes",
    "a: *x": (
        "1:4 RS003 the alias '*x' has no anchor '&x' above it; "
        "if the string should start with '*', put it in quotes"
    ),
    "a: |x\n": (
        "1:5 RS003 no text can follow | or > on the same line; start the string on the next line, or put it "
        "in quotes"
    ),
    # Brackets.
    "a: {b: 1\nc: 2\n": "1:4 RS003 this '{' is never closed; close it with '}'",
    "a: {b: &}": "1:8 RS003 a name must follow '&' or '*'; put the value in quotes",
    "a: ,b": (
        "1:4 RS003 this is not valid YAML: while parsing a block node: did not find expected node content; "
        "put strings with special characters in quotes"
    ),
    "a: [1, 2\n": "1:4 RS003 this '[' is never closed; close it with ']'",
    "a: [": "1:4 RS003 this '[' is never closed; close it with ']'",
    "a: [1, 2}\n": "1:9 RS003 '}' cannot close '['; write ']' here",
    "a: {b: }}": "1:9 RS003 this '}' closes nothing; delete it",
    "a: {b: 1,, c: 2}": "1:10 RS003 there is no value before this comma; delete the comma",
    "a: {b: 'x' c: 2}": f"1:12 RS003 ',' or '}}' is missing here; {COMMA}",
    "a: {b: 1\n    c: 2}": f"1:9 RS003 ',' or '}}' is missing here; {COMMA}",
    # Characters.
    "a: \x00": "1:4 RS003 the character U+0000 is not allowed in a spec; "
    "delete it; it may be invisible in your editor",
    "a: 1\nb: x\u2028y": "2:5 RS003 the character U+2028 is not allowed in a spec; "
    "delete it; it may be invisible in your editor",
    "a: \ud800": "1:4 RS003 the character U+D800 is not allowed in a spec; "
    "delete it; it may be invisible in your editor",
    # Outside the language.
    "a: !foo!b 1": f"1:4 {TAG}",
    "? [a]\n: 1\n": f"1:3 {KEY}",
    "{[a]: 1}": f"1:2 {KEY}",
    "a: &x 1\n*x : 1": f"2:1 {KEY}",
    "a: &x [*x]": "1:8 RS006 '*x' is inside the value that it repeats",
    "a: &x 1\nb: &x [*x]": "2:8 RS006 '*x' is inside the value that it repeats",
    "%TAG ! a\n---\na: 1": f"1:1 {DIRECTIVE}",
    "%FOO x\n---\na: 1": f"1:1 {DIRECTIVE}",
    "a: 1\n---\nb: 1\n": (f"2:1 RS006 {SECOND}"),
    "a: 1\n<<: 2\n": "2:1 RS006 merge keys (<<) are not supported; "
    "write the keys out, or move the shared keys to a file and name it in 'extends'",
    # Numbers.
    "a: .nan": f"1:4 RS008 the number .nan is not finite; {FINITE}",
    "a: [1, -.INF]": f"1:8 RS008 the number -.INF is not finite; {FINITE}",
    "a: 1e999": f"1:4 RS008 the number 1e999 is not finite; {FINITE}",
    "a: 0x" + "f" * 62: "1:4 RS008 the number 0x" + "f" * 35 + f"... has more than 64 digits; {FINITE}",
    "a: " + "1" * 65: "1:4 RS008 the number " + "1" * 37 + f"... has more than 64 characters; {FINITE}",
    # Sizes.
    f"{'k' * 129}: 1": "1:1 RS004 this key has more than 128 characters; shorten it",
    f"a: {'k' * 10_001}": "1:4 RS004 this string has more than 10,000 characters; shorten it",
    "[" * 65: "1:65 RS004 the document is nested more than 64 levels deep; a spec is a page or two: move "
    "data out of it",
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.items(), ids=[repr(text)[:40] for text in REFUSED])
def test_refused_in_these_words(text: str, problem: str) -> None:
    assert read(text) == (..., [problem])


#: Texts whose rest is used, so that all other problems of the document are reported in the same run.
REPAIRED: dict[str, tuple[object, list[str]]] = {
    "a: 1\nb: 2\na: 3\n": (
        {"a": 1, "b": 2},
        ["3:1 RS005 the key 'a' is already defined on line 1; delete one of the two, or merge them"],
    ),
    "a: {b: 1, 'b': 2, b: 3}": (
        {"a": {"b": 1}},
        [
            "1:11 RS005 the key 'b' is already defined on line 1; delete one of the two, or merge them",
            "1:19 RS005 the key 'b' is already defined on line 1; delete one of the two, or merge them",
        ],
    ),
    "a: !!str 1\nb: ! x\nc: &x !!map {d: 1}": (
        {"a": 1, "b": "x", "c": {"d": 1}},
        [
            "1:4 RS006 tags are not supported; delete it; to turn a number into a string, put it in quotes",
            "2:4 RS006 tags are not supported; delete it; to turn a number into a string, put it in quotes",
            "3:7 RS006 tags are not supported; delete it; to turn a number into a string, put it in quotes",
        ],
    ),
    "input: {feedback: onehot(where(a, 0, 1))}": (
        {"input": {"feedback": "onehot(where(a, 0, 1))"}},
        [f'1:19 {CURLY} "onehot(where(a, 0, 1))"'],
    ),
    "{a: pick(k, b, b), c: 1, d: f(2, 3)}": (
        {"a": "pick(k, b, b)", "c": 1, "d": "f(2, 3)"},
        [
            f'1:5 {CURLY} "pick(k, b, b)"',
            f'1:29 {CURLY} "f(2, 3)"',
        ],
    ),
    "a: [choice(1, 2), 3]": (
        {"a": ["choice(1, 2)", 3]},
        [f'1:5 {SQUARE} "choice(1, 2)"'],
    ),
    "a: {b: where(x,\n  1, 2)}": (
        {"a": {"b": "where(x, 1, 2)"}},
        [f'1:8 {CURLY} "where(x, 1, 2)"'],
    ),
    "a: “x y”\nb: {c: ‘1’, “d”: x}\ne: [„f”, '“g”', “h” i]\nj: “ui”-“ai”": (
        {"a": "x y", "b": {"c": 1, "d": "x"}, "e": ["f", "“g”", "“h” i"], "j": "“ui”-“ai”"},
        [
            f'1:4 RS021 “ and ” {QUOTES}; write "x y"',
            f'2:8 RS021 ‘ and ’ {QUOTES}; write "1"',
            f'2:13 RS021 “ and ” {QUOTES}; write "d"',
            f'3:5 RS021 „ and ” {QUOTES}; write "f"',
        ],
    ),
    "a: {b: “f(x, 1)”}": (
        {"a": {"b": "f(x, 1)"}},
        [f'1:8 {CURLY} "f(x, 1)"'],
    ),
    'a: “"x"”': (
        {"a": '"x"'},
        [f"1:4 RS021 “ and ” {QUOTES}; write '\"x\"'"],
    ),
    'a: {b: f("x", 1)}': (
        {"a": {"b": 'f("x", 1)'}},
        [f"1:8 {CURLY} 'f(\"x\", 1)'"],
    ),
}


@pytest.mark.parametrize("text", REPAIRED)
def test_reported_and_repaired(text: str) -> None:
    assert read(text) == REPAIRED[text]


@pytest.mark.parametrize(
    "text", ['{a: "f(1, 2)"}', "{a: f(x}", "{a: f(1, b: 2)}", "a: f(1, 2)", "[f(x), (y]"]
)
def test_not_cut_at_a_comma(text: str) -> None:
    _, problems = read(text)
    assert problems == []


def test_all_problems_are_told_at_once() -> None:
    _, problems = read("a: 1\na: 2\nb: {c: .inf, d}\n<<: 3\ne: !x f(1, 2)\ng: [f(1, 2)]\n")
    assert [line.split()[:2] for line in problems] == [
        ["2:1", "RS005"],
        ["3:8", "RS008"],
        ["3:14", "RS003"],
        ["4:1", "RS006"],
        ["5:4", "RS006"],
        ["6:5", "RS007"],
    ]


def test_what_a_syntax_error_stops_has_been_told() -> None:
    assert read("x: {a: 1, a: 2}\nb: [\n")[1] == [
        "1:11 RS005 the key 'a' is already defined on line 1; delete one of the two, or merge them",
        "2:4 RS003 this '[' is never closed; close it with ']'",
    ]


def test_a_diagnostic_as_it_is_printed() -> None:
    problems = Problems()
    read_text("rnnspec: 1\ninput: {ünï: onehot(where(a, 0, 1))}\n", "specs/rule.yaml", problems)
    assert render_text(problems.sorted()) == "\n".join(
        [
            "specs/rule.yaml:2:14: error[RS007] inside { } an unquoted string ends at the first comma",
            "    2 | input: {ünï: onehot(where(a, 0, 1))}",
            "      |              ^^^^^^^^^^^^^^^^^^^^^^",
            '  help: put the expression in quotes: "onehot(where(a, 0, 1))"',
        ]
    )


def test_not_utf8() -> None:
    assert read("a: 1\nb: ü µs".encode("latin-1")) == (
        ...,
        ["2:4 RS002 the file is not UTF-8: byte 8 is 0xfc; save the file as UTF-8"],
    )
    assert read("\ufeffé: ".encode() + b"\xff") == (
        ...,
        ["1:4 RS002 the file is not UTF-8: byte 7 is 0xff; save the file as UTF-8"],
    )
    assert read("a: 1".encode("utf-16")) == (
        ...,
        ["1:1 RS002 the file is not UTF-8: byte 0 is 0xff; the file looks like UTF-16: save it as UTF-8"],
    )


GIVE = "give a YAML file that says 'rnnspec: 1'"


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04 the beginning of an archive, as of .npz",
        b"\x93NUMPY\x01\x00v\x00{'descr': '<f8'}",
        b"\x89PNG\r\n\x1a\n",
        b"\x1f\x8b compressed",
        b"\x58\x00\x00\x00{}\x9a\xde\xd0\x3f",
        b"PK\x03\x04" + bytes(2 << 20),
    ],
)
def test_binary_data(data: bytes) -> None:
    assert read(data) == (..., [f"1:1 RS002 this is not a spec: the file holds binary data; {GIVE}"])


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "0.1\t0.2\n-1e-3\t.5\n",
        '"time: s","rate"\r\n0,1\r\n',
        "# made by a program\n1.0e+00 2.0e+00\n3.0e+00 4.0e+00",
        "a;b\n1,5;2\n",
        "a,b\n" + "1,2\n" * (1 << 19),
    ],
)
def test_a_table(text: str) -> None:
    said = (
        f"1:1 RS009 this is not a spec: the file holds a table; expected a mapping: keys and values; {GIVE}"
    )
    assert read(text) == (..., [said])


@pytest.mark.parametrize(
    "text", ["rnnspec: 1\nseed: 2\n", "{rnnspec: 1,\n label: 3,\n name: 4}", "a, b: 1\nc, d: 2"]
)
def test_what_is_no_table(text: str) -> None:
    assert not read(text)[1]


# --- files -------------------------------------------------------------------------------------------


def refused_file(path: Path | str) -> list[str]:
    problems = Problems()
    assert read_file(path, problems) is None
    assert {d.span.source.name for d in problems.found} == {str(path)}
    return formatted(problems)


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "delayed_go.yaml"
    file.write_text("rnnspec: 1\n")
    problems = Problems()
    tree = read_file(file, problems)
    assert tree is not None
    assert plain_value(tree) == {"rnnspec": 1}
    assert tree.span.source == Source(str(file), "rnnspec: 1\n")
    missing = "1:1 RS001 there is no such file"
    assert refused_file(tmp_path / "delayed_goo.yaml") == [f"{missing}; did you mean 'delayed_go.yaml'?"]
    assert refused_file(tmp_path / "nowhere" / "x.yaml") == [missing]
    folder = "1:1 RS001 this is a folder, not a file"
    assert refused_file(tmp_path) == [f"{folder}; give the path of a file in it"]
    (tmp_path / "spec.yaml").touch()
    assert refused_file(tmp_path) == [f"{folder}; did you mean '{tmp_path}/spec.yaml'?"]
    assert refused_file("a\0b") == ["1:1 RS001 the file cannot be read: embedded null byte"]
    assert refused_file("x" * 5000)[0].startswith("1:1 RS001 the file cannot be read: File name too long")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a\n", f"1:1 RS009 the document is a list; expected a mapping: keys and values; {START}"),
        ("a\n", f"1:1 RS009 the document is a single value; expected a mapping: keys and values; {START}"),
        (
            "rnnspec:1\n",
            "1:1 RS009 the document is a single value; expected a mapping: keys and values; "
            "put a space after the colon: 'key: value'",
        ),
        ("", f"1:1 RS009 the document is empty; {START}"),
    ],
)
def test_a_file_holds_a_mapping(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "spec.yaml").write_text(text)
    assert refused_file(tmp_path / "spec.yaml") == [problem]


def test_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert refused_file(tmp_path / "x.yaml") == ["1:1 RS001 you have no permission to read this file"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a system with named pipes")
def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        assert refused_file(path) == ["1:1 RS001 this is not a regular file; give the path of a YAML file"]


# --- the parser written in Python --------------------------------------------------------------------


#: What only one of the two parsers accepts.
DIFFERENT = {"a: {b:, c: 1}", "%FOO x\n---\na: 1"}


@pytest.mark.parametrize(
    "text", [*sorted({*REFUSED, *REPAIRED} - DIFFERENT), "a: {b: [1, 'x']}\nc: &x 1\nd: *x\n"]
)
def test_without_the_parser_written_in_c(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, problems = read(text)
    monkeypatch.setattr(source_room, "_LOADER", yaml.SafeLoader)
    slow_value, slow_problems = read(text)
    assert slow_value == value
    assert [line.split()[1] for line in slow_problems] == [line.split()[1] for line in problems]
