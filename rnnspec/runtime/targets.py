"""The targets: what a program can be lowered to, and which one a machine gets by default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.cpu.kernel import Kernel, Real, load_kernel

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
class TargetChoice:
    """A target, and its kernel if it is cpu.  note: one line on why it is not the usual one, or None."""

    target: Target
    kernel: Kernel | None
    note: str | None


def choose_target(
    program: Program,
    target: Target | None = None,
    device: object = "cpu",
    real: Real = "float",
    *,
    preferred: Target | None = None,
) -> TargetChoice:
    """Return what simulates a program: a target, or the best that the machine has.

    device: as torch names it.  preferred: what to use if it can be had, where no target is insisted on.  Does
    not import torch.  Raises RequestError if a target that is insisted on cannot be had.
    """
    on_cpu = str(device).partition(":")[0] == "cpu"
    if target == "cpu" and not on_cpu:
        raise RequestError(
            f"The target cpu is not for the device '{device}'.",
            "Ask for the target torch, or the device cpu.",
        )
    usual: Target = "cpu" if on_cpu else "torch"
    sure = target or (usual if preferred in (None, "cpu") else preferred)
    if sure != "cpu":
        return TargetChoice(sure, None, None)
    try:
        kernel = load_kernel(program, real)
    except RequestError as error:
        if target is not None:
            raise
        instead = "The target torch takes its place, which is many times slower."
        note = " ".join(f"{error.reason} {instead} {error.remedy}".split())
        return TargetChoice("torch", None, note)
    return TargetChoice("cpu", kernel, kernel.library.note)


def make_engine(program: Program, target: Target) -> Engine:
    """Return an engine of a target for a program."""
    # Imported here: a target costs its start-up only where it is used.
    if target == "reference":
        from rnnspec.runtime.reference.engine import Reference

        return Reference(program)
    if target == "cpu":
        from rnnspec.runtime.cpu.engine import CpuEngine

        return CpuEngine(program)
    from rnnspec.runtime.torch.engine import TorchEngine

    return TorchEngine(program, script=target == "torchscript")
