"""The run folder: everything a training leaves behind.

spec.yaml             the resolved document
manifest.json         what made the run, and what came of it
metrics.jsonl         one line an evaluation; the same for every run of one spec
timing.jsonl          one line an evaluation: the wall clock, which is never the same
checkpoints/          where training can go on: see `checkpoint.py`
weights.safetensors   the networks, once training is over
initial.safetensors   with `train --from`: the weights and masks with which training began
lock                  who trains it, while somebody does: see `lock.py`
gradients.jsonl       with --diagnose gradients, one line for each iteration in which they were measured
gradients.svg         the same as a picture, where matplotlib is installed
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final

#: The version of this layout.
FORMAT: Final = 4
SPEC, MANIFEST, METRICS = "spec.yaml", "manifest.json", "metrics.jsonl"
TIMING, WEIGHTS, INITIAL = "timing.jsonl", "weights.safetensors", "initial.safetensors"
CHECKPOINTS, LOCK = "checkpoints", "lock"
GRADIENTS, PICTURE = "gradients.jsonl", "gradients.svg"
#: Of a folder of runs, while `rnnspec train --once` looks for a run or creates one.
FOLDER_LOCK = ".lock"


def resume_command(folder: Path | str) -> str:
    """Return the command that resumes a run, quoted for a shell."""
    return f"rnnspec resume {shlex.quote(str(folder))}"


def extend_command(folder: Path | str, iterations: int) -> str:
    """Return the command that trains a finished run further, quoted for a shell."""
    return f"rnnspec extend {shlex.quote(str(folder))} {iterations}"
