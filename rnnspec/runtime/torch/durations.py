"""The drawn durations of epochs, by the functions of the generated torch module."""

from __future__ import annotations

from types import ModuleType

import torch

from rnnspec.codegen.torch.graph import emit
from rnnspec.program.nodes import Program
from rnnspec.runtime.torch.module import load


def drawn_durations(
    program: Program,
    key: tuple[int, int],
    network: int,
    sequences: int,
    module: ModuleType | None = None,
) -> list[list[list[float | None]]]:
    """Return the drawn durations of each sequence, trial and epoch in seconds; None for fixed ones.

    key: of the draws of the batch.  network: any, since durations are the same for all networks.  module: the
    generated module of the program, if the caller has it.
    """
    module = load(emit(program)) if module is None else module
    trials = module.draw_trials(key, torch.tensor([network]), sequences)
    seconds = [
        [
            epoch.duration(trial).expand(1, sequences, 1, 1).flatten().tolist() if epoch.duration else None
            for epoch in module.EPOCHS[: len(program.timeline.epochs)]
        ]
        for trial in trials
    ]
    return [
        [[None if epoch is None else epoch[b] for epoch in trial] for trial in seconds]
        for b in range(sequences)
    ]
