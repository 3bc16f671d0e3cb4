"""`rnnspec simulate`: record what the networks of a run do."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnspec.cli.options import Device, RunFolder, TargetName, one_of, open_stored


def command(
    run: RunFolder,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE.npz", help="The file to write.", show_default=False),
    ],
    sequences: Annotated[
        int, typer.Option("--sequences", metavar="B", min=1, help="Sequences to simulate.")
    ] = 8,
    dynamics: Annotated[
        str,
        typer.Option(
            "--dynamics",
            metavar="true|stage",
            help="The true dynamics, or those of the last iteration, with its skips and coarsening.",
        ),
    ] = "true",
    target: TargetName = None,
    device: Device = "cpu",
) -> None:
    """Record what the networks of a run do.

    Simulates fresh trials and stores activity, inputs, outputs and the variables of the trials. The file is
    a NumPy archive that needs no pickle. The names of the axes of an array X are its array X.axes;
    `unit`, `input`, `output` and `epoch` name what stands along those axes. Where all networks share a
    value, the axis `network` has length 1; what lies behind the end of a sequence is nan.

    \b
    Example:
      rnnspec simulate runs/go-1a2b3c4d --sequences 8 -o activity.npz
    and, in Python,
      data = numpy.load("activity.npz"); data["activity"], data["activity.axes"]
    """
    from rnnspec.analysis.simulate import DYNAMICS, simulate
    from rnnspec.files import check_output

    file = check_output(output, ".npz")
    how = one_of("--dynamics", dynamics, DYNAMICS)
    stored = open_stored(run, target, device)
    recording = simulate(stored, sequences, dynamics=how, folder=file.parent)
    recording.save(file)
    print(output)
    for name, array in recording.items():
        axes = ", ".join(f"{axis} {size}" for axis, size in zip(array.axes, array.values.shape, strict=True))
        print(f"  {name:<20} {axes}")
