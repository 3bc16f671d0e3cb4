"""Names and texts of a spec on their way into a source."""

from __future__ import annotations

import ast
import keyword

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnspec.codegen.render import checked, free_text, quoted, template_folder
from rnnspec.codegen.torch.language import OWN_NAMES, identifier

NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9_]{0,8}\Z")
NEAR = st.sampled_from(["lambda", "lambda_", "lambda__", "ring", "ring_", "a", "a_", "True", "math"])


@given(st.lists(NAMES | NEAR, unique=True))
@example(["ring", "ring_", "ring__"])
def test_different_names_stay_different(names: list[str]) -> None:
    made = [identifier(name) for name in names]
    assert len(set(made)) == len(names)
    for name in made:
        assert name.isidentifier()
        assert not keyword.iskeyword(name)
        assert name not in OWN_NAMES


def test_plain_names_stay_as_they_are() -> None:
    assert identifier("direction") == "direction"
    assert identifier("ring") == "ring_"
    assert identifier("ring_") == "ring__"
    assert identifier("class") == "class_"
    assert quoted("ring") == '"ring"'


@pytest.mark.parametrize("name", ["", "1a", "_a", "a b", "a\n", "a.b", "é", 'a"', "a" + "\u0660", "\uff41"])
def test_what_is_no_name_is_refused(name: str) -> None:
    for through in (checked, identifier, quoted):
        with pytest.raises(ValueError, match="is no name"):
            through(name)


@given(st.text())
@example('""" + __import__("os").system("x") + """')
@example("ends with a backslash \\")
@example("\u202e\x00\x1b[31m\r\n# coding: rot13")
def test_free_text_cannot_leave_a_docstring(text: str) -> None:
    words = free_text(text)
    assert words.isprintable()
    tree = ast.parse(f'"""{words}"""\n')
    (statement,) = tree.body or [ast.parse('""').body[0]]
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)


def test_free_text_is_cut() -> None:
    assert len(free_text("word " * 10_000)) <= 400


def test_templates_are_found() -> None:
    assert (template_folder() / "torch" / "graph.py.j2").is_file()
