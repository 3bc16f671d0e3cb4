"""The activation functions of units and of output channels."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnspec.program.nodes import Activation


def activate(activation: Activation, x: Tensor) -> Tensor:
    """Return f(x); softmax is over the last axis, the others are elementwise.

    retanh: tanh(max(x, 0)).  power(n): max(x, 0)^n.  leaky_relu(slope): x if x > 0, else slope x.
    """
    match activation.name:
        case "linear":
            return x
        case "relu":
            return torch.relu(x)
        case "tanh":
            return torch.tanh(x)
        case "retanh":
            return torch.tanh(torch.relu(x))
        case "sigmoid":
            return torch.sigmoid(x)
        case "softplus":
            # torch's own softplus is the identity above 20, which float64 can tell from the function.
            return torch.logaddexp(x, torch.zeros_like(x))
        case "softmax":
            return torch.softmax(x, -1)
        case "leaky_relu":
            return torch.where(x > 0, x, activation.arguments[0] * x)
        case "power":
            return torch.relu(x) ** activation.arguments[0]
    raise ValueError(f"unknown activation {activation.name!r}")
