"""The models: the whole language is accepted, attributes are its keys, and the defaults stand here once."""

from __future__ import annotations

from fractions import Fraction

import pytest
from pydantic import ValidationError
from spec.documents import EVERYTHING, MINIMAL, spec_of

from rnnspec.spec.document import Spec
from rnnspec.spec.network import Activation, Connection, NoNoise, OUNoise
from rnnspec.spec.skips import BetaSchedule
from rnnspec.spec.task import Balanced
from rnnspec.spec.training import SGD, Adam, AdamW, Evaluate, RMSProp, Training
from rnnspec.spec.values import ConnectionKey, ExpressionText, Over
from rnnspec.syntax.quantity import Time

HALF = Over(Fraction(50), "%")


def minimal(section: str) -> Spec:
    return spec_of(MINIMAL + section)


def function(activation: Activation) -> tuple[str, tuple[float, ...]]:
    return activation.kind, activation.options


def test_every_key_of_the_language_is_read() -> None:
    spec = spec_of(EVERYTHING)
    assert spec.network is not None
    assert spec.task is not None
    assert spec.skips is not None
    assert spec.coarsening is not None

    network = spec.network
    assert list(network.populations) == ["exc", "inh"]
    assert function(network.activation) == ("power", (2.0,))
    assert isinstance(network.noise, OUNoise)
    assert (network.noise.scale, network.noise.tau) == (0.1, Time(Fraction(100), "ms"))
    assert network.inputs["cue"].to == ("exc",)
    assert network.inputs["direction"].to == ("exc", "inh")
    assert network.outputs["choice"].from_ == ("exc",)
    assert function(network.outputs["choice"].activation) == ("softmax", ())
    assert network.outputs["choice"].bias is True
    assert function(network.outputs["rate"].activation) == ("leaky_relu", (0.1,))
    assert network.weights.w_rec is not None
    assert network.weights.w_rec.name == "spectral"
    key, other = network.connections
    assert key == ConnectionKey("exc", "inh", "exc -> inh")
    connection = network.connections[key]
    assert isinstance(connection, Connection)
    assert (connection.density, connection.trainable, connection.self_) == (0.5, False, True)
    assert network.connections[other] == "none"

    task = spec.task
    rule = task.sequence["rule"]
    assert isinstance(rule, Balanced)
    assert [[e.text for e in pattern] for pattern in rule.balanced] == [
        ["1", "2"],
        ["2", "1"],
    ]
    assert isinstance(task.sequence["side"], tuple)
    assert isinstance(task.sequence["offset"], ExpressionText)
    wait, respond = task.epochs.values()
    assert isinstance(wait.duration, ExpressionText)
    assert (wait.input, wait.target, wait.correct) == ("none", "none", "none")
    assert respond.duration == Time(Fraction(40), "steps")
    assert isinstance(respond.input, dict)
    assert respond.input["cue"] == "none"
    assert respond.correct is None

    assert spec.skips.beta == BetaSchedule.model_validate(
        {"from": 0.2, "increments": 5, "over": "20000 iterations"}
    )
    strategic = spec.skips.edges["strategic"]
    assert strategic.from_ is not None
    assert (strategic.from_.name, strategic.from_.edge) == ("wait", "start")
    assert strategic.beta is not None
    assert strategic.beta.increments == 1
    assert (spec.coarsening.from_, spec.coarsening.increments, spec.coarsening.over) == (10.0, 10, HALF)

    training = spec.training
    assert isinstance(training.optimizer, AdamW)
    assert training.optimizer.betas == (0.8, 0.9)
    assert training.penalty.rate_l2 == 1.0
    assert isinstance(training.penalty.rate_l2, float)
    assert (training.trials, training.evaluate.every, training.seed) == ("independent", 5, 7)


def test_the_defaults_of_the_network() -> None:
    network = minimal("").network
    assert network is not None
    assert function(network.activation) == ("relu", ())
    assert network.noise == NoNoise()
    assert (network.inputs, network.connections, network.dale) == ({}, {}, "relu")
    weights = network.weights
    assert (weights.w_rec, weights.w_in, weights.w_out, weights.bias) == (None, None, None, None)
    assert network.populations["all"].sign is None
    choice = network.outputs["choice"]
    assert (choice.size, choice.ring, choice.from_, choice.bias) == (None, None, None, False)
    assert function(choice.activation) == ("linear", ())
    connection = Connection()
    assert (connection.init, connection.density, connection.trainable) == (None, 1.0, True)
    assert (connection.sign, connection.self_) == (None, True)


def test_the_defaults_of_the_task() -> None:
    task = minimal("").task
    assert task is not None
    assert (task.trials, task.burn_in, task.phase) == (1, Time(Fraction(0), "s"), "trial")
    assert (task.sequence, task.draw, task.input, task.target) == ({}, {}, {}, {})
    assert (task.correct, task.success, task.scored) == (None, None, None)
    epoch = task.epochs["fixation"]
    assert (epoch.jitter, epoch.grace) == (Time(Fraction(0), "s"), Time(Fraction(0), "s"))
    assert (epoch.gradient, epoch.phase, epoch.weight, epoch.correct) == (True, None, None, None)
    assert (epoch.input, epoch.read) == ({}, {})


def test_the_defaults_of_training() -> None:
    training = minimal("").training
    assert training == Training()
    assert (training.networks, training.batch, training.iterations) == (1, 20, 10_000)
    assert training.optimizer == Adam(learning_rate=1e-3, betas=(0.9, 0.999), epsilon=1e-7)
    assert set(training.penalty.model_dump().values()) == {0.0}
    assert (training.loss, training.clip, training.stop) == ("auto", None, None)
    assert (training.trials, training.evaluate, training.seed) == ("shared", Evaluate(every=10, batch=200), 0)


def test_the_defaults_of_skips_and_coarsening() -> None:
    spec = minimal("skips: {edges: {a: {kind: sctt, every: 5 ms}}}\ncoarsening: {from: 4}\n")
    assert spec.skips is not None
    assert spec.coarsening is not None
    beta = spec.skips.beta
    assert (beta.from_, beta.increments, beta.over) == (0.5, 1, HALF)
    edge = spec.skips.edges["a"]
    assert (edge.per, edge.increment, edge.beta, edge.from_, edge.to) == (
        "epoch",
        "departing",
        None,
        None,
        None,
    )
    assert (spec.coarsening.increments, spec.coarsening.over) == (1, HALF)


@pytest.mark.parametrize(
    ("text", "optimizer"),
    [
        ("{}", Adam()),
        ("{learning_rate: 1}", Adam(learning_rate=1.0)),
        ("{kind: adamw}", AdamW(kind="adamw")),
        ("{kind: sgd, momentum: 0.9}", SGD(kind="sgd", momentum=0.9)),
        ("{kind: rmsprop, alpha: 0.9}", RMSProp(kind="rmsprop", alpha=0.9)),
    ],
)
def test_optimizers(text: str, optimizer: object) -> None:
    assert minimal(f"training: {{optimizer: {text}}}\n").training.optimizer == optimizer


def test_words_that_stand_for_mappings() -> None:
    text = MINIMAL.replace("dt: 5 ms", "dt: 5 ms\n  activation: power\n  noise: none")
    network = spec_of(text).network
    assert network is not None
    assert function(network.activation) == ("power", (2.0,))
    assert network.noise == NoNoise()
    assert minimal("training: {evaluate: none}\n").training.evaluate.every == 0


def test_models_cannot_be_changed() -> None:
    spec = spec_of(MINIMAL)
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"
