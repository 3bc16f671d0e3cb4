"""The targets: what a program can be lowered to, and which one a machine gets by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch

from rnnspec.program.nodes import Program
from rnnspec.runtime.errors import RequestError

if TYPE_CHECKING:
    from rnnspec.runtime.batch import Engine

Target = Literal["cpu", "torch", "torchscript", "reference"]
TARGETS: tuple[Target, ...] = get_args(Target)

#: What each target is, for `rnnspec compile` and `--help`.
SUMMARIES: dict[Target, str] = {
    "cpu": "kernels in C++, generated for the spec and compiled for this machine",
    "torch": "a generated, readable torch module, on any device",
    "torchscript": "the torch module with its inner loop scripted (torch has deprecated TorchScript)",
    "reference": "a slow, plain interpreter of the program, the oracle of the tests",
}


@dataclass(frozen=True)
class Chosen:
    """An engine, and the target it is of.  note: one line on why it is not the usual one, or None."""

    target: Target
    engine: Engine
    note: str | None


def choose(
    program: Program,
    target: Target | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    *,
    wanted: Target | None = None,
) -> Chosen:
    """Return an engine for a program: of a target, or of the best that the machine has.

    wanted: what to use if it can be had, where no target is insisted on.  Raises RequestError if there can be
    no engine of a target that is insisted on.
    """
    on_cpu = torch.device(device).type == "cpu"
    if target == "cpu" and not on_cpu:
        raise RequestError(
            f"The target cpu is not for the device '{device}'.",
            "Ask for the target torch, or the device cpu.",
        )
    usual: Target = "cpu" if on_cpu else "torch"
    sure = target or (usual if wanted in (None, "cpu") else wanted)
    if sure != "cpu":
        return Chosen(sure, make_engine(program, sure), None)
    from rnnspec.runtime.cpu_engine import CpuEngine

    engine = CpuEngine(program)
    try:
        kernel = engine.kernel(dtype)
    except RequestError as error:
        if target is not None:
            raise
        instead = "The target torch takes its place, which is many times slower."
        note = " ".join(f"{error.reason} {instead} {error.remedy}".split())
        return Chosen("torch", make_engine(program, "torch"), note)
    return Chosen("cpu", engine, kernel.library.note)


def make_engine(program: Program, target: Target) -> Engine:
    """Return an engine of a target for a program."""
    # Imported here: a target costs its start-up only where it is used.
    if target == "reference":
        from rnnspec.runtime.reference import Reference

        return Reference(program)
    if target == "cpu":
        from rnnspec.runtime.cpu_engine import CpuEngine

        return CpuEngine(program)
    from rnnspec.runtime.torch_engine import TorchEngine

    return TorchEngine(program, script=target == "torchscript")
