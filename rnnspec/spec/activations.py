"""The activation functions of the language: one entry each, and all that is true of it on every target.

The code that computes it stands beside each target: `runtime/activations.py` (the reference),
`codegen/torch/activations.py` and `codegen/cpp/activations.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Option:
    """A number that an activation function takes, from 0 to a maximum.  positive: 0 is excluded."""

    name: str
    meaning: str
    default: float
    maximum: float
    positive: bool = False


@dataclass(frozen=True)
class ActivationFunction:
    """What is true of an activation function f.

    formula: f(x), with the names of the options in braces.
    low, high: the bounds of f(x).
    rectified: f(x) = 0 and f'(x) = 0 for every x < 0, so that kernels leave silent units out.
    switch: f'(x) is 0 or 1, so that kernels store one bit of it.
    grows: f(x) / x approaches 1 for large x, so that nothing bounds the rates (RS108).
    distribution: f makes a probability distribution over the units of an output channel, so only outputs may
    have it, and their loss may be the cross-entropy.
    """

    name: str
    formula: str
    options: tuple[Option, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    rectified: bool = False
    switch: bool = False
    grows: bool = False
    distribution: bool = False

    def formula_with(self, values: Sequence[str]) -> str:
        """Return the formula with something in place of each option."""
        return self.formula.format(**{o.name: v for o, v in zip(self.options, values, strict=True)})


_FUNCTIONS = (
    ActivationFunction("relu", "max(x, 0)", low=0, rectified=True, switch=True, grows=True),
    ActivationFunction("softplus", "log(1 + exp(x))", low=0, grows=True),
    ActivationFunction("tanh", "tanh(x)", low=-1, high=1),
    ActivationFunction("retanh", "tanh(max(x, 0))", low=0, high=1, rectified=True),
    ActivationFunction("sigmoid", "1 / (1 + exp(-x))", low=0, high=1),
    ActivationFunction("softsign", "x / (1 + |x|)", low=-1, high=1),
    ActivationFunction("linear", "x", grows=True),
    ActivationFunction(
        "leaky_relu",
        "max(x, 0) + {slope} min(x, 0)",
        (Option("slope", "Slope for x < 0.", default=0.01, maximum=1),),
        grows=True,
    ),
    ActivationFunction(
        "power",
        "max(x, 0)^{exponent}",
        (Option("exponent", "The exponent.", default=2.0, maximum=16, positive=True),),
        low=0,
        rectified=True,
    ),
    ActivationFunction("softmax", "exp(x_i) / sum_j exp(x_j)", low=0, high=1, distribution=True),
)

#: All activation functions by name, in the order in which messages list them.
ACTIVATIONS: Mapping[str, ActivationFunction] = {function.name: function for function in _FUNCTIONS}
