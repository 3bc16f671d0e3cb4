"""Simulate the networks of a run and record everything, as a user asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.simulation import Simulation, true_dynamics
from rnnspec.training.evaluation import SIMULATION
from rnnspec.training.recording import Recording, record
from rnnspec.training.stages import stage_at
from rnnspec.training.stored import StoredRun, open_run


def simulate(
    run: Simulation | StoredRun | Path | str,
    sequences: int = 8,
    *,
    dynamics: Literal["true", "stage"] | Stage = "true",
    iteration: int = SIMULATION,
) -> Recording:
    """Simulate an ensemble on fresh trials and return its activity, inputs, outputs and trials.

    run: a run folder, or a simulation.  dynamics: `true`, the base model; `stage`, with the skips and
    coarsening of the last update (of the first, if the simulation comes from no run); or a Stage.
    iteration: picks the trials and the noise, so other numbers give other trials.
    """
    if isinstance(run, Path | str):
        run = open_run(run)
    simulation = run if isinstance(run, Simulation) else run.simulation
    updates = 0 if isinstance(run, Simulation) else run.iterations
    if dynamics == "true":
        stage = true_dynamics(simulation.program)
    elif dynamics == "stage":
        stage = stage_at(simulation.program, max(updates - 1, 0)).stage
    else:
        stage = dynamics
    with torch.no_grad():
        outcome = simulation(sequences, purpose="simulate", iteration=iteration, stage=stage, record=True)
    batch = Batch(sequences, simulation.seed, iteration, "simulate", stage, simulation.first_network)
    return record(simulation, batch, outcome)
