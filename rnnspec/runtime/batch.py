"""What an engine is asked for and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

from torch import Tensor


@dataclass(frozen=True)
class Stage:
    """A setting of the annealed quantities: the coarsening factor and beta of each of program.skips."""

    theta: Fraction
    betas: tuple[float, ...]


@dataclass(frozen=True)
class Batch:
    """The data of one batch; with the weights it determines every number an engine computes.

    sequences: B.  first_network: the number of network 0 in the whole ensemble.  purpose: which random
    numbers are used; jitter is drawn only in training.
    """

    sequences: int
    seed: int
    iteration: int
    purpose: Literal["train", "evaluate", "simulate"]
    stage: Stage
    first_network: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a batch led to.  K' is K, or 1 for what all networks share.

    loss: (K,), penalties included, differentiable.  performance: (K,).  phase_performance: (K,) each.
    trial_performance: (K, B, trials), nan where a trial is not scored.
    variables: draws and reads by name, (K', B, trials).
    steps: (B or 1,), the length of each sequence.
    rates (K, B, T, N), outputs (K, B, T, C), inputs (K', B, T, C): only if recorded, on each sequence's
    own clock; the state and outputs after each step, the input during it; nan behind the end of a shorter
    sequence.
    """

    loss: Tensor
    performance: Tensor
    phase_performance: Mapping[str, Tensor]
    trial_performance: Tensor
    variables: Mapping[str, Tensor]
    steps: Tensor
    rates: Tensor | None = None
    outputs: Tensor | None = None
    inputs: Tensor | None = None


class Engine(Protocol):
    """Simulates batches of one program."""

    def run(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        *,
        record: bool = False,
        forced_reads: Mapping[str, Tensor] | None = None,
    ) -> Outcome:
        """Simulate one batch with effective weights.

        weights: w_rec (K, N, N) to-from, w_in (K, N, C_in), w_out (K, C_out, N), bias (K, N) and, if the
        program has one, readout_bias (K, C_out).  forced_reads: (K, B, trials) by name, used in place of
        what the networks answered.
        """
        ...
