"""The gpu engine: runs batches on generated CUDA kernels, compiled for the GPU that this machine has."""

from __future__ import annotations

import ctypes
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from rnnspec.codegen.cpp.kernel import Real
from rnnspec.codegen.gpu.kernel import cannot, emit_gpu
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome
from rnnspec.runtime.compiled.engine import KernelEngine
from rnnspec.runtime.compiled.given import kernel_program
from rnnspec.runtime.compiled.kernel import KERNELS
from rnnspec.runtime.gpu.cubin import CUBIN, cubin, cubin_origin, has_cubin, resources_of
from rnnspec.runtime.gpu.driver import Function, Module, load
from rnnspec.runtime.gpu.kernel import SIMULATING, CudaKernel, Launch
from rnnspec.runtime.gpu.nvrtc import Resources, find_nvrtc
from rnnspec.runtime.gpu.split import gpus, part_of, run_split, shares
from rnnspec.runtime.gpu.target import GPU
from rnnspec.runtime.memory import available_memory

#: The compute capability that is compiled for on a machine without a GPU.
USUAL = (9, 0)
#: The first major number of those that the kernels are made for.
OLDEST = 8


class GpuKernel(CudaKernel):
    """The CUDA kernels of one program and type of number, loaded to a GPU when they are first launched."""

    def launch(self, launches: Sequence[Launch], arguments: ctypes.Structure, device: torch.device) -> None:
        index = torch.cuda.current_device() if device.index is None else device.index
        stream = torch.cuda.current_stream(index).cuda_stream
        for each in launches:
            function = self._function(each.function, index)
            function.launch(each.blocks, each.threads, each.shared, stream, arguments)

    def free_memory(self, device: torch.device) -> int:
        # Most of what is free: other programs, and the optimiser, need some too.
        return int(0.8 * (available_memory(device) or 0))

    def summary(self) -> Iterator[tuple[str, str]]:
        needed = resources_of(self.library)
        spills = sum(each.spill_stores + each.spill_loads for each in needed.values())
        architecture = self.origin.processor.removeprefix("GPU ")
        number = architecture.removeprefix("sm_")
        capability = f"compute capability {number[:-1]}.{number[-1]} ({architecture})"
        yield "made for", f"{capability}, by {self.origin.compiler}"
        for name in SIMULATING:
            yield _label(name), _needs(needed[name], self.layout.matrix)
        yield "spills", f"{spills} bytes, of all kernels" if spills else "none"

    def details(self) -> Iterator[tuple[str, str]]:
        yield "flags", shlex.join(self.origin.flags)
        for name, needed in resources_of(self.library).items():
            if name not in SIMULATING:
                yield _label(name), _needs(needed)

    def files(self) -> dict[str, bytes]:
        return {CUBIN: self.library.path.read_bytes()}

    @cached_property
    def _functions(self) -> dict[tuple[str, int], Function]:
        return {}

    @cached_property
    def _modules(self) -> dict[int, Module]:
        return {}

    def load(self, index: int) -> Module:
        """Return the machine code on the GPU of an index; RequestError if its driver is too old for it."""
        if index not in self._modules:
            self._modules[index] = load(self.library.path.read_bytes(), index)
        return self._modules[index]

    def _function(self, name: str, index: int) -> Function:
        """Return a kernel on the GPU of an index."""
        if (name, index) not in self._functions:
            self._functions[name, index] = self.load(index).function(name)
        return self._functions[name, index]


class GpuEngine(KernelEngine):
    """Runs the CUDA kernels of a program: one cubin for each dtype, compiled when it is first needed."""

    target = GPU.name

    def __init__(self, program: Program, device: object = "cuda") -> None:
        """device: `cuda` stands for all GPUs that are alike, `cuda:1` for one."""
        super().__init__(program)
        self.gpus = gpus(torch.device(str(device)))

    def __reduce__(self) -> tuple[Any, ...]:
        device = self.gpus[0] if len(self.gpus) == 1 else "cuda"
        return type(self), (self.program, device)

    def load(self, real: Real) -> CudaKernel:
        return load_kernel(self.program, real)

    def run(
        self,
        weights: Mapping[str, Tensor],
        batch: Batch,
        *,
        record: bool = False,
        forced_reads: Mapping[str, Tensor] | None = None,
    ) -> Outcome:
        run_on_one = super().run

        def run(weights: Mapping[str, Tensor], batch: Batch, forced_reads: Mapping[str, Tensor]) -> Outcome:
            # Kernels are compiled for, and loaded to, the current GPU.
            with torch.cuda.device(weights["bias"].device):
                return run_on_one(weights, batch, record=record, forced_reads=forced_reads)

        bias, forced_reads = weights["bias"], forced_reads or {}
        devices = self._devices(len(bias), batch, bias.dtype, bias.device)
        if len(devices) == 1:
            return run(weights, batch, forced_reads)
        return run_split(run, self.program, devices, weights, batch, forced_reads)

    def prepare(self, networks: int, batch: Batch, dtype: torch.dtype, device: torch.device) -> None:
        for each, part in shares(networks, self._devices(networks, batch, dtype, device)):
            with torch.cuda.device(each):
                super().prepare(len(part), part_of(batch, part), dtype, each)

    def _devices(
        self, networks: int, batch: Batch, dtype: torch.dtype, device: torch.device
    ) -> tuple[torch.device, ...]:
        """Return the GPUs for a batch, that of the weights first: as many as have blocks for all processors.

        A GPU that already runs all blocks at the same time would not end sooner with fewer of them.
        """
        if device != self.gpus[0] or len(self.gpus) == 1:
            return (device,)
        with torch.cuda.device(device):
            kernel = self.kernel(dtype)
        assert isinstance(kernel, CudaKernel)
        processors = torch.cuda.get_device_properties(device).multi_processor_count
        return self.gpus[: max(1, -(-kernel.blocks(networks, batch.sequences) // processors))]


def load_kernel(program: Program, real: Real = "float") -> GpuKernel:
    """Return the kernels of a program for the current GPU, from the cache or newly compiled.

    Without a GPU they are compiled for compute capability 9.0.  Raises RequestError if NVRTC is missing, for
    GPUs that are too old, and for programs that these kernels cannot simulate.
    """
    if refusal := cannot(program, real):
        raise RequestError(refusal, "The target torch simulates it on a GPU.")
    kernel = _load_kernel(kernel_program(program), real, _architecture())
    if torch.cuda.is_available():
        kernel.load(torch.cuda.current_device())
    return kernel


def is_compiled(program: Program, real: Real = "float") -> bool:
    """Return whether the kernels of a program for the current GPU are in the cache.

    Raises RequestError as `load_kernel` does.
    """
    if refusal := cannot(program, real):
        raise RequestError(refusal, "The target torch simulates it on a GPU.")
    return has_cubin(emit_gpu(kernel_program(program), real), _architecture(), find_nvrtc())


def _architecture() -> str:
    """Return the architecture of the current GPU, or the usual one without a GPU: "sm_90"."""
    major, minor = torch.cuda.get_device_capability() if torch.cuda.is_available() else USUAL
    if major < OLDEST:
        raise RequestError(
            f"The target gpu needs compute capability {OLDEST}.0 or newer, and this GPU has {major}.{minor}.",
            "The target torch simulates on it.",
        )
    return f"sm_{major}{minor}"


@lru_cache(maxsize=256)
def _load_kernel(program: Program, real: Real, architecture: str) -> GpuKernel:
    source, nvrtc = emit_gpu(program, real), find_nvrtc()
    built = cubin(source, architecture, nvrtc)
    origin = cubin_origin(source, architecture, nvrtc)
    kernel = KERNELS.setdefault(built.fingerprint, GpuKernel(program, real, built, origin))
    assert isinstance(kernel, GpuKernel)
    return kernel


def _label(name: str) -> str:
    return name.removeprefix("rnnspec_")


def _needs(needed: Resources, matrix: int = 0) -> str:
    """Return what a kernel needs, as text.  matrix: bytes of W_rec in shared memory."""
    return f"{needed.registers} registers a thread, {needed.shared + matrix:,} bytes of shared memory a block"
