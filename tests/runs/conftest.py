"""Fixtures of run folders that tests change."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from training.samples import write_tiny
from training.test_resume import folder_of, stop_at, train


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run that was stopped before its last iteration, and a finished one."""
    spec = write_tiny(tmp_path_factory.mktemp("tampered"))
    stopped = folder_of(train(spec, "fast", "training.evaluate.every=1", observer=stop_at(5)))
    return {"stopped": stopped, "finished": folder_of(train(spec, diagnose_at=[1]))}


@pytest.fixture
def stopped(runs: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(runs["stopped"], tmp_path / "stopped")


@pytest.fixture
def finished(runs: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(runs["finished"], tmp_path / "finished")


@pytest.fixture
def patience() -> Iterator[None]:
    """Fail where a test would wait for ever."""

    def late(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
