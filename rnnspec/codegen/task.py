"""The functions of a task in a generated source: their roles, and which epochs share one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from rnnspec.program.expression_nodes import Rate
from rnnspec.program.nodes import Drive, Epoch, Timeline

#: The roles of the functions of an epoch, in the order in which they are called, and their documentation.
EPOCH_ROLES = {
    "duration": "The duration of {}, in seconds.",
    "input": "The input throughout {}, by channel.",
    "varying": "The input that changes from step to step of {}, by channel.",
    "target": "The target outputs in {}, by channel.",
    "weight": "The weight of a point of {} in the loss.",
    "correct": "Whether a point of {} is correct.",
    "read": "The values read from the outputs at the last step of {}.",
    "after": "Compute the variables that depend on the reads of {}.",
}

#: The same for a trial as a whole.
TRIAL_ROLES = {"success": "Whether a trial is a success.", "scored": "Whether a trial is scored."}

#: The documentation of the function that draws the variables.
DRAW = "Draw the variables of a trial that depend on no read."


@dataclass(frozen=True)
class Function:
    """A function of a source.  lines: its body after the docstring, without the indentation of the body."""

    name: str
    parameters: str
    doc: str
    lines: tuple[str, ...]


AnyFunction = TypeVar("AnyFunction", bound=Function)


def share(
    functions: Iterable[tuple[int, str, AnyFunction]], timeline: Timeline
) -> list[tuple[str, AnyFunction, tuple[int, ...]]]:
    """Return each function once, with its role and the numbers of the epochs that have an equal one.

    functions: epoch, role and function each.  The documentation of the result names the epochs.
    """
    written: dict[tuple[str, str, tuple[str, ...]], AnyFunction] = {}
    users: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
    for epoch, role, function in functions:
        key = role, function.parameters, function.lines
        written.setdefault(key, function)
        users.setdefault(key, []).append(epoch)
    names = [epoch.name for epoch in timeline.epochs]
    return [
        (
            key[0],
            replace(function, doc=function.doc.format(listed([names[e] for e in users[key]]))),
            (*users[key],),
        )
        for key, function in written.items()
    ]


def steady(epoch: Epoch) -> list[Drive]:
    """Return the inputs that are constant throughout an epoch."""
    return [drive for drive in epoch.drives if drive.value.type.rate is not Rate.POINT]


def changing(epoch: Epoch) -> list[Drive]:
    """Return the inputs that change from step to step of an epoch."""
    return [drive for drive in epoch.drives if drive.value.type.rate is Rate.POINT]


def listed(names: Sequence[str]) -> str:
    """Return names as words: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
