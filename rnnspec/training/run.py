"""Writing a run folder."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rnnspec.analysis.gradients import GRADIENTS, PICTURE, forget_diagnoses
from rnnspec.check.examine import Specification
from rnnspec.errors import RequestError
from rnnspec.files import (
    append_line,
    cut_torn_line,
    finite,
    finite_list,
    sha256,
    sync_file,
    sync_folder,
    to_json,
    write_file,
)
from rnnspec.program.nodes import Program
from rnnspec.runs.checkpoint import Checkpoint, discard_after, save_checkpoint
from rnnspec.runs.circumstances import circumstances
from rnnspec.runs.identity import identity
from rnnspec.runs.layout import FORMAT, MANIFEST, METRICS, SPEC, TIMING, WEIGHTS
from rnnspec.runs.lock import RunLock, lock_run
from rnnspec.runs.weights import weights_to_bytes
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.events import Evaluated
from rnnspec.training.loop import Loop
from rnnspec.training.result import Result, divergence_row

#: Bytes asked of the disk beside those of the networks, before training begins.
_MARGIN = 2**20


@dataclass(frozen=True)
class CheckpointInterval:
    """When a checkpoint is due: so many seconds, or iterations, after the last; None for never."""

    seconds: float | None = 60.0
    iterations: int | None = None


def checkpoint_interval(seconds: float | None, iterations: int | None) -> CheckpointInterval:
    """Return when checkpoints are written.  Raises ValueError for a negative time or no iterations."""
    if seconds is not None and not seconds >= 0:
        raise ValueError(f"checkpoint_seconds takes seconds, or None for never, not {seconds!r}.")
    if iterations is not None:
        whole_number("checkpoint_iterations", iterations, 1)
    return CheckpointInterval(seconds, iterations)


class Run:
    """A run folder that is being written, by this process alone.

    start: the checkpoint from which it goes on; None for a new one.
    """

    def __init__(
        self,
        folder: Path,
        program: Program,
        manifest: dict[str, object],
        lock: RunLock,
        interval: CheckpointInterval,
        start: Checkpoint | None = None,
    ) -> None:
        self.folder = folder
        self.program = program
        self.manifest = manifest
        self.lock = lock
        self.kept = start.completed if start else 0
        self._interval = interval
        self._last = time.monotonic()
        self._begun = self._last - (start.seconds if start else 0.0)
        #: Whether the metrics have all that they should: a checkpoint without would not be exact.
        self._whole = True
        self._bytes = 0
        self._hash = hashlib.sha256()
        if start is not None:
            self._bytes = start.metrics[0]
            self._hash.update((folder / METRICS).read_bytes())

    @property
    def diagnose_at(self) -> Sequence[int]:
        """The iterations, counted from 1, in which gradients are looked at."""
        found = self.manifest.get("diagnose_at", ())
        return found if isinstance(found, list) else ()

    @property
    def seconds(self) -> float:
        """The seconds that it has been trained."""
        return round(time.monotonic() - self._begun, 3)

    def record(self, event: Evaluated) -> None:
        """Add one evaluation to the metrics, and its time to the times."""
        line = to_json(metrics_row(self.program, event))
        self._whole = False
        append_line(self.folder / METRICS, line)
        self._whole = True
        self._bytes += len(line.encode()) + 1
        self._hash.update(f"{line}\n".encode())
        self.note_time({"iteration": event.completed})

    def keep(self, loop: Loop) -> bool:
        """Write a checkpoint if it is time to; return whether it was."""
        seconds, iterations = self._interval.seconds, self._interval.iterations
        due = seconds is not None and time.monotonic() - self._last >= seconds
        if due or (iterations is not None and loop.completed - self.kept >= iterations):
            self.checkpoint(loop)
            return True
        return False

    def checkpoint(self, loop: Loop) -> None:
        """Write a checkpoint of a training as it stands."""
        # What it counts on must be on the disk before it is.
        sync_file(self.folder / METRICS)
        save_checkpoint(self.folder, loop.checkpoint((self._bytes, self._hash.hexdigest()), self.seconds))
        self.kept, self._last = loop.completed, time.monotonic()
        if not self.manifest.get("checkpointed"):
            # So that a run whose checkpoints are lost is not taken for one that never had any.
            self.manifest["checkpointed"] = True
            self.write_manifest()

    def finish(self, result: Result, loop: Loop) -> None:
        """Write a last checkpoint, and save the weights."""
        if self._whole and self.kept != loop.completed:
            self.checkpoint(loop)
        self.save(result)

    def save(self, result: Result) -> None:
        """Save the weights, then say in the manifest that they are there."""
        weights = weights_to_bytes(result.simulation)
        write_file(self.folder / WEIGHTS, weights)
        self.manifest |= {"status": result.status, "result": result.summary()}
        spec = (self.folder / SPEC).read_bytes()
        self.manifest["sha256"] = {SPEC: sha256(spec), WEIGHTS: sha256(weights)}
        self.write_manifest()
        self.note_time({"finished": _now()})

    def give_up(self, status: str) -> None:
        """Say in the manifest that the training ended without weights."""
        self.manifest["status"] = status
        self.write_manifest()

    def write_manifest(self) -> None:
        write_file(self.folder / MANIFEST, f"{to_json(self.manifest, indent=2)}\n".encode())

    def note_time(self, row: dict[str, object]) -> None:
        """Add a line to the times; a run is whole without."""
        with contextlib.suppress(OSError):
            append_line(self.folder / TIMING, to_json({**row, "seconds": self.seconds}))


def create_run(
    specification: Specification,
    simulation: Simulation,
    out: Path,
    interval: CheckpointInterval,
    diagnose_at: Sequence[int] = (),
) -> Run:
    """Make a new run folder below `out` and write what is known before training.

    It is called NAME-METHODS-IDENTITY, with a number behind it if there is one already: no run is ever
    written over.
    """
    hexadecimal = identity(specification.text)
    program = simulation.program
    words = [re.sub(r"[^A-Za-z0-9_.+]+", "_", method)[:64] for method in specification.methods]
    # A part of an ensemble has the identity of the whole.
    if simulation.networks != program.training.networks:
        words.append(f"network_{simulation.first_network}")
    out.mkdir(parents=True, exist_ok=True)
    _check_room(out, simulation)
    folder = _new_folder(out, "-".join([program.name, *words, hexadecimal[:8]]))
    manifest: dict[str, object] = {
        "format": FORMAT,
        "name": program.name,
        "methods": list(specification.methods),
        "settings": list(specification.settings),
        "identity": hexadecimal,
        "seed": simulation.seed,
        "networks": simulation.networks,
        "first_network": simulation.first_network,
        "iterations": program.training.iterations,
        **circumstances(simulation),
        **({"diagnose_at": list(diagnose_at)} if diagnose_at else {}),
        "status": "running",
    }
    try:
        run = Run(folder, program, manifest, lock_run(folder), interval)
        write_file(folder / SPEC, specification.text.encode())
        (folder / METRICS).touch()
        append_line(folder / TIMING, to_json({"started": _now()}))
        # Last: from now on there is a run.
        run.write_manifest()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    sync_folder(out)
    return run


def reopen_run(
    folder: Path,
    program: Program,
    manifest: dict[str, object],
    lock: RunLock,
    interval: CheckpointInterval,
    start: Checkpoint | None,
    *,
    renewed: bool = False,
) -> Run:
    """Take a run folder back to a checkpoint, or to its beginning, so that training can go on from there.

    renewed: the checkpoint is not the one that is kept, and has to be.
    """
    manifest["status"] = "running"
    # First: whatever happens on the way, the run is not taken for one that is over.  Its weights and their
    # result stay until there are others.
    write_file(folder / MANIFEST, f"{to_json(manifest, indent=2)}\n".encode())
    with (folder / METRICS).open("ab") as file:
        file.truncate(start.metrics[0] if start else 0)
    discard_after(folder, start.completed if start else 0)
    if start is not None and renewed:
        save_checkpoint(folder, start)
    forget_diagnoses(folder, start.completed if start else 0)
    for name in (MANIFEST, WEIGHTS, GRADIENTS, PICTURE):
        # What a write that was cut off has left.
        for rest in folder.glob(f".{name}.*"):
            rest.unlink(missing_ok=True)
    run = Run(folder, program, manifest, lock, interval, start)
    with contextlib.suppress(OSError):
        cut_torn_line(folder / TIMING)
    run.note_time({"resumed": _now(), "iteration": run.kept})
    return run


def metrics_row(program: Program, event: Evaluated) -> dict[str, object]:
    """Return one line of the metrics; what is not finite becomes null.

    Loss, norms and performance are of each network, in order; the loss is that of the update just made.
    """
    edges = [skip.name for skip in program.skips]
    annealing = event.annealing
    stages = dict(zip(edges, annealing.edges, strict=True))
    return {
        "iteration": event.completed,
        "stages": {"edges": stages, "coarsening": annealing.coarsening},
        "betas": dict(zip(edges, annealing.stage.betas, strict=True)),
        "theta": float(annealing.stage.theta),
        "loss": finite_list(event.loss),
        "gradient_norm": finite_list(event.gradient_norm),
        "weight_norm": finite_list(event.weight_norm),
        "mean_rate": finite_list(event.evaluation.mean_rate),
        "performance": finite_list(event.evaluation.performance),
        "phases": {name: finite_list(values) for name, values in event.evaluation.phases.items()},
        "trimmed_mean": finite(event.trimmed_mean),
        "diverged": [divergence_row(divergence) for divergence in event.diverged],
    }


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
    # Twice: signed weights are stored with what is trained behind them.  Checkpoints have those, and up to
    # three numbers of the optimiser for each; there are three of them while one is written.
    needed = (2 + 3 * 4) * sum(p.numel() * p.element_size() for p in simulation.parameters()) + _MARGIN
    free = shutil.disk_usage(out).free
    if free < needed:
        raise RequestError(
            f"{out} has room for {free / 1e6:,.1f} MB, and the networks and their checkpoints need "
            f"{needed / 1e6:,.1f} MB.",
            "Make room, choose a folder elsewhere, or train fewer networks.",
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
