"""What networks are taught in recorded trials: targets, weights of time points, and what is correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rnnspec.program.expression_nodes import Expression
from rnnspec.program.nodes import Epoch, Program
from rnnspec.runtime.batch import Batch, Outcome, targets_differ
from rnnspec.runtime.reference.interpret import Environment, evaluate
from rnnspec.runtime.reference.sequence import clock
from rnnspec.runtime.schedule import Segment, Timetable


@dataclass(frozen=True)
class Teaching:
    """What is compared with the outputs at each time point.  K' is K, or 1 if all networks share it.

    targets: (K', B, T, C), NaN where an output has no target.  weights: (K', B, T), of the time points in the
    loss; 0 in the grace, and where nothing has a target.  correct: (K, B, T), 1 or 0, NaN where nothing is
    scored.  All are NaN after the end of a shorter sequence.
    """

    targets: Tensor
    weights: Tensor
    correct: Tensor


@torch.no_grad()
def taught(program: Program, batch: Batch, tables: Sequence[Timetable], outcome: Outcome) -> Teaching:
    """Return what is taught in a recorded batch.

    tables: the timetable of each sequence, or one of all.
    """
    assert outcome.outputs is not None
    outputs = outcome.outputs.cpu()
    variables = {name: values.cpu() for name, values in outcome.variables.items()}
    networks, sequences, steps, channels = outputs.shape
    own = networks if targets_differ(program) else 1
    teaching = Teaching(
        outputs.new_full((own, sequences, steps, channels), torch.nan),
        outputs.new_full((own, sequences, steps), torch.nan),
        outputs.new_full((networks, sequences, steps), torch.nan),
    )
    alike = [range(sequences)] if len(tables) == 1 else [range(b, b + 1) for b in range(sequences)]
    for table, members in zip(tables, alike, strict=True):
        part = slice(members.start, members.stop)
        trials = [
            {name: values[:, part, trial] for name, values in variables.items()}
            for trial in range(program.timeline.trials)
        ]
        for segment in table.segments:
            _fill(teaching, program, batch, segment, part, trials, outputs)
    return teaching


def _fill(
    teaching: Teaching,
    program: Program,
    batch: Batch,
    segment: Segment,
    part: slice,
    trials: Sequence[Mapping[str, Tensor]],
    outputs: Tensor,
) -> None:
    """Fill in one segment of the sequences `part`, which have the same timetable."""
    steps, points = slice(segment.start, segment.stop), slice(segment.start + segment.grace, segment.stop)
    teaching.weights[:, part, steps] = 0
    if segment.epoch < 0 or not segment.steps:
        return
    epoch = program.timeline.epochs[segment.epoch]
    environment = Environment(
        outputs.device,
        trials[segment.trial],
        trials[segment.trial - 1] if segment.trial > 0 else None,
        _channels(program, outputs[:, part, steps]),
        clock(program, batch, segment, 1, outputs.device),
    )
    for target in epoch.targets:
        channel = next(c for c in program.network.outputs if c.name == target.channel)
        columns = slice(channel.start, channel.stop)
        value = _by_network(target.value, environment)
        teaching.targets[:, part, steps, columns] = value.to(outputs.dtype)
    if epoch.targets and segment.grace < segment.steps:
        teaching.weights[:, part, points] = _weight(epoch, environment, outputs)[:, :, segment.grace :]
    if epoch.correct is not None and segment.grace < segment.steps:
        value = _by_network(epoch.correct, environment)[..., 0] != 0
        value = value.to(outputs.dtype).expand(len(outputs), -1, segment.steps)[:, :, segment.grace :]
        if program.timeline.scored is not None:
            scored = _by_network(program.timeline.scored, replace(environment, clock=None))[..., 0] != 0
            value = torch.where(scored, value, torch.nan)
        teaching.correct[:, part, points] = value


def _weight(epoch: Epoch, environment: Environment, outputs: Tensor) -> Tensor:
    """Return the weights of the points of an epoch, (K', B or 1, L)."""
    assert environment.clock is not None
    steps = len(environment.clock)
    if epoch.weight is None:
        return outputs.new_ones((1, 1, steps))
    return _by_network(epoch.weight, environment)[..., 0].to(outputs.dtype).expand(-1, -1, steps)


def _channels(program: Program, outputs: Tensor) -> dict[str, Tensor]:
    """Return the outputs of each channel, (L, K, B, units), or (L, K, B) for a channel of one unit."""
    by_step = outputs.permute(2, 0, 1, 3)
    return {
        c.name: by_step[..., c.start : c.stop] if c.stop - c.start > 1 else by_step[..., c.start]
        for c in program.network.outputs
    }


def _by_network(value: Expression, environment: Environment) -> Tensor:
    """Return the value of an expression in an epoch, (K', B or 1, L or 1, units)."""
    found = evaluate(value, environment)
    found = found.unsqueeze(-1) if value.type.size is None else found
    return (found if found.dim() == 4 else found.unsqueeze(0)).permute(1, 2, 0, 3)
