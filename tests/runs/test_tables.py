"""The tables of fields in docs/runs.md are those of the models.

After a description has changed on purpose: `python -m tests.runs.test_tables --rewrite`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import pytest

from rnnspec.runs.checkpoint import CheckpointFacts
from rnnspec.runs.gradients import GradientCurve, GradientRow
from rnnspec.runs.lock import LockRecord
from rnnspec.runs.manifest import Manifest
from rnnspec.runs.metrics import MetricsRow
from rnnspec.runs.record import Record
from rnnspec.runs.timing import TimingRow

PAGE = Path(__file__).parents[2] / "docs" / "runs.md"
MODELS = {
    model.__name__: model
    for model in (Manifest, MetricsRow, TimingRow, CheckpointFacts, GradientRow, GradientCurve, LockRecord)
}
#: A table, and the comment before it that names its model.
TABLE = re.compile(r"(?P<mark><!-- fields of (?P<name>\w+) -->\n\n)(?P<table>(?:\|.*\n)*)")


def rows(model: type[Record], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name and the meaning of every field, with those of records that have no table."""
    for name, field in model.model_fields.items():
        if field.description is not None:
            yield f"{prefix}{name}", field.description
        inner = record_in(field.annotation)
        if inner is not None and inner.__name__ not in MODELS:
            yield from rows(inner, f"{prefix}{name}.")


def record_in(annotation: Any) -> type[Record] | None:
    """Return the model of a field that holds one record, or none."""
    choices = get_args(annotation) if get_origin(annotation) is UnionType else (annotation,)
    for choice in choices:
        if isinstance(choice, type) and issubclass(choice, Record):
            return choice
    return None


def table(model: type[Record]) -> str:
    lines = (f"| `{name}` | {meaning} |\n" for name, meaning in rows(model))
    return "".join(("| field | meaning |\n", "|---|---|\n", *lines))


def test_every_record_has_a_table() -> None:
    found = [match["name"] for match in TABLE.finditer(PAGE.read_text(encoding="utf-8"))]
    assert sorted(found) == sorted(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_table_is_that_of_the_model(name: str) -> None:
    (match,) = (m for m in TABLE.finditer(PAGE.read_text(encoding="utf-8")) if m["name"] == name)
    assert match["table"] == table(MODELS[name])


def test_every_field_is_described() -> None:
    for model in MODELS.values():
        for name, field in model.model_fields.items():
            assert field.description or record_in(field.annotation), f"{model.__name__}.{name}"


def rewrite() -> None:
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE.sub(lambda m: m["mark"] + table(MODELS[m["name"]]), text), encoding="utf-8")


if __name__ == "__main__" and sys.argv[1:] == ["--rewrite"]:
    rewrite()
