"""Train the networks of a spec and keep the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import torch

from rnnspec.analysis.gradients import diagnose_gradients, keep_diagnosis
from rnnspec.check.examine import Specification, specification_of
from rnnspec.errors import RequestError
from rnnspec.runs.checkpoint import Checkpoint
from rnnspec.runs.layout import resume_command
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.device import check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target
from rnnspec.training.events import Evaluated, Event, Kept, Observer, Started, Status, Stopping, Warned
from rnnspec.training.interruption import STOPPING, Interruption, Stopped, listening
from rnnspec.training.loop import Loop
from rnnspec.training.result import Result
from rnnspec.training.run import CheckpointInterval, Run, create_run


def train(
    spec: Specification | Path | str,
    *,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str] = (),
    out: Path | str | None = "runs",
    target: Target | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    only_network: int | None = None,
    checkpoint_seconds: float | None = 60.0,
    checkpoint_iterations: int | None = None,
    stop_on: Iterable[str] = STOPPING,
    diagnose_at: Iterable[int] = (),
    observer: Observer | None = None,
) -> Result:
    """Train all networks of a spec side by side and return what came of it.

    spec: a specification, or the path of one, with the overlays and settings of `rnnspec.load`.
    out: the folder in which the run gets a folder of its own; None keeps nothing.
    only_network: train network k of the ensemble alone; its weights, trials and noise are the same.
    checkpoint_seconds, checkpoint_iterations: write one when so much has gone by since the last; None: never
    for that.
    stop_on: the signals that end it.
    diagnose_at: the iterations, counted from 1, in which to look at how gradients fade through time.
    observer: is called with every event (`rnnspec.training.events`).  If it meets an OSError, because the
    terminal or pipe it writes to has gone, it is called no more, and the training goes on.

    Ctrl-C or SIGTERM ends the training after the iteration at hand, and what has been trained is saved;
    `resume` goes on from there.  Before there is a run, it raises KeyboardInterrupt.
    """
    specification = specification_of(spec, overlays, settings)
    require_loss(specification)
    interval = checkpoint_interval(checkpoint_seconds, checkpoint_iterations)
    looked_at = sorted({whole_number("diagnose_at", number, 1) for number in diagnose_at})
    with listening(stop_on) as interruption:
        simulation = _ensemble(specification, only_network, target, check_device(device), dtype)
        interruption.begin()
        run = None
        if out is not None:
            run = create_run(specification, simulation, Path(out), interval, looked_at)
            interruption.on_give_up = run.lock.release
            interruption.remedy = f"Resume it with: {resume_command(run.folder)}"
        try:
            return run_training(simulation, run, interruption, observer)
        finally:
            if run:
                run.lock.release()


def checkpoint_interval(seconds: float | None, iterations: int | None) -> CheckpointInterval:
    """Return when checkpoints are written.  Raises ValueError for what is no such time."""
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"checkpoint_seconds takes seconds, or None for never, not {seconds!r}.")
    if iterations is not None:
        whole_number("checkpoint_iterations", iterations, 1)
    return CheckpointInterval(seconds, iterations)


def run_training(
    simulation: Simulation,
    run: Run | None,
    interruption: Interruption,
    observer: Observer | None,
    *,
    start: Checkpoint | None = None,
    iterations: int | None = None,
    for_criterion: bool = True,
    history: tuple[float, ...] = (),
) -> Result:
    """Train a simulation from where it stands, keep what comes of it, and tell the observer.

    start, iterations, for_criterion: as of a `Loop`.  history: the trimmed means of the evaluations before.
    """

    def observe(event: Event) -> None:
        nonlocal observer
        if run and isinstance(event, Evaluated):
            run.record(event)
        if observer:
            try:
                observer(event)
            except OSError:
                # Nobody watches any more; that must not cost the training.
                observer = None

    def diagnose(loop: Loop) -> None:
        if not run or loop.completed + 1 not in run.diagnose_at:
            return
        try:
            with interruption.impatient():
                found = diagnose_gradients(simulation, loop.completed + 1)
                trouble = keep_diagnosis(run.folder, found)
        except Stopped:
            return
        except Exception as error:
            # Whatever it is, training needs nothing of it.
            trouble = f"The gradients of iteration {loop.completed + 1:,} could not be looked at: {error}."
        if trouble:
            observe(Warned(trouble))

    def keep(loop: Loop) -> None:
        if run and run.keep(loop):
            observe(Kept(loop.completed))

    loop = Loop(simulation, observe, iterations=iterations, for_criterion=for_criterion, start=start)
    told = interruption.on_request
    interruption.on_request = lambda status: observe(Stopping(status))
    folder = run.folder if run else None
    observe(Started(simulation, folder, loop.iterations, loop.completed, history))
    try:
        status = loop.run(interruption, diagnose, keep)
        result = _result(loop, status, interruption, run)
        if run:
            run.finish(result, loop)
        return result
    except OSError as error:
        # The run folder could not be written.  A line of metrics must not cost the networks.
        if run:
            error.add_note(_rescue(_result(loop, "failed", interruption, run), loop, run))
        raise
    except BaseException as error:
        if run:
            # The first error is the one to hear of, even if the disk refuses this note as well.
            with contextlib.suppress(OSError):
                run.give_up("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            error.add_note(interruption.remedy)
        raise
    finally:
        interruption.on_request = told


def require_loss(specification: Specification) -> None:
    """Refuse a spec whose loss no weight can change."""
    program = specification.program
    if not program.training.penalties and not any(epoch.targets for epoch in program.timeline.epochs):
        raise RequestError(
            f"'{program.name}' has nothing to train: no epoch has a target.",
            "Give an epoch a 'target', or all of them one in the task.",
        )


def _ensemble(
    specification: Specification,
    only_network: int | None,
    target: Target | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Simulation:
    networks = specification.program.training.networks
    if only_network is not None and whole_number("only_network", only_network, 0) >= networks:
        raise RequestError(
            f"There is no network {only_network}.", f"The spec has networks 0 to {networks - 1}."
        )
    return Simulation(
        specification.program,
        networks=networks if only_network is None else 1,
        first_network=only_network or 0,
        target=target,
        dtype=dtype,
        device=device,
    )


def _result(loop: Loop, status: Status, interruption: Interruption, run: Run | None) -> Result:
    return Result(
        simulation=loop.simulation,
        status=status,
        iterations=loop.completed,
        evaluated=loop.latest.completed if loop.latest else None,
        performance=loop.performance,
        diverged=tuple(loop.updater.diverged),
        folder=run.folder if run else None,
        signal=interruption.signal if status in ("interrupted", "terminated") else None,
        for_criterion=loop.for_criterion,
    )


def _rescue(result: Result, loop: Loop, run: Run) -> str:
    """Save the networks of a training whose folder could not be written, and say what came of that."""
    saved = f"The networks are saved as they were after iteration {result.iterations:,}, in {run.folder}."
    try:
        run.finish(result, loop)
    except OSError:
        try:
            # There may be room for them, which is less than a checkpoint takes.
            run.save(result)
        except OSError as error:
            with contextlib.suppress(OSError):
                run.give_up("failed")
            saved = f"The networks could not be saved: {error.filename}: {error.strerror}."
    return f"{saved}\n  Resume it with: {resume_command(run.folder)}"
