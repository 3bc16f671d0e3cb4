"""Training from end to end, and the run folder it leaves."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from training.samples import TARGET, load_tiny, write_tiny

import rnnspec
from rnnspec.errors import RequestError
from rnnspec.runtime.stages import stage_at
from rnnspec.training.events import Diverged, Evaluated, Event, Finished, Started, Stopping, Updated
from rnnspec.training.result import Result


def train(folder: Path, *settings: str, **options: Any) -> Result:
    spec = folder / "tiny.yaml"
    if not spec.exists():
        write_tiny(folder)
    options = {"overlays": ["fast"], "out": folder / "runs", "target": TARGET, **options}
    return rnnspec.train(spec, settings=settings, **options)


def metrics(result: Result) -> list[dict[str, Any]]:
    assert result.folder is not None
    return [json.loads(line) for line in (result.folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_folder(tmp_path: Path) -> None:
    events: list[Event] = []
    result = train(tmp_path, observer=events.append)
    folder = result.folder
    assert folder is not None
    assert result.status == "finished"
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "manifest.json",
        "metrics.jsonl",
        "spec.yaml",
        "timing.jsonl",
        "weights.safetensors",
    ]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert folder.name == f"tiny-fast-{manifest['identity'][:8]}"
    assert manifest["status"] == "finished"
    assert (manifest["seed"], manifest["networks"], manifest["threads"]) == (0, 3, torch.get_num_threads())
    assert manifest["result"]["iterations"] == 6
    kinds = [type(event) for event in events]
    assert kinds[0] is Started
    assert kinds[-1] is Finished
    assert (kinds.count(Updated), kinds.count(Evaluated)) == (6, 3)

    rows = metrics(result)
    assert [row["iteration"] for row in rows] == [2, 4, 6]
    # Evaluation follows the update; the stage is that of the update.
    program = result.simulation.program
    betas = [stage_at(program, i).stage.betas[0] for i in (1, 3, 5)]
    assert (
        [row["betas"] for row in rows]
        == [{"regular": beta} for beta in betas]
        == [
            {"regular": 0.5},
            {"regular": 0.75},
            {"regular": 1.0},
        ]
    )
    assert rows[-1]["performance"] == pytest.approx(result.performance, abs=1e-5)
    assert rows[-1]["trimmed_mean"] == pytest.approx(result.trimmed_mean, abs=1e-5)


def test_two_runs_give_the_same_files(tmp_path: Path) -> None:
    first, second = (train(tmp_path).folder for _ in range(2))
    assert first is not None
    assert second is not None
    assert second.name == f"{first.name}-2"
    for name in ("spec.yaml", "manifest.json", "metrics.jsonl", "weights.safetensors"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.parametrize("clip", [(), ("training.clip=0.001",)], ids=["plain", "clipped"])
def test_norms(tmp_path: Path, clip: tuple[str, ...]) -> None:
    """With plain gradient descent the gradient is what the last update changed, before it was clipped."""
    rate = 0.1
    settings = (f"training.optimizer={{kind: sgd, learning_rate: {rate}, momentum: 0}}", *clip)
    before, after = (train(tmp_path, f"training.iterations={n}", *settings) for n in (5, 6))
    (row,) = [row for row in metrics(after) if row["iteration"] == 6]
    pairs = list(zip(before.simulation.parameters(), after.simulation.parameters(), strict=True))
    squares = sum((new.detach().flatten(1) ** 2).sum(1) for _, new in pairs)
    assert row["weight_norm"] == pytest.approx(torch.as_tensor(squares).sqrt().tolist(), rel=1e-5)
    steps = sum((((old - new).detach().flatten(1) / rate) ** 2).sum(1) for old, new in pairs)
    changed = torch.as_tensor(steps).sqrt().tolist()
    if clip:
        assert changed == pytest.approx([0.001] * 3, rel=0.1)
        assert min(row["gradient_norm"]) > 0.002
    else:
        assert row["gradient_norm"] == pytest.approx(changed, rel=1e-3)


def test_learning(tmp_path: Path) -> None:
    losses: list[float] = []

    def observe(event: Event) -> None:
        if isinstance(event, Updated):
            losses.append(sum(event.loss))

    settings = ("training.iterations=40", "training.optimizer.learning_rate=0.05", "training.evaluate=none")
    result = train(tmp_path, *settings, out=None, observer=observe)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert (result.folder, result.evaluated, result.trimmed_mean, result.performance) == (
        None,
        None,
        None,
        (),
    )


def test_the_last_weights_are_evaluated(tmp_path: Path) -> None:
    result = train(tmp_path, "training.evaluate.every=4", "training.iterations=5")
    assert [row["iteration"] for row in metrics(result)] == [4, 5]


def test_stopping_at_the_criterion(tmp_path: Path) -> None:
    # The fixation output is a sigmoid: some performance is reached at once.
    result = train(tmp_path, "training.stop={performance: 0.01, trim: 0.34}", "training.iterations=100")
    assert (result.status, result.iterations, result.evaluated) == ("reached", 2, 2)
    assert result.trimmed_mean == sorted(result.performance)[1]
    assert result.reached == tuple(k for k, p in enumerate(result.performance) if p >= 0.01)


def test_one_network_of_an_ensemble(tmp_path: Path) -> None:
    """Network 2 alone learns what it learns among others."""
    whole, alone = train(tmp_path), train(tmp_path, only_network=2)
    assert alone.folder is not None
    assert "-network_2-" in alone.folder.name
    manifest = json.loads((alone.folder / "manifest.json").read_text())
    assert (manifest["networks"], manifest["first_network"], manifest["methods"]) == (1, 2, ["fast"])
    for name, weights in alone.simulation.named_parameters():
        torch.testing.assert_close(weights[0], dict(whole.simulation.named_parameters())[name][2])
    assert alone.performance == pytest.approx(whole.performance[2:])


def test_a_task_without_targets_is_refused(tmp_path: Path) -> None:
    nothing = ["task.target=null", "task.epochs.response.target=null", "training.evaluate=none"]
    with pytest.raises(RequestError, match="nothing to train"):
        train(tmp_path, *nothing)
    assert not (tmp_path / "runs").exists()


def test_only_a_network_that_exists(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="The spec has networks 0 to 2"):
        train(tmp_path, only_network=3)
    assert not (tmp_path / "runs").exists()


def test_divergence(tmp_path: Path) -> None:
    """A network that is lost scores 0, is null in the metrics, and does not move again."""
    events: list[Event] = []

    def spoil(event: Event) -> None:
        events.append(event)
        if isinstance(event, Updated) and event.completed == 3:
            simulation = started[0].simulation
            with torch.no_grad():
                simulation.bias[1] = torch.nan

    started: list[Started] = []

    def observe(event: Event) -> None:
        if isinstance(event, Started):
            started.append(event)
        spoil(event)

    result = train(tmp_path, observer=observe)
    assert [(d.network, d.iteration) for d in result.diverged] == [(1, 4)]
    assert result.performance[1] == 0.0
    lost = [event for event in events if isinstance(event, Diverged)]
    assert lost == [Diverged(result.diverged)]
    rows = metrics(result)
    assert rows[0]["diverged"] == []
    assert rows[1]["loss"][1] is None
    assert rows[1]["performance"][1] == 0.0
    assert rows[1]["diverged"][0]["network"] == 1
    assert result.folder is not None
    assert rnnspec.evaluate(result.folder).performance[1] == 0.0


def test_no_network_left(tmp_path: Path) -> None:
    def spoil(event: Event) -> None:
        if isinstance(event, Started):
            with torch.no_grad():
                event.simulation.bias.fill_(torch.nan)

    result = train(tmp_path, observer=spoil)
    # They never had finite weights to restore, but the divergences are still reported in order.
    assert (result.status, result.iterations, len(result.diverged)) == ("diverged", 1, 3)


# --- interruption ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_a_signal_lets_the_iteration_finish(tmp_path: Path, number: signal.Signals, status: str) -> None:
    events: list[Event] = []

    def observe(event: Event) -> None:
        events.append(event)
        if isinstance(event, Updated) and event.completed == 3:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    result = train(tmp_path, observer=observe)
    assert (result.status, result.iterations, result.signal) == (status, 3, number.name)
    assert any(isinstance(event, Stopping) for event in events)
    assert signal.getsignal(number) is before
    assert result.folder is not None
    simulation = rnnspec.load_run(result.folder)[1]
    assert torch.equal(simulation.w_rec, result.simulation.w_rec)


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def observe(event: Event) -> None:
        if isinstance(event, Updated):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, observer=observe)
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "interrupted"
    with pytest.raises(RequestError, match="was stopped by a second Ctrl-C") as refusal:
        rnnspec.load_run(folder)
    assert refusal.value.remedy == f"Resume it with: rnnspec resume {folder}"


def test_training_in_a_thread(tmp_path: Path) -> None:
    """Python lets only the main thread listen to signals."""
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(train(tmp_path)))
    thread.start()
    thread.join()
    assert results[0].status == "finished"


def test_an_error_is_noted_in_the_manifest(tmp_path: Path) -> None:
    def observe(event: Event) -> None:
        if isinstance(event, Updated):
            raise ValueError("a display that fails")

    with pytest.raises(ValueError, match="a display that fails"):
        train(tmp_path, observer=observe)
    (folder,) = (tmp_path / "runs").iterdir()
    assert json.loads((folder / "manifest.json").read_text())["status"] == "failed"


# --- what is stored ----------------------------------------------------------------------------------

DALE = [
    "network.populations.input.sign=excitatory",
    "network.populations.output.sign=inhibitory",
    "network.connections.input -> output={density: 0.5}",
    "network.connections.output -> output={self: false}",
    "network.outputs.saccade.bias=true",
    "network.outputs.fixation.bias=true",
]


@pytest.mark.parametrize("settings", [(), DALE])
def test_weights_come_back(tmp_path: Path, settings: list[str]) -> None:
    result = train(tmp_path, *settings)
    assert result.folder is not None
    specification, simulation = rnnspec.load_run(result.folder)
    assert specification.program == result.simulation.program
    for name, weight in result.simulation.named_parameters():
        assert torch.equal(weight, simulation.get_parameter(name)), name
    for name, weights in result.simulation.weights().items():
        assert torch.equal(weights, simulation.weights()[name]), name


def test_weights_are_named_and_used_as_they_are(tmp_path: Path) -> None:
    result = train(tmp_path, *DALE)
    assert result.folder is not None
    tensors = safetensors.numpy.load_file(result.folder / "weights.safetensors")
    used = result.simulation.weights()["w_rec"].detach().numpy()
    np.testing.assert_array_equal(tensors["w_rec/input->output"], used[:, 3:6, 0:3])
    np.testing.assert_array_equal(tensors["w_rec/output->input"], used[:, 0:3, 3:6])
    assert (tensors["w_rec/output->input"] <= 0).all()
    assert (tensors["raw/w_rec/output->input"] >= 0).any()
    assert tensors["w_in/stimulus->input"].shape == (3, 3, 4)
    assert tensors["w_out/output->saccade"].shape == (3, 4, 3)
    assert tensors["bias/output"].shape == (3, 3)
    # What does not exist is not there: the stimulus does not reach the output population.
    assert "w_in/stimulus->output" not in tensors


@pytest.mark.parametrize("name", ["weights.safetensors", "spec.yaml"])
@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:50] + b"?" + data[51:]])
def test_a_damaged_run_is_noticed(tmp_path: Path, name: str, damage: Callable[[bytes], bytes]) -> None:
    folder = train(tmp_path).folder
    assert folder is not None
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(RequestError, match=f"{name} is not the file that the training wrote"):
        rnnspec.load_run(folder)


def test_a_damaged_manifest(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 1, "netw')
    with pytest.raises(RequestError, match="is damaged: it is not JSON"):
        rnnspec.load_run(tmp_path)


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": 99}', '{"format": 1, "networks": true}'])
def test_a_manifest_of_another_kind(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RequestError, match="was not written by this version of rnnspec"):
        rnnspec.load_run(tmp_path)


def test_what_is_no_run_folder(tmp_path: Path) -> None:
    folder = train(tmp_path).folder
    with pytest.raises(RequestError, match=f"Did you mean {folder}"):
        rnnspec.load_run(tmp_path / "runs")
    with pytest.raises(RequestError, match="is a file, not a run folder"):
        rnnspec.load_run(tmp_path / "tiny.yaml")
    for read in (rnnspec.load_run, rnnspec.evaluate, rnnspec.simulate):
        with pytest.raises(RequestError, match="There is no run folder"):
            read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["weights.safetensors", "spec.yaml", "manifest.json"])
def test_a_file_of_a_run_that_is_missing(tmp_path: Path, name: str) -> None:
    folder = train(tmp_path).folder
    assert folder is not None
    (folder / name).unlink()
    with pytest.raises(RequestError, match=name) as refusal:
        rnnspec.load_run(folder)
    made_again = f"Make it again from the last checkpoint with: rnnspec resume {folder}"
    restored = "Restore the folder from a copy, or train again."
    assert refusal.value.remedy == (made_again if name == "weights.safetensors" else restored)


def test_a_run_of_another_version_of_the_language(tmp_path: Path) -> None:
    folder = train(tmp_path).folder
    assert folder is not None
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["versions"] |= {"language": 9, "rnnspec": "7.1"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RequestError, match="is of version 9 of the language") as refusal:
        rnnspec.load_run(folder)
    assert refusal.value.remedy == "Use the rnnspec that wrote it, 7.1."


def test_full_disks_are_noticed_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 10**6

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(RequestError, match=r"has room for 1\.0 MB, and the networks .* need 1\.1 MB"):
        train(tmp_path)
    assert list((tmp_path / "runs").iterdir()) == []


def test_independent_of_the_working_folder(tmp_path: Path) -> None:
    """A specification that is loaded trains without the files it came from."""
    specification = load_tiny(tmp_path)
    (tmp_path / "tiny.yaml").unlink()
    result = rnnspec.train(specification, out=tmp_path / "runs", target=TARGET)
    assert result.folder is not None
    assert (result.folder / "spec.yaml").read_text() == specification.text
