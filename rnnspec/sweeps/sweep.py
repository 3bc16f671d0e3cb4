"""Sweeps from Python: train all units, and read what they came to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rnnspec.check.examine import items
from rnnspec.runs.lock import require_locks
from rnnspec.runtime.arguments import choice, whole_number
from rnnspec.runtime.targets import TARGETS, Target
from rnnspec.sweeps.board import Board
from rnnspec.sweeps.controller import Controller
from rnnspec.sweeps.order import Message, Options
from rnnspec.sweeps.plan import choose, load_sweep
from rnnspec.sweeps.pool import LocalPool, division
from rnnspec.sweeps.results import SweepResults
from rnnspec.training.interruption import STOPPING, listening

if TYPE_CHECKING:
    import torch


def sweep(
    path: Path | str,
    *,
    settings: Iterable[str] = (),
    only: Iterable[str] = (),
    out: Path | str = "runs",
    workers: int | None = None,
    target: Target | None = None,
    device: str = "auto",
    dtype: torch.dtype | str = "float32",
    checkpoint_seconds: float | None = 60.0,
    allow_drift: bool = False,
    stop_on: Iterable[str] = STOPPING,
    observer: Callable[[Message], None] | None = None,
) -> SweepResults:
    """Train all units of a sweep that are not done, and return the results of all.

    path: of the document.  settings: `key=value`, for all units.  only: which units, `axis=value,value`.
    out: the folder in which the folder of the sweep is made.  workers: units at a time; default: one for each
    processor.  checkpoint_seconds, allow_drift: as for `train` and `resume`.
    stop_on: names of the signals that stop the sweep.
    observer: is called with every message of a unit (`rnnspec.sweeps.order`).

    Units are trained in processes of their own.  One that fails is tried once more; then its row has the
    problem.  Ctrl-C or SIGTERM saves the units that are being trained and returns; the same call goes on.
    Raises SpecError if a unit has errors, before any is trained; RequestError if `only` fits no unit; and
    KeyboardInterrupt for a second Ctrl-C.
    """
    require_locks()
    if workers is not None:
        whole_number("workers", workers, 1)
    if target is not None:
        choice("target", target, TARGETS)
    number = choice("dtype", str(dtype).removeprefix("torch."), ("float32", "float64"))
    signals = tuple(stop_on)
    board = _board(path, settings, only, out)
    left = len(board.places) - board.counts()["done"]
    capacity, threads = division(workers, left)
    options = Options(target, device, number, threads, checkpoint_seconds, allow_drift)
    board.folder.mkdir(parents=True, exist_ok=True)
    with listening(signals) as interruption:
        interruption.begin()
        Controller(board, LocalPool(capacity), options, observer or (lambda message: None)).run(interruption)
    return SweepResults(board)


def sweep_results(
    path: Path | str, *, settings: Iterable[str] = (), only: Iterable[str] = (), out: Path | str = "runs"
) -> SweepResults:
    """Return the results of a sweep as its folder shows them now; trains nothing.

    The arguments are those of `sweep`, and choose the same units.
    """
    return SweepResults(_board(path, settings, only, out))


def _board(path: Path | str, settings: Iterable[str], only: Iterable[str], out: Path | str) -> Board:
    plan = load_sweep(path, map(str, items("settings", settings)))
    plan = choose(plan, map(str, items("only", only)))
    return Board(plan, Path(out) / plan.name)
