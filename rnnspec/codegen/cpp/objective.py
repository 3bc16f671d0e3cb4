"""The constants of the kernel about loss, score and penalties."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnnspec.codegen.constants import literal
from rnnspec.codegen.cpp.bands import Band
from rnnspec.codegen.render import checked
from rnnspec.program.expression_nodes import walk
from rnnspec.program.nodes import Epoch, Program


@dataclass(frozen=True)
class TargetOutputs:
    """The outputs that one target is about.  size: their number."""

    epoch: int
    channel: str
    size: int


@dataclass(frozen=True)
class Objective:
    """What the templates need to know of epochs, targets and scores, under the names that they use.

    epochs, trials: how many there are, the latter in a sequence.  phases: their names.
    epoch_phases: for each epoch the number of its phase, or one more than the last for none.
    targeted: for each epoch whether it has targets.
    error_counts: for each epoch how many squared errors and cross-entropies a step has.
    errors: for each epoch the kind of error of each band.
    any_weighted: whether an epoch with targets has a weight.
    weights_read: whether such a weight depends on reads.
    """

    epochs: int
    trials: int
    phases: tuple[str, ...]
    epoch_phases: tuple[int, ...]
    targeted: tuple[str, ...]
    error_counts: tuple[str, ...]
    errors: tuple[str, ...]
    any_weighted: str
    weights_read: str
    targets: tuple[TargetOutputs, ...]


@dataclass(frozen=True)
class WeightPenalty:
    """coefficient times the mean of |w|^power over a matrix."""

    quantity: str
    power: int
    coefficient: str
    rows: int
    columns: int


@dataclass(frozen=True)
class Penalties:
    """The penalties on rates and weights.  rate_l1, rate_l2: the coefficients of mean |r| and mean r^2."""

    penalised: bool
    rate_l1: str
    rate_l2: str
    weight_penalties: tuple[WeightPenalty, ...]


def objective(program: Program, bands: Sequence[Band]) -> Objective:
    """Return the constants about epochs, targets and scores."""
    timeline, channels = program.timeline, {c.name: c for c in program.network.outputs}
    phases = list(timeline.phases)
    weights = [epoch.weight for epoch in timeline.epochs if epoch.targets and epoch.weight is not None]
    return Objective(
        epochs=len(timeline.epochs),
        trials=timeline.trials,
        phases=tuple(checked(phase) for phase in phases),
        epoch_phases=tuple(
            phases.index(e.phase) if e.phase in phases else len(phases) for e in timeline.epochs
        ),
        targeted=tuple(boolean(bool(epoch.targets)) for epoch in timeline.epochs),
        error_counts=tuple(_braces(_error_counts(program, epoch)) for epoch in timeline.epochs),
        errors=tuple(_braces(_errors(epoch, bands)) for epoch in timeline.epochs),
        any_weighted=boolean(bool(weights)),
        weights_read=boolean(any(node.type.reads for value in weights for node in walk(value))),
        targets=tuple(
            TargetOutputs(
                number,
                checked(target.channel),
                channels[target.channel].stop - channels[target.channel].start,
            )
            for number, epoch in enumerate(timeline.epochs)
            for target in epoch.targets
        ),
    )


def penalties(program: Program) -> Penalties:
    """Return the constants about penalties."""
    every = program.training.penalties
    on_rates = [p for p in every if p.quantity == "rate"]
    return Penalties(
        penalised=bool(on_rates),
        rate_l1=literal(sum(p.coefficient for p in on_rates if p.norm == "l1")),
        rate_l2=literal(sum(p.coefficient for p in on_rates if p.norm == "l2")),
        weight_penalties=tuple(
            WeightPenalty(
                quantity=p.quantity,
                power=1 if p.norm == "l1" else 2,
                coefficient=literal(p.coefficient),
                rows=getattr(program.network, p.quantity).rows,
                columns=getattr(program.network, p.quantity).columns,
            )
            for p in every
            if p.quantity != "rate"
        ),
    )


def boolean(value: bool) -> str:
    """Return a truth value as C++."""
    return "true" if value else "false"


def _error_counts(program: Program, epoch: Epoch) -> tuple[int, int]:
    """Return how many squared errors and cross-entropies a step of an epoch has."""
    sizes = {c.name: c.stop - c.start for c in program.network.outputs}
    squared = sum(sizes[target.channel] for target in epoch.targets if target.error == "squared")
    return squared, sum(target.error == "cross_entropy" for target in epoch.targets)


def _errors(epoch: Epoch, bands: Sequence[Band]) -> list[int]:
    """Return the kind of error of each band: 0 squared, 1 cross-entropy, -1 for none."""
    numbers = {"squared": 0, "cross_entropy": 1}
    errors = {target.channel: numbers[target.error] for target in epoch.targets}
    # The channels of a band have one activation, hence one error.
    return [max(errors.get(name, -1) for name in band.names) for band in bands] or [-1]


def _braces(values: Iterable[object]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"
