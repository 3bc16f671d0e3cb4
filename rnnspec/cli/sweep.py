"""`rnnspec sweep`: train all units of a sweep."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rnnspec.cli.console import note, show_diagnostics
from rnnspec.cli.options import Device, Set, TargetName, target_of
from rnnspec.runs.lock import require_locks
from rnnspec.training.interruption import EXIT_CODES, listening


def command(
    sweep: Annotated[str, typer.Argument(metavar="SWEEP", help="The sweep, a YAML file.", show_default=False)],
    settings: Set = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="AXIS=VALUES",
            help="Only these units, such as method=SCTT40,DASC40 or spec=go or seed=0. May be repeated.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", metavar="RUNS", help="Make the folder of the sweep in this folder.")
    ] = "runs",
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Units at a time; default: as many as processors."),
    ] = None,
    target: TargetName = None,
    device: Device = "auto",
) -> None:
    """Train all units of a sweep."""
    require_locks()
    from rnnspec.sweeps.board import Board
    from rnnspec.sweeps.controller import Controller
    from rnnspec.sweeps.order import Message, Options
    from rnnspec.sweeps.plan import choose, load_sweep
    from rnnspec.sweeps.pool import LocalPool, processors

    with listening() as interruption:
        interruption.patient = True
        plan = choose(load_sweep(sweep, settings or ()), only or ())
        show_diagnostics(plan.warnings, sys.stderr)
        folder = Path(out) / plan.name
        folder.mkdir(parents=True, exist_ok=True)
        board = Board(plan, folder)
        capacity = workers or processors()
        options = Options(target=target_of(target), device=device, threads=max(1, processors() // capacity))

        def show(message: Message) -> None:
            print(message, dict(board.counts()), flush=True)

        Controller(board, LocalPool(capacity), options, show).run(interruption)
        print(dict(board.counts()))
        if interruption.status is not None:
            note("Stopped.")
            raise typer.Exit(EXIT_CODES[interruption.status])
