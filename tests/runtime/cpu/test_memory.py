"""What the cpu target holds on to: nothing, once nobody asks for it any more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command import run_process
from support import SPECS

from rnnspec.check.examine import load
from rnnspec.runtime.simulation import Simulation


def resident() -> int:
    """The memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_results_are_given_back() -> None:
    """20 iterations with 6 MB of gradients, all kept by a node of the graph that its own results held."""
    settings = ["network.dt=100 ms", "training.networks=200", "training.batch=1"]
    simulation = Simulation(load(SPECS / "go.yaml", settings=settings).program, target="cpu")

    def iterate() -> None:
        simulation.zero_grad()
        simulation(purpose="train").loss.sum().backward()

    for _ in range(5):
        iterate()
    before = resident()
    for _ in range(20):
        iterate()
    assert resident() - before < 40e6


PEAK = """
import resource, sys, torch
from rnnspec.check.examine import load
from rnnspec.runtime.simulation import Simulation
torch.set_num_threads(int(sys.argv[2]))
settings = ["network.dt=100 ms", "network.populations.output.size=480", "training.networks=8"]
# Few steps: the gradients are as large, and take less time.
for epoch in ("context", "fixation", "stimulus", "response"):
    settings.append(f"task.epochs.{epoch}.duration=100 ms")
settings += ["task.epochs.fixation.jitter=0 ms", "task.epochs.stimulus.jitter=0 ms"]
settings += ["task.epochs.fixation.grace=0 ms", "task.epochs.response.grace=0 ms", "training.batch=120"]
simulation = Simulation(load(sys.argv[1], settings=settings).program, target="cpu")
simulation(purpose="train").loss.sum().backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_gradients_of_groups_do_not_pile_up() -> None:
    """With several threads a few networks are cut into groups, some 60 here; a gradient takes 1 MB."""
    peaks = [
        int(
            run_process(
                [sys.executable, "-c", PEAK, str(SPECS / "go.yaml"), threads],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(SPECS.parent)},
            ).stdout
        )
        for threads in ("1", "3")
    ]
    assert peaks[1] - peaks[0] < 40e6
