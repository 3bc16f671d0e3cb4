"""The public names."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from training.samples import TARGET, write_tiny

import rnnspec


def test_every_name_is_there_and_documented() -> None:
    for name in rnnspec.__all__:
        value = getattr(rnnspec, name)
        if name != "__version__" and name != "Outcome":
            assert inspect.getdoc(value)
    assert set(rnnspec.__all__) <= set(dir(rnnspec))
    assert isinstance(rnnspec.__version__, str)


def test_what_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'rnnspec' has no attribute 'trian'"):
        rnnspec.trian  # noqa: B018


def test_train_stays_a_function() -> None:
    """No room has the name of a function of the API, or importing it would hide the function."""
    import rnnspec.training.train

    for name in ("compile", "evaluate", "load", "load_run", "simulate", "train"):
        assert inspect.isfunction(getattr(rnnspec, name)), name


def test_a_loss_of_ones_own(tmp_path: Path) -> None:
    """A compiled simulation is a module: user code trains it on what it likes."""
    simulation = rnnspec.compile(write_tiny(tmp_path), networks=2, target=TARGET)
    assert isinstance(simulation, torch.nn.Module)
    optimizer = torch.optim.Adam(simulation.parameters(), 0.05)
    losses = []
    for _ in range(10):
        outcome = simulation(4, record=True)
        assert outcome.rates is not None
        loss = (outcome.rates - 0.3).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_an_unknown_device(tmp_path: Path) -> None:
    with pytest.raises(rnnspec.RequestError, match="There is no device 'abacus' on this machine"):
        rnnspec.compile(write_tiny(tmp_path), device="abacus")
