"""Evaluation: how well networks perform on fresh trials, with the true dynamics."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from rnnspec.runtime.simulation import Simulation

#: The iterations whose random numbers evaluating and simulating a run use: training never gets there.
EVALUATION = 2**29 - 1
SIMULATION = 2**29 - 2


@dataclass(frozen=True)
class Evaluation:
    """What an ensemble is worth; a network that has diverged scores 0, nan is that no trial counted.

    sequences: B.  performance: of each network.  phases: the same for each phase of the trial.
    trials: (K, B, trials) performance, nan where a trial does not count.  variables: draws and reads by
    name, (K', B, trials), K' being K or 1.
    """

    sequences: int
    performance: tuple[float, ...]
    phases: Mapping[str, tuple[float, ...]]
    trials: Tensor
    variables: Mapping[str, Tensor]


def evaluate_simulation(
    simulation: Simulation, sequences: int, iteration: int, diverged: Collection[int] = ()
) -> Evaluation:
    """Evaluate an ensemble with noise, without jitter, skips and coarsening.

    iteration: picks the trials and the noise.  diverged: the networks that score 0, counted from 0 in
    this ensemble.
    """
    with torch.no_grad():
        outcome = simulation(sequences, purpose="evaluate", iteration=iteration)

    def scored(values: Tensor) -> Tensor:
        values = values.clone()
        values[sorted(diverged)] = 0.0
        return values

    def scores(values: Tensor) -> tuple[float, ...]:
        return tuple(scored(values).double().tolist())

    return Evaluation(
        sequences,
        scores(outcome.performance),
        {phase: scores(values) for phase, values in outcome.phase_performance.items()},
        scored(outcome.trial_performance),
        outcome.variables,
    )


def trimmed_mean(values: Sequence[float], trim: float) -> float:
    """Return the mean of the values without the floor(trim K) smallest and largest; nan if one is nan."""
    dropped = trimmed_count(len(values), trim)
    kept = sorted(values)[dropped : len(values) - dropped]
    if not kept or any(math.isnan(value) for value in values):
        return math.nan
    return math.fsum(kept) / len(kept)


def trimmed_count(networks: int, trim: float) -> int:
    """Return how many networks are left out at each end."""
    # The decimals of `trim` are meant: in floats 0.29 * 100 is less than 29.
    return math.floor(Fraction(str(trim)) * networks)
