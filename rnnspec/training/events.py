"""The events of a training, which its observer receives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from rnnspec.analysis.evaluation import Evaluation
from rnnspec.runs.divergence import Divergence
from rnnspec.runs.manifest import Ending
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.stages import AnnealingStage
from rnnspec.training.interruption import StopStatus


@dataclass(frozen=True)
class Started:
    """Training is about to begin, or to be resumed.

    folder: the run folder, None without one.  iterations: updates after which training ends at the latest.
    completed: updates made before.  history: trimmed means of the evaluations before.
    """

    simulation: Simulation
    folder: Path | None
    iterations: int
    completed: int = 0
    history: tuple[float, ...] = ()


@dataclass(frozen=True)
class Updated:
    """An update was made.  completed: updates so far.  losses: (K,), before the update, on the device."""

    completed: int
    annealing: AnnealingStage
    losses: Tensor

    @property
    def loss(self) -> tuple[float, ...]:
        """The loss of each network; reading it waits for the device."""
        return tuple(self.losses.double().tolist())


@dataclass(frozen=True)
class Diverged:
    """Networks were found to have diverged; they are not trained further."""

    networks: tuple[Divergence, ...]


@dataclass(frozen=True)
class Evaluated:
    """The ensemble was evaluated.

    completed: updates so far.  loss, gradient_norm: of each network, before the last update.  weight_norm:
    after it.  All three are nan for networks that have diverged.  trimmed_mean: of the performance.
    phase_means: the same in each phase.  diverged: all networks that have diverged.
    """

    completed: int
    annealing: AnnealingStage
    loss: tuple[float, ...]
    gradient_norm: tuple[float, ...]
    weight_norm: tuple[float, ...]
    evaluation: Evaluation
    trimmed_mean: float
    phase_means: Mapping[str, float]
    diverged: tuple[Divergence, ...]


@dataclass(frozen=True)
class Stopping:
    """A signal came; the current iteration ends first.  May come during another event, so do not print."""

    status: StopStatus


@dataclass(frozen=True)
class Warned:
    """Something that the training does not depend on has failed; the training continues."""

    text: str


@dataclass(frozen=True)
class Checkpointed:
    """A checkpoint was written, from which training can be resumed."""

    completed: int


@dataclass(frozen=True)
class Finished:
    """Training has ended; the weights are not saved yet."""

    status: Ending
    completed: int


Event = Started | Updated | Diverged | Evaluated | Checkpointed | Warned | Stopping | Finished
Observer = Callable[[Event], None]
