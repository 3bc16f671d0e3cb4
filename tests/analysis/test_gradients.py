"""How gradients fade on their way back through time."""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from support import program
from training.samples import write_tiny
from training.test_resume import folder_of, stop_at, train

import rnnspec
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.effective_weights import effective, structure
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.runtime.reference.engine import Reference
from rnnspec.training.events import Event, Warned
from rnnspec.training.resume import resume

LINEAR = """
rnnspec: 1
name: linear
network:
  dt: 10 ms
  populations: {only: {size: 1, tau: 50 ms}}
  activation: linear
  inputs: {cue: {}}
  outputs: {answer: {activation: linear}}
  weights: {w_rec: zeros, w_in: zeros, w_out: "uniform(1, 2)", bias: zeros}
task:
  epochs:
    wait: {duration: 100 ms}
    answer: {duration: 10 ms, target: {answer: 1}}
training: {batch: 1}
"""


def gradients(spec: str, betas: tuple[float, ...]) -> list[float]:
    found = program(base=spec)
    raw = initial_weights(found, 1, 0, 0, torch.float64)
    weights = effective(raw, structure(found, 1, 0, 0), found.network.dale)
    batch = Batch(1, 0, 0, "train", Stage(Fraction(1), betas))
    norms, (table,) = Reference(found).state_gradients(weights, batch)
    assert norms.shape == (1, 1, table.steps + 1)
    return [float(norm) for norm in norms[0, 0]]


def test_a_leaky_unit_forgets_as_it_leaks() -> None:
    """r' = (1 - a) r: each step back the gradient is smaller by 1 - a, a = dt / tau = 0.2."""
    found = gradients(LINEAR, ())
    assert len(found) == 12
    for earlier, later in pairwise(found[1:]):
        assert earlier == pytest.approx(0.8 * later)


def test_a_skip_carries_it_back() -> None:
    """Over n steps a skip with weight 1 - beta adds to what the path through the steps leaves."""
    skip = "skips: {edges: {most: {kind: sctt, from: wait.start + 20 ms, to: wait.end}}}\n"
    plain, skipping = gradients(LINEAR, ()), gradients(LINEAR + skip, (0.25,))
    assert skipping[10] == pytest.approx(plain[10])
    assert skipping[2] / skipping[10] == pytest.approx(0.75 + 0.25 * 0.8**8)
    assert plain[2] / plain[10] == pytest.approx(0.8**8)


def test_the_error_is_that_of_the_last_epoch_with_a_target() -> None:
    """An earlier target adds nothing, and the gradient reaches back through its epoch."""
    report = LINEAR.replace(
        "    answer:", "    report: {duration: 30 ms, target: {answer: 0.5}}\n    answer:"
    )
    found, without = gradients(report, ()), gradients(report.replace(", target: {answer: 0.5}", ""), ())
    assert found == pytest.approx(without)
    assert len(found) == 15
    assert found[-1] > 0
    for earlier, later in pairwise(found[1:]):
        assert earlier == pytest.approx(0.8 * later)


def lines(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "gradients.jsonl").read_text().splitlines()]


def test_what_is_kept(tmp_path: Path) -> None:
    run = folder_of(train(write_tiny(tmp_path), diagnose_at=[1, 5]))
    rows = lines(run)
    assert [row["iteration"] for row in rows] == [1, 5]
    assert [row["betas"] for row in rows] == [{"regular": 0.5}, {"regular": 1.0}]
    for row in rows:
        for kind in ("training", "plain"):
            found = row[kind]
            assert isinstance(found, dict)
            sizes = {
                len(found[name]) for name in ("seconds", "lowest", "first", "median", "third", "highest")
            }
            assert len(sizes) == 1
            assert found["lowest"][3] <= found["median"][3] <= found["highest"][3]
            assert [epoch["epoch"] for epoch in found["epochs"]] == ["stimulus", "response"]
    # With beta 1 nothing skips.
    assert rows[1]["training"] == rows[1]["plain"]
    assert rows[0]["training"] != rows[0]["plain"]


def test_looking_changes_nothing(tmp_path: Path) -> None:
    spec = write_tiny(tmp_path)
    plain, watched = folder_of(train(spec)), folder_of(train(spec, diagnose_at=[1, 3]))
    for name in ("weights.safetensors", "metrics.jsonl"):
        assert (plain / name).read_bytes() == (watched / name).read_bytes()


def test_going_on_looks_again(tmp_path: Path) -> None:
    spec = write_tiny(tmp_path)
    whole = folder_of(train(spec, diagnose_at=[2, 4, 6]))
    run = folder_of(train(spec, diagnose_at=[2, 4, 6], checkpoint_iterations=3, observer=stop_at(5)))
    # As if it had been cut off in iteration 5, after a look at iteration 4 that no checkpoint knows.
    (run / "checkpoints" / "000000005.json").unlink()
    resume(run)
    assert lines(run) == lines(whole)


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    events: list[Event] = []
    run = folder_of(train(write_tiny(tmp_path), diagnose_at=[1], observer=events.append))
    said = [event.text for event in events if isinstance(event, Warned)]
    assert said == [
        "gradients.svg was not drawn: matplotlib is not installed; the numbers are in gradients.jsonl."
    ]
    assert len(lines(run)) == 1


def test_a_picture_that_cannot_be_kept_costs_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("rnnspec.runs.gradients.append_line", full)
    events: list[Event] = []
    result = train(write_tiny(tmp_path), diagnose_at=[1], observer=events.append)
    assert result.status == "finished"
    (said,) = [event.text for event in events if isinstance(event, Warned)]
    assert said.endswith("gradients.jsonl could not be written: No space left on device.")


def test_whatever_goes_wrong_with_it_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError("no room for so many states")

    monkeypatch.setattr("rnnspec.training.session.diagnose_gradients", exhausted)
    events: list[Event] = []
    result = train(write_tiny(tmp_path), diagnose_at=[2], observer=events.append)
    assert result.status == "finished"
    said = [event.text for event in events if isinstance(event, Warned)]
    assert said == ["The gradients of iteration 2 could not be measured: no room for so many states."]


def test_a_line_that_was_cut_off(tmp_path: Path) -> None:
    run = folder_of(train(write_tiny(tmp_path), diagnose_at=[1, 5], observer=stop_at(3)))
    with (run / "gradients.jsonl").open("a") as file:
        file.write('{"iteration": 2, "betas"')
    resume(run)
    assert [row["iteration"] for row in lines(run)] == [1, 5]


@pytest.mark.parametrize("line", [b"5\n", b"\xff\n", b'{"epoch": 1}\n', b"[" * 99_999 + b"\n"])
def test_a_line_that_is_damaged_stops_nothing(tmp_path: Path, line: bytes) -> None:
    run = folder_of(train(write_tiny(tmp_path), diagnose_at=[1, 5], observer=stop_at(3)))
    with (run / "gradients.jsonl").open("ab") as file:
        file.write(line)
    resume(run)
    assert [row["iteration"] for row in lines(run)] == [1, 5]


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run = folder_of(train(write_tiny(tmp_path), diagnose_at=[1]))
    picture = (run / "gradients.svg").read_bytes()
    assert picture.startswith(b"<?xml")
    (run / "gradients.svg").unlink()
    assert rnnspec.plot_gradients(run) == run / "gradients.svg"
    assert b"iteration 1" in picture
    assert b"iteration 1" in (run / "gradients.svg").read_bytes()


def test_nothing_to_draw(tmp_path: Path) -> None:
    run = folder_of(train(write_tiny(tmp_path)))
    with pytest.raises(rnnspec.RequestError, match="its gradients were not measured"):
        rnnspec.plot_gradients(run)
    pytest.importorskip("matplotlib")
    for text, said in (("", "has nothing to draw"), ('{"iteration": 1}', "line 1 has no field 'betas'")):
        (run / "gradients.jsonl").write_text(text)
        with pytest.raises(rnnspec.RequestError, match=said):
            rnnspec.plot_gradients(run)


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="diagnose_at"):
        rnnspec.train(write_tiny(tmp_path), out=None, diagnose_at=[0])
