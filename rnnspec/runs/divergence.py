"""The record of a network that has diverged: in checkpoints, metrics and manifests."""

from __future__ import annotations

from pydantic import Field

from rnnspec.runs.record import Natural, Positive, Record


class Divergence(Record):
    """A network whose loss, gradient or weights were not finite in some iteration."""

    network: Natural = Field(description="its number in the ensemble of the spec")
    iteration: Positive = Field(description="the iteration in which it diverged")
    cause: str = Field(description="what was not finite")
