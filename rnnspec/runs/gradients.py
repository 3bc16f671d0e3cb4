"""The file of gradient measurements: one line for each iteration in which `--diagnose gradients` measured."""

from __future__ import annotations

import contextlib
from pathlib import Path

from pydantic import Field

from rnnspec.errors import RequestError
from rnnspec.files import replace_file
from rnnspec.runs.layout import GRADIENTS
from rnnspec.runs.lines import parse_lines, valid_lines
from rnnspec.runs.record import Positive, Record, SixDigits
from rnnspec.runs.regular import append_line, read_regular


class EpochSpan(Record):
    """Where an epoch of the first sequence lies, in seconds from the start of the sequence."""

    epoch: str = Field(description="name of the epoch, or `burn_in`")
    trial: int = Field(description="number of the trial, from 0; -1 in the burn-in")
    start: SixDigits = Field(description="seconds at which it starts")
    stop: SixDigits = Field(description="seconds at which it stops")


class GradientCurve(Record):
    """The norm of the gradient at each state of a sequence: quantiles over networks."""

    seconds: tuple[SixDigits, ...] = Field(description="time of each state, from the start of the sequence")
    lowest: tuple[SixDigits, ...] = Field(description="minimum over networks of the norm at each state")
    first: tuple[SixDigits, ...] = Field(description="first quartile")
    median: tuple[SixDigits, ...] = Field(description="median")
    third: tuple[SixDigits, ...] = Field(description="third quartile")
    highest: tuple[SixDigits, ...] = Field(description="maximum")
    epochs: tuple[EpochSpan, ...] = Field(
        description="`epoch`, `trial`, `start` and `stop` (seconds) of each epoch of the first sequence"
    )


class GradientRow(Record):
    """What was measured in one iteration, before its update."""

    iteration: Positive = Field(description="the iteration, the first being 1")
    betas: dict[str, float] = Field(description="beta of each edge in this iteration, by name")
    theta: float = Field(description="theta in this iteration")
    training: GradientCurve = Field(
        description="gradient through the dynamics of this iteration, with its skips and coarsening"
    )
    plain: GradientCurve = Field(
        description="gradient through the true dynamics, for the same networks and trials"
    )


def append_gradients(folder: Path, row: GradientRow) -> None:
    append_line(folder / GRADIENTS, row.to_json())


def read_gradients(folder: Path) -> list[GradientRow]:
    """Return what was measured so far.  Raises RequestError for a line that rnnspec did not write."""
    return list(parse_lines(GradientRow, read_regular(folder / GRADIENTS), folder / GRADIENTS))


def discard_gradients_after(folder: Path, completed: int) -> None:
    """Remove what was measured in iterations that will be repeated."""
    file = folder / GRADIENTS
    # Training does not depend on this file.
    with contextlib.suppress(OSError, RequestError):
        rows = [row for row in valid_lines(GradientRow, read_regular(file)) if row.iteration <= completed]
        replace_file(file, "".join(f"{row.to_json()}\n" for row in rows).encode())
