"""The times of a run: the wall clock, which no two runs share.  A run is whole without them."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field

from rnnspec.files import to_json
from rnnspec.runs.record import Natural, Record, Seconds


class TimingRow(Record):
    """One line of `timing.jsonl`; each kind of line has some of these fields."""

    started: str | None = Field(
        default=None, description="date and time (UTC) at which training began; first line"
    )
    resumed: str | None = Field(default=None, description="date and time at which training was resumed")
    finished: str | None = Field(default=None, description="date and time at which the weights were saved")
    iteration: Natural | None = Field(
        default=None, description="updates made, in the lines of evaluations and in those with `resumed`"
    )
    seconds: Seconds | None = Field(
        default=None, description="seconds of training so far, without the pauses; in all lines but the first"
    )

    def to_json(self, *, indent: int | None = None) -> str:
        return to_json(self.model_dump(exclude_none=True), indent=indent)


def now() -> str:
    """Return the date and time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
