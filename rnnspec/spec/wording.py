"""The words for places and values in messages: terms of YAML, not of the models."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rnnspec.diagnostics import shorten
from rnnspec.syntax.quantity import decimal, match_quantity

Path = tuple[str | int, ...]

#: Words that YAML 1.1 read as true and false.
_TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def subject(path: Path) -> str:
    """Return the name of a place in a message: its key, and its number in a list."""
    names = [part for part in path if isinstance(part, str)]
    name = f"'{shorten(names[-1])}'" if names else "the document"
    if path and isinstance(path[-1], int):
        return f"item {path[-1] + 1} of {name}"
    return name


def describe(value: object) -> str:
    """Return the type of a value and, if it is short, the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {number(value) if isinstance(value, int) else value}"
        case str():
            return f"the string '{shorten(value)}'" if value else "an empty string"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case dict():
            return "a mapping" if value else "an empty mapping"
    return "of an unknown type"


def found(path: Path, value: object, code: str = "RS012") -> str:
    """Return a sentence with the value at a place; the type is named only if it is wrong (not for RS013)."""
    if code == "RS013" and isinstance(value, str):
        return f"{subject(path)} is '{shorten(value)}'"
    if code == "RS013" and isinstance(value, int | float):
        return f"{subject(path)} is {number(value)}"
    return f"{subject(path)} is {describe(value)}"


def number(value: float) -> str:
    """Return a number in the form in which people write it."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else str(value)
    # Python refuses to print integers of thousands of digits.
    return str(value) if abs(value) < 10**30 else "of more than 30 digits"


def items(count: object) -> str:
    """Return `no items`, `1 item`, `2 items`."""
    return "1 item" if count == 1 else f"{count or 'no'} items"


def share(bound: float, value: object) -> str:
    """Return the remedy for a share written as a percentage: 85 in place of 0.85.  bound: of the share."""
    if bound > 1 or not isinstance(value, int | float) or not 1 < value <= 100:
        return ""
    return f"for {number(value)} %, write {decimal(Fraction(str(value)) / 100)}"


def conversion(wanted: str, value: object) -> str:
    """Return the remedy for a value of the wrong type, or an empty string."""
    return next(_conversions(wanted, value), "")


def _conversions(wanted: str, value: object) -> Iterator[str]:
    if wanted == "a string" and isinstance(value, bool | int | float):
        yield "put it in quotes"
    if wanted == "true or false" and isinstance(value, str) and value.lower() in _TRUTH:
        yield f"write {_TRUTH[value.lower()]}"
    if wanted.startswith("a mapping") and isinstance(value, list):
        yield "write 'key: value' for each item, without '-' or [ ]"
    if wanted == "a list" and isinstance(value, str | int | float):
        yield "put it in brackets: [ ]"
    if wanted == "an integer" and isinstance(value, float) and value.is_integer():
        yield f"write {number(value)}"
    quantity = match_quantity(value) if wanted == "a number" and isinstance(value, str) else None
    if quantity is not None and quantity[1] == "%":
        yield f"write {decimal(quantity[0] / 100)}: a percentage stands only in 'over'"
    if wanted in ("a number", "an integer") and isinstance(value, str):
        try:
            meant = float(value)
        except ValueError:
            return
        if wanted == "a number" or meant.is_integer():
            yield f"write {number(meant)}, without quotes"
