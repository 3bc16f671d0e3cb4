"""The JSON Schema of documents, with which editors complete keys, show descriptions and mark mistakes.

It describes every document of the language.  In fragments and overlays all keys but the version may be
missing, and every value may be `null`, which removes the key.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from rnnspec.spec.document import LANGUAGE_VERSION, Spec
from rnnspec.spec.fields import NAME_PATTERN
from rnnspec.spec.values import Over
from rnnspec.syntax.quantity import Time

DRAFT = "http://json-schema.org/draft-07/schema#"

#: Keys that composition removes from a document before it is validated.
_EXTENDS = {
    "type": "string",
    "description": "Path of the document that this one extends, relative to this file.",
}
_PLACES = {
    "after": "In an overlay: the new epoch comes after this epoch.",
    "before": "In an overlay: the new epoch comes before this epoch.",
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 7) of documents in this version of the language."""
    generated = Spec.model_json_schema(
        by_alias=True, ref_template="#/definitions/{model}", schema_generator=_Generator
    )
    definitions = {name: _relax(body) for name, body in sorted(generated.pop("$defs").items())}
    root = _relax(generated)
    root["properties"]["rnnspec"] = {"const": LANGUAGE_VERSION, "description": "Version of the language."}
    root["properties"]["extends"] = _EXTENDS
    root["required"] = ["rnnspec"]
    for key, description in _PLACES.items():
        definitions["Epoch"]["properties"][key] = {
            "type": "string",
            "pattern": NAME_PATTERN,
            "description": description,
        }
    title = f"rnnspec specification, version {LANGUAGE_VERSION}"
    return {"$schema": DRAFT, **root, "title": title, "definitions": definitions}


class _Generator(GenerateJsonSchema):
    """Writes defaults as a document would."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, Time | Over):
            return str(dft)
        # The defaults of a section are those of its own keys.
        return None if isinstance(dft, BaseModel) else super().encode_default(dft)


def _relax(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema for documents that may be incomplete."""
    result: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "required" | "title":
                continue
            case "default" if value is None or value == {}:
                continue
            case "oneOf":
                # Without required keys a mapping may match several shapes.
                result["anyOf"] = [_relax(member) for member in value]
            case "anyOf" | "allOf":
                result[key] = [_relax(member) for member in value]
            case "properties":
                result[key] = {name: _or_null(_relax(member)) for name, member in value.items()}
            case "patternProperties":
                ((pattern, member),) = value.items()
                result["propertyNames"] = {"pattern": pattern}
                result["additionalProperties"] = _or_null(_relax(member))
            case "additionalProperties" if isinstance(value, dict):
                result[key] = _or_null(_relax(value))
            case "items":
                result[key] = _relax(value)
            case "minProperties":
                continue
            case _:
                result[key] = value
    return result


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Allow null too.  The description stays at the top, where editors look for it."""
    members = schema.pop("anyOf") if "anyOf" in schema else None
    outer: dict[str, Any] = {key: schema.pop(key) for key in ("description", "default") if key in schema}
    if members is None:
        members = [schema]
    elif schema:
        members = [{**schema, "anyOf": members}]
    if {"type": "null"} not in members:
        members = [*members, {"type": "null"}]
    return {**outer, "anyOf": members}
