"""`rnnspec status`: list runs with their state."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rnnspec.cli.console import is_terminal
from rnnspec.cli.options import Json

if TYPE_CHECKING:
    from rnnspec.runs.status import RunStatus

#: Seconds between looks with --watch.
EVERY = 2.0


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUNS]...",
            help="Run folders, or folders of runs; default: 'runs'.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Update the table every two seconds, until Ctrl-C.")
    ] = False,
    json: Json = False,
) -> None:
    """List runs with their state, also while they train.

    \b
    running               a process is training it
    reached its criterion, finished
                          the training is complete
    diverged              no network is left
    stopped, failed, cut off
                          ended by a signal, by an error, or by the death of
                          its process; 'rnnspec resume RUN' continues it
    unseen                its process is on another machine, out of sight

    Settings, overlays, the run from which training began, and values that were edited in the spec are shown
    where they differ between the runs. Iterations are those that have been
    evaluated or saved in a checkpoint.

    \b
    Example:
      rnnspec status runs --watch
    """
    from rnnspec.files import to_json
    from rnnspec.runs.status import run_statuses

    if watch and json:
        raise typer.BadParameter("--watch shows a table; --json is printed once.", param_hint="'--watch'")
    paths = runs or ["runs"]
    found = run_statuses(paths)
    if json:
        print(to_json({"runs": [_row(status) for status in found]}, indent=2))
        return
    if not watch:
        _print(found)
        return
    if not is_terminal(sys.stdout):
        raise typer.BadParameter("--watch needs a terminal.", param_hint="'--watch'")
    from rich.console import Console
    from rich.live import Live

    from rnnspec.cli.display.status_table import status_table

    console = Console(highlight=False)
    with Live(status_table(found, console.width), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(EVERY)
                live.update(status_table(run_statuses(paths), console.width), refresh=True)
        except KeyboardInterrupt:
            # Ctrl-C is how to leave.
            return


def _print(found: list[RunStatus]) -> None:
    from rich.console import Console

    from rnnspec.cli.display.status_table import status_table

    # A file or a pipe takes lines of any width.
    longest = max(len(str(status.folder)) for status in found)
    console = Console(width=None if sys.stdout.isatty() else 200 + longest, highlight=False)
    console.print(status_table(found, console.width))


def _row(status: RunStatus) -> dict[str, object]:
    from rnnspec.files import finite

    holder = status.holder
    return {
        "run": str(status.folder),
        "name": status.name,
        "methods": list(status.methods),
        "settings": list(status.settings),
        "identity": status.identity or None,
        "from": status.origin
        and {
            "run": status.origin.run,
            "identity": status.origin.identity,
            "networks": list(status.origin.networks),
        },
        "first_network": status.first_network,
        "target": status.target,
        "device": status.device,
        "dtype": status.dtype,
        "state": status.state,
        "iteration": status.completed,
        "iterations": status.iterations,
        "performance": finite(status.performance),
        "phases": {phase: finite(value) for phase, value in status.phases.items()},
        "seconds": status.seconds,
        "networks": status.networks,
        "diverged": status.diverged,
        "process": holder and holder.process,
        "host": holder and holder.host,
        "problem": status.problem or None,
    }
