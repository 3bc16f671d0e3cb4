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

#: Units that do nothing but repeat their noise, at dt = tau.
NOISE_ALONE = """
network:
  dt: 100 ms
  populations: {input: {size: 16}, output: {size: 16}}
  activation: linear
  noise: {kind: white, scale: 1}
  weights: {w_rec: zeros, w_in: zeros, bias: zeros}
task: {epochs: {stimulus: {duration: 10 s}}}
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
