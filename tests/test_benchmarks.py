"""The peers of the benchmark compute the same thing: loss and gradients, against the reference in float64."""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import commands
import curves
import gpu
import numpy as np
import peers
import pytest
import torch
import train_step
from cli.command import run_process
from engines import make_engine
from workload import (
    BETA_1,
    BETA_2,
    EPSILON,
    LEARNING_RATE,
    NOISE_GAIN,
    NOISE_KEEP,
    SPEC,
    Trials,
    Workload,
    draw_trials,
)

import rnnspec
from rnnspec.check.examine import load
from rnnspec.runtime import simulation
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.cost import iteration_cost
from rnnspec.runtime.noise import process_noise
from rnnspec.runtime.schedule import mean_epoch_steps
from rnnspec.runtime.simulation import true_dynamics
from rnnspec.runtime.targets import TargetChoice

SMALL = Workload(
    networks=2, sequences=3, populations=(4, 6, 2), steps=(6, 8, 10, 8, 12), grace=(0, 4, 0, 0, 4)
)

#: Two sums of some hundred float32 terms in another order; the largest gradients are of order 1.
BOUNDS: dict[str, Any] = {"rtol": 2e-5, "atol": 2e-7}

jax_only = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")


@dataclass(frozen=True)
class Wanted:
    """What all should find, by the reference in float64."""

    workload: Workload
    weights: dict[str, np.ndarray]
    trials: Trials
    normals: np.ndarray
    loss: np.ndarray
    gradients: dict[str, np.ndarray]


def stored(workload: Workload, values: dict[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Return the connections that exist, as the peers keep them."""
    taking = workload.populations[0]
    named = {name: value.detach().numpy() for name, value in values.items()}
    named["w_in"] = named["w_in"][:, :taking]
    named["w_out"] = named["w_out"][:, :, workload.read]
    return named


def gradients(simulation: rnnspec.Simulation) -> tuple[np.ndarray, dict[str, torch.Tensor]]:
    outcome = simulation(purpose="train", iteration=0)
    found = torch.autograd.grad(outcome.loss.sum(), list(simulation.parameters()))
    names = [name for name, _ in simulation.named_parameters()]
    return outcome.loss.detach().numpy(), dict(zip(names, found, strict=True))


def compiled(workload: Workload, target: Any, dtype: torch.dtype) -> rnnspec.Simulation:
    simulation = rnnspec.compile(SPEC, settings=workload.settings(), target=target, dtype=dtype)
    # Weights that float32 can hold.
    with torch.no_grad():
        for value in simulation.parameters():
            value.copy_(value.float())
    return simulation


@pytest.fixture(scope="module", params=["noise", "no noise"])
def wanted(request: pytest.FixtureRequest) -> Wanted:
    workload = SMALL if request.param == "noise" else replace(SMALL, noise=0.0)
    simulation = compiled(workload, "reference", torch.float64)
    loss, found = gradients(simulation)
    batch = Batch(workload.sequences, simulation.seed, 0, "train", true_dynamics(simulation.program))
    with torch.no_grad():
        variables = simulation(purpose="train", iteration=0).variables
    steps = sum(workload.steps)
    normals = np.zeros((1 + steps, workload.networks, workload.sequences, workload.units))
    if workload.noise:
        noise = process_noise(simulation.program, batch, steps, workload.networks)
        assert noise is not None
        eta = noise.permute(2, 0, 1, 3).numpy() / workload.noise
        normals[0] = eta[0]
        normals[1:-1] = (eta[1:] - NOISE_KEEP * eta[:-1]) / NOISE_GAIN
    weights = stored(workload, {name: value.float() for name, value in simulation.named_parameters()})
    trials = Trials(*(variables[name][0, :, 0].numpy() for name in ("direction", "modality")))
    return Wanted(workload, weights, trials, normals, loss, stored(workload, found))


def assert_same(loss: np.ndarray, found: dict[str, np.ndarray], wanted: Wanted) -> None:
    np.testing.assert_allclose(loss, wanted.loss, **BOUNDS)
    assert found.keys() == wanted.gradients.keys()
    for name, gradient in wanted.gradients.items():
        assert np.abs(gradient).max() > 100 * BOUNDS["atol"], name
        np.testing.assert_allclose(found[name], gradient, err_msg=name, **BOUNDS)


@pytest.mark.parametrize(
    "name",
    [
        "torch",
        "torchscript",
        # torch.compile warns of its own doings.
        pytest.param("compile", marks=[pytest.mark.slow, pytest.mark.filterwarnings("ignore")]),
        pytest.param("jax", marks=jax_only),
    ],
)
def test_peers_agree(name: str, wanted: Wanted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workload, "initial_weights", lambda self: wanted.weights)
    peer: Any = peers.make_peer(name, wanted.workload)
    loss, found = peer.differentiate(wanted.trials, wanted.normals)
    assert_same(loss, found, wanted)


#: torch.compile takes half a minute.
SLOW = ("compile", "rnnspec-compiled")


def peers_of(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in names]


@pytest.mark.parametrize("name", peers_of(name for name in peers.PEERS if name.startswith("rnnspec-")))
def test_rnnspec_agrees(name: str, wanted: Wanted) -> None:
    loss, found = gradients(compiled(wanted.workload, name.removeprefix("rnnspec-"), torch.float32))
    assert_same(loss, stored(wanted.workload, found), wanted)


@pytest.mark.parametrize("name", peers_of(name for name in peers.available() if name != "compile"))
def test_peers_learn(name: str) -> None:
    """The loss of the same trials falls, by about as much everywhere."""
    peer = peers.make_peer(name, SMALL)
    losses = [peer.iterate(iteration) for iteration in range(40)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.02


@jax_only
def test_adam_of_jax_is_that_of_torch() -> None:
    import jax.numpy as jnp
    from jax_peer import adam

    random = np.random.default_rng(0)
    start = random.standard_normal(20).astype(np.float32)
    weight = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=LEARNING_RATE, betas=(BETA_1, BETA_2), eps=EPSILON)
    weights, moments = {"w": jnp.asarray(start)}, ({"w": jnp.zeros(20)}, {"w": jnp.zeros(20)})
    for iteration in range(5):
        gradient = random.standard_normal(20).astype(np.float32)
        weight.grad = torch.tensor(gradient)
        optimizer.step()
        weights, moments = adam(weights, {"w": jnp.asarray(gradient)}, moments, iteration)
    np.testing.assert_allclose(np.asarray(weights["w"]), weight.detach().numpy(), rtol=1e-5)


def test_the_workload_is_the_shipped_task() -> None:
    """Its settings change nothing but jitter and Adam's epsilon, and it counts the same operations."""
    shipped, same = load(SPEC).program, load(SPEC, (), Workload().settings()).program
    assert mean_epoch_steps(shipped) == mean_epoch_steps(same) == Workload().steps
    assert shipped.network == same.network
    assert shipped.training.penalties == same.training.penalties
    cost = iteration_cost(same)
    assert Workload().operations(full=True) == same.training.networks * (cost.forward + cost.backward)
    assert Workload().operations() < Workload().operations(full=True)


def test_trials_are_drawn_afresh() -> None:
    first, again, second = (draw_trials(SMALL, iteration) for iteration in (0, 0, 1))
    assert np.array_equal(first.directions, again.directions)
    assert not np.array_equal(first.directions, second.directions)


def test_sizes() -> None:
    assert Workload().scaled(0.5).steps == (100, 50, 50, 100, 50)
    assert Workload().scaled(0.5).judged == (180, 30)
    assert Workload().with_units(20).populations == (8, 8, 4)
    assert peers.processors("0-2,8\n") == [0, 1, 2, 8]


def test_the_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Forks of one process that has imported torch, which takes seconds.
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["peers", "torch", "rnnspec.runtime.simulation"])
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: forked)
    monkeypatch.setattr(train_step, "Workload", partial(replace, SMALL))
    file = tmp_path / "numbers.json"
    words = ["--networks", "1", "--repeats", "1", "--threads", "1", "--peers", "torch,rnnspec-torch"]
    train_step.main([*words, "--json", str(file)])
    result = json.loads(file.read_text())
    assert list(result["peers"]) == ["torch", "rnnspec-torch"]
    row = result["peers"]["rnnspec-torch"]
    assert row["share_of_matrix_rate"] == pytest.approx(1 / row["times_the_arithmetic"])
    assert row["ratio_to"]["rnnspec-torch"] == 1
    assert "plain torch loop" in capsys.readouterr().out


def test_unknown_peers() -> None:
    with pytest.raises(SystemExit, match="'tensorflow' is not a peer"):
        train_step.main(["--peers", "tensorflow"])


# --- curves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quick", [True, False])
def test_every_point_of_the_curves_is_a_spec(quick: bool) -> None:
    points = list(curves.plan("torch", 6, quick=quick))
    assert {curve.name for curve in curves.CURVES} < {point.curve for point in points}
    assert sorted(point.x for point in points if point.curve == "threads") == [1, 2, 4, 6]
    for point in points:
        program = load(point.spec, (), point.settings).program
        if point.curve == "units":
            assert program.network.units == point.x
        if point.curve == "steps":
            assert sum(mean_epoch_steps(program)) == point.x


#: What `python FILE ARGUMENTS` does, as a script that is run in a fork of an interpreter that has torch.
RUN = """
import os, runpy, sys
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_point_is_measured_in_a_fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def forked(words: Sequence[str], *, check: bool, **options: Any) -> subprocess.CompletedProcess[Any]:
        return run_process([words[0], "-c", RUN, *words[1:]], **options)

    monkeypatch.setattr(subprocess, "run", forked)
    small = replace(SMALL, networks=1)
    good = curves.Point("networks", 1, str(SPEC), tuple(small.settings()), "torch", 1)
    bad = replace(good, curve="steps", spec="nonsense.yaml", target="cpu")
    rows = curves.measure_all([good, bad, replace(bad, x=2)])
    assert len(rows) == 2
    assert len(rows[0]["seconds"]) == curves.REPEATS
    assert rows[0]["median"] > 0
    assert rows[0]["peak_bytes"] >= 0
    assert rows[1]["failure"] == "ended with code 1"


def test_the_plots(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [
        {"curve": curve.name, "x": x, "target": target, "median": 0.01 * x, "peak_bytes": 1e6 * x}
        for curve in curves.CURVES
        for x in (1, 10, 100)
        for target in ("cpu", "torch")
    ]
    result = {"sizes": {}, "rows": [*rows, {"curve": "units", "x": 5, "target": "cpu", "failure": "no"}]}
    files = curves.draw(result, tmp_path)
    assert [file.name for file in files] == [
        "networks.svg",
        "memory.svg",
        "steps.svg",
        "units.svg",
        "sequences.svg",
        "threads.svg",
    ]
    first = files[0].read_bytes()
    assert b"networks" in first
    curves.draw(result, tmp_path)
    assert files[0].read_bytes() == first


def test_commands_are_timed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "COMMANDS", {"nothing": ["-c", "pass"]})
    commands.main(["--repeats", "2"])
    name, least, *_ = capsys.readouterr().out.split()
    assert name == "nothing"
    assert 0 < float(least) < 60


# --- a GPU -------------------------------------------------------------------------------------------


@pytest.fixture
def on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the script for a GPU run its kernels on the processor."""
    choice = TargetChoice("gpu", None, None)
    monkeypatch.setattr(
        simulation, "choose_target", lambda _, target, *__, **___: replace(choice, target=target or "gpu")
    )
    monkeypatch.setattr(simulation, "make_engine", make_engine)
    monkeypatch.setattr(gpu, "DEVICE", torch.device("cpu"))
    for name in ("empty_cache", "reset_peak_memory_stats", "max_memory_allocated"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: 0)


@pytest.mark.usefixtures("on_the_processor")
def test_the_script_for_a_gpu_checks_before_it_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = load(SPEC, (), ["network.dt=100 ms"]).program
    assert gpu.agrees(program, torch.float64, 1e-8)
    assert not gpu.agrees(program, torch.float32, 1e-12)
    assert gpu.same_bits(program)
    assert gpu.same_alone(program)
    wrong = gpu.Task("it is right", lambda: False)
    monkeypatch.setattr(gpu, "checks", lambda: [wrong])
    monkeypatch.setattr(gpu, "machine", lambda: {"gpu": "none"})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "timings", lambda: pytest.fail("it times what is wrong"))
    with pytest.raises(SystemExit, match="wrong on this GPU: it is right"):
        gpu.main(["--json", str(tmp_path / "gpu.json")])
    assert json.loads((tmp_path / "gpu.json").read_text()) == {
        "machine": {"gpu": "none"},
        "it is right": False,
    }
    assert "it is right: False" in capsys.readouterr().out


@pytest.mark.usefixtures("on_the_processor")
def test_the_script_for_a_gpu_goes_on_where_it_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ["network.dt=100 ms"]
    once = gpu.training("delayed_go, 100 networks, train, gpu", "delayed_go", 2, "gpu", small)
    monkeypatch.setattr(gpu, "checks", list)
    monkeypatch.setattr(gpu, "timings", lambda: [once])
    monkeypatch.setattr(gpu, "machine", dict)
    monkeypatch.setattr(gpu, "AIMS", {"delayed_go, 100 networks, train": 1e9})
    monkeypatch.setattr(gpu, "RATIOS", [(once.name, once.name, 0.9)])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    file = tmp_path / "gpu.json"
    gpu.main(["--json", str(file)])
    first = json.loads(file.read_text())
    assert len(first[once.name]["seconds"]) == gpu.REPEATS
    gpu.main(["--json", str(file)])
    assert json.loads(file.read_text()) == first
    said = capsys.readouterr().out
    assert "ms, aim 1e+12 ms: reached" in said
    assert f"1 times the time of {once.name}, aim 0.9: missed" in said


@pytest.mark.usefixtures("on_the_processor")
def test_the_script_for_a_gpu_can_do_all_that_it_lists() -> None:
    """Every spec with its settings loads; the noise, with the widest settings of all, is compared."""
    names = [task.name for task in (*gpu.checks(), *gpu.timings())]
    assert len(set(names)) == len(names)
    assert all(f"{name}, gpu" in names for name in gpu.AIMS)
    assert all(name in names for *pair, _ in gpu.RATIOS for name in pair)
    for units in (20, 150, 1024):
        load(SPEC, (), gpu.sizes(units))
    assert gpu.noise_agrees(sequences=2)


def test_the_script_for_a_gpu_says_that_there_is_none(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SystemExit, match="There is no GPU here"):
        gpu.main(["--json", str(tmp_path / "gpu.json")])
