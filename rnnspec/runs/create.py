"""Making a run folder, and taking one back to a checkpoint."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from rnnspec.check.examine import Specification
from rnnspec.errors import RequestError
from rnnspec.files import replace_file, sync_folder
from rnnspec.runs.checkpoint import Checkpoint, discard_after, save_checkpoint
from rnnspec.runs.circumstances import circumstances
from rnnspec.runs.gradients import discard_gradients_after
from rnnspec.runs.identity import identity
from rnnspec.runs.layout import (
    CHECKPOINTS,
    GRADIENTS,
    INITIAL,
    MANIFEST,
    METRICS,
    PICTURE,
    SPEC,
    TIMING,
    WEIGHTS,
)
from rnnspec.runs.lock import RunLock, lock_run
from rnnspec.runs.manifest import Manifest, Origin, write_manifest
from rnnspec.runs.regular import append_line, cut_torn_line, refuse_link, truncate_file
from rnnspec.runs.timing import TimingRow, now
from rnnspec.runs.writer import CheckpointInterval, RunWriter
from rnnspec.runtime.simulation import Simulation

#: Bytes that must be free on the disk beside those of the networks, before training begins.
_MARGIN = 2**20


def create_run(
    specification: Specification,
    simulation: Simulation,
    out: Path,
    interval: CheckpointInterval,
    diagnose_at: Sequence[int] = (),
    origin: tuple[Origin, bytes] | None = None,
) -> RunWriter:
    """Make a new run folder below `out` and write what is known before training.

    origin: the networks from which training begins, and the file of their weights and masks.
    It is called NAME-METHODS-IDENTITY, with a number behind it if there is one already: no run is ever
    overwritten.
    """
    begins, initial = origin or (None, b"")
    hexadecimal = identity(specification.text, None if begins is None else begins.words)
    program = simulation.program
    words = [re.sub(r"[^A-Za-z0-9_.+]+", "_", method)[:64] for method in specification.methods]
    # A part of an ensemble has the identity of the whole.
    if simulation.networks != program.training.networks:
        words.append(f"network_{simulation.first_network}")
    out.mkdir(parents=True, exist_ok=True)
    _check_room(out, simulation)
    folder = _new_folder(out, "-".join([program.name, *words, hexadecimal[:8]]))
    try:
        lock = lock_run(folder)
        if begins is not None:
            replace_file(folder / INITIAL, initial)
        run = _begin(folder, specification, simulation, lock, interval, diagnose_at, begins)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    sync_folder(out)
    return run


def claim_run(
    specification: Specification,
    simulation: Simulation,
    folder: Path,
    interval: CheckpointInterval,
    *,
    break_lock: bool = False,
) -> RunWriter | None:
    """Make a run of this very folder; None if it is one already.

    What a process left there that was killed before it had made a run is written again.  break_lock: take
    the lock from a process on another machine.  Raises RunInUseError if another process makes it at this
    moment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _check_room(folder, simulation)
    lock = lock_run(folder, break_lock=break_lock)
    run = None
    try:
        if not (folder / MANIFEST).exists():
            discard_after(folder, 0)
            run = _begin(folder, specification, simulation, lock, interval)
    finally:
        if run is None:
            lock.release()
    sync_folder(folder.parent)
    return run


def _begin(
    folder: Path,
    specification: Specification,
    simulation: Simulation,
    lock: RunLock,
    interval: CheckpointInterval,
    diagnose_at: Sequence[int] = (),
    origin: Origin | None = None,
) -> RunWriter:
    """Write what is known before training."""
    manifest = Manifest(
        name=simulation.program.name,
        methods=specification.methods,
        settings=specification.settings,
        identity=identity(specification.text, None if origin is None else origin.words),
        seed=simulation.seed,
        networks=simulation.networks,
        first_network=simulation.first_network,
        origin=origin,
        iterations=simulation.program.training.iterations,
        diagnose_at=tuple(diagnose_at),
        status="running",
        **dict(circumstances(simulation)),
    )
    replace_file(folder / SPEC, specification.text.encode())
    truncate_file(folder / METRICS, 0)
    truncate_file(folder / TIMING, 0)
    append_line(folder / TIMING, TimingRow(started=now()).to_json())
    # Last: a folder with a manifest is a run.
    write_manifest(folder, manifest)
    return RunWriter(folder, manifest, lock, interval)


def reopen_run(
    folder: Path,
    manifest: Manifest,
    lock: RunLock,
    interval: CheckpointInterval,
    start: Checkpoint | None,
    *,
    renewed: bool = False,
) -> RunWriter:
    """Take a run folder back to a checkpoint, or to its beginning, so that training can be resumed.

    renewed: the checkpoint is not the one on the disk, and has to be written.
    """
    completed = start.completed if start else 0
    manifest = manifest.model_copy(update={"status": "running"})
    # First, so that the run is not taken for a finished one, whatever happens next.  Its weights and their
    # result stay until there are others.
    write_manifest(folder, manifest)
    truncate_file(folder / METRICS, start.metrics.bytes if start else 0)
    discard_after(folder, completed)
    if start is not None and renewed:
        save_checkpoint(folder, start)
    discard_gradients_after(folder, completed)
    for name in (MANIFEST, WEIGHTS, GRADIENTS, PICTURE):
        # Temporary files of writes that were cut off.
        for rest in folder.glob(f".{name}.*"):
            rest.unlink(missing_ok=True)
    run = RunWriter(folder, manifest, lock, interval, start)
    with contextlib.suppress(OSError, RequestError):
        cut_torn_line(folder / TIMING)
    run.note_time(TimingRow(resumed=now(), iteration=completed))
    return run


def refuse_links(folder: Path) -> None:
    """Refuse to write into a run folder in which a file or folder is a symbolic link to another place."""
    for name in (METRICS, TIMING, GRADIENTS, CHECKPOINTS):
        refuse_link(folder / name)


def _new_folder(out: Path, name: str) -> Path:
    number = 1
    while True:
        folder = out / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _check_room(out: Path, simulation: Simulation) -> None:
    """Raise before hours of training what would be raised after them."""
    # Twice: of weights with a sign, the file also holds the raw ones.  A checkpoint has the raw weights, and
    # up to three numbers of the optimiser for each; three checkpoints exist while one is written.
    weights, masks = (
        sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        for tensors in (simulation.parameters(), simulation.buffers())
    )
    # Once more for the weights that training may begin from.
    needed = (2 + 2 + 3 * 4) * weights + (2 + 3) * masks + _MARGIN
    free = shutil.disk_usage(out).free
    if free < needed:
        raise RequestError(
            f"{out} has room for {free / 1e6:,.1f} MB, and the networks and their checkpoints need "
            f"{needed / 1e6:,.1f} MB.",
            "Make room, choose a folder elsewhere, or train fewer networks.",
        )
