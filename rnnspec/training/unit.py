"""Training in a run folder that is known beforehand: begun once, and gone on with until it is finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from rnnspec.check.examine import Specification
from rnnspec.errors import RequestError
from rnnspec.runs.create import claim_run
from rnnspec.runs.layout import MANIFEST
from rnnspec.runs.lock import RunInUseError, holder
from rnnspec.runs.manifest import OVER, read_manifest
from rnnspec.runs.status import run_status
from rnnspec.runs.writer import checkpoint_interval
from rnnspec.runtime.arguments import choice
from rnnspec.runtime.device import DTYPES, check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import RECORDS, TARGETS, Target
from rnnspec.training.events import Observer
from rnnspec.training.interruption import listening
from rnnspec.training.resume import resume
from rnnspec.training.session import train_new
from rnnspec.training.train import require_loss


def train_unit(
    specification: Specification,
    folder: Path,
    *,
    target: Target | None = None,
    device: str = "auto",
    dtype: str = "float32",
    threads: int = 1,
    checkpoint_seconds: float | None = 60.0,
    allow_drift: bool = False,
    break_lock: bool = False,
    observer: Observer | None = None,
    on_note: Callable[[str], None] | None = None,
) -> None:
    """Train a spec in a folder of its own until it is finished; do nothing if it is.

    threads: of the processor.  The rest is as for `train` and `resume`.  A signal to stop saves the training
    and returns; the status of the run says so.  Raises RunInUseError if another process trains it, or may
    train it on another machine, RequestError if it cannot be trained or resumed.
    """
    with listening() as interruption:
        torch.set_num_threads(threads)
        if not (folder / MANIFEST).exists():
            claimed = holder(folder)
            if claimed is not None and claimed.alive is None and not break_lock:
                raise RunInUseError(folder, claimed)
            require_loss(specification)
            simulation = Simulation(
                specification.program,
                networks=specification.program.training.networks,
                target=target,
                dtype=DTYPES[dtype],
                device=check_device(device, target),
            )
            interruption.begin()
            interval = checkpoint_interval(checkpoint_seconds, None)
            run = claim_run(specification, simulation, folder, interval, break_lock=break_lock)
            if run is not None:
                train_new(simulation, run, interruption, observer)
                return
        status = run_status(folder)
        if status.state in OVER:
            return
        if status.state == "damaged":
            raise RequestError(
                status.problem,
                f"Restore it from a copy. Or delete the folder {folder}, to train the unit anew.",
            )
        if status.state == "foreign":
            read_manifest(folder)
        locked = status.state == "running" or (status.state == "unseen" and not break_lock)
        if locked and status.holder is not None:
            raise RunInUseError(folder, status.holder)
        if (target or status.target, dtype) != (status.target, status.dtype):
            raise RequestError(
                f"{folder} was begun with target {status.target} and {status.dtype}.",
                f"Go on with: --target {status.target} --dtype {status.dtype}. Or give the sweep another "
                "folder with --out.",
            )
        if "threads" in RECORDS[choice("target", status.target, TARGETS)].bits_depend_on:
            torch.set_num_threads(read_manifest(folder).threads)
        resume(
            folder,
            allow_drift=allow_drift,
            break_lock=break_lock,
            checkpoint_seconds=checkpoint_seconds,
            observer=observer,
            on_note=on_note,
        )
