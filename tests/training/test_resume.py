"""Going on with a training: to the same bits, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from runs.tampering import rewrite_checkpoint
from training.samples import write_tiny

import rnnspec
from rnnspec.errors import RequestError
from rnnspec.runs.identity import identity_of
from rnnspec.training.events import Checkpointed, Event, Started, Updated
from rnnspec.training.result import Result
from rnnspec.training.resume import extend, resume

#: Beta changes in iterations 2 and 4 of `fast`; theta likewise of `coarse`.
COARSE = "rnnspec: 1\ncoarsening: {from: 4, increments: 2, over: 6 iterations}\n"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = write_tiny(tmp_path)
    (tmp_path / "methods" / "coarse.yaml").write_text(COARSE, encoding="utf-8")
    return path


def train(spec: Path, method: str = "fast", *settings: str, **options: Any) -> Result:
    options = {"target": "torch", "out": spec.parent / "runs", **options}
    return rnnspec.train(spec, overlays=[method], settings=settings, **options)


def stop_at(iteration: int, number: int = signal.SIGTERM) -> Callable[[Event], None]:
    def observe(event: Event) -> None:
        if isinstance(event, Updated) and event.completed == iteration:
            os.kill(os.getpid(), number)

    return observe


def folder_of(result: Result) -> Path:
    assert result.folder is not None
    return result.folder


def assert_same(run: Path, whole: Path) -> None:
    """The same weights, metrics and state of the optimiser, to the byte."""
    last = sorted((whole / "checkpoints").glob("*.safetensors"))[-1]
    for name in ("weights.safetensors", "metrics.jsonl", f"checkpoints/{last.name}"):
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name


OPTIMIZERS = [
    "{kind: adam, learning_rate: 0.01}",
    "{kind: sgd, learning_rate: 0.1, momentum: 0.9}",
    "{kind: sgd, learning_rate: 0.1, momentum: 0}",
    "{kind: rmsprop, learning_rate: 0.01, momentum: 0.5}",
]


@pytest.mark.parametrize(
    ("method", "optimizer"), [*(("fast", optimizer) for optimizer in OPTIMIZERS), ("coarse", OPTIMIZERS[0])]
)
def test_the_same_bits_wherever_it_stopped(spec: Path, method: str, optimizer: str) -> None:
    setting = f"training.optimizer={optimizer}"
    whole = folder_of(train(spec, method, setting))
    for iteration in range(1, 6):
        stopped = train(spec, method, setting, observer=stop_at(iteration))
        assert (stopped.status, stopped.iterations, stopped.signal) == ("terminated", iteration, "SIGTERM")
        result = resume(folder_of(stopped))
        assert (result.status, result.iterations) == ("finished", 6)
        assert_same(folder_of(stopped), whole)


def test_kernels_go_on_to_the_same_bits(spec: Path) -> None:
    whole = folder_of(train(spec, target="cpu"))
    stopped = folder_of(train(spec, target="cpu", observer=stop_at(3)))
    resume(stopped)
    assert_same(stopped, whole)


def test_a_run_that_was_moved(spec: Path, tmp_path: Path) -> None:
    whole = folder_of(train(spec))
    stopped = folder_of(train(spec, observer=stop_at(3)))
    moved = tmp_path / "elsewhere" / "renamed"
    moved.parent.mkdir()
    shutil.move(stopped, moved)
    result = resume(moved)
    assert result.folder == moved
    assert_same(moved, whole)
    assert rnnspec.evaluate(moved, sequences=4).sequences == 4


def test_cut_off_without_a_word(spec: Path) -> None:
    """As a power cut leaves it: the metrics are ahead of the checkpoint, the manifest says running."""
    whole = folder_of(train(spec))
    run = folder_of(train(spec, checkpoint_iterations=1, observer=stop_at(5)))
    (run / "weights.safetensors").unlink()
    last = sorted((run / "checkpoints").glob("*.json"))[-1]
    assert last.name == "000000005.json"
    last.unlink()
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"torn": ')
    (run / "checkpoints" / ".000000005.json.x1y2").write_text("half")
    result = resume(run)
    assert result.iterations == 6
    assert_same(run, whole)
    assert not list((run / "checkpoints").glob(".*"))


def cut_off(run: Path) -> None:
    """Leave a run as a power cut does, before its first checkpoint."""
    manifest = json.loads((run / "manifest.json").read_text())
    changed = {"status": "running", "result": None, "checkpointed": False}
    (run / "manifest.json").write_text(json.dumps(manifest | changed))
    (run / "weights.safetensors").unlink()


def test_cut_off_before_the_first_checkpoint(spec: Path) -> None:
    whole = folder_of(train(spec))
    run = folder_of(train(spec, observer=stop_at(2)))
    cut_off(run)
    shutil.rmtree(run / "checkpoints")
    notes: list[str] = []
    resume(run, on_note=notes.append)
    assert notes == [f"{run} has no checkpoint yet; training starts from the beginning."]
    assert_same(run, whole)


def test_weights_stay_until_there_are_others(spec: Path) -> None:
    """A run that goes on and is cut off again can be evaluated as it was before."""
    run = folder_of(train(spec))
    weights = (run / "weights.safetensors").read_bytes()

    def die(event: Event) -> None:
        if isinstance(event, Updated):
            raise MemoryError

    with pytest.raises(MemoryError):
        extend(run, 5, observer=die)
    assert (run / "weights.safetensors").read_bytes() == weights
    assert rnnspec.evaluate(run, sequences=4).sequences == 4


def _gone(file: Path) -> None:
    file.unlink()


def _flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("lose", [_gone, _flipped])
@pytest.mark.parametrize("goal", [0.01, 1], ids=["reached", "finished"])
@pytest.mark.parametrize("checkpoint", ["whole", "damaged"])
def test_weights_that_were_lost_are_made_again(
    spec: Path, lose: Callable[[Path], None], goal: float, checkpoint: str
) -> None:
    settings = f"training.stop={{performance: {goal}}}"
    whole = folder_of(train(spec, "fast", settings))
    run = folder_of(train(spec, "fast", settings, checkpoint_iterations=1))
    before = json.loads((run / "manifest.json").read_text())
    lose(run / "weights.safetensors")
    if checkpoint == "damaged":
        _flipped(sorted((run / "checkpoints").glob("*.safetensors"))[-1])
    with pytest.raises(RequestError, match=r"weights\.safetensors") as refusal:
        rnnspec.load_run(run)
    assert refusal.value.remedy.endswith(f"from the last checkpoint with: rnnspec resume {run}")
    notes: list[str] = []
    resume(run, on_note=notes.append)
    assert len(notes) == 1 + (checkpoint == "damaged")
    assert notes[0].endswith("; it is made again.")
    assert_same(run, whole)
    after = json.loads((run / "manifest.json").read_text())
    assert after == before
    rnnspec.load_run(run)


@pytest.mark.parametrize("how", ["broken", "gone"])
def test_a_run_without_a_whole_checkpoint_is_left_as_it_is(spec: Path, how: str) -> None:
    run = folder_of(train(spec, observer=stop_at(5)))
    for file in (run / "checkpoints").iterdir():
        if how == "gone":
            file.unlink()
        elif file.suffix == ".json":
            file.write_bytes(file.read_bytes()[:20])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(RequestError, match=r"has (lost its|no) checkpoint") as refusal:
        resume(run, allow_drift=True)
    assert refusal.value.remedy == "Restore the folder from a copy, or train again."
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_checkpoint_of_another_version_is_not_taken_for_a_broken_one(
    spec: Path,
) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    rewrite_checkpoint(run, format=7)
    with pytest.raises(RequestError, match="has format 7, and this rnnspec reads format 2"):
        resume(run)
    assert list((run / "checkpoints").glob("*.json"))


def test_what_broken_writes_left_is_cleared_away(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    for name in (".weights.safetensors.abcd", ".manifest.json.x1", "checkpoints/.000000003.json.y"):
        (run / name).write_text("half")
    resume(run)
    assert not list(run.rglob(".*"))


def test_a_time_that_cannot_be_noted(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    (run / "timing.jsonl").unlink()
    (run / "timing.jsonl").mkdir()
    assert resume(run).status == "finished"


def test_two_generations_are_kept(spec: Path) -> None:
    kept: list[int] = []

    def observe(event: Event) -> None:
        if isinstance(event, Checkpointed):
            kept.append(event.completed)

    run = folder_of(train(spec, checkpoint_iterations=2, observer=observe))
    assert kept == [2, 4, 6]
    names = sorted(path.name for path in (run / "checkpoints").iterdir())
    assert names == [f"00000000{n}.{kind}" for n in (4, 6) for kind in ("json", "safetensors")]


def test_checkpoints_by_time(spec: Path) -> None:
    kept: list[Event] = []
    train(spec, checkpoint_seconds=0.0, observer=kept.append)
    assert [event.completed for event in kept if isinstance(event, Checkpointed)] == [1, 2, 3, 4, 5, 6]


def test_no_checkpoint_is_written_for_its_own_sake(spec: Path) -> None:
    kept: list[Event] = []
    train(spec, checkpoint_seconds=None, observer=kept.append)
    assert not any(isinstance(event, Checkpointed) for event in kept)


def test_what_is_shown_goes_on(spec: Path) -> None:
    stopped = folder_of(train(spec, observer=stop_at(4)))
    begun: list[Started] = []
    resume(stopped, observer=lambda e: begun.append(e) if isinstance(e, Started) else None)
    ((start,),) = [begun]
    assert (start.completed, start.iterations, len(start.history)) == (4, 6, 2)


# --- further than it was to go -----------------------------------------------------------------------


def test_a_run_that_is_over_has_nothing_left(spec: Path) -> None:
    run = folder_of(train(spec))
    with pytest.raises(
        RequestError, match="nothing left to do: its training made all its iterations"
    ) as refusal:
        resume(run)
    assert refusal.value.remedy == f"Train it further with: rnnspec extend {run} 5000"


def test_extending(spec: Path) -> None:
    """The schedule of beta stays where it was: a longer training with that interval is the same."""
    whole = folder_of(train(spec, "fast", "training.iterations=10"))
    run = folder_of(train(spec))
    result = extend(run, 4)
    assert (result.status, result.iterations) == ("finished", 10)
    assert_same(run, whole)
    # Once more, and stopped on the way: the rest is still to be done.
    notes: list[str] = []
    stopped = extend(run, 4, observer=stop_at(12), on_note=notes.append)
    assert notes == [f"The networks in {run} will be overwritten; copy the folder to keep them."]
    assert (stopped.status, stopped.iterations) == ("terminated", 12)
    with pytest.raises(RequestError, match="still has 2 of 14 iterations to make"):
        extend(run, 100)
    assert resume(run).iterations == 14


def test_a_criterion_that_was_reached_counts_no_more(spec: Path) -> None:
    goal = "training.stop={performance: 0.01}"
    run = folder_of(train(spec, "fast", goal))
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["status"], manifest["result"]["iterations"]) == ("reached", 2)
    result = extend(run, 3)
    assert (result.status, result.iterations) == ("finished", 5)


def test_extending_counts_from_what_was_made(spec: Path) -> None:
    """Also where the last checkpoint is damaged, and the one before is used."""
    whole = folder_of(train(spec))
    extend(whole, 2)
    run = folder_of(train(spec, checkpoint_iterations=1))
    _flipped(run / "checkpoints" / "000000006.safetensors")
    assert extend(run, 2).iterations == 8
    assert_same(run, whole)


# --- what would change the result --------------------------------------------------------------------


def drifted(run: Path, changed: str) -> None:
    """Assert that a run is refused for what has changed, and goes on with it if that is allowed."""
    with pytest.raises(RequestError, match="cannot be resumed to the same bits") as refusal:
        resume(run)
    assert changed in str(refusal.value)
    assert "--allow-drift" in refusal.value.remedy
    notes: list[str] = []
    result = resume(run, allow_drift=True, on_note=notes.append)
    assert result.status == "finished"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["drift"] == [{"iteration": 3, "changed": [changed]}]
    assert notes == [f"Changed: {changed}."]


def rewritten(run: Path, **fields: object) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, **fields}))


def test_another_torch(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    versions = json.loads((run / "manifest.json").read_text())["versions"]
    rewritten(run, versions={**versions, "torch": "2.0.0"})
    drifted(run, f"torch was 2.0.0, and is {torch.__version__} now")


def test_a_run_of_an_older_version(spec: Path) -> None:
    """Before 0.2.0, balanced variables were dealt, and drawn durations were rounded, in another way."""
    run = folder_of(train(spec, observer=stop_at(3)))
    manifest = json.loads((run / "manifest.json").read_text())
    text = (run / "spec.yaml").read_text()
    assert manifest["versions"]["rnnspec"] == rnnspec.__version__ != "0.1.0"
    older = {**manifest["versions"], "rnnspec": "0.1.0"}
    rewritten(run, versions=older, identity=identity_of(text, "0.1.0"))
    drifted(run, f"rnnspec was 0.1.0, and is {rnnspec.__version__} now")


def test_another_spec(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    text = (run / "spec.yaml").read_text()
    (run / "spec.yaml").write_text(text.replace("scale: 0.1", "scale: 0.2"))
    drifted(run, "spec.yaml was edited after training had begun")


def test_a_spec_with_other_networks_is_refused_before_anything_is_changed(spec: Path) -> None:
    sgd = "training.optimizer={kind: sgd, learning_rate: 0.1}"
    run = folder_of(train(spec, "fast", sgd, observer=stop_at(3)))
    text = (run / "spec.yaml").read_text()
    for changed, why in (
        (text.replace("size: 3", "size: 4", 1), "the mask of w_in has another shape or type"),
        (text.replace("kind: sgd", "kind: adam"), "it has the state of another optimiser"),
    ):
        assert changed != text
        (run / "spec.yaml").write_text(changed)
        before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        with pytest.raises(RequestError, match=why):
            resume(run, allow_drift=True)
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_what_was_allowed_once_is_not_asked_again(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(2)))
    text = (run / "spec.yaml").read_text()
    (run / "spec.yaml").write_text(text.replace("scale: 0.1", "scale: 0.2"))
    resume(run, allow_drift=True, observer=stop_at(4))
    assert resume(run).status == "finished"


def test_another_machine_for_a_target_without_kernels(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    hardware = json.loads((run / "manifest.json").read_text())["hardware"]
    rewritten(run, hardware="an abacus")
    drifted(run, f"the hardware was an abacus, and is {hardware} now")


@pytest.mark.parametrize("what", ["source", "compiler", "flags", "processor"])
def test_what_changed_of_a_kernel_is_named(spec: Path, what: str) -> None:
    run = folder_of(train(spec, target="cpu", observer=stop_at(3)))
    kernel = json.loads((run / "manifest.json").read_text())["kernel"]
    old = {"source": "0" * 64, "compiler": "cc 1; vax", "flags": ["-O1"], "processor": "abc"}[what]
    rewritten(run, kernel={**kernel, what: old})
    said = {
        "source": "rnnspec generates another kernel for the same spec now: its templates have changed",
        "compiler": f"the compiler was cc 1; vax, and is {kernel['compiler']} now",
        "flags": f"the compiler flags were -O1, and are {' '.join(kernel['flags'])} now",
        "processor": f"the processor was abc, and is {kernel['processor']} now",
    }
    drifted(run, said[what])


def test_a_kernel_of_which_nothing_is_recorded(spec: Path) -> None:
    run = folder_of(train(spec, target="cpu", observer=stop_at(3)))
    rewritten(run, kernel=None)
    drifted(run, "the manifest records no compiled kernel, but the target cpu has one now")


def test_a_kernel_that_changes_with_the_spec_is_no_change_of_its_own(spec: Path) -> None:
    """Neither compiler nor processor have changed, so none is blamed."""
    run = folder_of(train(spec, target="cpu", observer=stop_at(3)))
    text = (run / "spec.yaml").read_text()
    (run / "spec.yaml").write_text(text.replace("correct: fixation > 0.5", "correct: fixation > 0.6"))
    before = json.loads((run / "manifest.json").read_text())["kernel"]
    drifted(run, "spec.yaml was edited after training had begun")
    after = json.loads((run / "manifest.json").read_text())["kernel"]
    assert after["source"] != before["source"]
    assert {**after, "source": ""} == {**before, "source": ""}


def test_another_number_of_threads(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    threads = torch.get_num_threads()
    rewritten(run, threads=threads + 1)
    drifted(run, f"the number of threads was {threads + 1}, and is {threads} now")


def test_threads_are_all_the_same_to_kernels(spec: Path) -> None:
    whole = folder_of(train(spec, target="cpu"))
    run = folder_of(train(spec, target="cpu", observer=stop_at(3)))
    rewritten(run, threads=17)
    resume(run)
    assert_same(run, whole)


def test_a_spec_that_was_edited_counts(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    edited = (run / "spec.yaml").read_text().replace("iterations: 6", "iterations: 4\n  seed: 5")
    (run / "spec.yaml").write_text(edited)
    notes: list[str] = []
    result = resume(run, allow_drift=True, on_note=notes.append)
    assert (result.iterations, result.simulation.seed) == (4, 5)
    assert notes[0] == "Training now ends after 4 iterations, as spec.yaml says."


def test_an_extension_outlasts_an_edited_spec(spec: Path) -> None:
    run = folder_of(train(spec))
    extend(run, 10, observer=stop_at(8))
    with (run / "spec.yaml").open("a") as file:
        file.write("# a comment\n")
    assert resume(run, allow_drift=True).iterations == 16


def test_what_made_the_weights_stays_noted(spec: Path) -> None:
    """An edited spec is trained further, and all that changed is listed."""
    run = folder_of(train(spec))
    versions = json.loads((run / "manifest.json").read_text())["versions"]
    rewritten(run, versions={**versions, "torch": "0.0"})
    text = (run / "spec.yaml").read_text().replace("iterations: 6", "iterations: 9")
    (run / "spec.yaml").write_text(text)
    _gone(run / "weights.safetensors")
    assert resume(run, allow_drift=True).iterations == 9
    (drift,) = json.loads((run / "manifest.json").read_text())["drift"]
    assert len(drift["changed"]) == 2


@pytest.mark.parametrize(
    "changed", [{"first_network": 1}, {"networks": 2}, {"networks": 1, "first_network": 3}]
)
def test_a_manifest_that_does_not_fit_the_spec(spec: Path, changed: dict[str, int]) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    rewritten(run, **changed)
    with pytest.raises(RequestError, match=r"does not fit spec\.yaml"):
        resume(run, allow_drift=True)
    with pytest.raises(RequestError, match=r"does not fit spec\.yaml"):
        rnnspec.load_run(run)


def test_the_seed_is_that_of_the_spec(spec: Path) -> None:
    whole = folder_of(train(spec))
    run = folder_of(train(spec, observer=stop_at(3)))
    rewritten(run, seed=1)
    resume(run)
    assert_same(run, whole)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"threads": "two"}, "field 'threads' is the string 'two', expected a whole number of at least 1"),
        ({"methods": None}, "field 'methods' is null, expected a list"),
        ({"name": 3}, "field 'name' is the number 3, expected a string"),
        ({"result": True}, "field 'result' is true, expected an object, or null"),
        ({"target": "abacus"}, "field 'target' is 'abacus', expected one of: gpu, cpu"),
        ({"dtype": "float16"}, "field 'dtype' is the string 'float16', expected one of: float32, float64"),
    ],
    ids=str,
)
def test_a_manifest_with_a_wrong_field(spec: Path, changed: dict[str, object], said: str) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    rewritten(run, **changed)
    with pytest.raises(RequestError) as refusal:
        resume(run)
    assert refusal.value.reason.startswith(f"{run / 'manifest.json'}: {said}")
    assert refusal.value.remedy == "Restore the folder from a copy, or train again."


def test_weights_are_made_again_on_another_machine(spec: Path) -> None:
    """Nothing is computed for it, so nothing can drift."""
    run = folder_of(train(spec))
    whole = (run / "weights.safetensors").read_bytes()
    rewritten(run, hardware="another")
    _gone(run / "weights.safetensors")
    resume(run)
    assert (run / "weights.safetensors").read_bytes() == whole
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["hardware"], manifest["drift"]) == ("another", [])


def test_metrics_that_are_gone_are_asked_about_once(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    (run / "metrics.jsonl").unlink()

    def die(event: Event) -> None:
        if isinstance(event, Updated):
            raise MemoryError

    with pytest.raises(MemoryError):
        resume(run, allow_drift=True, observer=die)
    resume(run)
    (run / "metrics.jsonl").unlink()
    (run / "weights.safetensors").unlink()
    resume(run, allow_drift=True)
    assert extend(run, 2).iterations == 8


def test_metrics_that_were_changed(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(3)))
    metrics = run / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace("iteration", "Iteration"))
    with pytest.raises(RequestError, match=r"metrics\.jsonl is not what the training wrote"):
        resume(run, allow_drift=True)
    metrics.unlink()
    drifted(run, "metrics.jsonl is missing, with the metrics of all evaluations before")
    assert [json.loads(line)["iteration"] for line in metrics.read_text().splitlines()] == [4, 6]


# --- checkpoints that are damaged --------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_every_bit_of_a_checkpoint_counts(spec: Path, suffix: str) -> None:
    whole = folder_of(train(spec))
    run = folder_of(train(spec, checkpoint_iterations=1, observer=stop_at(4)))
    file = sorted((run / "checkpoints").glob(f"*{suffix}"))[-1]
    data = file.read_bytes()
    for place in range(0, 8 * len(data), max(1, 8 * len(data) // 12)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        notes: list[str] = []
        copy = run.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run, copy)
        resume(copy, on_note=notes.append)
        named = copy / "checkpoints" / file.name
        assert notes == [f"{named} is not what was written; the checkpoint of iteration 3 is used."]
        assert_same(copy, whole)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
@pytest.mark.parametrize("what", ["folder", "dangling link"])
def test_a_checkpoint_that_is_no_file(spec: Path, suffix: str, what: str) -> None:
    whole = folder_of(train(spec))
    run = folder_of(train(spec, checkpoint_iterations=1, observer=stop_at(4)))
    file = run / "checkpoints" / f"000000004{suffix}"
    file.unlink()
    if what == "folder":
        file.mkdir()
    else:
        file.symlink_to("nowhere")
    notes: list[str] = []
    resume(run, on_note=notes.append)
    assert notes[0].startswith(f"{file} {'cannot be read' if what == 'folder' else 'is missing'}")
    assert_same(run, whole)


def test_what_others_leave_among_the_checkpoints(spec: Path) -> None:
    whole = folder_of(train(spec))
    run = folder_of(train(spec, observer=stop_at(4)))
    (run / "checkpoints" / ".ipynb_checkpoints").mkdir()
    (run / "checkpoints" / ".nfs0001").touch()
    resume(run)
    assert_same(run, whole)
    assert (run / "checkpoints" / ".nfs0001").exists()


def test_a_torn_line_of_times(spec: Path) -> None:
    run = folder_of(train(spec, observer=stop_at(4)))
    with (run / "timing.jsonl").open("a") as file:
        file.write('{"iteration": 7, "sec')
    resume(run)
    for line in (run / "timing.jsonl").read_text().splitlines():
        json.loads(line)


def test_nothing_is_pickled(spec: Path) -> None:
    run = folder_of(train(spec))
    for file in (run / "checkpoints").iterdir():
        if file.suffix == ".safetensors":
            tensors = safetensors.torch.load(file.read_bytes())
            assert "alive" in tensors
        else:
            json.loads(file.read_bytes())


# --- networks that diverge ---------------------------------------------------------------------------


def test_networks_that_diverged_stay_so(spec: Path) -> None:
    settings = ("training.optimizer={kind: sgd, learning_rate: 1e30}",)
    whole = train(spec, "fast", *settings)
    assert whole.diverged
    first = min(divergence.iteration for divergence in whole.diverged)
    stopped = folder_of(train(spec, "fast", *settings, observer=stop_at(first)))
    if whole.status == "diverged" and whole.iterations == first:
        with pytest.raises(RequestError, match="every network had diverged"):
            extend(stopped, 5)
        return
    result = resume(stopped)
    assert result.diverged == whole.diverged
    assert_same(stopped, folder_of(whole))


def test_arguments(spec: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="checkpoint_seconds takes seconds"):
        train(spec, checkpoint_seconds=-1.0)
    with pytest.raises(RequestError, match="'KILL' is not a signal that can stop a training"):
        train(spec, stop_on=["KILL"])
    with pytest.raises(RequestError, match="There is no run folder"):
        resume(tmp_path / "none")


def test_a_run_of_a_gpu_on_a_machine_without_one(spec: Path) -> None:
    """It goes on where somebody asks for it, and the manifest says what has changed."""
    run = folder_of(train(spec, observer=stop_at(3)))
    kernel = {"source": "0" * 64, "compiler": "NVRTC 13.5", "flags": [], "processor": "GPU sm_90"}
    rewritten(run, target="gpu", device="cuda:0", kernel=kernel)
    if not torch.cuda.is_available():
        with pytest.raises(RequestError, match="was trained on 'cuda:0'") as refusal:
            resume(run)
        assert refusal.value.remedy.endswith("--allow-drift --device auto")
    with pytest.raises(RequestError, match="which does not compute on cpu") as refusal:
        resume(run, device="cpu")
    assert refusal.value.remedy.endswith("--allow-drift")
    result = resume(run, device="cpu", allow_drift=True)
    assert result.status in ("completed", "finished")
    assert json.loads((run / "manifest.json").read_text())["target"] == "cpu"
