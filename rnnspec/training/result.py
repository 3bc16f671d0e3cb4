"""The result of a training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rnnspec.analysis.criterion import is_reached, phase_means, trimmed_mean
from rnnspec.runs.divergence import Divergence
from rnnspec.runs.manifest import Ending, Summary
from rnnspec.runtime.simulation import Simulation


@dataclass(frozen=True)
class Result:
    """A trained ensemble.

    simulation: the trained networks.  status: why training ended.  iterations: updates made.  evaluated:
    updates after which `performance` was measured, None if it never was.  performance: of each network with
    its true dynamics; 0 if it diverged, nan if no trial counted.  phases: the same in each phase.
    folder: the run folder, None without one.  signal: the name of the signal that ended the training.
    for_criterion: whether training would have ended at the criterion.
    """

    simulation: Simulation
    status: Ending
    iterations: int
    evaluated: int | None
    performance: tuple[float, ...]
    phases: Mapping[str, tuple[float, ...]]
    diverged: tuple[Divergence, ...]
    folder: Path | None
    signal: str | None = None
    for_criterion: bool = True

    @property
    def trimmed_mean(self) -> float | None:
        """The mean performance, trimmed as the criterion says; None if there was no evaluation."""
        stop = self.simulation.program.training.stop
        if self.evaluated is None:
            return None
        return trimmed_mean(self.performance, stop.trim if stop else 0.0)

    @property
    def phase_means(self) -> dict[str, float]:
        """The same mean in each phase; empty if there was no evaluation."""
        return phase_means(self.phases, self.simulation.program.training.stop)

    @property
    def reached(self) -> tuple[int, ...] | None:
        """The networks at the criterion, in all that it is about, numbered as in the whole ensemble.

        None if there is no criterion or no evaluation.
        """
        stop = self.simulation.program.training.stop
        if stop is None or self.evaluated is None:
            return None
        first = self.simulation.first_network
        return tuple(
            first + k
            for k, performance in enumerate(self.performance)
            if is_reached(stop, performance, {name: own[k] for name, own in self.phases.items()})
        )

    def summary(self) -> Summary:
        """Return the result as it is written to the manifest."""
        return Summary(
            status=self.status,
            signal=self.signal,
            iterations=self.iterations,
            evaluated=self.evaluated,
            trimmed_mean=math.nan if self.trimmed_mean is None else self.trimmed_mean,
            phase_means=self.phase_means,
            performance=self.performance,
            phases=dict(self.phases),
            reached=self.reached,
            diverged=self.diverged,
        )
