"""What a controller and the processes that train for it say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnspec.check.examine import Specification
from rnnspec.runtime.targets import Target


@dataclass(frozen=True)
class Options:
    """How units are trained.  threads: of the processor, for each unit; the rest as for `train_unit`."""

    target: Target | None = None
    device: str = "auto"
    dtype: str = "float32"
    threads: int = 1
    checkpoint_seconds: float | None = 60.0
    allow_drift: bool = False
    break_lock: bool = False


@dataclass(frozen=True)
class Order:
    """Train a unit in its folder."""

    unit: str
    folder: Path
    specification: Specification
    options: Options


@dataclass(frozen=True)
class Threads:
    """Go on with so many threads, if the bits of the unit do not depend on their number."""

    number: int


@dataclass(frozen=True)
class Progress:
    """A unit is being trained.  performance: trimmed mean of the last evaluation, NaN before the first."""

    unit: str
    completed: int
    iterations: int
    performance: float


@dataclass(frozen=True)
class Remark:
    """A remark on a unit, one line."""

    unit: str
    text: str


#: over: nothing is left to train; the run says how it ended.  stopped: by a signal; it can be resumed.
#: elsewhere: another process trains it.  failed: by an error.  killed: its process ended.
State = Literal["over", "stopped", "elsewhere", "failed", "killed"]


@dataclass(frozen=True)
class Outcome:
    """A process no longer trains a unit.  reason: why it failed or was killed; empty otherwise."""

    unit: str
    state: State
    reason: str = ""


Message = Progress | Remark | Outcome
