"""The types of names and times: how a scalar of a document is read and checked.

Each type has a value, a function that reads it, and a JSON Schema for editors.  Strings with a grammar, such
as expressions, are in `texts.py`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

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

#: The most characters of a name.  Names become identifiers in generated code.
MAX_NAME = 64

#: Words that cannot be names, because they have a meaning where names occur.
RESERVED = ("and", "or", "not", "none", "true", "false")

#: Numbers of this size or more are refused everywhere.
MAX_NUMBER = 10**64

#: The default of `jitter`, `grace` and `burn_in`.
NO_TIME = Time(Fraction(0), "s")

#: The word that stops the inheritance of a value, and its type.
NONE = "none"
NoneWord = Literal["none"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
NAME_PATTERN = rf"^[A-Za-z][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}$"
_ENDS_PATTERN = r"^\s*[A-Za-z]\w*\s*->\s*[A-Za-z]\w*\s*$"
#: What is expected of the keys of mappings with free keys, by their pattern.
KEYS = {
    NAME_PATTERN: "a name: letters, digits and underscores, starting with a letter",
    _ENDS_PATTERN: "two names and an arrow, such as 'exc -> inh'",
}
UNIT_PATTERN = "(" + "|".join(UNITS) + ")"
NUMBER_PATTERN = r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?"
TIME_PATTERN = rf"\s*\+?{NUMBER_PATTERN}\s*{UNIT_PATTERN}\s*"

#: The keyword of a generated schema that holds the meaning of each word (`schema.py`).
MEANINGS = "meanings"

#: Stands for a value that could not be read.  Each type reads it as something harmless, so that the rest of
#: the document can be checked (`document.py`).
UNREADABLE = object()


class Model(BaseModel):
    """A mapping of the language: unknown keys are refused, values are not converted, instances are frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    #: What a document of this model is called in messages.
    called: ClassVar[str] = "a spec"


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

    message: what was found; if empty, `messages.py` describes the value.  part: the characters of the string
    that are wrong.  at: the path of the wrong value below this one.
    """
    context = {"message": message, "expected": expected, "help": help, "part": part, "at": at}
    return PydanticCustomError(code, "{message}", context)


def words(**meanings: str) -> dict[str, Any]:
    """Return what each word of a Literal means, for the argument `json_schema_extra` of its field."""
    return {MEANINGS: meanings}


def string_schema(pattern: str, expected: str) -> WithJsonSchema:
    """Return the schema of a string with a grammar.  Editors show what was expected, not the pattern."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "errorMessage": f"expected {expected}"})


# --- names -------------------------------------------------------------------------------------------


def read_name(text: str) -> str:
    """Return a name; refuses an invalid one."""
    if len(text) > MAX_NAME:
        raise refuse("RS020", f"this name has {len(text)} characters", expected=f"at most {MAX_NAME}")
    if not _NAME.fullmatch(text):
        proposal = re.sub(r"[^A-Za-z0-9_]+", "_", text).strip("_")
        raise refuse(
            "RS020",
            f"'{shorten(text)}' is not a valid name",
            expected="letters, digits and underscores, starting with a letter",
            help=f"write '{proposal}'" if _NAME.fullmatch(proposal) and proposal not in RESERVED else "",
        )
    if text in RESERVED:
        raise refuse("RS020", f"'{text}' is a reserved word of the language", expected="another name")
    return text


Name = Annotated[str, AfterValidator(read_name), string_schema(NAME_PATTERN, KEYS[NAME_PATTERN])]


def _listed(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise refuse("RS012", expected="a name or a list of names")
    return [value] if isinstance(value, str) else value


NameList = Annotated[tuple[Name, ...], Strict(False), Field(min_length=1)]

#: One name or a list of names; read as a tuple.
Names = Annotated[NameList, BeforeValidator(_listed, json_schema_input_type=Name | NameList)]


def read_connection_key(text: str) -> ConnectionKey:
    """Return the two ends of `exc -> inh`."""
    ends = text.split("->")
    if len(ends) != 2:
        raise refuse(
            "RS020",
            f"'{shorten(text)}' is not a connection",
            expected="two names and an arrow, such as 'exc -> inh'",
        )
    return ConnectionKey(read_name(ends[0].strip()), read_name(ends[1].strip()), text)


Ends = Annotated[
    ConnectionKey,
    PlainValidator(read_connection_key),
    string_schema(_ENDS_PATTERN, KEYS[_ENDS_PATTERN]),
]

# --- times -------------------------------------------------------------------------------------------


def read_time(value: Any, *, unit: str = "", positive: bool = False) -> Time:
    """Return a time such as `5 ms`.

    unit: the unit that the help proposes for a bare number; if empty, s for numbers below 1, else ms.
    positive: whether 0 is refused too.
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
            f"'{shorten(str(value))}' is {'negative' if amount < 0 else 'zero'}",
            expected="a time longer than 0" if positive else "a time of 0 or longer",
        )
    return Time(amount, word)


def check_unit(amount: Fraction, word: str, unit: str, text: str) -> None:
    """Refuse a word that is not a unit of time.  unit: what the help proposes if it is missing."""
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
    """Return whether a value is a number of magnitude below MAX_NUMBER; true and false are not numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < MAX_NUMBER


_time_schema = string_schema(f"^{TIME_PATTERN}$", "a time: a number and a unit, such as '5 ms'")

#: A time of 0 or longer.
TimeValue = Annotated[Time, PlainValidator(read_time), _time_schema]
#: A time longer than 0.
PositiveTime = Annotated[Time, PlainValidator(partial(read_time, positive=True)), _time_schema]
#: A time longer than 0 that is usually given in steps.
Period = Annotated[Time, PlainValidator(partial(read_time, unit="steps", positive=True)), _time_schema]


def read_over(value: Any) -> Over:
    """Return the length of an annealing: `50 %` of the iterations, or `20000 iterations`."""
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
        raise refuse("RS014", f"'{shorten(word)}' is not a unit here", expected=expected, help=help)
    raise refuse("RS014", f"{shorten(str(value))} has no unit", expected=expected, help=f"write '{proposal}'")


OverValue = Annotated[
    Over,
    PlainValidator(read_over),
    string_schema(
        rf"^\s*\+?{NUMBER_PATTERN}\s*(%|iterations?)\s*$",
        "a share of the iterations ('50 %') or a number of them ('20000 iterations')",
    ),
]
