"""The document of a sweep: which specs are trained with which methods and settings, and the table of results.

It is read like a spec (`document.py`): the same YAML, the same messages.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationError,
    model_validator,
)

from rnnspec.diagnostics import Problems, nearest, one_of
from rnnspec.spec.choices import LIST_TAG, MAPPING_TAG, SHAPE
from rnnspec.spec.document import check_version
from rnnspec.spec.fields import Model, Name, refuse, words
from rnnspec.spec.messages import report
from rnnspec.syntax.compose import Document

#: The most units of a sweep.
MAX_UNITS = 100_000
#: The name of the method of a sweep that names none.
PLAIN = "plain"

Paths = Annotated[tuple[str, ...], Strict(False)]
SpecPaths = Annotated[tuple[str, ...], Strict(False), Field(min_length=1)]


def _labels(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise refuse("RS012", expected="a name or a list of names, of methods and specs")
    return [value] if isinstance(value, str) else value


LabelList = Annotated[tuple[str, ...], Strict(False), Field(min_length=1)]
#: One name or a list of names, of methods and specs; the name of a spec may be any name of a file.
Labels = Annotated[LabelList | None, BeforeValidator(_labels, json_schema_input_type=str | LabelList)]
Values = Annotated[tuple[Any, ...], Strict(False), Field(min_length=1)]


class Method(Model):
    """Overlays and settings that belong together."""

    overlays: Paths = Field(
        default=(),
        alias="with",
        description="Overlays, in order: names of methods, or paths from this file.",
    )
    set: dict[str, Any] = Field(
        default={}, description="Values of the specs with this method: 'skips.beta.from: 0.8'."
    )


class Grid(Model):
    """The values of one key, for some of the specs and methods."""

    only: Labels = Field(
        default=None, alias="for", description="Names of methods and specs; default: all of them."
    )
    values: Values = Field(description="The values; every one makes units of its own.")


#: What a cell of the table shows.
Shown = Literal["iterations", "performance", "above", "seconds", "operations"]


def _listed(value: Any) -> Any:
    if not isinstance(value, str | list):
        raise refuse("RS012", expected="a word or a list of words")
    if isinstance(value, str) and value not in get_args(Shown):
        raise refuse("RS013", expected=one_of(get_args(Shown)), help=nearest(value, get_args(Shown)))
    return [value] if isinstance(value, str) else value


_AXIS = "'spec', 'method', or a key of 'settings'"
_SHOWN = words(
    iterations="iterations until the criterion of 'training.stop' was reached",
    performance="trimmed mean performance of the last evaluation",
    above="share of the networks whose performance is at least the criterion",
    seconds="seconds of training",
    operations="floating point operations for each network, evaluations included",
)
ShownList = Annotated[tuple[Shown, ...], Strict(False), Field(min_length=1)]


class Table(Model):
    """The table of results that is printed."""

    rows: str = Field(default="spec", description=f"What the rows are: {_AXIS}.")
    columns: str = Field(default="method", description=f"What the columns are: {_AXIS}.")
    value: Annotated[ShownList, BeforeValidator(_listed, json_schema_input_type=Shown | ShownList)] = Field(
        default=("performance",),
        description="The number in each cell, or a list: a table for each.",
        json_schema_extra=_SHOWN,
    )
    best: Literal["least", "most"] | None = Field(
        default=None,
        description="Of several units in one cell, the best one is shown; default: their mean.",
        json_schema_extra=words(
            least="the best unit is the one with the least value",
            most="the best unit is the one with the largest value",
        ),
    )
    by: Shown | None = Field(
        default=None,
        description="The value by which the best unit is found; default: the one that the table shows.",
        json_schema_extra=_SHOWN,
    )
    criterion: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Performance from which a network counts as above, in all that 'training.stop' is about; "
        "default: that of 'training.stop'.",
    )

    @model_validator(mode="before")
    @classmethod
    def _beside_methods(cls, value: Any) -> Any:
        """Make specs the columns if methods are the rows."""
        if isinstance(value, dict) and value.get("rows") == "method":
            return {"columns": "spec", **value}
        return value

    @model_validator(mode="after")
    def only_the_best_is_found_by_a_value(self) -> Table:
        if self.by is not None and self.best is None:
            help = "add 'best: least' or 'best: most', or delete 'by'"
            raise refuse("RS011", "'by' has no meaning without 'best'", help=help, at=("by",))
        return self


def _list_or_mapping(
    kind: Any, expected: str, *, nested: bool = False
) -> tuple[Discriminator, BeforeValidator]:
    """Allow a list in place of a mapping; a single value is refused.

    nested: whether a mapping without any of the keys is a mistake of its own: the keys of a spec, not dotted.
    """

    def check(value: Any) -> Any:
        if not isinstance(value, list | dict):
            raise refuse("RS012", expected=expected)
        if (
            isinstance(value, dict)
            and nested
            and not value.keys() & {"for", "values", "only", "value", "grid"}
        ):
            raise refuse("RS012", "'settings' has one key for each value, with dots", expected=expected)
        return value

    return SHAPE, BeforeValidator(check, json_schema_input_type=kind)


#: A list of overlays, or a mapping.
MethodValue = Annotated[
    Annotated[Paths, Tag(LIST_TAG)] | Annotated[Method, Tag(MAPPING_TAG)],
    *_list_or_mapping(Paths | Method, "a list of overlays, or a mapping with the keys 'with' and 'set'"),
]
#: A list of values, or a mapping.
GridValue = Annotated[
    Annotated[Values, Tag(LIST_TAG)] | Annotated[Grid, Tag(MAPPING_TAG)],
    *_list_or_mapping(
        Values | Grid, "a list of values, or a mapping with the keys 'for' and 'values'", nested=True
    ),
]


class SweepDocument(Model):
    """Trainings of several specs, with several methods and settings."""

    called: ClassVar[str] = "a sweep"

    rnnspec: Annotated[Literal[1], BeforeValidator(check_version)] = Field(
        description="Version of the language."
    )
    sweep: Name = Field(description="Name of the sweep, and of its folder.")
    summary: str = Field(default="", description="One sentence: what the sweep is for.")
    specs: SpecPaths = Field(description="Paths of specs, relative to this file.")
    methods: Annotated[dict[Name, MethodValue], Field(min_length=1)] = Field(
        default={PLAIN: ()},
        description="Overlays that are merged into each spec, by a name of your own: 'DASC40: [dasc40]'.",
    )
    settings: dict[str, GridValue] = Field(
        default={},
        description="Values of the specs, all combinations: 'training.seed: [0, 1, 2]'.",
    )
    set: dict[str, Any] = Field(
        default={}, description="Values of the specs in all units: 'training.networks: 100'."
    )
    table: Table = Field(default=Table(), description="What the table of results shows.")


def validate_sweep(document: Document, problems: Problems) -> SweepDocument | None:
    """Return a document as a sweep; None, and its mistakes are reported, if it has any."""
    try:
        return SweepDocument.model_validate(document.value)
    except ValidationError as error:
        report(error, SweepDocument, document, problems, fragment=False)
    return None
