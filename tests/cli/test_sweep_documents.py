"""`rnnspec validate` of sweeps, and commands that are given a sweep in place of a spec, or the reverse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.command import rnnspec
from training.samples import write_tiny

SWEEP = """\
rnnspec: 1
sweep: seeds
specs: [tiny.yaml]
methods: {plain: [], fast: [fast]}
settings: {training.seed: [0, 1]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    write_tiny(tmp_path)
    (tmp_path / "seeds.yaml").write_text(SWEEP, encoding="utf-8")
    return tmp_path


def test_sweeps_and_specs_are_counted() -> None:
    assert rnnspec("validate", "seeds.yaml").err == "1 sweep is fine, with 4 units\n"
    whole = "2 specs and 1 sweep are fine, 1 of them a fragment without a name, 4 units of sweeps\n"
    assert rnnspec("validate", ".").err == whole


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github"])
def test_all_formats_show_the_problems_of_a_sweep(form: str, folder: Path) -> None:
    (folder / "seeds.yaml").write_text(SWEEP.replace("[0, 1]", "[0, x]"), encoding="utf-8")
    answer = rnnspec("validate", "seeds.yaml", "tiny.yaml", "--format", form)
    assert answer.code == 1
    assert "RS012" in answer.out
    assert "(in 2 units, such as tiny-seed_x)" in answer.out
    assert answer.err == "1 error in 1 of 1 spec and 1 sweep\n"


def test_a_problem_of_a_spec_is_not_repeated_for_its_sweeps(folder: Path) -> None:
    """Also if some of the units do not have it."""
    (folder / "wrong.yaml").write_text(
        "rnnspec: 1\nextends: tiny.yaml\nname: wrong\ntraining: {clip: -1}\n", encoding="utf-8"
    )
    methods = "{plain: [], clipped: {set: {training.clip: 1.0}}}"
    sweep = f"rnnspec: 1\nsweep: clips\nspecs: [wrong.yaml]\nmethods: {methods}\n"
    (folder / "clips.yaml").write_text(sweep, encoding="utf-8")
    found = json.loads(rnnspec("validate", "wrong.yaml", "clips.yaml", "--format", "json").out)
    assert [d["message"] for d in found] == ["'clip' is -1"]
    found = json.loads(rnnspec("validate", "clips.yaml", "--format", "json").out)
    assert [d["message"] for d in found] == ["'clip' is -1 (in wrong)"]


def test_settings_and_overlays_of_the_command_line() -> None:
    assert rnnspec("validate", "seeds.yaml", "--set", "training.networks=3").code == 0
    wrong = rnnspec("validate", "seeds.yaml", "--set", "training.netwroks=3")
    assert "--set:1:10: error[RS010] 'netwroks' is not a key of 'training'\n" in wrong.out
    refused = rnnspec("validate", "seeds.yaml", "--with", "fast")
    assert (refused.code, refused.out) == (2, "")
    assert "The overlays of a sweep stand in its 'methods'." in refused.err


@pytest.mark.parametrize("command", ["train", "compile", "resolve", "bench"])
def test_a_sweep_in_place_of_a_spec(command: str) -> None:
    answer = rnnspec(command, "seeds.yaml")
    assert answer.code == 1
    assert "seeds.yaml:2:1: error[RS503] this document is a sweep\n" in answer.err
    assert "help: 'rnnspec sweep seeds.yaml' trains its units\n" in answer.err


def test_a_sweep_in_place_of_an_overlay_or_a_base(folder: Path) -> None:
    assert "RS503" in rnnspec("resolve", "tiny.yaml", "--with", "seeds.yaml").err
    (folder / "other.yaml").write_text("rnnspec: 1\nextends: seeds.yaml\n", encoding="utf-8")
    assert "help: a spec extends only specs and fragments\n" in rnnspec("resolve", "other.yaml").err


def test_a_spec_in_place_of_a_sweep() -> None:
    answer = rnnspec("sweep", "tiny.yaml")
    assert answer.code == 1
    assert "error[RS503] this document is a spec\n" in answer.err
    assert "help: 'rnnspec train tiny.yaml' trains it\n" in answer.err
    assert "error[RS503] this document is part of a spec\n" in rnnspec("sweep", "methods/fast.yaml").err
