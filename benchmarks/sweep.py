"""Measure what a sweep takes besides training: processor time outside of kernels, and time between units.

    python benchmarks/sweep.py [--units 8] [--iterations 300] [--networks 10]

The first number is the processor time of a whole `rnnspec sweep`, its controller, workers and imports
included, and the part that the same units take in kernels in this process.  The second is the time from one
unit to the next of a worker, and what its training takes of it, in a sweep of many short units.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workload import SPEC

from rnnspec.runtime.compiled.toolchain import processor
from rnnspec.runtime.cpu.kernel import CpuKernel
from rnnspec.sweeps.order import Options, Order
from rnnspec.sweeps.plan import Sweep, load_sweep
from rnnspec.sweeps.pool import processors
from rnnspec.sweeps.worker import carry_out

#: Units from which the time between units is measured: the difference of two sweeps.
FEW, MANY = 10, 60


def write(folder: Path, name: str, units: int, settings: str) -> Path:
    path = folder / f"{name}.yaml"
    seeds = ", ".join(map(str, range(units)))
    path.write_text(
        f"rnnspec: 1\nsweep: {name}\nspecs: [../{SPEC.name}]\n"
        f"settings: {{training.seed: [{seeds}]}}\nset: {{training.stop: null, {settings}}}\n"
    )
    return path


def run(path: Path, workers: int) -> tuple[float, float]:
    """Train a sweep with the command; return its wall time and the processor time of all its processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    words = ["sweep", str(path), "--out", str(path.parent / "runs"), "--workers", str(workers), "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "rnnspec", *words, "--target", "cpu"], check=True, stdout=subprocess.DEVNULL
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_kernels(sweep: Sweep, folder: Path) -> float:
    """Train the units of a sweep in this process; return their processor time in kernels."""
    spent, simulate = 0.0, CpuKernel.simulate

    def timed(*given: Any, **named: Any) -> None:
        nonlocal spent
        start = time.process_time()
        simulate(*given, **named)
        spent += time.process_time() - start

    CpuKernel.simulate = timed  # type: ignore[method-assign]
    for unit in sweep.units:
        options = Options(target="cpu", threads=1)
        ended = carry_out(
            Order(unit.name, folder / unit.name, unit.specification, options), lambda message: None
        )
        assert ended.state == "over", ended
    return spent


def training_seconds(folder: Path) -> float:
    """Return the seconds of training of all units of a folder."""
    files = folder.glob("*/timing.jsonl")
    return sum(json.loads(file.read_text().splitlines()[-1])["seconds"] for file in files)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--units", type=int, default=8)
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--networks", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sweeps"
        folder.mkdir()
        (folder.parent / SPEC.name).symlink_to(SPEC)
        (folder.parent / "base").symlink_to(SPEC.parent / "base")
        settings = f"training.networks: {given.networks}, training.iterations: {given.iterations}"
        path = write(folder, "long", given.units, settings)
        sweep = load_sweep(path)
        # The first compiles the kernel.
        kernels = in_kernels(sweep, Path(name) / "here")
        wall, spent = run(path, processors())
        print(f"{processor()}, {processors()} processors")
        print(f"{given.units} units, {given.networks} networks, {given.iterations} iterations: {wall:.1f} s")
        share = 100 * kernels / spent
        print(f"processor time   {spent:.1f} s, of it in kernels {kernels:.1f} s ({share:.0f} %)")
        short = "training.networks: 2, training.iterations: 2, training.evaluate.every: 2"
        walls = []
        for units in (FEW, MANY):
            walls.append(run(write(folder, f"short_{units}", units, short), 1)[0])
        between = (walls[1] - walls[0]) / (MANY - FEW)
        training = training_seconds(folder / "runs" / f"short_{MANY}") / MANY
        print(f"from unit to unit {1000 * between:.0f} ms, of it training {1000 * training:.0f} ms")


if __name__ == "__main__":
    main()
