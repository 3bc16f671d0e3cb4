"""The gradient of the loss is its derivative, also where a skip starts in an epoch without gradient.

An epoch without gradient cuts off how its own states depend on the weights.  Along weights that are silent in
that epoch nothing is cut off, so there the gradient must agree with finite differences of the loss.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, get_args

import pytest
import torch
from engines import make_engine
from support import program
from torch import Tensor

from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.effective_weights import effective, structure
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.runtime.targets import Target

#: `cue` is 0 in the first epoch, which is without gradient: what it sends is silent there.
CONTEXT = """
network:
  activation: softplus
  noise: {kind: ou, scale: 0.3, tau: 60 ms}
task:
  epochs:
    fixation: {gradient: false, input: {cue: 0}}
    stimulus: {input: {cue: 1}}
    response: {input: {cue: 0.5}}
"""

#: Skips whose source is the last state of an epoch without gradient, and others.
EDGES = {
    "sctt": "kind: sctt, every: 4 steps",
    "dasc departing": "kind: dasc, every: 4 steps",
    "dasc arriving": "kind: dasc, every: 4 steps, increment: arriving",
    "dasc arriving per sequence": "kind: dasc, every: 4 steps, per: sequence, increment: arriving",
    "dasc per sequence": "kind: dasc, every: 3 steps, per: sequence",
    "dasc between events": "kind: dasc, from: stimulus.start, to: response.end",
    "dasc out of the context": "kind: dasc, from: fixation.start, to: response.start + 20 ms",
    "sctt between events": "kind: sctt, from: stimulus.start, to: response.end",
}


#: What the target torch runs is compiled: one edge of each kind.
DERIVED: dict[Target, tuple[str, ...]] = dict.fromkeys(
    ("torchscript", "compiled"), ("dasc departing", "dasc between events")
)
CASES = [(target, edge) for target in get_args(Target) for edge in DERIVED.get(target, EDGES)]


@pytest.mark.parametrize(("target", "edge"), CASES)
def test_gradient_along_weights_that_are_silent_without_gradient(
    target: Target, edge: str, traced: list[Any]
) -> None:
    """Compare the gradient along directions in the weights of `cue` with central differences, in float64."""
    found = program(CONTEXT, f"skips: {{edges: {{one: {{{EDGES[edge]}}}}}}}")
    engine, marks = make_engine(found, target), structure(found, 2, 0)
    batch = Batch(3, 0, 4, "train", Stage(Fraction(1), (0.3,)))
    (cue,) = (channel for channel in found.network.inputs if channel.name == "cue")

    def loss(weights: dict[str, Tensor]) -> Tensor:
        return engine.run(effective(weights, marks, found.network.dale), batch).loss

    raw = initial_weights(found, 2, 0, 0, torch.float64)
    w_in = raw["w_in"].requires_grad_()
    (gradient,) = torch.autograd.grad(loss(raw).sum(), w_in)
    # The networks are independent: one perturbation serves them all.
    directions = torch.randn(2, found.network.units, generator=torch.Generator().manual_seed(0))
    for direction in directions.double():
        differences = []
        for change in (1e-5, -1e-5):
            moved = w_in.detach().clone()
            moved[:, :, cue.start] += change * direction
            differences.append(loss({**raw, "w_in": moved}).detach())
        slope = (differences[0] - differences[1]) / 2e-5
        torch.testing.assert_close(gradient[:, :, cue.start] @ direction, slope, rtol=1e-6, atol=1e-9)
    assert gradient[..., cue.start].abs().max() > 1e-5
