"""What the templates of all kernels take from a program."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Literal

from rnnspec.codegen.code import WIDTH
from rnnspec.codegen.cpp.arguments import RECORDS, Argument
from rnnspec.codegen.cpp.network import network_constants
from rnnspec.codegen.cpp.objective import objective, penalties
from rnnspec.codegen.cpp.task import task_context
from rnnspec.codegen.documentation import title
from rnnspec.program.nodes import Program

#: What numbers are in C++.
Real = Literal["float", "double"]


def kernel_context(program: Program, real: Real, arguments: Sequence[Argument]) -> dict[str, object]:
    """Return the values of the templates in templates/cpp/, by name."""
    constants = network_constants(program.network)
    return {
        "title": textwrap.fill(title(program), WIDTH, initial_indent="// ", subsequent_indent="// "),
        "real": real,
        "arguments": arguments,
        "records": RECORDS,
        **vars(constants),
        **vars(objective(program, constants.bands)),
        **vars(penalties(program)),
        **task_context(program),
    }
