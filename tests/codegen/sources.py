"""A program that uses nearly all features, for the tests of this folder."""

from __future__ import annotations

from support import program

from rnnspec.program.nodes import Program

#: A task of two trials in which all that can differ between sequences and networks does.
RAGGED = """
network:
  activation: {kind: power, exponent: 1.5}
  noise: {kind: ou, scale: 0.3, tau: 60 ms}
  outputs:
    fixation: {bias: true}
    saccade: {bias: true}
    choice: {from: output, size: 2, activation: softmax, bias: true}
  populations: {output: {tau: 60 ms}}
  weights: {w_rec: "normal(0, 0.2)", w_in: "normal(0, 0.3)"}
task:
  trials: 2
  burn_in: 100 ms
  sequence:
    level: uniform(0.5, 1)
    rule: [1, level]
    side: {balanced: [[0, 1], [1, 0], [1, 1]]}
  draw:
    wait: exponential(0.1, 0, 0.3)
    right: answered == side
    streak: where(right, previous(streak, 0) + 1, 0)
    hint: previous(answered, 0.5)
  scored: wait > 0.02
  epochs:
    fixation: {duration: 60 ms + wait, input: {stimulus: level * white(0.2), cue: sin(10 * t)}}
    stimulus:
      duration: wait
      input: {cue: hint, stimulus: rule * ring(direction)}
      target: {choice: onehot(side)}
      read: {answered: argmax(choice)}
    response:
      input: {cue: right}
      target: {fixation: "where(t < 0.1, 0.2, 0.4)"}
      weight: (1 + streak) * (t > 0.04)
training: {penalty: {rate_l1: 0.1, rate_l2: 0.2, w_out_l2: 0.1}}
"""

SKIPS = """
skips:
  edges:
    long:  {kind: dasc, every: 5 steps, per: trial, increment: arriving}
    short: {kind: sctt, every: 2 steps, beta: {from: 0.3}}
    whole: {kind: dasc, from: trial.start, to: trial.end - 40 ms}
"""


def ragged(*more: str) -> Program:
    return program(RAGGED, SKIPS, *more)
