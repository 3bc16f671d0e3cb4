"""Recordings of runs and of simulations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from training.samples import TARGET, load_tiny

import rnnspec
from rnnspec.runtime.simulation import true_dynamics


def test_arrays_have_named_axes(tmp_path: Path) -> None:
    simulation = rnnspec.compile(load_tiny(tmp_path), networks=2, target=TARGET)
    recording = rnnspec.simulate(simulation, 3)
    # 5 steps of stimulus, 4 of response; evaluation and simulation have no jitter.
    axes = {name: dict(zip(a.axes, a.values.shape, strict=True)) for name, a in recording.items()}
    assert axes["activity"] == {"network": 2, "sequence": 3, "step": 9, "unit": 6}
    assert axes["inputs"] == {"network": 1, "sequence": 3, "step": 9, "input": 5}
    assert axes["outputs"] == {"network": 2, "sequence": 3, "step": 9, "output": 5}
    assert axes["variable/direction"] == {"network": 1, "sequence": 3, "trial": 1}
    assert recording["epoch_start"].values.tolist() == [[[0, 5]]]
    assert recording["epoch_stop"].values.tolist() == [[[5, 9]]]
    assert recording["epoch"].values.tolist() == ["stimulus", "response"]
    assert recording["unit"].values.tolist() == ["input"] * 3 + ["output"] * 3
    times = recording["time"].values.astype(float)
    np.testing.assert_allclose(times, 0.02 * np.arange(1, 10))


def test_the_recording_is_that_of_the_simulation(tmp_path: Path) -> None:
    simulation = rnnspec.compile(load_tiny(tmp_path), target=TARGET)
    with torch.no_grad():
        outcome = simulation(4, purpose="simulate", iteration=7, record=True)
    recording = rnnspec.simulate(simulation, 4, iteration=7)
    assert outcome.rates is not None
    np.testing.assert_array_equal(recording["activity"].values, outcome.rates.numpy())
    assert (rnnspec.simulate(simulation, 4)["inputs"].values != recording["inputs"].values).any()


def test_a_file_that_needs_no_pickle(tmp_path: Path) -> None:
    simulation = rnnspec.compile(load_tiny(tmp_path), target=TARGET)
    recording = rnnspec.simulate(simulation, 2)
    for name in ("a.npz", "b.npz"):
        recording.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as data:
        assert sorted(data) == sorted([*recording, *(f"{name}.axes" for name in recording)])
        for name, array in recording.items():
            np.testing.assert_array_equal(data[name], array.values)
            assert tuple(data[f"{name}.axes"]) == array.axes


def test_dynamics(tmp_path: Path) -> None:
    simulation = rnnspec.compile(load_tiny(tmp_path, method="fast"), target=TARGET)
    true = rnnspec.simulate(simulation, 2)["activity"].values
    stage = rnnspec.simulate(simulation, 2, dynamics="stage")["activity"].values
    # State 2 is the first that a skip of two steps lands on.
    np.testing.assert_array_equal(true[:, :, :1], stage[:, :, :1])
    assert (true[:, :, 1] != stage[:, :, 1]).any()
    named = rnnspec.simulate(simulation, 2, dynamics=true_dynamics(simulation.program))["activity"].values
    np.testing.assert_array_equal(named, true)


def test_drawn_durations(tmp_path: Path) -> None:
    setting = ["task.draw.wait=uniform(0.1, 0.3)", "task.epochs.stimulus.duration=wait"]
    setting.append("task.epochs.stimulus.jitter=0 ms")
    simulation = rnnspec.compile(load_tiny(tmp_path, *setting), target=TARGET)
    recording = rnnspec.simulate(simulation, 5)
    steps = recording["steps"].values
    assert len(set(steps.tolist())) > 1
    np.testing.assert_array_equal(recording["epoch_stop"].values[:, 0, -1], steps)
    wait = recording["variable/wait"].values[0, :, 0].astype(float)
    np.testing.assert_array_equal(recording["epoch_stop"].values[:, 0, 0], np.floor(wait / 0.02 + 1e-6))
    activity = recording["activity"].values
    for sequence, length in enumerate(steps):
        assert np.isfinite(activity[:, sequence, :length]).all()
        assert np.isnan(activity[:, sequence, length:]).all()
