"""What guessing scores: trials in numpy against the reference, and levels that are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from examples import examples
from hypothesis import HealthCheck, assume, given
from random_specs import specs
from support import SPECS, program
from test_random_specs import lowered
from test_targets import BOUNDARY, FEATURES, NOISY, READS

from rnnspec.analysis.guessing import values
from rnnspec.analysis.guessing.answers import Constant, OtherTrials, Targets, constants
from rnnspec.analysis.guessing.levels import Guessing, measure_guessing
from rnnspec.analysis.guessing.networks import Untrained, activate, initial_matrix
from rnnspec.analysis.guessing.trials import Moment, Score, Trials
from rnnspec.check.examine import load
from rnnspec.cli.display.guessing import describe_guessing
from rnnspec.program.expression_nodes import White, walk
from rnnspec.program.nodes import Activation, Program
from rnnspec.runtime import activations
from rnnspec.runtime.batch import Batch, Outcome, Stage
from rnnspec.runtime.effective_weights import matrices
from rnnspec.runtime.reference.engine import Reference
from rnnspec.runtime.reference.interpret import Drawn, Environment, draw, evaluate
from rnnspec.runtime.reference.sequence import clock
from rnnspec.runtime.schedule import Segment
from rnnspec.runtime.simulation import Simulation, true_dynamics
from rnnspec.spec.activations import ACTIVATIONS

NETWORKS, SEQUENCES = 2, 4

#: What may change the score of given outputs.
SCORED = (
    "readout: softmax",
    "burn-in",
    "score before what is learned",
    "drawn durations",
    "independent trials",
    "sequence values",
    "t",
    "t at a boundary",
    "grace",
    "atan2",
    "success and scored",
    "functions: an example of each",
)

OTHERS = {
    "t at a boundary": (BOUNDARY,),
    "grace": ("task: {epochs: {response: {correct: t > 240 ms}, fixation: {phase: respond}}}",),
}

Array = values.Array


class Replayed:
    """Gives the outputs that networks had in the reference."""

    def __init__(self, trials: Trials, outcome: Outcome) -> None:
        assert outcome.outputs is not None
        self._trials, self._outputs = trials, outcome.outputs.numpy()
        burn_in = outcome.outputs.shape[2] - int(trials.steps.sum((1, 2)).max())
        self._done = np.full(trials.sequences, burn_in)

    def outputs(self, moment: Moment) -> Mapping[str, Array]:
        at = np.minimum(self._done[:, None] + moment.at, self._outputs.shape[2] - 1)
        self._done = self._done + moment.lengths
        found = self._outputs[:, np.arange(len(at))[:, None], at]
        return {
            channel.name: values.of_channel(
                found[..., channel.start : channel.stop], channel.stop - channel.start
            )
            for channel in self._trials.program.network.outputs
        }


def of_reference(found: Program, sequences: int = SEQUENCES) -> tuple[Simulation, Batch, Trials, Outcome]:
    """Simulate a program, and return trials in numpy with the same variables and durations."""
    simulation = Simulation(found, networks=NETWORKS, target="reference", dtype=torch.float64)
    batch = Batch(sequences, simulation.seed, 3, "evaluate", true_dynamics(found))
    with torch.no_grad():
        outcome = Reference(found).run(simulation.weights(), batch, record=True)
    drawn = draw(found, batch, NETWORKS)
    trials = Trials(found, sequences, np.random.default_rng(0))
    trials.variables = [
        {name: value.numpy()[..., None] for name, value in trial.items()} for trial in drawn.variables
    ]
    trials.steps = trials._steps()
    return simulation, batch, trials, outcome


def assert_same_score(found: Score, outcome: Outcome) -> None:
    def close(mine: Array, other: torch.Tensor) -> None:
        wanted = np.broadcast_to(mine, other.shape)
        np.testing.assert_allclose(wanted, other.numpy(), rtol=1e-9, atol=1e-12)

    close(found.performance, outcome.performance)
    assert found.phases.keys() == outcome.phase_performance.keys()
    for name, value in found.phases.items():
        close(value, outcome.phase_performance[name])


@pytest.mark.parametrize("feature", SCORED)
def test_the_score_is_that_of_the_reference(feature: str) -> None:
    overlays = OTHERS.get(feature) or FEATURES[feature]
    _, _, trials, outcome = of_reference(program(*overlays))
    assert_same_score(trials.score(Replayed(trials, outcome)), outcome)


@examples(6, suppress_health_check=list(HealthCheck))
@given(specs())
def test_the_score_of_random_specs_is_that_of_the_reference(document: dict[str, Any]) -> None:
    found, _ = lowered(document)
    assert found is not None
    assert (measure_guessing(found) is None) == (
        found.timeline.success is None and not found.timeline.scored_phases
    )
    _, _, trials, outcome = of_reference(found)
    # A silent ring has no direction, only what is left of rounding.
    assume(outcome.outputs is not None and not (outcome.outputs == 0).any())
    assert_same_score(trials.score(Replayed(trials, outcome)), outcome)


def test_of_a_long_epoch_some_points_are_enough() -> None:
    """64 points of 400, evenly spread."""
    found = program("task: {epochs: {stimulus: {duration: 8 s, correct: t > 2 s}}}")
    trials = Trials(found, 3, np.random.default_rng(0))
    score = trials.score(Constant(found.network, np.zeros((1, found.network.output_units))))
    # 10 steps of fixation, which are wrong, then those of the stimulus.
    assert score.phases["hold"] == pytest.approx(0.75 * 400 / 410, abs=0.01)


# --- expressions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("feature", ["functions: an example of each", "atan2", "t", "previous", "draws"])
def test_values_of_expressions(feature: str) -> None:
    found = program(*FEATURES[feature])
    _, batch, trials, _ = of_reference(found)
    drawn: Drawn = draw(found, batch, 1)
    steps = 4
    segment = Segment(0, 0, 0, steps, 0, True)
    compared = 0
    for epoch in found.timeline.epochs:
        for value in (*(d.value for d in epoch.drives), *(t.value for t in epoch.targets)):
            if any(isinstance(node, White) for node in walk(value)):
                continue
            theirs = evaluate(
                value,
                Environment(
                    torch.device("cpu"),
                    drawn.variables[0],
                    clock=clock(found, batch, segment, 0, torch.device("cpu")),
                ),
            )
            mine = values.evaluate(
                value,
                replace(trials.environment(trials.variables, 0), clock=trials.clock(np.arange(steps)[None])),
            )
            # (K, B, L, ...) to (L, K, B, ...).
            moved = np.moveaxis(mine, 2, 0)
            wanted = np.broadcast_to(theirs.numpy(), np.broadcast_shapes(moved.shape, theirs.shape))
            np.testing.assert_allclose(np.broadcast_to(moved, wanted.shape), wanted, rtol=1e-12, atol=1e-12)
            compared += 1
    assert compared


def test_draws_have_the_distributions_of_the_reference() -> None:
    found = program(*FEATURES["draws"])
    wanted = draw(found, Batch(4000, 0, 3, "evaluate", Stage(Fraction(1), ())), 1).variables[0]
    drawn = Trials(found, 4000, np.random.default_rng(0)).variables[0]
    assert drawn.keys() == wanted.keys()
    for name, value in drawn.items():
        sample = np.sort(np.broadcast_to(value, (1, 4000, 1)).ravel())
        other = np.sort(wanted[name].numpy().ravel())
        # The distance of two sorted samples is what must be moved from one to the other.
        assert np.abs(sample - other).mean() < 0.06 * (1 + other.std()), name
        assert sample.min() == pytest.approx(other.min(), abs=0.7)


def test_values_of_the_sequence_stay_and_patterns_are_dealt_evenly() -> None:
    found = program(*FEATURES["sequence values"])
    trials = Trials(found, 4, np.random.default_rng(0), players=3)
    first, second = trials.variables
    assert np.array_equal(first["block"], second["block"])
    assert {float(np.unique(trial["rule"])[0]) for trial in (first, second)} == {1.0, 2.0}
    assert first["side"].shape == (3, 4, 1)
    assert first["side"].mean() == second["side"].mean() == 0.5
    assert np.array_equal(first["side"], 1 - second["side"])


def test_players_have_trials_of_their_own_and_the_same_durations() -> None:
    found = program(*FEATURES["drawn durations"])
    trials = Trials(found, 4, np.random.default_rng(0), players=3)
    assert trials.variables[0]["direction"].shape == (3, 4, 1)
    assert trials.variables[0]["wait"].shape == (1, 4, 1)
    assert len(np.unique(trials.steps[:, 0, 1])) > 1


# --- networks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    x = np.linspace(-3, 3, 14).reshape(2, 7)
    arguments = tuple(option.default for option in ACTIVATIONS[name].options)
    activation = Activation((), name, arguments)
    wanted = activations.activate(activation, torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(activate(activation, x), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "overlays",
    [(), ("task: {burn_in: 200 ms}",), FEATURES["drawn durations"], ("", READS), FEATURES["t"]],
    ids=["plain", "burn-in", "drawn durations", "reads", "t"],
)
def test_networks_score_what_they_score_in_the_reference(overlays: tuple[str, ...]) -> None:
    found = program(*overlays, "network: {noise: none, weights: {bias: 'normal(0, 1)'}}")
    simulation, _, trials, outcome = of_reference(found, 12)
    networks = untrained(trials, simulation)
    assert_same_score(trials.score(networks), outcome)
    assert outcome.performance.std() > 0


def untrained(trials: Trials, simulation: Simulation) -> Untrained:
    """Return players with the weights of a simulation, which begin anew."""
    found = trials.program
    timeline = replace(found.timeline, burn_in=Fraction(0))
    bare = Trials(replace(found, timeline=timeline), trials.sequences, trials.rng)
    networks = Untrained(bare, NETWORKS)
    weights = {name: value.detach().numpy() for name, value in simulation.weights().items()}
    networks._w_rec, networks._w_in, networks._w_out = (
        weights[name].swapaxes(1, 2) for name in ("w_rec", "w_in", "w_out")
    )
    networks._bias = weights["bias"][:, None]
    networks._rate = np.zeros(networks._rate.shape, networks._rate.dtype)
    for _ in range(int(found.timeline.burn_in / found.network.dt)):
        networks._rate = networks._next(np.zeros(1))
    return networks


@pytest.mark.parametrize("feature", ["noise: ou", "noise: white"])
def test_noise_is_as_strong_as_in_the_reference(feature: str) -> None:
    """In a linear network without connections, the variance of the rates follows from it."""
    alone = """
network:
  activation: linear
  weights: {w_rec: zeros, w_in: zeros, bias: zeros}
"""
    found = program(*FEATURES[feature], alone, "task: {epochs: {fixation: {duration: 1 s}}}")
    trials = Trials(found, 200, np.random.default_rng(0))
    networks = Untrained(trials, 1)
    trials.score(networks)
    simulation = Simulation(found, networks=1, target="torch")
    with torch.no_grad():
        rates = simulation(200, record=True).rates
    assert rates is not None
    assert networks._rate.std() == pytest.approx(float(rates[0, :, -1].std()), rel=0.1)
    assert rates[0, :, -1].std() > 0.05


@pytest.mark.parametrize("features", [("initial weights", "masks"), ("dale: relu",)])
def test_initial_weights_have_the_distributions_of_the_reference(features: tuple[str, ...]) -> None:
    found = program(*(overlay for feature in features for overlay in FEATURES[feature]))
    rng = np.random.default_rng(0)
    weights = Simulation(found, networks=60, target="torch").weights()
    for matrix in matrices(found):
        mine = np.stack([initial_matrix(matrix, rng) for _ in range(240)])
        other = weights[matrix.name].detach().numpy()
        assert np.array_equal(np.sign(mine).max(0), np.sign(other).max(0))
        assert np.array_equal(np.sign(mine).min(0), np.sign(other).min(0))
        assert (mine == 0).mean() == pytest.approx((other == 0).mean(), abs=0.03)
        assert mine.mean() == pytest.approx(other.mean(), abs=0.05)
        assert mine.std() == pytest.approx(other.std(), rel=0.08)
        if matrix.radius is not None:
            assert np.abs(np.linalg.eigvals(mine)).max(1) == pytest.approx(matrix.radius)


# --- levels -----------------------------------------------------------------------------------------------

CHOICE = """
network:
  outputs: {choice: {from: output, size: 2, activation: softmax}}
task:
  draw: {side: "choice(0, 1)"}
  epochs:
    response:
      target: {choice: onehot(side)}
      correct: fixation < 0.5 and argmax(choice) == side
"""


def levels(*overlays: str) -> Guessing:
    found = measure_guessing(program(*overlays))
    assert found is not None
    return found


def test_levels_of_a_choice_after_fixation() -> None:
    """Hold 600 ms, respond 400 ms."""
    found = levels(CHOICE)
    assert found.random is not None
    assert found.untrained is not None
    assert found.random.phases == {"hold": 1.0, "respond": pytest.approx(0.5, abs=0.04)}
    assert found.random.performance == pytest.approx(0.8, abs=0.02)
    # One that holds fixation for ever, and one that never does and takes one side.
    assert found.constant.phases == {"hold": 1.0, "respond": pytest.approx(0.5, abs=0.04)}
    assert found.constant.performance == pytest.approx(0.6)
    assert 0 < found.untrained.performance < 0.7


def test_untrained_networks_score_what_they_score_in_an_evaluation() -> None:
    found = program(NOISY)
    measured = measure_guessing(found)
    assert measured is not None
    assert measured.untrained is not None
    outcome = Simulation(found, networks=100, target="torch")(4, purpose="evaluate")
    assert measured.untrained.performance == pytest.approx(float(outcome.performance.mean()), abs=0.12)


def test_other_trials_answer_by_their_own_variables() -> None:
    found = program(CHOICE)
    trials = Trials(found, 64, np.random.default_rng(0))
    ideal = Targets(trials)
    assert trials.score(ideal).performance == pytest.approx(1.0)
    other = OtherTrials(trials, ideal.environments)
    right = trials.score(other).phases["respond"]
    answered = other._other.variables["side"]
    assert right == pytest.approx((answered == trials.variables[0]["side"]).mean())
    assert not np.array_equal(answered, trials.variables[0]["side"])


def test_the_constants_are_the_targets_their_mean_and_silence() -> None:
    found = program(CHOICE)
    trials = Trials(found, 8, np.random.default_rng(0))
    ideal = Targets(trials)
    trials.score(ideal)
    rows = constants(found.network, ideal.seen)
    choice = next(channel for channel in found.network.outputs if channel.name == "choice")
    answers = {tuple(row[choice.start : choice.stop]) for row in rows}
    assert {(0.5, 0.5), (0.0, 1.0), (1.0, 0.0)} < answers
    assert np.allclose(rows[0], 0.5)
    assert np.allclose(rows[1], np.concatenate(ideal.seen).mean(0))


def test_a_task_with_reads_and_a_success() -> None:
    found = levels(READS, "task: {success: answered == side, correct: null}")
    assert found.random is not None
    assert found.random.performance == pytest.approx(0.5, abs=0.05)
    assert found.constant.performance == pytest.approx(0.5, abs=0.05)


def test_nothing_is_measured_where_nothing_is_scored() -> None:
    assert measure_guessing(program("task: {correct: null, epochs: {response: {correct: null}}}")) is None


def test_without_targets_there_are_no_answers() -> None:
    found = levels("task: {target: null, epochs: {response: {target: none}}}")
    assert found.random is None
    assert "random" not in found.by_name()


def test_networks_that_are_too_large_are_not_simulated() -> None:
    found = levels("network: {populations: {output: {size: 4000}}}")
    assert found.untrained is None
    found = levels("task: {epochs: {fixation: {duration: 300 s}}}")
    assert found.untrained is None
    assert found.constant.performance > 0.9
    assert next(describe_guessing(found)) == "untrained networks: not measured here, it would take too long"


def test_a_trial_of_a_shipped_spec() -> None:
    """Hold 2 s, then respond within a fifth of the circle on either side: 500 ms."""
    found = measure_guessing(load(SPECS / "delayed_go.yaml").program)
    assert found is not None
    assert found.random is not None
    assert found.random.phases["respond"] == pytest.approx(0.2, abs=0.03)
    assert found.random.performance == pytest.approx(0.84, abs=0.01)
    assert found.constant.performance == pytest.approx(0.8)


def test_the_levels_are_the_same_each_time() -> None:
    first, second = levels(NOISY), levels(NOISY)
    assert first == second
    assert levels(NOISY, "training: {seed: 5}") != first


def test_a_level_that_is_not_measured() -> None:
    """No trial counts."""
    found = levels('task: {draw: {x: "uniform(0, 1)", y: "uniform(0, 1)"}, scored: x > y + 0.999999}')
    assert math.isnan(found.constant.performance)
    assert found.constant.as_dict()["performance"] is None
    assert list(describe_guessing(found))[1] == "constant outputs none (hold none, respond none)"


def test_a_score_that_contradicts_the_target_is_said() -> None:
    for correct, said in (("fixation > 0.5", False), ("fixation < 0.5", True)):
        found = levels(
            f"task: {{target: {{fixation: 0.85}}, epochs: {{response: {{target: {{fixation: 0.85}}, "
            f"correct: {correct}}}}}}}"
        )
        assert found.targets is not None
        lines = list(describe_guessing(found))
        assert lines[-1].startswith("exact targets score only") is said, lines


def test_untrained_networks_are_measured_on_many_trials() -> None:
    """Two alternatives that are equally likely: 0.5, whatever networks prefer."""
    choice = """
network:
  outputs: {choice: {from: output, size: 2, activation: softmax}}
task:
  draw: {side: "choice(0, 1)"}
  epochs: {response: {target: {choice: onehot(side)}, correct: argmax(choice) == side}}
"""
    for seed in range(3):
        found = levels(choice, f"training: {{seed: {seed}}}")
        assert found.untrained is not None
        assert found.untrained.phases["respond"] == pytest.approx(0.5, abs=0.05)
