"""The cpu engine: runs batches on kernels of generated C++, compiled for this machine."""

from __future__ import annotations

from rnnspec.codegen.cpp.kernel import Real
from rnnspec.runtime.compiled.engine import KernelEngine
from rnnspec.runtime.cpu.kernel import CpuKernel, load_kernel
from rnnspec.runtime.cpu.target import CPU


class CpuEngine(KernelEngine):
    """Runs the kernels of a program: one for each dtype, compiled when it is first needed."""

    target = CPU.name

    def load(self, real: Real) -> CpuKernel:
        return load_kernel(self.program, real)
