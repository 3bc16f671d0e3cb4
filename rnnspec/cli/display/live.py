"""Progress on a terminal: a table that is redrawn in place."""

from __future__ import annotations

import math
import sys

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rnnspec.analysis.criterion import trimmed_count
from rnnspec.cli.display.charts import UNSCORED, bars, histogram, rate, score, span
from rnnspec.cli.display.phases import describe_criterion, describe_phases
from rnnspec.cli.display.progress import STOPPING_NOTICE, Progress, five_numbers
from rnnspec.training.events import Event

_LABEL = 13
#: Columns of the charts, where there is room for them.
_BINS, _HISTORY = 25, 40


class LiveDisplay:
    """Shows iteration, speed, loss, performance, stage and diverged networks during a training."""

    def __init__(self, title: str) -> None:
        self.progress = Progress(title)
        console = Console(file=sys.stderr, highlight=False)
        self._console, self._encoding = console, console.encoding
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4)
        self._live.start()

    def __call__(self, event: Event) -> None:
        self.progress.follow(event)

    def close(self) -> None:
        """Draw the table a last time, and leave it on the terminal."""
        self._live.stop()

    def render(self) -> RenderableType:
        progress = self.progress
        table = Table.grid(padding=(0, 2))
        table.add_column(style="dim", width=_LABEL, no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row("iteration", self._bar())
        table.add_row("speed", self._speed())
        table.add_row("loss", self._loss())
        for label, row in self._performance():
            table.add_row(label, row)
        if progress.stage:
            table.add_row("stage", progress.stage)
        if progress.diverged:
            names = ", ".join(str(lost.network) for lost in progress.diverged[:12])
            more = ", ..." if len(progress.diverged) > 12 else ""
            table.add_row("diverged", Text(f"{len(progress.diverged)}: network {names}{more}", "red"))
        outer = Table.grid()
        outer.add_row(Text(progress.title + progress.place, "bold", overflow="fold"))
        outer.add_row(table)
        for warning in dict.fromkeys(progress.warnings):
            outer.add_row(Text(warning, "yellow", overflow="fold"))
        if progress.stopping and not progress.finished:
            outer.add_row(Text(STOPPING_NOTICE, "yellow"))
        return outer

    def _bar(self) -> RenderableType:
        progress = self.progress
        row = Table.grid(padding=(0, 2))
        share = progress.completed / progress.iterations if progress.iterations else 0.0
        row.add_row(
            f"{progress.completed:,} of {progress.iterations:,}",
            ProgressBar(progress.iterations or 1, progress.completed, width=30),
            f"{math.floor(100 * share)} %",
        )
        return row

    def _speed(self) -> str:
        progress = self.progress
        if not progress.speed:
            return "not measured yet"
        if progress.finished:
            return rate(progress.speed)
        return f"{rate(progress.speed)}, at most {span(progress.seconds_left)} left"

    def _loss(self) -> str:
        low, _, _, _, high = five_numbers(self.progress.loss)
        if not math.isfinite(low):
            return "not measured yet"
        return f"{self.progress.mean_loss:.4g}  (networks {low:.4g} to {high:.4g})"

    def _performance(self) -> list[tuple[str, RenderableType]]:
        progress, last = self.progress, self.progress.evaluated
        if progress.program is not None and not progress.scored:
            return [("performance", UNSCORED)]
        if last is None or progress.program is None:
            every = progress.program.training.evaluate_every if progress.program else 0
            return [("performance", f"first measured after iteration {every:,}" if every else "not measured")]
        performance = last.evaluation.performance
        stop = progress.program.training.stop
        kind = " (trimmed mean)" if stop and trimmed_count(len(performance), stop.trim) else ""
        mean = f"{score(last.trimmed_mean)}{kind} after iteration {last.completed:,}"
        if stop:
            mean += f"; training stops at {describe_criterion(stop)}"
        low, first, median, third, high = (score(value) for value in five_numbers(performance))
        rows: list[tuple[str, RenderableType]] = [("performance", mean)]
        if phases := describe_phases(last.phase_means, last.trimmed_mean):
            lowest = progress.held_back_by
            rows.append(("  phases", phases + (f"; held back by {lowest}" if lowest else "")))
        if len(performance) > 1:
            bins = min(_BINS, self._room(len("0 || 1")))
            rows.append(("  networks", f"0 |{histogram(performance, bins, self._encoding)}| 1"))
            rows.append(("", f"lowest {low}, quartiles {first} {median} {third}, highest {high}"))
        most = min(_HISTORY, self._room())
        rows.append(("  history", bars(_thinned(progress.history, most), 1.0, self._encoding)))
        return rows

    def _room(self, taken: int = 0) -> int:
        """Return how many columns are free beside the labels.  taken: columns that other text needs."""
        return max(self._console.width - _LABEL - 4 - taken, 1)


def _thinned(values: list[float], most: int) -> list[float]:
    """Return at most `most` of the values, evenly spaced, with the last one."""
    if len(values) <= most:
        return values
    return [values[(i + 1) * len(values) // most - 1] for i in range(most)]
