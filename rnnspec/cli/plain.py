"""Progress as plain lines, for files and pipes."""

from __future__ import annotations

import math
import os
import time

from rnnspec.cli.charts import rate, score, span
from rnnspec.cli.console import note
from rnnspec.cli.progress import Progress, five_numbers
from rnnspec.training.events import Diverged, Event, Finished, Started, Stopping, Updated, Warned

#: Seconds between lines: a training of a night leaves a log that can still be read.
INTERVAL = 10.0


class PlainDisplay:
    """Prints a line at the start, then every few seconds, and whenever a network diverges."""

    def __init__(self, title: str) -> None:
        self.progress = Progress(title)
        self._due = 0.0

    def __call__(self, event: Event) -> None:
        self.progress.follow(event)
        match event:
            case Started():
                begun = f", from iteration {event.completed:,}" if event.completed else ""
                note(self.progress.title + self.progress.place + begun)
                self._due = time.monotonic() + 1.0
            case Diverged(networks=networks):
                for lost in networks:
                    note(f"network {lost.network} diverged in iteration {lost.iteration:,}: {lost.cause}")
            case Warned(text=text) if self.progress.warnings.count(text) == 1:
                note(text)
            case Updated() if time.monotonic() >= self._due:
                self._line()
            case Finished():
                self._line()
            case Stopping():
                # A signal may have come in the middle of a print, and those do not nest.
                os.write(2, b"Stopping after this iteration; Ctrl-C now stops at once.\n")

    def close(self) -> None:
        pass

    def _line(self) -> None:
        progress = self.progress
        parts = [f"iteration {progress.completed:,}/{progress.iterations:,}"]
        if math.isfinite(progress.mean_loss):
            parts.append(f"loss {progress.mean_loss:.4g}")
        if progress.scored and progress.evaluated:
            low, _, median, _, high = five_numbers(progress.evaluated.evaluation.performance)
            spread = f" ({score(low)} to {score(high)}, median {score(median)})"
            parts.append(f"performance {score(progress.evaluated.trimmed_mean)}{spread}")
        parts.append(progress.stage)
        if not progress.finished and progress.speed:
            parts += [rate(progress.speed), f"at most {span(progress.seconds_left)} left"]
        note("  ".join(part for part in parts if part))
        # How long it takes is asked first.
        self._due = time.monotonic() + (INTERVAL if progress.speed else 1.0)
