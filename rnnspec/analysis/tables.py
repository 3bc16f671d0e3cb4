"""Evaluations as tables: a summary by network, and a line for each trial."""

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
    """The performance of one network.  network: its number in the whole ensemble."""

    network: int
    performance: float
    phases: dict[str, float]
    diverged: bool


@dataclass(frozen=True)
class Summary:
    """The performance of each network of an ensemble, and the means over all networks."""

    sequences: int
    rows: tuple[Row, ...]
    mean: float
    phase_means: dict[str, float]

    def as_dict(self) -> dict[str, object]:
        """Return the summary as values for JSON; NaN becomes None."""
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
    """Return the summary of an evaluation.  diverged: networks, counted from 0 in this simulation."""
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

    The performance of a trial that is not scored is empty.  Networks have their numbers in the whole
    ensemble; sequences, trials and conditions count from 0.  With conditions, `condition` follows the
    performance; if something was changed, the last column, `changes`, says what, in every line.
    """
    fixed: tuple[str, ...] = ("network", "sequence", "trial", "performance")
    known, of_sequence = evaluation.conditions, list[list[int]]()
    if known is not None:
        fixed = (*fixed, "condition")
        of_sequence = [[number] for number in known.of_sequence.tolist()]
    last = ["; ".join(evaluation.changes)] if evaluation.changes else []
    fixed_too = (*fixed, *(["changes"] if last else []))
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    # A variable can have the name of a fixed column.
    names = [f"{name}_" if name in fixed_too else name for name in evaluation.variables]
    table.writerow([*fixed, *names, *fixed_too[len(fixed) :]])
    networks, sequences, trials = evaluation.trials.shape
    columns = [
        values.expand(networks, -1, -1) for values in (evaluation.trials, *evaluation.variables.values())
    ]
    for k in range(networks):
        values = [column[k].double().tolist() for column in columns]
        for b in range(sequences):
            for trial in range(trials):
                performance, *drawn = (_cell(column[b][trial]) for column in values)
                condition = of_sequence[b] if of_sequence else []
                place = (simulation.first_network + k, b, trial)
                table.writerow([*place, performance, *condition, *drawn, *last])
    return text.getvalue()


def _cell(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def _mean(values: tuple[float, ...]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
