"""Wrong arguments of the functions: each is named, and nothing is done."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training.samples import TARGET, load_tiny, write_tiny

import rnnspec
from rnnspec import Simulation, Specification, Stage

#: What the calls below are made with.
READING = ("task.epochs.response.read={answered: argmax(saccade)}",)


@pytest.fixture(scope="module")
def specification(tmp_path_factory: pytest.TempPathFactory) -> Specification:
    return load_tiny(tmp_path_factory.mktemp("arguments"), *READING, method="fast")


@pytest.fixture(scope="module")
def simulation(specification: Specification) -> Simulation:
    return rnnspec.compile(specification, networks=2, target=TARGET)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            {"target": "refrence"},
            ValueError,
            "target must be one of gpu, cpu, .*'refrence'; did you mean 'reference'?",
        ),
        ({"networks": 0}, ValueError, "networks must be an integer of at least 1, not 0."),
        ({"networks": 2.5}, TypeError, "networks must be an integer, not 2.5."),
        (
            {"dtype": torch.int32},
            ValueError,
            "dtype must be one of torch.float32, torch.float64, not torch.int32",
        ),
        ({"device": None}, rnnspec.RequestError, "There is no device 'None' on this machine."),
        ({"overlays": ["fast"]}, TypeError, "overlays and settings need the path of a spec"),
        ({"settings": ["training.batch=3"]}, TypeError, "overlays and settings need the path of a spec"),
    ],
)
@pytest.mark.parametrize("function", [rnnspec.compile, rnnspec.train])
def test_compile_and_train(
    specification: Specification,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[..., object],
    arguments: dict[str, object],
    kind: type[Exception],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if function is rnnspec.train and "networks" in arguments:
        arguments = {"only_network": -1 if arguments["networks"] == 0 else 2.5}
        message = message.replace("networks", "only_network").replace("least 1, not 0", "least 0, not -1")
    with pytest.raises(kind, match=message):
        function(specification, **arguments)
    assert not (tmp_path / "runs").exists()


def untyped(value: object) -> Any:
    """Return a value as callers without a type checker give it."""
    return value


def test_an_ensemble_has_numbers(specification: Specification) -> None:
    for arguments in ({"first_network": -1}, {"seed": -1}, {"seed": 2**32}):
        (name,) = arguments
        with pytest.raises(ValueError, match=f"{name} must be an integer"):
            Simulation(specification.program, **untyped(arguments))
    assert Simulation(specification.program, networks=untyped(np.int64(2))).networks == 2


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"sequences": 0}, ValueError, "sequences must be an integer of at least 1, not 0."),
        ({"sequences": -1}, ValueError, "sequences must be an integer of at least 1, not -1."),
        ({"sequences": 2.0}, TypeError, "sequences must be an integer, not 2.0."),
        ({"purpose": "evalute"}, ValueError, "purpose must be one of .*; did you mean 'evaluate'?"),
        ({"iteration": -1}, ValueError, "iteration must be an integer from 0 to 536870911, not -1."),
        (
            {"iteration": 2**29},
            ValueError,
            "iteration must be an integer from 0 to 536870911, not 536870912.",
        ),
        ({"stage": 1}, TypeError, r"stage takes a Stage\(theta, betas\), not 1."),
        (
            {"stage": Stage(Fraction(1), ())},
            ValueError,
            r"stage has betas \(\), and takes one for each skip: regular",
        ),
        ({"networks": 1}, TypeError, "networks takes a range, "),
        (
            {"networks": range(1, 3)},
            ValueError,
            r"networks takes a part of range\(0, 2\), not range\(1, 3\).",
        ),
        ({"networks": range(0)}, ValueError, "networks takes a part of"),
        ({"networks": range(0, 2, 2)}, ValueError, "networks takes a part of"),
        (
            {"forced_reads": {"response": torch.zeros(2, 4, 1)}},
            ValueError,
            "forced_reads has 'response'; the spec reads answered.",
        ),
        (
            {"forced_reads": {"answered": torch.zeros(4, 1)}},
            ValueError,
            r"'answered' of forced_reads has shape \(4, 1\), not \(2, 4, 1\).",
        ),
    ],
)
def test_the_call_of_a_simulation(
    simulation: Simulation, arguments: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        simulation(**arguments)


def test_the_ends_of_what_is_allowed(simulation: Simulation) -> None:
    assert len(simulation(1, iteration=2**29 - 1, networks=range(1, 2)).loss) == 1
    assert len(simulation(np.int64(3), forced_reads={"answered": torch.zeros(2, 3, 1)}).loss) == 2
    assert len(simulation(1, stage=Stage(untyped(1), untyped([0.5]))).loss) == 2


def test_stages() -> None:
    with pytest.raises(TypeError, match=r"theta must be an exact number: write Fraction\('2.5'\)."):
        Stage(untyped(2.5), ())
    with pytest.raises(ValueError, match=r"theta must be at least 1, not 1/2\."):
        Stage(Fraction(1, 2), ())
    with pytest.raises(TypeError, match="betas must have one number for each skip"):
        Stage(Fraction(1), untyped(0.5))


@pytest.mark.parametrize(
    ("function", "arguments", "kind", "message"),
    [
        (
            rnnspec.evaluate,
            {"sequences": 0},
            ValueError,
            "sequences must be an integer of at least 1, not 0.",
        ),
        (
            rnnspec.simulate,
            {"sequences": 0},
            ValueError,
            "sequences must be an integer of at least 1, not 0.",
        ),
        (
            rnnspec.simulate,
            {"dynamics": "stag"},
            ValueError,
            "dynamics must be one of .*; did you mean 'stage'?",
        ),
        (rnnspec.simulate, {"dynamics": None}, ValueError, "dynamics must be one of true, stage, not None."),
        (rnnspec.simulate, {"iteration": 2**29}, ValueError, "iteration must be an integer"),
    ],
)
def test_evaluate_and_simulate(
    simulation: Simulation,
    function: Callable[..., object],
    arguments: dict[str, object],
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind, match=message):
        function(simulation, **arguments)


def test_a_result_is_no_run(specification: Specification) -> None:
    result = rnnspec.train(specification, out=None)
    functions: list[Callable[..., object]] = [rnnspec.evaluate, rnnspec.simulate]
    for function in functions:
        with pytest.raises(TypeError, match="not Result; of a Result, give its folder"):
            function(result)


@pytest.mark.parametrize("key", ["settings", "overlays"])
@pytest.mark.parametrize("function", [rnnspec.load, rnnspec.compile, rnnspec.train])
def test_lists(tmp_path: Path, function: Callable[..., object], key: str) -> None:
    spec = write_tiny(tmp_path)
    with pytest.raises(TypeError, match=rf"{key} must be a list: write {key}=\['fast'\]\."):
        function(spec, **{key: "fast"})
    with pytest.raises(TypeError, match=rf"{key} must be a list of strings or paths; 4 is not a string\."):
        function(spec, **{key: [4]})


def test_a_number_is_no_path() -> None:
    """Python would read the file that happens to be open under it."""
    functions: list[Callable[..., object]] = [rnnspec.load, rnnspec.compile, rnnspec.train]
    for function in functions:
        with pytest.raises(TypeError, match="the spec must be a path, not 0"):
            function(0)


def test_a_specification_knows_its_methods(tmp_path: Path) -> None:
    """A run of what was loaded before is called like one of the path."""
    spec = write_tiny(tmp_path)
    loaded = rnnspec.train(rnnspec.load(spec, ["fast"]), out=tmp_path / "a")
    named = rnnspec.train(spec, overlays=["fast"], out=tmp_path / "b")
    assert loaded.folder is not None
    assert named.folder is not None
    assert loaded.folder.name == named.folder.name
    assert loaded.folder.name.startswith("tiny-fast-")
