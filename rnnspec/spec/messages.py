"""Validation errors to diagnostics: in the words of the document and at its places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rnnspec.diagnostics import Problems, Span, nearest, one_of, shorten
from rnnspec.spec.choices import REST_TAG, is_tag
from rnnspec.spec.fields import NONE, Model
from rnnspec.spec.shape import annotation_at, keys_of, words_of
from rnnspec.syntax.compose import Document

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

#: What YAML 1.1 took for truth values.
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}

Path = tuple[str | int, ...]


def report(
    error: ValidationError, model: type[Model], document: Document, problems: Problems, *, fragment: bool
) -> None:
    """Record a diagnostic for each error; in a fragment, nothing is missing."""
    details = error.errors(include_url=False)
    # Another version of the language has other keys: what else is wrong with them is no news.
    version = [detail for detail in details if detail["type"] == "RS019"]
    for detail in version or details:
        if problems.full:
            return
        if fragment and _is_incomplete(detail):
            continue
        _report(detail, model, document, problems)


def describe(value: object) -> str:
    """Return what a value is, in the words of YAML."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {_number(value) if isinstance(value, int) else value}"
        case str():
            return f"the text '{shorten(value)}'" if value else "an empty text"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a mapping" if value else "an empty mapping"
    return "of no type that YAML has"


def _is_incomplete(detail: ErrorDetails) -> bool:
    return detail["type"] == "missing" or (
        detail["type"] == "too_short" and detail.get("ctx", {}).get("field_type") == "Dictionary"
    )


def _report(detail: ErrorDetails, model: type[Model], document: Document, problems: Problems) -> None:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    path, is_key = _path(detail["loc"], document)
    if kind.startswith("RS"):
        _report_own(kind, path, is_key, value, context, document, problems)
    elif kind == "missing":
        _report_missing(path, model, detail["loc"], document, problems)
    elif kind == "extra_forbidden":
        keys = list(keys_of(annotation_at(model, detail["loc"][:-1])))
        word = str(path[-1])
        problems.error(
            "RS010",
            f"'{shorten(word)}' is not a key{_of(path[:-1])}",
            document.span(path, key=True),
            expected=one_of(keys),
            help=nearest(word, keys),
        )
    elif kind == "literal_error":
        words = words_of(annotation_at(model, detail["loc"]))
        code, help = ("RS013", nearest(value, words)) if isinstance(value, str) else ("RS012", "")
        problems.error(
            code, _found(path, value, code), document.span(path), expected=one_of(words), help=help
        )
    elif kind in _BOUNDS:
        key, relation = _BOUNDS[kind]
        wanted = f"a number {relation} {_number(context[key])}"
        problems.error("RS013", _found(path, value, "RS013"), document.span(path), expected=wanted)
    elif kind in ("too_short", "too_long"):
        _report_length(path, value, context, document, problems)
    elif kind == "finite_number":
        problems.error("RS008", _found(path, value), document.span(path), expected="a finite number")
    else:
        wanted = _WANTED.get(kind, "another value")
        choice = f"{wanted} or '{NONE}'" if detail["loc"][-1:] == (REST_TAG,) else wanted
        problems.error(
            "RS012",
            _found(path, value),
            document.span(path),
            expected=choice,
            help=_conversion(wanted, value),
        )


def _report_own(
    code: str,
    path: Path,
    is_key: bool,
    value: object,
    context: dict[str, Any],
    document: Document,
    problems: Problems,
) -> None:
    """Record an error that a leaf type raised (`fields.refuse`)."""
    path = (*path, *context["at"])
    if context["at"] and isinstance(value, dict):
        value = value.get(context["at"][-1])
    part = context["part"]
    problems.error(
        code,
        context["message"] or _found(path, value, code),
        document.inside(path, *part) if part else document.span(path, key=is_key),
        expected=context["expected"],
        help=context["help"],
    )


def _report_missing(
    path: Path, model: type[Model], location: Path, document: Document, problems: Problems
) -> None:
    parent, key = path[:-1], str(path[-1])
    field = keys_of(annotation_at(model, location[:-1])).get(key)
    problems.error(
        "RS011",
        f"{_subject(parent)} has no '{key}'",
        parent_span(document, parent),
        expected=f"a key '{key}'",
        help=f"{key}: {field.description}" if field and field.description else "",
    )


def parent_span(document: Document, path: Path) -> Span:
    """Return the place of what lacks something: its key, or for the document that of its first key."""
    if path:
        return document.span(path, key=True)
    first = next(iter(document.tree.entries), None)
    return document.span(()) if first is None else document.span((first,), key=True)


def _report_length(
    path: Path, value: object, context: dict[str, Any], document: Document, problems: Problems
) -> None:
    least, most = context.get("min_length", 0), context.get("max_length")
    if most is None and isinstance(value, dict | list) and len(value) >= least:
        # Too short only because of entries that were refused, and reported, themselves.
        return
    if isinstance(value, dict):
        problems.error(
            "RS011",
            f"{_subject(path)} is empty",
            document.span(path, key=True),
            expected="at least one entry",
        )
        return
    problems.error(
        "RS013",
        f"{_subject(path)} has {_items(context.get('actual_length'))}",
        document.span(path),
        expected=f"at least {least}" if most is None else f"at most {most}",
    )


def _path(location: Path, document: Document) -> tuple[Path, bool]:
    """Return the path in the document of a place in the models, and whether its key is meant."""
    path: list[str | int] = []
    value: object = document.value
    last = len(location) - 1
    for index, part in enumerate(location):
        inside = isinstance(value, dict) and part in value
        if is_tag(part) and not inside:
            continue
        if part == "[key]" and index == last and not inside:
            return tuple(path), True
        path.append(part)
        value = _child(value, part)
    return tuple(path), False


def _child(value: object, part: str | int) -> object:
    if isinstance(value, dict):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def _subject(path: Path) -> str:
    """Return how a message calls a place: by its key, and its number in a list."""
    names = [part for part in path if isinstance(part, str)]
    numbers = [part for part in path if isinstance(part, int)]
    name = f"'{shorten(names[-1])}'" if names else "the document"
    if path and isinstance(path[-1], int):
        return f"item {numbers[-1] + 1} of {name}"
    return name


def _of(path: Path) -> str:
    return f" of {_subject(path)}" if path else " of a spec"


def _found(path: Path, value: object, code: str = "RS012") -> str:
    """Return what stands at a place; where the type is right it goes without saying."""
    if code == "RS013" and isinstance(value, str | int | float):
        return f"{_subject(path)} is " + (f"'{shorten(value)}'" if isinstance(value, str) else _number(value))
    return f"{_subject(path)} is {describe(value)}"


def _items(count: object) -> str:
    return "1 item" if count == 1 else f"{count or 'no'} items"


def _number(value: float) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    # Python refuses to print integers of thousands of digits.
    return str(value) if isinstance(value, float) or abs(value) < 10**30 else "of more than 30 digits"


def _conversion(wanted: str, value: object) -> str:
    """Return how to write what was probably meant."""
    return next(iter(_conversions(wanted, value)), "")


def _conversions(wanted: str, value: object) -> Iterator[str]:
    if wanted == "a text" and isinstance(value, bool | int | float):
        yield "put it in quotes"
    if wanted == "true or false" and isinstance(value, str) and value.lower() in _TRUTH:
        yield f"write {_TRUTH[value.lower()]}"
    if wanted in ("a number", "a whole number") and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return
        if wanted == "a number" or number.is_integer():
            yield f"write {_number(number)}, without quotes"
    if wanted == "a whole number" and isinstance(value, float) and value.is_integer():
        yield f"write {_number(value)}"
    if wanted == "a list" and isinstance(value, str | int | float):
        yield "put it in brackets: [ ]"
