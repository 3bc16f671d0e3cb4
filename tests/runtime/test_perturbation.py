"""Perturbed simulations, one step of the true dynamics, and its Jacobian."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from support import program

from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target

SPEC = """
rnnspec: 1
name: perturbed
network:
  dt: 20 ms
  populations:
    a: {size: 3, tau: 100 ms, sign: excitatory}
    b: {size: 2, tau: 50 ms}
  activation: tanh
  noise: {kind: ou, scale: 0.1, tau: 100 ms}
  inputs: {cue: {size: 2}}
  outputs: {answer: {}}
  weights: {bias: "uniform(-0.5, 0.5)"}
task:
  draw: {wait: "uniform(0.05, 0.2)", sound: "uniform(0, 1)"}
  epochs:
    cue: {duration: 100 ms, input: {cue: sound}}
    delay: {duration: wait, input: {cue: white(0.1)}}
    answer: {duration: 60 ms, target: {answer: sound}, read: {said: answer}}
skips: {edges: {far: {kind: dasc, from: cue.start, to: answer.end}}}
"""
FIXED = "task: {epochs: {delay: {duration: 80 ms}}}"
SILENT = "network: {noise: none}\ntask: {epochs: {delay: {duration: 80 ms, input: none}}}"


def simulation(*overlays: str, target: Target = "torch") -> Simulation:
    return Simulation(program(*overlays, base=SPEC), networks=2, target=target, dtype=torch.float64)


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("overlays", [(), (FIXED,)], ids=["ragged", "fixed"])
def test_torch_and_the_reference_agree(overlays: tuple[str, ...]) -> None:
    stage = simulation(*overlays).program.skips and _stage()
    found: list[Any] = []
    for target in ("torch", "reference"):
        networks = simulation(*overlays, target=target)
        initial, current = numbers(2, 3, 5).requires_grad_(), numbers(1, 3, 9, 5).requires_grad_()
        outcome = networks(3, stage=stage, record=True, initial=initial, current=current)
        outcome.loss.sum().backward()
        found.append((outcome.rates, outcome.loss, outcome.variables["said"], initial.grad, current.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12, equal_nan=True)
    assert found[0][3].abs().min() > 0
    assert (found[0][4] != 0).any()


def _stage() -> Any:
    from fractions import Fraction

    from rnnspec.runtime.batch import Stage

    return Stage(Fraction(1), (0.5,))


def test_a_perturbation_of_nothing_changes_nothing() -> None:
    networks = simulation()
    plain = networks(3, record=True).rates
    nothing = networks(3, record=True, initial=torch.zeros(1, 1, 5), current=torch.zeros(1, 1, 4, 5)).rates
    assert plain is not None
    assert nothing is not None
    assert torch.equal(plain.nan_to_num(), nothing.nan_to_num())


def test_a_current_acts_as_a_bias_from_its_first_step_on() -> None:
    networks = simulation(FIXED)
    amount = numbers(5)
    current = torch.zeros(1, 1, 12, 5, dtype=torch.float64)
    current[:, :, 4:] = amount
    plain, pushed = (networks(2, record=True, current=c).rates for c in (None, current))
    assert plain is not None
    assert pushed is not None
    assert torch.equal(plain[:, :, :4], pushed[:, :, :4])
    with torch.no_grad():
        networks.bias.add_(amount)
    # The other way round: the bias has it, and the first steps are without.
    always = networks(2, record=True, current=-amount.expand(1, 1, 4, 5)).rates
    assert always is not None
    torch.testing.assert_close(always, pushed)


def test_one_step_is_a_step_of_the_simulation() -> None:
    networks = simulation(SILENT)
    outcome = networks(3, record=True, initial=numbers(2, 3, 5))
    assert outcome.rates is not None
    assert outcome.inputs is not None
    states = torch.cat((numbers(2, 3, 5)[:, :, None], outcome.rates), 2)
    for k in (0, 3, 7):
        torch.testing.assert_close(
            networks.step(states[:, :, k], outcome.inputs[:, :, k]), states[:, :, k + 1]
        )
    part = networks.step(states[1:, :, 0], outcome.inputs[:, :, 0], networks=range(1, 2))
    torch.testing.assert_close(part, states[1:, :, 1])


@pytest.mark.parametrize("activation", ["tanh", "relu", "{kind: power, exponent: 1.5}"])
def test_the_jacobian_is_the_derivative_of_a_step(activation: str) -> None:
    networks = simulation(f"network: {{activation: {activation}}}")
    state, cue = numbers(2, 3, 5), numbers(1, 1, 2)
    found = networks.jacobian(state, cue)
    whole: Any = torch.autograd.functional.jacobian(lambda r: networks.step(r, cue), state)
    for k in range(2):
        for b in range(3):
            torch.testing.assert_close(found[k, b], whole[k, b, :, k, b])
    assert not found.requires_grad
    torch.testing.assert_close(networks.jacobian(state), networks.jacobian(state, torch.zeros(2, 3, 2)))


def test_another_target_leaves_perturbations_to_torch() -> None:
    networks = simulation()
    # As if it were computed by a kernel, which takes long to compile.
    expected = networks(2, initial=numbers(2, 2, 5)).loss
    networks.target, networks.engine = "cpu", None  # type: ignore[assignment]
    with pytest.warns(UserWarning, match="The target cpu has no perturbations") as found:
        assert torch.equal(networks(2, initial=numbers(2, 2, 5)).loss, expected)
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        networks(2, initial=numbers(2, 2, 5))


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"initial": numbers(2, 5)}, ValueError, r"initial has the shape \(2, 5\), and takes \(K, B, N\)"),
        ({"initial": numbers(2, 4, 5)}, ValueError, "B = 3 or 1"),
        ({"initial": numbers(2, 3, 6)}, ValueError, "N = 5"),
        ({"initial": 1.0}, TypeError, "initial takes a tensor"),
        ({"current": numbers(2, 3, 5)}, ValueError, r"takes \(K, B, T, N\)"),
        ({"current": numbers(1, 1, 99, 5)}, ValueError, "current has 99 steps, and the longest sequence 12"),
    ],
)
@pytest.mark.parametrize("target", ["torch", "reference"])
def test_wrong_perturbations(
    target: Target, arguments: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        simulation(FIXED, target=target)(3, **arguments)


def test_wrong_states() -> None:
    networks = simulation()
    with pytest.raises(ValueError, match=r"state has the shape \(2, 5\)"):
        networks.step(numbers(2, 5))
    with pytest.raises(ValueError, match="K = 1"):
        networks.jacobian(numbers(2, 1, 5), networks=range(1))
    for wrong in (numbers(2), numbers(1, 1, 3), numbers(1, 4, 2), numbers(3, 1, 2)):
        with pytest.raises(ValueError, match="input has the shape"):
            networks.step(numbers(2, 3, 5), wrong)
