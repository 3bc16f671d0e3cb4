"""A sweep on a SLURM cluster of one node, whose jobs are shorter than its unit.

pytest -m slow tests/sweeps/test_slurm.py.  Needs SLURM (`slurm.py`) and the extra `cluster`.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from cli.command import PROGRAM, ROOT
from sweeps import slurm
from sweeps.samples import write_sweep
from training.test_resume import assert_same

from rnnspec.sweeps.plan import load_sweep
from rnnspec.training.unit import train_unit

pytest.importorskip("parsl", reason="the extra 'cluster' is not installed", exc_type=ImportError)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(slurm.missing()), reason=slurm.missing()),
]

UNIT = """\
rnnspec: 1
sweep: small
specs: [tiny.yaml]
set: {training.iterations: 6000, training.evaluate.every: 1000, training.batch: 20}
"""
#: A unit has 40 seconds of each job.
CLUSTER = """\
rnnspec: 1
provider: slurm
partition: test
walltime: 00:01:00
stop_before: 20 s
address: lo
poll: 2 s
"""


def test_a_unit_that_is_longer_than_its_jobs(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, UNIT)
    (tmp_path / "slurm.yaml").write_text(CLUSTER)
    words = ["sweep", str(path), "--out", str(tmp_path / "runs"), "--on", str(tmp_path / "slurm.yaml")]
    more = ["--target", "cpu", "--checkpoint-seconds", "10"]
    with slurm.slurm(tmp_path / "slurm") as environment:
        done = subprocess.run(
            [*PROGRAM, *words, *more],
            env={**environment, "PYTHONPATH": str(ROOT)},
            check=False,
            capture_output=True,
            text=True,
        )
        queue = slurm.run(environment, "squeue", "--noheader", "--states=PENDING,RUNNING")
        log = (tmp_path / "slurm" / "slurmctld.log").read_text()
    assert done.returncode == 0, done.stderr
    assert queue == ""
    (unit,) = load_sweep(path).units
    # Every job but the last has saved the unit, and none was ended by its limit.
    saved = re.findall(r"saved after iteration ([\d,]+)", done.stderr)
    assert len(saved) >= 1
    assert len(re.findall(r"sched: Allocate JobId", log)) == len(saved) + 1
    assert "time limit" not in log.lower()
    whole = tmp_path / "whole"
    train_unit(unit.specification, whole, target="cpu")
    assert_same(tmp_path / "runs" / "small" / unit.name, whole)


def test_a_cancelled_job_saves_its_unit(tmp_path: Path) -> None:
    """Whoever cancels a job, or takes its node back: SLURM sends SIGTERM, and SIGKILL later."""
    path = write_sweep(tmp_path, UNIT)
    (tmp_path / "slurm.yaml").write_text(CLUSTER.replace("00:01:00", "01:00:00"))
    run = tmp_path / "runs" / "small" / load_sweep(path).units[0].name
    words = ["sweep", str(path), "--out", str(tmp_path / "runs"), "--on", str(tmp_path / "slurm.yaml")]
    # No checkpoint but the one of the signal.
    more = ["--target", "cpu", "--checkpoint-seconds", "3600"]
    with slurm.slurm(tmp_path / "slurm") as environment:
        process = subprocess.Popen(
            [*PROGRAM, *words, *more],
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            slurm.wait(lambda: (run / "metrics.jsonl").exists())
            slurm.run(environment, "scancel", "--user", str(os.getuid()))
            slurm.wait(lambda: '"status": "terminated"' in (run / "manifest.json").read_text())
        finally:
            process.kill()
            process.wait()
    assert list((run / "checkpoints").glob("*.safetensors"))
