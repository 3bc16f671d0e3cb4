"""Whatever a document holds, validation answers with models or with diagnostics in our own words."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from spec.documents import EVERYTHING, document_of, spec_of

from rnnspec.diagnostics import Problems, render_text
from rnnspec.spec.document import Spec, validate
from rnnspec.spec.schema import json_schema
from rnnspec.syntax.compose import compose_text

#: What only pydantic or Python would say.
FOREIGN = re.compile(r"Input should|instance of|valid |\b(dict|str|int)\b|NoneType|pydantic|<\w+>")

KEYS = sorted(
    {"rnnspec", "extends", *json_schema()["properties"]}.union(
        *(body.get("properties", {}) for body in json_schema()["definitions"].values())
    )
)
WORDS = ["none", "relu", "adam", "ou", "5 ms", "50 %", "trial.end", "normal(0, 1)", "a", "1 +", "x" * 70, ""]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=12)
)
keys = st.sampled_from([*KEYS, "a", "a -> b", "[key]", "<rest>"]) | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def check(value: dict[str, Any], *, fragment: bool | None = None) -> None:
    problems = Problems()
    spec = validate(document_of(value), problems, fragment=fragment)
    # There may be a result in spite of mistakes, but not of what another version of the language means.
    assert spec is None or "RS019" not in {d.code for d in problems.found}
    assert isinstance(spec, Spec) or problems.found or "name" not in value or fragment
    for diagnostic in problems.found:
        assert re.fullmatch(r"RS\d{3}", diagnostic.code)
        assert diagnostic.message
        said = diagnostic.expected + diagnostic.help
        assert not FOREIGN.search(said), said
    render_text(problems.sorted())


@given(value=st.dictionaries(keys, values, max_size=5), fragment=st.sampled_from([None, True, False]))
def test_arbitrary_documents_never_raise(value: dict[str, Any], fragment: bool | None) -> None:
    check(value, fragment=fragment)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(place for key, item in children for place in _places(item, (*path, key)))]


def _replace(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    changed = {key: _replace(item, path[1:], new) if key == path[0] else item for key, item in items}
    return changed if isinstance(value, dict) else list(changed.values())


def _complete() -> dict[str, Any]:
    document = compose_text(EVERYTHING, "spec.yaml", Problems())
    assert document is not None
    return document.value


COMPLETE = _complete()
PLACES = _places(COMPLETE)[1:]


@given(place=st.sampled_from(PLACES), value=values)
def test_a_good_document_with_anything_in_one_place_never_raises(place: tuple[Any, ...], value: Any) -> None:
    check(_replace(COMPLETE, place, value))


def test_the_good_document_is_good() -> None:
    assert spec_of(EVERYTHING) == Spec.model_validate(COMPLETE)
