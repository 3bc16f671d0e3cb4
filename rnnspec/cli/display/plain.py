"""Progress in plain lines, for files and pipes."""

from __future__ import annotations

import math
import time

from rnnspec.cli.console import note
from rnnspec.cli.display.charts import rate, score, span
from rnnspec.cli.display.phases import describe_phases
from rnnspec.cli.display.progress import STOPPING_NOTICE, Progress, five_numbers
from rnnspec.training.events import Diverged, Event, Finished, Started, Stopping, Updated, Warned
from rnnspec.training.interruption import tell

#: Seconds between lines, so that the log of a long training stays readable.
INTERVAL = 10.0


class _UnreadError(Exception):
    """A signal came while a print was waiting for a reader."""


class PlainDisplay:
    """Prints a line at the start, then every few seconds, and when a network diverges."""

    def __init__(self, title: str) -> None:
        self.progress = Progress(title)
        self._due = 0.0
        self._saying = self._mute = False

    def __call__(self, event: Event) -> None:
        self.progress.follow(event)
        match event:
            case Started():
                begun = f", resumed after iteration {event.completed:,}" if event.completed else ""
                self._say(self.progress.title + self.progress.place + begun)
                self._due = time.monotonic() + 1.0
            case Diverged(networks=networks):
                for lost in networks:
                    when = f"iteration {lost.iteration:,}"
                    self._say(f"network {lost.network} diverged in {when}: {lost.cause}")
            case Warned(text=text) if self.progress.warnings.count(text) == 1:
                self._say(text)
            case Updated() if time.monotonic() >= self._due:
                self._line()
            case Finished():
                self._line()
            case Stopping():
                # Not printed: a signal may come in the middle of a print, and prints do not nest.
                if not tell(f"{STOPPING_NOTICE}\n"):
                    self._mute = True
                    if self._saying:
                        # Leave the print that waits for a reader, so that the training can be saved.
                        raise _UnreadError

    def close(self) -> None:
        pass

    def _say(self, text: str) -> None:
        try:
            self._saying = True
            if not self._mute:
                note(text)
            self._saying = False
        except _UnreadError:
            self._saying = False

    def _line(self) -> None:
        progress = self.progress
        parts = [f"iteration {progress.completed:,}/{progress.iterations:,}"]
        if math.isfinite(progress.mean_loss):
            parts.append(f"loss {progress.mean_loss:.4g}")
        if progress.scored and progress.evaluated:
            low, _, median, _, high = five_numbers(progress.evaluated.evaluation.performance)
            spread = f" (networks {score(low)} to {score(high)}, median {score(median)})"
            mean = progress.evaluated.trimmed_mean
            parts.append(f"performance {score(mean)}{spread}")
            parts.append(describe_phases(progress.evaluated.phase_means, mean))
            parts.append(f"held back by {progress.held_back_by}" if progress.held_back_by else "")
        parts.append(progress.stage)
        if not progress.finished and progress.speed:
            parts += [rate(progress.speed), f"at most {span(progress.seconds_left)} left"]
        self._say("  ".join(part for part in parts if part))
        # Until the speed is known, a line each second.
        self._due = time.monotonic() + (INTERVAL if progress.speed else 1.0)
