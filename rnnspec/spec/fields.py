"""Names and times: how one scalar of a document becomes a value, and what may be wrong with it.

Each type is a value, the function that reads it, and the JSON schema an editor checks it by.  Expressions
and what else has a grammar are in `texts.py`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from rnnspec.diagnostics import nearest, one_of, shorten
from rnnspec.spec.values import ConnectionKey, Over
from rnnspec.syntax.quantity import SPELLINGS, UNITS, Time, decimal, match_quantity

#: The longest name; names become identifiers of generated source.
MAX_NAME = 64

#: Words that mean something else where a name may stand.
RESERVED = ("and", "or", "not", "none", "true", "false")

#: The largest number that is accepted anywhere; what is larger is a slip of the hand.
MAX_NUMBER = 10**64

#: What `jitter`, `grace` and `burn_in` are if not given.
NO_TIME = Time(Fraction(0), "s")

#: The word that stops an inheritance, and what it is once read.
NONE = "none"
NoneWord = Literal["none"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
NAME_PATTERN = rf"^[A-Za-z][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}$"
_UNIT_PATTERN = "(" + "|".join(UNITS) + ")"
_NUMBER_PATTERN = r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?"
_TIME_PATTERN = rf"^\s*\+?{_NUMBER_PATTERN}\s*{_UNIT_PATTERN}\s*$"

#: Stands for a leaf that could not be read: each type of leaf takes something harmless for it, so that
#: the rest of a document can be judged in spite of it (`document.py`).
UNREADABLE = object()


class Model(BaseModel):
    """A mapping of the language: its keys are closed, its values are taken as written, it never changes."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


def refuse(
    code: str,
    message: str = "",
    *,
    expected: str = "",
    help: str = "",
    part: tuple[int, int] | None = None,
    at: tuple[str, ...] = (),
) -> PydanticCustomError:
    """Return the error that `messages.py` turns into a diagnostic.

    message: what was found; empty for a value of the wrong type, which is described there.
    part: the characters of the text that are wrong.  at: the key below this value that is.
    """
    context = {"message": message, "expected": expected, "help": help, "part": part, "at": at}
    return PydanticCustomError(code, "{message}", context)


# --- names -------------------------------------------------------------------------------------------


def read_name(text: str) -> str:
    """Return a name, or refuse a text that cannot be one."""
    if len(text) > MAX_NAME:
        raise refuse("RS020", f"a name of {len(text)} characters", expected=f"at most {MAX_NAME}")
    if not _NAME.fullmatch(text):
        proposal = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")
        raise refuse(
            "RS020",
            f"'{shorten(text)}' is not a name",
            expected="letters, digits and underscores, a letter first",
            help=f"write '{proposal}'" if _NAME.fullmatch(proposal) and proposal not in RESERVED else "",
        )
    if text in RESERVED:
        raise refuse("RS020", f"'{text}' is a word of the language", expected="another name")
    return text


Name = Annotated[str, AfterValidator(read_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]


def _listed(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise refuse("RS012", expected="a name or a list of names")
    return [value] if isinstance(value, str) else value


NameList = Annotated[tuple[Name, ...], Strict(False), Field(min_length=1)]

#: One name or a list of names; always a tuple once read.
Names = Annotated[NameList, BeforeValidator(_listed, json_schema_input_type=Name | NameList)]


def read_connection_key(text: str) -> ConnectionKey:
    """Return the two ends of `exc -> inh`."""
    ends = text.split("->")
    if len(ends) != 2:
        raise refuse(
            "RS020",
            f"'{shorten(text)}' names no connection",
            expected="the two ends, such as 'exc -> inh'",
        )
    return ConnectionKey(read_name(ends[0].strip()), read_name(ends[1].strip()), text)


Ends = Annotated[
    ConnectionKey,
    PlainValidator(read_connection_key),
    WithJsonSchema({"type": "string", "pattern": r"^\s*[A-Za-z]\w*\s*->\s*[A-Za-z]\w*\s*$"}),
]

# --- times -------------------------------------------------------------------------------------------


def read_time(value: Any, *, unit: str = "", positive: bool = False) -> Time:
    """Return a time such as `5 ms`.

    unit: what a bare number probably meant; without it, seconds below 1 and milliseconds above.
    positive: refuse 0 as well as what is negative.
    """
    if value is UNREADABLE:
        return Time(Fraction(1), "s")
    found = match_quantity(value) if isinstance(value, str) else None
    if found is None and not is_number(value):
        raise refuse("RS012", expected=f"a time such as '5 {unit or 'ms'}'")
    amount, word = found if found else (Fraction(str(value)), "")
    check_unit(amount, word, unit, shorten(str(value)))
    if amount < 0 or (positive and amount == 0):
        raise refuse(
            "RS013",
            f"'{shorten(str(value))}' is {'negative' if amount < 0 else 'no time'}",
            expected="a time longer than 0" if positive else "a time of 0 or longer",
        )
    return Time(amount, word)


def check_unit(amount: Fraction, word: str, unit: str, text: str) -> None:
    """Refuse what is no unit of time; a missing one is proposed, `unit` if that is given."""
    if word in UNITS:
        return
    if word:
        proposal = SPELLINGS.get(word, "")
        raise refuse(
            "RS014",
            f"'{shorten(word)}' is not a unit of time",
            expected=one_of(UNITS),
            help=f"did you mean '{proposal}'?" if proposal else nearest(word, UNITS),
        )
    unit = unit or ("s" if 0 < abs(amount) < 1 else "ms")
    raise refuse(
        "RS014",
        f"{text} has no unit",
        expected="a time: a number and a unit",
        help=f"write '{decimal(amount)} {unit}'",
    )


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number of readable size; truth values are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < MAX_NUMBER


_time_schema = WithJsonSchema({"type": "string", "pattern": _TIME_PATTERN})

#: A time of 0 or longer.
TimeValue = Annotated[Time, PlainValidator(read_time), _time_schema]
#: A time longer than 0.
PositiveTime = Annotated[Time, PlainValidator(partial(read_time, positive=True)), _time_schema]
#: A time longer than 0 that is most often counted in steps.
Period = Annotated[Time, PlainValidator(partial(read_time, unit="steps", positive=True)), _time_schema]


def read_over(value: Any) -> Over:
    """Return how long an annealing takes: `50 %` of the iterations, or `20000 iterations`."""
    if value is UNREADABLE:
        return Over(Fraction(50), "%")
    expected = "a share of the iterations ('50 %') or a number of them ('20000 iterations')"
    found = match_quantity(value) if isinstance(value, str) else None
    if found is None and not is_number(value):
        raise refuse("RS012", expected=expected)
    amount, word = found if found else (Fraction(str(value)), "")
    if amount <= 0:
        raise refuse("RS013", f"'{shorten(str(value))}' is not above 0", expected=expected)
    if word in ("%", "iterations", "iteration"):
        return Over(amount, "%" if word == "%" else "iterations")
    share = f"{decimal(amount * 100 if amount <= 1 else amount)} %"
    proposal = f"{decimal(amount)} iterations" if amount > 100 else share
    if word:
        help = "did you mean 'iterations'?" if word.startswith("iter") else nearest(word, ("iterations",))
        raise refuse("RS014", f"'{shorten(word)}' is not a unit of training", expected=expected, help=help)
    raise refuse("RS014", f"{shorten(str(value))} has no unit", expected=expected, help=f"write '{proposal}'")


OverValue = Annotated[
    Over,
    PlainValidator(read_over),
    WithJsonSchema({"type": "string", "pattern": rf"^\s*\+?{_NUMBER_PATTERN}\s*(%|iterations?)\s*$"}),
]
