"""The preview of `rnnspec compile --emit trial`: inputs, targets and weights of a sequence, by epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rnnspec.analysis.recording import Recording
from rnnspec.cli.display.charts import bars
from rnnspec.program.nodes import Epoch, Program
from rnnspec.program.printer import print_expression

Floats = NDArray[np.float64]

#: The most units of a channel that are drawn as bars.
_DRAWN = 64


def describe_trial(program: Program, recording: Recording, encoding: str) -> Iterator[str]:
    """Yield the lines of the preview of a recording of one network and one sequence."""
    timeline, dt = program.timeline, float(program.network.dt)
    start, stop = (recording[name].values[0] for name in ("epoch_start", "epoch_stop"))
    values = {name: _of_one(recording, name) for name in ("inputs", "targets", "weights")}
    total = int(stop[-1, -1])
    yield f"the first sequence of training: {total * dt:.6g} s, {total:,} steps"
    yield "inputs that are 0 are left out; units and trials are counted from 0"
    if timeline.burn_in:
        yield f"burn-in, {int(start[0, 0]) * dt:.6g} s"
    for trial in range(timeline.trials):
        variables = {
            name.removeprefix("variable/"): float(array.values[0, 0, trial])
            for name, array in recording.items()
            if name.startswith("variable/")
        }
        known = [draw.name for draw in timeline.draws if draw.available in (None, 0)]
        drawn = ", ".join(f"{name} = {_number(variables[name])}" for name in known)
        yield ""
        yield f"trial {trial}" + (f": {drawn}" if drawn else "")
        for number, epoch in enumerate(timeline.epochs):
            steps = slice(int(start[trial, number]), int(stop[trial, number]))
            yield _title(epoch, steps, dt)
            for label, name, text in _epoch(program, epoch, steps, values, dt, encoding):
                yield f"    {label:<8}{name:<{_longest(program)}}  {text}".rstrip()
            for name in [read.name for read in epoch.reads]:
                yield f"    read    {name} = {_number(variables[name])}, by an untrained network"
            for draw in timeline.draws:
                if draw.available == number + 1:
                    yield f"    draw    {draw.name} = {_number(variables[draw.name])}"


def _title(epoch: Epoch, steps: slice, dt: float) -> str:
    count = steps.stop - steps.start
    text = f"  {epoch.name}, {steps.start * dt:.6g} s to {steps.stop * dt:.6g} s"
    text += f", {count:,} step{'' if count == 1 else 's'}"
    text += f", phase {epoch.phase}" if epoch.targets or epoch.correct is not None else ", nothing is taught"
    return text + ("" if epoch.gradient else ", no gradient")


def _epoch(
    program: Program, epoch: Epoch, steps: slice, values: dict[str, Floats], dt: float, encoding: str
) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of an epoch: what it is, of which channel, and its value."""
    if steps.start == steps.stop:
        return
    driven = {drive.channel for drive in epoch.drives}
    targeted = {target.channel for target in epoch.targets}
    for channel in program.network.inputs:
        part = values["inputs"][steps, channel.start : channel.stop]
        if channel.name in driven and part.any():
            yield "input", channel.name, _channel(part, encoding)
    for output in program.network.outputs:
        if output.name in targeted:
            part = values["targets"][steps, output.start : output.stop]
            yield "target", output.name, _channel(part, encoding)
    if epoch.targets:
        yield "weight", "", _weight(values["weights"][steps], dt)
    if epoch.correct is not None:
        yield "correct", "", print_expression(epoch.correct).replace(repr(math.pi), "pi")


def _channel(values: Floats, encoding: str) -> str:
    """Describe the values of a channel in an epoch, (L, units)."""
    # Beside the largest value, the far end of a bump is 0.
    values = np.where(np.abs(values) < 1e-6 * np.abs(values).max(), 0, values)
    low, high = values.min(), values.max()
    if low == high:
        return _number(low)
    if (values != values[0]).any():
        if values.shape[1] == 1:
            ends = f"{_number(values[0, 0])} at first, {_number(values[-1, 0])} at last"
            return f"{ends}, between {_number(low)} and {_number(high)}"
        return f"changes from step to step, between {_number(low)} and {_number(high)}"
    peak = ("largest", values[0].argmax()) if high > -low else ("smallest", values[0].argmin())
    text = f"{_number(low)} to {_number(high)}, {peak[0]} at unit {peak[1]}"
    drawn = low >= 0 and len(values[0]) <= _DRAWN
    return text + (f"  |{bars(values[0].tolist(), float(high), encoding)}|" if drawn else "")


def _weight(values: Floats, dt: float) -> str:
    """Describe the weights of the points of an epoch, (L,)."""
    first = int(np.flatnonzero(values)[0]) if values.any() else 0
    rest = values[first:]
    text = _number(rest[0])
    if (rest != rest[0]).any():
        text = f"between {_number(rest.min())} and {_number(rest.max())}"
    return (f"0 for {first * dt * 1000:.6g} ms, then " if first else "") + text


def _of_one(recording: Recording, name: str) -> Floats:
    """Return an array of the recording, of its only network and sequence: (T, ...)."""
    values: Floats = recording[name].values[0, 0].astype(np.float64)
    return values


def _longest(program: Program) -> int:
    names = [channel.name for channel in program.network.inputs]
    names += [channel.name for channel in program.network.outputs]
    return max(map(len, names), default=0)


def _number(value: float) -> str:
    return f"{value:.4g}" if value else "0"
