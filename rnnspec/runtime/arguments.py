"""Checks of the arguments of functions that users call; the error names the argument."""

from __future__ import annotations

from collections.abc import Collection
from operator import index
from typing import SupportsIndex, TypeVar

from rnnspec.diagnostics import nearest

Choice = TypeVar("Choice")


def whole_number(name: str, value: SupportsIndex, least: int, most: int | None = None) -> int:
    """Return an argument as an int; TypeError if it is not an integer, ValueError if it is out of bounds."""
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {value!r}.") from None
    if number < least or (most is not None and number > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be an integer {bounds}, not {number}.")
    return number


def choice(name: str, value: object, choices: Collection[Choice]) -> Choice:
    """Return an argument that is one of `choices`; ValueError if it is not."""
    for known in choices:
        if value == known:
            return known
    words = [str(known) for known in choices]
    meant = nearest(str(value), words)
    raise ValueError(
        f"{name} must be one of {', '.join(words)}, not {value!r}{f'; {meant}' if meant else '.'}"
    )
