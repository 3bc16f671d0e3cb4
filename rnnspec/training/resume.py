"""Resuming a training, and extending one: to the same bits as if it had never stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rnnspec.runs.layout import resume_command
from rnnspec.runs.lock import lock_run
from rnnspec.runs.manifest import read_manifest
from rnnspec.runs.writer import CheckpointInterval, checkpoint_interval
from rnnspec.runtime.arguments import whole_number
from rnnspec.training.events import Observer
from rnnspec.training.interruption import STOPPING, listening
from rnnspec.training.result import Result
from rnnspec.training.resumption import Resumption
from rnnspec.training.session import Session


def resume(
    run: Path | str,
    *,
    allow_drift: bool = False,
    break_lock: bool = False,
    device: str | None = None,
    checkpoint_seconds: float | None = 60.0,
    checkpoint_iterations: int | None = None,
    stop_on: Iterable[str] = STOPPING,
    observer: Observer | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Result:
    """Resume the training of a run folder from its last checkpoint and return the result.

    allow_drift: resume even if the spec, the package, the machine or the kernel has changed, so that the
    result will differ; the manifest records it.  break_lock: take the lock from a process on another machine
    that no longer runs.  device: that of the run if not given.  on_note: is called with each remark, one
    line.  The rest is as for `train`.  Raises RequestError if the run cannot be resumed to the same bits.
    """
    interval = checkpoint_interval(checkpoint_seconds, checkpoint_iterations)
    options = _Options(allow_drift, break_lock, device, interval, tuple(stop_on), observer, on_note)
    return _resume(Path(run), None, options)


def extend(
    run: Path | str,
    iterations: int,
    *,
    allow_drift: bool = False,
    break_lock: bool = False,
    device: str | None = None,
    checkpoint_seconds: float | None = 60.0,
    checkpoint_iterations: int | None = None,
    stop_on: Iterable[str] = STOPPING,
    observer: Observer | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Result:
    """Train a finished run for more iterations, in its folder, and return the result.

    iterations: how many more.  A criterion that was reached before is ignored; the schedule of the skips
    stays as the spec says.  The networks in the folder are overwritten.  The rest is as for `resume`.
    Raises RequestError if the run is not finished.
    """
    whole_number("iterations", iterations, 1)
    interval = checkpoint_interval(checkpoint_seconds, checkpoint_iterations)
    options = _Options(allow_drift, break_lock, device, interval, tuple(stop_on), observer, on_note)
    return _resume(Path(run), iterations, options)


@dataclass(frozen=True)
class _Options:
    """The options that `resume` and `extend` share."""

    allow_drift: bool
    break_lock: bool
    device: str | None
    interval: CheckpointInterval
    stop_on: tuple[str, ...]
    observer: Observer | None
    on_note: Callable[[str], None] | None


def _resume(folder: Path, extension: int | None, options: _Options) -> Result:
    """Resume a run; extension: iterations beyond those that it has made, None to finish as planned."""
    say = options.on_note or (lambda line: None)
    read_manifest(folder)
    with listening(options.stop_on) as interruption:
        lock = lock_run(folder, break_lock=options.break_lock)
        try:
            # Read again: from now on no other process writes it.
            resumption = Resumption(folder, read_manifest(folder), options.allow_drift, options.device)
            interruption.on_give_up = lock.release
            interruption.remedy = f"Resume it with: {resume_command(folder)}"
            if lock.died:
                say(f"The lock of {lock.died} was still there; that process has ended.")
            for line in resumption.prepare(extension):
                say(line)
            interruption.begin()
            run = resumption.reopen(lock, options.interval)
            session = Session(
                resumption.simulation,
                run,
                interruption,
                options.observer,
                start=resumption.start.state if resumption.start else None,
                iterations=run.manifest.iterations,
                for_criterion=run.manifest.for_criterion,
            )
            return session.train(resumption.history)
        finally:
            lock.release()
