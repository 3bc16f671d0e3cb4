"""`rnnspec.evaluate`: evaluate the networks of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rnnspec.analysis.conditions import balanced_sequences, dealt
from rnnspec.analysis.evaluation import EVALUATION, Evaluation, evaluate_simulation
from rnnspec.runs.question import ConditionValues, Question
from rnnspec.runs.reader import StoredRun, ensemble_of
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.memory import evaluation_memory, require_memory
from rnnspec.runtime.simulation import Simulation


def evaluate(
    run: Simulation | StoredRun | Path | str,
    *,
    sequences: int | None = None,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str] = (),
    conditions: ConditionValues = None,
    trial_seed: int | None = None,
    checkpoint: int | None = None,
) -> Evaluation:
    """Evaluate an ensemble on new trials, not used in training, with the true dynamics.

    run: a run folder, or a simulation.  sequences: B, by default training.evaluate.batch of the spec; with
    conditions, the next multiple of their number.  The rest is for run folders.  overlays, settings: change
    the spec, as for `rnnspec.load`; sizes, masks and signs stay those of the run.  conditions: the values of
    some variables, `{"coherence": [-0.5, 0.5], "context": [0, 1]}` or what `--conditions` takes; all
    combinations are dealt to the sequences, equally often.  trial_seed: selects other trials and noise.
    checkpoint: the iteration of a checkpoint, whose networks are taken.

    RequestError if the sequences do not fit into memory, or the weights do not fit the changed spec;
    SpecError if that has errors.
    """
    run = ensemble_of(run, Question.of(overlays, settings, conditions, trial_seed, checkpoint))
    simulation = run if isinstance(run, Simulation) else run.simulation
    diverged = frozenset[int]() if isinstance(run, Simulation) else run.diverged
    if sequences is not None:
        sequences = whole_number("sequences", sequences, 1)
    program, weight = simulation.program, next(simulation.parameters())
    sequences = balanced_sequences(program.grid, sequences, program.training.evaluate_batch)
    each = evaluation_memory(program, simulation.networks, weight.element_size())
    require_memory(each, sequences, weight.device)
    evaluation = evaluate_simulation(simulation, sequences, EVALUATION, diverged)
    changes = () if isinstance(run, Simulation) else run.changes
    found, variables = dealt(program.grid, evaluation.variables)
    return replace(evaluation, variables=variables, conditions=found, changes=changes)
