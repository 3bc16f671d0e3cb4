"""The core schema of YAML 1.2: which unquoted scalars are numbers, true, false or null."""

from __future__ import annotations

import math
import re

#: The most characters of a number.  No model needs more, and Python converts long numbers in quadratic time.
MAX_NUMBER = 64

#: The quotes that word processors put in place of straight ones.
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
    """A number that is not allowed in a spec; the message completes the sentence `the number X ...`."""


def curly(text: str) -> bool:
    """Return whether a string is enclosed in curly quotes, which YAML reads as ordinary characters."""
    return bool(_CURLY.fullmatch(text))


def resolve(text: str) -> bool | int | float | str | None:
    """Return the value of an unquoted scalar: `1e-3` is a number, `no` a string, `017` is 17.

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
        # Its decimal form would be too long when the document is written and read again.
        if len(str(value)) > MAX_NUMBER:
            raise NumberError(f"has more than {MAX_NUMBER} digits")
        return value
    number = float(text)
    if not math.isfinite(number):
        raise NumberError("is not finite")
    return number
