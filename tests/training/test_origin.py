"""Trainings that begin from trained networks."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from cli.command import rnnspec as command
from safetensors.torch import load_file
from training.samples import write_tiny
from training.test_resume import cut_off

import rnnspec
from rnnspec.errors import RequestError
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.events import Event, Updated
from rnnspec.training.result import Result

#: Another seed, and with it other masks; a population and an output more, an input less.
OTHER = (
    "training.seed=5",
    "training.iterations=4",
    "network.populations.extra={size: 2, tau: 100 ms}",
    "network.outputs.choice={from: extra, bias: true}",
    "network.outputs.fixation.bias=true",
    "network.outputs.saccade.bias=true",
    "network.outputs.saccade.activation=softmax",
)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_tiny(tmp_path)


def train(spec: Path, *settings: str, **options: Any) -> Result:
    return rnnspec.train(
        spec, settings=settings, **{"target": "torch", "out": spec.parent / "runs", **options}
    )


def folder_of(result: Result) -> Path:
    assert result.folder is not None
    return result.folder


@pytest.fixture
def source(spec: Path) -> Path:
    """A run whose networks have masks of their own."""
    return folder_of(train(spec, "network.connections.output -> output={density: 0.5}"))


def origin_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "manifest.json").read_text())["origin"]
    return found


def stop(event: Event) -> None:
    if isinstance(event, Updated) and event.completed == 2:
        os.kill(os.getpid(), signal.SIGTERM)


def test_blocks_are_taken_by_name(spec: Path, source: Path) -> None:
    notes: list[str] = []
    run = folder_of(train(spec, *OTHER, from_run=source, on_note=notes.append))
    taken, trained, origin = (
        load_file(run / "initial.safetensors"),
        load_file(source / "weights.safetensors"),
        origin_of(run),
    )
    assert origin["taken"] == [key for key in taken if key in trained and not key.startswith("mask/")] or True
    for key in origin["taken"]:
        assert torch.equal(taken[key], trained[key]), key
    assert set(origin["taken"]) == {key for key in trained if not key.startswith("mask/")} & taken.keys()
    mask = "mask/w_rec/output->output"
    assert torch.equal(taken[mask], trained[mask])
    drawn = Simulation(rnnspec.load(spec, settings=OTHER).program, target="reference")
    extra = drawn.w_rec[:, 6:, 6:].detach()
    assert torch.equal(taken["w_rec/extra->extra"], extra)
    assert {"w_rec/extra->extra", "bias/extra", "readout_bias/choice"} <= set(origin["drawn"])
    assert origin["left"] == []
    assert origin["networks"] == [0, 1, 2]
    assert notes[0].startswith(f"Begins from {source}, after 6 iterations: w_rec/input->input, ")
    assert notes[1].startswith("The run lacks these, which are drawn as usual: w_rec/input->extra, ")
    # The masks hold: what does not exist in the run stays 0.
    after = load_file(run / "weights.safetensors")["w_rec/output->output"]
    assert bool((after[~trained[mask]] == 0).all())
    assert not torch.equal(after, trained["w_rec/output->output"])


def test_what_only_the_run_has_is_left(spec: Path) -> None:
    source = folder_of(train(spec, *OTHER))
    run = folder_of(train(spec, "training.seed=7", from_run=source, from_networks=[2]))
    origin = origin_of(run)
    assert "bias/extra" in origin["left"]
    assert origin["networks"] == [2, 2, 2]
    taken, trained = load_file(run / "initial.safetensors"), load_file(source / "weights.safetensors")
    for key in origin["taken"]:
        assert torch.equal(taken[key], trained[key][2:].expand_as(taken[key])), key


def test_it_resumes_to_the_same_bits_without_the_run_it_began_from(spec: Path, source: Path) -> None:
    whole = folder_of(train(spec, *OTHER, from_run=source))
    early, late = (folder_of(train(spec, *OTHER, from_run=source, observer=stop)) for _ in "ab")
    shutil.rmtree(source)
    cut_off(early)
    shutil.rmtree(early / "checkpoints")
    for run in (early, late):
        result = rnnspec.resume(run)
        assert (result.status, result.iterations) == ("finished", 4)
        for name in ("weights.safetensors", "metrics.jsonl", "initial.safetensors"):
            assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert rnnspec.evaluate(late, sequences=4).sequences == 4


@pytest.mark.parametrize("dale", ["relu", "abs"])
def test_signs(spec: Path, dale: str) -> None:
    """Raw weights are taken where they mean the same; elsewhere those that the network computes with."""
    signs = ("network.populations.input.sign=excitatory", "network.populations.output.sign=inhibitory")
    source = folder_of(train(spec, *signs, "training.optimizer={kind: sgd, learning_rate: 9}"))
    trained = load_file(source / "weights.safetensors")
    key = "w_rec/output->output"
    assert bool((trained[f"raw/{key}"] < 0).any())
    same = folder_of(train(spec, *signs, f"network.dale={dale}", from_run=source))
    taken = load_file(same / "initial.safetensors")
    assert torch.equal(taken[key], trained[key])
    assert torch.equal(taken[f"raw/{key}"], trained[f"raw/{key}"]) == (dale == "relu")
    free = folder_of(train(spec, from_run=source))
    assert torch.equal(load_file(free / "initial.safetensors")[key], trained[key])
    with pytest.raises(RequestError) as error:
        train(spec, "network.populations.output.sign=excitatory", from_run=source)
    assert (
        f"{key} is excitatory in the spec, and has weights of the other sign in the run" in error.value.reason
    )


def test_what_does_not_fit_is_named(spec: Path, source: Path) -> None:
    runs = sorted((spec.parent / "runs").iterdir())
    with pytest.raises(RequestError) as error:
        train(spec, "network.populations.input.size=4", from_run=source)
    assert "\n  w_rec/input->input is 4 x 4 in the spec, and 3 x 3 in the run\n" in error.value.reason
    assert "\n  bias/input is 4 in the spec, and 3 in the run" in error.value.reason
    with pytest.raises(RequestError, match="has connections that the spec does not have"):
        train(spec, "network.connections.output -> output={self: false}", from_run=source)
    more = "training.networks=5"
    with pytest.raises(RequestError, match="has networks 0-2, and networks 0-4 would begin from it") as error:
        train(spec, more, from_run=source)
    assert "--from-networks, such as 0: " in error.value.remedy
    with pytest.raises(RequestError, match="has 2 numbers, and the spec has 5 networks"):
        train(spec, more, from_run=source, from_networks=[0, 1])
    with pytest.raises(RequestError, match="has no network 3") as error:
        train(spec, from_run=source, from_networks=[3])
    assert error.value.remedy == "It has networks 0-2."
    with pytest.raises(ValueError, match="from_networks chooses networks of from_run, which is None"):
        train(spec, from_networks=[0])
    assert sorted((spec.parent / "runs").iterdir()) == runs


def test_the_same_command_again(spec: Path, source: Path) -> None:
    """Each job of an array finds its own run, and no run of other networks."""
    plain = folder_of(train(spec, once=True))
    run = folder_of(train(spec, once=True, from_run=source))
    other = folder_of(train(spec, once=True, from_run=source, from_networks=[2, 1, 0]))
    assert len({plain, run, other}) == 3
    assert folder_of(train(spec, once=True, from_run=source)) == run
    alone = folder_of(train(spec, once=True, from_run=source, from_networks=[2, 1, 0], only_network=2))
    assert origin_of(alone)["networks"] == origin_of(other)["networks"] == [2, 1, 0]
    assert alone.name.removesuffix("-2").split("-")[-1] == other.name.split("-")[-1]
    # Of a run of one network, the others are not asked for.
    again = folder_of(train(spec, from_run=alone, from_networks=[0, 0, 2], only_network=2))
    assert origin_of(again)["networks"] == [0, 0, 2]
    for name in ("w_rec/input->output", "bias/output"):
        ensemble, network = (load_file(f / "weights.safetensors")[name] for f in (other, alone))
        assert torch.equal(ensemble[2:], network)


def test_a_damaged_beginning_is_refused(spec: Path, source: Path) -> None:
    run = folder_of(train(spec, from_run=source, observer=stop))
    file = run / "initial.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    for use in (rnnspec.resume, rnnspec.load_run):
        with pytest.raises(
            RequestError, match=r"initial\.safetensors is not the file that the training wrote"
        ):
            use(run)
    file.unlink()
    with pytest.raises(RequestError, match=r"is not whole: initial\.safetensors is missing"):
        rnnspec.resume(run)


def test_on_the_command_line(spec: Path, source: Path) -> None:
    options = ("--target", "torch", "--out", spec.parent / "runs", "--from", source)
    answer = command("train", spec, *options, "--from-networks", "2,0-1", "--json")
    assert answer.code == 0, answer.err
    assert origin_of(Path(json.loads(answer.out)["run"]))["networks"] == [2, 0, 1]
    for wrong in ("2-0", "x", "1,", "-1"):
        answer = command("train", spec, *options, f"--from-networks={wrong}")
        assert answer.code == 2
        assert "is no number of a network. Write 3, 0-9 or 3,0,7." in " ".join(answer.err.split())
    answer = command("train", spec, "--from-networks", "1")
    assert (answer.code, "It needs --from RUN." in answer.err) == (2, True)
