"""The cpu target: a program as one file of C++, specialised to it, `kernel.cpp`."""

from __future__ import annotations

from typing import Literal

from rnnspec.codegen.cpp.arguments import ARGUMENTS, layout
from rnnspec.codegen.cpp.kernel import kernel_context
from rnnspec.codegen.render import render
from rnnspec.program.nodes import Program

#: Up to so many units, so many sequences are simulated together.  The order of sums depends on it, so it must
#: be the same on every machine.
_GROUPS = ((128, 4), (256, 8), (1 << 30, 16))


def emit_cpu(program: Program, real: Literal["float", "double"] = "float") -> str:
    """Return the source of `kernel.cpp`; the same program gives the same bytes."""
    context = kernel_context(program, real, ARGUMENTS)
    return render("cpu/kernel.cpp.j2", {**context, "group": group_size(program), "layout": layout(ARGUMENTS)})


def group_size(program: Program) -> int:
    """Return how many sequences are simulated together."""
    return next(size for units, size in _GROUPS if program.network.units <= units)
