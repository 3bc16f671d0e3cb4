"""The gpu target: a program as one file of CUDA C++, specialised to it, `kernel.cu`."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspec.codegen.cpp.kernel import Real, kernel_context
from rnnspec.codegen.gpu.arguments import GPU_ARGUMENTS
from rnnspec.codegen.render import render
from rnnspec.program.nodes import Program

#: Bytes of a number.
SIZES: dict[Real, int] = {"float": 4, "double": 8}
#: Bytes of static shared memory that arrays of a block may take, of the 48 kB that it can have.
_STATIC = 40 << 10
#: Bytes of shared memory that any block may take: GPUs of compute capability 8.6 and 12.0 have no more.
_SHARED = 99 << 10
#: Rows, and columns, of a matrix whose gradient a block computes; a thread has 4 x 4 entries.
_PATCH = 32
#: Threads of a block that does not simulate.
_THREADS = (_PATCH // 4) ** 2
#: Threads that a block can have.
_MOST_UNITS = 1024


@dataclass(frozen=True)
class Layout:
    """How the work is divided; no choice of these changes the order of a sum within a sequence.

    each: sequences that a thread simulates.  groups: threads of a unit in a block.  window: steps whose
    outputs a block evaluates.  patch: rows, and columns, of a matrix whose gradient a block computes.
    threads: of a block that does not simulate.  storage: where a block keeps W_rec.  matrix: bytes of W_rec
    in shared memory.
    """

    each: int
    groups: int
    window: int
    patch: int
    threads: int
    storage: str
    matrix: int


def emit_gpu(program: Program, real: Real = "float") -> str:
    """Return the source of `kernel.cu`; the same program gives the same bytes."""
    context = kernel_context(program, real, GPU_ARGUMENTS)
    return render("gpu/kernel.cu.j2", {**context, "layout": gpu_layout(program, real)})


def cannot(program: Program, real: Real) -> str | None:
    """Return why these kernels cannot simulate a program, or None if they can."""
    units, outputs = program.network.units, program.network.output_units
    most = _STATIC // (4 * SIZES[real]) - 1
    if units > _MOST_UNITS:
        return f"The target gpu simulates at most {_MOST_UNITS:,} units, and this network has {units:,}."
    if outputs > most:
        return f"The target gpu evaluates at most {most:,} outputs, and this network has {outputs:,}."
    return None


def gpu_layout(program: Program, real: Real) -> Layout:
    """Return how the work on a program is divided among threads."""
    units, outputs, size = program.network.units, program.network.output_units, SIZES[real]
    groups = max(1, min(4, 128 // units))
    # Rates and normal numbers, of two steps.
    row = 4 * size * ((units + 3) // 4 * 4) * groups
    matrix = units * units * size
    each = max(1, min(5, _STATIC // row))
    fits = matrix + row * each + 1024 <= _SHARED
    storage = "REGISTERS" if units <= 64 else "SHARED" if fits else "GLOBAL"
    return Layout(
        each=each,
        groups=groups,
        window=max(1, min(32, _STATIC // (4 * size * (outputs + 1)))),
        patch=_PATCH,
        threads=_THREADS,
        storage=storage,
        matrix=matrix if storage == "SHARED" else 0,
    )
