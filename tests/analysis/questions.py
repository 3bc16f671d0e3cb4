"""A small run that many tests ask questions of: Dale's law, sparse connections, a read, a truth value."""

from __future__ import annotations

from pathlib import Path

import rnnspec

SPEC = """\
rnnspec: 1
name: decide
summary: Integrate evidence and answer.
network:
  dt: 20 ms
  populations:
    exc: {size: 5, tau: 100 ms, sign: excitatory}
    inh: {size: 2, tau: 60 ms, sign: inhibitory}
  noise: {kind: ou, scale: 0.05, tau: 40 ms}
  inputs:
    evidence: {to: exc, size: 2}
    context:  {size: 2}
  outputs:
    choice: {from: exc, size: 2, activation: softmax}
  weights: {w_rec: "spectral(normal(0, 1), 1)", bias: "uniform(0.1, 0.2)"}
  connections:
    exc -> exc: {density: 0.6, self: false}
    inh -> inh: none
    evidence -> exc: {density: 0.5}
task:
  draw:
    coherence: choice(-0.5, 0.2, 0.5)
    context:   choice(0, 1)
    clear:     bernoulli(0.5)
    right:     coherence > 0
  input: {context: onehot(context)}
  epochs:
    stimulus:
      duration: 100 ms
      input: {evidence: "where(clear, 2, 1) * coherence * (2 * onehot(1) - 1)"}
    delay: {duration: 40 ms}
    respond:
      duration: 60 ms
      phase: respond
      target:  {choice: onehot(right)}
      correct: argmax(choice) == right
      read:    {chosen: argmax(choice)}
training:
  networks: 2
  batch: 4
  iterations: 2
  optimizer: {kind: adam, learning_rate: 0.01}
  evaluate: {every: 1, batch: 10}
"""


def train(folder: Path) -> Path:
    """Train the run and return its folder; two checkpoints are kept."""
    (folder / "decide.yaml").write_text(SPEC, encoding="utf-8")
    result = rnnspec.train(
        folder / "decide.yaml", out=folder / "runs", target="torch", checkpoint_iterations=1
    )
    assert result.folder is not None
    return result.folder
