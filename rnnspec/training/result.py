"""What a training came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnnspec.analysis.evaluation import trimmed_mean
from rnnspec.files import finite, finite_list
from rnnspec.runs.checkpoint import Divergence
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.events import Status


@dataclass(frozen=True)
class Result:
    """A trained ensemble.

    simulation: its networks, ready to be simulated.  status: why training ended.  iterations: updates
    made.  evaluated: after how many of them `performance` was measured, None if it never was.
    performance: of each network on the true dynamics (0 if it diverged, nan if no trial counted).
    folder: of the run, None if it was not kept.  signal: the name of the one that ended the training.
    for_criterion: whether the criterion could have ended it.
    """

    simulation: Simulation
    status: Status
    iterations: int
    evaluated: int | None
    performance: tuple[float, ...]
    diverged: tuple[Divergence, ...]
    folder: Path | None
    signal: str | None = None
    for_criterion: bool = True

    @property
    def trimmed_mean(self) -> float | None:
        """The performance that the criterion looks at; None if there was no evaluation."""
        stop = self.simulation.program.training.stop
        if self.evaluated is None:
            return None
        return trimmed_mean(self.performance, stop.trim if stop else 0.0)

    @property
    def reached(self) -> tuple[int, ...] | None:
        """The networks that are at the criterion themselves, numbered as in the whole ensemble.

        None if there is no criterion or no evaluation.
        """
        stop = self.simulation.program.training.stop
        if stop is None or self.evaluated is None:
            return None
        first = self.simulation.first_network
        return tuple(first + k for k, p in enumerate(self.performance) if p >= stop.performance)

    def summary(self) -> dict[str, object]:
        """Return the result in words and numbers that JSON has."""
        return {
            "status": self.status,
            "signal": self.signal,
            "iterations": self.iterations,
            "evaluated": self.evaluated,
            "trimmed_mean": finite(self.trimmed_mean),
            "performance": finite_list(self.performance),
            "reached": None if self.reached is None else list(self.reached),
            "diverged": [divergence_row(d) for d in self.diverged],
        }


def divergence_row(divergence: Divergence) -> dict[str, object]:
    return {
        "network": divergence.network,
        "iteration": divergence.iteration,
        "cause": divergence.cause,
    }
