"""Updates: the optimisers, clipping, divergence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from training.samples import TARGET, load_tiny

from rnnspec.program.nodes import Optimizer
from rnnspec.runtime.batch import Batch, Engine, Outcome
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.optimizers import WeightOptimizer
from rnnspec.training.updater import Updater, clip_per_network

RATE, BETA1, BETA2, EPSILON = 0.1, 0.8, 0.9, 1e-3


def steps_of(kind: Any, **options: float) -> list[float]:
    """Three steps of an optimiser on the loss w^2 / 2, whose gradient is w, from w = 1."""
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = WeightOptimizer([weight], Optimizer((), kind, RATE, tuple(options.items())))
    taken = []
    for _ in range(3):
        weight.grad = weight.detach().clone()
        optimizer.step()
        taken.append(weight.item())
    return taken


TORCH: dict[Any, tuple[Any, dict[str, Any], dict[str, float]]] = {
    "adam": (
        torch.optim.Adam,
        {"betas": (BETA1, BETA2), "eps": EPSILON},
        {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON},
    ),
    "adamw": (
        torch.optim.AdamW,
        {"betas": (BETA1, BETA2), "eps": EPSILON, "weight_decay": 0.3},
        {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON, "weight_decay": 0.3},
    ),
    "sgd": (
        torch.optim.SGD,
        {"momentum": 0.5, "weight_decay": 0.3},
        {"momentum": 0.5, "weight_decay": 0.3},
    ),
    "rmsprop": (
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": EPSILON, "momentum": 0.5},
        {"alpha": 0.9, "epsilon": EPSILON, "momentum": 0.5},
    ),
}


@pytest.mark.parametrize("kind", TORCH)
def test_updates_are_those_of_torch_to_the_bit(kind: Any) -> None:
    make, theirs, options = TORCH[kind]
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.nn.Parameter(torch.linspace(-1, 1, 15).reshape(3, 5)) for _ in range(2))
    ours = WeightOptimizer([first], Optimizer((), kind, RATE, tuple(options.items())))
    torchs = make([second], lr=RATE, **theirs)
    for _ in range(4):
        first.grad = torch.randn(3, 5, generator=generator)
        second.grad = first.grad.clone()
        ours.step()
        torchs.step()
    assert torch.equal(first, second)
    state = torchs.state[second]
    assert set(ours.state[first]) == {name for name, value in state.items() if value is not None}
    assert all(torch.equal(value, state[name]) for name, value in ours.state[first].items())


@pytest.mark.parametrize("kind", TORCH)
def test_fused_updates_are_the_same_but_for_rounding(kind: Any) -> None:
    """Also from a state in the middle, as after a checkpoint of another device."""
    options = Optimizer((), kind, RATE, tuple(TORCH[kind][2].items()))
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 15).reshape(3, 5)) for _ in range(3)]
    plain, fused, mixed = (WeightOptimizer([weight], options) for weight in weights)
    fused.fused = True
    for step in range(4):
        mixed.fused = step >= 2
        for number, weight in enumerate(weights):
            weight.grad = torch.randn(3, 5, generator=torch.Generator().manual_seed(step))
            (plain, fused, mixed)[number].step()
    for weight, optimizer in zip(weights[1:], (fused, mixed), strict=True):
        torch.testing.assert_close(weight, weights[0])
        torch.testing.assert_close(optimizer.state[weight], plain.state[weights[0]])


@pytest.mark.parametrize(("kind", "decay"), [("adam", 0.0), ("adamw", 0.3)])
def test_adam(kind: str, decay: float) -> None:
    expected, w, m, v = [], 1.0, 0.0, 0.0
    for t in (1, 2, 3):
        g = w
        w -= RATE * decay * w
        m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
        w -= RATE * (m / (1 - BETA1**t)) / ((v / (1 - BETA2**t)) ** 0.5 + EPSILON)
        expected.append(w)
    more = {"weight_decay": decay} if kind == "adamw" else {}
    assert steps_of(kind, beta1=BETA1, beta2=BETA2, epsilon=EPSILON, **more) == pytest.approx(expected)


def test_sgd() -> None:
    expected, w, velocity = [], 1.0, 0.0
    for _ in range(3):
        velocity = 0.5 * velocity + w + 0.3 * w
        w -= RATE * velocity
        expected.append(w)
    assert steps_of("sgd", momentum=0.5, weight_decay=0.3) == pytest.approx(expected)


def test_rmsprop() -> None:
    expected, w, square, velocity = [], 1.0, 0.0, 0.0
    for _ in range(3):
        square = 0.9 * square + 0.1 * w * w
        velocity = 0.5 * velocity + w / (square**0.5 + EPSILON)
        w -= RATE * velocity
        expected.append(w)
    assert steps_of("rmsprop", alpha=0.9, epsilon=EPSILON, momentum=0.5) == pytest.approx(expected)


def test_clipping_is_by_the_norm_of_each_network() -> None:
    a, b = torch.nn.Parameter(torch.zeros(3, 2)), torch.nn.Parameter(torch.zeros(3, 1, 1))
    a.grad = torch.tensor([[3.0, 0.0], [0.3, 0.0], [1e30, 0.0]])
    b.grad = torch.tensor([4.0, 0.4, 0.0]).view(3, 1, 1)
    norms = clip_per_network([a, b], 1.0)
    assert norms.tolist() == pytest.approx([5.0, 0.5, 1e30])
    assert a.grad.tolist() == [pytest.approx([0.6, 0]), pytest.approx([0.3, 0]), pytest.approx([1, 0])]
    assert b.grad.flatten().tolist() == pytest.approx([0.8, 0.4, 0.0])


# --- divergence --------------------------------------------------------------------------------------


class Faulty:
    """An engine that spoils one network in one iteration: its loss, or only its gradient."""

    def __init__(self, engine: Engine, network: int, iteration: int, what: str) -> None:
        self.engine, self.network, self.iteration, self.what = engine, network, iteration, what

    def run(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        *,
        record: bool = False,
        forced_reads: Mapping[str, Tensor] | None = None,
    ) -> Outcome:
        outcome = self.engine.run(weights, batch, record=record, forced_reads=forced_reads)
        if batch.iteration != self.iteration:
            return outcome
        mine = torch.zeros_like(outcome.loss)
        if self.what == "loss":
            mine[self.network] = torch.nan
            return replace(outcome, loss=outcome.loss * (1.0 + mine))
        # The square root of 0 is 0, and has no finite slope there.
        steep = (weights["w_rec"][self.network] * 0.0).sum().abs().sqrt()
        mine[self.network] = 1.0
        return replace(outcome, loss=outcome.loss + mine * steep)


def train(simulation: Simulation, iterations: int = 5) -> tuple[Updater, list[dict[str, Tensor]]]:
    """Train for some iterations; return the weights after each."""
    updater, history = Updater(simulation), []
    for iteration in range(iterations):
        outcome = simulation(purpose="train", iteration=iteration)
        updater.update(outcome.loss, iteration)
        history.append({name: p.detach().clone() for name, p in simulation.named_parameters()})
    return updater, history


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "{kind: sgd, momentum: 0.9}", "rmsprop"])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_network_that_diverges_touches_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, optimizer: str
) -> None:
    kind = optimizer if optimizer.startswith("{") else f"{{kind: {optimizer}}}"
    program = load_tiny(tmp_path, f"training.optimizer={kind}", "training.clip=0.05").program
    clean, spoilt = Simulation(program, target=TARGET), Simulation(program, target=TARGET)
    _, expected = train(clean)
    monkeypatch.setattr(spoilt, "engine", Faulty(spoilt.engine, 1, 2, what))
    updater, found = train(spoilt)
    for name, weights in expected[-1].items():
        assert torch.equal(found[-1][name][[0, 2]], weights[[0, 2]])
        # What it had before iteration 2, for good.
        assert torch.equal(found[-1][name][1], expected[1][name][1])
    (lost,) = updater.diverged
    cause = (
        "its loss was not finite" if what == "loss" else "the gradient of its loss for w_rec was not finite"
    )
    assert (lost.network, lost.iteration, lost.cause) == (1, 2, cause)


def test_weights_that_an_update_makes_infinite_are_undone(tmp_path: Path) -> None:
    program = load_tiny(tmp_path, "training.optimizer={kind: sgd, learning_rate: 1e38}").program
    simulation = Simulation(program, target=TARGET)
    before = {name: p.detach().clone() for name, p in simulation.named_parameters()}
    updater = Updater(simulation)
    bias = simulation.bias
    updater.update(torch.cat([1e10 * bias[:1].sum(1), bias[1:].sum(1) * 0]), 1)
    assert [lost.network for lost in updater.diverged] == [0]
    assert updater.diverged[0].cause == "its bias was not finite after the update"
    assert torch.equal(simulation.bias, before["bias"])


def test_weights_that_became_nan_in_between_are_given_back(tmp_path: Path) -> None:
    simulation = Simulation(load_tiny(tmp_path).program, target=TARGET)
    updater = Updater(simulation)
    updater.update(simulation(purpose="train", iteration=0).loss, 0)
    last = simulation.w_rec.detach().clone()
    with torch.no_grad():
        simulation.w_rec[2] = torch.inf
    updater.update(simulation(purpose="train", iteration=1).loss, 1)
    assert torch.equal(simulation.w_rec[2], last[2])
    assert updater.alive.tolist() == [True, True, False]


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_frozen_connections_do_not_decay(tmp_path: Path, kind: str) -> None:
    program = load_tiny(
        tmp_path,
        f"training.optimizer={{kind: {kind}, weight_decay: 0.5}}",
        "network.connections.input -> output={trainable: false}",
    ).program
    simulation = Simulation(program, target=TARGET)
    frozen, free = (..., slice(3, 6), slice(0, 3)), (..., slice(0, 3), slice(0, 3))
    before = simulation.w_rec.detach().clone()
    train(simulation, 2)
    assert torch.equal(simulation.w_rec[frozen], before[frozen])
    assert not torch.equal(simulation.w_rec[free], before[free])
