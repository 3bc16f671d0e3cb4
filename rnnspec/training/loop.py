"""The training loop: update, evaluate, stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from torch import Tensor

from rnnspec.analysis.criterion import is_reached, phase_means, trimmed_mean
from rnnspec.analysis.evaluation import evaluate_simulation
from rnnspec.program.nodes import Stop
from rnnspec.runs.checkpoint import LatestEvaluation, TrainingState
from rnnspec.runs.divergence import Divergence
from rnnspec.runs.manifest import Ending
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.stages import AnnealingStage, stage_at
from rnnspec.training.events import (
    Diverged,
    Evaluated,
    Finished,
    Observer,
    Updated,
)
from rnnspec.training.interruption import Interruption
from rnnspec.training.updater import Updater

#: Iterations between looks at which networks have diverged.  A look waits for all that a device still has to
#: do; the CPU has nothing left to do.
LOOK, LOOK_ON_CPU = 20, 1


def iterate(updater: Updater, completed: int) -> tuple[AnnealingStage, Tensor]:
    """Make one iteration after `completed` others: simulate new trials and update the networks.

    Returns the stage of the annealing and the loss of each network before the update, (K,).  Does not wait
    for the device.
    """
    simulation = updater.simulation
    training, annealing = simulation.program.training, stage_at(simulation.program, completed)
    outcome = simulation(training.batch, purpose="train", iteration=completed, stage=annealing.stage)
    updater.update(outcome.loss, completed + 1)
    return annealing, outcome.loss.detach()


def prepare(updater: Updater, completed: int) -> None:
    """Prepare the iteration after `completed` others, while the device still computes them."""
    simulation = updater.simulation
    stage = stage_at(simulation.program, completed).stage
    simulation.prepare(simulation.program.training.batch, purpose="train", iteration=completed, stage=stage)


class Loop:
    """Trains a simulation in place.

    completed: updates made.  latest: the latest evaluation, None before the first.  diverged: the networks
    that had diverged at the last look.  iterations: updates after which training ends at the latest.
    for_criterion: whether it ends earlier, at the criterion.
    """

    def __init__(
        self,
        simulation: Simulation,
        observer: Observer,
        *,
        iterations: int | None = None,
        for_criterion: bool = True,
        start: TrainingState | None = None,
    ) -> None:
        """start: the state from which to resume; the initial weights if not given."""
        self.simulation = simulation
        self.training = simulation.program.training
        self.iterations = self.training.iterations if iterations is None else iterations
        self.for_criterion = for_criterion
        self.updater = Updater(simulation)
        self.completed = 0
        self.latest: LatestEvaluation | None = None
        self.diverged: tuple[Divergence, ...] = ()
        self._observer = observer
        self._every = LOOK_ON_CPU if self.updater.alive.device.type == "cpu" else LOOK
        if start is not None:
            self.updater.restore(start.tensors, start.diverged)
            self.completed, self.latest, self.diverged = start.completed, start.evaluation, start.diverged

    @property
    def performance(self) -> tuple[float, ...]:
        """The performance of each network in the latest evaluation; 0 if it has diverged, empty before."""
        return () if self.latest is None else self._of_alive(self.latest.performance)

    @property
    def phases(self) -> dict[str, tuple[float, ...]]:
        """The performance of each network by phase, likewise."""
        found = self.latest.phases if self.latest else {}
        return {name: self._of_alive(values) for name, values in found.items()}

    @property
    def over(self) -> bool:
        """Whether no network was left at the last look."""
        return len(self.diverged) == self.simulation.networks

    def run(
        self,
        interruption: Interruption,
        before: Callable[[Loop], None] = lambda loop: None,
        after: Callable[[Loop], None] = lambda loop: None,
    ) -> Ending:
        """Train until the criterion is reached, the iterations are used up, or a signal comes.

        before: is called before every iteration.  after: is called after it and its evaluation.
        """
        while (status := self._end(interruption)) is None:
            before(self)
            self._advance()
            after(self)
        self._observer(Finished(status, self.completed))
        return status

    def state(self) -> TrainingState:
        """Return everything that further training depends on."""
        self.look()
        return TrainingState(self.completed, self.updater.state(), self.latest, self.diverged)

    def look(self) -> None:
        """Find out which networks have diverged, and tell the observer; waits for the device.

        If none is left, training ended in the iteration in which the last one diverged: iterations that were
        made since have changed nothing but the state of the optimiser, which is not needed any more.
        """
        known, self.diverged = len(self.diverged), self.updater.diverged
        if new := self.diverged[known:]:
            if self.over:
                self.completed = new[-1].iteration
            self._observer(Diverged(new))

    def _advance(self) -> None:
        """Make one iteration, and evaluate if an evaluation is due."""
        if self.over:
            # Found out since the last iteration ended.
            return
        annealing, losses = iterate(self.updater, self.completed)
        self.completed = made = self.completed + 1
        every, last = self.training.evaluate_every, made == self.iterations
        if not last:
            prepare(self.updater, made)
        # The last weights are always evaluated.
        due = every and (made % every == 0 or last)
        if due or last or made % self._every == 0:
            self.look()
        event = Updated(made, annealing, losses)
        self._observer(event)
        if due and self.completed == made:
            self._evaluate(event)

    def _lost(self) -> frozenset[int]:
        """Return the networks that have diverged, counted from 0 in this ensemble."""
        return frozenset(lost.network - self.simulation.first_network for lost in self.diverged)

    def _of_alive(self, performance: Iterable[float]) -> tuple[float, ...]:
        """Return a performance of each network, 0 for those that have diverged."""
        lost = self._lost()
        return tuple(0.0 if k in lost else p for k, p in enumerate(performance))

    def _evaluate(self, update: Updated) -> None:
        diverged = self._lost()
        evaluation = evaluate_simulation(
            self.simulation, self.training.evaluate_batch, self.completed, diverged
        )
        trim = self.training.stop.trim if self.training.stop else 0.0
        mean = trimmed_mean(evaluation.performance, trim)
        self.latest = LatestEvaluation(
            iteration=self.completed,
            performance=evaluation.performance,
            phases=dict(evaluation.phases),
            trimmed_mean=mean,
        )

        def of_trained(values: Iterable[float]) -> tuple[float, ...]:
            return tuple(math.nan if k in diverged else value for k, value in enumerate(values))

        self._observer(
            Evaluated(
                self.completed,
                update.annealing,
                of_trained(update.loss),
                of_trained(self.updater.gradient_norms.tolist()),
                of_trained(self.updater.weight_norms.tolist()),
                evaluation,
                mean,
                phase_means(evaluation.phases, self.training.stop),
                self.diverged,
            )
        )

    def _end(self, interruption: Interruption) -> Ending | None:
        """Return why training ends, None if it continues.  The criterion takes precedence over a signal."""
        stop, last = self.training.stop, self.latest
        fresh = last is not None and last.iteration == self.completed
        if self.for_criterion and stop and last and fresh and _is_reached(stop, last):
            return "reached"
        if self.completed >= self.iterations:
            return "finished"
        status = interruption.status
        if status is not None:
            self.look()
        return "diverged" if self.over else status


def _is_reached(stop: Stop, last: LatestEvaluation) -> bool:
    return is_reached(stop, last.trimmed_mean, phase_means(last.phases, stop))
