"""A simulation of one network and one sequence in plain numpy, and the tasks on which tests compare it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from runtime.builders import batch as make_batch
from runtime.builders import epoch
from runtime.programs import (
    apply,
    draw,
    random,
    random_weights,
    target,
    task,
    time,
    variable,
    wired,
)
from torch import Tensor

from rnnspec.program.nodes import Error, Program
from rnnspec.runtime.batch import Batch, Outcome, Stage
from rnnspec.runtime.noise import philox
from rnnspec.runtime.reference.engine import Reference

Array = NDArray[np.float64]
ALPHA = 5 / 100
CLOSE: dict[str, Any] = {"rtol": 1e-11, "atol": 1e-13}


def batch(
    program: Program, sequences: int = 2, betas: float = 0.6, theta: int | Fraction = 1, **changes: Any
) -> Batch:
    """Return a batch in which each skip has the same beta."""
    stage = Stage(Fraction(theta), (betas,) * len(program.skips))
    return make_batch(sequences, stage=stage, **changes)


def run(
    program: Program, weights: Mapping[str, Tensor] | None = None, of: Batch | None = None, **options: Any
) -> Outcome:
    weights = random_weights(program) if weights is None else weights
    return Reference(program).run(weights, of or batch(program), record=True, **options)


def array(tensor: Tensor | None) -> Array:
    assert tensor is not None
    return tensor.detach().numpy()


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def normals(step: int, units: int, sequence: int, network: int, purpose: int = 0, base: int = 0) -> Array:
    """Return the standard normal numbers of some units (or input columns) at one step."""
    values = []
    for unit in range(units):
        words = philox((step, base + unit // 4, sequence, network), (7, 8 * 11 + purpose))
        a, b = ((word // 256 + 0.5) / 2**24 for word in words[unit % 4 // 2 * 2 :][:2])
        circle = math.cos if unit % 2 == 0 else math.sin
        values.append(math.sqrt(-2 * math.log(a)) * circle(2 * math.pi * b))
    return np.array(values)


def steps_of(
    weights: Mapping[str, Tensor],
    inputs: Array,
    k: int,
    alpha: Array | float = ALPHA,
    noise: Callable[[int], Array | float] = lambda step: 0.0,
    landings: Mapping[int, list[tuple[str, int, int]]] | None = None,
    beta: float = 0.6,
) -> Array:
    """Simulate network k by hand, (T, N): landings by state, each (kind, source, step of the increment)."""
    w_rec, w_in, bias = (array(weights[name])[k] for name in ("w_rec", "w_in", "bias"))
    states, increments = [np.zeros(len(bias))], []
    for step, u in enumerate(inputs):
        r = states[-1]
        increments.append(alpha * (-r + relu(w_rec @ r + bias + w_in @ u + noise(step))))
        new = r + increments[-1]
        for name, source, origin in (landings or {}).get(step + 1, []):
            jump = states[source] + (name == "dasc") * (step + 1 - source) * increments[origin]
            new = (1 - beta) * jump + beta * new
        states.append(new)
    return np.array(states[1:])


def judged(softmax: Error = "cross_entropy", **changes: Any) -> Program:
    """Return a task with two trials, two phases, weights, grace, and a given error of a softmax output."""
    cue = (target("y", apply("mul", variable("x"), time())),)
    bump = apply("ring", variable("x"), 0.5, size=3)
    choice = (target("z", apply("onehot", variable("k"), size=2), softmax), target("v", bump))
    weight = apply("where", apply("gt", time(), 0.012), apply("add", 1, variable("x")), 0)
    epochs = (
        epoch("context", 10, gradient=False, phase="hold"),
        epoch("fixate", 20, phase="hold", targets=cue, grace=5),
        epoch("wait", 15, phase="hold", targets=cue, weight=weight),
        epoch("answer", 25, phase="respond", targets=choice, grace=10, weight=variable("x")),
    )
    draws = (
        draw("x", random("uniform", 1, 2, name="x")),
        draw("k", random("choice", 0, 1, name="k")),
    )
    net = wired(3, outputs={"z": (2, "softmax"), "y": (1, "sigmoid"), "v": (3, "linear")})
    return task(*epochs, net=net, draws=draws, trials=2, **changes)
