"""The targets: what a program can be simulated by, and which one a machine uses by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from rnnspec.errors import RequestError
from rnnspec.runtime.cpu.target import CPU
from rnnspec.runtime.gpu.target import GPU
from rnnspec.runtime.reference.target import REFERENCE
from rnnspec.runtime.target import Source, TargetRecord
from rnnspec.runtime.torch.target import COMPILED, TORCH, TORCHSCRIPT

if TYPE_CHECKING:
    from rnnspec.codegen.cpp.kernel import Real
    from rnnspec.program.nodes import Program
    from rnnspec.runtime.batch import Engine
    from rnnspec.runtime.compiled.kernel import Kernel

Target = Literal["gpu", "cpu", "compiled", "torch", "torchscript", "reference"]
TARGETS: tuple[Target, ...] = get_args(Target)

#: All targets by name.  By default a machine uses the first that it can.
RECORDS: Mapping[str, TargetRecord] = {
    record.name: record for record in (GPU, CPU, COMPILED, TORCH, TORCHSCRIPT, REFERENCE)
}

#: A target for ensembles that only hold weights: it needs no kernel.
WITHOUT_KERNEL: Target = "reference"

#: All sources that targets generate, in the order of their names.
SOURCES: tuple[Source, ...] = tuple(
    sorted((r.source for r in RECORDS.values() if r.source is not None), key=lambda source: source.form)
)


@dataclass(frozen=True)
class TargetChoice:
    """A target, and its kernel if it has one.  note: one line on why it is not the usual one, or None."""

    target: Target
    kernel: Kernel | None
    note: str | None

    @property
    def record(self) -> TargetRecord:
        return RECORDS[self.target]


def choose_target(
    program: Program,
    target: Target | None = None,
    device: object = "cpu",
    real: Real = "float",
    *,
    preferred: Target | None = None,
) -> TargetChoice:
    """Return the target that simulates a program: the requested one, or the first that this machine can use.

    device: as torch names it.  preferred: the target to try first if none is requested.  Imports
    torch only to try torch.compile.  Raises RequestError if the requested target cannot be used.
    """
    usable = [name for name in TARGETS if RECORDS[name].computes_on(device)]
    if target is not None and target not in usable:
        raise RequestError(
            f"The target {target} is not for the device '{device}'.",
            f"Choose the target {usable[0]}, or the device {' or '.join(RECORDS[target].devices or ())}.",
        )
    first = target or (preferred if preferred in usable else usable[0])
    prepare = RECORDS[first].prepare
    if prepare is None:
        return TargetChoice(first, None, None)
    try:
        kernel = prepare(program, real, device)
    except RequestError as error:
        if target is not None:
            raise
        other = ready_target(device)
        instead = f"The target {other} takes its place{RECORDS[first].without}."
        return TargetChoice(other, None, " ".join(f"{error.reason} {instead} {error.remedy}".split()))
    return TargetChoice(first, kernel, None if kernel is None else kernel.library.note)


def ready_target(device: object = "cpu") -> Target:
    """Return the first target for a device that compiles nothing, so that it is ready at once."""
    return next(n for n in TARGETS if RECORDS[n].computes_on(device) and RECORDS[n].prepare is None)


def usual_device(target: Target | None) -> str:
    """Return the kind of device that a target is for, or that networks are on if nobody chooses any."""
    return ((target and RECORDS[target].devices) or ("cpu",))[0]


def perturbing_target() -> Target:
    """Return the first target that takes perturbations and needs no preparation."""
    return next(name for name in TARGETS if RECORDS[name].perturbs and RECORDS[name].prepare is None)


def make_engine(program: Program, target: Target, device: object = "cpu") -> Engine:
    """Return an engine of a target for a program; device: where its weights will be, as torch names it."""
    return RECORDS[target].engine(program, device)
