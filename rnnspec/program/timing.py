"""Durations in whole steps, and the draws on which the durations of a program depend."""

from __future__ import annotations

import math
from fractions import Fraction

from rnnspec.program.expression_nodes import Previous, Variable, walk
from rnnspec.program.nodes import Timeline


def whole_steps(time: Fraction, step: Fraction) -> int:
    """Return the number of whole steps in a time: at least 1, or 0 if the time is 0.  Both in seconds."""
    return max(1, time // step) if time > 0 else 0


def drawn_steps(seconds: float, dt: Fraction, theta: Fraction = Fraction(1), jitter: int = 0) -> int:
    """Return the number of steps of length dt * theta in a drawn duration.

    seconds: the duration.  dt: in seconds.  jitter: the steps of length dt that jitter adds.
    """
    # The margin is for rounding: in floating point, 0.145 / 0.005 is 28.999999999999996.
    wanted = (seconds / float(dt) + jitter) / float(theta) + 1e-6
    return 0 if seconds <= 0 else max(1, math.floor(wanted))


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
