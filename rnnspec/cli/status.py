"""`rnnspec status`: how do the runs stand?"""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from rnnspec.cli.console import is_terminal
from rnnspec.cli.options import Json

if TYPE_CHECKING:
    from rich.table import Table

    from rnnspec.runs.status import RunStatus

#: Seconds between looks with --watch.
EVERY = 2.0


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUNS]...",
            help="Run folders, or folders of runs; 'runs' if not given.",
            show_default=False,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")
    ] = False,
    json: Json = False,
) -> None:
    """Show how runs stand, those that are training too.

    A run is running, has reached its criterion, finished all its iterations, diverged (no network is left),
    was stopped by a signal, failed, or was cut off (its process has died): 'rnnspec resume RUN' continues
    the last three. 'unseen' is a run whose process, on another machine, cannot be seen from here.
    Iterations are those that have been evaluated or saved in a checkpoint.

    \b
    Example:
      rnnspec status runs --watch
    """
    from rnnspec.files import to_json
    from rnnspec.runs.status import run_statuses

    if watch and json:
        raise typer.BadParameter("It shows a table; --json is printed once.", param_hint="'--watch'")
    paths = runs or ["runs"]
    found = run_statuses(paths)
    if json:
        print(to_json({"runs": [_row(status) for status in found]}, indent=2))
        return
    if not watch:
        _print(found)
        return
    if not is_terminal(sys.stdout):
        raise typer.BadParameter("Only a terminal can be watched; leave it out.", param_hint="'--watch'")
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(table(found, console.width), console=console, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(EVERY)
                live.update(table(run_statuses(paths), console.width), refresh=True)
        except KeyboardInterrupt:
            # How one leaves.
            return


def table(found: list[RunStatus], width: int) -> Table:
    """Return runs as a table of so many columns.

    The name of a run is what one needs to go on with it, so it stays whole; the time gives way to it, then
    the performance, then the iteration.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    headings = ("run", "iteration", "performance", "time", "state")
    rows = [_cells(status) for status in found]
    sizes = [max(len(cells[n]) for cells in (headings, *rows)) + 3 for n in range(len(headings))]
    left_out: list[int] = []
    for number in (3, 2, 1):
        if sum(size for n, size in enumerate(sizes) if n not in left_out) >= width:
            left_out.append(number)
    # Where even that is too narrow, the name goes on in the next line.
    narrow = sizes[0] + len("running") + 3 > width
    for number, heading in enumerate(headings):
        if number not in left_out:
            right, whole = 0 < number < 4, 0 < number < 4 or (number == 0 and not narrow)
            made.add_column(heading, justify="right" if right else "left", no_wrap=whole, overflow="fold")
    for status, row in zip(found, rows, strict=True):
        said = Text(row[-1], _COLOURS.get(status.state, ""))
        # As Text: a name in brackets is no markup.
        made.add_row(*(Text(cell) for n, cell in enumerate(row[:-1]) if n not in left_out), said)
    return made


_COLOURS = {"running": "green", "cut off": "yellow", "failed": "red", "diverged": "red", "damaged": "red"}


def _print(found: list[RunStatus]) -> None:
    from rich.console import Console

    # As wide as it needs to be where nobody's window ends.
    longest = max(len(str(status.folder)) for status in found)
    console = Console(width=None if sys.stdout.isatty() else 200 + longest, highlight=False)
    console.print(table(found, console.width))


def _cells(status: RunStatus) -> tuple[str, ...]:
    from rnnspec.cli.display.charts import score, span

    unread = {
        "damaged": "damaged: its manifest cannot be read",
        "foreign": "made by another version of rnnspec",
    }
    if status.state in unread:
        return str(status.folder), "", "", "", unread[status.state]
    return (
        str(status.folder),
        f"{status.completed:,} of {status.iterations:,}",
        score(status.performance),
        span(status.seconds),
        _said(status),
    )


def _said(status: RunStatus) -> str:
    """Return the state in words, with who trains it, and with the networks that are lost."""
    said = {"reached": "reached its criterion", "unseen": f"unseen: {status.holder}"}.get(
        status.state, status.state
    )
    if status.diverged and status.state != "diverged":
        said += f"; {status.diverged} of {status.networks} diverged"
    return said


def _row(status: RunStatus) -> dict[str, object]:
    holder = status.holder
    return {
        "run": str(status.folder),
        "name": status.name,
        "methods": list(status.methods),
        "settings": list(status.settings),
        "state": status.state,
        "iteration": status.completed,
        "iterations": status.iterations,
        "performance": None if math.isnan(status.performance) else status.performance,
        "seconds": status.seconds,
        "networks": status.networks,
        "diverged": status.diverged,
        "process": holder and holder.process,
        "host": holder and holder.host,
    }
