"""The record of the target cpu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnnspec.runtime.target import Source, TargetRecord

if TYPE_CHECKING:
    from rnnspec.codegen.cpp.kernel import Real
    from rnnspec.program.nodes import Program
    from rnnspec.runtime.batch import Engine
    from rnnspec.runtime.compiled.kernel import Kernel


def _engine(program: Program, device: object) -> Engine:
    from rnnspec.runtime.cpu.engine import CpuEngine

    return CpuEngine(program)


def _memory(program: Program, threads: int) -> int:
    from rnnspec.runtime.cost import kernel_memory

    return kernel_memory(program, threads)


def _prepare(program: Program, real: Real, device: object) -> Kernel:
    from rnnspec.runtime.cpu.kernel import load_kernel

    return load_kernel(program, real)


def _compiled(program: Program, real: Real, device: object) -> bool:
    from rnnspec.runtime.cpu.kernel import is_compiled

    return is_compiled(program, real)


def _emit(program: Program) -> str:
    from rnnspec.codegen.cpu.kernel import emit_cpu

    return emit_cpu(program)


CPU = TargetRecord(
    name="cpu",
    summary="kernels in C++, generated for the spec and compiled for this machine",
    engine=_engine,
    memory=_memory,
    # The order of every sum is fixed, and the hash of the kernel stands for compiler and processor.
    bits_depend_on=frozenset(),
    devices=("cpu",),
    prepare=_prepare,
    compiled=_compiled,
    without=", which is many times slower",
    source=Source("kernel", "kernel.cpp", "the CPU kernels", _emit),
)
