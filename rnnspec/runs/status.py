"""The state of runs, read from their folders, also while they are training.  Free of torch."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic_core import from_json

from rnnspec.errors import RequestError
from rnnspec.runs.layout import CHECKPOINTS, FORMAT, MANIFEST, METRICS, TIMING
from rnnspec.runs.lines import Row, last_line
from rnnspec.runs.lock import Holder, holder
from rnnspec.runs.manifest import Manifest, Origin
from rnnspec.runs.metrics import MetricsRow
from rnnspec.runs.regular import read_regular
from rnnspec.runs.timing import TimingRow

#: stopped: by a signal.  cut off: the process was killed, or the machine stopped.  unseen: another machine
#: may be training it.  foreign: another version of rnnspec made it.  damaged: the manifest cannot be read.
State = Literal[
    "running",
    "reached",
    "finished",
    "stopped",
    "failed",
    "diverged",
    "cut off",
    "unseen",
    "foreign",
    "damaged",
]

_STATES: dict[str, State] = {
    "reached": "reached",
    "finished": "finished",
    "diverged": "diverged",
    "interrupted": "stopped",
    "terminated": "stopped",
    "failed": "failed",
}


@dataclass(frozen=True)
class RunStatus:
    """The state of one run.

    methods, settings: names of the overlays, and the settings `key=value`.  origin: the trained networks from
    which it began.  completed: updates made, as far
    as the files show.  iterations: updates planned.  first_network: number of its first network in the
    ensemble of the spec.  performance: trimmed mean of the last evaluation, nan before the first.  phases:
    the same by phase.  seconds: of training so far.  diverged: number of networks that have diverged.
    holder: the process that trains the run.  problem: why it is `damaged`, a sentence that names the file;
    empty otherwise.
    """

    folder: Path
    name: str
    state: State
    identity: str = ""
    methods: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    origin: Origin | None = None
    target: str = ""
    device: str = ""
    dtype: str = ""
    completed: int = 0
    iterations: int = 0
    networks: int = 0
    first_network: int = 0
    performance: float = math.nan
    phases: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    diverged: int = 0
    holder: Holder | None = None
    problem: str = ""


def run_statuses(paths: Iterable[Path | str]) -> list[RunStatus]:
    """Return the state of each run.  paths: run folders, or folders of runs.

    Raises RequestError for a folder that does not exist or holds no run.
    """
    return [run_status(folder) for path in paths for folder in _runs(Path(path))]


def run_status(folder: Path) -> RunStatus:
    """Return the state of one run."""
    try:
        manifest = _manifest(folder)
        if manifest is None:
            return RunStatus(folder, folder.name, "foreign")
        state, claimed = _state(manifest.status, folder)
        if state == "cut off":
            # The run may have ended between the two reads: look again.
            manifest = _manifest(folder) or manifest
            state, claimed = _state(manifest.status, folder)
    except RequestError as error:
        return RunStatus(folder, folder.name, "damaged", problem=error.reason)
    except OSError as error:
        problem = f"{error.filename or folder}: {error.strerror}."
        return RunStatus(folder, folder.name, "damaged", problem=problem)
    result = manifest.result
    metrics, timing = _last(MetricsRow, folder / METRICS), _last(TimingRow, folder / TIMING)
    return RunStatus(
        folder=folder,
        name=manifest.name,
        identity=manifest.identity,
        methods=manifest.methods,
        settings=manifest.settings,
        origin=manifest.origin,
        target=manifest.target,
        device=manifest.device,
        dtype=manifest.dtype,
        state=state,
        completed=max(
            metrics.iteration if metrics else 0, result.iterations if result else 0, _checkpointed(folder)
        ),
        iterations=manifest.iterations,
        networks=manifest.networks,
        first_network=manifest.first_network,
        performance=metrics.trimmed_mean if metrics else math.nan,
        phases=metrics.phase_means if metrics else {},
        seconds=(timing.seconds if timing else None) or 0.0,
        diverged=max(len(result.diverged) if result else 0, len(metrics.diverged) if metrics else 0),
        holder=claimed,
    )


def _manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a run; None if another version of rnnspec has written it."""
    file = folder / MANIFEST
    data = read_regular(file)
    with contextlib.suppress(ValueError):
        found = from_json(data)
        if isinstance(found, dict) and "format" in found and found["format"] != FORMAT:
            return None
    return Manifest.parse(data, file)


def _runs(path: Path) -> Iterator[Path]:
    if os.path.lexists(path / MANIFEST):
        yield path
        return
    if not path.is_dir():
        raise RequestError(
            f"There is no folder {path}.", f"Check the spelling; relative paths start in {Path.cwd()}."
        )
    found = sorted(manifest.parent for manifest in path.glob(f"*/{MANIFEST}"))
    if not found:
        deeper = sorted({str(manifest.parent.parent) for manifest in path.glob(f"*/*/{MANIFEST}")})
        remedy = "Give a folder that 'rnnspec train' made, or one that holds such."
        if deeper:
            remedy = f"Give the folder of a sweep: {' or '.join(deeper[:3])}."
        raise RequestError(f"{path} has no runs.", remedy)
    yield from found


def _state(status: str, folder: Path) -> tuple[State, Holder | None]:
    """Return the state of a run from the `status` in its manifest, and the process that trains it."""
    claimed = holder(folder)
    if claimed is not None and claimed.alive:
        return "running", claimed
    if status != "running":
        return _STATES[status], None
    if claimed is None or claimed.alive is False:
        return "cut off", None
    return "unseen", claimed


def _checkpointed(folder: Path) -> int:
    """Return the iteration of the latest checkpoint; 0 if there is none."""
    names = [file.stem for file in (folder / CHECKPOINTS).glob("*.json")]
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _last(kind: type[Row], file: Path) -> Row | None:
    """Return the last record of a file; None if it cannot be read: the manifest has the state of the run."""
    with contextlib.suppress(OSError, RequestError):
        return last_line(kind, file)
    return None
