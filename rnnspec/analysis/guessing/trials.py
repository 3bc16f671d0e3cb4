"""Drawn trials of a task, and what somebody who plays them scores."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

import numpy as np

from rnnspec.analysis.guessing.values import Array, Environment, evaluate
from rnnspec.program.dealing import combinations, deals, dealt_combination
from rnnspec.program.nodes import Draw, Epoch, Program
from rnnspec.program.timing import duration_draws, whole_steps
from rnnspec.runtime.schedule import epoch_steps

#: The most time points of an epoch at which correctness is measured, spread evenly over its scored part.
POINTS = 64


@dataclass(frozen=True)
class Moment:
    """One epoch of one trial, in all sequences.

    environment: its variables, as far as they are known.  lengths: (B,), in steps.  at: (B, P), the numbers
    of the steps after which outputs are asked for, from 0; the last is the last of the epoch.
    """

    trial: int
    number: int
    epoch: Epoch
    environment: Environment
    lengths: Array
    at: Array


class Player(Protocol):
    """Gives outputs, epoch by epoch in their order."""

    def outputs(self, moment: Moment) -> Mapping[str, Array]:
        """Return the outputs at the points of a moment, by channel: numbers (K, B', P') or vectors."""
        ...


@dataclass(frozen=True)
class Score:
    """performance: (K,), of each player.  phases: (K,) by name.  NaN where nothing is scored."""

    performance: Array
    phases: Mapping[str, Array]


class Trials:
    """B sequences of a task, without jitter: their variables and the durations of their epochs.

    players: K, for trials of their own; 1: all have the same.  Durations are always the same for all.
    variables: of each trial, those that depend on no read, by name.  steps: (B, trials, epochs).
    """

    def __init__(
        self, program: Program, sequences: int, rng: np.random.Generator, *, players: int = 1
    ) -> None:
        self.program, self.sequences, self.rng = program, sequences, rng
        self._players, self._of_durations = players, duration_draws(program.timeline)
        self.variables: list[dict[str, Array]] = []
        for trial in range(program.timeline.trials):
            self.variables.append({})
            self._settle(self.variables, trial, None)
        self.steps = self._steps()

    def score(self, player: Player) -> Score:
        """Return what a player scores; as the reference does, but at up to POINTS points of an epoch."""
        timeline = self.program.timeline
        known = [dict(variables) for variables in self.variables]
        performances, of_phases = [], []
        for trial in range(timeline.trials):
            self._settle(known, trial, 0)
            right: dict[str, Array] = {}
            points: dict[str, Array] = {}
            steps: dict[str, Array] = {}
            for number, epoch in enumerate(timeline.epochs):
                found = self._play(player, known, trial, number, epoch)
                if found is not None:
                    name, fraction, counted = epoch.phase, *found
                    right[name] = right.get(name, 0.0) + fraction * counted
                    points[name] = points.get(name, 0) + counted
                    steps[name] = steps.get(name, 0) + self.steps[:, trial, number]
                self._settle(known, trial, number + 1)
            performance, phases = self._of_trial(known, trial, right, points, steps)
            performances.append(performance)
            of_phases.append(phases)
        return Score(
            _mean(performances),
            {name: _mean([phases[name] for phases in of_phases]) for name in timeline.scored_phases},
        )

    def environment(self, known: list[dict[str, Array]], trial: int) -> Environment:
        previous = known[trial - 1] if trial else None
        return Environment(self.rng, (self._players, self.sequences, 1), known[trial], previous)

    def clock(self, steps: Array) -> Array:
        """Return t in seconds after so many steps of each sequence, rounded once: (B, P) to (1, B, P)."""
        dt = self.program.network.dt
        seconds: Array = steps[None] * dt.numerator / dt.denominator
        return seconds

    def _play(
        self, player: Player, known: list[dict[str, Array]], trial: int, number: int, epoch: Epoch
    ) -> tuple[Array, Array] | None:
        """Play an epoch; if it is scored, return the share of right points, (K, B), and their count, (B,)."""
        lengths = self.steps[:, trial, number]
        grace = whole_steps(epoch.grace, self.program.network.dt)
        counted = np.maximum(lengths - grace, 0)
        points = min(POINTS, int(counted.max())) if epoch.correct is not None else 0
        # All points of a short sequence; of a long one the middles of as many equal parts.
        own = np.minimum(counted, max(points, 1))[:, None]
        scored = grace + np.floor((np.arange(points) + 0.5) * counted[:, None] / np.maximum(own, 1)).astype(
            int
        )
        at = np.concatenate([scored, np.maximum(lengths - 1, 0)[:, None]], 1)
        environment = self.environment(known, trial)
        given = player.outputs(Moment(trial, number, epoch, environment, lengths, at))
        for read in epoch.reads:
            last = {name: _some(value, slice(points, None)) for name, value in given.items()}
            known[trial][read.name] = evaluate(read.value, replace(environment, outputs=last))
        if epoch.correct is None:
            return None
        if not points:
            return np.zeros((1, self.sequences)), counted
        at_points = {name: _some(value, slice(0, points)) for name, value in given.items()}
        clock = self.clock(scored + 1)
        value = evaluate(epoch.correct, replace(environment, outputs=at_points, clock=clock)) != 0
        right = (value & (np.arange(points) < own)).sum(-1)
        return right / np.maximum(own[:, 0], 1), counted

    def _of_trial(
        self,
        known: list[dict[str, Array]],
        trial: int,
        right: Mapping[str, Array],
        points: Mapping[str, Array],
        steps: Mapping[str, Array],
    ) -> tuple[Array, dict[str, Array]]:
        """Return the performance in one trial, and that in each phase: (K, B), NaN where it is not scored."""
        timeline, environment = self.program.timeline, self.environment(known, trial)
        counts: Array = np.ones((1, 1), dtype=bool)
        if timeline.scored is not None:
            counts = evaluate(timeline.scored, environment)[..., 0] != 0
        total, duration = np.zeros((1, 1)), np.zeros((1, self.sequences))
        phases = {}
        for name in right:
            there = points[name] > 0
            fraction = right[name] / np.maximum(points[name], 1)
            total = total + np.where(there, steps[name] * fraction, 0.0)
            duration = duration + np.where(there, steps[name], 0)
            phases[name] = np.where(there & counts, fraction, np.nan)
        if timeline.success is not None:
            success = (evaluate(timeline.success, environment)[..., 0] != 0).astype(float)
            return np.where(counts, success + np.zeros((1, self.sequences)), np.nan), phases
        performance = np.where(duration > 0, total / np.maximum(duration, 1), np.nan)
        return np.where(counts, performance, np.nan), phases

    def _settle(self, known: list[dict[str, Array]], trial: int, available: int | None) -> None:
        """Compute the draws of a trial that become known after so many of its epochs."""
        for draw in self.program.timeline.draws:
            if draw.available == available:
                known[trial][draw.name] = self._value(draw, known, trial)

    def _value(self, draw: Draw, known: list[dict[str, Array]], trial: int) -> Array:
        environment = self.environment(known, trial)
        if draw.name in self._of_durations:
            environment = replace(environment, shape=(1, self.sequences, 1))
        if draw.scope == "sequence" and trial and draw.patterns is None and len(draw.values) == 1:
            return known[trial - 1][draw.name]
        if draw.patterns is None:
            return evaluate(draw.values[trial if len(draw.values) > 1 else 0], environment)
        timeline, shape = self.program.timeline, environment.shape
        deal, count, players = deals(timeline)[draw.name], combinations(timeline), shape[0] * shape[1]
        dealt_ones = [deal.pattern(dealt_combination(n, players, 0, count)) for n in range(players)]
        index = np.array(dealt_ones).reshape(shape)
        values = [np.broadcast_to(evaluate(p[trial], environment), shape) for p in draw.patterns]
        dealt: Array = np.take_along_axis(np.stack(values), index[None], 0)[0]
        return dealt

    def _steps(self) -> Array:
        """Return the steps of each epoch, (B, trials, epochs)."""
        program = self.program
        shape = (program.timeline.trials, len(program.timeline.epochs))
        if not program.timeline.ragged:
            fixed = np.array(epoch_steps(program, Fraction(1))).reshape(1, *shape)
            return np.broadcast_to(fixed, (self.sequences, *shape))
        seconds: list[list[Array | None]] = [
            [
                None
                if epoch.duration.value is None
                else np.broadcast_to(
                    evaluate(epoch.duration.value, self.environment(self.variables, trial)),
                    (1, self.sequences, 1),
                )
                for epoch in program.timeline.epochs
            ]
            for trial in range(shape[0])
        ]
        rows = [
            epoch_steps(
                program,
                Fraction(1),
                None,
                [[None if value is None else float(value[0, b, 0]) for value in row] for row in seconds],
            )
            for b in range(self.sequences)
        ]
        return np.array(rows).reshape(self.sequences, *shape)


def _some(value: Array, points: slice) -> Array:
    """Return the values at some points; a value that is the same at all points has one."""
    return value if value.shape[2] == 1 else value[:, :, points]


def _mean(trials: list[Array]) -> Array:
    """Return the mean over trials and sequences, without NaN: (K,)."""
    joined = np.stack(np.broadcast_arrays(*trials))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean: Array = np.nanmean(joined, (0, 2))
    return mean
