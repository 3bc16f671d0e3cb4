"""The order of writes and syncs, by which a checkpoint is complete whatever happens between two of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rnnspec.files import sha256
from rnnspec.runs.checkpoint import (
    LatestEvaluation,
    TrainingState,
    load_checkpoint,
)
from rnnspec.runs.create import reopen_run
from rnnspec.runs.lock import lock_run
from rnnspec.runs.manifest import Manifest, Summary, Versions
from rnnspec.runs.metrics import MetricsRow, Stages
from rnnspec.runs.writer import CheckpointInterval, RunWriter

SUMMARY = Summary(
    status="finished",
    signal=None,
    iterations=3,
    evaluated=3,
    trimmed_mean=0.5,
    performance=(0.5,),
    reached=None,
    diverged=(),
)


class Disk:
    """Follows the calls that decide what a power cut leaves of a folder.

    calls: `sync NAME`, `rename NAME` and `remove NAME` in order; temporary files are called `temporary`.
    durable: the content of each file, by inode, when it was last synced.  before: is called before each call.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.durable: dict[int, bytes] = {}
        self.before: Callable[[], None] = lambda: None
        real: dict[str, Any] = {name: getattr(os, name) for name in ("fsync", "replace", "unlink")}

        def fsync(handle: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            self._note("sync", path)
            real["fsync"](handle)
            if path.is_file():
                self.durable[path.stat().st_ino] = path.read_bytes()

        def replace(source: Any, target: Any) -> None:
            self._note("rename", Path(target))
            self._forget(Path(target))
            real["replace"](source, target)

        def unlink(path: Any, **options: Any) -> None:
            if Path(path).exists():
                self._note("remove", Path(path))
                self._forget(Path(path))
            real["unlink"](path, **options)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)
        monkeypatch.setattr(os, "unlink", unlink)

    def cut(self, folder: Path, copy: Path) -> None:
        """Copy a folder as a power cut leaves it in the worst case: without all that was not synced."""
        for file in folder.rglob("*"):
            if file.is_file():
                left = copy / file.relative_to(folder)
                left.parent.mkdir(parents=True, exist_ok=True)
                left.write_bytes(self.durable.get(file.stat().st_ino, b""))

    def _note(self, what: str, path: Path) -> None:
        self.before()
        name = "temporary" if path.name.startswith(".") else path.name
        self.calls.append(f"{what} {name}")

    def _forget(self, path: Path) -> None:
        """The system may give the inode of a file that is gone to another one."""
        if path.exists():
            self.durable.pop(path.stat().st_ino, None)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to name the file of a descriptor")
    return Disk(monkeypatch)


def manifest() -> Manifest:
    versions = Versions(rnnspec="0", language=1, python="3", torch="2", numpy="2")
    return Manifest(
        name="tiny",
        methods=(),
        settings=(),
        identity="0" * 64,
        seed=0,
        networks=1,
        first_network=0,
        iterations=9,
        versions=versions,
        target="torch",
        kernel=None,
        dtype="float32",
        device="cpu",
        hardware="a processor",
        threads=1,
        status="running",
        checkpointed=True,
    )


def writer(folder: Path) -> RunWriter:
    (folder / "spec.yaml").write_text("")
    (folder / "metrics.jsonl").touch()
    return RunWriter(folder, manifest(), lock_run(folder), CheckpointInterval())


def row(iteration: int) -> MetricsRow:
    return MetricsRow(
        iteration=iteration,
        stages=Stages(edges={}, coarsening=None),
        betas={},
        theta=1.0,
        loss=(1.0,),
        gradient_norm=(1.0,),
        weight_norm=(1.0,),
        mean_rate=(1.0,),
        performance=(0.5,),
        phases={},
        trimmed_mean=0.5,
        diverged=(),
    )


def state(completed: int) -> TrainingState:
    evaluation = LatestEvaluation(iteration=completed, performance=(0.5,), trimmed_mean=0.5)
    tensors = {"alive": torch.ones(1, dtype=torch.bool), "weights/w": torch.full((64,), float(completed))}
    return TrainingState(completed, tensors, evaluation, ())


def test_the_calls_of_a_checkpoint(tmp_path: Path, disk: Disk) -> None:
    """Metrics, tensors, facts: each is on the disk before the next; the oldest checkpoint is removed last."""
    run = writer(tmp_path)
    for completed in (1, 2):
        run.checkpoint(state(completed))
    run.record(row(3))
    disk.calls.clear()
    run.checkpoint(state(3))
    assert disk.calls == [
        "sync metrics.jsonl",
        "sync temporary",
        "rename 000000003.safetensors",
        "sync checkpoints",
        "sync temporary",
        "rename 000000003.json",
        "sync checkpoints",
        "remove 000000001.json",
        "remove 000000001.safetensors",
        "sync checkpoints",
    ]


def test_the_calls_of_the_end(tmp_path: Path, disk: Disk) -> None:
    """The manifest says that there are weights only when they are on the disk."""
    run = writer(tmp_path)
    disk.calls.clear()
    run.save(b"weights", SUMMARY)
    names = ("weights.safetensors", "manifest.json")
    assert disk.calls == [
        call for name in names for call in ("sync temporary", f"rename {name}", f"sync {tmp_path.name}")
    ]


def test_the_calls_before_training_is_resumed(tmp_path: Path, disk: Disk) -> None:
    """The manifest says that the run is not finished before anything of it is cut off."""
    run = writer(tmp_path)
    for completed in (1, 2):
        run.checkpoint(state(completed))
    start = load_checkpoint(tmp_path)[0]
    (tmp_path / "checkpoints" / "000000003.json").write_text("{}")
    run.lock.release()
    disk.calls.clear()
    reopen_run(tmp_path, run.manifest, lock_run(tmp_path), CheckpointInterval(), start)
    assert disk.calls[:4] == [
        "sync temporary",
        "rename manifest.json",
        f"sync {tmp_path.name}",
        "remove 000000003.json",
    ]


def test_a_power_cut_between_any_two_calls(tmp_path: Path, disk: Disk) -> None:
    """A checkpoint is always complete, not older than the last one, and its metrics are there."""
    folder = tmp_path / "run"
    folder.mkdir()
    run = writer(folder)
    cuts: list[tuple[Path, int]] = []

    def cut() -> None:
        copy = tmp_path / f"cut{len(cuts)}"
        disk.cut(folder, copy)
        cuts.append((copy, run.checkpointed))

    disk.before = cut
    for completed in (1, 2, 3):
        run.record(row(completed))
        run.checkpoint(state(completed))
    cut()
    assert len(cuts) == len(disk.calls) + 1
    for copy, completed in cuts:
        found, damages = load_checkpoint(copy)
        assert not damages
        assert found is not None or completed == 0
        if found is not None:
            assert found.completed >= completed
            metrics = (copy / "metrics.jsonl").read_bytes()[: found.metrics.bytes]
            assert sha256(metrics) == found.metrics.sha256
