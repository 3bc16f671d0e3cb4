"""What the commands that train share: they listen to signals, show progress, and report the result."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rnnspec.cli.console import is_terminal, note
from rnnspec.cli.failures import explain, stopped
from rnnspec.training.interruption import EXIT_CODES, Interruption, StopStatus, listening, tell

if TYPE_CHECKING:
    from rnnspec.cli.display.live import LiveDisplay
    from rnnspec.cli.display.plain import PlainDisplay
    from rnnspec.training.events import Event, Observer
    from rnnspec.training.result import Result


def supervise(title: str, train: Callable[[Observer], Result], *, quiet: bool, json: bool) -> None:
    """Run a training, show its progress, print its result, and raise typer.Exit with its exit code.

    train: trains with a given observer and returns the result.  quiet: show no progress.
    """
    from rnnspec.cli.display.training_report import exit_code, print_result

    display = _Display(title, quiet)
    try:
        result = train(display)
    finally:
        display.close()
    code = exit_code(result)
    try:
        print_result(title, result, as_json=json)
        sys.stdout.flush()
    except OSError as error:
        note(f"The training has ended, and its run is in {result.folder}.")
        failed = explain(error)
        # The exit code of the training takes precedence over that of a failed print.
        code = code or failed
    raise typer.Exit(code)


def training_title(name: str, methods: Sequence[str]) -> str:
    """Return what a training is called: `go with dasc40`."""
    return name + (f" with {' + '.join(methods)}" if methods else "")


@contextlib.contextmanager
def leave_at_once(interruption: Interruption) -> Iterator[None]:
    """End the process at the first signal, because there is nothing to save yet.

    An exception would not do: imports and pydantic catch exceptions and continue.
    """

    def leave(status: StopStatus) -> None:
        assert interruption.signal is not None
        tell(f"rnnspec: {stopped(interruption.signal)}\n")
        os._exit(EXIT_CODES[status])

    before, interruption.on_request = interruption.on_request, leave
    try:
        yield
    finally:
        interruption.on_request = before


@contextlib.contextmanager
def stored_training(run: str, stop_on: Iterable[str], threads: int | None) -> Iterator[str]:
    """Prepare to train the networks of a run folder further; yields the title of the training."""
    from rnnspec.runs.lock import require_locks
    from rnnspec.runs.manifest import read_manifest

    require_locks()
    with listening(stop_on) as interruption:
        manifest = read_manifest(Path(run))
        with leave_at_once(interruption):
            import torch

            import rnnspec.training.resume  # noqa: F401
        # As many threads as before: with some targets the last bits depend on the number.
        torch.set_num_threads(threads or manifest.threads)
        yield training_title(manifest.name, manifest.methods)


class _Display:
    """Shows the events of a training as a live picture on a terminal, as plain lines elsewhere."""

    def __init__(self, title: str, quiet: bool) -> None:
        self._title, self._quiet = title, quiet
        self._display: LiveDisplay | PlainDisplay | None = None

    def __call__(self, event: Event) -> None:
        from rnnspec.training.events import Started

        if isinstance(event, Started):
            if event.simulation.note:
                note(event.simulation.note)
            # Opened only now: the live picture would be drawn over earlier remarks.
            self._display = None if self._quiet else _open_display(self._title)
        if self._display:
            self._display(event)

    def close(self) -> None:
        if self._display:
            # The terminal may have been closed during the training.
            with contextlib.suppress(OSError):
                self._display.close()


def _open_display(title: str) -> LiveDisplay | PlainDisplay:
    if is_terminal(sys.stderr):
        from rnnspec.cli.display.live import LiveDisplay

        return LiveDisplay(title)
    from rnnspec.cli.display.plain import PlainDisplay

    return PlainDisplay(title)
