"""Keys that take values of several shapes: the shape is chosen first, so that a mistake is reported once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

from pydantic import BeforeValidator, Discriminator

from rnnspec.diagnostics import closest, nearest, one_of
from rnnspec.spec.fields import NONE, Model, refuse

#: The tags of union members.  They occur in the locations of pydantic's errors; `messages.py` drops them.
NONE_TAG = "<none>"
REST_TAG = "<rest>"
TEXT_TAG = "<text>"
LIST_TAG = "<list>"
MAPPING_TAG = "<mapping>"


def is_tag(part: object) -> bool:
    """Return whether a part of an error's location is the tag of a union member."""
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def kind_tag(kind: str) -> str:
    """Return the tag of the union member with this `kind`."""
    return f"<{kind}>"


#: The word `none`, or any other value.
NONE_OR = Discriminator(lambda value: NONE_TAG if value == NONE else REST_TAG)


def _shape(value: Any) -> str:
    return LIST_TAG if isinstance(value, list) else MAPPING_TAG if isinstance(value, dict) else TEXT_TAG


#: A scalar, a list or a mapping.
SHAPE = Discriminator(_shape)


def by_kind(*models: type[Model]) -> Discriminator:
    """Choose the model that `kind` names; without a known `kind`, the model that has most of the keys."""
    tags = {kind: kind_tag(kinds_of(model)[0]) for model in models for kind in kinds_of(model)}

    def choose(value: Any) -> str:
        if not isinstance(value, dict):
            return kind_tag(kinds_of(models[0])[0])
        kind = value.get("kind")
        if isinstance(kind, str) and kind in tags:
            return tags[kind]
        known = max(models, key=lambda model: len(value.keys() & model.model_fields.keys()))
        return kind_tag(kinds_of(known)[0])

    return Discriminator(choose)


def check_kind(*models: type[Model], shorthand: Iterable[str] = (), schema: Any = None) -> BeforeValidator:
    """Check `kind` before pydantic chooses the model.  A word of `shorthand` stands for {kind: word}."""
    kinds = [kind for model in models for kind in kinds_of(model)]
    words = tuple(shorthand)

    def check(value: Any) -> Any:
        if isinstance(value, str) and value in words:
            return {"kind": value}
        # A misspelt word, or a kind that needs more than its name.
        if isinstance(value, str) and words and closest(value, [*words, *kinds]) in ("", *words):
            raise _unknown(value, words, ())
        if not isinstance(value, dict):
            mapping = f"a mapping such as {{kind: {kinds[0]}}}"
            if isinstance(value, str) and not words:
                mapping = f"a mapping whose 'kind' is {one_of(kinds)}"
            if words:
                raise refuse("RS012", expected=f"a word such as '{words[0]}', or {mapping}")
            raise refuse("RS012", expected=mapping)
        kind = value.get("kind", kinds[0])
        if not isinstance(kind, str):
            raise refuse("RS012", expected=one_of(kinds), at=("kind",))
        if kind not in kinds:
            raise _unknown(kind, kinds, ("kind",))
        return value

    return BeforeValidator(check) if schema is None else BeforeValidator(check, json_schema_input_type=schema)


def kinds_of(model: type[Model]) -> tuple[str, ...]:
    """Return the words that a model allows for `kind`."""
    return tuple(get_args(model.model_fields["kind"].annotation))


def _unknown(word: str, choices: Iterable[str], at: tuple[str, ...]) -> Exception:
    names = list(choices)
    return refuse("RS013", expected=one_of(names), help=nearest(word, names), at=at)


def word_or_mapping(word: str, meaning: Callable[[], dict[str, Any]], schema: Any) -> BeforeValidator:
    """Allow one word in place of a mapping."""

    def read(value: Any) -> Any:
        if value == word:
            return meaning()
        if not isinstance(value, dict):
            raise refuse("RS012", expected=f"a mapping or '{word}'")
        return value

    return BeforeValidator(read, json_schema_input_type=schema)
