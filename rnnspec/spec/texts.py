"""The types of strings with a grammar: expressions, distributions, events."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from rnnspec.diagnostics import nearest, shorten
from rnnspec.spec.fields import (
    NONE,
    NUMBER_PATTERN,
    TIME_PATTERN,
    UNIT_PATTERN,
    UNREADABLE,
    NoneWord,
    check_unit,
    is_number,
    read_time,
    refuse,
    string_schema,
)
from rnnspec.spec.values import UNKNOWN, DistributionCall, Event, ExpressionText
from rnnspec.syntax import expression
from rnnspec.syntax.quantity import Time, match_quantity

#: The name of a file that holds numbers.
_FILE = re.compile(
    r"[\w./\\~ -]*\.(npy|npz|csv|tsv|txt|dat|mat|h5|hdf5|pt|pth|pkl|pickle|safetensors|json|ya?ml)",
    re.IGNORECASE,
)


def read_expression(value: Any) -> ExpressionText:
    """Return an expression and its tree; true is 1 and false is 0."""
    if value is UNREADABLE:
        return UNKNOWN
    if isinstance(value, str):
        if _FILE.fullmatch(value.strip()):
            said = f"'{shorten(value)}' is the name of a file, and values are not read from files"
            raise refuse(
                "RS015", said, expected="an expression", help="draw the values in 'draw' or 'sequence'"
            )
        return ExpressionText(value, _parse(value))
    if isinstance(value, bool) or is_number(value):
        text = str(value).lower()
        number = int(value) if isinstance(value, bool) else value
        return ExpressionText(text, expression.Number(number, 0, len(text)))
    help = "pick(k, a, b) chooses a value; onehot(k) and ring(angle) make vectors"
    raise refuse("RS012", expected="an expression", help=help if isinstance(value, list) else "")


def _parse(text: str) -> expression.Tree:
    try:
        return expression.parse(text)
    except expression.ExpressionError as error:
        raise refuse(
            "RS015", error.message, expected=error.expected, help=error.help, part=(error.start, error.end)
        ) from None


def read_expression_or_none(value: Any) -> ExpressionText | NoneWord:
    """Return an expression, or the word `none` unchanged."""
    return "none" if value == NONE else read_expression(value)


#: The characters of expressions; `=` and `!` stand only in the comparisons ==, !=, <= and >=.
_REST_PATTERN = r"([A-Za-z0-9_.+*/%(),\s-]|[<>]=?|[=!]=)*"
_EXPRESSION_PATTERN = rf"\s*[A-Za-z0-9.(+-]{_REST_PATTERN}"

_expression_schema = WithJsonSchema(
    {
        "type": ["string", "number", "boolean"],
        "pattern": f"^{_EXPRESSION_PATTERN}$",
        "errorMessage": "expected an expression, such as '0.8 * ring(direction)' or 'answer == 1'",
    }
)

Expression = Annotated[ExpressionText, PlainValidator(read_expression), _expression_schema]

#: An expression, or the word `none`, which stops the inheritance of a value.
ExpressionOrNone = Annotated[
    ExpressionText | NoneWord, PlainValidator(read_expression_or_none), _expression_schema
]


def read_duration(value: Any) -> Time | ExpressionText:
    """Return a time, such as `500 ms`, or an expression in seconds, such as `300 ms + wait`."""
    if isinstance(value, str) and match_quantity(value) is None:
        return read_expression(value)
    return read_time(value)


Duration = Annotated[
    Time | ExpressionText,
    PlainValidator(read_duration),
    # A number with one word after it is a time, or a mistake in one.
    string_schema(
        rf"^({TIME_PATTERN}|(?!\s*[+-]?{NUMBER_PATTERN}\s*[A-Za-z]*\s*$){_EXPRESSION_PATTERN})$",
        "a time such as '500 ms', or an expression in seconds such as '300 ms + wait'",
    ),
]

# --- distributions, events ---------------------------------------------------------------------------


def read_distribution(value: Any) -> DistributionCall:
    """Return the call in `normal(0, 1/units)` or `zeros`; lowering checks that the distribution exists."""
    expected = "a distribution such as 'normal(0, 1)'"
    if value is UNREADABLE:
        value = "zeros"
    if not isinstance(value, str):
        proposal = "write 'zeros'" if is_number(value) and value == 0 else ""
        if isinstance(value, dict) and "file" in value:
            proposal = (
                "weights are not read from files; from Python a simulation can load them (docs/python.md)"
            )
        raise refuse("RS012", expected=expected, help=proposal)
    if _FILE.fullmatch(value.strip()):
        raise refuse(
            "RS104",
            f"'{shorten(value)}' is the name of a file, and weights are not read from files",
            expected=expected,
            help="draw them, or load weights into a simulation from Python (docs/python.md)",
        )
    match tree := _parse(value):
        case expression.Call(function=name, arguments=arguments):
            return DistributionCall(name, arguments, value, tree)
        case expression.Name(id=name):
            return DistributionCall(name, (), value, tree)
    raise refuse("RS104", f"'{shorten(value)}' is not a distribution", expected=expected)


Distribution = Annotated[
    DistributionCall,
    PlainValidator(read_distribution),
    string_schema(rf"^\s*[A-Za-z(]{_REST_PATTERN}$", "a distribution such as 'normal(0, 1/units)'"),
]

_EVENT = re.compile(r"\s*([A-Za-z]\w*)\s*\.\s*(\w+)\s*(?:([+-])\s*(.*?)\s*)?", re.ASCII | re.DOTALL)


def read_event(value: Any) -> Event:
    """Return an event such as `stimulus.end` or `trial.start + 100 ms`."""
    if value is UNREADABLE:
        return Event("trial", "start", None, "")
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
            f"an epoch has no '{shorten(edge)}'",
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
        raise refuse(
            "RS013", f"'{shorten(text)}' is not a time", expected="a time such as '100 ms'", part=part
        )
    try:
        check_unit(*amount, "", shorten(text))
    except PydanticCustomError as error:
        raise refuse(error.type, **{**(error.context or {}), "part": part}) from None
    return Time(-amount[0] if sign == "-" else amount[0], amount[1])


EventText = Annotated[
    Event,
    PlainValidator(read_event),
    string_schema(
        rf"^\s*[A-Za-z]\w*\s*\.\s*(start|end)\s*([+-]\s*{NUMBER_PATTERN}\s*{UNIT_PATTERN}\s*)?$",
        "an event such as 'stimulus.end' or 'trial.start + 100 ms'",
    ),
]
