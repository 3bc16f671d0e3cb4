"""Going on with a training that has ended, or was cut off, to the same bits as if it had never been."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnspec.check.examine import Specification, load
from rnnspec.errors import RequestError
from rnnspec.files import sha256
from rnnspec.runs.checkpoint import Checkpoint, Damage, load_checkpoint
from rnnspec.runs.circumstances import circumstances
from rnnspec.runs.identity import identity, identity_of
from rnnspec.runs.layout import METRICS, SPEC, WEIGHTS, extend_command, resume_command
from rnnspec.runs.lock import RunLock, lock_run
from rnnspec.runs.manifest import OVER, RESTORE, damage_of, part_of, read_manifest
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.device import DTYPES, check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.events import Observer
from rnnspec.training.interruption import STOPPING, listening
from rnnspec.training.optimize import Updater
from rnnspec.training.result import Result
from rnnspec.training.run import CheckpointInterval, Run, checkpoint_interval, reopen_run
from rnnspec.training.session import Session


def resume(
    run: Path | str,
    *,
    allow_drift: bool = False,
    break_lock: bool = False,
    device: str | None = None,
    checkpoint_seconds: float | None = 60.0,
    checkpoint_iterations: int | None = None,
    stop_on: Iterable[str] = STOPPING,
    observer: Observer | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Result:
    """Resume the training of a run folder from its last checkpoint and return the result.

    allow_drift: resume even if the spec, the package, the machine or the kernel has changed, so that the
    result will differ; the manifest records it.  break_lock: take the lock from a process on another machine
    that no longer runs.  device: that of the run if not given.  on_note: is called with each remark, one
    line.  The rest is as for `train`.  Raises RequestError if the run cannot be resumed to the same bits.
    """
    interval = checkpoint_interval(checkpoint_seconds, checkpoint_iterations)
    options = _Options(allow_drift, break_lock, device, interval, tuple(stop_on), observer, on_note)
    return _resume(Path(run), None, options)


def extend(
    run: Path | str,
    iterations: int,
    *,
    allow_drift: bool = False,
    break_lock: bool = False,
    device: str | None = None,
    checkpoint_seconds: float | None = 60.0,
    checkpoint_iterations: int | None = None,
    stop_on: Iterable[str] = STOPPING,
    observer: Observer | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Result:
    """Train a finished run for more iterations, in its folder, and return the result.

    iterations: how many more.  A criterion that was reached before is ignored; the schedule of the skips
    stays as the spec says.  The networks in the folder are overwritten.  The rest is as for `resume`.
    Raises RequestError if the run is not finished.
    """
    whole_number("iterations", iterations, 1)
    interval = checkpoint_interval(checkpoint_seconds, checkpoint_iterations)
    options = _Options(allow_drift, break_lock, device, interval, tuple(stop_on), observer, on_note)
    return _resume(Path(run), iterations, options)


@dataclass(frozen=True)
class _Options:
    """The options that `resume` and `extend` share."""

    allow_drift: bool
    break_lock: bool
    device: str | None
    interval: CheckpointInterval
    stop_on: tuple[str, ...]
    observer: Observer | None
    on_note: Callable[[str], None] | None


def _resume(folder: Path, extension: int | None, options: _Options) -> Result:
    """Resume a run; extension: iterations beyond those that it has made, None to finish as planned."""
    say = options.on_note or (lambda line: None)
    read_manifest(folder)
    with listening(options.stop_on) as interruption:
        lock = lock_run(folder, break_lock=options.break_lock)
        try:
            # Read again: now nobody else writes it.
            resumption = _Resumption(folder, read_manifest(folder), options.allow_drift, options.device)
            interruption.on_give_up = lock.release
            interruption.remedy = f"Resume it with: {resume_command(folder)}"
            for line in (*_of_lock(lock), *resumption.prepare(extension)):
                say(line)
            interruption.begin()
            reopened = resumption.reopen(lock, options.interval)
            session = Session(
                resumption.simulation,
                reopened,
                interruption,
                options.observer,
                start=resumption.start,
                iterations=resumption.iterations,
                for_criterion=resumption.for_criterion,
            )
            return session.train(_history(folder))
        finally:
            lock.release()


class _Resumption:
    """What a run goes on from: its spec and, once `prepare` has found nothing against it, the rest."""

    start: Checkpoint | None
    simulation: Simulation
    #: Whether the checkpoint that it starts from is not as it was written.
    renewed = False

    def __init__(self, folder: Path, manifest: dict[str, Any], allow_drift: bool, device: str | None) -> None:
        self.folder = folder
        self.manifest = manifest
        self.allow_drift = allow_drift
        self.device = device or str(manifest["device"])
        self.specification: Specification = load(folder / SPEC)
        self.program = self.specification.program
        self.iterations = int(manifest["iterations"])
        self.for_criterion = bool(manifest.get("for_criterion", True))

    def prepare(self, extend: int | None) -> list[str]:
        """Find the checkpoint, see whether the bits would stay, and return what is worth a remark."""
        self.start, damages = load_checkpoint(self.folder)
        notes = self._check_status(extend, damages)
        completed = self.start.completed if self.start else 0
        made = max(completed, int((self.manifest.get("result") or {}).get("iterations", 0)))
        self.simulation = self._simulation()
        edited = self._spec_changed()
        # A run that is over, and is as it was, has only its weights written again.
        over = self.manifest["status"] in OVER and extend is None and completed == made
        computes = bool(edited) or not over
        changes = [*edited, *(self._circumstances_changed() if computes else ()), *self._metrics_changed()]
        if changes:
            self._drift(completed, changes, computes)
        self._check_fit()
        if extend is not None:
            self.iterations = made + extend
            self.manifest["extended"] = True
            notes.append(f"The networks in {self.folder} will be replaced; copy the folder to keep them.")
        elif edited and not self.manifest.get("extended") and self.iterations != self._planned:
            self.iterations = self._planned
            notes.append(f"Training ends after {self.iterations:,} iterations now, as {SPEC} says.")
        self.manifest |= {"for_criterion": self.for_criterion, "iterations": self.iterations}
        return [*notes, *(f"Changed: {line}" for line in changes)]

    @property
    def _planned(self) -> int:
        return self.program.training.iterations

    def _drift(self, completed: int, changes: list[str], computes: bool) -> None:
        """Refuse what would change the result, or note that it was allowed."""
        if not self.allow_drift:
            raise RequestError(
                f"{self.folder} cannot go on to the same bits:\n"
                + "\n".join(f"  {line}" for line in changes),
                "Resume it as it was begun. Or add --allow-drift, and its manifest will say so.",
            )
        self.manifest.setdefault("drift", []).append({"iteration": completed, "changed": changes})
        if computes:
            self.manifest |= {"seed": self.simulation.seed, **circumstances(self.simulation)}
        # From now on this is the spec, and this the version.
        self.manifest["identity"] = identity((self.folder / SPEC).read_text(encoding="utf-8"))

    def _check_status(self, extend: int | None, damages: Sequence[Damage]) -> list[str]:
        """Refuse what is over, unless it is to be extended, and what has nothing to go on from."""
        status, folder = self.manifest["status"], self.folder
        over = status in OVER and (extend is None or status == "diverged")
        # Weights that are gone or damaged are something to do: the last checkpoint has them too.
        lost = damage_of(folder, self.manifest, WEIGHTS) if over and extend is None else None
        if over and not lost:
            raise RequestError(
                f"{folder} has nothing left to do: its training {OVER[status]}.",
                f"Train it further with: {extend_command(folder, 5000)}"
                if status != "diverged"
                else "Change the spec, such as its learning rate, and train again.",
            )
        if status == "reached" and extend is not None:
            self.for_criterion = False
        completed = self.start.completed if self.start else 0
        if extend is not None and status not in OVER and completed < self.iterations:
            left = self.iterations - completed
            raise RequestError(
                f"{folder} still has {left:,} of {self.iterations:,} iterations to make.",
                f"Resume it with: {resume_command(folder)}",
            )
        if self.start is not None:
            instead = f"the checkpoint of iteration {self.start.completed:,} is used"
            notes = [f"{lost}; it is made again."] if lost else []
            return [*notes, *(f"{damage.file} {damage.reason}; {instead}." for damage in damages)]
        if damages:
            found = "; ".join(f"{damage.file} {damage.reason}" for damage in damages)
            raise RequestError(f"{folder} has no checkpoint that is whole: {found}.", RESTORE)
        if self.manifest.get("checkpointed"):
            raise RequestError(f"{folder} has no checkpoint to go on from.", RESTORE)
        return [f"{folder} was cut off before its first checkpoint; training begins anew."]

    def reopen(self, lock: RunLock, interval: CheckpointInterval) -> Run:
        """Take the folder back to the checkpoint."""
        try:
            return reopen_run(
                self.folder, self.program, self.manifest, lock, interval, self.start, renewed=self.renewed
            )
        except OSError as error:
            error.add_note(f"Then resume it with: {resume_command(self.folder)}")
            raise

    def _check_fit(self) -> None:
        """Refuse a checkpoint that is not one of these networks, before anything is changed for it."""
        if self.start is None:
            return
        try:
            Updater(self.simulation).restore(self.start.tensors, self.start.diverged)
        except ValueError as error:
            raise RequestError(
                f"The checkpoint of {self.folder} does not fit its spec: {error}.",
                "Restore spec.yaml as it was, or train the new spec from its beginning.",
            ) from None

    def _simulation(self) -> Simulation:
        manifest = self.manifest
        networks, first_network = part_of(self.folder, manifest, self.program)
        return Simulation(
            self.program,
            networks=networks,
            first_network=first_network,
            target=None if self.allow_drift else manifest["target"],
            preferred=manifest["target"],
            dtype=DTYPES[manifest["dtype"]],
            device=check_device(self.device),
        )

    def _spec_changed(self) -> list[str]:
        text = (self.folder / SPEC).read_text(encoding="utf-8")
        if identity_of(text, self.manifest["versions"]["rnnspec"]) != self.manifest["identity"]:
            return [f"{SPEC} is not the one that the training began with"]
        return []

    def _circumstances_changed(self) -> list[str]:
        """Return what else would change the result, a line each."""
        before, now = self.manifest, circumstances(self.simulation)
        changes, made = [], before["versions"]
        for name in ("rnnspec", "torch"):
            if made.get(name) != (new := _version(now, name)):
                changes.append(f"{name} was {made.get(name)}, and is {new} now")
        for name in ("target", "device"):
            if before[name] != now[name]:
                changes.append(f"the {name} was {before[name]}, and is {now[name]} now")
        if before["target"] == now["target"] and before.get("kernel") != now["kernel"]:
            changes.append("the kernel was compiled for another processor, or by another compiler")
        if now["target"] != "cpu":
            # The kernels of the target cpu say by their name where their bits are the same.
            if before.get("hardware") != now["hardware"]:
                changes.append(f"the hardware was {before.get('hardware')}, and is {now['hardware']} now")
            if before["threads"] != now["threads"]:
                changes.append(f"it had {before['threads']} threads, and has {now['threads']} now")
        return changes

    def _metrics_changed(self) -> list[str]:
        """Return whether the metrics are gone; refuse those that are others."""
        size, digest = self.start.metrics if self.start else (0, sha256(b""))
        file = self.folder / METRICS
        if size and not file.exists():
            # Begun anew, as far as they are concerned.
            assert self.start is not None
            self.start, self.renewed = _without_metrics(self.start), True
            return [f"{METRICS} is gone, with what was measured before"]
        if size and sha256(file.read_bytes()[:size]) != digest:
            raise RequestError(
                f"{file} is not what the training wrote.",
                "Restore it from a copy; or move it away, and add --allow-drift to go on without it.",
            )
        return []


def _without_metrics(start: Checkpoint) -> Checkpoint:
    return Checkpoint(
        start.completed, start.tensors, start.latest, start.diverged, (0, sha256(b"")), start.seconds
    )


def _version(now: Mapping[str, Any], name: str) -> object:
    return now["versions"].get(name)


def _of_lock(lock: RunLock) -> list[str]:
    return [f"{lock.died} did not give the run back; it has ended."] if lock.died else []


def _history(folder: Path) -> tuple[float, ...]:
    """Return the trimmed means of the evaluations so far."""
    rows = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
    return tuple(float("nan") if row["trimmed_mean"] is None else row["trimmed_mean"] for row in rows)
