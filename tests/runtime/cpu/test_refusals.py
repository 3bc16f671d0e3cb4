"""What the cpu target refuses instead of computing something else, and what must not matter to it."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
import torch
from support import program
from torch import Tensor

from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.compiled import engine as compiled_engine
from rnnspec.runtime.simulation import Simulation

PLAIN = Stage(Fraction(1), ())
NOISY = "network: {noise: {kind: ou, scale: 0.3, tau: 60 ms}, weights: {bias: 'normal(0, 1)'}}"
SKIPS = "skips: {edges: {long: {kind: dasc, every: 6 steps}}}"
RAGGED = """
task:
  draw: {wait: "uniform(0, 0.3)"}
  epochs: {stimulus: {duration: wait}}
"""


def small(*overlays: str, networks: int = 2, **options: Any) -> Simulation:
    return Simulation(program(*overlays), networks=networks, target="cpu", **options)


@pytest.mark.parametrize("overlays", [(), (RAGGED,)], ids=["fixed durations", "drawn durations"])
def test_an_export_leaves_nothing_behind(overlays: tuple[str, ...]) -> None:
    """Under export, tensors have no numbers; none of those may be kept for later."""
    compiled_engine._packed_one.cache_clear()
    simulation = small(NOISY, *overlays)

    class Loss(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.simulation = simulation

        def forward(self, factor: Tensor) -> Tensor:
            return factor * self.simulation(3).loss

    factor = torch.tensor(2.0)
    exported = torch.export.export(Loss(), (factor,), strict=False)
    for loss in (exported.module()(factor) / 2, simulation(3).loss):
        assert type(loss) is Tensor
        torch.testing.assert_close(loss, small(NOISY, *overlays)(3).loss)


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.double(),
        lambda w: w[:1],
        lambda w: w[..., :-1],
        lambda w: w.to("meta"),
    ],
    ids=["dtype", "networks", "shape", "device"],
)
@pytest.mark.parametrize("name", ["w_rec", "w_in", "w_out", "bias"])
def test_weights_that_are_not_those_of_the_kernel(name: str, change: Callable[[Tensor], Tensor]) -> None:
    simulation = small()
    weights = simulation.weights()
    weights[name] = change(weights[name])
    with pytest.raises(ValueError, match="and the kernel takes"):
        simulation.engine.run(weights, Batch(2, 0, 0, "simulate", PLAIN))


def test_other_types_of_number_are_refused() -> None:
    with pytest.raises(TypeError, match=r"computes in float32 or float64, not in torch\.float16"):
        small().half()(2)


def test_the_device_of_new_tensors_does_not_matter() -> None:
    simulation = small(NOISY, SKIPS, RAGGED)
    wanted = simulation(3, record=True)
    with torch.device("meta"):
        found = simulation(3, record=True)
    assert torch.equal(found.loss, wanted.loss)
    assert found.rates is not None
    assert wanted.rates is not None
    assert torch.equal(found.rates.nan_to_num(), wanted.rates.nan_to_num())


def test_second_derivatives_are_refused() -> None:
    """They are not there; to leave them out in silence would be a wrong gradient."""
    simulation = small()
    weights = list(simulation.parameters())
    (first, *_) = torch.autograd.grad(simulation(3).loss.sum(), weights, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivatives"):
        first.square().sum().backward()
    found = simulation(3, record=True)
    assert found.rates is not None
    (first, *_) = torch.autograd.grad(found.rates.nan_to_num().square().sum(), weights, create_graph=True)
    with pytest.raises(RuntimeError, match="no second derivatives"):
        first.square().sum().backward()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_forward_mode_is_refused() -> None:
    simulation = small()
    weights = {name: value.detach() for name, value in simulation.named_parameters()}

    def loss(w_rec: Tensor) -> Tensor:
        outcome = torch.func.functional_call(simulation, {**weights, "w_rec": w_rec}, (3,))
        return outcome.loss.sum()

    with pytest.raises(RuntimeError, match="no forward mode"):
        torch.func.jvp(loss, (weights["w_rec"],), (torch.ones_like(weights["w_rec"]),))


def test_only_loss_and_rates_have_gradients() -> None:
    outcome = small()(3, record=True)
    assert outcome.inputs is not None
    assert not outcome.mean_rate.requires_grad
    assert not outcome.inputs.requires_grad
    assert not outcome.performance.requires_grad


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_simulations_can_be_copied(copied: Callable[[Simulation], Simulation]) -> None:
    simulation = small(NOISY)
    wanted = simulation(3).loss
    assert torch.equal(copied(simulation)(3).loss, wanted)


@pytest.mark.parametrize("number", [3e38, float("nan")])
def test_outputs_that_nothing_is_asked_of_may_be_anything(number: float) -> None:
    outputs = "{other: {from: output, activation: null}, hold: {from: output, activation: null}}"
    simulation = small(NOISY, f"network: {{outputs: {outputs}}}", "task: {target: {hold: 0.5}}")
    wanted = simulation(3).loss
    other = next(c for c in simulation.program.network.outputs if c.name == "other")
    with torch.no_grad():
        simulation.w_out[:, other.start] = number
    outcome = simulation(3)
    assert torch.equal(outcome.loss, wanted)
    outcome.loss.sum().backward()
    for name, parameter in simulation.named_parameters():
        assert parameter.grad is not None
        # On its way back, nothing of it times nan is nan.
        assert math.isnan(number) or parameter.grad.isfinite().all(), name


def test_durations_of_many_trials() -> None:
    """They once stood on the stack: 10 MB of variables."""
    variables = "".join(f"    v{number}: uniform(0, 1)\n" for number in range(130))
    wait = "uniform(0, 0.01)"
    many = f"task:\n  trials: 10000\n  draw:\n    wait: {wait}\n{variables}"
    epochs = "task: {epochs: {stimulus: {duration: wait, jitter: 0 ms}, fixation: {duration: 20 ms}}}"
    assert small(many, epochs, networks=1)(1).loss.isfinite().all()
