"""Loss and score of the reference engine against sums over points, written out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from runtime.builders import epoch
from runtime.by_hand import array, batch, judged, run
from runtime.programs import (
    apply,
    draw,
    number,
    output,
    random,
    random_weights,
    read,
    target,
    task,
    time,
    variable,
    wired,
)
from torch import Tensor

from rnnspec.program.nodes import Duration, Error, Penalty, Program
from rnnspec.runtime.batch import Outcome

# --- loss --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("softmax", ["cross_entropy", "squared"])
def test_loss(softmax: Error) -> None:
    program = judged(softmax)
    found = run(program)
    y, xs, ks = array(found.outputs), array(found.variables["x"]), array(found.variables["k"])
    for k in range(2):
        hold, respond, entropy = [], [], []
        for b in range(2):
            for trial in range(2):
                x, choice = xs[0, b, trial], int(ks[0, b, trial])
                first = trial * 14 + 2
                errors = [(y[k, b, first + s, 2] - x * (s + 1) * 0.005) ** 2 for s in range(1, 4)]
                # The weight is 0 up to 12 ms, so only the third step counts.
                errors += [(1 + x) * (y[k, b, first + 4 + 2, 2] - x * 0.015) ** 2]
                hold.append(sum(errors) / 4)
                preferred = 2 * math.pi * np.arange(3) / 3
                apart = np.minimum(abs(x - preferred), 2 * math.pi - abs(x - preferred))
                bump = np.exp(-0.5 * (apart / 0.5) ** 2)
                wanted = np.eye(2)[choice]
                squares, logs = [], []
                for s in range(2, 5):
                    point = y[k, b, first + 7 + s]
                    squares += list(x * (point[3:] - bump) ** 2)
                    if softmax == "cross_entropy":
                        logs.append(-x * math.log(point[choice]))
                    else:
                        squares += list(x * (point[:2] - wanted) ** 2)
                respond.append(np.mean(squares))
                entropy += [np.mean(logs)] if logs else []
        expected = np.mean(hold) + np.mean(respond) + (np.mean(entropy) if entropy else 0)
        assert found.loss[k].item() == pytest.approx(expected, rel=1e-11)


def test_trials_without_a_counted_point_are_left_out_of_the_mean() -> None:
    counted = apply("gt", variable("x"), 0.5)
    only = epoch("only", 20, targets=(target("y", 1),), weight=counted)
    program = task(only, net=wired(), draws=(draw("x", 0, 1, 1, scope="sequence"),), trials=3)
    found = run(program)
    y = array(found.outputs)[..., 0]
    expected = np.mean((y[:, :, 4:] - 1) ** 2, (1, 2))
    np.testing.assert_allclose(array(found.loss), expected, rtol=1e-12)


def test_weights_may_depend_on_what_each_network_answered() -> None:
    first = epoch("first", 20, reads=(read("seen", apply("gt", output("y"), 0)),))
    second = epoch("second", 10, targets=(target("y", 1),), weight=variable("seen", reads=True))
    program = task(first, second, net=wired())
    seen = torch.tensor([[[1.0], [0.0]], [[1.0], [1.0]], [[0.0], [0.0]]], dtype=torch.float64)
    found = run(program, random_weights(program, 3), forced_reads={"seen": seen})
    error = np.mean((array(found.outputs)[:, :, 4:, 0] - 1) ** 2, 2)
    expected = [error[0, 0], (error[1, 0] + error[1, 1]) / 2, 0]
    np.testing.assert_allclose(array(found.loss), expected, rtol=1e-12)


def test_penalties_are_means() -> None:
    penalties = tuple(
        Penalty((), quantity, norm, 0.5)
        for quantity in ("rate", "w_rec", "w_in", "w_out")
        for norm in ("l1", "l2")
    )
    program = task(epoch("context", 10, gradient=False), epoch("only", 20), net=wired(inputs={"cue": 2}))
    for penalty in penalties:
        with_penalty = replace(program, training=replace(program.training, penalties=(penalty,)))
        weights = random_weights(program)
        found = run(with_penalty, weights)
        if penalty.quantity == "rate":
            values = array(found.rates)[:, :, 2:].reshape(2, -1)
        else:
            values = array(weights[penalty.quantity]).reshape(2, -1)
        values = abs(values) if penalty.norm == "l1" else values**2
        np.testing.assert_allclose(array(found.loss), 0.5 * values.mean(1), rtol=1e-12)


# --- score -------------------------------------------------------------------------------------------


def scored(**changes: Any) -> Program:
    """Return a task of two trials whose phases take 4 + 3 and 5 steps, and one that is not scored."""
    right = apply("gt", output("y"), apply("mul", variable("x"), time()))
    epochs = (
        epoch("context", 10, phase="hold"),
        epoch("fixate", 20, phase="hold", correct=right, grace=10),
        epoch("wait", 15, phase="hold", correct=right),
        epoch("answer", 25, phase="respond", correct=apply("lt", output("y"), 0.15), grace=5),
    )
    draws = (draw("x", random("uniform", 0, 9, name="x")),)
    return task(*epochs, net=wired(), draws=draws, trials=2, **changes)


def scored_weights(program: Program) -> dict[str, Tensor]:
    weights = random_weights(program, 3)
    # Answers that rise through the thresholds.
    return {**weights, "w_out": weights["w_out"].abs() * 0.5}


def correctness(found: Outcome, k: int, b: int, trial: int) -> tuple[float, float]:
    y, x = array(found.outputs)[k, b, :, 0], array(found.variables["x"])[0, b, trial]
    first = trial * 14
    hold = [y[first + 2 + s] > x * (s + 1) * 0.005 for s in (2, 3)]
    hold += [y[first + 6 + s] > x * (s + 1) * 0.005 for s in range(3)]
    return float(np.mean(hold)), float(np.mean([y[first + 9 + s] < 0.15 for s in range(1, 5)]))


def test_performance_weighs_phases_by_their_steps() -> None:
    program = scored()
    found = run(program, scored_weights(program))
    trials, phases = np.zeros((3, 2, 2)), np.zeros((2, 3, 2, 2))
    for k in range(3):
        for b in range(2):
            for trial in range(2):
                hold, respond = correctness(found, k, b, trial)
                phases[:, k, b, trial] = hold, respond
                trials[k, b, trial] = (7 * hold + 5 * respond) / 12
    assert len(np.unique(trials)) > 4
    np.testing.assert_allclose(array(found.trial_performance), trials, rtol=1e-12)
    np.testing.assert_allclose(array(found.performance), trials.mean((1, 2)), rtol=1e-12)
    assert list(found.phase_performance) == ["hold", "respond"]
    for place, name in enumerate(found.phase_performance):
        np.testing.assert_allclose(
            array(found.phase_performance[name]), phases[place].mean((1, 2)), rtol=1e-12
        )


def test_trials_that_are_not_scored_are_left_out() -> None:
    program = scored(scored=apply("gt", variable("x"), 4))
    found = run(program, scored_weights(program), batch(program, 4))
    chosen = array(found.variables["x"])[0] > 4
    assert 0 < chosen.sum() < 8
    trials = array(found.trial_performance)
    assert (np.isnan(trials) == ~chosen).all()
    for k in range(3):
        cases = [(b, trial) for b in range(4) for trial in range(2) if chosen[b, trial]]
        pairs = [correctness(found, k, *case) for case in cases]
        expected = np.mean([(7 * hold + 5 * respond) / 12 for hold, respond in pairs])
        assert found.performance[k].item() == pytest.approx(expected)
        assert found.phase_performance["hold"][k].item() == pytest.approx(np.mean([p[0] for p in pairs]))


def test_success_replaces_the_score_of_points() -> None:
    program = scored(success=apply("gt", variable("x"), 4))
    found = run(program)
    expected = array(found.variables["x"])[0] > 4
    np.testing.assert_array_equal(array(found.trial_performance), [expected, expected])
    np.testing.assert_allclose(array(found.performance), [expected.mean()] * 2)


def test_without_a_scored_trial_there_is_no_performance() -> None:
    for program in (task(epoch("only", 20), net=wired()), scored(scored=number(0))):
        found = run(program)
        assert found.performance.isnan().all()
        assert found.trial_performance.isnan().all()


def test_a_trial_without_a_point_is_not_scored() -> None:
    lasting = Duration((), None, variable("wait"))
    only = replace(epoch("only", 50, correct=apply("lt", output("y"), 9)), duration=lasting)
    wait = draw("wait", 0.02, 0, 0.01, scope="sequence")
    program = task(only, net=wired(), draws=(wait,), trials=3)
    found = run(program)
    np.testing.assert_array_equal(array(found.trial_performance), [[[1, np.nan, 1]] * 2] * 2)
    assert found.performance.tolist() == [1, 1]
    assert found.phase_performance["only"].tolist() == [1, 1]
