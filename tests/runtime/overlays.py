"""Specs and overlays that the tests of several kernels use."""

from __future__ import annotations

NOISY = "network: {noise: {kind: ou, scale: 0.3, tau: 60 ms}, weights: {bias: 'normal(0, 1)'}}"

SKIPS = """
skips:
  edges:
    long:  {kind: dasc, every: 6 steps}
    whole: {kind: sctt, from: trial.start, to: trial.end}
"""

RAGGED = """
task:
  draw: {wait: "uniform(0, 0.3)"}
  epochs: {stimulus: {duration: wait}}
"""

#: A network of a single unit.
ONE_UNIT = """
rnnspec: 1
name: one
network:
  dt: 10 ms
  populations: {only: {size: 1, tau: 50 ms}}
  noise: {kind: ou, scale: 0.3, tau: 60 ms}
  inputs: {cue: {}}
  outputs: {answer: {activation: sigmoid}}
  weights: {w_rec: "uniform(-0.5, 0.5)", w_in: "uniform(0, 1)"}
task:
  input: {cue: 1}
  correct: answer > 0.5
  epochs: {whole: {duration: 200 ms, target: {answer: 0.8}}}
training: {networks: 1, batch: 4, iterations: 2}
"""
