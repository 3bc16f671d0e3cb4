"""The records of the targets that run the generated torch module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnnspec.runtime.target import Source, TargetRecord

if TYPE_CHECKING:
    from rnnspec.codegen.cpp.kernel import Real
    from rnnspec.program.nodes import Program
    from rnnspec.runtime.batch import Engine


def _engine(program: Program, device: object) -> Engine:
    from rnnspec.runtime.torch.engine import TorchEngine

    return TorchEngine(program)


def _scripted_engine(program: Program, device: object) -> Engine:
    from rnnspec.runtime.torch.engine import TorchEngine
    from rnnspec.runtime.torch.module import script_chunk

    return TorchEngine(program, adapt=script_chunk)


def _compiled_engine(program: Program, device: object) -> Engine:
    from rnnspec.runtime.torch.blocks import compile_blocks
    from rnnspec.runtime.torch.engine import TorchEngine

    return TorchEngine(program, adapt=compile_blocks)


def _prepare(program: Program, real: Real, device: object) -> None:
    import torch

    from rnnspec.runtime.device import REALS
    from rnnspec.runtime.torch.blocks import compile_blocks
    from rnnspec.runtime.torch.module import load

    (dtype,) = (dtype for dtype, name in REALS.items() if name == real)
    blocks = load(_emit(program), compile_blocks).blocks
    blocks.try_out(program.network.units, dtype, torch.device(str(device)))


def _memory(program: Program, threads: int) -> int:
    from rnnspec.runtime.cost import graph_memory

    return graph_memory(program)


def _emit(program: Program) -> str:
    from rnnspec.codegen.torch.graph import emit

    return emit(program)


COMPILED = TargetRecord(
    name="compiled",
    summary="the torch module with its inner loop under torch.compile, on any device that it works for",
    engine=_compiled_engine,
    memory=_memory,
    # torch generates the code, so its version stands for it.
    bits_depend_on=frozenset({"threads", "hardware"}),
    perturbs=True,
    prepare=_prepare,
)

TORCH = TargetRecord(
    name="torch",
    summary="a generated, readable torch module, on any device",
    engine=_engine,
    memory=_memory,
    bits_depend_on=frozenset({"threads", "hardware"}),
    perturbs=True,
    source=Source("graph", "graph.py", "the torch module", _emit),
)

TORCHSCRIPT = TargetRecord(
    name="torchscript",
    summary="the torch module with its inner loop scripted (torch has deprecated TorchScript)",
    engine=_scripted_engine,
    memory=_memory,
    bits_depend_on=frozenset({"threads", "hardware"}),
    perturbs=True,
    notice="TorchScript is deprecated by torch: a later version of torch may not have it.",
)
