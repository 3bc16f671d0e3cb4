"""The arguments of the CUDA kernels: those of all kernels, and memory for what they compute.

Axes, besides those of `codegen/cpp/arguments.py`: windows of steps whose outputs a block evaluates, the units
that are read out (read), the columns of w_in that vary within an epoch (varying).
"""

from __future__ import annotations

from rnnspec.codegen.cpp.arguments import ARGUMENTS, Argument, Role, array, number

SCRATCH: Role = "scratch"
BACKWARD: Role = "scratch of gradient"

GPU_ARGUMENTS: tuple[Argument, ...] = (
    *ARGUMENTS,
    number("windows", "int64", "windows of steps that are evaluated", "windows"),
    # of timetables
    array("event", "uint8", "tables, T + 1", "what happens at each step: `Event`", SCRATCH),
    array("segment_of", "int32", "tables, T + 1", "the segment of each step, -1 after the last", SCRATCH),
    array("source_at", "int32", "tables, T + 1", "the landing whose source is stored", SCRATCH),
    array("increment_at", "int32", "tables, T + 1", "the landing whose increment is stored", SCRATCH),
    # of sequences
    array("states", "real", "K, B, T + 1, N", "the state before each step, and the last", SCRATCH),
    array("steady", "real", "K, B, segments, C_in", "the inputs that are constant in a segment", SCRATCH),
    array("varying", "real", "K, B, T, varying", "the inputs that vary", SCRATCH),
    array("increments", "real", "K, B, most landings, N", "F(r) - r of steps that skips take", SCRATCH),
    array("targets", "real", "K, B, segments, C_out", "targets that are constant in a segment", SCRATCH),
    array("scales", "double", "K, B, segments, errors", "what an error counts in the loss", SCRATCH),
    array("counts", "double", "K, B, trials, phases + 1, errors", "points times outputs", SCRATCH),
    array("losses", "double", "K, B, windows", "the loss of each window", SCRATCH),
    array("rate_sums", "double", "K, B, windows", "the sum of |r| of each window", SCRATCH),
    array("w_rec_t", "real", "K, N, N", "W_rec transposed", SCRATCH),
    array("w_out_t", "real", "K, N, C_out", "W_out transposed", SCRATCH),
    # of the backward pass
    array("slopes", "real", "K, B, T + 1, N", "f'(x) of each step", BACKWARD),
    array("delta", "real", "K, B, T + 1, N", "the gradient with respect to x", BACKWARD),
    array("direct", "real", "K, B, T + 1, read", "with respect to states through their outputs", BACKWARD),
    array("d_x", "real", "K, B, T, C_out", "with respect to outputs before activation", BACKWARD),
    array("d_drive", "real", "K, B, segments, N", "with respect to the drive of segments", BACKWARD),
    array("d_sources", "real", "K, B, most landings, N", "with respect to sources", BACKWARD),
    array("d_increments", "real", "K, B, most landings, N", "with respect to increments", BACKWARD),
    array("d_readout", "real", "K, B, windows, C_out", "the sum of d_x of each window", BACKWARD),
)
