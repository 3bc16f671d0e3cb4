"""The run folder: everything a training leaves behind.

spec.yaml             the resolved document
manifest.json         what made the run, and what came of it
metrics.jsonl         one line an evaluation; the same for every run of one spec
timing.jsonl          one line an evaluation: the wall clock, which is never the same
checkpoints/          where training can go on: see `checkpoint.py`
weights.safetensors   the networks, once training is over
lock                  who trains it, while somebody does: see `lock.py`
"""

from __future__ import annotations

import shlex
from pathlib import Path

#: The version of this layout.
FORMAT = 3
SPEC, MANIFEST, METRICS = "spec.yaml", "manifest.json", "metrics.jsonl"
TIMING, WEIGHTS = "timing.jsonl", "weights.safetensors"
CHECKPOINTS, LOCK = "checkpoints", "lock"


def resume_command(folder: Path | str) -> str:
    """Return the command that goes on with a run, as it can be typed."""
    return f"rnnspec train --resume {shlex.quote(str(folder))}"
