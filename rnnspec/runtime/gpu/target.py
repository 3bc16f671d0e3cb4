"""The record of the target gpu."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from rnnspec.runtime.target import Source, TargetRecord

if TYPE_CHECKING:
    from rnnspec.codegen.cpp.kernel import Real
    from rnnspec.program.nodes import Program
    from rnnspec.runtime.batch import Engine
    from rnnspec.runtime.compiled.kernel import Kernel


def _engine(program: Program, device: object) -> Engine:
    from rnnspec.runtime.gpu.engine import GpuEngine

    return GpuEngine(program, device)


def _memory(program: Program, threads: int) -> int:
    from rnnspec.runtime.cost import cuda_memory

    return cuda_memory(program)


def _prepare(program: Program, real: Real, device: object) -> Kernel:
    import torch

    from rnnspec.runtime.gpu.engine import load_kernel

    # Without a GPU, kernels can be compiled all the same.
    with torch.cuda.device(torch.device(str(device))) if torch.cuda.is_available() else nullcontext():
        return load_kernel(program, real)


def _compiled(program: Program, real: Real, device: object) -> bool:
    from rnnspec.runtime.gpu.engine import is_compiled

    return is_compiled(program, real)


def _emit(program: Program) -> str:
    from rnnspec.codegen.gpu.kernel import emit_gpu

    return emit_gpu(program)


GPU = TargetRecord(
    name="gpu",
    summary="CUDA kernels, generated for the spec and compiled by NVRTC",
    engine=_engine,
    memory=_memory,
    # The order of every sum is fixed, and the hash of the kernel stands for compiler and architecture.
    bits_depend_on=frozenset(),
    devices=("cuda",),
    prepare=_prepare,
    compiled=_compiled,
    without=", which is many times slower",
    source=Source("cuda", "kernel.cu", "the CUDA kernels", _emit),
)
