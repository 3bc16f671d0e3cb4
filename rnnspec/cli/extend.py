"""`rnnspec extend`: train the networks of a finished run further."""

from __future__ import annotations

from typing import Annotated

import typer

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
    iterations: Annotated[
        int,
        typer.Argument(metavar="ITERATIONS", min=1, help="How many iterations to add.", show_default=False),
    ],
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
    """Train the networks of a finished run for more iterations.

    The networks in the run folder are overwritten: copy the folder to keep them. The skips stay as they are
    at the end of their schedule. A performance at which the training stopped before is ignored. To continue
    a training that is not finished, use 'rnnspec resume'.

    \b
    Example:
      rnnspec extend runs/delayed_go-dasc40-1a2b3c4d 5000
    """
    signals = stop_signal_names(stop_on)
    with stored_training(run, signals, threads) as title:
        from rnnspec.training.resume import extend

        supervise(
            title,
            lambda observer: extend(
                run,
                iterations,
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
