"""Phases and criteria in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnspec.cli.display.charts import score
from rnnspec.program.nodes import SUCCESS, Stop


def describe_phases(phases: Mapping[str, float], performance: float) -> str:
    """Return `hold 0.998, respond 0.612`; empty if there is only the phase that the performance is of."""
    if not phases or [score(value) for value in phases.values()] == [score(performance)]:
        return ""
    return ", ".join(f"{name} {score(value)}" for name, value in phases.items())


def describe_criterion(stop: Stop) -> str:
    """Return `0.95`, `0.95 in success`, `0.95 in respond` or `0.95 in each of hold and respond`."""
    names = stop.of or ()
    if not names:
        return f"{stop.performance:g}"
    listed = names[0] if len(names) == 1 else f"each of {', '.join(names[:-1])} and {names[-1]}"
    return f"{stop.performance:g} in {listed}"


def describe_below(names: Sequence[str], phases: Mapping[str, float], performance: float) -> str:
    """Return `respond at 0.612`, for what holds a training back."""
    means = {**phases, SUCCESS: performance}
    return ", ".join(f"{name} at {score(means[name])}" for name in names)
