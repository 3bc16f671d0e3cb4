"""How far a sweep is: the state of each unit, from its folder and from the processes that train it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rnnspec.runs.layout import MANIFEST
from rnnspec.runs.manifest import OVER
from rnnspec.runs.status import RunStatus, run_status
from rnnspec.sweeps.layout import last_failures
from rnnspec.sweeps.order import Progress
from rnnspec.sweeps.plan import Sweep, Unit

#: waiting: not begun, or begun and not finished.  elsewhere: another process trains it.
UnitState = Literal["done", "running", "elsewhere", "waiting", "failed"]
STATES: tuple[UnitState, ...] = ("done", "running", "elsewhere", "waiting", "failed")


@dataclass(frozen=True)
class Place:
    """The state of one unit.

    run: its run folder as it was read last; None if it has not begun.  completed: updates made.
    performance: trimmed mean of the last evaluation.  reason: why it failed, or who trains it; else empty.
    """

    unit: Unit
    state: UnitState
    run: RunStatus | None = None
    completed: int = 0
    performance: float = math.nan
    reason: str = ""

    @property
    def iterations(self) -> int:
        """Updates after which its training ends at the latest."""
        return self.run.iterations if self.run else self.unit.specification.program.training.iterations


class Board:
    """The state of all units of a sweep, by name, in their order."""

    def __init__(self, sweep: Sweep, folder: Path) -> None:
        self.sweep = sweep
        self.folder = folder
        failures = last_failures(folder)
        self.places = {
            unit.name: read_place(unit, folder, failures[unit.name].reason if unit.name in failures else "")
            for unit in sweep.units
        }

    def set(self, unit: str, state: UnitState, reason: str = "") -> None:
        self.places[unit] = replace(self.places[unit], state=state, reason=reason)

    def read(self, unit: str) -> Place:
        """Read the folder of a unit again."""
        self.places[unit] = read_place(self.places[unit].unit, self.folder)
        return self.places[unit]

    def progress(self, message: Progress) -> None:
        """Take over what a process tells of the unit that it trains."""
        self.places[message.unit] = replace(
            self.places[message.unit],
            state="running",
            completed=message.completed,
            performance=message.performance,
        )

    def strangers(self) -> list[str]:
        """Return the names of the run folders that belong to no unit, in order."""
        found = (manifest.parent.name for manifest in self.folder.glob(f"*/{MANIFEST}"))
        return sorted(name for name in found if name not in self.places)

    def counts(self) -> Counter[UnitState]:
        return Counter(place.state for place in self.places.values())


def read_place(unit: Unit, folder: Path, failure: str = "") -> Place:
    """Return the state of a unit as its folder shows it.  failure: the last one that was noted."""
    run = folder / unit.name
    if not (run / MANIFEST).exists():
        return Place(unit, "failed" if failure else "waiting", reason=failure)
    status = run_status(run)
    state, reason = _state(status, failure)
    return Place(unit, state, status, status.completed, status.performance, reason)


def _state(status: RunStatus, failure: str) -> tuple[UnitState, str]:
    if status.state in OVER:
        return "done", ""
    if status.state == "running":
        return "elsewhere", f"{status.holder} trains it."
    if status.state == "unseen":
        return "elsewhere", f"{status.holder} may train it."
    reason = failure or status.problem
    return ("failed" if reason else "waiting"), reason
