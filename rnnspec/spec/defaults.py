"""Writes out all defaults of a spec."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from rnnspec.spec.document import Spec
from rnnspec.spec.values import ConnectionKey, DistributionCall, Event, ExpressionText, Over
from rnnspec.syntax.expression import Number
from rnnspec.syntax.quantity import Time


def with_defaults(spec: Spec) -> dict[str, object]:
    """Return the document that means the same as a spec and has all keys that have a value.

    Keys come in the order of the language.  A word that stands for a mapping becomes that mapping.
    """
    return dict(_mapping(spec))


def _value(value: Any) -> object:
    match value:
        case BaseModel():
            return _mapping(value)
        case dict():
            return {_key(key): _value(member) for key, member in value.items()}
        case tuple():
            return [_value(member) for member in value]
        case Time() | Over():
            return str(value)
        case ExpressionText(tree=Number(value=number)):
            return number
        case ExpressionText() | DistributionCall() | Event():
            return value.text
    return value


def _mapping(model: BaseModel) -> dict[str, object]:
    fields = type(model).model_fields.items()
    values = {field.alias or name: getattr(model, name) for name, field in fields}
    return {key: _value(value) for key, value in values.items() if value is not None}


def _key(key: str | ConnectionKey) -> str:
    return key.text if isinstance(key, ConnectionKey) else key
