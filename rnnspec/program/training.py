"""Lower the training section."""

from __future__ import annotations

from typing import Literal

from rnnspec.program.nodes import Optimizer, Path, Penalty, Stop, Timeline, Training
from rnnspec.spec import training as spec

_QUANTITIES: tuple[Literal["rate", "w_rec", "w_in", "w_out"], ...] = ("rate", "w_rec", "w_in", "w_out")
_NORMS: tuple[Literal["l1", "l2"], ...] = ("l1", "l2")


def lower_training(training: spec.Training, timeline: Timeline) -> Training:
    """Lower the training section.  It has no errors of its own.

    Requires: a lowered timeline, whose phases `every phase` stands for.  Whether the phases that `stop` names
    exist is checked by a rule: a mistake in an epoch may have left one out.
    """
    path: Path = ("training",)
    penalties = tuple(
        Penalty((*path, "penalty", f"{quantity}_{norm}"), quantity, norm, coefficient)
        for quantity in _QUANTITIES
        for norm in _NORMS
        if (coefficient := getattr(training.penalty, f"{quantity}_{norm}"))
    )
    stop = None
    if training.stop is not None:
        of = training.stop.of
        if of == (spec.EVERY_PHASE,):
            of = timeline.scored_phases
        stop = Stop((*path, "stop"), training.stop.performance, training.stop.trim, of)
    return Training(
        path,
        training.networks,
        training.batch,
        training.iterations,
        _optimizer(training.optimizer, (*path, "optimizer")),
        penalties,
        training.clip,
        stop,
        training.trials == "independent",
        training.evaluate.every,
        training.evaluate.batch,
        training.seed,
    )


def _optimizer(optimizer: spec.Adam | spec.AdamW | spec.SGD | spec.RMSProp, path: Path) -> Optimizer:
    """Return the optimiser; its options come in the order of the language, and betas become beta1, beta2."""
    options: list[tuple[str, float]] = []
    for name in type(optimizer).model_fields:
        value = getattr(optimizer, name)
        if name == "betas":
            options += [("beta1", value[0]), ("beta2", value[1])]
        elif name not in ("kind", "learning_rate"):
            options.append((name, value))
    return Optimizer(path, optimizer.kind, optimizer.learning_rate, tuple(options))
