"""`rnnspec train`: train the networks of a spec."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rnnspec.cli.console import is_terminal, note, show_diagnostics
from rnnspec.cli.options import Device, Json, Set, SpecFile, TargetName, Threads, With, one_of, target_of

if TYPE_CHECKING:
    from rnnspec.cli.live import LiveDisplay
    from rnnspec.cli.plain import PlainDisplay


def command(
    spec: SpecFile,
    overlays: With = None,
    settings: Set = None,
    out: Annotated[
        str, typer.Option("--out", metavar="RUNS", help="The folder in which the run gets its own.")
    ] = "runs",
    device: Device = "cpu",
    target: TargetName = None,
    dtype: Annotated[str, typer.Option("--dtype", metavar="TYPE", help="float32 or float64.")] = "float32",
    threads: Threads = None,
    only_network: Annotated[
        int | None,
        typer.Option(
            "--only-network", metavar="K", min=0, help="Train network K (from 0) of the ensemble alone."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Json = False,
) -> None:
    """Train the networks of a spec.

    All are trained side by side, and the run is kept in a folder of its own, never over another. Progress
    goes to stderr, the result to stdout. Ctrl-C stops after the iteration at hand and saves what has
    been trained; a second Ctrl-C stops at once and saves nothing. A network that diverges is left
    behind and reported; the others go on untouched (exit code 4).

    \b
    Example:
      rnnspec train specs/delayed_go.yaml --with dasc40 --set training.networks=10
    """
    from rnnspec.check.examine import load

    # Before torch is imported, which takes seconds: most mistakes are in the spec.
    specification = load(spec, overlays or (), settings or ())
    show_diagnostics(specification.warnings, sys.stderr)

    import torch

    from rnnspec.cli.outcome import exit_code, print_result
    from rnnspec.runtime.device import DTYPES
    from rnnspec.training.events import Event, Started
    from rnnspec.training.train import train

    chosen = target_of(target)
    number = DTYPES[one_of("--dtype", dtype, tuple(DTYPES))]
    if threads is not None:
        torch.set_num_threads(threads)
    if chosen == "torchscript":
        note("TorchScript is deprecated by torch itself; the target may go with a coming version of it.")
    methods = " + ".join(specification.methods)
    title = specification.program.name + (f" with {methods}" if methods else "")
    display = None if quiet else _display(title)

    def observe(event: Event) -> None:
        if isinstance(event, Started) and event.simulation.note:
            note(event.simulation.note)
        if display:
            display(event)

    try:
        result = train(
            specification,
            out=out,
            target=chosen,
            device=device,
            dtype=number,
            only_network=only_network,
            observer=observe,
        )
    finally:
        if display:
            # The terminal may have gone while the training went on.
            with contextlib.suppress(OSError):
                display.close()
    try:
        print_result(title, result, as_json=json)
        sys.stdout.flush()
    except OSError:
        note(f"The training is over, and its run is in {result.folder}.")
        raise
    raise typer.Exit(exit_code(result))


def _display(title: str) -> LiveDisplay | PlainDisplay:
    if is_terminal(sys.stderr):
        from rnnspec.cli.live import LiveDisplay

        return LiveDisplay(title)
    from rnnspec.cli.plain import PlainDisplay

    return PlainDisplay(title)
