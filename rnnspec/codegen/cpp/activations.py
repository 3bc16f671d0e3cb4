"""The activation functions as statements of the kernel: y = f(x) and slope = f'(x), for a vector of units."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspec.program.nodes import Activation
from rnnspec.spec.activations import ACTIVATIONS

#: The statements of each function of one unit; softmax, which takes all units of a channel, is a function of
#: `templates/cpu/judging.cpp.j2`.  At a kink the slope is that of the left side, as in torch.  A NaN stays a
#: NaN, which is why negative values are found by x < 0.
STATEMENTS = {
    "relu": ("y = x < 0 ? vec() : x;", "slope = x > 0 ? broadcast(1) : vec();"),
    "softplus": ("y = softplus(x);", "slope = logistic(x);"),
    "tanh": ("y = hyperbolic_tangent(x);", "slope = 1 - y * y;"),
    "retanh": (
        "y = hyperbolic_tangent(x < 0 ? vec() : x);",
        "slope = x > 0 ? 1 - y * y : vec();",
    ),
    "sigmoid": ("y = logistic(x);", "slope = y * (1 - y);"),
    "softsign": (
        "const vec inverse = 1 / (1 + absolute(x));",
        "y = x * inverse;",
        "slope = inverse * inverse;",
    ),
    "linear": ("y = x;", "slope = broadcast(1);"),
    "leaky_relu": ("y = x > 0 ? x : {slope} * x;", "slope = x > 0 ? broadcast(1) : broadcast({slope});"),
    "power": (
        "vec above = x < 0 ? vec() : x;",
        "y = power(above, {exponent});",
        "slope = x > 0 ? (real)({exponent}) * power(above, {exponent} - 1) : vec();",
    ),
}


@dataclass(frozen=True)
class VectorFunction:
    """A function of the kernel that computes y = f(x) and slope = f'(x)."""

    name: str
    lines: tuple[str, ...]


def vector_function(activation: Activation) -> VectorFunction:
    """Return the function of the kernel for an activation; its name contains the values of the options."""
    values = [f"(real){float(value)!r}" for value in activation.arguments]
    suffix = "".join("_" + "".join(c if c.isalnum() else "_" for c in value) for value in values)
    options = {o.name: v for o, v in zip(ACTIVATIONS[activation.name].options, values, strict=True)}
    lines = tuple(line.format(**options) for line in STATEMENTS[activation.name])
    return VectorFunction(f"{activation.name}{suffix}_units", lines)
