"""`--conditions`: variables and their values, and what is said of separators that are confused."""

from __future__ import annotations

import pytest

from rnnspec.diagnostics import Problems
from rnnspec.syntax.conditions import read_conditions


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=[0, 1]", {"a": [0, 1]}),
        ("a=[0,1];b=2", {"a": [0, 1], "b": [2]}),
        (" a = [0.5] ; b = [true]; ", {"a": [0.5], "b": [True]}),
        ("a='max(1, 2)'; b=[pi, 300 ms]", {"a": ["max(1, 2)"], "b": ["pi", "300 ms"]}),
        ("a=max(1, 2)", {"a": ["max(1, 2)"]}),
        ("a=[0 == 1]; b=(1)", {"a": ["0 == 1"], "b": ["(1)"]}),
        ("a=(1)+(2)", {"a": ["(1)+(2)"]}),
    ],
)
def test_values_of_variables(text: str, found: dict[str, list[object]]) -> None:
    problems = Problems()
    conditions = read_conditions(text, problems)
    assert not problems.found
    assert {c.name: [value.value for value in c.values] for c in conditions} == found


BETWEEN = "expected ';' between conditions"
EXAMPLE = "for example: coherence=[-0.5, 0.5]; context=[0, 1]"
BRACKETS = "expected NAME=[VALUE, ...]"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=[0,1], b=[0,1]", f"8: this ',' stands between conditions; {BETWEEN}; write 'a=[0,1]; b=[0,1]'"),
        ("a=1, b=2; c=3", f"4: this ',' stands between conditions; {BETWEEN}; write 'a=1; b=2; c=3'"),
        ("a=[0] and b=[1]", f"7: this 'and' stands between conditions; {BETWEEN}; write 'a=[0]; b=[1]'"),
        ("a=[0,1] b=[0,1]", f"9: a new condition begins here; {BETWEEN}; write 'a=[0,1]; b=[0,1]'"),
        ("a=[0; 1]", "5: this ';' stands between values; expected ',' between values; "),
        ("a=1,2; b=3", f"3: the values of 'a' are not in brackets; {BRACKETS}; write 'a=[1,2]'"),
        ("b=3; a=(1, 2)", f"8: the values of 'a' are not in brackets; {BRACKETS}; write 'a=[1, 2]'"),
        ("a={1, 2}", f"3: the values of 'a' are not in brackets; {BRACKETS}; write 'a=[1, 2]'"),
        ("a: [1]", f"1: this condition has no '='; {BRACKETS}; {EXAMPLE}"),
        ("a=[1, 2; b=[3]", "3: this '[' is never closed; expected ; close it with ']'"),
    ],
)  # fmt: skip
def test_separators_that_are_confused(text: str, said: str) -> None:
    problems = Problems()
    read_conditions(text, problems)
    (found,) = problems.found
    assert f"{found.span.column}: {found.message}; expected {found.expected}; {found.help}" == said
