"""What the bits of a training depend on, beside its spec."""

from __future__ import annotations

import platform

import numpy
import torch

from rnnspec.runs.version import package_version
from rnnspec.runtime.compiled.toolchain import processor
from rnnspec.runtime.simulation import Simulation
from rnnspec.spec.document import LANGUAGE_VERSION


def circumstances(simulation: Simulation) -> dict[str, object]:
    """Return what the bits of a training depend on, beside the spec."""
    weight = next(simulation.parameters())
    return {
        "versions": versions(),
        "target": simulation.target,
        "kernel": simulation.kernel,
        "dtype": str(weight.dtype).removeprefix("torch."),
        "device": str(weight.device),
        "hardware": _hardware(weight.device),
        "threads": torch.get_num_threads(),
    }


def _hardware(device: torch.device) -> str:
    """Return what computes: libraries choose other instructions, hence other bits, on another processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.backends.cpu.get_cpu_capability()}, {processor()}"


def versions() -> dict[str, object]:
    """Return the versions that the numbers of a run may depend on."""
    return {
        "rnnspec": package_version(),
        "language": LANGUAGE_VERSION,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }
