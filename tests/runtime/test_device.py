"""Which device a name stands for."""

from __future__ import annotations

import pytest
import torch
from support import program

from rnnspec.errors import RequestError
from rnnspec.runtime.device import check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import choose_target
from rnnspec.runtime.torch.blocks import Blocks


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("gpu")
def test_a_gpu_of_nvidia() -> None:
    assert check_device("auto") == check_device("auto", "torch") == torch.device("cuda")
    assert check_device("auto", "cpu") == torch.device("cpu")
    assert check_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(RequestError, match="There is no device 'cuda:2' on this machine") as error:
        check_device("cuda:2")
    assert error.value.remedy == "Its GPUs are cuda:0 to cuda:1."


@pytest.mark.usefixtures("gpu")
def test_a_gpu_of_amd_has_the_targets_of_other_makers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch calls it cuda, too."""
    monkeypatch.setattr(torch.version, "hip", "6.2")
    monkeypatch.setattr(Blocks, "try_out", lambda *_: None)
    assert check_device("auto") == torch.device("cpu")
    assert choose_target(program(), None, check_device("cuda")).target == "compiled"
    with pytest.raises(RequestError, match="The target gpu is not for the device 'cuda'"):
        choose_target(program(), "gpu", "cuda")


def test_the_device_of_a_simulation() -> None:
    """As it was asked for, and where it was moved to."""
    simulation = Simulation(program(), networks=2, target="torch")
    assert simulation.device == torch.device("cpu")
    assert simulation.to("meta").device == torch.device("meta")
