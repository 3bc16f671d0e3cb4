"""The `skips` and `coarsening` sections: how training deviates from the true dynamics, and for how long."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from rnnspec.spec.fields import Model, Name, OverValue, Period, is_number, refuse, words
from rnnspec.spec.texts import EventText
from rnnspec.spec.values import Over

MAX_INCREMENTS = 100_000
MAX_EDGES = 64

_HALF = Over(Fraction(50), "%")


class BetaSchedule(Model):
    """The schedule of beta, the weight of the true dynamics where a skip lands, which rises to 1."""

    from_: float = Field(default=0.5, alias="from", description="First value of beta, above 0 and at most 1.")
    increments: int = Field(
        default=1, ge=1, le=MAX_INCREMENTS, description="Number of equal steps in which beta rises to 1."
    )
    over: OverValue = Field(
        default=_HALF, description="Length of the rise: '50 %' of the iterations, or '20000 iterations'."
    )


def _no_bare_number(value: Any) -> Any:
    if is_number(value):
        raise refuse("RS012", expected="a mapping", help=f"write {{from: {value}}}")
    return value


Beta = Annotated[BetaSchedule, BeforeValidator(_no_bare_number)]


class Edge(Model):
    """A skip connection through time: regular (`every`), or once per trial (`from`, `to`)."""

    kind: Literal["sctt", "dasc"] = Field(
        description="sctt adds the source state; dasc, the source state extrapolated along its dynamics.",
        json_schema_extra=words(
            sctt="Adds the source state: a skip connection through time.",
            dasc="Adds the source state extrapolated along its dynamics: a dynamics-aligned skip connection.",
        ),
    )
    increment: Literal["departing", "arriving"] = Field(
        default="departing",
        description="dasc extrapolates the step that departs from the source, or that arrived there.",
        json_schema_extra=words(
            departing="The step from the source state to the next.",
            arriving="The step from the state before the source to the source state.",
        ),
    )
    every: Period | None = Field(default=None, description="Period of a regular skip, such as '40 steps'.")
    per: Literal["epoch", "trial", "sequence"] = Field(
        default="epoch",
        description="Where a regular skip starts again.",
        json_schema_extra=words(
            epoch="At the start of every epoch.",
            trial="At the start of every trial.",
            sequence="Only at the start of the sequence.",
        ),
    )
    from_: EventText | None = Field(
        default=None,
        alias="from",
        description="Event where the skip starts: 'EPOCH.start', 'trial.end - 100 ms'.",
    )
    to: EventText | None = Field(default=None, description="Event where the skip lands.")
    beta: Beta | None = Field(
        default=None, description="Schedule of beta for this edge. Default: the one of all edges."
    )


class Skips(Model):
    """Skip connections through time, used in training only."""

    beta: Beta = Field(
        default=BetaSchedule(), description="Schedule of beta for all edges without their own."
    )
    edges: dict[Name, Edge] = Field(max_length=MAX_EDGES, default={}, description="The skips, by name.")


class Coarsening(Model):
    """Training with the time step theta * dt, where theta falls to 1 in equal steps."""

    from_: float = Field(alias="from", ge=1, le=10_000, description="First value of theta, at least 1.")
    increments: int = Field(
        default=1, ge=1, le=MAX_INCREMENTS, description="Number of equal steps in which theta falls to 1."
    )
    over: OverValue = Field(
        default=_HALF, description="Length of the fall: '50 %' of the iterations, or '20000 iterations'."
    )
