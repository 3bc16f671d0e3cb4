"""A document as text that reads as the same document."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from examples import examples
from hypothesis import example, given
from hypothesis import strategies as st
from syntax.composing import reread

from rnnspec.diagnostics import Problems
from rnnspec.syntax.compose import compose, dump

SPECS = Path(__file__).parents[2] / "specs"


def test_dump() -> None:
    value = {
        "rnnspec": 1,
        "summary": "a: b",
        "text": "two\nlines",
        "tiny": 1e-5,
        "exact": 0.1,
        "on": True,
        "absent": None,
        "5": "5",
        "<<": "no",
        "exc -> inh": {"density": 0.5, "deep": {}},
        "balanced": [[1, 2], ["choice(1, 2)", "x"], [], {"a": 1, "b": [{"c": 2}]}],
        "expressions": ["-x**2", "a < b", "normal(0", "x # y", "onehot(2)"],
        "long": ["x" * 60, "y" * 60],
        "none": "null",
        "ring": "0.8 * ring(direction) * (modality == 1)",
        "percent": "50 %",
        "hidden": "\u2028",
        "curly": "“a”",
    }
    text = """rnnspec: 1
summary: "a: b"
text: "two\\nlines"
tiny: 1e-05
exact: 0.1
on: true
absent: null
5: "5"
"<<": no
exc -> inh:
  density: 0.5
  deep: {}
balanced:
  - [1, 2]
  - ["choice(1, 2)", x]
  - []
  - a: 1
    b:
      - c: 2
expressions: [-x**2, a < b, "normal(0", "x # y", onehot(2)]
long:
  - xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
  - yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
none: "null"
ring: 0.8 * ring(direction) * (modality == 1)
percent: 50 %
hidden: "\\u2028"
curly: "“a”"
"""
    assert dump(value) == text
    assert reread(text) == value
    assert dump({}) == "{}\n"


def test_dump_takes_only_values_of_documents() -> None:
    with pytest.raises(ValueError, match="nan is not a finite number"):
        dump({"a": math.nan})
    with pytest.raises(TypeError, match="set is not a value of a document"):
        dump({"a": {1}})


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.text(
    "a1 :#-,[]{}()'\"&*!|>%@`\n\t\\?<~.", max_size=8
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.sampled_from(
        ["null", "~", "1e-3", ".nan", "0x1", "1e999", "9" * 70, "---", "...", "- a", "a: b", "%TAG", "é"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(TEXTS, below, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
@example({"": {"": [[[]]]}})
@example({"a": ["0:?"]})
@example({"---": "...", "...": "---", "%a": "? b"})
@examples(150)
def test_dump_reads_as_the_same_value(value: dict[str, object]) -> None:
    text = dump(value)
    again = reread(text)
    assert isinstance(again, dict)
    assert again == value
    assert repr(again) == repr(value)
    assert dump(again) == text


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_specs_of_the_project_dump_and_reread(path: Path) -> None:
    problems = Problems()
    document = compose(path, problems=problems)
    assert document is not None
    assert not problems.found
    assert "extends" not in document.value
    assert reread(dump(document.value)) == document.value
