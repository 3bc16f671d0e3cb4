"""What the cpu target holds on to: nothing, once nobody asks for it any more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support import SPECS

from rnnspec.check.examine import load
from rnnspec.runtime.simulation import Simulation


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_results_are_given_back() -> None:
    """40 iterations with 3 MB of gradients, all kept by a node of the graph that its own results held."""
    settings = ["network.dt=50 ms", "training.networks=100", "training.batch=1"]
    simulation = Simulation(load(SPECS / "go.yaml", settings=settings).program, target="cpu")

    def iterate() -> None:
        simulation.zero_grad()
        simulation(purpose="train").loss.sum().backward()

    for _ in range(5):
        iterate()
    before = resident()
    for _ in range(40):
        iterate()
    assert resident() - before < 40e6
