"""What a training iteration costs: floating point operations and memory.

Operations are counted as in the field: 2 for each multiply-add of every matrix product, nothing for the
rest.  Per sequence of mean durations, N units, C_in and C_out channel units:

    recurrence   each step: 2 N^2 forward; with gradient 4 N^2 backward, for the rates and for w_rec
    input        constant drives once for each segment, varying ones each step: 2 N C_in forward, and with
                 gradient as much backward, for w_in
    readout      each step of an epoch with targets or a score, its grace left out: 2 N C_out forward; with
                 gradient 4 N C_out backward, for the rates and for w_out

An engine may do with less: inputs that all sequences share need to be projected only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rnnspec.codegen.cpu.kernel import group_size
from rnnspec.program.nodes import Epoch, Program, Rate
from rnnspec.runtime.schedule import Segment, mean_epoch_steps, mean_steps, timetable

#: Numbers held at every step with gradient, as multiples of the units, and of the outputs that are read.
#: Measured on the torch target.
KEPT_PER_UNIT = 4
KEPT_PER_OUTPUT = 6
#: How often the weights are held while the cpu target trains: raw and effective ones, gradients of both, what
#: the optimiser keeps and works with.  Measured.
KERNEL_COPIES = 11


@dataclass(frozen=True)
class Cost:
    """Of one iteration.  forward, backward: operations of one network.  memory: bytes, of all, on torch."""

    forward: int
    backward: int
    memory: int


def iteration_cost(program: Program, theta: Fraction = Fraction(1), bytes_per_number: int = 4) -> Cost:
    """Return the cost of one training iteration at a coarsening factor."""
    training = program.training
    segments = _segments(program, theta)
    forward = sum(_forward(program, segment) for segment in segments)
    backward = sum(_backward(program, segment) for segment in segments if segment.gradient)
    kept = sum(_kept(program, segment) for segment in segments if segment.gradient)
    # The weights, their gradient, and the two averages that Adam keeps.
    numbers = training.networks * (training.batch * kept + 4 * _weights(program))
    return Cost(training.batch * forward, training.batch * backward, numbers * bytes_per_number)


def kernel_memory(program: Program, threads: int, bytes_per_number: int = 4) -> int:
    """Return the bytes that training on the cpu target takes: weights, and some sequences for each thread."""
    steps = max(mean_steps(program), 1)
    each = group_size(program) * (steps + 1) * 2 * program.network.units
    return bytes_per_number * (program.training.networks * KERNEL_COPIES * _weights(program) + threads * each)


def evaluation_operations(program: Program) -> int:
    """Return the operations of one evaluation of one network."""
    each = sum(_forward(program, segment) for segment in _segments(program, Fraction(1)))
    return program.training.evaluate_batch * each


def _segments(program: Program, theta: Fraction) -> Sequence[Segment]:
    # Skips need no matrix product of their own, so their betas do not matter here.
    absent = (1.0,) * len(program.skips)
    return timetable(program, theta, absent, mean_epoch_steps(program, theta)).segments


def _forward(program: Program, segment: Segment) -> int:
    units = program.network.units
    return 2 * units * (segment.steps * units + _driven(program, segment) + _read_out(program, segment))


def _backward(program: Program, segment: Segment) -> int:
    units = program.network.units
    return (
        2 * units * (2 * segment.steps * units + _driven(program, segment) + 2 * _read_out(program, segment))
    )


def _driven(program: Program, segment: Segment) -> int:
    """Return the input units projected in a segment, counted each time they are."""
    epoch = _epoch(program, segment)
    if epoch is None or not segment.steps:
        return 0
    widths = {channel.name: channel.stop - channel.start for channel in program.network.inputs}
    varying = sum(widths[d.channel] for d in epoch.drives if d.value.type.rate is Rate.POINT)
    constant = any(d.value.type.rate is not Rate.POINT for d in epoch.drives)
    return varying * segment.steps + (program.network.input_units if constant else 0)


def _read_out(program: Program, segment: Segment) -> int:
    """Return the output units read in a segment, counted each time they are."""
    epoch = _epoch(program, segment)
    if epoch is None or not (epoch.targets or epoch.correct is not None):
        return 0
    return max(segment.steps - segment.grace, 0) * program.network.output_units


def _epoch(program: Program, segment: Segment) -> Epoch | None:
    return None if segment.epoch < 0 else program.timeline.epochs[segment.epoch]


def _kept(program: Program, segment: Segment) -> int:
    return KEPT_PER_UNIT * program.network.units * segment.steps + KEPT_PER_OUTPUT * _read_out(
        program, segment
    )


def _weights(program: Program) -> int:
    network = program.network
    matrices = sum(m.rows * m.columns for m in (network.w_rec, network.w_in, network.w_out))
    return matrices + network.units + (network.output_units if network.readout_bias else 0)
