"""The first sequence of a training, before there is any: what a network gets, and what it is taught."""

from __future__ import annotations

import torch

from rnnspec.analysis.recording import Recording, record
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.memory import recording_memory, require_memory
from rnnspec.runtime.simulation import Simulation, true_dynamics
from rnnspec.runtime.targets import ready_target


def preview(program: Program) -> Recording:
    """Record the first sequence of the first batch: with jitter, without skips and coarsening.

    Activity, outputs and reads are those of network 0 before training.  RequestError if the recording does
    not fit into memory.
    """
    stage = true_dynamics(program)
    simulation = Simulation(program, networks=1, target=ready_target())
    weight = simulation.bias
    require_memory(recording_memory(program, 1, stage.theta, weight.element_size()), 1, weight.device)
    # The draws of a sequence do not depend on the size of the batch, and the first one has combination 0.
    with torch.no_grad():
        outcome = simulation(1, purpose="train", iteration=0, stage=stage, record=True)
    return record(simulation, Batch(1, simulation.seed, 0, "train", stage), outcome)
