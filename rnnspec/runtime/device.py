"""The device that networks live on and the numbers they are made of, as a user names them."""

from __future__ import annotations

import torch

from rnnspec.codegen.cpp.kernel import Real
from rnnspec.errors import RequestError
from rnnspec.runtime.targets import RECORDS, Target

#: The types of number that a training may be done in.
DTYPES = {"float32": torch.float32, "float64": torch.float64}
#: What they are in C++.
REALS: dict[torch.dtype, Real] = {torch.float32: "float", torch.float64: "double"}


#: The name of the best device that a machine has for a target.
AUTO = "auto"


def check_device(name: str, target: Target | None = None) -> torch.device:
    """Return a device of this machine; RequestError if it has none of that name.

    name: auto stands for a GPU of NVIDIA if there is one that the target, if one is given, computes on, else
    for the CPU.
    """
    if name == AUTO:
        nvidia = torch.cuda.is_available() and not torch.version.hip
        usable = nvidia and (target is None or RECORDS[target].computes_on("cuda"))
        return torch.device("cuda" if usable else "cpu")
    kinds = ["cpu", *(kind for kind in ("cuda", "mps", "xpu") if getattr(torch, kind).is_available())]
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in kinds:
        raise RequestError(
            f"There is no device '{name}' on this machine.", f"Use one of: {', '.join((AUTO, *kinds))}."
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        last = torch.cuda.device_count() - 1
        raise RequestError(
            f"There is no device '{name}' on this machine.", f"Its GPUs are cuda:0 to cuda:{last}."
        )
    return device
