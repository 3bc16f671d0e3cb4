"""The state of a training so far: the contents of the displays, not their form."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence

from rnnspec.analysis.criterion import below_criterion
from rnnspec.analysis.evaluation import is_scored
from rnnspec.cli.console import count
from rnnspec.cli.display.charts import quantile
from rnnspec.program.nodes import Program
from rnnspec.runs.divergence import Divergence
from rnnspec.runtime.batch import Stage
from rnnspec.runtime.stages import next_change, stage_at
from rnnspec.training.events import Diverged, Evaluated, Event, Finished, Started, Stopping, Updated, Warned
from rnnspec.training.interruption import StopStatus

#: Shown after a signal, until the iteration ends.
STOPPING_NOTICE = "Stopping after this iteration. Press Ctrl-C to stop at once."
#: Seconds over which the speed is averaged.
_WINDOW = 30.0
#: The first iterations do not count for the speed: in them torch compiles and allocates.
_WARM_UP = 2


class Progress:
    """The state of one training, updated by its events.

    history: the trimmed mean of every evaluation.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.place = ""
        self.program: Program | None = None
        self.iterations = self.completed = 0
        self._first = 0
        self._updated: Updated | None = None
        self.evaluated: Evaluated | None = None
        self.history: list[float] = []
        self.diverged: list[Divergence] = []
        self.warnings: list[str] = []
        self.stopping: StopStatus | None = None
        self.finished = False
        self._ticks: deque[tuple[float, int]] = deque()

    def follow(self, event: Event) -> None:
        match event:
            case Started(simulation=simulation, folder=folder):
                self.program = simulation.program
                self.iterations, self.completed = event.iterations, event.completed
                self._first = event.completed
                self.history += event.history
                self.place = f" -> {folder}" if folder else ""
                weight = next(simulation.parameters())
                networks = count(simulation.networks, "network")
                self.title += f": {networks} on {weight.device}, target {simulation.target}"
            case Updated(completed=completed):
                self.completed, self._updated = completed, event
                if completed >= self._first + _WARM_UP:
                    self._tick(completed)
            case Evaluated(trimmed_mean=mean):
                self.evaluated = event
                self.history.append(mean)
            case Diverged(networks=networks):
                self.diverged += networks
            case Warned(text=text):
                self.warnings.append(text)
            case Stopping(status=status):
                self.stopping = status
            case Finished(completed=completed):
                self.completed, self.finished = completed, True

    @property
    def loss(self) -> tuple[float, ...]:
        """The loss of each network in the last update; empty before the first."""
        return self._updated.loss if self._updated else ()

    @property
    def scored(self) -> bool:
        return self.program is not None and is_scored(self.program)

    @property
    def held_back_by(self) -> str:
        """The phase that is lowest, if it is below the criterion; empty if there is none or one phase."""
        last = self.evaluated
        if self.program is None or last is None or len(last.phase_means) < 2:
            return ""
        return next(iter(below_criterion(self.program, last.trimmed_mean, last.phase_means)), "")

    @property
    def speed(self) -> float:
        """Iterations per second over the last half minute, evaluations included; 0 until it is known."""
        if len(self._ticks) < 2:
            return 0.0
        (start, first), (end, last) = self._ticks[0], self._ticks[-1]
        return (last - first) / (end - start) if end > start else 0.0

    @property
    def seconds_left(self) -> float:
        """The time for all remaining iterations; the training may reach its criterion before."""
        return (self.iterations - self.completed) / self.speed if self.speed else math.inf

    @property
    def mean_loss(self) -> float:
        """The mean loss of the networks that have not diverged."""
        kept = [value for value in self.loss if math.isfinite(value)]
        return math.fsum(kept) / len(kept) if kept else math.nan

    @property
    def stage(self) -> str:
        """The current betas and theta, and when they change; empty without skips and coarsening."""
        if self.program is None:
            return ""
        annealing = stage_at(self.program, max(self.completed - 1, 0))
        text = describe_stage(self.program, annealing.stage)
        change = next_change(self.program, max(self.completed - 1, 0))
        last = change is None or change >= self.iterations
        return text if last or not text else f"{text} until iteration {change:,}"

    def _tick(self, completed: int) -> None:
        now = time.monotonic()
        self._ticks.append((now, completed))
        while len(self._ticks) > 2 and now - self._ticks[0][0] > _WINDOW:
            self._ticks.popleft()


def describe_stage(program: Program, stage: Stage) -> str:
    """Return `theta 6, beta 0.7`; betas that differ by name; empty without skips and coarsening."""
    parts = [f"theta {float(stage.theta):.3g}"] if program.coarsening is not None else []
    if len(set(stage.betas)) == 1:
        parts.append(f"beta {stage.betas[0]:.3g}")
    else:
        named = zip(program.skips, stage.betas, strict=True)
        parts += [f"beta of {skip.name} {beta:.3g}" for skip, beta in named]
    return ", ".join(parts)


def five_numbers(values: Sequence[float]) -> tuple[float, float, float, float, float]:
    """Return the lowest, the quartiles and the highest of the finite values."""
    kept = [value for value in values if math.isfinite(value)]
    low, first, median, third, high = (quantile(kept, share) for share in (0, 0.25, 0.5, 0.75, 1))
    return low, first, median, third, high
