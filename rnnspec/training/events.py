"""What training tells those who watch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rnnspec.analysis.evaluation import Evaluation
from rnnspec.runs.divergence import Divergence
from rnnspec.runs.manifest import Ending
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.stages import AnnealingStage
from rnnspec.training.interruption import StopStatus


@dataclass(frozen=True)
class Started:
    """Training is about to begin, or to go on.

    folder: where the run is kept, None if it is not.  iterations: after how many it ends at the latest.
    completed: the updates made before.  history: the trimmed means of the evaluations before.
    """

    simulation: Simulation
    folder: Path | None
    iterations: int
    completed: int = 0
    history: tuple[float, ...] = ()


@dataclass(frozen=True)
class Updated:
    """An update has been made.  completed: iterations so far.  loss: of each network, before the update."""

    completed: int
    annealing: AnnealingStage
    loss: tuple[float, ...]


@dataclass(frozen=True)
class Diverged:
    """Networks have diverged and stay as they are from now on."""

    networks: tuple[Divergence, ...]


@dataclass(frozen=True)
class Evaluated:
    """The ensemble has been evaluated.

    loss, gradient_norm: of each network in the last update, before it; weight_norm: after it; nan for those
    that have diverged.  diverged: the networks that have diverged so far.
    """

    completed: int
    annealing: AnnealingStage
    loss: tuple[float, ...]
    gradient_norm: tuple[float, ...]
    weight_norm: tuple[float, ...]
    evaluation: Evaluation
    trimmed_mean: float
    diverged: tuple[Divergence, ...]


@dataclass(frozen=True)
class Stopping:
    """A signal has come: the iteration is finished first.  May come amid another event: do not print."""

    status: StopStatus


@dataclass(frozen=True)
class Warned:
    """Something beside the training could not be done; it goes on."""

    text: str


@dataclass(frozen=True)
class Kept:
    """A checkpoint has been written, from which training can go on."""

    completed: int


@dataclass(frozen=True)
class Finished:
    """Training is over; the weights are not saved yet."""

    status: Ending
    completed: int


Event = Started | Updated | Diverged | Evaluated | Kept | Warned | Stopping | Finished
Observer = Callable[[Event], None]
