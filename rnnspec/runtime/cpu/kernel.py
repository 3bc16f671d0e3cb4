"""The kernel of the cpu target: a library of generated C++, compiled for this machine."""

from __future__ import annotations

import ctypes
import math
import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rnnspec.codegen.cpp.arguments import ARGUMENTS, layout
from rnnspec.codegen.cpp.kernel import Real
from rnnspec.codegen.cpu.kernel import emit_cpu
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import LIBRARY, Library, fingerprint, is_stored, library
from rnnspec.runtime.compiled.given import kernel_program
from rnnspec.runtime.compiled.kernel import KERNELS, Durations, Kernel, pointers, structure
from rnnspec.runtime.compiled.origin import KernelOrigin, kernel_origin
from rnnspec.runtime.compiled.toolchain import find_compiler, users_flags

if TYPE_CHECKING:
    from torch import Tensor

#: The arguments of a kernel; `codegen/cpp/arguments.py` says what each is.
Arguments = structure(ARGUMENTS)


class CpuKernel(Kernel):
    """The loaded library of one program and type of number."""

    device = "cpu"

    def __init__(
        self, program: Program, real: Real, library: Library, origin: KernelOrigin, functions: ctypes.CDLL
    ) -> None:
        super().__init__(program, real, library, origin)
        self.functions = functions

    def simulate(self, numbers: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
        self.call(Arguments(**numbers, **pointers(arrays)))

    def call(self, arguments: ctypes.Structure) -> None:
        """Run one batch; raises MemoryError."""
        if self.functions.rnnspec_simulate(ctypes.byref(arguments)):
            raise MemoryError("there is not enough memory for the activity of a few sequences")

    def summary(self) -> Iterator[tuple[str, str]]:
        yield from ()

    def details(self) -> Iterator[tuple[str, str]]:
        yield "compiler", shlex.join((*find_compiler().command, *self.origin.flags))

    def durations(self, program: Program, numbers: Mapping[str, Any], given: Tensor | None) -> Durations:
        timeline, sequences = program.timeline, numbers["sequences"]
        trials, epochs = timeline.trials, len(timeline.epochs)
        count = sequences * trials * epochs
        seconds = (ctypes.c_double * count)(*[math.nan] * count)
        arrays = {} if given is None else pointers({"given": given})
        arguments = Arguments(**numbers, networks=1, **arrays)
        self.functions.rnnspec_durations(ctypes.byref(arguments), seconds)
        return [
            [seconds[(b * trials + n) * epochs : (b * trials + n + 1) * epochs] for n in range(trials)]
            for b in range(sequences)
        ]


def is_compiled(program: Program, real: Real = "float") -> bool:
    """Return whether the kernel of a program is in the cache of kernels.

    Raises RequestError if there is no compiler.
    """
    source = emit_cpu(kernel_program(program), real)
    return is_stored(fingerprint(source, users_flags(), find_compiler()), LIBRARY)


@lru_cache(maxsize=256)
def load_kernel(program: Program, real: Real = "float") -> CpuKernel:
    """Return the kernel of a program, from the cache of kernels or newly compiled.

    Raises RequestError if there is no compiler that can.
    """
    program = kernel_program(program)
    source, flags = emit_cpu(program, real), users_flags()
    built = library(source, flags)
    origin = kernel_origin(source, find_compiler(), flags)
    try:
        functions = ctypes.CDLL(str(built.path))
    except OSError as error:
        raise RequestError(
            f"The compiled kernel cannot be loaded: {error}.",
            "Try another compiler (set CXX to its command), or another cache folder (RNNSPEC_CACHE).",
        ) from None
    functions.rnnspec_layout.restype = ctypes.c_char_p
    if functions.rnnspec_layout() != layout(ARGUMENTS).encode():
        raise RuntimeError("the memory layout of the arguments of the kernel is not that of its caller")
    kernel = KERNELS.setdefault(built.fingerprint, CpuKernel(program, real, built, origin, functions))
    assert isinstance(kernel, CpuKernel)
    return kernel
