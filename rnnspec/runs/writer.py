"""Writing a run folder while its networks are trained."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnspec.errors import RequestError
from rnnspec.files import replace_file, sha256
from rnnspec.runs.checkpoint import Checkpoint, MetricsSoFar, TrainingState, save_checkpoint
from rnnspec.runs.layout import METRICS, SPEC, TIMING, WEIGHTS
from rnnspec.runs.lock import RunLock
from rnnspec.runs.manifest import Ending, Manifest, StoredResult, Summary, write_manifest
from rnnspec.runs.metrics import MetricsRow
from rnnspec.runs.regular import append_line, read_regular, sync_file
from rnnspec.runs.timing import TimingRow, now
from rnnspec.runtime.arguments import whole_number


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


class RunWriter:
    """Writes the files of a run folder that this process has locked.

    start: the checkpoint from which training is resumed; None for a new run.  checkpointed: updates made
    before the last checkpoint, 0 without one.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        lock: RunLock,
        interval: CheckpointInterval,
        start: Checkpoint | None = None,
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.lock = lock
        self.checkpointed = start.completed if start else 0
        #: Whether the metrics lack no evaluation: otherwise a checkpoint would not be exact.
        self.complete = True
        self._interval = interval
        self._last = time.monotonic()
        self._begun = self._last - (start.seconds if start else 0.0)
        self._spec_hash = sha256(read_regular(folder / SPEC))
        self._bytes = 0
        self._hash = hashlib.sha256()
        if start is not None:
            self._bytes = start.metrics.bytes
            self._hash.update(read_regular(folder / METRICS))

    @property
    def diagnose_at(self) -> Sequence[int]:
        """The iterations, the first being 1, in which gradients are measured."""
        return self.manifest.diagnose_at

    @property
    def seconds(self) -> float:
        """Seconds of training so far, without the pauses between stopping and resuming."""
        return round(time.monotonic() - self._begun, 3)

    def record(self, row: MetricsRow) -> None:
        """Append an evaluation to the metrics, and its time to the times."""
        line = row.to_json()
        self.complete = False
        append_line(self.folder / METRICS, line)
        self.complete = True
        self._bytes += len(line.encode()) + 1
        self._hash.update(f"{line}\n".encode())
        self.note_time(TimingRow(iteration=row.iteration))

    def is_due(self, completed: int) -> bool:
        """Return whether a checkpoint is due after so many updates."""
        seconds, iterations = self._interval.seconds, self._interval.iterations
        if seconds is not None and time.monotonic() - self._last >= seconds:
            return True
        return iterations is not None and completed - self.checkpointed >= iterations

    def checkpoint(self, state: TrainingState) -> None:
        """Write a checkpoint."""
        # First: a checkpoint must not be on the disk without the metrics that belong to it.
        sync_file(self.folder / METRICS)
        metrics = MetricsSoFar(bytes=self._bytes, sha256=self._hash.hexdigest())
        save_checkpoint(self.folder, Checkpoint(state, metrics, self.seconds))
        self.checkpointed, self._last = state.completed, time.monotonic()
        if not self.manifest.checkpointed:
            # A run that has lost its checkpoints must not look like one that never had any.
            self._update(checkpointed=True)

    def save(self, weights: bytes, summary: Summary) -> None:
        """Save the weights, then write in the manifest that they are there."""
        replace_file(self.folder / WEIGHTS, weights)
        result = StoredResult(**dict(summary), spec_sha256=self._spec_hash, weights_sha256=sha256(weights))
        self._update(status=summary.status, result=result)
        self.note_time(TimingRow(finished=now()))

    def give_up(self, status: Ending) -> None:
        """Write in the manifest that the training has ended without weights."""
        self._update(status=status)

    def note_time(self, row: TimingRow) -> None:
        """Append a line to the times; a run is whole without it."""
        with contextlib.suppress(OSError, RequestError):
            append_line(self.folder / TIMING, row.model_copy(update={"seconds": self.seconds}).to_json())

    def _update(self, **fields: object) -> None:
        self.manifest = self.manifest.model_copy(update=fields)
        write_manifest(self.folder, self.manifest)
