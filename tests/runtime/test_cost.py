"""What an iteration is said to cost, against the matrix products that torch does and the tensors it keeps."""

from __future__ import annotations

import pytest
import torch
from support import SPECS
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rnnspec.check.examine import load
from rnnspec.runtime.cost import evaluation_operations, graph_memory, iteration_cost, kernel_memory
from rnnspec.runtime.simulation import Simulation

#: The epochs of two tasks with a grace, and those without.
TASKS = {
    "go": (["fixation", "response"], ["context", "stimulus"]),
    "rule_reversal": (["respond"], ["sample", "feedback", "wait"]),
}


def simulation(name: str, *settings: str) -> Simulation:
    """A task with epochs of 20 steps, 5 of them grace, so that the test is quick."""
    late, whole = TASKS[name]
    short = [f"task.epochs.{epoch}.duration=100 ms" for epoch in (*late, *whole)]
    short += [f"task.epochs.{epoch}.jitter=0 ms" for epoch in (*late, *whole)]
    short += [f"task.epochs.{epoch}.grace=25 ms" for epoch in late]
    short += ["training.networks=2", "training.batch=8", "training.evaluate.batch=8", *settings]
    return Simulation(load(SPECS / f"{name}.yaml", settings=short).program, target="torch")


@pytest.mark.parametrize("name", TASKS)
def test_operations(name: str) -> None:
    module = simulation(name)
    cost = iteration_cost(module.program)
    with FlopCounterMode(display=False) as forward:
        outcome = module(purpose="train")
    with FlopCounterMode(display=False) as backward:
        outcome.loss.sum().backward()
    # The engine projects inputs that all sequences share only once, and sin and cos decode a direction.
    assert forward.get_total_flops() / 2 == pytest.approx(cost.forward, rel=0.05)
    assert backward.get_total_flops() / 2 == pytest.approx(cost.backward, rel=0.05)


def test_operations_by_hand() -> None:
    """go: 80 steps, 60 with gradient, 50 of them read; four segments with input."""
    cost = iteration_cost(simulation("go").program)
    n, c_in, c_out = 50, 85, 33
    assert cost.forward == 8 * (80 * 2 * n * n + 4 * 2 * n * c_in + 50 * 2 * n * c_out)
    assert cost.backward == 8 * (60 * 4 * n * n + 3 * 2 * n * c_in + 50 * 4 * n * c_out)
    assert evaluation_operations(simulation("go").program) == cost.forward


def test_inputs_that_vary_are_projected_at_every_step() -> None:
    plain = iteration_cost(simulation("go").program)
    noisy = iteration_cost(simulation("go", "task.epochs.stimulus.input.fixation=white(0.1)").program)
    assert noisy.forward - plain.forward == 8 * 20 * 2 * 50 * 1


@pytest.mark.parametrize("name", TASKS)
def test_memory(name: str) -> None:
    """About: what is kept for backward is at least half of it, and fits."""
    module = simulation(name)
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(purpose="train")
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}
    assert 0.5 < sum(storages.values()) / graph_memory(module.program) < 1.0


def test_kernels_take_memory_for_weights_and_threads() -> None:
    few, many = (simulation("go", f"training.networks={n}").program for n in (2, 4))
    weights = 50 * 50 + 85 * 50 + 33 * 50 + 50
    assert kernel_memory(many, 1) - kernel_memory(few, 1) == 2 * 11 * weights * 4
    # 80 steps of a group of four sequences.
    assert kernel_memory(few, 3) - kernel_memory(few, 2) == 4 * 81 * 2 * 50 * 4
