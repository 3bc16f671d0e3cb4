"""The lock that a process on another machine has left in the folder of a unit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sweeps.samples import load_small
from training.test_resume import stop_at

from rnnspec.runs.layout import LOCK, MANIFEST
from rnnspec.runs.lock import RunInUseError
from rnnspec.runs.status import run_status
from rnnspec.training.unit import train_unit


def test_a_unit_that_may_be_trained_on_another_machine_is_left_unless_its_lock_is_broken(
    tmp_path: Path,
) -> None:
    unit = load_small(tmp_path).units[0]
    run = tmp_path / unit.name
    train_unit(unit.specification, run, target="torch", observer=stop_at(2))
    # As a process that was killed on node7 leaves it.
    manifest = json.loads((run / MANIFEST).read_text())
    (run / MANIFEST).write_text(json.dumps({**manifest, "status": "running"}))
    (run / LOCK).write_text(json.dumps({"process": 7, "host": "node7", "boot": "another"}))
    assert run_status(run).state == "unseen"
    with pytest.raises(RunInUseError, match="process 7 on node7"):
        train_unit(unit.specification, run, target="torch")
    train_unit(unit.specification, run, target="torch", break_lock=True)
    assert run_status(run).state in ("finished", "reached")


def test_a_unit_that_was_only_locked_on_another_machine_is_begun_if_its_lock_is_broken(
    tmp_path: Path,
) -> None:
    unit = load_small(tmp_path).units[0]
    run = tmp_path / unit.name
    run.mkdir()
    (run / LOCK).write_text(json.dumps({"process": 7, "host": "node7", "boot": "another"}))
    train_unit(unit.specification, run, target="torch", break_lock=True)
    assert run_status(run).state in ("finished", "reached")
