"""Times: a number, stored exactly, and a unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

#: Seconds in each unit.  The unit `steps` is missing: the length of a step is the dt of the network.
SECONDS = {
    "us": Fraction(1, 1_000_000),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "min": Fraction(60),
}
STEPS = ("step", "steps")
UNITS = (*SECONDS, *STEPS)

#: Other spellings of units, for `did you mean`.
SPELLINGS = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("msec", "msecs", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("usec", "usecs", "microsecond", "microseconds", "µs"), "us"),
    **dict.fromkeys(("mins", "minute", "minutes"), "min"),
    "iterations": "steps",
}

_TIME = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)\s*([A-Za-zµ%]*)")


@dataclass(frozen=True)
class Time:
    """A time as written: an exact amount of one unit of UNITS."""

    amount: Fraction
    unit: str

    def seconds(self, dt: Fraction) -> Fraction:
        """Return the time in seconds.  dt: the length of a step, in seconds."""
        return self.amount * (dt if self.unit in STEPS else SECONDS[self.unit])

    def __str__(self) -> str:
        return f"{decimal(self.amount)} {self.unit}"


def match_quantity(text: str) -> tuple[Fraction, str] | None:
    """Split `40 steps` into (40, 'steps'); the unit may be empty.  None for any other string."""
    found = _TIME.fullmatch(text.strip()) if len(text) < 64 else None
    return (Fraction(found[1]), found[2]) if found else None


def decimal(value: Fraction) -> str:
    """Return an exact number in decimal form if that is finite, else as a fraction."""
    rest, places = value.denominator, 0
    for factor in (2, 5):
        power = 0
        while rest % factor == 0:
            rest //= factor
            power += 1
        places = max(places, power)
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    if places == 0:
        return str(value.numerator)
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
