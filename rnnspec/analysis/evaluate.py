"""Evaluate the networks of a run, as a user asks for it."""

from __future__ import annotations

from pathlib import Path

from rnnspec.analysis.evaluation import EVALUATION, Evaluation, evaluate_simulation
from rnnspec.runs.reader import StoredRun, ensemble_of
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.memory import evaluation_memory, require_memory
from rnnspec.runtime.simulation import Simulation


def evaluate(run: Simulation | StoredRun | Path | str, *, sequences: int | None = None) -> Evaluation:
    """Evaluate an ensemble on fresh trials that training never showed, with the true dynamics.

    run: a run folder, or a simulation.  sequences: B, as many as the evaluations of the spec's training
    if not given.  RequestError if there is not enough memory for them.
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
