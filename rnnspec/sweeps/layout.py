"""The folder of a sweep: a run folder for each unit, and the failures.

UNIT/            a run folder (`rnnspec.runs.layout`), called as the unit
failures.jsonl   a line for each time that a unit failed
parsl/NNN/       scripts and logs of the jobs that one controller asked a cluster for (`cluster.py`)
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from pydantic import Field

from rnnspec.errors import RequestError
from rnnspec.runs.lines import parse_lines
from rnnspec.runs.record import Record
from rnnspec.runs.regular import append_line, read_regular
from rnnspec.runs.timing import now

FAILURES: Final = "failures.jsonl"
PARSL: Final = "parsl"


class Failure(Record):
    """One line of `failures.jsonl`."""

    unit: str = Field(description="name of the unit")
    when: str = Field(description="date and time (UTC)")
    reason: str = Field(description="why it failed; empty once it has come further than before")


def note_failure(folder: Path, unit: str, reason: str) -> None:
    """Append a failure; a sweep is whole without it.  An empty reason takes the last one back."""
    with contextlib.suppress(OSError, RequestError, ValueError):
        append_line(folder / FAILURES, Failure(unit=unit, when=now(), reason=reason).to_json())


def last_failures(folder: Path) -> dict[str, Failure]:
    """Return the last failure of each unit that has not come further since; {} if the file cannot be read."""
    with contextlib.suppress(OSError, RequestError):
        data = read_regular(folder / FAILURES)
        last = {row.unit: row for row in parse_lines(Failure, data, folder / FAILURES)}
        return {unit: row for unit, row in last.items() if row.reason}
    return {}
