"""Sweeps of a task that is trained in a moment."""

from __future__ import annotations

from pathlib import Path

from training.samples import write_tiny

from rnnspec.sweeps.plan import Sweep, load_sweep

#: Four units: two methods with two seeds.
SWEEP = """\
rnnspec: 1
sweep: small
specs: [tiny.yaml]
methods: {plain: [], fast: [fast]}
settings: {training.seed: [0, 1]}
"""


def write_sweep(folder: Path, text: str = SWEEP) -> Path:
    """Write a sweep and the spec `tiny` with its method `fast`; return the path of the sweep."""
    if not (folder / "tiny.yaml").exists():
        write_tiny(folder)
    path = folder / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def load_small(folder: Path, text: str = SWEEP, *settings: str) -> Sweep:
    return load_sweep(write_sweep(folder, text), settings)
