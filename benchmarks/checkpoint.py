"""Time what a checkpoint of 100 networks adds to training: at the usual interval, one a minute.

python benchmarks/checkpoint.py
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from workload import SPEC

REPEATS = 20


def seconds_of_a_checkpoint(folder: Path) -> list[float]:
    """Train for an iteration, and save its checkpoint again and again."""
    import rnnspec
    from rnnspec.runs.checkpoint import load_checkpoint, save_checkpoint

    run = rnnspec.train(SPEC, settings=["training.iterations=1"], out=folder).folder
    assert run is not None
    found, _ = load_checkpoint(run)
    assert found is not None
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        save_checkpoint(run, found)
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seconds = seconds_of_a_checkpoint(Path(folder))
    median = statistics.median(seconds)
    print(f"a checkpoint of 100 networks   {median:.3f} s, from {min(seconds):.3f} to {max(seconds):.3f}")
    print(f"of a minute of training        {100 * median / 60:.2f} %")


if __name__ == "__main__":
    main()
