"""The kernels of the cpu target as one differentiable torch operator, `rnnspec::simulate`.

Gradients are computed eagerly, together with the loss: autograd only scales them by what comes in.  Where
something is asked of the rates themselves, the kernel runs once more, backwards from there; nothing random
has to be stored for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rnnspec.runtime.cpu.kernel import KERNELS, Arguments, Kernel

#: The weights and their gradients, in order.
WEIGHTS = ("w_rec", "w_in", "w_out", "bias", "readout_bias")


@torch.library.custom_op("rnnspec::simulate", mutates_args=())
def simulate(
    kernel: str,
    weights: Sequence[Tensor],
    coefficients: Sequence[Tensor],
    timetable: Sequence[Tensor],
    numbers: Sequence[float],
    counts: Sequence[int],
    forced: Tensor | None,
    scale: Tensor | None,
    of_rates: Tensor | None,
    gradient: bool,
    record: bool,
) -> list[Tensor]:
    """Simulate one batch of the networks of a kernel; see `templates/cpu/arguments.cpp.j2`.

    kernel: its name.  weights: effective, (K, ...), in the order of WEIGHTS.  coefficients: alpha (N),
    noise_gain (N), clock (T + 1), betas.  timetable: segment (tables, segments, 6), landing_first,
    landing (.., 4).  numbers: dt, noise_start, noise_keep, rate_points.  counts: those of COUNTS.

    Returns loss and mean_rate (K), right (K, B, trials, phases), points and steps (B, trials, phases),
    success and scored (K, B, trials), variables (K, B, trials, V), rates (K, B, T, N), inputs (K, B, T, C),
    and the gradient of each weight; what is not asked for is empty.
    """
    found = _loaded(kernel)
    check_weights(found, dict(zip(WEIGHTS, weights, strict=False)))
    results = _results(kernel, weights, counts, gradient, record, torch.zeros)
    named = dict(zip(_RESULTS, results, strict=False))
    named |= {f"d_{name}": value for name, value in zip(WEIGHTS, results[len(_RESULTS) :], strict=False)}
    kept = {name: value.contiguous() for name, value in zip(WEIGHTS, weights, strict=False)}
    kept |= dict(zip(("alpha", "noise_gain", "clock", "betas"), coefficients, strict=True))
    kept |= dict(zip(("segment", "landing_first", "landing"), timetable, strict=True))
    kept |= {
        name: value.contiguous()
        for name, value in (("forced", forced), ("scale", scale), ("of_rates", of_rates))
        if value is not None
    }
    arguments = Arguments(
        networks=len(kept["bias"]),
        **dict(zip(("dt", "noise_start", "noise_keep", "rate_points"), numbers, strict=True)),
        **dict(zip(COUNTS, counts, strict=True)),
        tables=timetable[0].shape[0],
        segments=timetable[0].shape[1],
        **{name: value.data_ptr() for name, value in (kept | named).items() if value.numel()},
    )
    found.simulate(arguments)
    return results


COUNTS = (
    "first_network",
    "sequences",
    "threads",
    "seed",
    "noise_key",
    "white_key",
    "draws_key",
    "longest",
)
_RESULTS = (
    "loss",
    "mean_rate",
    "right",
    "points",
    "steps",
    "success",
    "scored",
    "variables",
    "rates",
    "inputs",
)


@simulate.register_fake
def _(kernel: str, weights: Sequence[Tensor], *others: Any) -> list[Tensor]:
    _, _, _, counts, *_, gradient, record = others
    return _results(kernel, weights, counts, gradient, record, torch.empty)


def _results(
    kernel: str, weights: Sequence[Tensor], counts: Sequence[int], gradient: bool, record: bool, make: Any
) -> list[Tensor]:
    """Make room for what comes back."""
    program, like = _loaded(kernel).program, weights[0]
    networks, sequences, steps = len(like), counts[COUNTS.index("sequences")], counts[COUNTS.index("longest")]
    trials, phases = program.timeline.trials, len(program.timeline.phases)
    recorded = (networks, sequences, steps) if record else (0, 0, 0)

    def room(*shape: int, dtype: torch.dtype = like.dtype) -> Tensor:
        room: Tensor = make(shape, dtype=dtype, device=like.device)
        return room

    return [
        room(networks),
        room(networks),
        room(networks, sequences, trials, phases, dtype=torch.int32),
        room(sequences, trials, phases, dtype=torch.int32),
        room(sequences, trials, phases, dtype=torch.int32),
        room(networks, sequences, trials, dtype=torch.uint8),
        room(networks, sequences, trials, dtype=torch.uint8),
        room(networks, sequences, trials, len(_loaded(kernel).variables), dtype=torch.float64),
        room(*recorded, program.network.units),
        room(*recorded, program.network.input_units),
        *(room(*(weight.shape if gradient else (0,))) for weight in weights),
    ]


def _loaded(kernel: str) -> Kernel:
    if kernel not in KERNELS:
        raise RuntimeError(f"The kernel {kernel} is not loaded: build the Simulation of its spec first.")
    return KERNELS[kernel]


def check_weights(kernel: Kernel, weights: Mapping[str, Tensor]) -> None:
    """Raise ValueError for weights that the kernel would take for something else."""
    network, networks = kernel.program.network, len(weights["w_rec"])
    units, inputs, outputs = network.units, network.input_units, network.output_units
    shapes = {
        "w_rec": (units, units),
        "w_in": (units, inputs),
        "w_out": (outputs, units),
        "bias": (units,),
        "readout_bias": (outputs,),
    }
    dtype = torch.float32 if kernel.real == "float" else torch.float64
    for name, weight in weights.items():
        wanted = (networks, *shapes[name])
        if tuple(weight.shape) != wanted or weight.dtype != dtype or weight.device.type != "cpu":
            raise ValueError(
                f"'{name}' is {tuple(weight.shape)} of {weight.dtype} on {weight.device}, and the kernel "
                f"takes {wanted} of {dtype} on the cpu."
            )


class _Once(torch.autograd.Function):
    """A gradient as it is; what asks how it changes with the weights is told that nobody knows."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError("The target cpu has no second derivatives; the targets torch and reference do.")


def _keep(ctx: Any, inputs: tuple[Any, ...], output: list[Tensor]) -> None:
    ctx.set_materialize_grads(False)
    # Detached, or results would hold the node of the graph that holds them, for ever.
    ctx.gradients = [gradient.detach() for gradient in output[len(_RESULTS) :]]
    kernel, weights, *others = inputs
    # Told to autograd, which says so if one of them is changed before it is needed.
    ctx.save_for_backward(*weights)
    ctx.kernel, ctx.others = kernel, others


def _backward(ctx: Any, grads: Sequence[Tensor | None]) -> tuple[Any, ...]:
    loss, rates = grads[0], grads[_RESULTS.index("rates")]
    if rates is None:
        scaled = [None if loss is None else loss.view(-1, *(1,) * (g.dim() - 1)) * g for g in ctx.gradients]
    else:
        *same, _, _, _, _ = ctx.others
        scale = torch.zeros_like(rates[:, 0, 0, 0]) if loss is None else loss
        results = simulate(ctx.kernel, ctx.saved_tensors, *same, scale.detach(), rates.detach(), True, False)
        scaled = list(results[len(_RESULTS) :])
    if torch.is_grad_enabled():
        weights = ctx.saved_tensors
        once: Any = _Once.apply
        scaled = [g if g is None else once(g, w) for g, w in zip(scaled, weights, strict=True)]
    coefficients, timetable = ctx.others[:2]
    return (None, scaled, [None] * len(coefficients), [None] * len(timetable), *(None,) * 7)


simulate.register_autograd(_backward, setup_context=_keep)
