"""The activation functions as torch expressions of the generated module."""

from __future__ import annotations

from rnnspec.program.nodes import Activation
from rnnspec.spec.activations import ACTIVATIONS

#: f(x) of each activation function.  `power` is a function of `templates/torch/network.py.j2`.
TORCH = {
    "relu": "torch.relu({x})",
    # The identity above 40: there the difference is below the last bit of a float64.  The default is 20.
    "softplus": "torch.nn.functional.softplus({x}, 1.0, 40.0)",
    "tanh": "torch.tanh({x})",
    "retanh": "torch.tanh(torch.relu({x}))",
    "sigmoid": "torch.sigmoid({x})",
    "softsign": "torch.nn.functional.softsign({x})",
    "linear": "{x}",
    "leaky_relu": "torch.nn.functional.leaky_relu({x}, {slope})",
    "power": "power({x}, {exponent})",
    "softmax": "torch.softmax({x}, -1)",
}


def activated(activation: Activation, x: str) -> str:
    """Return f(x) as a torch expression; x: an expression."""
    # Always as a float, also where it is whole: TorchScript distinguishes the two.
    options = zip(ACTIVATIONS[activation.name].options, activation.arguments, strict=True)
    return TORCH[activation.name].format(x=x, **{o.name: repr(float(value)) for o, value in options})
