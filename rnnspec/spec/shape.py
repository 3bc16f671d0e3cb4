"""Looks up which keys and which words the models allow at a place of the document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import Tag
from pydantic.fields import FieldInfo

from rnnspec.spec.fields import Model


def annotation_at(root: type[Model], location: Iterable[str | int]) -> Any:
    """Return the type annotation at a location of pydantic, which includes tags; None if there is none."""
    annotation: Any = root
    for part in location:
        annotation = _step(annotation, part)
    return bare(annotation)


def keys_of(annotation: Any) -> Mapping[str, FieldInfo]:
    """Return the fields of a model by their keys in the document; empty for any other type."""
    if not (isinstance(annotation, type) and issubclass(annotation, Model)):
        return {}
    return {field.alias or name: field for name, field in annotation.model_fields.items()}


def words_of(annotation: Any) -> tuple[str, ...]:
    """Return the words that a Literal type allows; empty for any other type."""
    if get_origin(annotation) is Literal:
        return tuple(str(word) for word in get_args(annotation))
    return ()


def _step(annotation: Any, part: str | int) -> Any:
    annotation = bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Model):
        field = keys_of(annotation).get(str(part))
        return field.annotation if field else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin is tuple:
        return arguments[0]
    if origin in (Union, UnionType):
        return next((member for member in arguments if tag_of(member) == part), None)
    return None


def bare(annotation: Any) -> Any:
    """Return a type without metadata and without `| None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        if len(members) == 1:
            return bare(members[0])
    return annotation


def tag_of(annotation: Any) -> str | None:
    metadata = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((item.tag for item in metadata if isinstance(item, Tag)), None)
