"""A compiled kernel: what an engine and the operator of torch ask of it."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rnnspec.codegen.cpp.arguments import Argument
from rnnspec.codegen.cpp.kernel import Real
from rnnspec.codegen.cpp.task import variable_names
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import Library
from rnnspec.runtime.compiled.origin import KernelOrigin

if TYPE_CHECKING:
    from torch import Tensor

_NUMBERS: dict[str, type[ctypes._SimpleCData[Any]]] = {"int64": ctypes.c_int64, "double": ctypes.c_double}

#: The drawn durations of each sequence, trial and epoch in seconds; None or NaN for fixed ones.
Durations = Sequence[Sequence[Sequence[float | None]]]


class Kernel(ABC):
    """The loaded kernel of one program and type of number.

    origin: what its results depend on to the last bit.  variables: the draws and reads, in the order of the
    kernel.  device: the type of device, as torch names it, whose tensors it takes.
    """

    device: str

    def __init__(self, program: Program, real: Real, library: Library, origin: KernelOrigin) -> None:
        self.program, self.real, self.library, self.origin = program, real, library, origin
        self.variables = variable_names(program)

    @property
    def name(self) -> str:
        """A hash of all that it depends on."""
        return self.library.fingerprint

    @abstractmethod
    def simulate(self, numbers: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
        """Run one batch, which writes to the arrays of the results; raises MemoryError.

        numbers, arrays: those of the table of arguments, by name.
        """

    @abstractmethod
    def summary(self) -> Iterator[tuple[str, str]]:
        """Yield lines on what it was compiled for and needs, each with its label."""

    @abstractmethod
    def details(self) -> Iterator[tuple[str, str]]:
        """Yield lines on how it was compiled, each with its label."""

    def files(self) -> dict[str, bytes]:
        """Return compiled files for a build folder, which other machines can have use for, by their names."""
        return {}

    @abstractmethod
    def durations(self, program: Program, numbers: Mapping[str, Any], given: Tensor | None) -> Durations:
        """Return the drawn durations of a batch of a program that this kernel simulates.

        numbers: sequences, first_network, seed, draws_key, dt.  given: the argument of this name, for one
        network, on the processor.
        """


def structure(arguments: Sequence[Argument]) -> type[ctypes.Structure]:
    """Return the C++ struct `Arguments` for ctypes."""
    members = [(a.name, _NUMBERS[a.type] if a.axes is None else ctypes.c_void_p) for a in arguments]
    return type("Arguments", (ctypes.Structure,), {"_fields_": members})


def pointers(arrays: Mapping[str, Tensor]) -> dict[str, int]:
    """Return the addresses of arrays; those that have no numbers are null."""
    return {name: value.data_ptr() for name, value in arrays.items() if value.numel()}


#: Loaded kernels by name: what the torch operator finds them by.
KERNELS: dict[str, Kernel] = {}
