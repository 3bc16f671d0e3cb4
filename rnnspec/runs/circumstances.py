"""What computes a training: everything but the spec on which its bits may depend."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import asdict

import numpy
import torch

from rnnspec.runs.manifest import Circumstances, KernelRecord, Versions
from rnnspec.runs.version import package_version
from rnnspec.runtime.compiled.toolchain import processor
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import RECORDS
from rnnspec.spec.document import LANGUAGE_VERSION


def circumstances(simulation: Simulation) -> Circumstances:
    """Return what computes on this machine, with these versions."""
    weight = next(simulation.parameters())
    return Circumstances(
        versions=Versions(
            rnnspec=package_version(),
            language=LANGUAGE_VERSION,
            python=platform.python_version(),
            torch=str(torch.__version__),
            numpy=numpy.__version__,
        ),
        target=simulation.target,
        kernel=KernelRecord(**asdict(kernel)) if (kernel := simulation.kernel) else None,
        dtype="float64" if weight.dtype == torch.float64 else "float32",
        device=str(simulation.device),
        hardware=_hardware(weight.device),
        threads=torch.get_num_threads(),
    )


def changes_between(before: Circumstances, now: Circumstances, *, edited: bool = False) -> list[str]:
    """Return each change between two circumstances that would change the bits of a training, a line each.

    edited: the spec has changed as well, so that another kernel is no news.
    """
    changes = [
        *_change("rnnspec", before.versions.rnnspec, now.versions.rnnspec),
        *_change("torch", before.versions.torch, now.versions.torch),
        *_change("the target", before.target, now.target),
        *_change("the device", _kind(before.device), _kind(now.device)),
    ]
    if before.kernel and now.kernel:
        changes += _kernel_changes(before.kernel, now.kernel, edited)
    elif before.target == now.target and before.kernel != now.kernel:
        recorded, has = ("a", "none") if before.kernel else ("no", "one")
        changes.append(
            f"the manifest records {recorded} compiled kernel, but the target {now.target} has {has} now"
        )
    bits_depend_on = RECORDS[now.target].bits_depend_on
    if "hardware" in bits_depend_on:
        changes += _change("the hardware", before.hardware, now.hardware)
    if "threads" in bits_depend_on:
        changes += _change("the number of threads", before.threads, now.threads)
    return changes


def _kernel_changes(before: KernelRecord, now: KernelRecord, edited: bool) -> Iterator[str]:
    """Yield what has changed of a kernel, each cause by its name."""
    yield from _change("the compiler", before.compiler, now.compiler)
    if before.flags != now.flags:
        yield f"the compiler flags were {' '.join(before.flags)}, and are {' '.join(now.flags)} now"
    yield from _change("the processor", before.processor, now.processor)
    if before.source != now.source and not edited:
        yield "rnnspec generates another kernel for the same spec now: its templates have changed"


def _change(what: str, before: object, now: object) -> Iterator[str]:
    if before != now:
        yield f"{what} was {before}, and is {now} now"


def _kind(device: str) -> str:
    """Return the kind of a device without its number, which changes no bits."""
    return device.partition(":")[0]


def _hardware(device: torch.device) -> str:
    """Return what computes: on another processor libraries use other instructions, which give other bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.backends.cpu.get_cpu_capability()}, {processor()}"
