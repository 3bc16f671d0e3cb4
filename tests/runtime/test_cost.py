"""What an iteration is said to cost, against the matrix products that torch does and the tensors it keeps."""

from __future__ import annotations

import pytest
import torch
from support import SPECS
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rnnspec.check.examine import load
from rnnspec.runtime.cost import evaluation_operations, iteration_cost
from rnnspec.runtime.simulation import Simulation


def simulation(name: str, jittered: list[str], *settings: str) -> Simulation:
    off = [f"task.epochs.{epoch}.jitter=0 ms" for epoch in jittered]
    small = ["training.networks=2", "training.batch=8", "training.evaluate.batch=8"]
    return Simulation(load(SPECS / f"{name}.yaml", settings=[*small, *off, *settings]).program)


TASKS = [
    ("go", ["fixation", "stimulus"]),
    ("rule_reversal", ["sample", "respond", "feedback", "wait"]),
]


@pytest.mark.parametrize(("name", "jittered"), TASKS)
def test_operations(name: str, jittered: list[str]) -> None:
    module = simulation(name, jittered)
    cost = iteration_cost(module.program)
    with FlopCounterMode(display=False) as forward:
        outcome = module(purpose="train")
    with FlopCounterMode(display=False) as backward:
        outcome.loss.sum().backward()
    # The engine projects inputs that all sequences share only once, and sin and cos decode a direction.
    assert forward.get_total_flops() / 2 == pytest.approx(cost.forward, rel=0.02)
    assert backward.get_total_flops() / 2 == pytest.approx(cost.backward, rel=0.02)


def test_operations_by_hand() -> None:
    """go: 500 steps, 300 with gradient, 220 of them read; four segments with input."""
    cost = iteration_cost(simulation("go", []).program)
    n, c_in, c_out = 50, 85, 33
    assert cost.forward == 8 * (500 * 2 * n * n + 4 * 2 * n * c_in + 220 * 2 * n * c_out)
    assert cost.backward == 8 * (300 * 4 * n * n + 3 * 2 * n * c_in + 220 * 4 * n * c_out)
    assert evaluation_operations(simulation("go", []).program) == cost.forward


def test_inputs_that_vary_are_projected_at_every_step() -> None:
    plain = iteration_cost(simulation("go", []).program)
    noisy = iteration_cost(simulation("go", [], "task.epochs.stimulus.input.fixation=white(0.1)").program)
    assert noisy.forward - plain.forward == 8 * 100 * 2 * 50 * 1


@pytest.mark.parametrize(("name", "jittered"), TASKS)
def test_memory(name: str, jittered: list[str]) -> None:
    """About: what is kept for backward is at least half of it, and fits."""
    module = simulation(name, jittered)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(purpose="train")
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    assert 0.5 < sum(storages.values()) / iteration_cost(module.program).memory < 1.0
