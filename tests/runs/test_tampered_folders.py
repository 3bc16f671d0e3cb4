"""Any value in a run folder may be changed, with hashes that fit: a message follows, never a bug.

What is refused raises RequestError, SpecError or OSError, with which a command exits with 1 or 2.  Any other
error would be reported as a bug in rnnspec.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from cli.command import rnnspec as command
from runs.tampering import (
    latest,
    refused,
    replace_tensors,
    replace_weights,
    rewrite_checkpoint,
    rewrite_manifest,
    sealed,
)

import rnnspec
from rnnspec.files import sha256
from rnnspec.runs.status import run_status
from rnnspec.training.resume import extend, resume

#: What a value is replaced by.
VALUES: tuple[object, ...] = (
    *(None, True, 0, 1, -1, 3, 10**30, 0.5, 1e308, "", "x", "0" * 64, "\ud7ff\x1b[2J"),
    *([], {}, [1], [[]], {"network": 1}, [{"network": 10**9, "iteration": 1, "cause": ""}]),
)


def places(value: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON object."""
    if above:
        yield above
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, *above, key)


def changes(document: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield documents in which one value is another, is missing, or lies deeper, and the path of it."""
    for path in places(document):
        found = at(document, path)
        for value in (*VALUES, [found], {"value": found}):
            changed = copy.deepcopy(document)
            at(changed, path[:-1])[path[-1]] = value
            yield path, changed
        changed = copy.deepcopy(document)
        del at(changed, path[:-1])[path[-1]]
        yield path, changed


def at(document: Any, path: Sequence[Any]) -> Any:
    for key in path:
        document = document[key]
    return document


def test_any_field_of_a_manifest(finished: Path, tmp_path: Path) -> None:
    """Every command reads the manifest first, and says which of its fields is wrong."""
    manifest = json.loads((finished / "manifest.json").read_text())
    tampered = tmp_path / "tampered"
    named = 0
    some = random.Random(0).sample(list(changes(manifest)), 300)
    for number, (path, changed) in enumerate(some):
        run = tampered / f"run{number}"
        run.mkdir(parents=True)
        (run / "manifest.json").write_text(json.dumps(changed))
        shutil.copy(finished / "timing.jsonl", run)
        problem = run_status(run).problem
        if problem:
            assert str(path[0]) in problem
            assert problem.startswith(str(run / "manifest.json"))
            named += 1
        # What the models take, lacks its files here.
        assert refused(rnnspec.load_run, run)
    assert named > 200
    for words in (("status", tampered), ("status", tampered, "--json")):
        assert command(*words).code == 0


def test_what_the_models_let_through(stopped: Path, tmp_path: Path) -> None:
    """Values of the right type that do not fit the rest of the folder."""
    manifest = json.loads((stopped / "manifest.json").read_text())
    plausible = [
        (path, changed)
        for path, changed in changes(manifest)
        if not _problem_of(tmp_path / "look", changed) and changed != manifest
    ]
    assert len(plausible) > 50
    for path, changed in random.Random(1).sample(plausible, 15):
        run = shutil.copytree(stopped, tmp_path / "copy")
        (run / "manifest.json").write_text(json.dumps(changed))
        refused(resume, run)
        refused(extend, run, 1)
        refused(rnnspec.evaluate, run, sequences=2)
        shutil.rmtree(run)
        assert path


def _problem_of(folder: Path, manifest: dict[str, Any]) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    status = run_status(folder)
    return status.problem or ("foreign" if status.state == "foreign" else "")


def test_any_fact_of_a_checkpoint(stopped: Path, tmp_path: Path) -> None:
    """Facts that the models refuse are a damage, of which the field is named; others fit or are refused."""
    facts = json.loads(latest(stopped).read_text())
    tampered = list(changes(facts))
    for path, changed in random.Random(2).sample(tampered, 25):
        run = shutil.copytree(stopped, tmp_path / "copy")
        latest(run).write_bytes(sealed(changed))
        said = refused(resume, run)
        if "field" in said:
            assert str(path[0]) in said
        shutil.rmtree(run)


def test_the_message_names_file_and_field(stopped: Path) -> None:
    rewrite_checkpoint(stopped, seconds={})
    said = f"{latest(stopped)} has a wrong value: field 'seconds' is an empty mapping, expected a number"
    assert said in refused(resume, stopped)


TENSORS: dict[str, Callable[[dict[str, torch.Tensor]], object]] = {
    "without alive": lambda found: found.pop("alive"),
    "alive of two": lambda found: found.update(alive=torch.ones(2, dtype=torch.bool)),
    "alive as numbers": lambda found: found.update(alive=torch.ones(3)),
    "without a weight": lambda found: found.pop("weights/bias"),
    "weights of another type": lambda found: found.update({"weights/bias": found["weights/bias"].double()}),
    "a moment of another shape": lambda found: found.update({"optimizer/bias/exp_avg": torch.ones(1)}),
    "a moment of whole numbers": lambda found: found.update(
        {"optimizer/bias/exp_avg": torch.ones(3, 6, dtype=torch.int64)}
    ),
    "steps that are a list": lambda found: found.update({"optimizer/bias/step": torch.ones(3)}),
    "another mask": lambda found: found.update({"mask/w_in": torch.ones(1, 6, 5, dtype=torch.bool)}),
    "a mask that is none": lambda found: found.update({"mask/w_in": torch.ones(5)}),
}


@pytest.mark.parametrize("what", TENSORS)
def test_tensors_that_do_not_fit(stopped: Path, what: str) -> None:
    tensors = safetensors.torch.load_file(latest(stopped, ".safetensors"))
    TENSORS[what](tensors)
    replace_tensors(stopped, safetensors.torch.save(tensors))
    assert f"The checkpoint of {stopped} does not fit its spec: " in refused(resume, stopped)


def header(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


FILES = {
    "nothing": b"",
    "text": b"weights",
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.",
    "a header that is too long": (10**15).to_bytes(8, "little") + b"{}",
    "a header that is a list": header("[]"),
    "a header without tensors": header("{}"),
    "numbers that torch does not have": header('{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}')
    + b"x",
    "a shape that overflows": header(
        '{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}'
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_safetensors_files_that_are_something_else(stopped: Path, finished: Path, what: str) -> None:
    replace_weights(finished, FILES[what])
    assert "weights.safetensors" in refused(rnnspec.evaluate, finished)


@pytest.mark.parametrize("what", FILES)
def test_checkpoints_that_are_something_else(stopped: Path, what: str) -> None:
    replace_tensors(stopped, FILES[what])
    said = refused(resume, stopped)
    assert ".safetensors is not a safetensors file" in said or "does not fit its spec" in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"trimmed_mean": []}, "line 1: field 'trimmed_mean' is an empty list, expected a number, or null"),
        ({"diverged": [{"network": 1, "cause": ""}]}, "line 1 has no field 'diverged[0].iteration'"),
        ({"more": 1}, "line 1 has an unknown field, 'more'"),
    ],
)
def test_metrics_with_a_hash_that_fits(stopped: Path, row: dict[str, object], said: str) -> None:
    first, rest = (stopped / "metrics.jsonl").read_text().split("\n", 1)
    text = (json.dumps(json.loads(first) | row) + "\n" + rest).encode()
    (stopped / "metrics.jsonl").write_bytes(text)
    rewrite_checkpoint(stopped, metrics={"bytes": len(text), "sha256": sha256(text)})
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    assert refused(resume, stopped).startswith(f"{stopped / 'metrics.jsonl'}, {said}")
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before
    assert run_status(stopped).state == "stopped"


def test_nothing_is_executed(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(stopped)
    replace_tensors(stopped, FILES["a pickle"])
    rewrite_manifest(stopped, name="$(touch pwned)", methods=["; touch pwned"])
    refused(resume, stopped)
    assert not (stopped / "pwned").exists()


def test_more_metrics_than_there_are(stopped: Path) -> None:
    """A hash of the whole file fits any number of bytes beyond its end."""
    metrics = json.loads(latest(stopped).read_text())["metrics"]
    rewrite_checkpoint(stopped, metrics=metrics | {"bytes": 10**30})
    assert "metrics.jsonl is not what the training wrote" in refused(resume, stopped)
