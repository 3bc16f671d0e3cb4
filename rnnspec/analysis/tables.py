"""Evaluations as tables."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection
from dataclasses import dataclass
from io import StringIO

from rnnspec.analysis.evaluation import Evaluation
from rnnspec.files import finite
from rnnspec.runtime.simulation import Simulation


@dataclass(frozen=True)
class Row:
    """What one network, by its number in the whole ensemble, is worth."""

    network: int
    performance: float
    phases: dict[str, float]
    diverged: bool


@dataclass(frozen=True)
class Summary:
    """What an ensemble is worth: each network, and the means over all of them."""

    sequences: int
    rows: tuple[Row, ...]
    mean: float
    phase_means: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        """Return the summary as JSON has it; what is not a number becomes None."""
        return {
            "sequences": self.sequences,
            "mean": finite(self.mean),
            "phases": {phase: finite(value) for phase, value in self.phase_means.items()},
            "networks": [
                {
                    "network": row.network,
                    "performance": finite(row.performance),
                    "phases": {phase: finite(value) for phase, value in row.phases.items()},
                    "diverged": row.diverged,
                }
                for row in self.rows
            ],
        }


def evaluation_summary(
    simulation: Simulation, evaluation: Evaluation, diverged: Collection[int] = ()
) -> Summary:
    """Return an evaluation by network.  diverged: counted from 0 in this simulation."""
    rows = tuple(
        Row(
            simulation.first_network + k,
            performance,
            {phase: values[k] for phase, values in evaluation.phases.items()},
            k in diverged,
        )
        for k, performance in enumerate(evaluation.performance)
    )
    means = {phase: _mean(values) for phase, values in evaluation.phases.items()}
    return Summary(evaluation.sequences, rows, _mean(evaluation.performance), means)


def trial_table(simulation: Simulation, evaluation: Evaluation) -> str:
    """Return one line of CSV for each network, sequence and trial: draws, reads and performance.

    A trial that does not count has no performance.  Numbers count from 0, networks as in the ensemble.
    """
    fixed = ("network", "sequence", "trial", "performance")
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    # A draw may have the name of a column.
    table.writerow([*fixed, *(f"{name}_" if name in fixed else name for name in evaluation.variables)])
    networks, sequences, trials = evaluation.trials.shape
    columns = [
        values.expand(networks, -1, -1) for values in (evaluation.trials, *evaluation.variables.values())
    ]
    for k in range(networks):
        values = [column[k].double().tolist() for column in columns]
        for b in range(sequences):
            for trial in range(trials):
                cells = [_cell(column[b][trial]) for column in values]
                table.writerow([simulation.first_network + k, b, trial, *cells])
    return text.getvalue()


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _mean(values: tuple[float, ...]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
