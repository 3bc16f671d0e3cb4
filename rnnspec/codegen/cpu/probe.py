"""The source of a library that measures how fast a machine is with each tile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rnnspec.codegen.cpu.kernel import group_size
from rnnspec.codegen.render import render
from rnnspec.program.nodes import Program


def emit_probe(program: Program, tiles: Sequence[Mapping[str, object]]) -> str:
    """Return the source of a library that measures some tiles on networks as large as a program's.

    tiles: for each `lanes`, `rows` and `panel`, see templates/cpu/vectors.cpp.j2, and `needs`: what the
    preprocessor must find true of the processor for this tile to be tried, empty if nothing.
    """
    facts = {"units": program.network.units, "group": group_size(program), "tiles": tiles}
    return render("cpu/probe.cpp.j2", facts)
