"""From the evaluation of an ensemble to the row of the metrics that is stored."""

from __future__ import annotations

from rnnspec.program.nodes import Program
from rnnspec.runs.metrics import MetricsRow, Stages
from rnnspec.training.events import Evaluated


def metrics_row(program: Program, event: Evaluated) -> MetricsRow:
    """Return the row of one evaluation.  Loss, norms and performance are of each network, in order."""
    edges = [skip.name for skip in program.skips]
    annealing = event.annealing
    return MetricsRow(
        iteration=event.completed,
        stages=Stages(edges=dict(zip(edges, annealing.edges, strict=True)), coarsening=annealing.coarsening),
        betas=dict(zip(edges, annealing.stage.betas, strict=True)),
        theta=float(annealing.stage.theta),
        loss=event.loss,
        gradient_norm=event.gradient_norm,
        weight_norm=event.weight_norm,
        mean_rate=event.evaluation.mean_rate,
        performance=event.evaluation.performance,
        phases=dict(event.evaluation.phases),
        trimmed_mean=event.trimmed_mean,
        phase_means=dict(event.phase_means),
        diverged=event.diverged,
    )
