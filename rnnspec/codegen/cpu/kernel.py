"""The cpu target: a program as one file of C++, specialised to it, `kernel.cpp`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rnnspec.codegen.code import WIDTH
from rnnspec.codegen.constants import literal
from rnnspec.codegen.cpp.task import task_context
from rnnspec.codegen.cpu import arguments
from rnnspec.codegen.cpu.activations import VectorFunction, vector_function
from rnnspec.codegen.documentation import title
from rnnspec.codegen.render import checked, render
from rnnspec.program.expression_nodes import walk
from rnnspec.program.nodes import Epoch, Matrix, Network, OutputChannel, Program
from rnnspec.spec.activations import ACTIVATIONS

#: Up to so many units, so many sequences are simulated together.  The order of sums depends on it, so it must
#: be the same on every machine.
_GROUPS = ((128, 4), (256, 8), (1 << 30, 16))


def emit_cpu(program: Program, real: Literal["float", "double"] = "float") -> str:
    """Return the source of `kernel.cpp`; the same program gives the same bytes."""
    return render("cpu/kernel.cpp.j2", {**_facts(program, real), **task_context(program)})


def _facts(program: Program, real: Literal["float", "double"]) -> dict[str, object]:
    network, timeline = program.network, program.timeline
    bands = _bands(network.outputs)
    return {
        "title": textwrap.fill(title(program), WIDTH, initial_indent="// ", subsequent_indent="// "),
        "real": real,
        "units": network.units,
        "inputs": network.input_units,
        "outputs": network.output_units,
        "epochs": len(timeline.epochs),
        "trials": timeline.trials,
        "phases": [checked(phase) for phase in timeline.phases],
        "group": group_size(program),
        "driven": _range(network.w_in, rows=True),
        "read": _range(network.w_out, rows=False),
        "bands": bands,
        "channels": [
            {"name": checked(name), "band": number, "offset": offset}
            for number, band in enumerate(bands)
            for name, offset in zip(band.names, band.offsets, strict=True)
        ],
        "activations": _activations(network),
        "activation": vector_function(network.activation).name,
        "rectified": _bool(ACTIVATIONS[network.activation.name].rectified),
        "switched": _bool(ACTIVATIONS[network.activation.name].switch),
        "noise": _noise(network),
        "arguments": arguments.ARGUMENTS,
        "records": arguments.RECORDS,
        "layout": arguments.layout(),
        "penalised": any(p.quantity == "rate" for p in program.training.penalties),
        "rate_l1": _penalty(program, "l1"),
        "rate_l2": _penalty(program, "l2"),
        "weight_penalties": [
            {
                "quantity": p.quantity,
                "power": 1 if p.norm == "l1" else 2,
                "coefficient": literal(p.coefficient),
                "rows": getattr(network, p.quantity).rows,
                "columns": getattr(network, p.quantity).columns,
            }
            for p in program.training.penalties
            if p.quantity != "rate"
        ],
        **_objective(program, bands),
    }


def group_size(program: Program) -> int:
    """Return how many sequences are simulated together."""
    return next(size for units, size in _GROUPS if program.network.units <= units)


# --- network -----------------------------------------------------------------------------------------


@dataclass
class Band:
    """Adjacent outputs with the same activation; a softmax is a band of its own.

    first: the row of W_out of the first output.  offsets: of each channel within the band.
    """

    first: int
    activation: str
    softmax: bool
    names: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    count: int = 0


def _bands(channels: Sequence[OutputChannel]) -> list[Band]:
    bands: list[Band] = []
    for channel in channels:
        softmax = ACTIVATIONS[channel.activation.name].distribution
        name = "" if softmax else vector_function(channel.activation).name
        if softmax or not bands or bands[-1].softmax or bands[-1].activation != name:
            bands.append(Band(channel.start, name, softmax))
        bands[-1].names.append(channel.name)
        bands[-1].offsets.append(bands[-1].count)
        bands[-1].count += channel.stop - channel.start
    return bands


def _activations(network: Network) -> list[VectorFunction]:
    used = (network.activation, *(channel.activation for channel in network.outputs))
    return list(dict.fromkeys(vector_function(a) for a in used if not ACTIVATIONS[a.name].distribution))


def _range(matrix: Matrix, rows: bool) -> tuple[int, int]:
    """Return the first and last + 1 of the units on one side of a matrix that have any connection."""
    found = [block.rows if rows else block.columns for block in matrix.blocks if block.present]
    return (min(first for first, _ in found), max(last for _, last in found)) if found else (0, 0)


def _noise(network: Network) -> dict[str, object]:
    formula = {
        "none": "",
        "ou": "eta(s) = keep eta(s - 1) + gain xi(s), eta(0) = start xi",
        "white": "gain xi(s)",
    }
    return {"kind": network.noise.kind, "formula": formula[network.noise.kind]}


# --- objective ---------------------------------------------------------------------------------------


def _penalty(program: Program, norm: str) -> str:
    """Return the coefficient of a penalty on rates."""
    penalties = program.training.penalties
    return literal(sum(p.coefficient for p in penalties if p.quantity == "rate" and p.norm == norm))


def _objective(program: Program, bands: Sequence[Band]) -> dict[str, object]:
    timeline, channels = program.timeline, {c.name: c for c in program.network.outputs}
    phases = list(timeline.phases)
    weights = [epoch.weight for epoch in timeline.epochs if epoch.targets and epoch.weight is not None]
    return {
        "epoch_phases": [
            phases.index(e.phase) if e.phase in phases else len(phases) for e in timeline.epochs
        ],
        "targeted": [_bool(bool(epoch.targets)) for epoch in timeline.epochs],
        "error_counts": [_braces(_error_counts(program, epoch)) for epoch in timeline.epochs],
        "errors": [_braces(_errors(epoch, bands)) for epoch in timeline.epochs],
        "any_weighted": _bool(bool(weights)),
        "weights_read": _bool(any(node.type.reads for value in weights for node in walk(value))),
        "targets": [
            {
                "epoch": number,
                "channel": checked(target.channel),
                "size": channels[target.channel].stop - channels[target.channel].start,
            }
            for number, epoch in enumerate(timeline.epochs)
            for target in epoch.targets
        ],
    }


def _error_counts(program: Program, epoch: Epoch) -> tuple[int, int]:
    """Return how many squared errors and cross-entropies a step of an epoch has."""
    sizes = {c.name: c.stop - c.start for c in program.network.outputs}
    squared = sum(sizes[target.channel] for target in epoch.targets if target.error == "squared")
    return squared, sum(target.error == "cross_entropy" for target in epoch.targets)


def _errors(epoch: Epoch, bands: Sequence[Band]) -> list[int]:
    """Return the kind of error of each band: 0 squared, 1 cross-entropy, -1 for none."""
    numbers = {"squared": 0, "cross_entropy": 1}
    errors = {target.channel: numbers[target.error] for target in epoch.targets}
    # The channels of a band have one activation, hence one error.
    return [max(errors.get(name, -1) for name in band.names) for band in bands] or [-1]


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _braces(values: Iterable[object]) -> str:
    return "{" + ", ".join(map(str, values)) + "}"
