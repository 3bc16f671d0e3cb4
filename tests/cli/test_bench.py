"""The command bench, and what it measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from cli.command import rnnspec
from training.samples import load_tiny, write_tiny

import rnnspec.training.bench as bench
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.cost import iteration_cost
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target
from rnnspec.training.loop import Loop


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, traced: list[Any]) -> Path:
    # A product that takes no time.
    monkeypatch.setattr(bench, "product_seconds", lambda device: 0.5)
    return write_tiny(tmp_path)


def test_table(spec: Path) -> None:
    answer = rnnspec("bench", spec, "--networks", 2, "--repeats", 2)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0].startswith("tiny: 2 networks, 4 sequences, 9 steps: ")
    assert lines[0].endswith("FLOP an iteration")
    assert lines[1].endswith("; large matrix products reach 34.4 GFLOP/s")
    assert lines[3].split("  ")[0] == "target"
    assert [line.split()[0] for line in lines[4:]] == [t for t in bench.CONTENDERS if t != "gpu"]
    assert any(" 1.00 " in line for line in lines[4:])


def test_json(spec: Path) -> None:
    words = ["--with", "fast", "--set", "training.networks=5", "--target", "torch", "--target", "reference"]
    result = json.loads(rnnspec("bench", spec, *words, "--repeats", 1, "--json").out)
    assert (result["name"], result["networks"], result["left_out"]) == ("tiny", 5, {})
    assert result["matrix_rate"] == 2 * 2048**3 / 0.5
    assert [row["target"] for row in result["targets"]] == ["torch", "reference"]
    assert min(row["ratio"] for row in result["targets"]) == 1
    for row in result["targets"]:
        assert row["seconds"] == [row["median"]]
        assert row["share"] * result["matrix_rate"] * row["median"] == pytest.approx(result["operations"])


def test_threads(spec: Path) -> None:
    before = torch.get_num_threads()
    try:
        words = ["--threads", 1, "--target", "torch", "--repeats", 1, "--json"]
        assert json.loads(rnnspec("bench", spec, *words).out)["threads"] == 1
    finally:
        torch.set_num_threads(before)


def test_mistakes(spec: Path) -> None:
    answer = rnnspec("bench", spec, "--target", "fortran")
    assert answer.code == 2
    assert "'fortran' is not one of: " in answer.err
    answer = rnnspec("bench", spec, "--set", "training.networks=many")
    assert (answer.code, answer.out) == (1, "")
    nothing = "task={epochs: {stimulus: {duration: 100 ms}}, target: null, correct: null}"
    answer = rnnspec("bench", spec, "--set", nothing)
    assert answer.code != 3, answer.err


def test_a_target_that_a_machine_lacks(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(program: Program, target: Target, device: torch.device) -> Simulation:
        if target == "torchscript":
            raise RequestError("There is no compiler.", "Install one.")
        return Simulation(program, target=target, device=device)

    monkeypatch.setattr(bench, "Simulation", refuse)
    answer = rnnspec("bench", spec, "--repeats", 1)
    assert answer.code == 0
    assert answer.err.startswith("torchscript is left out: There is no compiler.")
    assert "torchscript" not in answer.out


def test_it_trains_as_a_training_does(tmp_path: Path) -> None:
    specification = load_tiny(tmp_path, "training.evaluate=null")
    trained, measured = Simulation(specification.program), Simulation(specification.program)
    loop = Loop(trained, lambda event: None)
    trainee = bench.Trainee(measured)
    for iteration in range(3):
        loop._advance()
        trainee.iterate(iteration)
    for wanted, found in zip(trained.parameters(), measured.parameters(), strict=True):
        assert torch.equal(wanted, found)


def test_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "product_seconds", lambda device: 0.25)
    specification = load_tiny(tmp_path)
    said: list[str] = []
    comparison = bench.compare(specification, ("torch",), 2, said.append, "cpu")
    assert said == ["torch: start", "torch: 1 of 2", "torch: 2 of 2"]
    cost = iteration_cost(specification.program)
    assert comparison.operations == 3 * (cost.forward + cost.backward)
    (timing,) = comparison.timings
    assert comparison.ratio(timing) == 1
    assert comparison.share(timing) == pytest.approx(
        comparison.operations / timing.median / (2 * 2048**3 / 0.25)
    )


def test_the_product_is_timed() -> None:
    assert 0 < bench.product_seconds(torch.device("cpu")) < 60
