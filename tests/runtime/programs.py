"""Small tasks and their expressions, written out by hand on top of `builders`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import torch
from runtime.builders import matrix, network, program
from torch import Tensor

from rnnspec.program import expression_nodes, nodes
from rnnspec.program.expression_nodes import Expression, Rate, Type
from rnnspec.program.nodes import Activation, Draw, Drive, Network, Program, Read
from rnnspec.program.types import APPLIED, result_type

INFINITY = float("inf")


def kind(size: int | None = None, rate: Rate = Rate.TRIAL, reads: bool = False) -> Type:
    return Type("number", size, rate, reads, False, -INFINITY, INFINITY)


def number(value: float) -> expression_nodes.Number:
    return expression_nodes.Number(kind(rate=Rate.CONSTANT), float(value))


def variable(name: str, reads: bool = False) -> expression_nodes.Variable:
    return expression_nodes.Variable(kind(reads=reads), name)


def previous(name: str, initial: Expression | float, reads: bool = False) -> expression_nodes.Previous:
    return expression_nodes.Previous(kind(reads=reads), name, _lift(initial))


def output(name: str, size: int | None = None) -> expression_nodes.Output:
    return expression_nodes.Output(kind(size, Rate.POINT, reads=True), name)


def time() -> expression_nodes.Clock:
    return expression_nodes.Clock(kind(rate=Rate.POINT))


def white(scale: Expression | float, size: int | None = None, call: int = 0) -> expression_nodes.White:
    return expression_nodes.White(kind(size, Rate.POINT), _lift(scale), call)


def apply(function: str, *arguments: Expression | float, size: int | None = None) -> expression_nodes.Apply:
    """Return a call of a function.  size: of the channel that takes its value."""
    lifted = tuple(_lift(argument) for argument in arguments)
    type = result_type(APPLIED[function], [argument.type for argument in lifted], size)
    return expression_nodes.Apply(type, function, lifted)


def call_number(name: str, place: int = 0) -> int:
    return int.from_bytes(hashlib.sha256(f"{name}#{place}".encode()).digest()[:4], "big")


def random(
    function: str, *arguments: Expression | float, name: str, place: int = 0
) -> expression_nodes.Random:
    lifted = tuple(_lift(argument) for argument in arguments)
    return expression_nodes.Random(replace(kind(), random=True), function, lifted, call_number(name, place))


def draw(name: str, *values: Expression | float, **changes: Any) -> Draw:
    """Return a variable; by default it is drawn once per trial and known before the simulation."""
    lifted = tuple(_lift(value) for value in values)
    return replace(Draw((), name, "trial", lifted, None, kind(), None), **changes)


def drive(channel: str, value: Expression | float) -> Drive:
    return Drive((), channel, _lift(value))


def target(channel: str, value: Expression | float, error: nodes.Error = "squared") -> nodes.Target:
    return nodes.Target((), channel, _lift(value), error)


def read(name: str, value: Expression) -> Read:
    return Read((), name, value)


def wired(
    units: int = 3,
    inputs: dict[str, int] | None = None,
    outputs: dict[str, tuple[int, str]] | None = None,
    **changes: Any,
) -> Network:
    """Return a network with the given sizes of inputs, and sizes and activations of outputs."""
    sources, start = [], 0
    for name, size in (inputs or {}).items():
        sources.append(nodes.InputChannel((), name, start, start + size, True, ("all",)))
        start += size
    answers, stop = [], 0
    for name, (size, activation) in (outputs or {"y": (1, "linear")}).items():
        function = Activation((), activation, ())
        answers.append(nodes.OutputChannel((), name, stop, stop + size, True, ("all",), function))
        stop += size
    one = nodes.Distribution((), "normal", (0.0, 1.0))
    return replace(
        network(units),
        inputs=tuple(sources),
        outputs=tuple(answers),
        w_in=matrix("w_in", units, start, one),
        w_out=matrix("w_out", stop, units, one),
        **changes,
    )


def task(
    *epochs: nodes.Epoch,
    net: Network,
    draws: tuple[Draw, ...] = (),
    skips: tuple[nodes.Skip, ...] = (),
    trials: int = 1,
    burn_in: float = 0,
    success: Expression | None = None,
    scored: Expression | None = None,
    **training: Any,
) -> Program:
    """Return a program; `training` replaces fields of its Training."""
    plain = program(*epochs, net=net, skips=skips, trials=trials, burn_in=burn_in)
    timeline = replace(plain.timeline, draws=draws, success=success, scored=scored)
    return replace(plain, timeline=timeline, training=replace(plain.training, **training))


def random_weights(
    program: Program, networks: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Return effective weights with which the rates of small networks neither vanish nor explode."""
    net, generator = program.network, torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return 0.5 * torch.randn(networks, *shape, generator=generator, dtype=torch.float64)

    weights = {
        "w_rec": normal(net.units, net.units),
        "w_in": normal(net.units, net.input_units),
        "w_out": normal(net.output_units, net.units),
        "bias": normal(net.units) + 0.3,
    }
    if net.readout_bias:
        weights["readout_bias"] = normal(net.output_units)
    return {name: value.to(dtype).requires_grad_() for name, value in weights.items()}


def _lift(value: Expression | float) -> Expression:
    return number(value) if isinstance(value, int | float) else value
