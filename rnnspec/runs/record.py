"""Records: the JSON objects in the files of a run folder.

Each kind is a model beside the functions that read and write its file.  It checks what is read, it makes what
is written, and the descriptions of its fields are the tables of docs/runs.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from rnnspec.diagnostics import one_of, shorten
from rnnspec.errors import RequestError
from rnnspec.files import finite, to_json
from rnnspec.spec import wording

RESTORE = "Restore the folder from a copy, or train again."

Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _nan(value: object) -> object:
    return math.nan if value is None else value


def _null(value: float) -> float | None:
    return value if math.isfinite(value) else None


_OrNaN = Annotated[
    float, Field(allow_inf_nan=True), BeforeValidator(_nan, json_schema_input_type=float | None)
]
#: A number that may be NaN; JSON does not have NaN, and null stands for it.
Exact = Annotated[_OrNaN, PlainSerializer(_null, return_type=float | None)]
#: Such a number that is written with six digits, the precision of float32.
SixDigits = Annotated[_OrNaN, PlainSerializer(finite, return_type=float | None)]
#: One number for each network, in order.
PerNetwork = tuple[SixDigits, ...]


class Record(BaseModel):
    """One JSON object of a run folder."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, data: bytes, file: Path | str) -> Self:
        """Read a record.  file: whose it is, for the message.

        Raises RequestError, which names the file and the field, if it is not one of this kind.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise RequestError(f"{file}{_problem(cls, error)}.", RESTORE) from None

    @classmethod
    def parse_line(cls, data: bytes, file: Path, line: int) -> Self:
        """Read a record that is one line of a file, the first being 1."""
        return cls.parse(data, f"{file}, line {line:,}")

    def to_json(self, *, indent: int | None = None) -> str:
        return to_json(self.model_dump(), indent=indent)


def _problem(model: type[Record], error: ValidationError) -> str:
    """Return the first thing that is wrong with a record, as it continues the name of its file."""
    detail = error.errors(include_url=False)[0]
    kind, place, value = detail["type"], detail["loc"], detail["input"]
    if kind == "json_invalid":
        return " is damaged: it is not JSON"
    name = _name(place)
    if kind == "missing":
        return f" has no field '{name}'"
    if kind == "extra_forbidden":
        return f" has an unknown field, '{name}'"
    found = "null" if value is None else wording.describe(value)
    subject = f"field '{name}'" if place else "it"
    return f": {subject} is {found}, expected {_expected(model, place)}"


def _name(place: tuple[str | int, ...]) -> str:
    """Return `result.diverged[0].network`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{shorten(part)}" for part in place]
    return "".join(parts).removeprefix(".")


def _expected(model: type[Record], place: tuple[str | int, ...]) -> str:
    """Return what may stand at a place of a record, in words."""
    schema = _schema(model)
    node: Mapping[str, Any] = schema
    for part in place:
        node, _ = _bare(node, schema)
        if isinstance(part, int):
            node = node["items"]
        else:
            node = node.get("properties", {}).get(part) or node["additionalProperties"]
    node, nullable = _bare(node, schema)
    return _words(node) + (", or null" if nullable else "")


@cache
def _schema(model: type[Record]) -> Mapping[str, Any]:
    return model.model_json_schema()


def _bare(node: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """Return a part of a schema without references and null, and whether null may stand there."""
    nullable = False
    while True:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        elif "anyOf" in node:
            nullable = True
            (node,) = (choice for choice in node["anyOf"] if choice.get("type") != "null")
        else:
            return node, nullable


def _words(node: Mapping[str, Any]) -> str:
    if "const" in node or "enum" in node:
        return one_of(map(str, node.get("enum", [node.get("const")])))
    match node["type"]:
        case "integer" | "number" as kind:
            return ("a whole number" if kind == "integer" else "a number") + _bounds(node)
        case "string":
            return "64 hexadecimal digits" if "pattern" in node else "a string"
        case "boolean":
            return "true or false"
        case "array":
            return "a list"
    return "an object"


def _bounds(node: Mapping[str, Any]) -> str:
    return f" of at least {node['minimum']:g}" if "minimum" in node else ""
