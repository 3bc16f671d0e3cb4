"""Values of several shapes: which shape is decided first, so that one mistake is one diagnostic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

from pydantic import BeforeValidator, Discriminator

from rnnspec.diagnostics import nearest, one_of
from rnnspec.spec.fields import NONE, Model, refuse

#: The tags of union members. They occur in the places pydantic reports, where `messages.py` drops them.
NONE_TAG = "<none>"
REST_TAG = "<rest>"
TEXT_TAG = "<text>"
LIST_TAG = "<list>"
MAPPING_TAG = "<mapping>"


def is_tag(part: object) -> bool:
    """Return whether a part of a pydantic place is the tag of a union member."""
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def kind_tag(kind: str) -> str:
    """Return the tag of the union member with this kind."""
    return f"<{kind}>"


#: `none`, or something else.
NONE_OR = Discriminator(lambda value: NONE_TAG if value == NONE else REST_TAG)


def _shape(value: Any) -> str:
    return LIST_TAG if isinstance(value, list) else MAPPING_TAG if isinstance(value, dict) else TEXT_TAG


#: A scalar, a list or a mapping.
SHAPE = Discriminator(_shape)


def by_kind(*models: type[Model]) -> Discriminator:
    """Choose the model that a mapping names in `kind`, or else the one that knows most of its keys."""
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
    """Check `kind` before the union sees it; a word of `shorthand` stands for a mapping of that kind."""
    kinds = [kind for model in models for kind in kinds_of(model)]
    words = tuple(shorthand)

    def check(value: Any) -> Any:
        if isinstance(value, str) and words:
            if value not in words:
                raise _unknown(value, words, ())
            return {"kind": value}
        if not isinstance(value, dict):
            raise refuse("RS012", expected="a word or a mapping" if words else "a mapping")
        kind = value.get("kind", kinds[0])
        if not isinstance(kind, str):
            raise refuse("RS012", expected=one_of(kinds), at=("kind",))
        if kind not in kinds:
            raise _unknown(kind, kinds, ("kind",))
        return value

    return BeforeValidator(check) if schema is None else BeforeValidator(check, json_schema_input_type=schema)


def kinds_of(model: type[Model]) -> tuple[str, ...]:
    """Return the words that `kind` may be in a model."""
    return tuple(get_args(model.model_fields["kind"].annotation))


def _unknown(word: str, choices: Iterable[str], at: tuple[str, ...]) -> Exception:
    names = list(choices)
    return refuse("RS013", expected=one_of(names), help=nearest(word, names), at=at)


def word_or_mapping(word: str, meaning: Callable[[], dict[str, Any]], schema: Any) -> BeforeValidator:
    """Let one word stand for a mapping."""

    def read(value: Any) -> Any:
        if value == word:
            return meaning()
        if not isinstance(value, dict):
            raise refuse("RS012", expected=f"a mapping or '{word}'")
        return value

    return BeforeValidator(read, json_schema_input_type=schema)
