"""The JSON Schema of documents, with which editors complete keys, show descriptions and mark mistakes.

One describes all specs, fragments and overlays: all keys but the version may be missing, and every value may
be `null`, which removes the key.  The other describes sweeps.

No check is in `anyOf` or `oneOf`: of these, validators only say that no alternative fits, and hide which part
of a value is wrong.  Alternatives are chosen by the type of the value and by its `kind` instead.

`errorMessage`, `enumDescriptions` and `defaultSnippets` are keywords of editors, which validators ignore.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from rnnspec.spec.document import LANGUAGE_VERSION, Spec
from rnnspec.spec.fields import KEYS, MEANINGS, NAME_PATTERN
from rnnspec.spec.sweep import SweepDocument
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
#: Keywords that validate nothing, and stand beside a reference too.
_NOTES = ("description", "default")
_NULL = "Removes the key that a base, a spec or an overlay has set."

_Schema = dict[str, Any]


def json_schema() -> _Schema:
    """Return the JSON Schema (draft 7) of specs in this version of the language."""
    generated = Spec.model_json_schema(
        by_alias=True, ref_template="#/definitions/{model}", schema_generator=_Generator
    )
    write = _Writer(generated.pop("$defs"))
    definitions = {name: write.value(model) | {"title": name} for name, model in write.models.items()}
    root = {**write.value(generated), "type": "object"}
    root["properties"]["rnnspec"] = {"const": LANGUAGE_VERSION, "description": "Version of the language."}
    root["properties"]["extends"] = _EXTENDS
    for key, description in _PLACES.items():
        definitions["Epoch"]["properties"][key] = {
            "type": "string",
            "pattern": NAME_PATTERN,
            "description": description,
        }
    title = f"rnnspec specification, version {LANGUAGE_VERSION}"
    return {"$schema": DRAFT, **root, "required": ["rnnspec"], "title": title, "definitions": definitions}


def sweep_schema() -> _Schema:
    """Return the JSON Schema (draft 7) of sweeps in this version of the language."""
    generated = SweepDocument.model_json_schema(
        by_alias=True, ref_template="#/definitions/{model}", schema_generator=_Generator
    )
    write = _Writer(generated.pop("$defs"), nullable=False)
    definitions = {name: write.value(model) | {"title": name} for name, model in write.models.items()}
    root = write.value(generated)
    root["properties"]["rnnspec"] = {"const": LANGUAGE_VERSION, "description": "Version of the language."}
    title = f"rnnspec sweep, version {LANGUAGE_VERSION}"
    return {
        "$schema": DRAFT,
        **root,
        "required": generated["required"],
        "title": title,
        "definitions": definitions,
    }


class _Generator(GenerateJsonSchema):
    """Writes defaults as a document would."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, Time | Over):
            return str(dft)
        # The defaults of a section are those of its own keys.
        return None if isinstance(dft, BaseModel) else super().encode_default(dft)


class _Writer:
    """Writes the schemas of pydantic for documents.

    models: those of mappings, by name.  nullable: whether keys may be missing, and null removes one.
    """

    def __init__(self, models: dict[str, _Schema], *, nullable: bool = True) -> None:
        self.nullable = nullable
        self.models = dict(sorted(models.items()))
        for model in models.values():
            kind = model["properties"].get("kind", {})
            if "const" in kind:
                # What editors show of such a mapping is the key that has it as its value.
                kind[MEANINGS] = {kind["const"]: model.pop("description")}

    def value(self, schema: _Schema, *, item: bool = False) -> _Schema:
        """Return the schema of a value.  item: of a list, which is never null."""
        null = self.nullable and not item
        notes = {key: schema[key] for key in _NOTES if schema.get(key) not in (None, {})}
        if not schema.keys() - {*_NOTES, "title"}:
            return notes
        members = [{MEANINGS: schema.get(MEANINGS, {}), **member} for member in _members(schema)]
        mappings = [member for member in members if _is_mapping(member)]
        others = [member for member in members if not _is_mapping(member)]
        if not others:
            return {**notes, **self._mapping(mappings)}
        types = [*dict.fromkeys(_types(others))]
        types += (["object"] if mappings else []) + (["null"] if null else [])
        result = {**notes, "type": types if len(types) > 1 else types[0], **self._keywords(others)}
        words = {word: text for member in others for word, text in _words(member).items()}
        # Words may stand beside a string with a grammar, such as the name of a phase.
        only_words = "string" not in _types([member for member in others if not _words(member)])
        if words and only_words and set(types) <= {"string", "null"}:
            return {**result, **_enumeration(words, null)}
        choice = {"if": {"type": "object"}, "then": self._mapping(mappings)} if mappings else {}
        if not words:
            return {**result, **choice}
        proposals = [
            {"label": word, "body": word, **({"description": text} if text else {})}
            for word, text in words.items()
        ]
        # Editors look for proposals here, but not in conditions.  One of the two always holds.
        result["anyOf"] = [{"type": "object"}, {"not": {"type": "object"}, "defaultSnippets": proposals}]
        if not only_words:
            if "pattern" in result:
                result["pattern"] = f"^({'|'.join(words)})$|{result['pattern']}"
            return {**result, **choice}
        return {
            **result,
            "if": {"type": "string"},
            "then": _enumeration(words, null=False),
            **({"else": choice} if choice else {}),
        }

    def _keywords(self, members: list[_Schema]) -> _Schema:
        """Return the keywords of values other than mappings; each is about one type, so all hold together.

        Raises ValueError for two alternatives of one type, which need one schema (`string_schema`).
        """
        types = _types([member for member in members if not _words(member)])
        if len(set(types)) < len(types):
            raise ValueError(f"two alternatives have the same type: {members}")
        left_out = (*_NOTES, MEANINGS, "title", "type", "enum", "const")
        return {
            key: self.value(keyword, item=True) if key == "items" else keyword
            for member in members
            for key, keyword in member.items()
            if key not in left_out
        }

    def _mapping(self, members: list[_Schema]) -> _Schema:
        """Return the schema of a mapping: of one model, of a model that `kind` chooses, or with free keys."""
        references = [member["$ref"] for member in members if "$ref" in member]
        if len(references) > 1:
            return self._by_kind(references)
        if references:
            return {"$ref": references[0]}
        (schema,) = members
        result: _Schema = {"type": ["object", "null"] if self.nullable else "object"}
        for key, keyword in schema.items():
            if key == "properties":
                result[key] = {name: self.value(member) for name, member in keyword.items()}
            elif key == "patternProperties":
                ((pattern, member),) = keyword.items()
                result["propertyNames"] = {"pattern": pattern, "errorMessage": f"expected {KEYS[pattern]}"}
                result["additionalProperties"] = self.value(member)
            elif key == "additionalProperties":
                result[key] = self.value(keyword) if isinstance(keyword, dict) else keyword
            elif key == "maxProperties" or (key in ("minProperties", "required") and not self.nullable):
                result[key] = keyword
        return result

    def _by_kind(self, references: list[str]) -> _Schema:
        """Return the schema of a mapping that has the keys of the model named by `kind`; without, of any."""
        models = {reference: self.models[reference.rpartition("/")[2]] for reference in references}
        kinds = {reference: _words(model["properties"]["kind"]) for reference, model in models.items()}
        keys = {
            key: field for model in reversed(models.values()) for key, field in model["properties"].items()
        }
        words = {word: text for found in kinds.values() for word, text in found.items()}
        kind = {"description": keys["kind"]["description"], **_enumeration(words, null=True)}
        choices: list[tuple[_Schema, _Schema]] = [
            ({"properties": {"kind": {"enum": list(found)}}, "required": ["kind"]}, {"$ref": reference})
            for reference, found in kinds.items()
        ]
        rest = {
            "additionalProperties": False,
            "properties": {key: self.value(field) for key, field in keys.items()} | {"kind": kind},
        }
        choices.append(({"properties": {"kind": {"type": "null"}}}, rest))
        return {
            "type": ["object", "null"],
            "properties": {"kind": kind},
            "allOf": [{"if": {"type": "object", **given}, "then": choice} for given, choice in choices],
        }


def _members(schema: _Schema) -> Iterator[_Schema]:
    """Yield the alternatives of a value, but not null."""
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    for member in alternatives or ():
        yield from _members(member)
    if alternatives is None and schema.get("type") != "null":
        yield schema


def _is_mapping(schema: _Schema) -> bool:
    return "$ref" in schema or schema.get("type") == "object"


def _types(members: list[_Schema]) -> list[str]:
    types = [member["type"] for member in members]
    return [name for given in types for name in ([given] if isinstance(given, str) else given)]


def _words(schema: _Schema) -> dict[str, str]:
    """Return the words that a value may be, and what each means, as far as that is said."""
    words = [schema["const"]] if "const" in schema else schema.get("enum", ())
    return {word: schema.get(MEANINGS, {}).get(word, "") for word in words}


def _enumeration(words: dict[str, str], null: bool) -> _Schema:
    """Return the schema of one of some words; editors show what each means."""
    meanings = [*words.values(), *([_NULL] if null else [])]
    return {
        "type": ["string", "null"] if null else "string",
        "enum": [*words, *([None] if null else [])],
        **({"enumDescriptions": meanings} if all(meanings) else {}),
    }
