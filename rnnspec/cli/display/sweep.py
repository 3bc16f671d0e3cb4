"""What `rnnspec sweep` shows: progress, the state of all units, and how it ended."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Collection, Iterator

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rnnspec.cli.console import count, note
from rnnspec.cli.display.charts import score, span
from rnnspec.sweeps.board import STATES, Board, Place, UnitState
from rnnspec.sweeps.left import Forecast
from rnnspec.sweeps.order import Message, Outcome, Progress, Remark

#: Seconds between two reckonings of the time that is left.
FORECAST = 10.0
#: Seconds between two lines of the plain display that tell nothing but progress.
INTERVAL = 60.0
#: Units of each state that are listed.
_LISTED = 12
_WORDS: dict[UnitState, str] = {"elsewhere": "trained by other processes", "waiting": "left"}


class LiveSweep:
    """A table on the terminal that is redrawn in place.  capacity: units at a time."""

    def __init__(self, board: Board, capacity: int) -> None:
        self.board = board
        self.left = _Left(board, capacity)
        self.stopping = False
        console = Console(file=sys.stderr, highlight=False)
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=2)
        self._live.start()

    def __call__(self, message: Message) -> None:
        self.left.take(message)
        if isinstance(message, Remark):
            self._live.console.print(Text(f"{message.unit}: {message.text}"))

    def stop(self) -> None:
        self.stopping = True

    def close(self) -> None:
        self._live.stop()

    def render(self) -> RenderableType:
        board, counts = self.board, self.board.counts()
        head = Table.grid(padding=(0, 2))
        total = len(board.places)
        bar = ProgressBar(total, counts["done"], width=30)
        head.add_row(Text(f"{board.sweep.name}: {describe_counts(board)}", "bold"), bar, self.left.text)
        parts: list[RenderableType] = [head]
        running = [place for place in board.places.values() if place.state == "running"]
        if running:
            parts.append(units_table(running))
        parts += [Text(line, "red", overflow="fold") for line in failures(board)]
        if self.stopping:
            parts.append(Text(STOPPING, "yellow"))
        return Group(*parts)


STOPPING = "Stopping: the units are being saved. Press Ctrl-C to stop at once."


class PlainSweep:
    """Lines, for files and pipes: one for each unit that ends, and one each minute.

    capacity: units at a time.
    """

    def __init__(self, board: Board, capacity: int) -> None:
        self.board = board
        self.left = _Left(board, capacity)
        self._due = time.monotonic() + INTERVAL
        note(f"{board.sweep.name}: {describe_counts(board)} -> {board.folder}")

    def __call__(self, message: Message) -> None:
        self.left.take(message)
        match message:
            case Remark():
                note(f"{message.unit}: {message.text}")
            case Outcome():
                place = self.board.places[message.unit]
                note(f"{describe_outcome(place, message)}  ({describe_counts(self.board)})")
            case Progress() if time.monotonic() >= self._due:
                running = [place for place in self.board.places.values() if place.state == "running"]
                for place in running[:_LISTED]:
                    note(f"  {place.unit.name}: iteration {_iteration(place)}, performance {_score(place)}")
                if self.left.text:
                    note(f"  {self.left.text}")
                self._due = time.monotonic() + INTERVAL

    def stop(self) -> None:
        note(STOPPING)

    def close(self) -> None:
        pass


class _Left:
    """How long the rest takes, in words.  It is reckoned seldom: each time takes some milliseconds."""

    def __init__(self, board: Board, capacity: int) -> None:
        self._forecast = Forecast(board, capacity)
        self._due = time.monotonic() + FORECAST
        self.text = ""

    def take(self, message: Message) -> None:
        self._forecast.take(message)
        if time.monotonic() < self._due:
            return
        left = self._forecast.left()
        self.text = "" if left is None else f"{'at most ' if left.at_most else ''}{span(left.seconds)} left"
        self._due = time.monotonic() + FORECAST


def describe_counts(board: Board) -> str:
    """Return `12 of 360 units done, 2 running, 346 left`."""
    counts = board.counts()
    diverged = sum(p.run.state == "diverged" for p in board.places.values() if p.run)
    of_them = f" ({diverged:,} diverged)" if diverged else ""
    parts = [f"{counts['done']:,} of {count(len(board.places), 'unit')} done{of_them}"]
    parts += [f"{counts[state]:,} {_WORDS.get(state, state)}" for state in STATES[1:] if counts[state]]
    return ", ".join(parts)


def describe_outcome(place: Place, outcome: Outcome) -> str:
    """Return in one line how a unit has ended."""
    name = place.unit.name
    match outcome.state:
        case "over":
            how = place.run.state if place.run else "done"
            words = {"reached": "reached its criterion", "diverged": "diverged"}.get(how, "finished")
            return f"{name}: {words} after iteration {place.completed:,}, performance {_score(place)}"
        case "stopped":
            return f"{name}: saved after iteration {place.completed:,}"
        case "elsewhere":
            return f"{name}: {outcome.reason} trains it"
    again = "" if place.state == "failed" else " It is tried again."
    return f"{name}: {_first_line(outcome.reason)}{again}"


def failures(board: Board) -> Iterator[str]:
    """Yield a line for each unit that has failed: why."""
    failed = [place for place in board.places.values() if place.state == "failed"]
    for place in failed[:_LISTED]:
        yield f"failed: {place.unit.name}: {_first_line(place.reason)}"
    if len(failed) > _LISTED:
        yield f"and {len(failed) - _LISTED:,} more that failed"


def units_table(places: list[Place]) -> Table:
    """Return units that are begun, a line each."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("unit", overflow="fold")
    table.add_column("iteration", justify="right", no_wrap=True)
    table.add_column("performance", justify="right", no_wrap=True)
    for place in places[:_LISTED]:
        table.add_row(Text(place.unit.name), _iteration(place), _score(place))
    if len(places) > _LISTED:
        table.add_row(f"and {len(places) - _LISTED:,} more", "", "")
    return table


def print_status(board: Board, known: Collection[str]) -> None:
    """Print the state of a sweep to stdout.  known: the names of all units of its document."""
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    head = f"{board.sweep.name}: {describe_counts(board)} -> {board.folder}"
    console.print(Text(head, "bold"), soft_wrap=True)
    if not board.folder.is_dir():
        console.print(f"There is no folder {board.folder}: nothing has begun there.", soft_wrap=True)
    begun = [p for p in board.places.values() if p.run is not None and p.state != "done"]
    if begun:
        console.print(units_table(begun))
    for line in failures(board):
        console.print(Text(line, "red"), soft_wrap=True)
    if strangers := [name for name in board.strangers() if name not in known]:
        console.print(
            f"{count(len(strangers), 'run folder')} of other units, such as {strangers[0]}: of another "
            "--set, or of an earlier state of the sweep and its specs.",
            soft_wrap=True,
        )


def status_json(board: Board) -> dict[str, object]:
    """Return the state of a sweep as values for JSON."""
    counts = board.counts()
    return {
        "sweep": board.sweep.name,
        "folder": str(board.folder),
        "counts": {state: counts[state] for state in STATES},
        "units": [
            {
                "unit": place.unit.name,
                "state": place.state,
                "iteration": place.completed,
                "iterations": place.iterations,
                "performance": place.performance if math.isfinite(place.performance) else None,
                "reason": place.reason or None,
            }
            for place in board.places.values()
        ],
    }


def _iteration(place: Place) -> str:
    if place.state == "running" and not place.completed and math.isnan(place.performance):
        return "starting"
    return f"{place.completed:,} of {place.iterations:,}"


def _score(place: Place) -> str:
    return score(place.performance) if math.isfinite(place.performance) else "not measured"


def _first_line(reason: str) -> str:
    """Return the line that says most: of a traceback the last, else the first."""
    lines = reason.strip().split("\n")
    return f"bug in rnnspec: {lines[-1]}" if lines[0].startswith("Traceback") else lines[0]
