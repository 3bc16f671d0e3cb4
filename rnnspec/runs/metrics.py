"""The metrics of a run: one line for each evaluation, the same for every run of one spec."""

from __future__ import annotations

from pydantic import Field

from rnnspec.runs.divergence import Divergence
from rnnspec.runs.record import Natural, PerNetwork, Positive, Record, SixDigits


class Stages(Record):
    """The stages of all annealings in one update, counted from 0."""

    edges: dict[str, Natural] = Field(description="stage of the beta of each edge, by name")
    coarsening: Natural | None = Field(description="stage of theta; null without coarsening")


class MetricsRow(Record):
    """One evaluation.  Numbers have six digits; null stands for NaN and infinity."""

    iteration: Positive = Field(description="updates made")
    stages: Stages
    betas: dict[str, float] = Field(description="beta of each edge in the last update, by name")
    theta: float = Field(description="theta in the last update")
    loss: PerNetwork = Field(
        description="loss of each network in the last update, on the training batch and before that update; "
        "null if it has diverged"
    )
    gradient_norm: PerNetwork = Field(
        description="norm of the gradient of that loss over all weights and biases, before clipping"
    )
    weight_norm: PerNetwork = Field(
        description="norm of all raw weights and biases of each network, after the update"
    )
    mean_rate: PerNetwork = Field(
        description="mean absolute rate of each network in the evaluation, over units, sequences and the "
        "states of epochs with gradient"
    )
    performance: PerNetwork = Field(
        description="performance of each network on `training.evaluate.batch` new sequences, with the true "
        "dynamics"
    )
    phases: dict[str, PerNetwork] = Field(
        description="performance of each network in each phase of the trial, by name of the phase"
    )
    trimmed_mean: SixDigits = Field(description="as `result.trimmed_mean` in the manifest")
    phase_means: dict[str, SixDigits] = Field(
        default={}, description="as `result.phase_means` in the manifest"
    )
    diverged: tuple[Divergence, ...] = Field(
        description="the networks that have diverged so far, as `result.diverged` in the manifest"
    )
