"""The gpu target without a GPU: the source that a GPU gets, compiled for the processor with `host.hpp`."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from rnnspec.codegen.cpp.kernel import Real
from rnnspec.codegen.gpu.kernel import emit_gpu
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import library
from rnnspec.runtime.compiled.engine import KernelEngine
from rnnspec.runtime.compiled.given import kernel_program
from rnnspec.runtime.compiled.kernel import KERNELS
from rnnspec.runtime.compiled.origin import kernel_origin
from rnnspec.runtime.compiled.toolchain import find_compiler, users_flags
from rnnspec.runtime.gpu.kernel import CudaKernel, Launch

HEADER = Path(__file__).with_name("host.hpp")

#: The kernels, in the order of their launches.
KERNEL_NAMES = (
    *("plan", "transpose", "forward", "count", "evaluate", "backward"),
    *("outer_rec", "outer_out", "outer_in", "sum"),
)

#: What the emulator calls.
ENTRY = f"""
static Arguments passed;
struct Kernel {{ const char* name; void (*call)(); }};
static const Kernel KERNELS[] = {{
{"".join(f'    {{"rnnspec_{name}", [] {{ rnnspec_{name}(passed); }}}},{chr(10)}' for name in KERNEL_NAMES)}}};

extern "C" __attribute__((visibility("default"))) int emulate(
    const char* name, unsigned blocks, unsigned threads, size_t shared, const Arguments* all,
    unsigned shuffle) {{
    passed = *all, host::shuffle = shuffle;
    for (const Kernel& kernel : KERNELS)
        if (!std::strcmp(kernel.name, name)) {{
            host::launch(kernel.call, blocks, threads, shared);
            return 0;
        }}
    return 1;
}}
"""


class EmulatedKernel(CudaKernel):
    """Runs the threads of a block as fibers of this process.

    shuffle: 0 for threads in their order, any other number for another order.  memory: free bytes.
    """

    device = "cpu"
    shuffle = 0
    memory = 1 << 34
    emulate: ctypes.CDLL

    def free_memory(self, device: torch.device) -> int:
        return self.memory

    def summary(self) -> Iterator[tuple[str, str]]:
        yield from ()

    def details(self) -> Iterator[tuple[str, str]]:
        yield from ()

    def launch(self, launches: Sequence[Launch], arguments: ctypes.Structure, device: torch.device) -> None:
        for each in launches:
            shape = ctypes.c_uint(each.blocks), ctypes.c_uint(each.threads), ctypes.c_size_t(each.shared)
            where = ctypes.byref(arguments), ctypes.c_uint(self.shuffle)
            assert self.emulate.emulate(each.function.encode(), *shape, *where) == 0, each


@functools.lru_cache(maxsize=256)
def emulated(program: Program, real: Real, *more: str) -> EmulatedKernel:
    """Return the emulated kernel of a program; more: flags of the compiler."""
    source = emit_gpu(program, real) + ENTRY
    flags = (*users_flags(), "-include", str(HEADER), *more)
    built = library(source, flags)
    kernel = EmulatedKernel(program, real, built, kernel_origin(source, find_compiler(), flags))
    kernel.emulate = ctypes.CDLL(str(built.path))
    found = KERNELS.setdefault(kernel.name, kernel)
    assert isinstance(found, EmulatedKernel)
    return found


class EmulatedEngine(KernelEngine):
    """The engine of the gpu target, on emulated kernels."""

    target = "gpu"

    def load(self, real: Real) -> EmulatedKernel:
        return emulated(kernel_program(self.program), real)
