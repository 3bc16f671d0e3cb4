"""The `skips` and `coarsening` sections: how training departs from the true dynamics, and for how long."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from rnnspec.spec.fields import Model, Name, OverValue, Period, is_number, refuse
from rnnspec.spec.texts import EventText
from rnnspec.spec.values import Over

MAX_INCREMENTS = 100_000
MAX_EDGES = 64

_HALF = Over(Fraction(50), "%")


class BetaSchedule(Model):
    """The weight of the base path, from its first value to 1 in equal steps."""

    from_: float = Field(default=0.5, alias="from", description="The first value, above 0 and at most 1.")
    increments: int = Field(default=1, ge=1, le=MAX_INCREMENTS, description="Number of equal steps up to 1.")
    over: OverValue = Field(
        default=_HALF, description="How long it takes: '50 %' of the iterations, or '20000 iterations'."
    )


def _no_bare_number(value: Any) -> Any:
    if is_number(value):
        raise refuse("RS012", expected="a mapping", help=f"write {{from: {value}}}")
    return value


Beta = Annotated[BetaSchedule, BeforeValidator(_no_bare_number)]


class Edge(Model):
    """A skip connection through time: regular (`every`), or one per trial (`from`, `to`)."""

    kind: Literal["sctt", "dasc"] = Field(
        description="sctt mixes in the source state; dasc the source state moved along its own dynamics."
    )
    increment: Literal["departing", "arriving"] = Field(
        default="departing",
        description="dasc: the base step out of the source, or the one that arrived there.",
    )
    every: Period | None = Field(default=None, description="Lands every so often, such as '40 steps'.")
    per: Literal["epoch", "trial", "sequence"] = Field(
        default="epoch", description="Where a regular skip starts counting anew."
    )
    from_: EventText | None = Field(
        default=None,
        alias="from",
        description="Event where the skip starts: 'EPOCH.start', 'trial.end - 100 ms'.",
    )
    to: EventText | None = Field(default=None, description="Event where the skip lands.")
    beta: Beta | None = Field(
        default=None, description="A schedule of its own, instead of that of all edges."
    )


class Skips(Model):
    """Skip connections through time, used in training only."""

    beta: Beta = Field(
        default=BetaSchedule(), description="Schedule of all edges that have none of their own."
    )
    edges: dict[Name, Edge] = Field(max_length=MAX_EDGES, default={}, description="The skips, by name.")


class Coarsening(Model):
    """Training with a longer time step, which shortens to dt."""

    from_: float = Field(alias="from", ge=1, le=10_000, description="The first multiple of dt, at least 1.")
    increments: int = Field(
        default=1, ge=1, le=MAX_INCREMENTS, description="Number of equal steps down to 1."
    )
    over: OverValue = Field(
        default=_HALF, description="How long it takes: '50 %' of the iterations, or '20000 iterations'."
    )
