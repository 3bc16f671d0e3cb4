"""What `rnnspec compile --emit trial` shows: a drawn trial, its inputs, targets and weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from cli.command import rnnspec
from support import program
from training.samples import write_tiny

from rnnspec.analysis.preview import preview
from rnnspec.cli.display.trial import describe_trial
from rnnspec.runtime.simulation import Simulation

#: Everything that changes within an epoch, depends on an answer, or does not happen.
ODD = """
task:
  trials: 2
  burn_in: 40 ms
  sequence: {level: {balanced: [[1, 0], [2, 3], [4, 5]]}}
  draw: {direction: "pi/2 + 0 * uniform(0, 1)", seen: "2 * looked"}
  epochs:
    fixation: {duration: level * 100 ms, weight: "where(t < 0.05, 0, t)", input: {cue: 1 + t}}
    stimulus:
      jitter: null
      target: none
      correct: none
      input: {cue: none, stimulus: t * ring(direction)}
      read: {looked: fixation < 9}
    response: {grace: null, target: {fixation: none}, input: {cue: seen, stimulus: -ring(0)}, correct: none}
"""
SHOWN = """\
the first sequence of training: 1.74 s, 87 steps
inputs that are 0 are left out; units and trials are counted from 0
burn-in, 0.04 s

trial 0: level = 1, direction = 1.571
  fixation, 0.04 s to 0.14 s, 5 steps, phase hold
    input   cue       1 at first, 1.08 at last, between 1 and 1.08
    target  fixation  0.85
    target  saccade   0.05
    weight            0 for 40 ms, then between 0.06 and 0.1
    correct           fixation > 0.5
  stimulus, 0.14 s to 0.54 s, 20 steps, nothing is taught
    input   stimulus  changes from step to step, between 0 and 0.38
    read    looked = 1, by an untrained network
    draw    seen = 2
  response, 0.54 s to 0.94 s, 20 steps, phase respond
    input   cue       2
    input   stimulus  -1 to 0, smallest at unit 0
    target  saccade   0.05 to 0.85, largest at unit 2  |.:%:....|
    weight            1

trial 1: level = 0, direction = 1.571
  fixation, 0.94 s to 0.94 s, 0 steps, phase hold
  stimulus, 0.94 s to 1.34 s, 20 steps, nothing is taught
    input   stimulus  changes from step to step, between 0 and 0.38
    read    looked = 1, by an untrained network
    draw    seen = 2
  response, 1.34 s to 1.74 s, 20 steps, phase respond
"""


def test_what_is_shown_of_each_epoch() -> None:
    found = program(ODD)
    lines = list(describe_trial(found, preview(found), "ascii"))
    assert lines[: len(SHOWN.splitlines())] == SHOWN.splitlines()


def test_the_command(tmp_path: Path) -> None:
    shown = rnnspec("compile", write_tiny(tmp_path), "--emit", "trial").out
    assert shown.startswith("the first sequence of training: ")
    other = rnnspec("compile", tmp_path / "tiny.yaml", "--emit", "trial", "--set", "training.seed=1").out
    assert shown != other


def test_it_is_the_first_sequence_of_training() -> None:
    found = program(ODD, "task: {epochs: {stimulus: {jitter: 100 ms}}}")
    with torch.no_grad():
        batch = Simulation(found, networks=1, target="torch")(6, purpose="train", record=True)
    recording = preview(found)
    assert batch.inputs is not None
    steps = int(batch.steps[0])
    assert recording["steps"].values.tolist() == [steps]
    np.testing.assert_array_equal(recording["inputs"].values[0, 0], batch.inputs[0, 0, :steps].numpy())
    for name, values in batch.variables.items():
        np.testing.assert_array_equal(recording[f"variable/{name}"].values[0, 0], values[0, 0].numpy())
