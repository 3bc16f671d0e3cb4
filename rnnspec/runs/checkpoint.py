"""Checkpoints: all that a training is made of after some iteration, in two files.

N.safetensors   the trained numbers, the state of the optimiser, and which networks are alive
N.json          the rest, and the hash of both; written last, so that a generation is whole if it is there

N is the iteration.  Noise and draws follow from it, so there is no random state.  Two generations are kept:
whatever happens while one is written, the one before it is whole.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors.torch
from torch import Tensor

from rnnspec.errors import RequestError
from rnnspec.files import sha256, sync_folder, to_json, write_file
from rnnspec.runs.layout import CHECKPOINTS

#: The version of their layout.
FORMAT = 1
#: Generations that are kept.
KEPT = 2

_TENSORS, _FACTS = ".safetensors", ".json"
#: What a write that was cut off leaves.
_REST = re.compile(r"\.\d+\.(safetensors|json)\.")
#: Errors of reading that a generation before may be spared: it is no file, or the disk has lost it.
_LOST = (errno.EISDIR, errno.ENOENT, errno.ELOOP, errno.EIO)


@dataclass(frozen=True)
class Divergence:
    """A network that left the numbers.

    network: its number in the whole ensemble.  iteration: the one in which it did, the first being 1, as
    displays and metrics count.  cause: what was not finite.
    """

    network: int
    iteration: int
    cause: str


@dataclass(frozen=True)
class LatestEvaluation:
    """What the networks were last found to be worth.  completed: the updates made by then.

    performance: of each network, nan where no trial counted.  trimmed_mean: as the criterion sees it.
    """

    completed: int
    performance: tuple[float, ...]
    trimmed_mean: float


@dataclass(frozen=True)
class Checkpoint:
    """A training after `completed` updates.

    tensors: raw weights, state of the optimiser and `alive`, by name.  latest: None before the first
    evaluation. metrics: the bytes of the metrics that belong to it, and their hash.  seconds: trained so far.
    """

    completed: int
    tensors: Mapping[str, Tensor]
    latest: LatestEvaluation | None
    diverged: tuple[Divergence, ...]
    metrics: tuple[int, str]
    seconds: float


@dataclass(frozen=True)
class Damage:
    """A checkpoint that cannot be used.  file: which of its files is not what was written."""

    file: Path
    reason: str


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    """Write a generation, then forget those before the last two.  Raises OSError; the others stay whole."""
    folder = run / CHECKPOINTS
    if not folder.is_dir():
        folder.mkdir()
        sync_folder(run)
    name = _name(checkpoint.completed)
    data = safetensors.torch.save(dict(checkpoint.tensors))
    try:
        write_file(folder / f"{name}{_TENSORS}", data)
        write_file(folder / f"{name}{_FACTS}", _facts(checkpoint, sha256(data)))
    except BaseException:
        # Half a generation would only take the room of a whole one.
        if not (folder / f"{name}{_FACTS}").exists():
            with contextlib.suppress(OSError):
                (folder / f"{name}{_TENSORS}").unlink(missing_ok=True)
        raise
    _forget(folder, _iterations(folder)[KEPT:])


def load_checkpoint(run: Path) -> tuple[Checkpoint | None, list[Damage]]:
    """Return the newest checkpoint that is whole, None if there is none, and the newer ones that are not.

    Raises OSError for what cannot be read, and RequestError for a checkpoint of another version: those may be
    whole.
    """
    damages: list[Damage] = []
    for completed in _iterations(run / CHECKPOINTS):
        found = _read(run / CHECKPOINTS, completed)
        if isinstance(found, Checkpoint):
            return found, damages
        damages.append(found)
    return None, damages


def discard_after(run: Path, completed: int) -> None:
    """Remove what is newer than the checkpoint that training goes on from, and the rests of broken writes."""
    folder = run / CHECKPOINTS
    if not folder.is_dir():
        return
    _forget(folder, [number for number in _iterations(folder) if number > completed])
    whole = {_name(number) for number in _iterations(folder)}
    for file in folder.iterdir():
        orphan = file.suffix == _TENSORS and file.stem.isdecimal() and file.stem not in whole
        if orphan or _REST.match(file.name):
            with contextlib.suppress(OSError):
                file.unlink()


# --- files -----------------------------------------------------------------------------------------------


def _name(completed: int) -> str:
    return f"{completed:09d}"


def _iterations(folder: Path) -> list[int]:
    """Return the generations of a folder, the newest first."""
    files = folder.glob(f"*{_FACTS}") if folder.is_dir() else ()
    return sorted((int(file.stem) for file in files if file.stem.isdecimal()), reverse=True)


def _forget(folder: Path, generations: Sequence[int]) -> None:
    for completed in generations:
        # What says that it is whole goes first.
        for suffix in (_FACTS, _TENSORS):
            with contextlib.suppress(OSError):
                (folder / f"{_name(completed)}{suffix}").unlink(missing_ok=True)
    if generations:
        sync_folder(folder)


def _facts(checkpoint: Checkpoint, tensors: str) -> bytes:
    standing = checkpoint.latest
    size, digest = checkpoint.metrics
    return _sealed(
        {
            "format": FORMAT,
            "iteration": checkpoint.completed,
            "standing": standing
            and {
                "iteration": standing.completed,
                "performance": [_told(value) for value in standing.performance],
                "trimmed_mean": _told(standing.trimmed_mean),
            },
            "diverged": [asdict(divergence) for divergence in checkpoint.diverged],
            "metrics": {"bytes": size, "sha256": digest},
            "seconds": checkpoint.seconds,
            "sha256": tensors,
        }
    )


def _sealed(facts: Mapping[str, object]) -> bytes:
    """Return facts with the hash of themselves."""
    return f"{to_json({**facts, 'seal': sha256(to_json(facts).encode())})}\n".encode()


def _bytes(file: Path) -> bytes | Damage:
    try:
        return file.read_bytes()
    except OSError as error:
        if error.errno not in _LOST:
            raise
        if error.errno == errno.ENOENT:
            return Damage(file, "is missing")
        return Damage(file, f"cannot be read ({error.strerror})")


def _read(folder: Path, completed: int) -> Checkpoint | Damage:
    """Return a generation if every bit of it is as it was written."""
    file = folder / f"{_name(completed)}{_FACTS}"
    data = _bytes(file)
    if isinstance(data, Damage):
        return data
    try:
        facts = json.loads(data)
        del facts["seal"]
        # Written again it is the same to the byte, or it was changed.
        whole = _sealed(facts) == data
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = False
    if not whole:
        return Damage(file, "is not what was written")
    if facts["format"] != FORMAT:
        raise RequestError(
            f"{file} has format {facts['format']}, and this rnnspec reads format {FORMAT}.",
            "Use the rnnspec that wrote it.",
        )
    if facts["iteration"] != completed:
        return Damage(file, f"is that of iteration {facts['iteration']:,}")
    file = file.with_suffix(_TENSORS)
    data = _bytes(file)
    if isinstance(data, Damage):
        return data
    if sha256(data) != facts["sha256"]:
        return Damage(file, "is not what was written")
    standing = facts["standing"]
    return Checkpoint(
        completed,
        safetensors.torch.load(data),
        standing
        and LatestEvaluation(
            standing["iteration"],
            tuple(map(_meant, standing["performance"])),
            _meant(standing["trimmed_mean"]),
        ),
        tuple(Divergence(**row) for row in facts["diverged"]),
        (facts["metrics"]["bytes"], facts["metrics"]["sha256"]),
        facts["seconds"],
    )


def _told(value: float) -> float | None:
    """Return a number as JSON has it, to its last bit; nan becomes None."""
    return None if math.isnan(value) else value


def _meant(value: float | None) -> float:
    return math.nan if value is None else value
