"""What a training is resumed from, and whether it would give the same bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from rnnspec.check.examine import load
from rnnspec.errors import RequestError
from rnnspec.files import sha256
from rnnspec.runs.checkpoint import Checkpoint, Damage, MetricsSoFar, load_checkpoint
from rnnspec.runs.circumstances import changes_between, circumstances
from rnnspec.runs.create import refuse_links, reopen_run
from rnnspec.runs.identity import identity, identity_of
from rnnspec.runs.layout import METRICS, SPEC, WEIGHTS, extend_command, resume_command
from rnnspec.runs.lines import parse_lines
from rnnspec.runs.lock import RunLock
from rnnspec.runs.manifest import OVER, Drift, Manifest, damage_of, part_of
from rnnspec.runs.metrics import MetricsRow
from rnnspec.runs.record import RESTORE
from rnnspec.runs.regular import read_regular
from rnnspec.runs.weights import restore_initial
from rnnspec.runs.writer import CheckpointInterval, RunWriter
from rnnspec.runtime.arguments import choice
from rnnspec.runtime.device import AUTO, DTYPES, check_device
from rnnspec.runtime.noise import LAST_ITERATION
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import RECORDS, TARGETS
from rnnspec.training.updater import Updater

_NO_METRICS = MetricsSoFar(bytes=0, sha256=sha256(b""))


class Resumption:
    """A run folder that is about to be trained further.

    `prepare` checks everything before anything is written.  Then, start: the checkpoint, None to begin anew;
    simulation: its networks; history: the trimmed means of the evaluations before it.
    """

    start: Checkpoint | None
    simulation: Simulation
    history: tuple[float, ...] = ()
    #: Whether the checkpoint differs from the one on the disk.
    renewed = False

    def __init__(self, folder: Path, manifest: Manifest, allow_drift: bool, device: str | None) -> None:
        self.folder = folder
        self.manifest = manifest
        self.allow_drift = allow_drift
        self.device = device or manifest.device
        self.program = load(folder / SPEC).program

    def prepare(self, extension: int | None) -> list[str]:
        """Find the checkpoint, check that the bits will be the same, and return the remarks for the user.

        extension: iterations beyond those that the run has made; None to finish as planned.  Raises
        RequestError.
        """
        refuse_links(self.folder)
        self.start, damages = load_checkpoint(self.folder)
        notes = self._check_status(extension, damages)
        manifest, completed = self.manifest, self._completed
        made = max(completed, manifest.result.iterations if manifest.result else 0)
        self.simulation = self._simulation()
        edited = self._spec_changed()
        # Of a finished run that is as it was, only the weights are written again.
        finished = manifest.status in OVER and extension is None and completed == made
        computes = bool(edited) or not finished
        changes = [*edited]
        if computes:
            changes += changes_between(manifest, circumstances(self.simulation), edited=bool(edited))
        changes += self._metrics_changed()
        if changes:
            self._drift(changes, computes)
        self._check_fit()
        planned = self.program.training.iterations
        if extension is not None:
            self._update(
                iterations=made + extension,
                extended=True,
                for_criterion=manifest.for_criterion and manifest.status != "reached",
            )
            notes.append(f"The networks in {self.folder} will be overwritten; copy the folder to keep them.")
        elif edited and not manifest.extended and manifest.iterations != planned:
            self._update(iterations=planned)
            notes.append(f"Training now ends after {planned:,} iterations, as {SPEC} says.")
        if self.manifest.iterations > LAST_ITERATION:
            raise RequestError(
                f"{self.folder} would be trained for {self.manifest.iterations:,} iterations, and the random "
                f"numbers suffice for {LAST_ITERATION:,}.",
                "Train for fewer iterations.",
            )
        return [*notes, *(f"Changed: {line}." for line in changes)]

    def reopen(self, lock: RunLock, interval: CheckpointInterval) -> RunWriter:
        """Take the folder back to the checkpoint."""
        try:
            return reopen_run(self.folder, self.manifest, lock, interval, self.start, renewed=self.renewed)
        except OSError as error:
            error.add_note(f"Then resume it with: {resume_command(self.folder)}")
            raise

    @property
    def _completed(self) -> int:
        return self.start.completed if self.start else 0

    def _update(self, **fields: object) -> None:
        self.manifest = self.manifest.model_copy(update=fields)

    @property
    def _allowed(self) -> str:
        return f"{resume_command(self.folder)} --allow-drift"

    def _drift(self, changes: list[str], computes: bool) -> None:
        """Refuse to train to other bits, or record that it was allowed."""
        if not self.allow_drift:
            raise RequestError(
                f"{self.folder} cannot be resumed to the same bits:\n"
                + "\n".join(f"  {line}" for line in changes),
                f"Undo the change. Or accept another result, which the manifest records: {self._allowed}",
            )
        drift = Drift(iteration=self._completed, changed=tuple(changes))
        # From now on this is the spec, and this the version.
        text = read_regular(self.folder / SPEC).decode()
        self._update(drift=(*self.manifest.drift, drift), identity=identity(text, self.manifest.origin_words))
        if computes:
            self._update(seed=self.simulation.seed, **dict(circumstances(self.simulation)))

    def _check_status(self, extension: int | None, damages: Sequence[Damage]) -> list[str]:
        """Refuse a finished run, unless it is to be extended, and a run without a checkpoint."""
        status, folder = self.manifest.status, self.folder
        finished = status in OVER and (extension is None or status == "diverged")
        # Weights that are missing or damaged can be made again: the last checkpoint has them too.
        lost = damage_of(folder, self.manifest, WEIGHTS) if finished and extension is None else None
        if finished and not lost:
            raise RequestError(
                f"{folder} has nothing left to do: its training {OVER[status]}.",
                f"Train it further with: {extend_command(folder, 5000)}"
                if status != "diverged"
                else "Change the spec, such as its learning rate, and train again.",
            )
        left = self.manifest.iterations - self._completed
        if extension is not None and status not in OVER and left > 0:
            raise RequestError(
                f"{folder} still has {left:,} of {self.manifest.iterations:,} iterations to make.",
                f"Resume it with: {resume_command(folder)}",
            )
        if self.start is not None:
            instead = f"the checkpoint of iteration {self.start.completed:,} is used"
            notes = [f"{lost}; it is made again."] if lost else []
            return [*notes, *(f"{damage.file} {damage.reason}; {instead}." for damage in damages)]
        if damages:
            found = "; ".join(f"{damage.file} {damage.reason}" for damage in damages)
            raise RequestError(f"{folder} has no checkpoint that is not damaged: {found}.", RESTORE)
        if self.manifest.checkpointed:
            raise RequestError(f"{folder} has lost its checkpoints.", RESTORE)
        return [f"{folder} has no checkpoint yet; training starts from the beginning."]

    def _check_fit(self) -> None:
        """Refuse a checkpoint of other networks, before anything is written."""
        if self.start is None:
            return
        state = self.start.state
        try:
            Updater(self.simulation).restore(state.tensors, state.diverged)
            if state.evaluation and len(state.evaluation.performance) != self.simulation.networks:
                raise ValueError(f"it has the performance of {len(state.evaluation.performance)} networks")
        except ValueError as error:
            raise RequestError(
                f"The checkpoint of {self.folder} does not fit its spec: {error}.",
                "Restore spec.yaml as it was, or train the new spec from its beginning.",
            ) from None

    def _simulation(self) -> Simulation:
        networks, first_network = part_of(self.folder, self.manifest, self.program)
        target = choice("target", self.manifest.target, TARGETS)
        device = self._where()
        if not self.allow_drift and not RECORDS[target].computes_on(device):
            was = f"target was {target} on {self.manifest.device}"
            self._drift([f"{was}, which does not compute on {device}"], computes=True)
        simulation = Simulation(
            self.program,
            networks=networks,
            first_network=first_network,
            target=None if self.allow_drift else target,
            preferred=target,
            dtype=DTYPES[self.manifest.dtype],
            device=device,
        )
        restore_initial(simulation, self.folder, self.manifest)
        return simulation

    def _where(self) -> torch.device:
        """Return the device to train on; RequestError if this machine does not have it."""
        try:
            return check_device(self.device)
        except RequestError as error:
            if self.device != self.manifest.device:
                raise
            raise RequestError(
                f"{self.folder} was trained on '{self.device}'. {error.reason}",
                "Resume it where there is one. Or accept another result, which the manifest records: "
                f"{self._allowed} --device {AUTO}",
            ) from None

    def _spec_changed(self) -> list[str]:
        text = read_regular(self.folder / SPEC).decode()
        given = self.manifest
        if identity_of(text, given.versions.rnnspec, given.origin_words) != given.identity:
            return [f"{SPEC} was edited after training had begun"]
        return []

    def _metrics_changed(self) -> list[str]:
        """Return whether the metrics are gone; refuse other ones."""
        expected = self.start.metrics if self.start else _NO_METRICS
        file = self.folder / METRICS
        try:
            data = read_regular(file)[: expected.bytes]
        except FileNotFoundError:
            if self.start is None or not expected.bytes:
                return []
            # The metrics begin anew.
            self.start, self.renewed = replace(self.start, metrics=_NO_METRICS), True
            return [f"{METRICS} is missing, with the metrics of all evaluations before"]
        if len(data) != expected.bytes or sha256(data) != expected.sha256:
            raise RequestError(
                f"{file} is not what the training wrote.",
                f"Restore it from a copy. Or move it away and resume without it: {self._allowed}",
            )
        self.history = tuple(row.trimmed_mean for row in parse_lines(MetricsRow, data, file))
        return []
