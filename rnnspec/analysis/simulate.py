"""`rnnspec.simulate`: simulate the networks of a run and record their activity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from rnnspec.analysis.conditions import balanced_sequences, dealt
from rnnspec.analysis.evaluation import SIMULATION
from rnnspec.analysis.recording import NamedArray, Recording, record
from rnnspec.runs.question import ConditionValues, Question
from rnnspec.runs.reader import StoredRun, ensemble_of
from rnnspec.runtime.arguments import choice, whole_number
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.memory import recorded_memory, recording_memory, require_memory, require_room
from rnnspec.runtime.simulation import Simulation, true_dynamics
from rnnspec.runtime.stages import stage_at

Dynamics = Literal["true", "stage"]
DYNAMICS: tuple[Dynamics, ...] = get_args(Dynamics)
#: The sequences that are recorded if nobody says how many.
SEQUENCES = 8


def simulate(
    run: Simulation | StoredRun | Path | str,
    sequences: int | None = None,
    *,
    dynamics: Dynamics | Stage = "true",
    iteration: int = SIMULATION,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str] = (),
    conditions: ConditionValues = None,
    trial_seed: int | None = None,
    checkpoint: int | None = None,
    initial: Tensor | None = None,
    current: Tensor | None = None,
    folder: Path | None = None,
) -> Recording:
    """Simulate an ensemble on new trials and return its activity, inputs, outputs and trials.

    run: a run folder, or a simulation.  sequences: B, 8 by default; with conditions, the next multiple of
    their number.  dynamics: `true` for the base model; `stage` for the skips and coarsening of the last
    update (of the first, if the simulation does not come from a run); or a Stage.  iteration: selects the
    trials and the noise.  overlays, settings, conditions, trial_seed, checkpoint: as for `rnnspec.evaluate`.
    initial, current: a state to begin with and an additional input current, as a Simulation takes them.
    folder: where the recording will be saved.
    RequestError if it does not fit into memory, or on the disk of that folder.
    """
    run = ensemble_of(run, Question.of(overlays, settings, conditions, trial_seed, checkpoint))
    if sequences is not None:
        sequences = whole_number("sequences", sequences, 1)
    simulation = run if isinstance(run, Simulation) else run.simulation
    grid = simulation.program.grid
    sequences = balanced_sequences(grid, sequences, SEQUENCES)
    stage = _stage(run, simulation, dynamics)
    weight = next(simulation.parameters())
    ensemble = (simulation.program, simulation.networks, stage.theta, weight.element_size())
    require_memory(recording_memory(*ensemble), sequences, weight.device)
    if folder is not None:
        require_room(folder, sequences * recorded_memory(*ensemble))
    with torch.no_grad():
        outcome = simulation(
            sequences,
            purpose="simulate",
            iteration=iteration,
            stage=stage,
            record=True,
            initial=initial,
            current=current,
        )
    batch = Batch(sequences, simulation.seed, iteration, "simulate", stage, simulation.first_network)
    found, variables = dealt(grid, outcome.variables)
    recording = record(simulation, batch, replace(outcome, variables=variables))
    arrays = dict(recording) if found is None else {**recording, **found.arrays()}
    if isinstance(run, StoredRun) and run.changes:
        arrays["changes"] = NamedArray(np.array(run.changes), ("change",))
    return Recording(arrays)


def _stage(run: Simulation | StoredRun, simulation: Simulation, dynamics: Dynamics | Stage) -> Stage:
    if isinstance(dynamics, Stage):
        return dynamics
    if choice("dynamics", dynamics, DYNAMICS) == "true":
        return true_dynamics(simulation.program)
    updates = 0 if isinstance(run, Simulation) else run.iterations
    return stage_at(simulation.program, max(updates - 1, 0)).stage
