"""The kernels of the gpu target: the memory that they need, and the order in which they are launched."""

from __future__ import annotations

import ctypes
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rnnspec.codegen.cpp.arguments import Argument, of_role
from rnnspec.codegen.cpp.kernel import Real
from rnnspec.codegen.cpp.network import connected
from rnnspec.codegen.cpp.task import varying_columns
from rnnspec.codegen.gpu.arguments import BACKWARD, GPU_ARGUMENTS, SCRATCH
from rnnspec.codegen.gpu.kernel import gpu_layout
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import Library
from rnnspec.runtime.compiled.kernel import Durations, Kernel, pointers, structure
from rnnspec.runtime.compiled.operator import axis_lengths, dtype_of
from rnnspec.runtime.compiled.origin import KernelOrigin
from rnnspec.runtime.torch.durations import drawn_durations

#: The arguments of a kernel; `codegen/gpu/arguments.py` says what each is.
Arguments = structure(GPU_ARGUMENTS)

#: The axes of each array.
_AXES = {argument.name: argument.axes or () for argument in GPU_ARGUMENTS}

#: The kernels whose blocks keep W_rec.
SIMULATING = ("rnnspec_forward", "rnnspec_backward")


@dataclass(frozen=True)
class Launch:
    """One launch.  blocks: of the grid.  threads: of a block.  shared: bytes of dynamic shared memory."""

    function: str
    blocks: int
    threads: int
    shared: int = 0


class CudaKernel(Kernel):
    """The CUDA kernels of one program and type of number; what launches them is a subclass."""

    device = "cuda"

    def __init__(self, program: Program, real: Real, library: Library, origin: KernelOrigin) -> None:
        super().__init__(program, real, library, origin)
        self.layout = gpu_layout(program, real)
        self.own = [argument for argument in GPU_ARGUMENTS if argument.role in (SCRATCH, BACKWARD)]
        self.varying = len(varying_columns(program))
        self._fitted: dict[torch.device, int] = {}  # bytes that have been found to be free

    @abstractmethod
    def launch(self, launches: Sequence[Launch], arguments: ctypes.Structure, device: torch.device) -> None:
        """Launch kernels one after another on the current stream of a device."""

    @abstractmethod
    def free_memory(self, device: torch.device) -> int:
        """Return the bytes of a device that a batch may use."""

    def simulate(self, numbers: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
        """Run one batch: as many networks at a time as fit into the memory that is free."""
        networks, most = numbers["networks"], numbers["networks"]
        each = max(1, self.scratch_bytes({**numbers, "networks": 1}, gradient=_given(arrays, "d_w_rec")))
        device = arrays["w_rec"].device
        # To ask a GPU takes about as long as an iteration.
        if each * networks > self._fitted.get(device, 0):
            most = self.free_memory(device) // each
            if not most:
                raise MemoryError(f"one network needs {each:,} bytes, and fewer are free")
            if most >= networks:
                self._fitted[device] = each * networks
        for first in range(0, networks, most):
            count = min(most, networks - first)
            part = {name: _part(name, array, first, count) for name, array in arrays.items()}
            changed = {"networks": count, "first_network": numbers["first_network"] + first}
            self._simulate({**numbers, **changed}, part)

    def _simulate(self, numbers: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
        device, gradient = arrays["w_rec"].device, _given(arrays, "d_w_rec")
        lengths = self._lengths(numbers)
        numbers = {**numbers, "windows": lengths["windows"]}
        scratch = {}
        for argument in self.own:
            if argument.role == SCRATCH or gradient:
                make = torch.zeros if argument.role == BACKWARD else torch.empty
                shape = [lengths[axis] for axis in argument.axes or ()]
                scratch[argument.name] = make(shape, dtype=dtype_of(self, argument), device=device)
        given = Arguments(**numbers, **pointers({**arrays, **scratch}))
        self.launch(self.launches(numbers, gradient=gradient), given, device)

    def durations(self, program: Program, numbers: Mapping[str, Any], given: Tensor | None) -> Durations:
        # The module of the program draws the given values itself.
        key = numbers["seed"], numbers["draws_key"]
        return drawn_durations(program, key, numbers["first_network"], numbers["sequences"])

    def scratch_bytes(self, numbers: Mapping[str, Any], *, gradient: bool) -> int:
        """Return how much memory a batch needs besides its arguments and results."""
        lengths = self._lengths(numbers)

        def size(argument: Argument) -> int:
            count = math.prod(lengths[axis] for axis in argument.axes or ())
            return int(count * dtype_of(self, argument).itemsize)

        return sum(map(size, (a for a in self.own if a.role == SCRATCH or gradient)))

    def launches(self, numbers: Mapping[str, Any], *, gradient: bool) -> list[Launch]:
        """Return the launches of one batch, in order."""
        network, layout = self.program.network, self.layout
        networks: int = numbers["networks"]
        sequences: int = numbers["sequences"]
        simulating = self.blocks(networks, sequences)
        unit_threads, threads = network.units * layout.groups, layout.threads

        def patches(rows: int, columns: int) -> int:
            return networks * -(-rows // layout.patch) * -(-columns // layout.patch)

        found = [
            Launch("rnnspec_plan", numbers["tables"], threads),
            Launch("rnnspec_transpose", networks, threads),
            Launch(SIMULATING[0], simulating, unit_threads, layout.matrix),
            Launch("rnnspec_count", networks, threads),
            Launch("rnnspec_evaluate", networks * sequences * numbers["windows"], threads),
        ]
        if gradient:
            found += [
                Launch(SIMULATING[1], simulating, unit_threads, layout.matrix),
                Launch("rnnspec_outer_rec", patches(network.units, network.units), threads),
                Launch("rnnspec_outer_out", patches(network.output_units, self._read()), threads),
                Launch("rnnspec_outer_in", patches(self._driven(), self.varying), threads),
            ]
        found.append(Launch("rnnspec_sum", networks, threads))
        return [launch for launch in found if launch.blocks]

    def blocks(self, networks: int, sequences: int) -> int:
        """Return how many blocks simulate a batch."""
        return networks * -(-sequences // (self.layout.each * self.layout.groups))

    def _lengths(self, numbers: Mapping[str, Any]) -> dict[str, int]:
        """Return the lengths of all axes of the table."""
        lengths = axis_lengths(self, numbers)
        return lengths | {
            "most landings": numbers["landings"],
            "windows": -(-numbers["longest"] // self.layout.window),
            "phases + 1": lengths["phases"] + 1,
            "errors": 2,
            "read": self._read(),
            "varying": self.varying,
        }

    def _read(self) -> int:
        first, last = connected(self.program.network.w_out, rows=False)
        return last - first

    def _driven(self) -> int:
        return connected(self.program.network.w_in, rows=True)[1]


def _given(arrays: Mapping[str, Tensor], name: str) -> bool:
    return arrays[name].numel() > 0


def _part(name: str, array: Tensor, first: int, count: int) -> Tensor:
    """Return what an array has of some networks; of a result a view, so that the kernel writes to it.

    The points of a batch, which all networks share, are counted with the first networks.
    """
    axes = _AXES[name]
    if "K" in axes and array.numel():
        return array.narrow(axes.index("K"), first, count).contiguous()
    return torch.zeros_like(array) if name in of_role("result") and first else array
