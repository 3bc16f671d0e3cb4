"""The criterion at which training stops: what must reach it, and what is still below.  Free of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

from rnnspec.program.nodes import SUCCESS, Program, Stop


def trimmed_mean(values: Sequence[float], trim: float) -> float:
    """Return the mean of K values without the floor(trim K) smallest and largest; NaN if a value is NaN."""
    dropped = trimmed_count(len(values), trim)
    kept = sorted(values)[dropped : len(values) - dropped]
    if not kept or any(math.isnan(value) for value in values):
        return math.nan
    return math.fsum(kept) / len(kept)


def trimmed_count(networks: int, trim: float) -> int:
    """Return the number of networks that a trimmed mean leaves out at each end: floor(trim K)."""
    # Exact decimals: in floats, 0.29 * 100 is less than 29.
    return math.floor(Fraction(str(trim)) * networks)


def phase_means(phases: Mapping[str, Sequence[float]], stop: Stop | None) -> dict[str, float]:
    """Return the mean of each phase over the networks, trimmed as the criterion says.

    phases: the performance of each network, by phase.
    """
    return {name: trimmed_mean(values, stop.trim if stop else 0.0) for name, values in phases.items()}


def is_reached(stop: Stop, performance: float, phases: Mapping[str, float]) -> bool:
    """Return whether all that `stop` is about is at its criterion.

    performance: in whole trials.  phases: by phase.  Both are trimmed means, or those of one network.
    """
    return all(value >= stop.performance for value in _compared(stop, performance, phases).values())


def below_criterion(program: Program, performance: float, phases: Mapping[str, float]) -> tuple[str, ...]:
    """Return what holds a training back: the phases below the criterion, and SUCCESS; the lowest first.

    performance, phases: as of `is_reached`.  If the criterion is about whole trials, all their phases are
    named that are below it.  Empty if it is reached, or if there is none.
    """
    stop = program.training.stop
    if stop is None or is_reached(stop, performance, phases):
        return ()
    compared = _compared(stop, performance, phases)
    if stop.of is None:
        compared = {SUCCESS: performance} if program.timeline.success is not None else dict(phases)
    below = {name: value for name, value in compared.items() if not value >= stop.performance}
    return tuple(sorted(below, key=lambda name: -1.0 if math.isnan(below[name]) else below[name]))


def _compared(stop: Stop, performance: float, phases: Mapping[str, float]) -> dict[str, float]:
    """Return what must reach the criterion; NaN for a phase that was not measured."""
    if stop.of is None:
        return {"": performance}
    return {name: performance if name == SUCCESS else phases.get(name, math.nan) for name in stop.of}
