"""`rnnspec.evaluate`: evaluate the networks of a run."""

from __future__ import annotations

from pathlib import Path

from rnnspec.analysis.evaluation import EVALUATION, Evaluation, evaluate_simulation
from rnnspec.runs.reader import StoredRun, ensemble_of
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.memory import evaluation_memory, require_memory
from rnnspec.runtime.simulation import Simulation


def evaluate(run: Simulation | StoredRun | Path | str, *, sequences: int | None = None) -> Evaluation:
    """Evaluate an ensemble on new trials, not used in training, with the true dynamics.

    run: a run folder, or a simulation.  sequences: B, by default training.evaluate.batch of the spec.
    RequestError if they do not fit into memory.
    """
    run = ensemble_of(run)
    simulation = run if isinstance(run, Simulation) else run.simulation
    diverged = frozenset[int]() if isinstance(run, Simulation) else run.diverged
    if sequences is None:
        sequences = simulation.program.training.evaluate_batch
    sequences = whole_number("sequences", sequences, 1)
    weight = next(simulation.parameters())
    each = evaluation_memory(simulation.program, simulation.networks, weight.element_size())
    require_memory(each, sequences, weight.device)
    return evaluate_simulation(simulation, sequences, EVALUATION, diverged)
