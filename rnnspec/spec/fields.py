"""The leaf types: how one scalar of a document becomes a value, and what may be wrong with it.

Each type is a value (`values.py`), the function that reads it, and the JSON schema an editor checks it by.
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
from rnnspec.spec.values import ConnectionKey, DistributionCall, Event, ExpressionText, Over
from rnnspec.syntax import expression
from rnnspec.syntax.quantity import UNITS, Time, decimal, match_quantity

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

#: How people write units of time elsewhere.
_SPELLINGS = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "msec": "ms",
    "msecs": "ms",
    "millisecond": "ms",
    "milliseconds": "ms",
    "usec": "us",
    "microsecond": "us",
    "microseconds": "us",
    "µs": "us",
    "minute": "min",
    "minutes": "min",
    "iterations": "steps",
}


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
    found = match_quantity(value) if isinstance(value, str) else None
    if found is None and not is_number(value):
        raise refuse("RS012", expected=f"a time such as '5 {unit or 'ms'}'")
    amount, word = found if found else (Fraction(str(value)), "")
    _check_unit(amount, word, unit, shorten(str(value)))
    if amount < 0 or (positive and amount == 0):
        raise refuse(
            "RS013",
            f"'{shorten(str(value))}' is {'negative' if amount < 0 else 'no time'}",
            expected="a time longer than 0" if positive else "a time of 0 or longer",
        )
    return Time(amount, word)


def _check_unit(amount: Fraction, word: str, unit: str, text: str) -> None:
    if word in UNITS:
        return
    if word:
        proposal = _SPELLINGS.get(word, "")
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
        help = nearest(word, ("iterations",))
        raise refuse("RS014", f"'{shorten(word)}' is not a unit of training", expected=expected, help=help)
    raise refuse("RS014", f"{shorten(str(value))} has no unit", expected=expected, help=f"write '{proposal}'")


OverValue = Annotated[
    Over,
    PlainValidator(read_over),
    WithJsonSchema({"type": "string", "pattern": rf"^\s*\+?{_NUMBER_PATTERN}\s*(%|iterations?)\s*$"}),
]

# --- expressions -------------------------------------------------------------------------------------


def read_expression(value: Any) -> ExpressionText:
    """Return the tree of an expression; numbers are themselves, true is 1 and false is 0."""
    if isinstance(value, str):
        return ExpressionText(value, _parse(value))
    if isinstance(value, bool) or is_number(value):
        text = str(value).lower()
        number = int(value) if isinstance(value, bool) else value
        return ExpressionText(text, expression.Number(number, 0, len(text)))
    raise refuse("RS012", expected="an expression")


def _parse(text: str) -> expression.Tree:
    try:
        return expression.parse(text)
    except expression.ExpressionError as error:
        raise refuse(
            "RS015", error.message, expected=error.expected, help=error.help, part=(error.start, error.end)
        ) from None


def read_expression_or_none(value: Any) -> ExpressionText | NoneWord:
    """Return an expression, or the word `none` as it is."""
    return "none" if value == NONE else read_expression(value)


_expression_schema = {"type": ["string", "number", "boolean"]}

Expression = Annotated[ExpressionText, PlainValidator(read_expression), WithJsonSchema(_expression_schema)]

#: An expression, or the word `none`, which stops an inheritance.
ExpressionOrNone = Annotated[
    ExpressionText | NoneWord, PlainValidator(read_expression_or_none), WithJsonSchema(_expression_schema)
]


def read_duration(value: Any) -> Time | ExpressionText:
    """Return a time, or an expression in seconds over draws: `500 ms`, `wait`, `300 ms + wait`."""
    if isinstance(value, str) and match_quantity(value) is None:
        return read_expression(value)
    return read_time(value)


Duration = Annotated[
    Time | ExpressionText,
    PlainValidator(read_duration),
    WithJsonSchema({"type": "string", "pattern": "[A-Za-z]"}),
]

# --- distributions, events ---------------------------------------------------------------------------


def read_distribution(value: Any) -> DistributionCall:
    """Return the call in `normal(0, 1/units)` or `zeros`; which calls exist is known to lowering."""
    expected = "a distribution such as 'normal(0, 1)'"
    if not isinstance(value, str):
        proposal = "write 'zeros'" if is_number(value) and value == 0 else ""
        raise refuse("RS012", expected=expected, help=proposal)
    match tree := _parse(value):
        case expression.Call(function=name, arguments=arguments):
            return DistributionCall(name, arguments, value, tree)
        case expression.Name(id=name):
            return DistributionCall(name, (), value, tree)
    raise refuse("RS104", f"'{shorten(value)}' is not a distribution", expected=expected)


Distribution = Annotated[
    DistributionCall,
    PlainValidator(read_distribution),
    WithJsonSchema({"type": "string", "pattern": "[A-Za-z]"}),
]

_EVENT = re.compile(r"\s*([A-Za-z]\w*)\s*\.\s*(\w+)\s*(?:([+-])\s*(.*?)\s*)?", re.ASCII | re.DOTALL)


def read_event(value: Any) -> Event:
    """Return the event in `stimulus.end`, `trial.start + 100 ms`."""
    expected = "an event: EPOCH.start, EPOCH.end, trial.start or trial.end"
    if not isinstance(value, str):
        raise refuse("RS012", expected=expected)
    found = _EVENT.fullmatch(value) if len(value) <= 200 else None
    if found is None:
        raise refuse("RS013", f"'{shorten(value)}' is not an event", expected=expected)
    name, edge, sign, rest = found.groups()
    if edge not in ("start", "end"):
        raise refuse(
            "RS013",
            f"'{shorten(edge)}' is not a moment of an epoch",
            expected="start or end",
            help=nearest(edge, ("start", "end")),
            part=found.span(2),
        )
    return Event(name, "start" if edge == "start" else "end", _offset(sign, rest, found.span(4)), value)


def _offset(sign: str | None, text: str | None, part: tuple[int, int]) -> Time | None:
    if sign is None or text is None:
        return None
    amount = match_quantity(text)
    if amount is None or text[0] in "+-":
        raise refuse("RS013", f"'{shorten(text)}' is not a time", expected="such as '100 ms'", part=part)
    try:
        _check_unit(*amount, "", shorten(text))
    except PydanticCustomError as error:
        raise refuse(error.type, **{**(error.context or {}), "part": part}) from None
    return Time(-amount[0] if sign == "-" else amount[0], amount[1])


EventText = Annotated[
    Event,
    PlainValidator(read_event),
    WithJsonSchema({"type": "string", "pattern": r"^\s*[A-Za-z]\w*\s*\.\s*(start|end)\s*([+-].*)?$"}),
]
