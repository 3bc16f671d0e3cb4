"""What an engine is asked for and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from rnnspec.program.nodes import Program

if TYPE_CHECKING:
    # A stage is a stage without it, and it takes long to import.
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Stage:
    """A setting of the annealed quantities.

    theta: the coarsening factor, at least 1.  betas: of each of program.skips.
    """

    theta: Fraction
    betas: tuple[float, ...]

    def __post_init__(self) -> None:
        # A float would not be the step that is meant: 1.1 is not 11/10.
        if not isinstance(self.theta, Rational):
            raise TypeError(f"theta takes an exact number: write Fraction('{self.theta}').")
        if self.theta < 1:
            raise ValueError(f"theta takes a number of at least 1, not {self.theta}.")
        if not isinstance(self.betas, Sequence):
            raise TypeError(f"betas takes one number for each skip: write ({self.betas},) for a single one.")


BatchPurpose = Literal["train", "evaluate", "simulate"]
PURPOSES: tuple[BatchPurpose, ...] = get_args(BatchPurpose)


@dataclass(frozen=True)
class Batch:
    """The data of one batch; with the weights it determines every number an engine computes.

    sequences: B.  first_network: the number of network 0 in the whole ensemble.  purpose: which random
    numbers are used; jitter is drawn only in training.
    """

    sequences: int
    seed: int
    iteration: int
    purpose: BatchPurpose
    stage: Stage
    first_network: int = 0


@dataclass(frozen=True)
class Outcome:
    """What a batch led to.  K' is K, or 1 for what all networks share.

    loss: (K,), penalties included, differentiable.  performance: (K,).  phase_performance: (K,) each.
    mean_rate: (K,), the mean of |r| over the states of epochs with gradient, sequences and units.
    trial_performance: (K, B, trials), nan where a trial is not scored.
    variables: draws and reads by name, (K', B, trials).
    steps: (B or 1,), the length of each sequence.
    rates (K, B, T, N), outputs (K, B, T, C), inputs (K', B, T, C): only if recorded, on each sequence's
    own clock; the state and outputs after each step, the input during it; nan behind the end of a shorter
    sequence.
    """

    loss: Tensor
    performance: Tensor
    mean_rate: Tensor
    phase_performance: Mapping[str, Tensor]
    trial_performance: Tensor
    variables: Mapping[str, Tensor]
    steps: Tensor
    rates: Tensor | None = None
    outputs: Tensor | None = None
    inputs: Tensor | None = None


def inputs_differ(program: Program) -> bool:
    """Whether networks may be driven differently."""
    drives = [drive for epoch in program.timeline.epochs for drive in epoch.drives]
    return program.training.independent_trials or any(drive.value.type.reads for drive in drives)


class Engine(Protocol):
    """Simulates batches of one program."""

    def fingerprint(self, dtype: torch.dtype) -> str | None:
        """Return a name of what was compiled: the same name gives the same bits.  None if nothing was."""
        ...

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
