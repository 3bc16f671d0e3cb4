"""Networks split over several GPUs; here each of them is the processor."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from runtime.gpu.emulator import EmulatedKernel, emulated
from runtime.gpu.test_kernels import RICH, STAGE, assert_same_bits, results
from support import program
from torch import Tensor

from rnnspec.codegen.cpp.kernel import Real
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.gpu.engine import GpuEngine
from rnnspec.runtime.gpu.split import gpus, shares

NAMES = ("H200", "L4", "H200", "H200")
ALIKE = tuple(torch.device("cuda", number) for number in (0, 2, 3))


class Emulated(GpuEngine):
    def load(self, real: Real) -> EmulatedKernel:
        return emulated(self.program, real)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A machine with four GPUs, of two kinds; a GPU runs as many blocks at a time as it has processors."""
    properties = SimpleNamespace(multi_processor_count=1)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(NAMES))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: NAMES[number])
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    return properties


@pytest.fixture
def engine(machine: SimpleNamespace) -> Emulated:
    found = Emulated(program(*RICH), "cuda")
    found.gpus = (torch.device("cpu"),) * 3
    return found


def test_the_gpus_that_a_device_stands_for(machine: SimpleNamespace) -> None:
    assert gpus(torch.device("cuda")) == ALIKE
    assert gpus(torch.device("cuda:1")) == (torch.device("cuda:1"),)
    assert copy.deepcopy(GpuEngine(program(), "cuda")).gpus == ALIKE
    assert copy.deepcopy(GpuEngine(program(), torch.device("cuda:3"))).gpus == ALIKE[2:]


@pytest.mark.parametrize(("networks", "sizes"), [(1, [1]), (2, [1, 1]), (3, [1, 1, 1]), (11, [3, 4, 4])])
def test_shares(networks: int, sizes: list[int]) -> None:
    found = list(shares(networks, ALIKE))
    assert [len(part) for _, part in found] == sizes
    assert [network for _, part in found for network in part] == list(range(networks))
    assert [device for device, _ in found] == list(ALIKE[: len(sizes)])


@pytest.mark.parametrize(
    ("networks", "trials"), [(3, "shared"), (4, "independent")], ids=["shared trials", "independent trials"]
)
def test_several_gpus_give_the_bits_of_one(
    engine: Emulated, monkeypatch: pytest.MonkeyPatch, networks: int, trials: str
) -> None:
    found = program(*RICH, f"training: {{trials: {trials}}}")
    engine.program, batch = found, Batch(5, 3, 0, "train", STAGE, 2)
    alone = results(found, batch, networks=networks)
    together: list[int] = []
    simulate = EmulatedKernel.simulate

    def watched(self: EmulatedKernel, numbers: Mapping[str, Any], arrays: Mapping[str, Tensor]) -> None:
        together.append(numbers["networks"])
        simulate(self, numbers, arrays)

    monkeypatch.setattr(EmulatedKernel, "simulate", watched)
    assert_same_bits(results(found, batch, networks=networks, engine=engine), alone)
    assert together == [len(part) for _, part in shares(networks, engine.gpus)]
    engine.prepare(networks, batch, torch.float32, torch.device("cpu"))
    assert_same_bits(results(found, batch, networks=networks, engine=engine), alone)


def test_gpus_that_would_not_help_are_not_used(engine: Emulated, machine: SimpleNamespace) -> None:
    cpu, batch = torch.device("cpu"), Batch(5, 3, 0, "train", STAGE)
    (blocks,) = {engine.load("float").blocks(1, 5)}

    def used(networks: int, processors: int) -> int:
        machine.multi_processor_count = processors
        return len(engine._devices(networks, batch, torch.float32, cpu))

    assert used(10, 10 * blocks) == 1
    assert used(11, 10 * blocks) == 2
    assert used(10, 1) == 3
    # Weights that were moved stay where they are.
    engine.gpus = ALIKE
    assert engine._devices(10, batch, torch.float32, cpu) == (cpu,)
