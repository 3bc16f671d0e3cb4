"""Compiled kernels as one differentiable torch operator, `rnnspec::simulate`.

The kernel computes the gradient of the loss together with the loss; backward multiplies it by the incoming
gradient.  If the rates have an incoming gradient too, backward runs the kernel once more.  That run draws the
same random numbers again, so nothing of the first run has to be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from rnnspec.codegen.cpp.arguments import ARGUMENTS, RECORDS, Argument, of_role
from rnnspec.runtime.compiled.kernel import KERNELS, Kernel

#: The weights, in the order of the table.
WEIGHTS = tuple(name.removeprefix("d_") for name in of_role("gradient"))
#: What the operator returns, in order.
RESULTS = of_role("result", "recorded", "gradient")
#: What it takes, in order.
GIVEN = ("kernel", *of_role("given", "optional"), "gradient", "record")

_ARGUMENTS = {argument.name: argument for argument in ARGUMENTS}
_DTYPES = {"double": torch.float64, "int64": torch.int64, "int32": torch.int32, "uint8": torch.uint8}
_REALS = {"float": torch.float32, "double": torch.float64}


def _schema() -> str:
    """Return the signature of the operator in the notation of torch, made from the table."""

    def declared(argument: Argument) -> str:
        if argument.axes is not None:
            return f"Tensor{'?' if argument.role == 'optional' else ''} {argument.name}"
        return f"{'float' if argument.type == 'double' else 'SymInt'} {argument.name}"

    given = ", ".join(declared(_ARGUMENTS[name]) for name in of_role("given", "optional"))
    results = ", ".join(f"Tensor {name}" for name in RESULTS)
    return f"(str kernel, {given}, bool gradient, bool record) -> ({results})"


def _simulate(*values: Any) -> tuple[Tensor, ...]:
    """Simulate one batch of the networks of a kernel.

    kernel: its name.  gradient, record: whether gradients and activity are wanted; the results that are not
    wanted are empty.  All other arguments and results: `codegen/cpp/arguments.py`.
    """
    given = dict(zip(GIVEN, values, strict=True))
    kernel = _loaded(given["kernel"])
    arrays = {name: value.contiguous() for name, value in given.items() if isinstance(value, Tensor)}
    check_arrays(kernel, arrays, given)
    results = _results(kernel, given, torch.zeros)
    arrays |= results
    numbers = {name: given[name] for name in GIVEN if name in _ARGUMENTS and _ARGUMENTS[name].axes is None}
    kernel.simulate(numbers, arrays)
    return tuple(results.values())


def _fake(*values: Any) -> tuple[Tensor, ...]:
    """Return results without values, for the compiler of torch."""
    given = dict(zip(GIVEN, values, strict=True))
    return tuple(_results(_loaded(given["kernel"]), given, torch.empty).values())


def _results(kernel: Kernel, given: Mapping[str, Any], make: Callable[..., Tensor]) -> dict[str, Tensor]:
    """Return memory for the results; for those that are not wanted it is empty."""
    lengths = axis_lengths(kernel, given)
    wanted = {"result": True, "recorded": given["record"], "gradient": given["gradient"]}
    found = {}
    for name in RESULTS:
        argument = _ARGUMENTS[name]
        # Without a readout bias there is no gradient with respect to it.
        absent = argument.role == "gradient" and given[name.removeprefix("d_")] is None
        present = wanted[argument.role] and not absent
        shape = [lengths[axis] if present else 0 for axis in argument.axes or ()]
        found[name] = make(shape, dtype=dtype_of(kernel, argument), device=given["w_rec"].device)
    return found


def axis_lengths(kernel: Kernel, numbers: Mapping[str, Any]) -> dict[str, int]:
    """Return the lengths of axes of the table; numbers: those of the table, by name.

    The numbers of skips and landings are not known: programs that differ in skips alone share a kernel.
    """
    network, timeline = kernel.program.network, kernel.program.timeline
    found = {
        "N": network.units,
        "C_in": network.input_units,
        "C_out": network.output_units,
        "trials": timeline.trials,
        "phases": len(timeline.phases),
        "variables": len(kernel.variables),
    }
    for argument in ARGUMENTS:
        if argument.length_of is not None and argument.name in numbers:
            found[argument.length_of] = numbers[argument.name]
            found[f"{argument.length_of} + 1"] = numbers[argument.name] + 1
    return found


def check_arrays(kernel: Kernel, arrays: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Raise ValueError for arrays that the kernel would read as something else."""
    lengths = axis_lengths(kernel, numbers)
    for name, value in arrays.items():
        argument = _ARGUMENTS[name]
        axes = [lengths.get(axis) for axis in argument.axes or ()]
        if argument.type in RECORDS:
            axes.append(len(RECORDS[argument.type].fields))
        fits = len(axes) == value.dim() and all(
            a in (None, n) for a, n in zip(axes, value.shape, strict=True)
        )
        dtype = dtype_of(kernel, argument)
        place = arrays["w_rec"].device if "w_rec" in arrays else value.device
        there = value.device == place and place.type == kernel.device
        if not fits or value.dtype != dtype or not there:
            raise ValueError(
                f"'{name}' is {tuple(value.shape)} of {value.dtype} on {value.device}, and the kernel "
                f"takes {tuple(axes)} of {dtype} on the {kernel.device}."
            )


def dtype_of(kernel: Kernel, argument: Argument) -> torch.dtype:
    """Return the type of the numbers of an array."""
    if argument.type == "real":
        return _REALS[kernel.real]
    return torch.int32 if argument.type in RECORDS else _DTYPES[argument.type]


def _loaded(kernel: str) -> Kernel:
    if kernel not in KERNELS:
        raise RuntimeError(f"The kernel {kernel} is not loaded: build the Simulation of its spec first.")
    return KERNELS[kernel]


class _Once(torch.autograd.Function):
    """The identity; its backward says that there are no second derivatives."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, weight: Tensor) -> Tensor:
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError("A compiled kernel has no second derivatives; the targets torch and reference do.")


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.set_materialize_grads(False)
    given, results = dict(zip(GIVEN, inputs, strict=True)), dict(zip(RESULTS, output, strict=True))
    # Detached: a result with its graph would refer to the node that refers to it, and never be freed.
    present = [name for name in WEIGHTS if given[name] is not None]
    ctx.gradients = {name: results[f"d_{name}"].detach() for name in present}
    # Saved by autograd, which raises an error if one of them is changed before backward.
    ctx.save_for_backward(*(given.pop(name) for name in WEIGHTS))
    ctx.others = given


def _backward(ctx: Any, *incoming: Tensor | None) -> tuple[Any, ...]:
    """Scale the saved gradients, or run the kernel again if the rates have an incoming gradient."""
    of = dict(zip(RESULTS, incoming, strict=True))
    weights = dict(zip(WEIGHTS, ctx.saved_tensors, strict=True))
    loss, rates = of["loss"], of["rates"]
    gradients: dict[str, Tensor] = {}
    if rates is not None:
        scale = torch.zeros_like(rates[:, 0, 0, 0]) if loss is None else loss
        again = {"scale": scale.detach(), "of_rates": rates.detach(), "gradient": True, "record": False}
        results = dict(zip(RESULTS, simulate(**(ctx.others | weights | again)), strict=True))
        gradients = {name: results[f"d_{name}"] for name in ctx.gradients}
    elif loss is not None:
        gradients = {name: loss.view(-1, *(1,) * (g.dim() - 1)) * g for name, g in ctx.gradients.items()}
    if torch.is_grad_enabled():
        once: Any = _Once.apply
        gradients = {name: once(gradient, weights[name]) for name, gradient in gradients.items()}
    return tuple(gradients.get(name) for name in GIVEN)


# Not torch.library.custom_op: the first call of such an operator imports the compiler of torch, which takes
# seconds.
_library: Any = torch.library
_library.define("rnnspec::simulate", _schema())
_library.impl("rnnspec::simulate", "default", _simulate)
_library.register_fake("rnnspec::simulate", _fake)
_library.register_autograd("rnnspec::simulate", _backward, setup_context=_save)


def simulate(**values: Any) -> tuple[Tensor, ...]:
    """Call the operator with its arguments by name, see `_simulate`."""
    results: tuple[Tensor, ...] = torch.ops.rnnspec.simulate.default(**values)
    return results
