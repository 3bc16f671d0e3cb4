"""What guessing scores, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from rnnspec.analysis.guessing.levels import Guessing

_WORDS = {"untrained": "untrained networks", "constant": "constant outputs", "random": "random answers"}
#: A score below it, of outputs that are exactly at their targets, is said.
_CONTRADICTS = 0.9


def describe_guessing(guessing: Guessing) -> Iterator[str]:
    """Yield a line for each way of guessing: `constant outputs 0.67 (hold 1.00, respond 0.20)`."""
    levels = guessing.by_name()
    for name, words in _WORDS.items():
        if name in levels:
            level = levels[name]
            yield f"{words} {_score(level.performance)}{_phases(level.phases)}"
        elif name == "untrained":
            yield f"{words}: not measured here, it would take too long"
    targets = guessing.targets
    if targets is not None and min((targets.performance, *targets.phases.values())) < _CONTRADICTS:
        scored = f"{_score(targets.performance)}{_phases(targets.phases)}"
        yield f"exact targets score only {scored}: does 'correct' ask for what 'target' teaches?"


def _phases(phases: Mapping[str, float]) -> str:
    """Return the phases in brackets; of a single phase, nothing."""
    listed = ", ".join(f"{name} {_score(value)}" for name, value in phases.items())
    return f" ({listed})" if len(phases) > 1 else ""


def _score(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.2f}"
