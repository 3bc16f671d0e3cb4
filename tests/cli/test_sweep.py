"""`rnnspec sweep`: a sweep is trained, looked at, and gone on with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli.command import PROGRAM, Child, rnnspec
from sweeps.samples import write_sweep

from rnnspec.cli.failures import UNITS_FAILED


def sweep(path: Path, *words: str) -> tuple[int, str, str]:
    """Run the command in a process of its own; return its exit code and what it printed."""
    command = [*PROGRAM, "sweep", str(path), "--out", str(path.parent / "runs"), "--target", "cpu", *words]
    with Child(command, stdout=-1, stderr=-1, text=True) as process:
        out, err = process.communicate()
        return process.returncode, out, err


def states(path: Path) -> dict[str, str]:
    answer = rnnspec("sweep", path, "--out", path.parent / "runs", "--status", "--json")
    assert answer.code == 0, answer.err
    return {unit["unit"]: unit["state"] for unit in json.loads(answer.out)["units"]}


def test_a_failing_unit_does_not_stop_the_others_and_is_tried_again(tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    assert set(states(path).values()) == {"waiting"}
    bad = next(iter(states(path)))
    in_its_way = tmp_path / "runs" / "small" / bad
    in_its_way.parent.mkdir(parents=True)
    in_its_way.write_text("a file where the run folder goes")

    code, out, err = sweep(path, "--workers", "1")
    assert code == UNITS_FAILED
    assert out == f"small: 3 of 4 units done, 1 failed -> {tmp_path}/runs/small\n"
    assert err.count("finished after iteration 6") == 3
    assert f"{bad} failed:" in err
    assert "File exists" in err
    assert "Traceback" not in err
    assert states(path)[bad] == "failed"
    looked = rnnspec("sweep", path, "--out", tmp_path / "runs", "--status")
    assert f"failed: {bad}: {in_its_way}: File exists" in looked.out.replace("\n", "")

    in_its_way.unlink()
    code, out, err = sweep(path, "--only", f"seed={bad[-10]}", "--quiet")
    assert (code, err) == (0, "")
    code, out, err = sweep(path)
    assert (code, out) == (0, f"small: 4 of 4 units done -> {tmp_path}/runs/small\n")
    # Nothing was left to train, so nothing was begun.
    assert err.startswith(f"small: 4 of 4 units done -> {tmp_path}/runs/small\nIts results: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only", "seed=7"], r"No unit of small has training.seed=7.\n.*with one of: 0, 1"),
        (["--only", "sed=1"], r"'sed' is nothing in which the units of small differ.\n.*one of: spec,"),
        (["--only", "method"], r"No unit of small has method=\.\.\."),
        (["--only", "method=fast", "--only", "method=plain"], r"No unit of small is left"),
        (["--status", "--dry-run"], r"different things"),
        (["--workers", "0"], r"--workers'.* greater than or equal to 1"),
        (["--dtype", "float16"], r"'float16' is not one of: float32, float64"),
        (["--set", "training.sed=1"], r"RS010.* 'sed' is not a key of 'training'"),
    ],
)
def test_wrong_usage_names_place_and_remedy(tmp_path: Path, words: list[str], message: str) -> None:
    answer = rnnspec("sweep", write_sweep(tmp_path), "--out", tmp_path / "runs", *words)
    assert answer.code in (1, 2)
    assert re.search(message, answer.err), answer.err
    assert not (tmp_path / "runs").exists()


def test_run_folders_of_another_spec_are_pointed_out(tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    old = tmp_path / "runs" / "small" / "tiny-seed_0-00000000"
    old.mkdir(parents=True)
    (old / "manifest.json").write_text("{}")
    answer = rnnspec("sweep", path, "--out", tmp_path / "runs", "--status")
    assert "1 run folder of other units, such as tiny-seed_0-00000000" in answer.out


def test_only_some_units_are_asked_for_and_the_others_are_known(tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    for name in states(path):
        folder = tmp_path / "runs" / "small" / name
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    answer = rnnspec("sweep", path, "--out", tmp_path / "runs", "--status", "--only", "seed=0")
    assert "of other units" not in answer.out
    assert answer.out.startswith("small: 0 of 2 units done")


def test_a_folder_that_is_not_there_is_said_to_be_so(tmp_path: Path) -> None:
    answer = rnnspec("sweep", write_sweep(tmp_path), "--out", tmp_path / "elsewhere", "--status")
    assert f"There is no folder {tmp_path}/elsewhere/small: nothing has begun there." in answer.out


def test_prose_of_a_spec_makes_no_other_units(tmp_path: Path) -> None:
    path = write_sweep(tmp_path)
    before = states(path)
    spec = tmp_path / "tiny.yaml"
    text = spec.read_text().replace("Hold, look", "Hold on, look")
    spec.write_text(text.replace("name: tiny", "name: tiny\nlabel: t"))
    assert states(path) == before
    spec.write_text(text.replace("dt: 20 ms", "dt: 10 ms"))
    assert not set(states(path)) & set(before)
