"""`rnnspec simulate`: record the activity of the networks of a run."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnspec.cli.options import (
    AtIteration,
    ChangeSet,
    ChangeWith,
    ConditionGrid,
    Device,
    RunFolder,
    TargetName,
    TrialSeed,
    one_of,
    open_stored,
)


def command(
    run: RunFolder,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE.npz", help="The file to write.", show_default=False),
    ],
    sequences: Annotated[
        int | None,
        typer.Option(
            "--sequences",
            metavar="B",
            min=1,
            help="Number of sequences; default: 8, or with --conditions the next multiple of their number.",
            show_default=False,
        ),
    ] = None,
    dynamics: Annotated[
        str,
        typer.Option(
            "--dynamics",
            metavar="true|stage",
            help="true: without skips and coarsening; stage: with those of the last iteration.",
        ),
    ] = "true",
    overlays: ChangeWith = None,
    changes: ChangeSet = None,
    conditions: ConditionGrid = None,
    trial_seed: TrialSeed = None,
    iteration: AtIteration = None,
    target: TargetName = None,
    device: Device = "auto",
) -> None:
    """Record the activity of the networks of a run.

    Simulates new trials and writes activity, inputs, outputs, what is taught (targets, weights of time points
    in the loss, correct) and the variables of the trials to a NumPy archive (no pickle). The array X.axes
    holds the names of the axes of the array X; `unit`, `input`, `output` and `epoch` name the entries along
    those axes. Values that all networks share have a `network` axis of length 1. After the end of a sequence,
    values are NaN.

    --with and --set change the spec, as for 'rnnspec evaluate'; the array `changes` says what was changed,
    and `condition` is the number of the condition of each sequence.

    \b
    Example:
      rnnspec simulate runs/go-1a2b3c4d --sequences 8 -o activity.npz
      rnnspec simulate runs/go-1a2b3c4d --conditions "direction=[0, pi]" -o x.npz
    and, in Python,
      data = numpy.load("activity.npz"); data["activity"], data["activity.axes"]
    """
    from rnnspec.analysis.simulate import DYNAMICS, simulate
    from rnnspec.files import check_output

    file = check_output(output, ".npz")
    how = one_of("--dynamics", dynamics, DYNAMICS)
    stored = open_stored(run, target, device, overlays, changes, conditions, trial_seed, iteration)
    recording = simulate(stored, sequences, dynamics=how, folder=file.parent)
    recording.save(file)
    print(output)
    for change in stored.changes:
        print(f"  changed: {change}")
    width = max(20, *map(len, recording))
    for name, array in recording.items():
        axes = ", ".join(f"{axis} {size}" for axis, size in zip(array.axes, array.values.shape, strict=True))
        print(f"  {name:<{width}} {axes}")
