"""Processes that train units: what they are sent, and how they end."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
from pathlib import Path

from sweeps.samples import load_small

from rnnspec.sweeps.order import Options, Order, Outcome
from rnnspec.sweeps.pool import PYTHON, LocalPool, environment


def test_a_worker_imports_nothing_from_the_folder_of_the_user(tmp_path: Path) -> None:
    """It ends by itself when there are no more orders, and signals that its controller gets do not end it."""
    (tmp_path / "queue.py").write_text("raise SystemExit('my own queue.py')")
    with subprocess.Popen(
        [*PYTHON, "rnnspec.sweeps.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(),
    ) as worker:
        assert worker.stdin is not None
        # What cannot be read ends it like the end of its orders: here, a class that is no longer there.
        worker.stdin.write(pickle.dumps(Options()).replace(b"Options", b"Missing"))
        worker.stdin.flush()
        _, said = worker.communicate(timeout=200)
        assert worker.returncode == 0
        assert b"Missing" in said


def test_units_of_a_pool_that_is_stopped_are_saved(tmp_path: Path) -> None:
    sweep = load_small(
        tmp_path, "rnnspec: 1\nsweep: small\nspecs: [tiny.yaml]\n", "training.iterations=100000"
    )
    (unit,) = sweep.units
    pool = LocalPool(1)
    pool.start(Order(unit.name, tmp_path / unit.name, unit.specification, Options(target="torch")))
    while (message := pool.message(200.0)) is not None and not getattr(message, "completed", 0):
        assert not isinstance(message, Outcome), message
    (process,) = pool._busy
    # A scheduler may send these to all processes of a job; only the controller decides.
    os.kill(process._process.pid, signal.SIGUSR2)
    pool.stop()
    while not isinstance(message, Outcome):
        message = pool.message(200.0)
    assert message.state == "stopped"
    pool.close()
    assert list((tmp_path / unit.name / "checkpoints").glob("*.json"))
