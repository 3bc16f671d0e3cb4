"""Every activation function on every target: its values, its derivative, and what the table says of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import get_args

import pytest
import torch
from engines import make_engine
from runtime.builders import batch, epoch
from runtime.programs import target as aim
from runtime.programs import task, wired
from torch import Tensor

from rnnspec.codegen.cpp.activations import STATEMENTS
from rnnspec.codegen.torch.activations import TORCH
from rnnspec.program.nodes import Activation, Program
from rnnspec.runtime.activations import OPERATIONS, activate
from rnnspec.runtime.batch import Outcome
from rnnspec.runtime.targets import Target
from rnnspec.spec.activations import ACTIVATIONS

#: The target compiled takes half a minute to compile each function, and differs only in that of units.
TARGETS: tuple[Target, ...] = tuple(target for target in get_args(Target) if target != "compiled")
#: The kink of several functions, points near it, and points where exponentials are tiny or huge.
POINTS = (-40.0, -3.0, -0.4, 0.0, 0.3, 1.7, 30.0)
#: A relative change, for differences.
H = 1e-6


def examples() -> Iterator[Activation]:
    """Yield each function with its defaults, and with other values of its options."""
    for function in ACTIVATIONS.values():
        for share in (None, 1 / 32, 1.0) if function.options else (None,):
            values = (o.default if share is None else share * o.maximum for o in function.options)
            yield Activation((), function.name, tuple(values))


EXAMPLES = list(examples())
ELEMENTWISE = [a for a in EXAMPLES if not ACTIVATIONS[a.name].distribution]
#: The units of compiled kernels, one kernel for each: on the cpu those that it treats in a way of their own.
SPECIAL: dict[Target, list[Activation]] = {
    "cpu": [a for a in ELEMENTWISE if ACTIVATIONS[a.name].rectified and a.arguments in ((), (2.0,))],
    "gpu": [a for a in ELEMENTWISE if a.name == "softplus"],
}


def words(activation: Activation) -> str:
    return " ".join([activation.name, *map(str, activation.arguments)])


@dataclass(frozen=True)
class Measured:
    """f at each point, a quantity that depends on it, and its derivative with x: (points,) each."""

    value: Tensor
    quantity: Tensor
    slope: Tensor


def readouts() -> Program:
    """Return a program that has each example as the activation of an output channel, all with a target."""
    net = wired(1, outputs={f"y{i}": (2, a.name) for i, a in enumerate(EXAMPLES)}, readout_bias=True)
    channels = tuple(replace(c, activation=a) for c, a in zip(net.outputs, EXAMPLES, strict=True))
    aims = tuple(aim(channel.name, 0.3) for channel in channels)
    return task(epoch("only", 5, targets=aims), net=replace(net, outputs=channels))


def run(program: Program, target: Target, **weights: Tensor) -> Outcome:
    """Simulate one step of networks whose weights are 0 but for some."""
    net, networks = program.network, max(len(value) for value in weights.values())
    shapes = {
        "w_rec": (net.units, net.units),
        "w_in": (net.units, 0),
        "w_out": (net.output_units, net.units),
        "bias": (net.units,),
        "readout_bias": (net.output_units,),
    }
    zeros = {name: torch.zeros(networks, *shape, dtype=torch.float64) for name, shape in shapes.items()}
    return make_engine(program, target).run({**zeros, **weights}, batch(1), record=True)


def moved(relative: float) -> Tensor:
    return torch.tensor([x + relative * max(abs(x), 1.0) for x in POINTS], dtype=torch.float64)


@cache
def of_readouts(target: Target, relative: float = 0.0) -> list[Measured]:
    """Measure every example as a readout, y = f(readout bias).

    Each pair of an example and a point is a network, whose first unit of that channel is at that point.
    """
    program, points = readouts(), moved(relative)
    x = torch.full((len(EXAMPLES), len(points), len(EXAMPLES), 2), 0.1, dtype=torch.float64)
    for i in range(len(EXAMPLES)):
        x[i, :, i, 0] = points
    x.requires_grad_()
    outcome = run(program, target, readout_bias=x.flatten(2).flatten(0, 1))
    (slope,) = torch.autograd.grad(outcome.loss.sum(), x)
    assert outcome.outputs is not None
    y, loss = outcome.outputs[:, 0, 0].detach().view_as(x), outcome.loss.detach().view(x.shape[:2])
    return [Measured(y[i, :, i, 0], loss[i], slope[i, :, i, 0]) for i in range(len(EXAMPLES))]


@cache
def of_units(activation: Activation, target: Target, relative: float = 0.0) -> Measured:
    """Measure a function as the activation of a unit, r(1) = alpha f(bias); each point is a network."""
    net = wired(1, outputs={"y": (1, "linear")}, readout_bias=True, activation=activation)
    program, bias = task(epoch("only", 5), net=net), moved(relative)[:, None].requires_grad_()
    rates = run(program, target, bias=bias).rates
    assert rates is not None
    (slope,) = torch.autograd.grad(rates.sum(), bias)
    return Measured(rates[:, 0, 0, 0].detach(), rates[:, 0, 0, 0].detach(), slope[:, 0])


def check_derivative(left: Measured, here: Measured, right: Measured) -> None:
    """It agrees with central differences; at 0, where some have a kink, with the difference to the left."""
    steps, at_zero = moved(H) - moved(0), moved(0) == 0
    central = (right.quantity - left.quantity) / (2 * steps)
    torch.testing.assert_close(here.slope[~at_zero], central[~at_zero], rtol=1e-7, atol=1e-8)
    one_sided = (here.quantity - left.quantity) / steps
    torch.testing.assert_close(here.slope[at_zero], one_sided[at_zero], rtol=0, atol=2 * H)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("number", range(len(EXAMPLES)), ids=lambda i: words(EXAMPLES[i]))
def test_readouts(number: int, target: Target) -> None:
    left, here, right = (of_readouts(target, relative)[number] for relative in (-H, 0.0, H))
    torch.testing.assert_close(here.value, of_readouts("reference")[number].value, rtol=1e-13, atol=1e-15)
    check_derivative(left, here, right)


@pytest.mark.parametrize(
    ("target", "activation"),
    [
        *((t, a) for t in TARGETS for a in SPECIAL.get(t, ELEMENTWISE)),
        *(pytest.param("compiled", a, marks=pytest.mark.slow) for a in ELEMENTWISE),
    ],
    ids=lambda p: p if isinstance(p, str) else words(p),
)
def test_units(target: Target, activation: Activation) -> None:
    left, here, right = (of_units(activation, target, relative) for relative in (-H, 0.0, H))
    torch.testing.assert_close(here.value, of_units(activation, "reference").value, rtol=1e-13, atol=1e-15)
    check_derivative(left, here, right)


def test_every_function_has_its_code_on_every_target() -> None:
    assert list(OPERATIONS) == list(TORCH) == list(ACTIVATIONS)
    assert list(STATEMENTS) == [f.name for f in ACTIVATIONS.values() if not f.distribution]


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=words)
def test_what_the_table_says(activation: Activation) -> None:
    function = ACTIVATIONS[activation.name]
    x = torch.linspace(-50, 50, 2001, dtype=torch.float64, requires_grad=True)
    f = activate(activation, x)
    (slope,) = torch.autograd.grad(f.sum(), x)
    y = f.detach()
    assert function.low <= float(y.min())
    assert float(y.max()) <= function.high
    # The bounds are tight: they are reached, or approached.
    for bound, end in ((function.low, -1e12), (function.high, 1e12)):
        value = float(activate(activation, torch.tensor(end, dtype=torch.float64)))
        assert value == pytest.approx(bound, abs=1e-9) if math.isfinite(bound) else abs(value) > 1e4
    assert function.rectified == bool((y[x < 0] == 0).all() and (slope[x < 0] == 0).all())
    if function.switch:
        assert set(slope.tolist()) == {0.0, 1.0}
    far = torch.tensor(1e12, dtype=torch.float64)
    if activation.arguments == tuple(option.default for option in function.options):
        assert function.grows == (float(activate(activation, far) / far) == pytest.approx(1))


def test_distributions() -> None:
    """The cross-entropy that the loss takes of them needs that, and their bounds follow."""
    for function in ACTIVATIONS.values():
        if function.distribution:
            y = activate(Activation((), function.name, ()), 10 * torch.randn(20, 4, dtype=torch.float64))
            torch.testing.assert_close(y.sum(-1), torch.ones(20, dtype=torch.float64))
            assert (function.low, function.high) == (0, 1)
            assert bool((y >= 0).all())
