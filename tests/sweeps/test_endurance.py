"""Whatever is killed, every unit of a sweep is trained once, to the bits of an undisturbed sweep.

pytest -m slow tests/sweeps/test_endurance.py
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.command import ROOT
from sweeps.samples import write_sweep
from training.test_resume import assert_same

from rnnspec.sweeps.plan import load_sweep
from rnnspec.training.unit import train_unit

PROGRAM = [sys.executable, "-c", "from rnnspec.cli.main import main; main()"]

MANY = """\
rnnspec: 1
sweep: small
specs: [tiny.yaml]
methods: {{plain: [], fast: [fast]}}
settings: {{training.seed: [{seeds}]}}
set: {{training.iterations: {iterations}, training.evaluate.every: 10}}
"""


def begin(path: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    words = ["sweep", str(path), "--out", str(out), "--workers", str(workers), "--target", "cpu"]
    more = ["--checkpoint-seconds", "0.05"]
    with (out.parent / "log").open("ab") as log:
        return subprocess.Popen(
            [*PROGRAM, *words, *more], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
        )


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
        return [int(word) for word in text.split()]
    return []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes by /proc")
@pytest.mark.parametrize(
    ("units", "iterations", "kills"),
    [(2, 200, 2), pytest.param(900, 60, 100, marks=pytest.mark.slow)],
    ids=["2 units", "900 units"],
)
def test_kills(tmp_path: Path, units: int, iterations: int, kills: int) -> None:
    """Workers, and now and then the controller, are killed; a second controller helps from time to time."""
    seeds = ", ".join(map(str, range(units // 2)))
    path = write_sweep(tmp_path, MANY.format(seeds=seeds, iterations=iterations))
    workers = 1 if units < 10 else 2
    source, killed = random.Random(1), 0
    controllers = [begin(path, tmp_path / "runs", workers)]
    while killed < kills:
        time.sleep(source.uniform(0.2, 4))
        controllers = [one for one in controllers if one.poll() is None]
        if not controllers:
            controllers = [begin(path, tmp_path / "runs", workers)]
            continue
        controller = source.choice(controllers)
        trainers = children(controller.pid)
        # One of five is a controller, whose units are saved by themselves.
        aim = controller.pid if killed % 5 == 1 or not trainers else source.choice(trainers)
        with contextlib.suppress(ProcessLookupError):
            os.kill(aim, signal.SIGKILL)
            killed += 1
        if aim == controller.pid:
            controller.wait()
            controllers.append(begin(path, tmp_path / "runs", workers))
        elif source.random() < 0.1 and len(controllers) == 1:
            controllers.append(begin(path, tmp_path / "runs", workers))
    for controller in controllers:
        controller.wait()
    # Units of a killed controller may have been trained until now by its workers; what is left is done here.
    for _ in range(5):
        code = begin(path, tmp_path / "runs", workers).wait()
        if code == 0 and status(path, tmp_path / "runs")["done"] == units:
            break
    assert status(path, tmp_path / "runs")["done"] == units
    sweep = load_sweep(path)
    for unit in sweep.units:
        train_unit(unit.specification, tmp_path / "whole" / unit.name, target="cpu")
        assert_same(tmp_path / "runs" / sweep.name / unit.name, tmp_path / "whole" / unit.name)
    for run in (tmp_path / "runs" / sweep.name).glob("*/manifest.json"):
        lines = [json.loads(line) for line in (run.parent / "timing.jsonl").read_text().splitlines()]
        assert sum("started" in line for line in lines) == 1
        assert sum("finished" in line for line in lines) <= 1


def status(path: Path, out: Path) -> dict[str, int]:
    words = ["sweep", str(path), "--out", str(out), "--status", "--json"]
    done = subprocess.run(
        [*PROGRAM, *words], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.PIPE
    )
    counts: dict[str, int] = json.loads(done.stdout)["counts"]
    return counts
