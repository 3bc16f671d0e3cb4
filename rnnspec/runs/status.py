"""How runs stand, read off their folders: also of those that are training, and without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rnnspec.errors import RequestError
from rnnspec.runs.layout import CHECKPOINTS, FORMAT, MANIFEST, METRICS, TIMING
from rnnspec.runs.lock import Holder, holder

#: stopped: by a signal, to be resumed.  cut off: it ended without a word.  unseen: another machine may be
#: training it.  foreign: another version of rnnspec made it.  damaged: the manifest cannot be read.
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
#: Bytes at the end of a file in which its last line is looked for, which has a few numbers for each network.
_TAIL = 2**22


@dataclass(frozen=True)
class RunStatus:
    """How a run stands.

    methods, settings: the overlays by name and the settings `key=value` with which it was begun.  completed,
    iterations: updates made, as far as is written, and in all.  networks, first_network: which of the
    ensemble of the spec it trains.  performance: as the criterion sees it, nan before the first evaluation.
    seconds: trained so far.  diverged: how many networks have.  holder: who trains it.
    """

    folder: Path
    name: str
    identity: str
    methods: tuple[str, ...]
    settings: tuple[str, ...]
    target: str
    device: str
    dtype: str
    state: State
    completed: int
    iterations: int
    networks: int
    first_network: int
    performance: float
    seconds: float
    diverged: int
    holder: Holder | None


def run_statuses(paths: Iterable[Path | str]) -> list[RunStatus]:
    """Return how the runs of some folders stand: runs themselves, or folders of runs.

    Raises RequestError for a folder that is not there, or has no run.
    """
    return [run_status(folder) for path in paths for folder in _runs(Path(path))]


def run_status(folder: Path) -> RunStatus:
    """Return how one run stands."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            return _unread(folder, "foreign")
        state, claimed = _state(manifest["status"], folder)
        if state == "cut off":
            # It may have ended since.
            manifest = json.loads((folder / MANIFEST).read_bytes())
            state, claimed = _state(manifest["status"], folder)
        last = _last_row(folder / METRICS) or {}
        return RunStatus(
            folder,
            str(manifest["name"]),
            str(manifest["identity"]),
            tuple(map(str, manifest["methods"])),
            tuple(map(str, manifest["settings"])),
            str(manifest["target"]),
            str(manifest["device"]),
            str(manifest["dtype"]),
            state,
            _completed(manifest, last, folder),
            int(manifest["iterations"]),
            int(manifest["networks"]),
            int(manifest["first_network"]),
            _number(last.get("trimmed_mean")),
            _number((_last_row(folder / TIMING) or {}).get("seconds"), 0.0),
            len(max((manifest.get("result") or {}).get("diverged", ()), last.get("diverged", ()), key=len)),
            claimed,
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return _unread(folder, "damaged")


def _unread(folder: Path, state: State) -> RunStatus:
    return RunStatus(folder, folder.name, "", (), (), "", "", "", state, 0, 0, 0, 0, math.nan, 0.0, 0, None)


def _runs(path: Path) -> Iterator[Path]:
    if (path / MANIFEST).is_file():
        yield path
        return
    if not path.is_dir():
        raise RequestError(
            f"There is no folder {path}.", f"Check the spelling; relative paths start in {Path.cwd()}."
        )
    found = sorted(manifest.parent for manifest in path.glob(f"*/{MANIFEST}"))
    if not found:
        raise RequestError(
            f"{path} has no runs.", "Give a folder that 'rnnspec train' made, or one that holds such."
        )
    yield from found


def _state(status: str, folder: Path) -> tuple[State, Holder | None]:
    """Return the state of a run whose manifest says `status`, and who trains it."""
    claimed = holder(folder)
    if claimed is not None and claimed.alive:
        return "running", claimed
    if status != "running":
        return _STATES[status], None
    if claimed is None or claimed.alive is False:
        return "cut off", None
    return "unseen", claimed


def _completed(manifest: dict[str, Any], last: dict[str, Any], folder: Path) -> int:
    """Return the updates made, as far as anything is written about them."""
    names = [file.stem for file in (folder / CHECKPOINTS).glob("*.json")]
    kept = [int(name) for name in names if name.isdecimal()]
    result = manifest.get("result") or {}
    measured = last.get("iteration", 0)
    return max(measured if isinstance(measured, int) else 0, int(result.get("iterations", 0)), *kept, 0)


def _last_row(file: Path) -> dict[str, Any] | None:
    """Return the last line of a file that is whole; None if there is none, or it cannot be read."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - _TAIL))
            lines = stream.read().split(b"\n")
    except OSError:
        return None
    for line in reversed(lines[:-1]):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            return row
    return None


def _number(value: object, missing: float = math.nan) -> float:
    return float(value) if isinstance(value, int | float) else missing
