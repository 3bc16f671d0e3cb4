"""Loss, penalties and score in reference form: sums over trajectories, written as they are defined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import torch
from torch import Tensor

from rnnspec.program.nodes import Epoch, Error, OutputChannel, Program, Target
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.reference.interpret import Environment, evaluate
from rnnspec.runtime.reference.sequence import Trajectory, clock, of_one_sequence, outputs, readouts
from rnnspec.runtime.schedule import Segment


@dataclass(frozen=True)
class Score:
    """performance: (K,).  phases: (K,) by name.  trials: (K, B, trials), NaN where not scored."""

    performance: Tensor
    phases: dict[str, Tensor]
    trials: Tensor


@dataclass(frozen=True)
class Objective:
    """Computes loss and score of the simulated sequences of one batch.  weights: effective, by name."""

    program: Program
    batch: Batch
    weights: Mapping[str, Tensor]
    trajectories: Sequence[Trajectory]

    def loss(self) -> Tensor:
        """Return the loss of each network, penalties included, (K,)."""
        total = self._zeros()
        for phase in self.program.timeline.phases:
            for error in get_args(Error):
                total = total + self._phase_loss(phase, error)
        for penalty in self.program.training.penalties:
            power = 1 if penalty.norm == "l1" else 2
            if penalty.quantity == "rate":
                mean = self.mean_rate(power)
            else:
                mean = (self.weights[penalty.quantity].abs() ** power).mean((1, 2))
            total = total + penalty.coefficient * mean
        return total

    def last_error(self) -> Tensor:
        """Return the error of the last epoch with a target, averaged over points and sequences: (K,)."""
        total = self._zeros()
        for trajectory in self.trajectories:
            epochs = self.program.timeline.epochs
            wanting = [
                segment
                for segment in trajectory.table.segments
                if segment.epoch >= 0 and epochs[segment.epoch].targets and epochs[segment.epoch].gradient
            ]
            for segment in wanting[-1:]:
                epoch = epochs[segment.epoch]
                for target in epoch.targets:
                    summed, count = self._target_error(trajectory, segment, epoch, target)
                    total = total + summed / count.clamp(min=1)
        return total / len(self.trajectories)

    def _phase_loss(self, phase: str, error: Error) -> Tensor:
        """Return the mean over points and units, averaged over the trials and sequences with points: (K,)."""
        total, pairs = self._zeros(), self._zeros()
        for trajectory in self.trajectories:
            for trial in range(self.program.timeline.trials):
                summed, count = self._zeros(), self._zeros()
                for segment, epoch in self._epochs(trajectory, trial):
                    if epoch.phase == phase and epoch.gradient:
                        for target in epoch.targets:
                            if target.error == error:
                                more, points = self._target_error(trajectory, segment, epoch, target)
                                summed, count = summed + more, count + points
                total = total + summed / count.clamp(min=1)
                pairs = pairs + (count > 0)
        return total / pairs.clamp(min=1)

    def _target_error(
        self, trajectory: Trajectory, segment: Segment, epoch: Epoch, target: Target
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted error summed over points and units, and the number of terms, (K,) each."""
        channel = next(c for c in self.program.network.outputs if c.name == target.channel)
        environment, readout = self._points(trajectory, segment)
        steps, networks = readout.shape[:2]
        units = channel.stop - channel.start
        wanted = of_one_sequence(evaluate(target.value, environment), target.value.type.size)
        wanted = wanted.expand(steps, networks, units).to(readout.dtype)
        weight = torch.ones_like(readout[:, :, 0])
        if epoch.weight is not None:
            value = of_one_sequence(evaluate(epoch.weight, environment), None)[..., 0]
            weight = value.expand(steps, networks).to(readout.dtype)
        if target.error == "cross_entropy":
            log = torch.log_softmax(readout[..., channel.start : channel.stop], -1)
            errors, each = -(wanted * log).sum(-1), 1
        else:
            errors, each = ((self._answer(channel, environment) - wanted) ** 2).sum(-1), units
        weight, errors = weight[segment.grace :], errors[segment.grace :]
        counted = weight != 0
        weighted = torch.where(counted, weight * errors, torch.zeros_like(errors))
        return weighted.sum(0), each * counted.sum(0).to(readout.dtype)

    def _answer(self, channel: OutputChannel, environment: Environment) -> Tensor:
        size = channel.stop - channel.start
        return of_one_sequence(environment.outputs[channel.name], size if size > 1 else None)

    def mean_rate(self, power: int) -> Tensor:
        """Return the mean of |r|^power over the states of epochs with gradient, sequences and units, (K,)."""
        total, count = self._zeros(), 0
        for trajectory in self.trajectories:
            for segment in trajectory.table.segments:
                if segment.gradient:
                    for state in trajectory.states[segment.start + 1 : segment.stop + 1]:
                        total = total + (state.abs() ** power).sum(-1)
                        count += state.shape[-1]
        return total / max(count, 1)

    # --- score ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def score(self) -> Score:
        """Return the performance of each network; NaN where nothing is scored."""
        timeline = self.program.timeline
        names = dict.fromkeys(epoch.phase for epoch in timeline.epochs if epoch.correct is not None)
        shape = (len(self._zeros()), len(self.trajectories), timeline.trials)
        trials = self._zeros().new_full(shape, torch.nan)
        phases = {name: trials.clone() for name in names}
        for b, trajectory in enumerate(self.trajectories):
            for trial in range(timeline.trials):
                scored = torch.ones_like(self._zeros(), dtype=torch.bool)
                if timeline.scored is not None:
                    scored = evaluate(timeline.scored, trajectory.environment(trial))[:, 0] != 0
                total, duration = self._zeros(), 0
                for name in names:
                    correct, steps = self._phase_correctness(trajectory, trial, name)
                    if correct is not None:
                        phases[name][scored.expand(shape[0]), b, trial] = correct[scored.expand(shape[0])]
                        total, duration = total + steps * correct, duration + steps
                performance = total / duration if duration else torch.full_like(total, torch.nan)
                if timeline.success is not None:
                    success = evaluate(timeline.success, trajectory.environment(trial))[:, 0] != 0
                    performance = success.to(total.dtype).expand_as(total)
                trials[:, b, trial] = torch.where(scored, performance, torch.nan)
        means = {name: values.nanmean((1, 2)) for name, values in phases.items()}
        return Score(trials.nanmean((1, 2)), means, trials)

    def _phase_correctness(self, trajectory: Trajectory, trial: int, phase: str) -> tuple[Tensor | None, int]:
        """Return the mean correctness (K,) of a phase of one trial, or None without points, and its steps."""
        correct, points, steps = self._zeros(), 0, 0
        for segment, epoch in self._epochs(trajectory, trial):
            if epoch.phase == phase and epoch.correct is not None:
                environment, readout = self._points(trajectory, segment)
                value = of_one_sequence(evaluate(epoch.correct, environment), None)[..., 0]
                value = (value != 0).expand(readout.shape[:2])[segment.grace :]
                correct = correct + value.sum(0)
                points += len(value)
                steps += segment.steps
        return (correct / points if points else None), steps

    # --- points --------------------------------------------------------------------------------------

    def _epochs(self, trajectory: Trajectory, trial: int) -> list[tuple[Segment, Epoch]]:
        return [
            (segment, self.program.timeline.epochs[segment.epoch])
            for segment in trajectory.table.segments
            if segment.trial == trial and segment.epoch >= 0
        ]

    def _points(self, trajectory: Trajectory, segment: Segment) -> tuple[Environment, Tensor]:
        """Return the environment of expressions at the points of a segment, and its readouts, (L, K, C_out).

        Point k is the state after step k, at t = (k + 1) dt theta.
        """
        rates = torch.stack(trajectory.states[segment.start : segment.stop + 1])[1:]
        readout = readouts(self.weights, rates)
        environment = replace(
            trajectory.environment(segment.trial),
            outputs=outputs(self.program.network, readout.unsqueeze(2)),
            clock=clock(self.program, self.batch, segment, 1, readout.device),
        )
        return environment, readout

    def _zeros(self) -> Tensor:
        return torch.zeros_like(self.weights["bias"][:, 0])
