"""`rnnspec.simulate`: simulate the networks of a run and record their activity."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import torch

from rnnspec.analysis.evaluation import SIMULATION
from rnnspec.analysis.recording import Recording, record
from rnnspec.runs.reader import StoredRun, ensemble_of
from rnnspec.runtime.arguments import choice, whole_number
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.memory import recorded_memory, recording_memory, require_memory, require_room
from rnnspec.runtime.simulation import Simulation, true_dynamics
from rnnspec.runtime.stages import stage_at

Dynamics = Literal["true", "stage"]
DYNAMICS: tuple[Dynamics, ...] = get_args(Dynamics)


def simulate(
    run: Simulation | StoredRun | Path | str,
    sequences: int = 8,
    *,
    dynamics: Dynamics | Stage = "true",
    iteration: int = SIMULATION,
    folder: Path | None = None,
) -> Recording:
    """Simulate an ensemble on new trials and return its activity, inputs, outputs and trials.

    run: a run folder, or a simulation.  dynamics: `true` for the base model; `stage` for the skips and
    coarsening of the last update (of the first, if the simulation does not come from a run); or a Stage.
    iteration: selects the trials and the noise.  folder: where the recording will be saved.
    RequestError if it does not fit into memory, or on the disk of that folder.
    """
    run = ensemble_of(run)
    sequences = whole_number("sequences", sequences, 1)
    simulation = run if isinstance(run, Simulation) else run.simulation
    stage = _stage(run, simulation, dynamics)
    weight = next(simulation.parameters())
    ensemble = (simulation.program, simulation.networks, stage.theta, weight.element_size())
    require_memory(recording_memory(*ensemble), sequences, weight.device)
    if folder is not None:
        require_room(folder, sequences * recorded_memory(*ensemble))
    with torch.no_grad():
        outcome = simulation(sequences, purpose="simulate", iteration=iteration, stage=stage, record=True)
    batch = Batch(sequences, simulation.seed, iteration, "simulate", stage, simulation.first_network)
    return record(simulation, batch, outcome)


def _stage(run: Simulation | StoredRun, simulation: Simulation, dynamics: Dynamics | Stage) -> Stage:
    if isinstance(dynamics, Stage):
        return dynamics
    if choice("dynamics", dynamics, DYNAMICS) == "true":
        return true_dynamics(simulation.program)
    updates = 0 if isinstance(run, Simulation) else run.iterations
    return stage_at(simulation.program, max(updates - 1, 0)).stage
