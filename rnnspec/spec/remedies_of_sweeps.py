"""Remedies for what is wrong in a sweep: what was probably meant, as it must be written."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rnnspec.diagnostics import nearest, shorten
from rnnspec.spec.misplaced import matches, misplaced
from rnnspec.spec.wording import Path
from rnnspec.syntax.core_schema import NumberError, resolve
from rnnspec.syntax.dump import flow
from rnnspec.syntax.quantity import match_quantity

#: Keys of specs, which in a sweep stand in `set`.
_SECTIONS = ("network", "task", "skips", "coarsening", "training")
_PLACES = {
    "with": ("overlays", "overlay", "methods", "extends"),
    "values": ("value", "grid"),
    "for": ("only", "methods", "method", "specs", "spec"),
    "specs": ("spec", "tasks", "task", "files"),
    "methods": ("overlays", "with"),
    "settings": ("grid", "parameters", "params", "values"),
    "sweep": ("name",),
}


def unknown_in_sweep(path: Path, value: object, keys: Iterable[str]) -> str:
    """Return the remedy for an unknown key.  keys: those that are known there."""
    known, key = list(keys), str(path[-1])
    for right, others in _PLACES.items():
        if right in known and key in others and not (key in _SECTIONS and isinstance(value, dict)):
            return f"did you mean '{right}'?"
    if key == "extends":
        return "a sweep stands alone: write all of it here"
    if key.split(".")[0] in _SECTIONS and "set" in known:
        (dotted, inner), *_ = _dotted(key, value)
        return f"write 'set: {{{dotted}: {_shown(inner)}}}'"
    if "set" in known and (meant := _of_specs(key)):
        return f"write 'set: {{{meant}: {_shown(value)}}}'"
    return nearest(key, known)


def _of_specs(key: str) -> str:
    """Return where specs have a key, with dots, if there is one such place."""
    from rnnspec.spec.document import Spec

    places = [place for place in misplaced(key, Spec) if "*" not in place]
    return f"{places[0]}.{key}" if len(places) == 1 and places[0] else ""


def remedy_in_sweep(path: Path, value: object) -> str:
    """Return what to write in place of a value of the wrong type; an empty string if that is not clear."""
    if value is None and len(path) == 1 and path[0] in ("methods", "settings", "set", "table"):
        return "delete this key, or write its entries below it"
    if matches("specs", path) and value is None:
        return "write '[PATH, PATH]': the paths of specs, relative to this file"
    if matches("specs", path) and isinstance(value, str | dict):
        return f"write '{_shown(_words(value) if isinstance(value, str) else list(value.values()))}'"
    if matches("methods", path) and isinstance(value, list | str):
        if merged := _merged(value):
            return f"write '{_shown(merged)}'"
        names = value if isinstance(value, list) else _words(value)
        if names and all(isinstance(name, str) for name in names):
            return f"give each method a name: '{_shown({_name(name): [name] for name in names})}'"
    if matches("methods.*", path) or matches("methods.*.with", path):
        if value is None:
            return "write '[]' for a method without overlays"
        return f"write '{_shown(_words(value))}'" if isinstance(value, str) else ""
    if matches("set", path) or matches("methods.*.set", path):
        return _settings(value)
    if matches("settings", path):
        return f"write '{_shown(_merged(value) or {'KEY': ['VALUE', 'VALUE']})}'"
    if matches("settings.*", path) or matches("settings.*.values", path):
        return _values(str(path[1]), value)
    if matches("table", path) and isinstance(value, str):
        return f"write '{{value: {shorten(value)}}}'"
    if matches("table.criterion", path) and isinstance(value, str):
        share = match_quantity(value)
        if share is not None and share[1] in ("%", "") and 1 < share[0] <= 100:
            return f"write {float(share[0] / 100):g}"
    return ""


def _values(key: str, value: object) -> str:
    """Return the remedy for the values of a key that are not a list."""
    if isinstance(value, dict):
        # Keys below the key of a setting.
        lists = [(dotted, inner) for dotted, inner in _dotted(key, value) if inner is not None]
        written = [
            f"'{dotted}: {_shown(inner if isinstance(inner, list) else [inner])}'" for dotted, inner in lists
        ]
        return shorten(f"write {' and '.join(written)}", 160) if written else ""
    if isinstance(value, str):
        numbers = _range(value)
        parts = [part for part in re.split(r"\s*,\s*|\s+", value) if part]
        if numbers is None and len(parts) > 1 and all(_is_number(part) for part in parts):
            return f"write '[{shorten(', '.join(parts), 80)}]'"
        return f"write '{_shown([value] if numbers is None else numbers)}'"
    return f"write '{_shown(['VALUE', 'VALUE'] if value is None else [value])}'"


def _range(text: str) -> list[object] | None:
    """Return the integers that `0-4`, `0..4`, `0:5` or `range(5)` mean."""
    found = re.fullmatch(r"range\((?:(\d+),\s*)?(\d+)\)|(\d+)\s*(-|\.\.+|:|to)\s*(\d+)", text.strip())
    if not found:
        return None
    start, stop, first, between, last = found.groups()
    if stop is None:
        start, stop = first, str(int(last[:9]) + (between != ":"))
    numbers = range(int((start or "0")[:9]), int(stop[:9]))
    return list(numbers) if 0 < len(numbers) <= 100 else None


def _settings(value: object) -> str:
    """Return the remedy for settings that are a list or a string of `key=value` or `key: value`."""
    items = value if isinstance(value, list) else [value]
    pairs: dict[str, object] = {}
    for item in items:
        if isinstance(item, dict):
            pairs.update(item)
        elif isinstance(item, str) and "=" in item:
            key, _, text = item.partition("=")
            pairs[key.strip()] = _resolved(text.strip())
    return f"write '{_shown(pairs)}'" if pairs and value else ""


def _merged(value: object) -> dict[str, object]:
    """Return the entries of a list of mappings; none if it has other items."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return {}
    return {key: inner for item in value for key, inner in item.items()}


def _dotted(key: str, value: object) -> list[tuple[str, object]]:
    """Return the innermost keys of a mapping as `a.b.c`, each with its value."""
    if not isinstance(value, dict) or not value:
        return [(key, value)]
    return [found for name, inner in value.items() for found in _dotted(f"{key}.{name}", inner)]


def _words(text: str) -> list[str]:
    """Return the items of a list that was written without brackets or dashes."""
    return [word for word in re.split(r"[\s,]+", text) if word]


def _name(path: str) -> str:
    """Return a name for an overlay."""
    file = re.split(r"[/\\]", path)[-1].removesuffix(".yaml")
    return re.sub(r"[^A-Za-z0-9_]+", "_", file).strip("_") or "plain"


def _is_number(text: str) -> bool:
    return isinstance(_resolved(text), int | float)


def _resolved(text: str) -> object:
    try:
        return resolve(text)
    except NumberError:
        return text


def _shown(value: object) -> str:
    return shorten(flow(value), 120)
