"""What is too much for the memory or the disk is refused before the work, and the rest is done in parts."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from support import SPECS
from training.samples import load_tiny

import rnnspec
from rnnspec.analysis import evaluation
from rnnspec.runtime import memory
from rnnspec.runtime.batch import Outcome

CPU = torch.device("cpu")
#: The arrays of a recording with an entry for each step.
BY_STEP = ("activity", "inputs", "outputs", "targets", "weights", "correct")


@pytest.fixture
def simulation(tmp_path: Path) -> rnnspec.Simulation:
    return rnnspec.compile(load_tiny(tmp_path))


def never(*_: object, **__: object) -> None:
    raise AssertionError("the work has begun")


@pytest.mark.parametrize("work", [rnnspec.evaluate, rnnspec.simulate])
def test_what_never_fits_is_refused(
    simulation: rnnspec.Simulation, monkeypatch: pytest.MonkeyPatch, work: Callable[..., object]
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda device: 10**9)
    monkeypatch.setattr(simulation, "forward", never)
    with pytest.raises(rnnspec.RequestError) as refusal:
        work(simulation, sequences=100_000_000)
    assert refusal.value.reason.startswith("100,000,000 sequences need about ")
    assert refusal.value.reason.endswith(" of memory, but 1 GB is free.")
    most = int(refusal.value.remedy.removeprefix("Ask for at most ").split()[0].replace(",", ""))
    assert 10_000 < most < 1_000_000


def test_a_machine_without_memory() -> None:
    with pytest.raises(rnnspec.RequestError, match="Use a machine with more memory"):
        memory.require_memory(2**80, 1, CPU)


def test_the_recording_must_fit_on_the_disk(
    simulation: rnnspec.Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 100_000

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    rnnspec.simulate(simulation, 10, folder=tmp_path)
    with pytest.raises(rnnspec.RequestError, match=r"may need 1\.7 MB, but the disk of .* has 100 kB free"):
        rnnspec.simulate(simulation, 1000, folder=tmp_path)


def test_the_recording_is_as_large_as_estimated(simulation: rnnspec.Simulation) -> None:
    recording = rnnspec.simulate(simulation, 7)
    arrays = sum(recording[name].values.nbytes for name in BY_STEP)
    assert arrays == 7 * memory.recorded_memory(simulation.program, 3, Fraction(1), 4)


def test_inputs_that_depend_on_answers_count_for_every_network() -> None:
    specification = rnnspec.load(SPECS / "rule_reversal.yaml", settings=["network.dt=50 ms"])
    recording = rnnspec.simulate(rnnspec.compile(specification, networks=3), 8)
    arrays = sum(recording[name].values.nbytes for name in BY_STEP)
    assert arrays == 8 * memory.recorded_memory(specification.program, 3, Fraction(1), 4)


@pytest.mark.parametrize("settings", [(), ("training.trials=independent",)])
@pytest.mark.parametrize("together", [1, 2])
def test_networks_are_evaluated_in_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: tuple[str, ...], together: int
) -> None:
    simulation = rnnspec.compile(load_tiny(tmp_path, *settings))
    whole = rnnspec.evaluate(simulation, sequences=5)
    assert len(whole.variables["direction"]) == (3 if settings else 1)
    each = 5 * memory.working_memory(simulation.program, 4)
    monkeypatch.setattr(evaluation, "TOGETHER", together * each)
    groups: list[range] = []
    forward = simulation.forward

    def counted(*arguments: Any, **options: Any) -> Outcome:
        groups.append(options["networks"])
        return forward(*arguments, **options)

    monkeypatch.setattr(simulation, "forward", counted)
    parts = rnnspec.evaluate(simulation, sequences=5)
    assert [len(group) for group in groups] == ([1, 1, 1] if together == 1 else [2, 1])
    assert parts.performance == pytest.approx(whole.performance)
    assert parts.phases.keys() == whole.phases.keys()
    torch.testing.assert_close(parts.trials, whole.trials)
    for name, values in whole.variables.items():
        assert torch.equal(parts.variables[name], values), name


def test_the_free_memory_of_this_machine() -> None:
    free = memory.available_memory(CPU)
    assert free is None or 2**20 < free < 2**50


@pytest.mark.parametrize(
    ("number", "text"),
    [(12, "12 bytes"), (3_200_000_000, "3.2 GB"), (120_000, "120 kB"), (5.9e15, "5,900 TB")],
)
def test_sizes_in_words(number: float, text: str) -> None:
    assert memory.size(number) == text


def test_an_estimate_has_two_digits() -> None:
    assert [memory.rounded_down(number) for number in (7, 99, 12_345)] == [7, 99, 12_000]
