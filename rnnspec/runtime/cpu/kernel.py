"""A compiled kernel of the cpu target: the library of one program, and the structure it is called with."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from rnnspec.codegen.cpp.task import variable_names
from rnnspec.codegen.cpp.arguments import ARGUMENTS, Argument, layout
from rnnspec.codegen.cpu.kernel import emit_cpu
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import Library, library
from rnnspec.runtime.compiled.origin import KernelOrigin, kernel_origin
from rnnspec.runtime.compiled.toolchain import find_compiler, users_flags

#: What numbers are in C++.
Real = Literal["float", "double"]

_NUMBERS: dict[str, type[ctypes._SimpleCData[Any]]] = {"int64": ctypes.c_int64, "double": ctypes.c_double}


def members(arguments: Sequence[Argument]) -> list[tuple[str, type[ctypes._SimpleCData[Any]]]]:
    """Return the members of the C++ struct `Arguments` for ctypes."""
    return [(a.name, _NUMBERS[a.type] if a.axes is None else ctypes.c_void_p) for a in arguments]


class Arguments(ctypes.Structure):
    """The arguments of a kernel; `codegen/cpp/arguments.py` says what each is."""

    _fields_ = members(ARGUMENTS)


@dataclass(frozen=True)
class Kernel:
    """The loaded library of one program and type of number.

    origin: what its results depend on to the last bit.  variables: the draws and reads, in the order of the
    kernel.
    """

    program: Program
    real: Real
    library: Library
    origin: KernelOrigin
    functions: ctypes.CDLL
    variables: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.library.fingerprint

    def simulate(self, arguments: Arguments) -> None:
        """Run one batch; raises MemoryError."""
        if self.functions.rnnspec_simulate(ctypes.byref(arguments)):
            raise MemoryError("there is not enough memory for the activity of a few sequences")

    def durations(self, arguments: Arguments) -> list[list[list[float]]]:
        """Return the drawn durations of a batch, in seconds: (B, trials, epochs), nan for fixed ones."""
        timeline = self.program.timeline
        sequences, trials, epochs = arguments.sequences, timeline.trials, len(timeline.epochs)
        count = sequences * trials * epochs
        seconds = (ctypes.c_double * count)(*[math.nan] * count)
        self.functions.rnnspec_durations(ctypes.byref(arguments), seconds)
        return [
            [seconds[(b * trials + n) * epochs : (b * trials + n + 1) * epochs] for n in range(trials)]
            for b in range(sequences)
        ]


#: Loaded kernels by name: what the torch operator finds them by.
KERNELS: dict[str, Kernel] = {}


@lru_cache(maxsize=256)
def load_kernel(program: Program, real: Real = "float") -> Kernel:
    """Return the kernel of a program, from the cache of kernels or newly compiled.

    Raises RequestError if there is no compiler that can.
    """
    source = emit_cpu(program, real)
    flags = users_flags()
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
    if functions.rnnspec_layout() != layout().encode():
        raise RuntimeError("the memory layout of the arguments of the kernel is not that of its caller")
    kernel = Kernel(program, real, built, origin, functions, variable_names(program))
    return KERNELS.setdefault(built.fingerprint, kernel)
