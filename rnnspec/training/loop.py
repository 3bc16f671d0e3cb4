"""The training loop: update, evaluate, stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from rnnspec.analysis.evaluation import evaluate_simulation, trimmed_mean
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


def iterate(updater: Updater, completed: int) -> tuple[AnnealingStage, tuple[float, ...], list[Divergence]]:
    """Make one iteration after `completed` others: simulate new trials and update the networks.

    Returns the stage of the annealing, the loss of each network before the update, and the networks that
    diverged in it.
    """
    simulation = updater.simulation
    training, annealing = simulation.program.training, stage_at(simulation.program, completed)
    outcome = simulation(training.batch, purpose="train", iteration=completed, stage=annealing.stage)
    lost = updater.update(outcome.loss, completed + 1)
    return annealing, tuple(outcome.loss.detach().double().tolist()), lost


class Loop:
    """Trains a simulation in place.

    completed: updates made.  latest: the latest evaluation, None before the first.  iterations: updates after
    which training ends at the latest.  for_criterion: whether it ends earlier, at the criterion.
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
        self._observer = observer
        if start is not None:
            self.updater.restore(start.tensors, start.diverged)
            self.completed, self.latest = start.completed, start.evaluation

    @property
    def performance(self) -> tuple[float, ...]:
        """The performance of each network in the latest evaluation; 0 if it has diverged, empty before."""
        if self.latest is None:
            return ()
        alive = self.updater.alive.tolist()
        return tuple(p if ok else 0.0 for p, ok in zip(self.latest.performance, alive, strict=True))

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
        return TrainingState(self.completed, self.updater.state(), self.latest, tuple(self.updater.diverged))

    def _advance(self) -> None:
        """Make one iteration, and evaluate if an evaluation is due."""
        annealing, loss, lost = iterate(self.updater, self.completed)
        self.completed += 1
        if lost:
            self._observer(Diverged(tuple(lost)))
        self._observer(Updated(self.completed, annealing, loss))
        every = self.training.evaluate_every
        # The last weights are always evaluated.
        if every and (self.completed % every == 0 or self.completed == self.iterations):
            self._evaluate(annealing, loss)

    def _evaluate(self, annealing: AnnealingStage, loss: tuple[float, ...]) -> None:
        diverged = (~self.updater.alive).nonzero().flatten().tolist()
        evaluation = evaluate_simulation(
            self.simulation, self.training.evaluate_batch, self.completed, frozenset(diverged)
        )
        trim = self.training.stop.trim if self.training.stop else 0.0
        mean = trimmed_mean(evaluation.performance, trim)
        self.latest = LatestEvaluation(
            iteration=self.completed, performance=evaluation.performance, trimmed_mean=mean
        )

        def of_trained(values: Iterable[float]) -> tuple[float, ...]:
            return tuple(math.nan if k in diverged else value for k, value in enumerate(values))

        self._observer(
            Evaluated(
                self.completed,
                annealing,
                of_trained(loss),
                of_trained(self.updater.gradient_norms.tolist()),
                of_trained(self.updater.weight_norms.tolist()),
                evaluation,
                mean,
                tuple(self.updater.diverged),
            )
        )

    def _end(self, interruption: Interruption) -> Ending | None:
        """Return why training ends, None if it continues.  The criterion takes precedence over a signal."""
        stop, last = self.training.stop, self.latest
        fresh = last is not None and last.iteration == self.completed
        if self.for_criterion and stop and last and fresh and last.trimmed_mean >= stop.performance:
            return "reached"
        if self.completed >= self.iterations:
            return "finished"
        if not bool(self.updater.alive.any()):
            return "diverged"
        return interruption.status
