"""The optimisers: the functions of torch that update weights, with their state.

The classes of torch.optim import the compiler of torch when they are first used, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from rnnspec.program.nodes import Optimizer


class WeightOptimizer:
    """Updates every weight independently of the others, as the class of torch.optim with its name does.

    state: for each parameter that was updated the tensors that further updates depend on, by torch's names.
    fused: whether one kernel of torch updates all weights.  It reads the step on the device, where other ways
    would wait for it.  There is none for rmsprop, whose updates do not depend on the step.
    """

    def __init__(self, parameters: Iterable[Parameter], optimizer: Optimizer) -> None:
        self.parameters = list(parameters)
        self.optimizer = optimizer
        self.fused = self.parameters[0].device.type != "cpu"
        self.state: dict[Parameter, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters that have a gradient."""
        with_gradient = [parameter for parameter in self.parameters if parameter.grad is not None]
        gradients = [parameter.grad for parameter in with_gradient if parameter.grad is not None]
        for parameter in with_gradient:
            if parameter not in self.state:
                self.state[parameter] = {
                    name: torch.zeros((), device=parameter.device)
                    if name == "step"
                    else torch.zeros_like(parameter)
                    for name in state_names(self.optimizer)
                    if not (name == "momentum_buffer" and self.optimizer.kind == "sgd")
                }
        self._update(with_gradient, gradients)

    def _update(self, parameters: Sequence[Parameter], gradients: list[Tensor]) -> None:
        weights: list[Tensor] = list(parameters)
        rate, options = self.optimizer.learning_rate, dict(self.optimizer.options)

        def state(name: str) -> list[Tensor]:
            return [self.state[parameter][name] for parameter in parameters]

        match self.optimizer.kind:
            case "adam" | "adamw":
                adam(
                    weights,
                    gradients,
                    state("exp_avg"),
                    state("exp_avg_sq"),
                    [],
                    state("step"),
                    fused=self.fused,
                    decoupled_weight_decay=self.optimizer.kind == "adamw",
                    amsgrad=False,
                    beta1=options["beta1"],
                    beta2=options["beta2"],
                    lr=rate,
                    weight_decay=options.get("weight_decay", 0.0),
                    eps=options["epsilon"],
                    maximize=False,
                )
            case "rmsprop":
                rmsprop(
                    weights,
                    gradients,
                    state("square_avg"),
                    [],
                    state("momentum_buffer") if options["momentum"] else [],
                    state("step"),
                    lr=rate,
                    alpha=options["alpha"],
                    eps=options["epsilon"],
                    weight_decay=0.0,
                    momentum=options["momentum"],
                    centered=False,
                )
            case "sgd":
                # The first update makes the buffers.
                buffers = [self.state[parameter].get("momentum_buffer") for parameter in parameters]
                sgd(
                    weights,
                    gradients,
                    buffers,
                    fused=self.fused,
                    weight_decay=options["weight_decay"],
                    momentum=options["momentum"],
                    lr=rate,
                    dampening=0.0,
                    nesterov=False,
                    maximize=False,
                )
                for parameter, buffer in zip(parameters, buffers, strict=True):
                    if buffer is not None:
                        self.state[parameter]["momentum_buffer"] = buffer


def state_names(optimizer: Optimizer) -> tuple[str, ...]:
    """Return the names of the tensors of the state of each parameter, after the first update."""
    momentum = ("momentum_buffer",) if dict(optimizer.options).get("momentum") else ()
    match optimizer.kind:
        case "adam" | "adamw":
            return "step", "exp_avg", "exp_avg_sq"
        case "rmsprop":
            return "step", "square_avg", *momentum
        case "sgd":
            return momentum
