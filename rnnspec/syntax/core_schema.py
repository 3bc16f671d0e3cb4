"""The YAML 1.2 core rules: which plain scalars are numbers, truth values or null."""

from __future__ import annotations

import math
import re

#: No number that a model needs is longer, and Python's conversion of long ones takes quadratic time.
MAX_NUMBER = 64

#: Quotes that word processors make of straight ones.
CURLY = "“”„‟«»‘’‚‛‹›"
_CURLY = re.compile(f"[{CURLY}][^{CURLY}]*[{CURLY}]", re.DOTALL)

_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class NumberError(ValueError):
    """A number that the language has no use for; the message completes `the number ...`."""


def curly(text: str) -> bool:
    """Return whether a text stands in quotes that YAML takes for letters."""
    return bool(_CURLY.fullmatch(text))


def resolve(text: str) -> bool | int | float | str | None:
    """Return what a plain scalar means: `1e-3` is a number, `no` a string, `017` is 17.

    Raises NumberError for a number that is not finite or too long.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _NOT_FINITE.fullmatch(text):
        raise NumberError("is not finite")
    integer = _INTEGER.fullmatch(text)
    if not integer and not _FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_NUMBER:
        raise NumberError(f"has more than {MAX_NUMBER} characters")
    if integer:
        value = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        # Written out again, it would else be refused.
        if len(str(value)) > MAX_NUMBER:
            raise NumberError(f"has more than {MAX_NUMBER} digits")
        return value
    number = float(text)
    if not math.isfinite(number):
        raise NumberError("is not finite")
    return number
