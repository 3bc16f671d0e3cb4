"""Checkpoints: two files from which training can be resumed to the same bits.

N.safetensors   the tensors of a training after N updates: raw weights, state of the optimiser, networks alive
N.json          the rest, and the hashes of both files

N.json is written last, so a checkpoint is complete if it is there.  Noise and draws follow from the number of
the iteration: there is no random state to save.  The last two checkpoints are kept, so that one is complete
whatever happens while another is written.
"""

from __future__ import annotations

import contextlib
import errno
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import safetensors.torch
from pydantic import Field
from torch import Tensor

from rnnspec.diagnostics import shorten
from rnnspec.errors import RequestError
from rnnspec.files import replace_file, sha256, sync_folder, to_json
from rnnspec.runs.divergence import Divergence
from rnnspec.runs.layout import CHECKPOINTS
from rnnspec.runs.record import Exact, Natural, Record, Seconds, Sha256
from rnnspec.runs.regular import read_regular, refuse_link
from rnnspec.runs.tensors import NotSafetensors, parse_tensors

#: The version of the layout of checkpoints.
FORMAT: Final = 2
#: How many checkpoints are kept.
KEPT = 2

_TENSORS, _FACTS = ".safetensors", ".json"
#: Temporary files, which a write that was cut off leaves behind.
_TEMPORARY = re.compile(r"\.\d+\.(safetensors|json)\.")
#: Errors of reading after which the checkpoint before may still be readable.
_LOST = (errno.EISDIR, errno.ENOENT, errno.ELOOP, errno.EIO)


class LatestEvaluation(Record):
    """The latest evaluation of the networks."""

    iteration: Natural = Field(description="updates made before it")
    performance: tuple[Exact, ...] = Field(
        description="performance of each network; null if no trial counted"
    )
    phases: dict[str, tuple[Exact, ...]] = Field(
        default={}, description="performance of each network in each phase of the trial, by name of the phase"
    )
    trimmed_mean: Exact = Field(description="trimmed mean of the performance over networks")


class MetricsSoFar(Record):
    """How much of `metrics.jsonl` belongs to a checkpoint."""

    bytes: Natural = Field(description="number of bytes of `metrics.jsonl` that had been written")
    sha256: Sha256 = Field(description="their SHA-256")


class CheckpointFacts(Record):
    """What `N.json` holds."""

    format: Literal[2] = Field(default=FORMAT, description="version of the layout of checkpoints, 2")
    iteration: Natural = Field(description="updates made, N")
    evaluation: LatestEvaluation | None = Field(description="the latest evaluation; null before the first")
    diverged: tuple[Divergence, ...] = Field(
        description="the networks that have diverged, as `result.diverged` in the manifest"
    )
    metrics: MetricsSoFar
    seconds: Seconds = Field(description="seconds of training so far")
    sha256: Sha256 = Field(description="SHA-256 of `N.safetensors`")
    seal: Sha256 = Field(description="SHA-256 of the JSON text of the other fields")


@dataclass(frozen=True)
class TrainingState:
    """What a training is resumed from.

    completed: updates made.  tensors: raw weights, state of the optimiser and `alive`, by name.
    evaluation: None before the first.
    """

    completed: int
    tensors: Mapping[str, Tensor]
    evaluation: LatestEvaluation | None
    diverged: tuple[Divergence, ...]


@dataclass(frozen=True)
class Checkpoint:
    """A training state as it is stored.  metrics: those that belong to it.  seconds: of training so far."""

    state: TrainingState
    metrics: MetricsSoFar
    seconds: float

    @property
    def completed(self) -> int:
        return self.state.completed


@dataclass(frozen=True)
class Damage:
    """A checkpoint that cannot be used.  file: which of its files is damaged."""

    file: Path
    reason: str


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, then remove all but the last two.  Raises OSError; older ones stay complete."""
    folder = run / CHECKPOINTS
    refuse_link(folder)
    if not folder.is_dir():
        folder.mkdir()
        sync_folder(run)
    name = _name(checkpoint.completed)
    data = safetensors.torch.save(dict(checkpoint.state.tensors))
    try:
        replace_file(folder / f"{name}{_TENSORS}", data)
        replace_file(folder / f"{name}{_FACTS}", _facts(checkpoint, sha256(data)))
    except BaseException:
        # Without its facts the file is of no use, and the disk may be full.
        if not (folder / f"{name}{_FACTS}").exists():
            with contextlib.suppress(OSError):
                (folder / f"{name}{_TENSORS}").unlink(missing_ok=True)
        raise
    _remove(folder, _iterations(folder)[KEPT:])


def load_checkpoint(run: Path) -> tuple[Checkpoint | None, list[Damage]]:
    """Return the latest checkpoint that is not damaged, None if there is none, and the damages of later ones.

    Raises OSError for a file that cannot be read, and RequestError for a checkpoint of another version: both
    may be complete.
    """
    damages: list[Damage] = []
    for completed in _iterations(run / CHECKPOINTS):
        found = _read(run / CHECKPOINTS, completed)
        if isinstance(found, Checkpoint):
            return found, damages
        damages.append(found)
    return None, damages


def read_checkpoint(run: Path, completed: int) -> Checkpoint:
    """Return the checkpoint after some update.  Raises RequestError, which names those that are kept."""
    kept = sorted(_iterations(run / CHECKPOINTS))
    if completed not in kept:
        those = ", ".join(f"{number:,}" for number in kept)
        raise RequestError(
            f"{run} has no checkpoint of iteration {completed:,}.",
            f"Choose one of those that are kept: {those}." if kept else "It has none at all.",
        )
    found = _read(run / CHECKPOINTS, completed)
    if isinstance(found, Damage):
        raise RequestError(
            f"{found.file} {found.reason}.", "Choose another iteration, or restore the folder."
        )
    return found


def discard_after(run: Path, completed: int) -> None:
    """Remove the checkpoints after some update, and what writes that were cut off have left behind."""
    folder = run / CHECKPOINTS
    refuse_link(folder)
    if not folder.is_dir():
        return
    _remove(folder, [number for number in _iterations(folder) if number > completed])
    complete = {_name(number) for number in _iterations(folder)}
    for file in folder.iterdir():
        orphan = file.suffix == _TENSORS and file.stem.isdecimal() and file.stem not in complete
        if orphan or _TEMPORARY.match(file.name):
            with contextlib.suppress(OSError):
                file.unlink()


# --- files -----------------------------------------------------------------------------------------------


def _name(completed: int) -> str:
    return f"{completed:09d}"


def _iterations(folder: Path) -> list[int]:
    """Return the iterations of the checkpoints in a folder, the latest first."""
    files = folder.glob(f"*{_FACTS}") if folder.is_dir() else ()
    return sorted((int(file.stem) for file in files if file.stem.isdecimal()), reverse=True)


def _remove(folder: Path, iterations: Sequence[int]) -> None:
    for completed in iterations:
        # The facts first: without them, the tensors are not taken for a checkpoint.
        for suffix in (_FACTS, _TENSORS):
            with contextlib.suppress(OSError):
                (folder / f"{_name(completed)}{suffix}").unlink(missing_ok=True)
    if iterations:
        sync_folder(folder)


def _facts(checkpoint: Checkpoint, tensors: str) -> bytes:
    """Return the content of N.json.  tensors: the hash of N.safetensors."""
    state = checkpoint.state
    facts = CheckpointFacts(
        iteration=state.completed,
        evaluation=state.evaluation,
        diverged=state.diverged,
        metrics=checkpoint.metrics,
        seconds=checkpoint.seconds,
        sha256=tensors,
        seal="0" * 64,
    )
    return _sealed(facts.model_dump(exclude={"seal"}))


def _sealed(facts: Mapping[str, object]) -> bytes:
    """Return facts with the hash of themselves."""
    return f"{to_json({**facts, 'seal': sha256(to_json(facts).encode())})}\n".encode()


def _bytes(file: Path) -> bytes | Damage:
    try:
        return read_regular(file)
    except RequestError as error:
        return _damage(file, error)
    except OSError as error:
        if error.errno not in _LOST:
            raise
        if error.errno == errno.ENOENT:
            return Damage(file, "is missing")
        return Damage(file, f"cannot be read ({error.strerror})")


def _read(folder: Path, completed: int) -> Checkpoint | Damage:
    """Return a checkpoint if both of its files are as they were written."""
    file = folder / f"{_name(completed)}{_FACTS}"
    data = _bytes(file)
    if isinstance(data, Damage):
        return data
    facts = _parse_facts(data, file)
    if isinstance(facts, Damage):
        return facts
    if facts.iteration != completed:
        return Damage(file, f"is that of iteration {facts.iteration:,}")
    file = file.with_suffix(_TENSORS)
    data = _bytes(file)
    if isinstance(data, Damage):
        return data
    if sha256(data) != facts.sha256:
        return Damage(file, "is not what was written")
    try:
        tensors = parse_tensors(data)
    except NotSafetensors as error:
        return Damage(file, f"is not a safetensors file: {error}")
    state = TrainingState(completed, tensors, facts.evaluation, facts.diverged)
    return Checkpoint(state, facts.metrics, facts.seconds)


def _parse_facts(data: bytes, file: Path) -> CheckpointFacts | Damage:
    """Return the facts in N.json if every byte is as it was written."""
    try:
        found = json.loads(data)
        whole = _sealed({name: value for name, value in found.items() if name != "seal"}) == data
    except (ValueError, AttributeError, RecursionError):
        whole = False
    if not whole:
        return Damage(file, "is not what was written")
    if (version := found.get("format")) != FORMAT:
        raise RequestError(
            f"{file} has format {shorten(str(version))}, and this rnnspec reads format {FORMAT}.",
            "Use the rnnspec that wrote it.",
        )
    try:
        return CheckpointFacts.parse(data, file)
    except RequestError as error:
        return _damage(file, error)


def _damage(file: Path, error: RequestError) -> Damage:
    """Return a damage from an error that begins with the name of the file."""
    reason = error.reason.removeprefix(str(file)).rstrip(".")
    return Damage(file, f"has a wrong value{reason}" if reason.startswith(":") else reason.strip())
