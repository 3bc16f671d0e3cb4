"""Validation errors to diagnostics: one for each mistake, with its code, at its place in the document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rnnspec.diagnostics import Problems, Span, closest, nearest, one_of, shorten
from rnnspec.spec.choices import REST_TAG, is_tag
from rnnspec.spec.fields import NONE, UNREADABLE, Model
from rnnspec.spec.shape import annotation_at, keys_of, words_of
from rnnspec.spec.wording import Path, conversion, found, items, number, subject
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Mapping, Node, Scalar, Sequence

#: The codes of texts that cannot be read, while their places in the document are in order.
UNREADABLE_CODES = ("RS012", "RS013", "RS014", "RS015", "RS104")

#: The words of YAML for the types of the models.
_WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
}

#: The range errors: the key of the bound in the error's context, and the words for it.
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
}


@dataclass(frozen=True)
class _Finding:
    """A diagnostic without its span.  key: it is about the key.  part: the characters it is about."""

    code: str
    path: Path
    message: str
    expected: str
    help: str = ""
    key: bool = False
    part: tuple[int, int] | None = None


def report(
    error: ValidationError, model: type[Model], document: Document, problems: Problems, *, fragment: bool
) -> None:
    """Record a diagnostic for each mistake; a fragment may be incomplete."""
    details: Iterable[ErrorDetails] = error.errors(include_url=False)
    # Another version of the language has other keys: what else is wrong with them is no news.
    details = [detail for detail in details if detail["type"] == "RS019"] or details
    for detail in details:
        if problems.full:
            return
        finding = None if fragment and _is_incomplete(detail) else _translate(detail, model, document)
        if finding is not None:
            span = place(document, finding.path, key=finding.key, part=finding.part)
            problems.error(finding.code, finding.message, span, expected=finding.expected, help=finding.help)


def place(document: Document, path: Path, *, key: bool = False, part: tuple[int, int] | None = None) -> Span:
    """Return the span of a value, its key, or a part of its text; of what contains it if it is absent.

    The key of the whole document is its first key: a caret under all of it would show nothing.
    """
    while path and document.node(path) is None:
        path = path[:-1]
    if not path and key:
        path = tuple(document.tree.entries)[:1]
    node = document.node(path)
    if part is not None and isinstance(node, Scalar):
        return node.part(*part)
    return document.span(path, key=key)


#: What may stand for a leaf of the wrong type, since a required one cannot go.
_STAND_INS = {"int_type": 1, "int_from_float": 1, "float_type": 1.0, "bool_type": True}


def mend(value: dict[str, object], error: ValidationError, model: type[Model], document: Document) -> bool:
    """Change a document so that what its errors are about does not hide the rest; False if that is guesswork.

    A key that is nearly one of the language takes that name, other unknown keys and leaves go; a leaf that
    cannot be read becomes UNREADABLE, a number or truth value of the wrong type another one.
    """
    for detail in error.errors(include_url=False):
        path, is_key = _path(detail["loc"], document)
        parent = _inside(value, path[:-1])
        if is_key or not path or not isinstance(parent, dict) or path[-1] not in parent:
            return False
        key, kind = str(path[-1]), detail["type"]
        if kind in UNREADABLE_CODES and not detail["ctx"]["at"] and not isinstance(parent[key], dict | list):
            parent[key] = UNREADABLE
            continue
        if kind != "extra_forbidden" and isinstance(parent[key], dict | list):
            # Too much depends on a mapping for judging the rest without it.
            return False
        if kind in _STAND_INS:
            parent[key] = _STAND_INS[kind]
            continue
        found = parent.pop(key)
        if kind == "extra_forbidden":
            keys = keys_of(annotation_at(model, detail["loc"][:-1]))
            likely = closest(key, [k for k in keys if k not in parent])
            if likely:
                parent[likely] = found
    return True


def _inside(value: object, path: Path) -> object:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return value


def _is_incomplete(detail: ErrorDetails) -> bool:
    return detail["type"] == "missing" or (
        detail["type"] == "too_short" and detail.get("ctx", {}).get("field_type") == "Dictionary"
    )


def _translate(detail: ErrorDetails, model: type[Model], document: Document) -> _Finding | None:
    """Return what one error of pydantic says; None if another one says it already."""
    kind, value, context, location = detail["type"], detail["input"], detail.get("ctx", {}), detail["loc"]
    path, is_key = _path(location, document)
    if kind.startswith("RS"):
        at = context["at"]
        if at and isinstance(value, dict):
            path, value = (*path, *at), value.get(at[-1])
        message = context["message"] or found(path, value, kind)
        return _Finding(kind, path, message, context["expected"], context["help"], is_key, context["part"])
    if kind == "missing":
        key = str(path[-1])
        field = keys_of(annotation_at(model, location[:-1])).get(key)
        help = f"{key}: {field.description}" if field else ""
        message = f"{subject(path[:-1])} has no '{key}'"
        return _Finding("RS011", path[:-1], message, f"a key '{key}'", help, key=True)
    if kind == "extra_forbidden":
        keys = list(keys_of(annotation_at(model, location[:-1])))
        key = str(path[-1])
        owner = subject(path[:-1]) if len(path) > 1 else "a spec"
        message = f"'{shorten(key)}' is not a key of {owner}"
        return _Finding("RS010", path, message, one_of(keys), nearest(key, keys), key=True)
    if kind == "literal_error":
        words = words_of(annotation_at(model, location))
        code, help = ("RS013", nearest(value, words)) if isinstance(value, str) else ("RS012", "")
        return _Finding(code, path, found(path, value, code), one_of(words), help)
    if kind in _BOUNDS:
        bound, relation = _BOUNDS[kind]
        expected = f"a number {relation} {number(context[bound])}"
        return _Finding("RS013", path, found(path, value, "RS013"), expected)
    if kind in ("too_short", "too_long"):
        return _wrong_length(path, value, context.get("min_length", 0), context.get("max_length"))
    if kind == "finite_number":
        return _Finding("RS008", path, found(path, value), "a finite number")
    wanted = _WANTED.get(kind, "another value")
    expected = f"{wanted} or '{NONE}'" if location[-1:] == (REST_TAG,) else wanted
    return _Finding("RS012", path, found(path, value), expected, conversion(wanted, value))


def _wrong_length(path: Path, value: object, least: int, most: int | None) -> _Finding | None:
    if not isinstance(value, dict | list) or (most is None and len(value) >= least):
        # Too short only because entries were refused, each with a diagnostic of its own.
        return None
    if isinstance(value, dict) and most is None:
        return _Finding("RS011", path, f"{subject(path)} is empty", "at least one entry", key=True)
    expected = f"at least {least}" if most is None else f"at most {most}"
    return _Finding(
        "RS013", path, f"{subject(path)} has {items(len(value))}", expected, key=isinstance(value, dict)
    )


def _path(location: Path, document: Document) -> tuple[Path, bool]:
    """Return the path in the document of a place in the models, and whether its key is meant."""
    path: list[str | int] = []
    node: Node | None = document.tree
    for index, part in enumerate(location):
        below = _child(node, part)
        if below is None and is_tag(part):
            continue
        if below is None and part == "[key]" and index == len(location) - 1:
            return tuple(path), True
        path.append(part)
        node = below
    return tuple(path), False


def _child(node: Node | None, part: str | int) -> Node | None:
    if isinstance(node, Mapping) and part in node.entries:
        return node.entries[str(part)].value
    if isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
        return node.items[part]
    return None
