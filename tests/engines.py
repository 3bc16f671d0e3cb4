"""The engine of each target, on any machine: CUDA kernels run on the processor."""

from __future__ import annotations

from runtime.gpu.emulator import EmulatedEngine

from rnnspec.program.nodes import Program
from rnnspec.runtime import targets
from rnnspec.runtime.batch import Engine
from rnnspec.runtime.targets import Target


def make_engine(program: Program, target: Target, device: object = "cpu") -> Engine:
    """Return an engine of a target for a program; that of gpu takes and returns tensors on the CPU."""
    return EmulatedEngine(program) if target == "gpu" else targets.make_engine(program, target, device)
