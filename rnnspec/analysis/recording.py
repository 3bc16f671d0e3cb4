"""Recordings of simulations: arrays with named axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rnnspec.analysis.teaching import taught
from rnnspec.files import write_file
from rnnspec.program.nodes import InputChannel, OutputChannel, Population, Program
from rnnspec.runtime.batch import Batch, Outcome
from rnnspec.runtime.noise import jitter
from rnnspec.runtime.reference.interpret import draw
from rnnspec.runtime.schedule import Timetable, epoch_steps, timetable
from rnnspec.runtime.simulation import Simulation

Array = NDArray[np.generic]


@dataclass(frozen=True)
class NamedArray:
    """An array and the name of each of its axes."""

    values: Array
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Recording(Mapping[str, NamedArray]):
    """The recording of a batch of trials of an ensemble: arrays by name.

    activity (network, sequence, step, unit), outputs (.., output): after each step.
    inputs (.., input): during each step.
    targets (.., output): after each step; NaN where an output has no target.
    weights (network, sequence, step): of each time point in the loss; 0 where it does not count.
    correct (network, sequence, step): 1 or 0; NaN where nothing is scored.
    performance (network, sequence, trial): NaN where a trial is not scored.
    variable/NAME (network, sequence, trial): draws and reads.
    epoch_start, epoch_stop (sequence, trial, epoch): the first step of an epoch, and the first step after it.
    steps (sequence): the length of each sequence; the arrays are NaN after it.
    time (step): seconds from the start of the sequence to the end of a step.
    network, unit, input, output, epoch: the labels along these axes, such as the population of each unit.
    condition (sequence), condition/NAME (condition): the number of the condition of each sequence, and the
    values of its variables; only with conditions.
    changes (change): what was asked otherwise than the run was trained; only if something was.

    The axis `network` or `sequence` has length 1 where all networks or sequences share the values.
    """

    arrays: Mapping[str, NamedArray]

    def __getitem__(self, name: str) -> NamedArray:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def save(self, path: Path | str) -> None:
        """Write a compressed .npz file; its array `X.axes` has the names of the axes of array `X`.

        It contains no pickle: `numpy.load(path)` reads it without options.
        """
        arrays: dict[str, Array] = {}
        for name, array in self.arrays.items():
            arrays[name] = array.values
            arrays[f"{name}.axes"] = np.array(array.axes)
        buffer = BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        write_file(Path(path), buffer.getvalue())


def record(simulation: Simulation, batch: Batch, outcome: Outcome) -> Recording:
    """Return the recording of a batch from the recorded outcome of an engine."""
    program, network = simulation.program, simulation.program.network
    assert outcome.rates is not None
    assert outcome.outputs is not None
    assert outcome.inputs is not None
    tables = _timetables(program, batch, simulation)
    start, stop = _epochs(program, tables)
    teaching = taught(program, batch, tables, outcome)
    first = simulation.first_network
    whole = ("network", "sequence", "step")
    trials = ("network", "sequence", "trial")
    epochs = ("sequence", "trial", "epoch")
    step = float(network.dt * batch.stage.theta)
    arrays = {
        "activity": NamedArray(_numpy(outcome.rates), (*whole, "unit")),
        "inputs": NamedArray(_numpy(outcome.inputs), (*whole, "input")),
        "outputs": NamedArray(_numpy(outcome.outputs), (*whole, "output")),
        "targets": NamedArray(_numpy(teaching.targets), (*whole, "output")),
        "weights": NamedArray(_numpy(teaching.weights), whole),
        "correct": NamedArray(_numpy(teaching.correct), whole),
        "performance": NamedArray(_numpy(outcome.trial_performance), trials),
        **{
            f"variable/{name}": NamedArray(_numpy(values), trials)
            for name, values in outcome.variables.items()
        },
        "epoch_start": NamedArray(start, epochs),
        "epoch_stop": NamedArray(stop, epochs),
        "steps": NamedArray(_numpy(outcome.steps), ("sequence",)),
        "time": NamedArray(step * np.arange(1, outcome.rates.shape[2] + 1), ("step",)),
        "network": NamedArray(np.arange(first, first + simulation.networks), ("network",)),
        "unit": NamedArray(_names(network.populations), ("unit",)),
        "input": NamedArray(_names(network.inputs), ("input",)),
        "output": NamedArray(_names(network.outputs), ("output",)),
        "epoch": NamedArray(np.array([epoch.name for epoch in program.timeline.epochs]), ("epoch",)),
    }
    return Recording(arrays)


def _timetables(program: Program, batch: Batch, simulation: Simulation) -> list[Timetable]:
    """Return the timetable of each sequence, or one if all have the same; without skips."""
    drawn, theta = draw(program, batch, simulation.networks).durations or (None,), batch.stage.theta
    extra, absent = jitter(program, batch), (1.0,) * len(program.skips)
    return [timetable(program, theta, absent, epoch_steps(program, theta, extra, each)) for each in drawn]


def _epochs(program: Program, tables: Sequence[Timetable]) -> tuple[Array, Array]:
    """Return the first step of each epoch, and the first step after it: (B or 1, trials, epochs) each."""
    shape = (len(tables), program.timeline.trials, len(program.timeline.epochs))
    segments = [segment for table in tables for segment in table.segments if segment.epoch >= 0]
    start, stop = ([getattr(segment, name) for segment in segments] for name in ("start", "stop"))
    return np.array(start).reshape(shape), np.array(stop).reshape(shape)


def _names(parts: tuple[Population | InputChannel | OutputChannel, ...]) -> Array:
    """Return the name of the population or channel of each unit."""
    return np.array([part.name for part in parts for _ in range(part.start, part.stop)], dtype=np.str_)


def _numpy(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array
