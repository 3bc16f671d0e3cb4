"""What an evaluation asked: its conditions, and how it differs from the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rnnspec.cli.display.charts import score
from rnnspec.files import finite

if TYPE_CHECKING:
    from rnnspec.analysis.evaluation import Evaluation


def condition_lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield a table with the mean performance over networks in each condition; nothing without conditions."""
    if evaluation.conditions is None:
        return
    yield ""
    rows = [
        [*(f"{value:g}" for value in values), str(count), score(_mean(performance))]
        for values, count, performance in _rows(evaluation)
    ]
    heads = [*evaluation.conditions.names, "sequences", "performance"]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))


def asked_as_dict(evaluation: Evaluation) -> dict[str, object]:
    """Return changes and conditions as values for JSON; those that there are."""
    found: dict[str, object] = {}
    if evaluation.changes:
        found["changes"] = list(evaluation.changes)
    if evaluation.conditions is not None:
        names = evaluation.conditions.names
        found["conditions"] = [
            {
                "variables": dict(zip(names, values, strict=True)),
                "sequences": count,
                "mean": finite(_mean(performance)),
                "networks": [finite(value) for value in performance],
            }
            for values, count, performance in _rows(evaluation)
        ]
    return found


def _rows(evaluation: Evaluation) -> Iterator[tuple[Sequence[float], int, list[float]]]:
    """Yield the values, the number of sequences and the performance of each network, by condition."""
    known = evaluation.conditions
    assert known is not None
    by_condition = known.performance(evaluation.trials.double()).T.tolist()
    counts = [int((known.of_sequence == number).sum()) for number in range(len(known.values))]
    yield from zip(known.values, counts, by_condition, strict=True)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
