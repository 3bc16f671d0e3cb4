"""Translates validation errors of pydantic into diagnostics: one for each mistake, with code and place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rnnspec.diagnostics import Problems, Span, closest, nearest, one_of, shorten
from rnnspec.spec.choices import REST_TAG, is_tag
from rnnspec.spec.fields import NONE, Model
from rnnspec.spec.misplaced import belongs, matches, misplaced, sentence, setting
from rnnspec.spec.remedies import remedy
from rnnspec.spec.remedies_of_sweeps import unknown_in_sweep
from rnnspec.spec.shape import annotation_at, keys_of, words_of
from rnnspec.spec.wording import Path, conversion, found, items, number, share, subject
from rnnspec.syntax.compose import Document
from rnnspec.syntax.tree import Mapping, Node, Scalar, Sequence

#: The name of each type in messages.
_WANTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "tuple_type": "a list",
}

#: The range errors: the key of the bound in the context of the error, and the words for the relation.
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
}


@dataclass(frozen=True)
class _Finding:
    """A diagnostic without its span.  key: it points at the key.  part: the characters that it points at."""

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
    """Add a diagnostic for each mistake.  fragment: whether the document may be incomplete."""
    details = error.errors(include_url=False)
    # Another version of the language has other keys: do not report them.
    details = [detail for detail in details if detail["type"] == "RS019"] or details
    unknown = {
        (place, detail["loc"][-1])
        for detail in details
        if detail["type"] == "extra_forbidden"
        for place in misplaced(str(detail["loc"][-1]), model)
    }
    for done, detail in enumerate(details):
        if problems.full:
            # Translating a million errors would take too long.
            problems.more += len(details) - done
            return
        silent = (
            (fragment and _is_incomplete(detail))
            or _is_misspelt(detail, model)
            or _is_elsewhere(detail, unknown)
        )
        finding = None if silent else _translate(detail, model, document)
        if finding is not None:
            span = place(document, finding.path, key=finding.key, part=finding.part)
            problems.error(finding.code, finding.message, span, expected=finding.expected, help=finding.help)


def place(document: Document, path: Path, *, key: bool = False, part: tuple[int, int] | None = None) -> Span:
    """Return the span of a value, of its key, or of a part of it; if absent, of what would contain it.

    key: for the whole document, its first key, because carets under the whole document would not help.
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
    """Return for each unknown key of a mapping the known key that it probably means, if that is absent."""
    keys, present = keys_of(annotation_at(model, location)), set(given)
    likely = {key: closest(key, keys) for key in given if key not in keys} if keys else {}
    return {key: meant for key, meant in likely.items() if meant and meant not in present}


def _is_incomplete(detail: ErrorDetails) -> bool:
    return detail["type"] == "missing" or (
        detail["type"] == "too_short" and detail.get("ctx", {}).get("field_type") == "Dictionary"
    )


def _is_misspelt(detail: ErrorDetails, model: type[Model]) -> bool:
    """Return whether a missing key is present with a misspelt name, which is reported elsewhere."""
    if detail["type"] != "missing" or not isinstance(detail["input"], dict):
        return False
    *location, key = detail["loc"]
    return key in misspelt(model, location, detail["input"]).values()


def _is_elsewhere(detail: ErrorDetails, unknown: set[tuple[str, str | int]]) -> bool:
    """Return whether a missing key stands at a wrong place, which is reported there.

    unknown: the keys that are unknown where they stand, each with a pattern of where it belongs.
    """
    if detail["type"] != "missing" or not unknown:
        return False
    *above, key = detail["loc"]
    location = tuple(part for part in above if not is_tag(part))
    return any(key == other and matches(place, location) for place, other in unknown)


def _translate(detail: ErrorDetails, model: type[Model], document: Document) -> _Finding | None:
    """Return the finding for one error of pydantic; None if another error reports the same mistake."""
    kind, value, context, location = detail["type"], detail["input"], detail.get("ctx", {}), detail["loc"]
    path, is_key = path_of(location, document)
    if kind.startswith("RS"):
        at = context["at"]
        if at and isinstance(value, dict):
            path, value = (*path, *at), value.get(at[-1])
        message = context["message"] or found(path, value, kind)
        help = remedy(path, value, document) if kind in ("RS012", "RS013") and not is_key else ""
        help = help or context["help"]
        return _Finding(kind, path, message, context["expected"], help, is_key, context["part"])
    if kind == "missing":
        key = str(path[-1])
        field = keys_of(annotation_at(model, location[:-1])).get(key)
        help = f"add '{key}': {field.description}" if field else ""
        # Each model has one word for `kind`, but there are several models.
        if field and key != "kind" and len(only := words_of(field.annotation)) == 1:
            help = f"write '{key}: {only[0]}'"
        message = f"{subject(path[:-1])} lacks the key '{key}'"
        return _Finding("RS011", path[:-1], message, f"the key '{key}'", help, key=True)
    if kind == "extra_forbidden":
        keys = list(keys_of(annotation_at(model, location[:-1])))
        key = str(path[-1])
        owner = subject(path[:-1]) if len(path) > 1 else model.called
        message = f"'{shorten(key)}' is not a key of {owner}"
        help = (
            unknown_in_sweep(path, value, keys)
            if model.called == "a sweep"
            else setting(path, model, document, beside=True)
            or sentence(path, document)
            or nearest(key, [other for other in keys if document.node((*path[:-1], other)) is None])
            or setting(path, model, document)
            or belongs(path, model, document)
            or nearest(key, keys)
        )
        return _Finding("RS010", path, message, one_of(keys), help, key=True)
    if kind == "literal_error":
        words = words_of(annotation_at(model, location))
        code, help = (
            ("RS013", nearest(value, words))
            if isinstance(value, str)
            else ("RS012", remedy(path, value, document))
        )
        return _Finding(code, path, found(path, value, code), one_of(words), help)
    if kind in _BOUNDS:
        bound, relation = _BOUNDS[kind]
        expected = f"a number {relation} {number(context[bound])}"
        return _Finding("RS013", path, found(path, value, "RS013"), expected, share(context[bound], value))
    if kind in ("too_short", "too_long"):
        return _wrong_length(path, value, context.get("min_length", 0), context.get("max_length"))
    if kind == "finite_number":
        return _Finding("RS008", path, found(path, value), "a finite number")
    wanted = _WANTED.get(kind, "another type")
    expected = f"{wanted} or '{NONE}'" if location[-1:] == (REST_TAG,) else wanted
    help = remedy(path, value, document) or conversion(wanted, value)
    if not help and (keys := list(keys_of(annotation_at(model, location)))):
        help = f"its keys are {', '.join(keys)}"
    return _Finding("RS012", path, found(path, value), expected, help)


def _wrong_length(path: Path, value: object, least: int, most: int | None) -> _Finding | None:
    if not isinstance(value, dict | list) or (most is None and len(value) >= least):
        # Entries were refused, each with a diagnostic of its own; without them it is too short.
        return None
    if isinstance(value, dict) and most is None:
        return _Finding("RS011", path, f"{subject(path)} is empty", "at least one entry", key=True)
    expected = f"at least {least}" if most is None else f"at most {most}"
    return _Finding(
        "RS013", path, f"{subject(path)} has {items(len(value))}", expected, key=isinstance(value, dict)
    )


def path_of(location: Path, document: Document) -> tuple[Path, bool]:
    """Return the path in the document of a location of pydantic, and whether it means the key."""
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
