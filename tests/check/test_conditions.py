"""RS227, RS228, RS238: scores that nothing can change, and equality that cannot hold."""

from __future__ import annotations

import math
import random

import pytest
from support import codes, problems, program

from rnnspec.check.possible import Possible
from rnnspec.program.sampling import evaluate, sample

CHOICE = """
network: {outputs: {decision: {size: 2, activation: softmax}}}
task:
  draw: {answer: "choice(1, 2)"}
  input: {cue: answer}
  epochs:
    response: {target: {decision: onehot(answer - 1)}}
"""


def correct(text: str) -> str:
    return f"task: {{epochs: {{response: {{correct: '{text}'}}}}}}"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("argmax(decision) == answer - 3", "RS227"),
        ("argmax(decision) == answer - 1", None),
        ("argmax(decision) == answer", None),
        ("argmax(decision) > 1", "RS227"),
        ("argmax(decision) < 2", "RS228"),
        ("fixation < 0.5 and argmax(decision) == 2", "RS227"),
        ("fixation < 0.5 or argmax(decision) == 2", None),
        ("fixation < 0.5 or argmax(decision) != 2", "RS228"),
        ("not (argmax(decision) == 2)", "RS228"),
        ("where(answer == 3, fixation > 0.5, argmax(decision) == 2)", "RS227"),
        ("where(answer == 1, fixation > 0.5, argmax(decision) == 2)", None),
        ("fixation > 1", "RS227"),
        ("fixation >= 1", None),
        ("fixation < 1", None),
        ("fixation >= 0", "RS228"),
        ("fixation <= 0", None),
        ("distance(angle(saccade), direction) > 4", "RS227"),
        ("distance(angle(saccade), direction) < 3", None),
        ("argmax(decision) == 1.5", "RS227"),
        ("true_of_all == 1", None),
    ],
)
def test_a_score_that_nothing_can_change(text: str, code: str | None) -> None:
    true = "task: {draw: {true_of_all: 'previous(true_of_all, 1)'}, scored: true_of_all < 2}"
    assert codes(CHOICE, true, correct(text)) == ([] if code is None else [code])


def test_the_part_that_never_holds_is_shown() -> None:
    text = "fixation < 0.5 and argmax(decision) == answer + 1"
    (found,) = problems(CHOICE, correct(text))
    assert found.message == "'correct' is never true, because this never holds: 0 or 1 against 2 or 3"
    line = found.span.source.lines[found.span.line - 1]
    assert line[found.span.column - 1 : found.span.end_column - 1] == "argmax(decision) == answer + 1"


def test_success_and_scored_are_judged_too() -> None:
    reads = "task: {epochs: {response: {read: {looked: angle(saccade)}}}}"
    assert codes(reads, "task: {success: looked > 7}") == ["RS227"]
    assert codes(reads, "task: {success: looked < 7}") == ["RS228"]
    assert codes("task: {scored: direction > 7}") == ["RS227"]
    assert codes("task: {scored: direction < 7}") == []


@pytest.mark.parametrize(
    ("draws", "condition", "wrong"),
    [
        ("k: 'integer(0, 4)', x: 0.53 + 0.08 * k", "x == 0.85", True),
        ("k: 'integer(0, 4)', x: 0.53 + 0.08 * k", "x == 0.61", False),
        ("k: 'integer(0, 4)', x: 0.5 + 0.125 * k", "x == 0.625", False),
        ("x: 'choice(0.1, 0.2)'", "x + 0.2 == 0.3", True),
        ("x: 'uniform(0, 1)'", "x == 0.5", True),
        ("x: 'uniform(0, 1)'", "x * 2 - 1 != 0", True),
        ("x: 'uniform(0, 1)'", "x * 0 == 0", False),
        ("x: 'max(uniform(0, 1), 0.5)'", "x == 0.5", False),
        ("x: 'where(bernoulli(0.5), uniform(0, 1), 0)'", "x == 0", False),
        ("x: 'uniform(0, 1)', y: 'where(bernoulli(0.5), x, 2)'", "x == y", False),
        ("x: 'floor(uniform(0, 3))'", "x == 1", False),
        ("x: 'normal(0, 1)'", "distance(x, direction) == 0", False),
        ("x: 'normal(0, 1)'", "sign(x) == 1", False),
    ],
)
def test_equality_that_cannot_hold(draws: str, condition: str, wrong: bool) -> None:
    found = codes(f"task: {{draw: {{{draws}}}, input: {{cue: '{condition}'}}}}")
    assert found == (["RS238"] if wrong else [])


def test_outputs_are_compared_with_a_tolerance() -> None:
    assert codes(correct("angle(saccade) == direction")) == ["RS238"]
    assert codes(correct("fixation == 0")) == ["RS238"]
    assert codes("network: {outputs: {fixation: {activation: relu}}}", correct("fixation == 0")) == []
    assert codes(correct("argmax(saccade) == 3")) == []


EXPRESSIONS = [
    "where(k == 1, x, -x)",
    "k % 2",
    "k * s",
    "abs(s) + 3 * (k > 1)",
    "min(k, 2) == 2",
    "x < 1 and k > 0",
    "x < 1 or not (k > 0)",
    "pick(k, 4, 5, 6)",
    "floor(x)",
    "s ** 2",
    "0 * x",
    "k / 2 == 0.5",
    "p + k",
    "1 / k",
    "log(k) > 0",
    "n >= 0",
    "atan2(z, -1)",
    "1 / where(k == 0, z, 1)",
]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_every_value_of_sampled_trials_is_possible(text: str) -> None:
    draws = "k: 'integer(0, 2)', s: 'choice(-1, 1)', x: 'uniform(0, 2)', p: 'previous(k, 7)', "
    draws += "n: 'previous(n, 0) + 1', z: 'where(bernoulli(0.5), 0, -0)'"
    found = program(f"task: {{trials: 3, draw: {{{draws}, v: '{text}'}}, input: {{cue: v}}}}").timeline
    possible = Possible(found)
    (value,) = next(draw.values for draw in found.draws if draw.name == "v")
    numbers, truth, (low, high) = possible.numbers(value), possible.truth(value), possible.interval(value)
    seen = set()
    for trials in sample(found, 100):
        for place, trial in enumerate(trials):
            number = evaluate(value, trial, trials[place - 1] if place else None)
            assert isinstance(number, float | int)
            seen.add(number)
            assert numbers is None or number in numbers or math.isnan(number)
            assert truth is None or truth == (number != 0)
            assert math.isnan(low) or low <= number <= high
    if text in EXPRESSIONS[1:6] or text == "p + k":
        assert numbers is not None
    if truth is not None:
        assert {number != 0 for number in seen} == {truth}


def test_many_numbers_are_compared_quickly() -> None:
    """Two sets of a thousand numbers that have none in common."""
    rule = random.Random(0)
    values = [", ".join(str(rule.random()) for _ in range(60)) for _ in range(2)]
    draws = f"a: 'choice({values[0]})', b: 'choice({values[1]})'"
    assert codes(f"task: {{draw: {{{draws}}}, input: {{cue: a == b}}}}") == ["RS234"]
