"""One training from start to end: what happens before, during and after its loop."""

from __future__ import annotations

import contextlib

from rnnspec.analysis.gradients import diagnose_gradients, save_diagnosis
from rnnspec.runs.checkpoint import TrainingState
from rnnspec.runs.layout import resume_command
from rnnspec.runs.manifest import Ending
from rnnspec.runs.weights import weights_to_bytes
from rnnspec.runs.writer import RunWriter
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.events import Checkpointed, Evaluated, Event, Observer, Started, Stopping, Warned
from rnnspec.training.interruption import Interruption, Stopped
from rnnspec.training.loop import Loop
from rnnspec.training.metrics import metrics_row
from rnnspec.training.result import Result


class Session:
    """A training in this process: its loop, its run folder, its observer and the signals that stop it.

    run: the folder that it writes, None for none.  start, iterations, for_criterion: as of a `Loop`.
    """

    def __init__(
        self,
        simulation: Simulation,
        run: RunWriter | None,
        interruption: Interruption,
        observer: Observer | None,
        *,
        start: TrainingState | None = None,
        iterations: int | None = None,
        for_criterion: bool = True,
    ) -> None:
        self.run = run
        self.interruption = interruption
        self.loop = Loop(
            simulation, self.tell, iterations=iterations, for_criterion=for_criterion, start=start
        )
        self._observer = observer

    def train(self, history: tuple[float, ...] = ()) -> Result:
        """Train to the end and save the networks.

        history: the trimmed means of the evaluations before.  If the run folder cannot be written, saves
        what it can and raises OSError; a note on the error says what was saved.
        """
        before = self.interruption.on_request
        self.interruption.on_request = lambda status: self.tell(Stopping(status))
        folder = self.run.folder if self.run else None
        try:
            self.tell(
                Started(self.loop.simulation, folder, self.loop.iterations, self.loop.completed, history)
            )
            result = self._result(self.loop.run(self.interruption, self._diagnose, self._checkpoint))
            if self.run:
                self._save(self.run, result)
            return result
        except OSError as error:
            if self.run:
                error.add_note(self._rescue(self.run))
            raise
        except BaseException as error:
            if self.run:
                self._give_up(self.run, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
                error.add_note(self.interruption.remedy)
            raise
        finally:
            self.interruption.on_request = before

    def tell(self, event: Event) -> None:
        """Write an evaluation to the metrics, and pass any event to the observer."""
        if self.run and isinstance(event, Evaluated):
            self.run.record(metrics_row(self.loop.simulation.program, event))
        if self._observer:
            try:
                self._observer(event)
            except OSError:
                # The terminal or pipe has gone; the training continues without an observer.
                self._observer = None

    def _diagnose(self, loop: Loop) -> None:
        """Measure the gradients through time if this is asked for in the next iteration."""
        iteration = loop.completed + 1
        if not self.run or iteration not in self.run.diagnose_at:
            return
        loop.look()
        if loop.over:
            return
        try:
            with self.interruption.impatient():
                found = diagnose_gradients(loop.simulation, iteration)
                trouble = save_diagnosis(self.run.folder, found)
        except Stopped:
            return
        except Exception as error:
            # The training does not depend on a diagnosis, so no error of one may end it.
            trouble = f"The gradients of iteration {iteration:,} could not be measured: {error}."
        if trouble:
            self.tell(Warned(trouble))

    def _checkpoint(self, loop: Loop) -> None:
        """Write a checkpoint if one is due."""
        if self.run and self.run.is_due(loop.completed):
            self.run.checkpoint(loop.state())
            self.tell(Checkpointed(loop.completed))

    def _result(self, status: Ending) -> Result:
        loop = self.loop
        loop.look()
        return Result(
            simulation=loop.simulation,
            status=status,
            iterations=loop.completed,
            evaluated=loop.latest.iteration if loop.latest else None,
            performance=loop.performance,
            phases=loop.phases,
            diverged=loop.diverged,
            folder=self.run.folder if self.run else None,
            signal=self.interruption.signal if status in ("interrupted", "terminated") else None,
            for_criterion=loop.for_criterion,
        )

    def _save(self, run: RunWriter, result: Result) -> None:
        """Write a last checkpoint, and save the weights."""
        if run.complete and run.checkpointed != self.loop.completed:
            run.checkpoint(self.loop.state())
        run.save(weights_to_bytes(result.simulation), result.summary())

    def _rescue(self, run: RunWriter) -> str:
        """Save the networks after a failed write, if possible; return what became of them."""
        result = self._result("failed")
        saved = f"The networks are saved as they were after iteration {result.iterations:,}, in {run.folder}."
        try:
            self._save(run, result)
        except OSError:
            try:
                # The weights take less room than a checkpoint.
                run.save(weights_to_bytes(result.simulation), result.summary())
            except OSError as error:
                self._give_up(run, "failed")
                saved = f"The networks could not be saved: {error.filename}: {error.strerror}."
        return f"{saved}\n  Resume it with: {resume_command(run.folder)}"

    def _give_up(self, run: RunWriter, status: Ending) -> None:
        """Note in the manifest that the training ended without weights, if the disk permits."""
        with contextlib.suppress(OSError):
            run.give_up(status)


def train_new(
    simulation: Simulation, run: RunWriter | None, interruption: Interruption, observer: Observer | None
) -> Result:
    """Train a new ensemble; run: its folder, None for none."""
    session = Session(simulation, run, interruption, observer)
    if run is None:
        return session.train()
    interruption.on_give_up = run.lock.release
    interruption.remedy = f"Resume it with: {resume_command(run.folder)}"
    try:
        return session.train()
    finally:
        run.lock.release()
