"""The record of the target reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnnspec.runtime.target import TargetRecord

if TYPE_CHECKING:
    from rnnspec.program.nodes import Program
    from rnnspec.runtime.batch import Engine


def _engine(program: Program, device: object) -> Engine:
    from rnnspec.runtime.reference.engine import Reference

    return Reference(program)


def _memory(program: Program, threads: int) -> int:
    from rnnspec.runtime.cost import graph_memory

    return graph_memory(program)


REFERENCE = TargetRecord(
    name="reference",
    summary="a slow, plain interpreter of the program, the oracle of the tests",
    engine=_engine,
    memory=_memory,
    bits_depend_on=frozenset({"threads", "hardware"}),
    oracle=True,
    perturbs=True,
)
