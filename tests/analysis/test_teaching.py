"""What a recording says is taught: loss and score follow from it by their definitions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch
from codegen.sources import RAGGED
from numpy.typing import NDArray
from support import program

import rnnspec
from rnnspec.analysis.evaluation import SIMULATION
from rnnspec.analysis.recording import Recording
from rnnspec.program.nodes import Epoch, Program
from rnnspec.runtime.simulation import Simulation

Floats = NDArray[np.float64]

PLAIN = "training: {penalty: null}"
#: A target that changes where points count, and between trials.
CHANGING = """
task:
  epochs: {response: {grace: 40 ms, target: {fixation: "where(t < 0.1, 0.2, 0.4) + 0.1 * previous(side, 2)"}}}
"""
PROGRAMS = {
    "fixed": (),
    "ragged": (RAGGED, CHANGING),
    "independent": (RAGGED, CHANGING, "training: {trials: independent}"),
    "all scored": (RAGGED, "task: {scored: null}"),
}


@cache
def simulated(*overlays: str) -> tuple[Program, Recording, rnnspec.Outcome]:
    found = program(*overlays, PLAIN)
    simulation = Simulation(found, networks=2, target="torch", dtype=torch.float64)
    with torch.no_grad():
        outcome = simulation(4, purpose="simulate", iteration=SIMULATION, record=True)
    return found, rnnspec.simulate(simulation, 4), outcome


def epochs(found: Program, recording: Recording) -> Iterator[tuple[int, int, Epoch, slice]]:
    """Yield each epoch of each trial of each sequence, and its steps."""
    sequences = recording["activity"].values.shape[1]
    start, stop = (
        np.broadcast_to(a, (sequences, *a.shape[1:]))
        for a in (recording["epoch_start"].values, recording["epoch_stop"].values)
    )
    for b in range(sequences):
        for trial in range(found.timeline.trials):
            for number, epoch in enumerate(found.timeline.epochs):
                yield b, trial, epoch, slice(int(start[b, trial, number]), int(stop[b, trial, number]))


def array(recording: Recording, name: str) -> Floats:
    """Return an array with an entry for each of both networks."""
    values = recording[name].values.astype(float)
    return np.broadcast_to(values, (2, *values.shape[1:]))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_loss_follows_from_targets_weights_and_outputs(name: str) -> None:
    found, recording, outcome = simulated(*PROGRAMS[name])
    targets, weights, outputs = (array(recording, name) for name in ("targets", "weights", "outputs"))
    columns = {c.name: slice(c.start, c.stop) for c in found.network.outputs}
    loss = np.zeros(2)
    for k in range(2):
        errors: dict[tuple[str, str], list[list[Floats]]] = defaultdict(list)
        pairs: dict[tuple[str, str, int, int], list[Floats]] = defaultdict(list)
        for b, trial, epoch, steps in epochs(found, recording):
            for target in epoch.targets:
                at = k, b, steps, columns[target.channel]
                wanted, answer = targets[at], outputs[at]
                counted = weights[k, b, steps] != 0
                error = (wanted - answer) ** 2
                if target.error == "cross_entropy":
                    error = -(wanted * np.log(answer)).sum(-1, keepdims=True)
                terms = (weights[k, b, steps, None] * error)[counted]
                pairs[target.error, epoch.phase, b, trial].append(terms.ravel())
        for (kind, phase, _, _), terms in pairs.items():
            if sum(map(len, terms)):
                errors[kind, phase].append(terms)
        loss[k] = sum(np.mean([np.concatenate(t).mean() for t in each]) for each in errors.values())
    np.testing.assert_allclose(loss, outcome.loss.numpy(), rtol=1e-9)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_score_follows_from_what_is_correct(name: str) -> None:
    found, recording, outcome = simulated(*PROGRAMS[name])
    correct = array(recording, "correct")
    assert set(np.unique(correct[~np.isnan(correct)])) == {0.0, 1.0}
    expected = np.full(outcome.trial_performance.shape, np.nan)
    points: dict[tuple[int, int], dict[str, list[Floats]]] = defaultdict(lambda: defaultdict(list))
    lengths: dict[tuple[int, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for b, trial, epoch, steps in epochs(found, recording):
        if epoch.correct is not None:
            points[b, trial][epoch.phase].append(correct[:, b, steps])
            lengths[b, trial][epoch.phase] += steps.stop - steps.start
    for (b, trial), phases in points.items():
        values = {phase: np.concatenate(each, 1) for phase, each in phases.items()}
        # A phase of no points is left out, and a trial of no phase has no score.
        judged = [phase for phase, each in values.items() if not np.isnan(each).all()]
        if judged:
            means = [np.nanmean(values[phase], 1) for phase in judged]
            expected[:, b, trial] = np.average(means, 0, [lengths[b, trial][phase] for phase in judged])
    np.testing.assert_allclose(expected, outcome.trial_performance.numpy(), rtol=1e-12)


def test_where_nothing_is_taught() -> None:
    """Context 3 steps, fixation 10, stimulus 20, response 20 of which 5 are grace."""
    context = "{duration: 60 ms, gradient: false, before: fixation}"
    _, recording, _ = simulated(f"task: {{epochs: {{context: {context}}}}}")
    weights, correct = recording["weights"].values, recording["correct"].values
    assert recording["weights"].axes == recording["correct"].axes == ("network", "sequence", "step")
    assert recording["targets"].axes == ("network", "sequence", "step", "output")
    assert weights.shape == (1, 4, 53)
    assert weights[0, 0].tolist() == [0.0] * 3 + [1.0] * 30 + [0.0] * 5 + [1.0] * 15
    np.testing.assert_array_equal(np.isnan(correct), np.broadcast_to(weights == 0, correct.shape))
    targets = recording["targets"].values
    assert np.isnan(targets[:, :, :3]).all()
    assert np.isfinite(targets[:, :, 3:]).all()
    assert targets[0, 0, [3, 32, 33, 52], 0].tolist() == [0.85, 0.85, 0.05, 0.05]


def test_a_shorter_sequence_ends_in_nan() -> None:
    _, recording, _ = simulated(RAGGED)
    steps = recording["steps"].values
    assert len(set(steps.tolist())) > 1
    for name in ("targets", "weights", "correct"):
        for b, length in enumerate(steps):
            assert np.isnan(recording[name].values[:, b, length:]).all()
    for b, length in enumerate(steps):
        assert np.isfinite(recording["weights"].values[:, b, :length]).all()


def test_outputs_without_a_target() -> None:
    _, recording, _ = simulated("task: {epochs: {stimulus: {target: {saccade: none}}}}")
    missing = np.isnan(recording["targets"].values[0, 0])
    assert missing[10:30, 1:].all()
    assert not missing[10:30, 0].any()
