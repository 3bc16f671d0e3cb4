"""The reference engine against equations written out for one network and one sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from runtime.builders import batch as make_batch
from runtime.builders import between, epoch, event, every, ms
from runtime.by_hand import ALPHA, CLOSE, Array, array, batch, judged, normals, run, steps_of
from runtime.programs import (
    apply,
    draw,
    drive,
    kind,
    output,
    previous,
    random,
    random_weights,
    read,
    target,
    task,
    time,
    variable,
    white,
    wired,
)
from torch import Tensor

from rnnspec.program.nodes import Activation, Drive, Duration, Network, Noise, Penalty, Population, Program
from rnnspec.runtime.activations import activate
from rnnspec.runtime.noise import INITIAL, SHARED
from rnnspec.runtime.reference.engine import Reference

# --- the base step -----------------------------------------------------------------------------------


def test_euler_step_with_inputs_and_a_time_constant_for_each_population() -> None:
    populations = (Population((), "a", 0, 2, ms(100), None), Population((), "b", 2, 3, ms(40), None))
    net = wired(3, {"cue": 2, "go": 1}, populations=populations)
    first = epoch("first", 20, drives=(drive("cue", apply("onehot", 1, size=2)), drive("go", 0.7)))
    program = task(first, epoch("second", 15, drives=(drive("cue", 0.2),)), net=net)
    weights = random_weights(program)
    found = run(program, weights)
    u = np.array([[0, 1, 0.7]] * 4 + [[0.2, 0.2, 0]] * 3)
    assert found.inputs is not None
    assert found.inputs.shape == (1, 2, 7, 3)
    np.testing.assert_array_equal(array(found.inputs)[0], [u, u])
    for k in range(2):
        expected = steps_of(weights, u, k, np.array([0.05, 0.05, 5 / 40]))
        for b in range(2):
            np.testing.assert_allclose(array(found.rates)[k, b], expected, **CLOSE)
            answer = expected @ array(weights["w_out"])[k].T
            np.testing.assert_allclose(array(found.outputs)[k, b], answer, **CLOSE)
    assert found.steps.tolist() == [7]


@pytest.mark.parametrize("theta", [1, 3, Fraction(5, 2)])
@pytest.mark.parametrize("process", ["ou", "white"])
def test_noise_enters_inside_f(process: Any, theta: int | Fraction) -> None:
    populations = (Population((), "a", 0, 2, ms(100), None), Population((), "b", 2, 6, ms(50), None))
    noise = Noise((), process, 0.3, ms(80))
    program = task(epoch("only", 60), net=wired(6, noise=noise, populations=populations))
    weights, dt = random_weights(program), 5 * float(Fraction(theta))
    found = run(program, weights, batch(program, theta=theta, first_network=4))
    taus = np.array([100, 100, 50, 50, 50, 50])

    def entering(step: int, k: int, b: int) -> Array:
        if process == "white":
            return 0.3 * np.sqrt(2 * taus / dt) * normals(step, 6, b, 4 + k)
        eta = normals(INITIAL, 6, b, 4 + k)
        for s in range(1, step + 1):
            eta = (1 - dt / 80) * eta + math.sqrt(2 * dt / 80) * normals(s, 6, b, 4 + k)
        return 0.3 * eta

    for k, b in ((0, 0), (1, 1)):
        u = np.zeros((int(60 / dt), 0))
        expected = steps_of(weights, u, k, dt / taus, partial(entering, k=k, b=b))
        np.testing.assert_allclose(array(found.rates)[k, b], expected, rtol=1e-9, atol=1e-12)


def test_inputs_follow_the_clock_and_white_noise_of_the_epoch() -> None:
    value = apply("add", apply("mul", time(), variable("gain")), white(0.2, size=6))
    second = epoch("second", 20, drives=(drive("cue", value), drive("go", white(variable("gain"), call=1))))
    draws = (draw("gain", random("uniform", 1, 2, name="gain")),)
    program = task(epoch("first", 15), second, net=wired(3, {"go": 1, "cue": 6}), draws=draws, burn_in=10)
    found = run(program, None, batch(program, theta=Fraction(5, 3)))
    dt = 5 * 5 / 3 / 1000
    # 10, 15 and 20 ms at steps of 25/3 ms.
    assert found.steps.tolist() == [1 + 1 + 2]
    np.testing.assert_array_equal(array(found.inputs)[0, :, :2], 0)
    for b in range(2):
        gain = array(found.variables["gain"])[0, b, 0]
        for k in range(2):
            u = array(found.inputs)[0, b, 2 + k]
            # The channel `cue` is columns 1 to 6 of w_in.
            cue = k * dt * gain + 0.2 * normals(2 + k, 7, b, SHARED, 1)[1:] / math.sqrt(dt)
            np.testing.assert_allclose(u[1:], cue, rtol=1e-12)
            go = gain * normals(2 + k, 1, b, SHARED, 1, base=2**16)[0] / math.sqrt(dt)
            assert u[0] == pytest.approx(go, rel=1e-12)


def test_independent_trials_drive_each_network_differently() -> None:
    only = epoch("only", 10, drives=(drive("cue", white(1)),))
    program = task(only, net=wired(3, {"cue": 1}), independent_trials=True)
    found = run(program, None, batch(program, first_network=3))
    assert array(found.inputs).shape == (2, 2, 2, 1)
    for k in range(2):
        expected = normals(1, 1, 0, 3 + k, 1)[0] / math.sqrt(0.005)
        assert array(found.inputs)[k, 0, 1, 0] == pytest.approx(expected, rel=1e-12)


def test_coarsening_multiplies_dt_everywhere() -> None:
    program = task(epoch("first", 100), epoch("second", 55), net=wired(), burn_in=30)
    weights = random_weights(program)
    found = run(program, weights, batch(program, theta=4))
    # 30, 100 and 55 ms at steps of 20 ms.
    expected = steps_of(weights, np.zeros((1 + 5 + 2, 0)), 1, 20 / 100)
    np.testing.assert_allclose(array(found.rates)[1, 0], expected, **CLOSE)


ACTIVATIONS = {
    "linear": ((), lambda x: x),
    "relu": ((), lambda x: max(x, 0.0)),
    "tanh": ((), math.tanh),
    "retanh": ((), lambda x: math.tanh(max(x, 0.0))),
    "sigmoid": ((), lambda x: 1 / (1 + math.exp(-x))),
    "softsign": ((), lambda x: x / (1 + abs(x))),
    "softplus": ((), lambda x: math.log1p(math.exp(x))),
    "leaky_relu": ((0.1,), lambda x: x if x > 0 else 0.1 * x),
    "power": ((0.5,), lambda x: math.sqrt(max(x, 0.0))),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    arguments, formula = ACTIVATIONS[name]
    x = torch.tensor([-30.0, -0.5, 0.0, 0.7, 2.0, 21.0], dtype=torch.float64, requires_grad=True)
    y = activate(Activation((), name, arguments), x)
    assert y.tolist() == pytest.approx([formula(v) for v in x.tolist()], rel=1e-14)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_softmax_is_over_the_units_of_a_channel() -> None:
    net = wired(3, outputs={"a": (1, "linear"), "b": (3, "softmax")}, readout_bias=True)
    program = task(epoch("only", 50), net=net)
    weights = random_weights(program)
    found = run(program, weights)
    raw = array(found.rates)[1, 0] @ array(weights["w_out"])[1].T + array(weights["readout_bias"])[1]
    odds = np.exp(raw[:, 1:])
    np.testing.assert_allclose(array(found.outputs)[1, 0, :, 0], raw[:, 0], **CLOSE)
    np.testing.assert_allclose(array(found.outputs)[1, 0, :, 1:], odds / odds.sum(1, keepdims=True), **CLOSE)


# --- skips -------------------------------------------------------------------------------------------


def skipping(*skips: Any, **changes: Any) -> Program:
    """Return a task with epochs of 5 and 4 steps."""
    return task(epoch("first", 25), epoch("second", 20), net=wired(), skips=skips, **changes)


SKIPS: dict[str, tuple[Any, dict[int, list[tuple[str, int, int]]]]] = {
    "sctt": (every(10), {2: [("sctt", 0, 0)], 4: [("sctt", 2, 2)], 7: [("sctt", 5, 5)], 9: [("sctt", 7, 7)]}),
    "dasc": (
        every(10, kind="dasc"),
        {2: [("dasc", 0, 0)], 4: [("dasc", 2, 2)], 7: [("dasc", 5, 5)], 9: [("dasc", 7, 7)]},
    ),
    "dasc arriving": (
        every(10, kind="dasc", increment="arriving"),
        {2: [("dasc", 0, 0)], 4: [("dasc", 2, 1)], 7: [("dasc", 5, 5)], 9: [("dasc", 7, 6)]},
    ),
    "dasc through the trial": (
        every(15, "trial", "dasc", "arriving"),
        {3: [("dasc", 0, 0)], 6: [("dasc", 3, 2)], 9: [("dasc", 6, 5)]},
    ),
    "sctt from event to event": (
        between(event("first.start", 10), event("second.end", -5)),
        {8: [("sctt", 2, 2)]},
    ),
    "dasc from event to event": (
        between(event("first.start", 5), event("second.start"), "dasc", "arriving"),
        {5: [("dasc", 1, 1)]},
    ),
}


@pytest.mark.parametrize("name", SKIPS)
def test_skips(name: str) -> None:
    skip, landings = SKIPS[name]
    program = skipping(skip)
    weights = random_weights(program)
    for k in range(2):
        expected = steps_of(weights, np.zeros((9, 0)), k, landings=landings)
        np.testing.assert_allclose(array(run(program, weights).rates)[k, 1], expected, **CLOSE)


def test_several_landings_on_a_state_are_applied_shortest_first() -> None:
    program = skipping(
        between(event("trial.start"), event("first.end"), "dasc"), every("12.5"), every(25, kind="dasc")
    )
    weights = random_weights(program)
    # The period of 12.5 ms is 2 steps; on state 5 the dasc edges are of one length, the document decides.
    landings = {
        2: [("sctt", 0, 0)],
        4: [("sctt", 2, 2)],
        5: [("dasc", 0, 0), ("dasc", 0, 0)],
        7: [("sctt", 5, 5)],
        9: [("sctt", 7, 7)],
    }
    expected = steps_of(weights, np.zeros((9, 0)), 0, landings=landings)
    np.testing.assert_allclose(array(run(program, weights).rates)[0, 0], expected, **CLOSE)

    program = skipping(
        between(event("trial.start"), event("first.end"), "dasc"),
        between(event("first.end", -10), event("first.end")),
    )
    expected = steps_of(weights, np.zeros((9, 0)), 0, landings={5: [("sctt", 3, 3), ("dasc", 0, 0)]})
    np.testing.assert_allclose(array(run(program, weights).rates)[0, 0], expected, **CLOSE)


def test_skips_of_a_coarsened_model_count_its_steps() -> None:
    program = skipping(every(20, "sequence", "dasc"))
    weights = random_weights(program)
    found = run(program, weights, batch(program, theta=2))
    landings = {2: [("dasc", 0, 0)], 4: [("dasc", 2, 2)]}
    expected = steps_of(weights, np.zeros((4, 0)), 0, 0.1, landings=landings)
    np.testing.assert_allclose(array(found.rates)[0, 0], expected, **CLOSE)


@pytest.mark.parametrize("name", SKIPS)
def test_beta_of_one_is_control_bit_for_bit(name: str) -> None:
    noise = Noise((), "ou", 0.1, ms(100))
    with_skip = task(
        epoch("first", 25, jitter=10), epoch("second", 20), net=wired(noise=noise), skips=(SKIPS[name][0],)
    )
    weights = random_weights(with_skip)
    control = array(run(replace(with_skip, skips=()), weights, make_batch(2)).rates)
    assert (array(run(with_skip, weights, batch(with_skip, betas=1.0)).rates) == control).all()
    assert (array(run(with_skip, weights, batch(with_skip, betas=0.9)).rates) != control).any()


# --- gradients ---------------------------------------------------------------------------------------


def smooth(activation: str = "softplus", **changes: Any) -> Network:
    return wired(3, activation=Activation((), activation, ()), **changes)


@pytest.mark.parametrize("name", [*SKIPS, "control"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    skips = (SKIPS[name][0],) if name in SKIPS else ()
    first = epoch("first", 25, drives=(drive("cue", variable("x")),), jitter=5)
    second = epoch("second", 20, targets=(target("y", 0.4), target("z", apply("onehot", 1, size=2))), grace=5)
    net = smooth(
        inputs={"cue": 2},
        outputs={"y": (1, "sigmoid"), "z": (2, "softmax")},
        noise=Noise((), "ou", 0.1, ms(50)),
        readout_bias=True,
    )
    penalized: Any = (("rate", "l1"), ("rate", "l2"), ("w_rec", "l2"), ("w_in", "l1"))
    penalties = tuple(Penalty((), quantity, norm, 0.3) for quantity, norm in penalized)
    draws = (draw("x", random("uniform", 0, 1, name="x")),)
    program = task(first, second, net=net, skips=skips, draws=draws, penalties=penalties)
    weights = random_weights(program)
    names = list(weights)

    def loss(*values: Tensor) -> Tensor:
        return Reference(program).run(dict(zip(names, values, strict=True)), batch(program, 1)).loss

    assert torch.autograd.gradcheck(loss, tuple(weights.values()), atol=1e-7, fast_mode=True)


def unrolled(weights: Mapping[str, Tensor], start: Tensor, steps: int) -> list[Tensor]:
    """Return the states after `start` of a network without input, (K, N) each, differentiable."""
    states = [start]
    for _ in range(steps):
        total = (weights["w_rec"] @ states[-1].unsqueeze(-1)).squeeze(-1) + weights["bias"]
        states.append(states[-1] + ALPHA * (-states[-1] + torch.nn.functional.softplus(total)))
    return states[1:]


def gradients(loss: Tensor, weights: Mapping[str, Tensor]) -> dict[str, Array]:
    found = torch.autograd.grad(loss.sum(), list(weights.values()), allow_unused=True)
    pairs = zip(weights.items(), found, strict=True)
    return {name: array(torch.zeros_like(w) if g is None else g) for (name, w), g in pairs}


@pytest.mark.parametrize("burn_in", [True, False])
def test_no_gradient_passes_an_epoch_without_gradient(burn_in: bool) -> None:
    answer = epoch("answer", 30, targets=(target("y", 0.4),))
    if burn_in:
        program = task(answer, net=smooth(), burn_in=40)
    else:
        program = task(epoch("context", 40, gradient=False), answer, net=smooth())
    weights = random_weights(program)
    found = run(program, weights, batch(program, 1))
    assert found.rates is not None
    states = unrolled(weights, found.rates[:, 0, 7].detach(), 6)
    loss = sum(((weights["w_out"] @ r.unsqueeze(-1))[:, 0, 0] - 0.4) ** 2 for r in states) / 6
    assert isinstance(loss, Tensor)
    np.testing.assert_allclose(array(found.loss), array(loss), rtol=1e-12)
    expected = gradients(loss, weights)
    for name, value in gradients(found.loss, weights).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind_of_skip", ["sctt", "dasc"])
def test_a_skip_from_a_state_without_gradient_carries_that_of_its_increment_alone(kind_of_skip: str) -> None:
    # From the end of the burn-in, state 2, to the end of the answer, state 6.  Step 2 makes the increment.
    skip = between(event("trial.start"), event("trial.end"), kind_of_skip)
    program = task(epoch("answer", 20, targets=(target("y", 0.4),)), net=smooth(), burn_in=10, skips=(skip,))
    weights = random_weights(program)
    found = run(program, weights, batch(program, 1))
    assert found.rates is not None
    origin = found.rates[:, 0, 1].detach()
    states = unrolled(weights, origin, 4)
    jump = origin + (4 * (states[0] - origin) if kind_of_skip == "dasc" else 0)
    states[3] = 0.4 * jump + 0.6 * states[3]
    loss = sum(((weights["w_out"] @ r.unsqueeze(-1))[:, 0, 0] - 0.4) ** 2 for r in states) / 4
    assert isinstance(loss, Tensor)
    np.testing.assert_allclose(array(found.loss), array(loss), rtol=1e-12)
    expected = gradients(loss, weights)
    for name, value in gradients(found.loss, weights).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("kind_of_skip", ["sctt", "dasc"])
def test_a_skip_carries_gradient_across_an_epoch_that_has_none(kind_of_skip: str) -> None:
    skip = between(event("cue.end"), event("answer.end"), kind_of_skip)
    epochs = (
        epoch("cue", 15, drives=(drive("cue", 1),)),
        epoch("pause", 10, gradient=False),
        epoch("answer", 10, targets=(target("y", 0.4),)),
    )
    program = task(*epochs, net=smooth(inputs={"cue": 1}), skips=(skip,))
    weights = random_weights(program)
    found = run(program, weights, batch(program, 1))
    assert found.rates is not None
    driven = {**weights, "bias": weights["bias"] + weights["w_in"][..., 0]}
    origin = unrolled(driven, torch.zeros(2, 3, dtype=torch.float64), 3)[-1]
    # The increment is a step of the pause, which computes nothing with gradient.
    increment = (unrolled(weights, origin, 1)[0] - origin).detach()
    jump = origin + (4 * increment if kind_of_skip == "dasc" else 0)
    states = unrolled(weights, found.rates[:, 0, 4].detach(), 2)
    states[1] = 0.4 * jump + 0.6 * states[1]
    loss = sum(((weights["w_out"] @ r.unsqueeze(-1))[:, 0, 0] - 0.4) ** 2 for r in states) / 2
    assert isinstance(loss, Tensor)
    np.testing.assert_allclose(array(found.loss), array(loss), rtol=1e-12)
    expected = gradients(loss, weights)
    assert expected["w_in"].any()
    for name, value in gradients(found.loss, weights).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-10, atol=1e-14)


def test_reads_carry_no_gradient() -> None:
    first = epoch("first", 20, reads=(read("seen", output("y")),))
    second = epoch(
        "second", 20, drives=(Drive((), "cue", variable("seen", reads=True)),), targets=(target("y", 0.4),)
    )
    program = task(first, second, net=smooth(inputs={"cue": 1}))
    weights = random_weights(program)
    free = run(program, weights)
    forced = run(program, weights, forced_reads={"seen": free.variables["seen"]})
    assert torch.equal(free.loss, forced.loss)
    expected = gradients(forced.loss, weights)
    for name, value in gradients(free.loss, weights).items():
        np.testing.assert_array_equal(value, expected[name])


# --- analytic ----------------------------------------------------------------------------------------


def test_a_linear_network_converges_to_the_matrix_exponential_with_order_one() -> None:
    errors = []
    for dt in (2, 1, 0.5):
        net = replace(smooth("linear"), dt=ms(str(dt)))
        program = task(epoch("only", 200), net=net)
        weights = random_weights(program)
        found = run(program, weights, batch(program, 1)).rates
        assert found is not None
        rates = found[:, 0, -1].detach()
        # tau dr/dt = A r + b with A = W - 1, so r(t) = A^-1 (exp(A t / tau) - 1) b.
        a = weights["w_rec"].detach() - torch.eye(3, dtype=torch.float64)
        growth = torch.matrix_exp(a * 200 / 100) - torch.eye(3, dtype=torch.float64)
        exact = torch.linalg.solve(a, growth @ weights["bias"].detach().unsqueeze(-1)).squeeze(-1)
        errors.append(float((rates - exact).norm()))
    assert errors[0] < 0.05
    for coarse, fine in pairwise(errors):
        assert coarse / fine == pytest.approx(2, abs=0.06)


# --- reads -------------------------------------------------------------------------------------------


def feedback() -> Program:
    """Return a task of three trials that shows a network its answer, in the same and in the next trial."""
    answered = variable("answered", reads=True)
    before = replace(draw("before", previous("answered", 5, reads=True), available=0), type=kind(reads=True))
    mixed = apply("add", answered, apply("mul", 10, variable("before", reads=True)))
    echo = replace(draw("echo", mixed, available=1), type=kind(reads=True))
    respond = epoch(
        "respond",
        20,
        drives=(drive("before", variable("before", reads=True)),),
        reads=(read("answered", apply("argmax", output("choice", 3))),),
    )
    shown = epoch(
        "shown",
        15,
        drives=(
            drive("feedback", apply("onehot", answered, size=3)),
            drive("before", variable("echo", reads=True)),
        ),
    )
    net = wired(
        5, {"before": 1, "feedback": 3}, {"choice": (3, "linear")}, noise=Noise((), "white", 0.5, ms(9))
    )
    return task(respond, shown, net=net, draws=(before, echo), trials=3, burn_in=10)


@pytest.mark.parametrize("forced", [False, True])
def test_reads_feed_inputs_and_draws_of_later_epochs_and_trials(forced: bool) -> None:
    program = feedback()
    weights = random_weights(program, 4, seed=3)
    given = torch.randint(3, (4, 3, 3), generator=torch.Generator().manual_seed(0)).double()
    found = run(program, weights, batch(program, 3), forced_reads={"answered": given} if forced else None)
    seen = array(found.variables["answered"])
    choices = array(found.outputs)[:, :, 2:].reshape(4, 3, 3, 7, 3)[:, :, :, 3].argmax(-1)
    assert len(np.unique(choices)) > 1
    np.testing.assert_array_equal(seen, given if forced else choices)
    u = array(found.inputs)
    assert u.shape == (4, 3, 2 + 3 * 7, 4)
    np.testing.assert_array_equal(u[:, :, :2], 0)
    for k in range(4):
        for b in range(3):
            for trial in range(3):
                before = seen[k, b, trial - 1] if trial else 5
                start = 2 + 7 * trial
                np.testing.assert_array_equal(u[k, b, start : start + 4], [[before, 0, 0, 0]] * 4)
                shown = [seen[k, b, trial] + 10 * before, *np.eye(3)[int(seen[k, b, trial])]]
                np.testing.assert_array_equal(u[k, b, start + 4 : start + 7], [shown] * 3)
                assert found.variables["before"][k, b, trial].item() == before


# --- sequences of their own length -------------------------------------------------------------------


def ragged(**changes: Any) -> Program:
    """Return a task of two trials whose first epoch lasts as long as is drawn, perhaps no time at all."""
    lasting = Duration((), None, variable("wait"))
    first = replace(epoch("first", 50, drives=(drive("cue", time()),)), duration=lasting, phase="both")
    second = epoch(
        "second", 20, phase="both", targets=(target("y", 0.3),), correct=apply("lt", output("y"), 0.2)
    )
    first = replace(first, correct=second.correct, targets=second.targets, grace=ms(10))
    wait = apply("max", 0, apply("sub", random("uniform", 0, 0.06, name="wait"), 0.02))
    noise = Noise((), "ou", 0.2, ms(30))
    net = wired(3, {"cue": 1}, noise=noise)
    skips = (every(15, "sequence", "dasc"),)
    return task(
        first, second, net=net, draws=(draw("wait", wait),), trials=2, skips=skips, burn_in=15, **changes
    )


def test_each_sequence_runs_on_its_own_clock() -> None:
    penalty = Penalty((), "rate", "l1", 0.7)
    program = ragged(penalties=(penalty,))
    weights = random_weights(program)
    found = run(program, weights, batch(program, 6))
    rates, answers = array(found.rates), array(found.outputs)[..., 0]
    losses, penalties, performances = [], [], []
    waits = array(found.variables["wait"])[0]
    assert (waits == 0).any()
    for b in range(6):
        steps = [int(wait / 0.005 + 1e-6) if wait > 0 else 0 for wait in waits[b]]
        steps = [max(s, 1) if wait > 0 else 0 for s, wait in zip(steps, waits[b], strict=True)]
        total = 3 + sum(steps) + 8
        assert found.steps[b].item() == total
        u = [0.0] * 3
        for wait in steps:
            u += [0.005 * k for k in range(wait)] + [0.0] * 4
        np.testing.assert_allclose(array(found.inputs)[0, b, :total, 0], u, atol=1e-15)
        eta = [normals(INITIAL, 3, b, 1)]
        for s in range(1, total):
            eta.append((1 - 5 / 30) * eta[-1] + math.sqrt(10 / 30) * normals(s, 3, b, 1))
        landings = {s: [("dasc", s - 3, s - 3)] for s in range(3, total + 1, 3)}
        noise = [0.2 * value for value in eta]
        expected = steps_of(weights, np.array(u)[:, None], 1, noise=noise.__getitem__, landings=landings)
        np.testing.assert_allclose(rates[1, b, :total], expected, rtol=1e-9, atol=1e-12)
        assert np.isnan(rates[1, b, total:]).all()
        assert np.isnan(answers[1, b, total:]).all()
        start = 3
        for wait in steps:
            # Two steps of grace at the beginning of the first epoch.
            points = [*range(start + 2, start + wait), *range(start + wait, start + wait + 4)]
            losses.append(np.mean((answers[1, b, points] - 0.3) ** 2))
            performances.append(np.mean(answers[1, b, points] < 0.2))
            start += wait + 4
        penalties.append(rates[1, b, 3:total])
    assert len(set(found.steps.tolist())) > 3
    mean_rate = np.mean(abs(np.concatenate(penalties)))
    assert found.loss[1].item() == pytest.approx(np.mean(losses) + 0.7 * mean_rate, rel=1e-10)
    assert found.performance[1].item() == pytest.approx(np.mean(performances))


def test_an_epoch_of_no_steps_reads_the_state_it_begins_and_ends_with() -> None:
    program = ragged()
    first, second = program.timeline.epochs
    first = replace(first, reads=(read("seen", output("y")),))
    program = replace(program, timeline=replace(program.timeline, epochs=(first, second)))
    found = run(program, None, batch(program, 6))
    waits = array(found.variables["wait"])[0]
    (b, *_) = np.flatnonzero(waits[:, 0] == 0)
    np.testing.assert_array_equal(array(found.variables["seen"])[:, b, 0], array(found.outputs)[:, b, 2, 0])


# --- batches -----------------------------------------------------------------------------------------


def test_jitter_is_for_training_alone() -> None:
    program = task(epoch("first", 50, jitter=20), epoch("second", 50, jitter=20), net=wired(), trials=3)
    lengths = {run(program, None, batch(program, 1, iteration=i)).steps.item() for i in range(8)}
    assert len(lengths) > 2
    for purpose in ("evaluate", "simulate"):
        lengths = {
            run(program, None, batch(program, 1, iteration=i, purpose=purpose)).steps.item() for i in range(8)
        }
        assert lengths == {60}


def test_a_network_alone_is_that_network_of_the_ensemble() -> None:
    program = feedback()
    weights = random_weights(program, 3)
    together = run(program, weights)
    alone = run(program, {name: w[2:] for name, w in weights.items()}, batch(program, first_network=2))
    rates = array(together.rates)
    np.testing.assert_allclose(array(alone.rates)[0], rates[2], rtol=1e-13, atol=1e-15)
    assert (rates[1] != rates[2]).any()


def test_single_precision_follows_the_weights() -> None:
    program = judged()
    wide = run(program, random_weights(program))
    narrow = run(program, random_weights(program, dtype=torch.float32))
    for name in ("loss", "rates", "outputs", "inputs", "trial_performance", "performance"):
        value = getattr(narrow, name)
        assert value.dtype == torch.float32
        # Single precision: 6e-8 relative at each of 28 steps.
        np.testing.assert_allclose(array(value), array(getattr(wide, name)), rtol=1e-4, atol=1e-6)


def test_nothing_is_recorded_unless_asked_for() -> None:
    program = judged()
    found = Reference(program).run(random_weights(program), batch(program))
    assert found.rates is None
    assert found.outputs is None
    assert found.inputs is None
