"""Masks travel with the weights: loading into an ensemble with other masks is noticed."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from training.samples import TARGET, load_tiny, write_tiny

import rnnspec
from rnnspec.runtime.masks import MaskChoice
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target

#: Half of the connections within and between the two populations of the spec are left out at random.
SPARSE = ("network.connections={input -> output: {density: 0.5}, output -> output: {density: 0.5}}",)


def ensemble(folder: Path, *settings: str, seed: int = 0) -> Simulation:
    spec = folder / "tiny.yaml" if (folder / "tiny.yaml").exists() else write_tiny(folder)
    return Simulation(rnnspec.load(spec, settings=settings).program, seed=seed, target=TARGET)


def loss(simulation: Simulation) -> torch.Tensor:
    return simulation(sequences=2, record=True).loss


def test_the_state_has_the_masks(tmp_path: Path) -> None:
    simulation = ensemble(tmp_path, *SPARSE)
    state = simulation.state_dict()
    assert state["mask.w_rec"].dtype == torch.bool
    assert state["mask.w_rec"].shape == (3, 6, 6)
    # The inputs do not reach the output population, in any network.
    assert state["mask.w_in"].shape == (1, 6, 5)
    assert [name for name, _ in simulation.named_parameters()] == ["w_rec", "w_in", "w_out", "bias"]
    copied = ensemble(tmp_path, *SPARSE)
    copied.load_state_dict(state)
    assert torch.equal(loss(copied), loss(simulation))


def test_a_state_of_another_seed_is_refused(tmp_path: Path) -> None:
    first, second = ensemble(tmp_path, *SPARSE, seed=1), ensemble(tmp_path, *SPARSE, seed=2)
    before = copy.deepcopy(second.state_dict())
    with pytest.raises(RuntimeError, match="The state has other masks than this ensemble") as refusal:
        second.load_state_dict(first.state_dict())
    differ = (first.mask.full("w_rec") != second.mask.full("w_rec"))[:, 3:, :3]
    assert (
        f"the connection 'input -> output' has another mask: {int(differ.sum())} of 27 entries differ"
        in str(refusal.value)
    )
    assert "'input -> input'" not in str(refusal.value)
    assert "masks='own'" in str(refusal.value)
    # Nothing was loaded.
    for name, value in second.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_masks_of_the_state(tmp_path: Path) -> None:
    first, second = ensemble(tmp_path, *SPARSE, seed=1), ensemble(tmp_path, *SPARSE, seed=2)
    second.load_state_dict(first.state_dict(), masks="loaded")
    for name, weights in first.weights().items():
        assert torch.equal(second.weights()[name], weights), name
    # They are not shared.
    second.mask.by_name()["w_rec"].zero_()
    assert first.mask.full("w_rec").any()


def test_the_own_masks(tmp_path: Path) -> None:
    first, second = ensemble(tmp_path, *SPARSE, seed=1), ensemble(tmp_path, *SPARSE, seed=2)
    given, own = first.mask.full("w_rec"), second.mask.full("w_rec")
    initial = second.weights()["w_rec"].detach().clone()
    second.load_state_dict(first.state_dict(), masks="own")
    assert torch.equal(second.mask.full("w_rec"), own)
    found, loaded = second.weights()["w_rec"], first.weights()["w_rec"]
    assert torch.equal(found[given & own], loaded[given & own])
    assert torch.equal(found[own & ~given], initial[own & ~given])
    assert (own & ~given).any()
    assert not found[~own].any()
    assert not second.w_rec[~own].any()


@pytest.mark.parametrize("masks", ["check", "loaded", "own"])
def test_a_state_without_density(tmp_path: Path, masks: MaskChoice) -> None:
    """Every connection that the spec permits exists in it."""
    dense, sparse = ensemble(tmp_path), ensemble(tmp_path, *SPARSE)
    own = sparse.mask.full("w_rec")
    if masks == "check":
        with pytest.raises(RuntimeError, match="'input -> output' has another mask"):
            sparse.load_state_dict(dense.state_dict())
        return
    sparse.load_state_dict(dense.state_dict(), masks=masks)
    expected = dense.w_rec if masks == "loaded" else torch.where(own, dense.w_rec, 0.0)
    assert torch.equal(sparse.weights()["w_rec"], expected)
    assert torch.equal(sparse.weights()["w_in"], dense.weights()["w_in"])


def test_a_mask_with_connections_that_the_spec_excludes(tmp_path: Path) -> None:
    dense, chain = ensemble(tmp_path), ensemble(tmp_path, "network.connections={output -> input: none}")
    with pytest.raises(RuntimeError, match="'output -> input' has another mask: 9 of 9 entries differ"):
        chain.load_state_dict(dense.state_dict())
    with pytest.raises(ValueError, match="'output -> input' has connections that the spec does not have"):
        chain.load_state_dict(dense.state_dict(), masks="loaded")
    chain.load_state_dict(dense.state_dict(), masks="own")
    assert not chain.weights()["w_rec"][:, :3, 3:].any()
    assert torch.equal(chain.weights()["w_rec"][:, 3:], dense.weights()["w_rec"][:, 3:])


def test_other_masks_are_no_reason_to_lose_the_own_ones(tmp_path: Path) -> None:
    first, second = ensemble(tmp_path, *SPARSE, seed=1), ensemble(tmp_path, *SPARSE, seed=2)
    own = second.mask.full("w_rec").clone()
    state = first.state_dict()
    del state["w_rec"]
    choices: tuple[MaskChoice, ...] = ("loaded", "own")
    for masks in choices:
        with pytest.raises(RuntimeError, match="Missing key"):
            second.load_state_dict(state, masks=masks)
        assert torch.equal(second.mask.full("w_rec"), own)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda mask: mask[:2], "the mask of w_rec is that of 2 networks"),
        (lambda mask: mask[:, :2], "the mask of w_rec has another shape or type"),
        (lambda mask: mask.float(), "the mask of w_rec has another shape or type"),
    ],
)
def test_what_is_no_mask(tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor], said: str) -> None:
    simulation = ensemble(tmp_path, *SPARSE)
    state = simulation.state_dict()
    state["mask.w_rec"] = change(state["mask.w_rec"])
    with pytest.raises(RuntimeError, match=said):
        simulation.load_state_dict(state)
    with pytest.raises(ValueError, match=said):
        simulation.load_state_dict(state, masks="loaded")
    wrong: Any = "mine"
    with pytest.raises(ValueError, match="masks must be one of check, loaded, own"):
        simulation.load_state_dict(state, masks=wrong)


def test_as_a_part_of_another_module(tmp_path: Path) -> None:
    first = torch.nn.ModuleDict({"net": ensemble(tmp_path, *SPARSE, seed=1)})
    second = torch.nn.ModuleDict({"net": ensemble(tmp_path, *SPARSE, seed=2)})
    with pytest.raises(RuntimeError, match="'output -> output' has another mask"):
        second.load_state_dict(first.state_dict())
    assert second.load_state_dict(second.state_dict()).missing_keys == []
    with pytest.raises(RuntimeError, match=r"Unexpected key.*net\.mask\.w_more"):
        second.load_state_dict({**second.state_dict(), "net.mask.w_more": torch.ones(1)})


@pytest.mark.parametrize("method", [copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
@pytest.mark.parametrize("target", ["torch", "cpu"])
def test_copies(tmp_path: Path, method: Callable[[Simulation], Simulation], target: Target) -> None:
    program = load_tiny(tmp_path, *SPARSE).program
    simulation = Simulation(program, seed=3, target=target)
    copied = method(simulation)
    assert torch.equal(loss(copied), loss(simulation))
    simulation.mask.by_name()["w_rec"].zero_()
    assert copied.mask.full("w_rec").any()
    with pytest.raises(RuntimeError, match="has another mask"):
        copied.load_state_dict(simulation.state_dict())


def test_through_a_file(tmp_path: Path) -> None:
    simulation = ensemble(tmp_path, *SPARSE, seed=1)
    save_file(simulation.state_dict(), tmp_path / "mine.safetensors")
    same, other = ensemble(tmp_path, *SPARSE, seed=1), ensemble(tmp_path, *SPARSE, seed=2)
    same.load_state_dict(load_file(tmp_path / "mine.safetensors"))
    with pytest.raises(RuntimeError, match="has another mask"):
        other.load_state_dict(load_file(tmp_path / "mine.safetensors"))
