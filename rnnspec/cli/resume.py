"""`rnnspec resume`: continue a training that was interrupted."""

from __future__ import annotations

from rnnspec.cli.console import note
from rnnspec.cli.options import (
    AllowDrift,
    BreakLock,
    CheckpointIterations,
    CheckpointSeconds,
    Json,
    OwnDevice,
    OwnThreads,
    Quiet,
    RunFolder,
    StopOn,
    stop_signal_names,
)
from rnnspec.cli.supervise import stored_training, supervise


def command(
    run: RunFolder,
    device: OwnDevice = None,
    threads: OwnThreads = None,
    allow_drift: AllowDrift = False,
    break_lock: BreakLock = False,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    checkpoint_iterations: CheckpointIterations = None,
    stop_on: StopOn = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Resume a training that was stopped, failed or was killed.

    It continues from the last checkpoint of the run folder, with the options it was begun with. The result
    has the same bits as if the training had never been interrupted. If something has changed that would
    change them, such as the version of torch, nothing is done and the change is named.

    \b
    Example:
      rnnspec resume runs/delayed_go-dasc40-1a2b3c4d
    """
    signals = stop_signal_names(stop_on)
    with stored_training(run, signals, threads) as title:
        from rnnspec.training.resume import resume

        supervise(
            title,
            lambda observer: resume(
                run,
                allow_drift=allow_drift,
                break_lock=break_lock,
                device=device,
                checkpoint_seconds=checkpoint_seconds,
                checkpoint_iterations=checkpoint_iterations,
                stop_on=signals,
                observer=observer,
                on_note=note,
            ),
            quiet=quiet,
            json=json,
        )
