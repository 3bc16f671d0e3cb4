"""A compiled kernel of the cpu target: the library of one program, and the structure it is called with."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rnnspec.codegen.cpp.task import variable_names
from rnnspec.codegen.cpu.kernel import emit_cpu
from rnnspec.errors import RequestError
from rnnspec.files import sha256
from rnnspec.program.nodes import Program
from rnnspec.runtime.compiled.cache import Library, library
from rnnspec.runtime.compiled.toolchain import find_compiler, users_flags
from rnnspec.runtime.cpu.tiles import USUAL, Tile, fastest_tile

#: What numbers are in C++.
Real = Literal["float", "double"]

_INTEGER, _NUMBER, _POINTER = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p


class Arguments(ctypes.Structure):
    """What `rnnspec_simulate` takes; `templates/cpu/arguments.cpp.j2` says what each is."""

    _fields_ = (
        *((name, _INTEGER) for name in ("networks", "first_network", "sequences", "threads")),
        *((name, _INTEGER) for name in ("seed", "noise_key", "white_key", "draws_key")),
        *((name, _NUMBER) for name in ("dt", "noise_start", "noise_keep")),
        *((name, _POINTER) for name in ("alpha", "noise_gain", "clock", "betas")),
        ("rate_points", _NUMBER),
        *((name, _INTEGER) for name in ("tables", "segments", "longest")),
        *((name, _POINTER) for name in ("segment", "landing_first", "landing")),
        *((name, _POINTER) for name in ("w_rec", "w_in", "w_out", "bias", "readout_bias")),
        *((name, _POINTER) for name in ("scale", "of_rates", "forced", "loss", "mean_rate")),
        *((name, _POINTER) for name in ("d_w_rec", "d_w_in", "d_w_out", "d_bias", "d_readout_bias")),
        *((name, _POINTER) for name in ("right", "points", "steps", "success", "scored", "variables")),
        *((name, _POINTER) for name in ("rates", "inputs")),
    )


@dataclass(frozen=True)
class Kernel:
    """The loaded library of one program and type of number.

    bits: a hash of what its results depend on to the last bit, which tiles are not.  variables: the draws and
    reads, in the order of the kernel.
    """

    program: Program
    real: Real
    tile: Tile
    library: Library
    bits: str
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
def load_kernel(program: Program, real: Real = "float", tile: Tile | None = None) -> Kernel:
    """Return the kernel of a program, from the cache of kernels or newly compiled.

    tile: the fastest of this machine if not given.  Raises RequestError if there is no compiler that can.
    """
    if tile is None:
        tile = fastest_tile(program).tile if real == "float" else USUAL
    source = emit_cpu(program, real)
    flags = users_flags()
    built = library(source, flags=(*tile.options, *flags), facts={"target": "cpu"})
    bits = sha256("\0".join((find_compiler().identity, *flags, source)).encode())
    try:
        functions = ctypes.CDLL(str(built.path))
    except OSError as error:
        raise RequestError(
            f"The compiled kernel cannot be loaded: {error}.",
            "Try another compiler (set CXX to its command), or another cache folder (RNNSPEC_CACHE).",
        ) from None
    functions.rnnspec_arguments.restype = ctypes.c_int64
    if functions.rnnspec_arguments() != ctypes.sizeof(Arguments):
        raise RuntimeError("the kernel and its caller disagree about their arguments")
    kernel = Kernel(program, real, tile, built, bits, functions, variable_names(program))
    return KERNELS.setdefault(built.fingerprint, kernel)
