"""What computes a training: everything but the spec on which its bits may depend."""

from __future__ import annotations

import platform

import numpy
import torch

from rnnspec.runs.manifest import Circumstances, Versions
from rnnspec.runs.version import package_version
from rnnspec.runtime.compiled.toolchain import processor
from rnnspec.runtime.simulation import Simulation
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
        kernel=simulation.kernel,
        dtype="float64" if weight.dtype == torch.float64 else "float32",
        device=str(weight.device),
        hardware=_hardware(weight.device),
        threads=torch.get_num_threads(),
    )


def changes_between(before: Circumstances, now: Circumstances) -> list[str]:
    """Return each change between two circumstances that would change the bits of a training, a line each."""
    changes = []
    for name in ("rnnspec", "torch"):
        old, new = getattr(before.versions, name), getattr(now.versions, name)
        if old != new:
            changes.append(f"{name} was {old}, and is {new} now")
    for name in ("target", "device"):
        old, new = getattr(before, name), getattr(now, name)
        if old != new:
            changes.append(f"the {name} was {old}, and is {new} now")
    if before.target == now.target and before.kernel != now.kernel:
        changes.append("the kernel was compiled for another processor, or by another compiler")
    if now.target != "cpu":
        # The bits of the target cpu depend on neither, except through its kernel.
        if before.hardware != now.hardware:
            changes.append(f"the hardware was {before.hardware}, and is {now.hardware} now")
        if before.threads != now.threads:
            changes.append(f"it had {before.threads} threads, and has {now.threads} now")
    return changes


def _hardware(device: torch.device) -> str:
    """Return what computes: on another processor libraries use other instructions, which give other bits."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.backends.cpu.get_cpu_capability()}, {processor()}"
