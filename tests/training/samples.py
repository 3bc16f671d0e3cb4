"""A task that is small enough to train in a second."""

from __future__ import annotations

from pathlib import Path

from rnnspec.check.examine import Specification, load
from rnnspec.runtime.targets import Target

TINY = """\
rnnspec: 1
name: tiny
summary: Hold, look at a direction, then report it.
network:
  dt: 20 ms
  populations:
    input:  {size: 3, tau: 100 ms}
    output: {size: 3, tau: 100 ms}
  noise: {kind: ou, scale: 0.1, tau: 100 ms}
  inputs:
    cue:      {to: input}
    stimulus: {to: input, ring: 4}
  outputs:
    fixation: {from: output, activation: sigmoid}
    saccade:  {from: output, activation: sigmoid, ring: 4}
task:
  draw: {direction: "uniform(0, 2*pi)"}
  input: {cue: 1}
  target: {fixation: 0.85, saccade: 0.05}
  correct: fixation > 0.5
  phase: hold
  epochs:
    stimulus: {duration: 100 ms, jitter: 40 ms, input: {stimulus: ring(direction)}}
    response:
      duration: 80 ms
      grace: 20 ms
      phase: respond
      input: {cue: 0}
      target: {fixation: 0.05, saccade: 0.05 + 0.8 * ring(direction)}
      correct: fixation < 0.5
training: {networks: 3, batch: 4, iterations: 6, evaluate: {every: 2, batch: 4}}
"""

#: The overlay `fast`, whose beta changes in iterations 2 and 4.
FAST = """\
rnnspec: 1
skips:
  beta: {from: 0.5, increments: 2, over: 6 iterations}
  edges: {regular: {kind: dasc, every: 2 steps}}
"""

#: The target of trainings in tests, which is the default of users.
TARGET: Target = "torch"


def write_tiny(folder: Path) -> Path:
    """Write the spec and, beside it, the method `fast`; return the path of the spec."""
    (folder / "methods").mkdir()
    (folder / "methods" / "fast.yaml").write_text(FAST, encoding="utf-8")
    path = folder / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


def load_tiny(folder: Path, *settings: str, method: str | None = None) -> Specification:
    return load(write_tiny(folder), [method] if method else [], settings)
