"""The interface of engines: a batch goes in, its outcome comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from rnnspec.program.nodes import Program

if TYPE_CHECKING:
    # Only annotations need torch here, and importing it takes long.
    import torch
    from torch import Tensor

    from rnnspec.runtime.compiled.origin import KernelOrigin


@dataclass(frozen=True)
class Stage:
    """The values of the annealed quantities.

    theta: the coarsening factor, at least 1.  betas: one for each of program.skips.
    """

    theta: Fraction
    betas: tuple[float, ...]

    def __post_init__(self) -> None:
        # A float would give another step: 1.1 is not exactly 11/10.
        if not isinstance(self.theta, Rational):
            raise TypeError(f"theta must be an exact number: write Fraction('{self.theta}').")
        if self.theta < 1:
            raise ValueError(f"theta must be at least 1, not {self.theta}.")
        if not isinstance(self.betas, Sequence):
            raise TypeError(f"betas must have one number for each skip: write ({self.betas},) for one skip.")


BatchPurpose = Literal["train", "evaluate", "simulate"]
PURPOSES: tuple[BatchPurpose, ...] = get_args(BatchPurpose)


@dataclass(frozen=True)
class Batch:
    """A request for one batch.  Together with the weights it determines every number that an engine computes.

    sequences: B.  first_network: the number of network 0 in the whole ensemble.  purpose: selects the random
    numbers; jitter is drawn only for "train".
    """

    sequences: int
    seed: int
    iteration: int
    purpose: BatchPurpose
    stage: Stage
    first_network: int = 0


@dataclass(frozen=True)
class Outcome:
    """The results of a batch.  K' is K, or 1 for values that all networks share.

    loss: (K,), penalties included, differentiable.  performance: (K,).  phase_performance: (K,) each.
    mean_rate: (K,), the mean of |r| over the states of epochs with gradient, sequences and units.
    trial_performance: (K, B, trials), NaN where a trial is not scored.
    variables: draws and reads by name, (K', B, trials).
    steps: (B or 1,), the length of each sequence.
    rates (K, B, T, N), outputs (K, B, T, C), inputs (K', B, T, C): only if recorded.  Axis T counts the steps
    of each sequence from its own start.  Rates and outputs are those after a step, inputs those during it.
    After the end of a shorter sequence they are NaN.
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
    """Whether different networks can have different inputs."""
    drives = [drive for epoch in program.timeline.epochs for drive in epoch.drives]
    return program.training.independent_trials or any(drive.value.type.reads for drive in drives)


def variable_differs(program: Program, name: str) -> bool:
    """Whether different networks can have different values of a draw or a read."""
    draws = {draw.name: draw for draw in program.timeline.draws}
    return program.training.independent_trials or name not in draws or draws[name].type.reads


def targets_differ(program: Program) -> bool:
    """Whether different networks can have different targets, or weights of time points."""
    epochs = program.timeline.epochs
    values = [target.value for epoch in epochs for target in epoch.targets]
    values += [epoch.weight for epoch in epochs if epoch.weight is not None]
    return program.training.independent_trials or any(value.type.reads for value in values)


class Engine(Protocol):
    """Simulates batches of one program."""

    def origin(self, dtype: torch.dtype) -> KernelOrigin | None:
        """Return what the bits of its compiled kernel depend on; None if there is no kernel."""
        ...

    def prepare(self, networks: int, batch: Batch, dtype: torch.dtype, device: torch.device) -> None:
        """Compute what the next `run` of a batch needs besides weights, and begin to copy it to the device.

        Results are the same without it.
        """
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
        program has one, readout_bias (K, C_out).  forced_reads: (K, B, trials) by name, used instead of the
        values read from the outputs.
        """
        ...
