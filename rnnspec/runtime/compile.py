"""From a spec to networks that can be simulated."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from rnnspec.check.examine import Specification, specification_of
from rnnspec.runtime.device import check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target


def compile(
    spec: Specification | Path | str,
    *,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str] = (),
    networks: int | None = None,
    target: Target | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Simulation:
    """Compile a spec to a torch module that holds an ensemble with its initial weights.

    spec: a specification, or the path of one, with the overlays and settings of `rnnspec.load`.
    networks: K, as many as the spec trains if not given.  target: the best that the
    machine has if not given.  Call the module to simulate a batch of trials:

        outcome = rnnspec.compile("specs/go.yaml", networks=4)(sequences=8, record=True)
        outcome.rates                            # (K, B, T, N), differentiable
    """
    specification = specification_of(spec, overlays, settings)
    return Simulation(
        specification.program,
        networks=networks,
        target=target,
        dtype=dtype,
        device=check_device(device, target),
    )
