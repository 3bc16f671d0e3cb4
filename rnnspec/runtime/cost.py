"""The cost of a training iteration: floating point operations and memory.

Operations are counted as usual: 2 for each multiply-add of every matrix product, 0 for everything else.
For a sequence with mean durations, N units, C_in input units and C_out output units:

    recurrence   at each step 2 N^2 forward; with gradient 4 N^2 backward, for the rates and for w_rec
    input        2 N C_in forward, once per segment for constant inputs, at each step for varying ones; with
                 gradient the same backward, for w_in
    readout      2 N C_out forward, at each step after grace in epochs with targets or a score; with gradient
                 4 N C_out backward, for the rates and for w_out

An engine can need fewer: inputs that all sequences share are projected only once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rnnspec.codegen.cpu.kernel import group_size
from rnnspec.program.expression_nodes import Rate
from rnnspec.program.nodes import Epoch, Program
from rnnspec.runtime.schedule import Segment, mean_epoch_steps, mean_steps, timetable

#: Numbers stored at every step with gradient, for each unit and for each output that is read.  Measured in
#: the generated torch module.
STORED_PER_UNIT = 4
STORED_PER_OUTPUT = 6
#: Copies of the weights in memory while kernels train: raw and effective weights, the gradients of
#: both, the state of the optimiser and its temporary tensors.  Measured.
KERNEL_COPIES = 11


@dataclass(frozen=True)
class Cost:
    """The operations of one iteration of one network."""

    forward: int
    backward: int


def iteration_cost(program: Program, theta: Fraction = Fraction(1)) -> Cost:
    """Return the cost of one training iteration at the coarsening factor theta."""
    training = program.training
    segments = _segments(program, theta)
    forward = sum(_forward(program, segment) for segment in segments)
    backward = sum(_backward(program, segment) for segment in segments if segment.gradient)
    return Cost(training.batch * forward, training.batch * backward)


def graph_memory(program: Program, bytes_per_number: int = 4) -> int:
    """Return the bytes that training needs with autograd, which stores every state with gradient."""
    segments, training = _segments(program, Fraction(1)), program.training
    stored = sum(_stored(program, segment) for segment in segments if segment.gradient)
    # The weights, their gradients, and the two moments of Adam.
    numbers = training.networks * (training.batch * stored + 4 * weight_count(program))
    return numbers * bytes_per_number


def kernel_memory(program: Program, threads: int, bytes_per_number: int = 4) -> int:
    """Return the bytes that training needs with kernels: weights, and a group of sequences a thread."""
    steps = max(mean_steps(program), 1)
    each = group_size(program) * (steps + 1) * 2 * program.network.units
    return bytes_per_number * (
        program.training.networks * KERNEL_COPIES * weight_count(program) + threads * each
    )


def cuda_memory(program: Program, bytes_per_number: int = 4) -> int:
    """Return the bytes of a GPU that training needs at once: weights, and what all sequences store."""
    network, training = program.network, program.training
    steps, read = max(mean_steps(program), 1), network.output_units
    # Of each step: the state, the slope and the delta of each unit, and two gradients of its outputs.
    each = steps * (3 * network.units + 2 * read)
    return (
        bytes_per_number * training.networks * (KERNEL_COPIES * weight_count(program) + training.batch * each)
    )


def weight_count(program: Program) -> int:
    """Return the number of weights and biases of one network."""
    network = program.network
    matrices = sum(m.rows * m.columns for m in (network.w_rec, network.w_in, network.w_out))
    return matrices + network.units + (network.output_units if network.readout_bias else 0)


def evaluation_operations(program: Program) -> int:
    """Return the operations of evaluating one network once."""
    each = sum(_forward(program, segment) for segment in _segments(program, Fraction(1)))
    return program.training.evaluate_batch * each


def _segments(program: Program, theta: Fraction) -> Sequence[Segment]:
    # Skips need no matrix product, so leaving them out changes nothing here.
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
    """Return the number of projections of single input units in a segment."""
    epoch = _epoch(program, segment)
    if epoch is None or not segment.steps:
        return 0
    widths = {channel.name: channel.stop - channel.start for channel in program.network.inputs}
    varying = sum(widths[d.channel] for d in epoch.drives if d.value.type.rate is Rate.POINT)
    constant = any(d.value.type.rate is not Rate.POINT for d in epoch.drives)
    return varying * segment.steps + (program.network.input_units if constant else 0)


def _read_out(program: Program, segment: Segment) -> int:
    """Return the number of readouts of single output units in a segment."""
    epoch = _epoch(program, segment)
    if epoch is None or not (epoch.targets or epoch.correct is not None):
        return 0
    return max(segment.steps - segment.grace, 0) * program.network.output_units


def _epoch(program: Program, segment: Segment) -> Epoch | None:
    return None if segment.epoch < 0 else program.timeline.epochs[segment.epoch]


def _stored(program: Program, segment: Segment) -> int:
    """Return the numbers that one segment of one sequence stores for the backward pass."""
    units = STORED_PER_UNIT * program.network.units * segment.steps
    return units + STORED_PER_OUTPUT * _read_out(program, segment)
