"""Validation errors to diagnostics: one for each mistake, with its code, at its place in the document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rnnspec.diagnostics import Problems, Span, closest, nearest, one_of, shorten
from rnnspec.spec.choices import REST_TAG, is_tag
from rnnspec.spec.fields import NONE, Model
from rnnspec.spec.shape import annotation_at, keys_of, words_of
from rnnspec.spec.wording import Path, conversion, found, items, number, subject
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Mapping, Node, Scalar, Sequence

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
    details = error.errors(include_url=False)
    # Another version of the language has other keys: what else is wrong with them is no news.
    details = [detail for detail in details if detail["type"] == "RS019"] or details
    for done, detail in enumerate(details):
        if problems.full:
            # Finding words for each of a million would take long.
            problems.more += len(details) - done
            return
        silent = (fragment and _is_incomplete(detail)) or _is_misspelt(detail, model)
        finding = None if silent else _translate(detail, model, document)
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


def misspelt(model: type[Model], location: Iterable[str | int], given: Iterable[str]) -> dict[str, str]:
    """Return what unknown keys of a mapping mean: the nearest key each, if that is not given as well."""
    keys, present = keys_of(annotation_at(model, location)), set(given)
    likely = {key: closest(key, keys) for key in given if key not in keys} if keys else {}
    return {key: meant for key, meant in likely.items() if meant and meant not in present}


def _is_incomplete(detail: ErrorDetails) -> bool:
    return detail["type"] == "missing" or (
        detail["type"] == "too_short" and detail.get("ctx", {}).get("field_type") == "Dictionary"
    )


def _is_misspelt(detail: ErrorDetails, model: type[Model]) -> bool:
    """Whether a key is missing only because its name is misspelt, which is reported."""
    if detail["type"] != "missing" or not isinstance(detail["input"], dict):
        return False
    *location, key = detail["loc"]
    return key in misspelt(model, location, detail["input"]).values()


def _translate(detail: ErrorDetails, model: type[Model], document: Document) -> _Finding | None:
    """Return what one error of pydantic says; None if another one says it already."""
    kind, value, context, location = detail["type"], detail["input"], detail.get("ctx", {}), detail["loc"]
    path, is_key = path_of(location, document)
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
        # A kind has one word in each of its models, but there are several models.
        if field and key != "kind" and len(only := words_of(field.annotation)) == 1:
            help = f"write '{key}: {only[0]}'"
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


def path_of(location: Path, document: Document) -> tuple[Path, bool]:
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
