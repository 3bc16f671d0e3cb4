"""The activation functions as torch operations, for the reference and for recorded outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from rnnspec.program.nodes import Activation

#: f(x, *options) of each activation function; softmax is over the last axis, the others are elementwise.
OPERATIONS: Mapping[str, Callable[..., Tensor]] = {
    "relu": torch.relu,
    # Not torch's softplus: it is the identity above 20, which differs in float64.
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "tanh": torch.tanh,
    "retanh": lambda x: torch.tanh(torch.relu(x)),
    "sigmoid": torch.sigmoid,
    "softsign": lambda x: x / (1 + x.abs()),
    "linear": lambda x: x,
    "leaky_relu": lambda x, slope: torch.where(x > 0, x, slope * x),
    "power": lambda x, exponent: torch.relu(x) ** exponent,
    "softmax": lambda x: torch.softmax(x, -1),
}


def activate(activation: Activation, x: Tensor) -> Tensor:
    """Return f(x); `rnnspec/spec/activations.py` has the formulas."""
    return OPERATIONS[activation.name](x, *activation.arguments)
