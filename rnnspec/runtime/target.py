"""What a target is: all that the rest of rnnspec may ask of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rnnspec.codegen.cpp.kernel import Real
    from rnnspec.program.nodes import Program
    from rnnspec.runtime.batch import Engine
    from rnnspec.runtime.compiled.kernel import Kernel


@dataclass(frozen=True)
class Source:
    """A source that `rnnspec compile` writes.

    form: the word that asks for it.  file: its name in a build folder.  meaning: what it is, for help texts.
    """

    form: str
    file: str
    meaning: str
    emit: Callable[[Program], str]


@dataclass(frozen=True)
class TargetRecord:
    """A target: what simulates a program.  Making a record imports neither torch nor a compiler.

    summary: what it is, for help texts and reports.
    engine: returns an engine for a program and a device, as torch names it.
    memory: returns about how many bytes a training needs with so many threads.
    bits_depend_on: what changes the last bits of a result, besides the versions, the kernel and the device.
    devices: the kinds of device that it computes on; None for all.
    prepare: compiles what the engine needs for a program, a type of number and a device, or tries to, and
        raises RequestError if this machine cannot.
    compiled: returns whether a cache has what `prepare` compiles; raises RequestError as that does.
    without: what to say of the target that takes its place if it cannot be prepared, after its name.
    source: what it generates; None for nothing of its own.
    oracle: it is slow by design: what others are compared with.
    notice: what whoever asks for it should know.
    perturbs: its engine takes perturbations, see `perturbation.py`.
    """

    name: str
    summary: str
    engine: Callable[[Program, object], Engine]
    memory: Callable[[Program, int], int]
    bits_depend_on: frozenset[Literal["threads", "hardware"]]
    devices: tuple[str, ...] | None = None
    prepare: Callable[[Program, Real, object], Kernel | None] | None = None
    compiled: Callable[[Program, Real, object], bool] | None = None
    without: str = ""
    source: Source | None = None
    oracle: bool = False
    notice: str | None = None
    perturbs: bool = False

    def computes_on(self, device: object) -> bool:
        """Return whether it can use a device, as torch names it."""
        return self.devices is None or _kind(device) in self.devices


def _kind(device: object) -> str:
    """Return the kind of a device.  What torch calls cuda is rocm if it is a GPU of AMD."""
    kind = str(device).partition(":")[0]
    if kind == "cuda":
        import torch

        return "rocm" if torch.version.hip else kind
    return kind
