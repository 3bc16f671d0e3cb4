"""Sampled trials: means, and values as the tests of specs compute them."""

from __future__ import annotations

import math
import random

import evaluation
import pytest
from shipped import ALL
from shipped import program as shipped
from support import program

from rnnspec.program.means import mean_durations
from rnnspec.program.sampling import MAX_TRIALS, PRIMES, evaluate, sample


def mean_of(draws: str, duration: str, more: str = "") -> float:
    overlay = f"task: {{draw: {{{draws}}}, epochs: {{stimulus: {{duration: '{duration}', jitter: null}}}}}}"
    return mean_durations(program(overlay, more).timeline)[1]


TRUNCATED = 0.1 + 0.3 - 0.9 * math.exp(-3) / (1 - math.exp(-3))


@pytest.mark.parametrize(
    ("draws", "duration", "mean"),
    [
        ("w: 'uniform(300 ms, 600 ms)'", "w", 0.45),
        ("w: 'choice(100 ms, 200 ms, 600 ms)'", "w", 0.3),
        ("w: 'integer(1, 4)'", "w * 100 ms", 0.25),
        ("w: 'bernoulli(0.3)'", "where(w, 1 s, 200 ms)", 0.44),
        ("w: 'bernoulli(0.3)'", "200 ms + w * 800 ms", 0.44),
        ("w: 'uniform(-100 ms, 300 ms)'", "1 s - w / 2", 0.95),
        ("m: 'choice(200 ms, 400 ms)', w: 'exponential(m, 0, 300 ms)'", "w", 0.122629),
        ("m: 'choice(200 ms, 400 ms)', w: 'uniform(m, 1 s)'", "w", 0.65),
        ("w: 'exponential(300 ms, 100 ms, 1 s)'", "w", TRUNCATED),
        ("w: 'normal(500 ms, 100 ms)'", "max(200 ms, min(w, 800 ms))", 0.5),
        ("w: 'uniform(0, 1) * uniform(0, 1) * uniform(0, 1)'", "w * 1 s", 0.125),
        ("w: 'exponential(300 ms, 100 ms, 1 s)', v: 'uniform(0, 1 s)'", "w + v", TRUNCATED + 0.5),
    ],
)
def test_the_mean_of_a_drawn_duration(draws: str, duration: str, mean: float) -> None:
    assert mean_of(draws, duration) == pytest.approx(mean, rel=5e-3)


def test_the_mean_over_patterns_and_trials() -> None:
    dealt = "task: {sequence: {w: {balanced: [[100 ms], [200 ms], [600 ms]]}}}"
    assert mean_of("", "w", dealt) == pytest.approx(0.3, rel=5e-3)
    listed = "task: {trials: 2, sequence: {w: [100 ms, 300 ms]}}"
    assert mean_of("", "w", listed) == pytest.approx(0.2)
    before = "task: {trials: 2}"
    drawn = "v: 'uniform(100 ms, 300 ms)', w: 'previous(v, 400 ms)'"
    assert mean_of(drawn, "w", before) == pytest.approx(0.3, rel=5e-3)


def test_many_random_calls_are_pseudorandom() -> None:
    draws = ", ".join(f"w{i}: 'uniform(0, 100 ms)'" for i in range(len(PRIMES) + 4))
    total = " + ".join(f"w{i}" for i in range(len(PRIMES) + 4))
    assert mean_of(draws, total) == pytest.approx(0.6, rel=0.02)


def test_sums_of_draws_are_exact() -> None:
    assert mean_durations(program().timeline) == (0.2, 0.4, 0.4)
    draws = "w: 'uniform(200 ms, 600 ms)', v: 'choice(1, 2, 6)'"
    assert mean_of(draws, "w + v * 100 ms") == pytest.approx(0.7, rel=1e-15)


def test_sequences_are_sampled_with_bounded_effort() -> None:
    draws = "x: 'uniform(0, 1)', y: 'previous(x, 0) + 0 * z'"
    sequence = "sequence: {z: 'uniform(0, 1)'}"
    found = program(f"task: {{trials: 1000, {sequence}, draw: {{{draws}}}, input: {{cue: y}}}}").timeline
    (one,) = sample(found, 1)
    assert len({trial["x"] for trial in one}) == MAX_TRIALS
    assert len({trial["z"] for trial in one}) == 1
    assert len(one) == MAX_TRIALS
    assert [trial["y"] for trial in one[1:]] == [trial["x"] for trial in one[:-1]]
    assert one[0]["y"] == 0
    # Only what is needed is drawn.
    assert set(sample(found, 1, {"x"})[0][0]) == {"x"}


def test_what_depends_on_answers_is_unknown() -> None:
    overlay = """
task:
  draw: {answer: looked > 1, other: "where(direction < 10, 1, looked)"}
  epochs:
    fixation: {read: {looked: angle(saccade)}}
    response: {input: {cue: answer + other}}
"""
    (trial,) = sample(program(overlay).timeline, 1)[0]
    assert (trial["answer"], trial["other"]) == (None, 1)


@pytest.mark.parametrize("name", [name for name in ALL if name != "rule_reversal"])
def test_targets_and_inputs_of_shipped_specs(name: str) -> None:
    """Against the evaluation of the tests of specs, which shares nothing with this one."""
    timeline = shipped(name).timeline
    source = random.Random(0)
    for (trial,) in sample(timeline, 3):
        values = dict(trial)
        for epoch in timeline.epochs:
            found = [drive.value for drive in epoch.drives] + [target.value for target in epoch.targets]
            for value in found:
                wanted = evaluation.evaluate(value, values, source)
                assert evaluate(value, trial) == pytest.approx(wanted, abs=1e-12)
