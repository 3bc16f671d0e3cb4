"""Durations in whole steps, and the draws on which the durations of a program depend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from rnnspec.program.expression_nodes import Previous, Variable, walk
from rnnspec.program.nodes import Timeline


def whole_steps(time: Fraction, step: Fraction) -> int:
    """Return the number of whole steps in a time: at least 1, or 0 if the time is 0.  Both in seconds."""
    return max(1, time // step) if time > 0 else 0


def trial_steps(
    timeline: Timeline,
    dt: Fraction,
    theta: Fraction,
    jitter: Sequence[int],
    drawn: Sequence[float | None],
) -> tuple[int, ...]:
    """Return the number of steps of length dt * theta in each epoch of a trial.

    dt: in seconds.  jitter: the steps of length dt that are added to each epoch.  drawn: the drawn duration
    of each epoch in seconds, ignored where it is fixed.  Raises ValueError if a drawn duration is missing.

    Fixed durations alone are rounded down one by one.  If some are drawn, the time from the start of the
    trial to the end of each epoch is rounded down, so that durations that add to 1 s have the steps of 1 s.
    An epoch has at least one step, and the steps of its own duration rounded down; a drawn duration of 0 has
    none.
    """
    times = [epoch.duration.time for epoch in timeline.epochs]
    # What each epoch has at least; None for one whose drawn duration is 0.
    least: list[int | None] = []
    wanted: list[float] = []
    for time, extra, seconds, epoch in zip(times, jitter, drawn, timeline.epochs, strict=True):
        if time is not None:
            steps = time / dt + extra
            least.append(max(1, steps // theta))
            wanted.append(max(float(steps), 0.0))
        elif seconds is None:
            raise ValueError(f"epoch '{epoch.name}' needs a drawn duration")
        else:
            length = max(seconds / float(dt) + extra, 0.0)
            least.append(max(1, _down(length / float(theta))) if seconds > 0 else None)
            wanted.append(length)
    if not timeline.ragged:
        return tuple(steps for steps in least if steps is not None)
    return _cut(least, wanted, float(theta))


def _cut(least: Sequence[int | None], wanted: Sequence[float], theta: float) -> tuple[int, ...]:
    """Return the steps of epochs whose ends are rounded down, from their lengths in steps of length dt."""
    found, end, time = [], 0, 0.0
    for steps, length in zip(least, wanted, strict=True):
        before = end
        if steps is not None:
            time += length
            end = max(before + steps, _down(time / theta))
        found.append(end - before)
    return tuple(found)


def _down(steps: float) -> int:
    """Return steps rounded down.  With a margin: in floating point, 0.145 / 0.005 is 28.999999999999996."""
    return math.floor(steps + 1e-6)


def duration_draws(timeline: Timeline) -> frozenset[str]:
    """Return the names of the draws on which durations depend, also through earlier trials.

    All networks have the same durations, so they share these draws even if their trials are independent.
    """
    values = {d.name: (*d.values, *(v for p in d.patterns or () for v in p)) for d in timeline.draws}
    waiting = [epoch.duration.value for epoch in timeline.epochs if epoch.duration.value is not None]
    found: set[str] = set()
    while waiting:
        for node in walk(waiting.pop()):
            if isinstance(node, Variable | Previous) and node.name not in found:
                found.add(node.name)
                waiting.extend(values.get(node.name, ()))
    return frozenset(found)
