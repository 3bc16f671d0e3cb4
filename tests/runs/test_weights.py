"""The weights file has the masks, and nothing is loaded into a spec with others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from runs.tampering import latest, replace_tensors, replace_weights
from training.samples import write_tiny
from training.test_resume import folder_of, stop_at, train

import rnnspec
from rnnspec.errors import RequestError
from rnnspec.training.resume import resume

SPARSE = "network.connections={input -> output: {density: 0.5}}"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_tiny(tmp_path)


def test_the_file_has_the_masks_of_sparse_connections(spec: Path) -> None:
    result = train(spec, "fast", SPARSE)
    weights = safetensors.torch.load_file(folder_of(result) / "weights.safetensors")
    assert [name for name in weights if name.startswith("mask/")] == ["mask/w_rec/input->output"]
    mask = weights["mask/w_rec/input->output"]
    assert torch.equal(mask, result.simulation.mask.full("w_rec")[:, 3:, :3])
    assert torch.equal(weights["w_rec/input->output"] != 0, mask)
    _, loaded = rnnspec.load_run(folder_of(result))
    for name, value in result.simulation.weights().items():
        assert torch.equal(loaded.weights()[name], value), name


def test_other_masks_in_the_file_are_refused(spec: Path) -> None:
    run = folder_of(train(spec, "fast", SPARSE))
    weights = safetensors.torch.load_file(run / "weights.safetensors")
    mask = weights["mask/w_rec/input->output"]
    mask[0, 0, :2] = ~mask[0, 0, :2]
    replace_weights(run, safetensors.torch.save(weights))
    said = (
        "the connection 'input -> output' has another mask than the spec and its seed give: 2 of 27 entries"
    )
    for read in (rnnspec.load_run, rnnspec.evaluate):
        with pytest.raises(RequestError, match=said):
            read(run)
    del weights["mask/w_rec/input->output"]
    replace_weights(run, safetensors.torch.save(weights))
    with pytest.raises(RequestError, match="has no mask/w_rec/input->output"):
        rnnspec.load_run(run)


@pytest.mark.parametrize("edit", ["density", "seed", "none"])
def test_a_spec_that_was_given_other_masks_is_not_resumed(spec: Path, edit: str) -> None:
    """`--allow-drift` allows other bits, not that weights vanish."""
    run = folder_of(train(spec, "fast", *([SPARSE] if edit == "seed" else []), observer=stop_at(3)))
    specification, file = rnnspec.load(run / "spec.yaml"), run / "spec.yaml"
    settings = {
        "density": SPARSE,
        "seed": "training.seed=7",
        "none": "network.connections={output -> input: none}",
    }
    edited = rnnspec.load(file, settings=[settings[edit]]).text
    assert edited != specification.text
    file.write_text(edited)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    name = "output -> input" if edit == "none" else "input -> output"
    with pytest.raises(RequestError, match=f"the connection '{name}' has another mask: ") as refusal:
        resume(run, allow_drift=True)
    assert refusal.value.remedy.startswith("Restore spec.yaml as it was, or train the new spec")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_other_masks_in_a_checkpoint_are_refused(spec: Path) -> None:
    run = folder_of(train(spec, "fast", SPARSE, observer=stop_at(3)))
    tensors = safetensors.torch.load_file(latest(run, ".safetensors"))
    tensors["mask/w_rec"] = ~tensors["mask/w_rec"]
    replace_tensors(run, safetensors.torch.save(tensors))
    with pytest.raises(RequestError, match="has another mask"):
        resume(run)


def test_sparse_networks_go_on_to_the_same_bits(spec: Path) -> None:
    whole = folder_of(train(spec, "fast", SPARSE))
    run = folder_of(train(spec, "fast", SPARSE, observer=stop_at(3)))
    resume(run)
    name = "weights.safetensors"
    assert (run / name).read_bytes() == (whole / name).read_bytes()
    about = json.loads(safetensors.safe_open(run / name, "pt").metadata()["rnnspec"])
    assert about["format"] == 2
