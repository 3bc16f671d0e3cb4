"""RS234, RS235: what is always the same, and what nothing tells."""

from __future__ import annotations

import pytest
from support import codes, problems


def stimulus(text: str, draws: str = "m: 'choice(1, 2)'") -> str:
    return f"task: {{draw: {{{draws}}}, epochs: {{stimulus: {{input: {{stimulus: '{text}', cue: m}}}}}}}}"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("ring(direction) * (m == 3)", True),
        ("ring(direction) * (m == 1)", False),
        ("where(m > 2, ring(direction), 0)", True),
        ("where(m > 1, ring(direction), 0)", False),
        ("where(m > 0, ring(direction), 0)", False),
        ("onehot(min(m, 1))", True),
        ("onehot(m)", False),
        # Switched off by hand.
        ("0 * ring(direction)", False),
        ("0.5", False),
    ],
)
def test_a_stimulus_that_is_always_the_same(text: str, same: bool) -> None:
    assert codes(stimulus(text), "task: {input: {stimulus: 0.1 * ring(direction)}}") == ["RS234"] * same


def test_a_condition_that_is_fixed_by_hand_is_meant() -> None:
    """As with --set task.draw.m=2."""
    shown = "task: {input: {stimulus: 0.1 * ring(direction)}}"
    assert codes(stimulus("ring(direction) * (m == 1)", "m: 2"), shown) == []


@pytest.mark.parametrize(
    ("draw", "help"),
    [
        ("choice(2)", "for a number from 0 to 1, write integer(0, 1)"),
        ("choice(3, 3)", "write 3 if that is meant"),
        ("integer(2, 2)", "write 2 if that is meant"),
        ("uniform(1, 1)", "write 1 if that is meant"),
        ("choice(1, 2)", ""),
        ("bernoulli(0)", ""),
        ("normal(1, 0)", ""),
    ],
)
def test_a_draw_with_one_outcome(draw: str, help: str) -> None:
    found = problems(f"task: {{draw: {{x: '{draw}'}}, input: {{cue: x}}}}")
    assert [d.code for d in found] == ["RS234"] * bool(help)
    assert not found or found[0].help == help


def test_a_response_that_is_always_the_same() -> None:
    fixed = "task: {epochs: {response: {target: {saccade: 0.5}, correct: fixation < 0.5}}}"
    (found,) = problems(fixed)
    assert found.message == (
        "the response is the same in every trial, although this input depends on 'direction'"
    )
    # A score, a duration or a weight that varies makes the response vary.
    assert codes(fixed, "task: {epochs: {response: {correct: fixation < direction / 7}}}") == []
    assert codes(fixed, "task: {epochs: {response: {weight: direction}}}") == []
    drawn = "task: {draw: {w: 'uniform(300 ms, 500 ms)'}, epochs: {stimulus: {duration: w, jitter: null}}}"
    assert codes(fixed, drawn) == []
    # Without a drawn stimulus, a pattern is learned: it has nothing to depend on.
    assert codes(fixed, "task: {draw: {direction: 1}}") == []


def test_a_response_that_nothing_tells() -> None:
    other = "task: {draw: {other: 'uniform(0, 2*pi)'}, epochs: {stimulus: {input: {stimulus: ring(other)}}}}"
    (found,) = problems(other)
    assert found.code == "RS235"
    assert found.message == "the target of 'saccade' depends on 'direction', which no input tells"
    related = "task: {draw: {other: direction + pi}}"
    assert codes(other, related) == []


def test_a_stimulus_after_the_response_comes_too_late() -> None:
    late = """
task:
  epochs:
    stimulus: {input: {stimulus: 0}}
    feedback:
      {after: response, duration: 100 ms, target: none, correct: none, input: {stimulus: ring(direction)}}
"""
    (found,) = problems(late)
    assert found.message.endswith("which no input tells before the end of 'response'")
    # In the next trial, the network can know it.
    assert codes(late, "task: {trials: 2}") == []


def test_a_duration_tells_too() -> None:
    ready = """
task:
  draw: {interval: "uniform(300 ms, 600 ms)"}
  epochs:
    stimulus: {duration: interval, jitter: null, input: {stimulus: 0.5}}
    response: {target: {saccade: 0.5 + interval / 10}, correct: fixation < 0.5}
"""
    assert codes(ready, "task: {draw: {direction: null}}") == []


def test_what_depends_on_an_answer_is_known_to_the_network() -> None:
    read = """
task:
  epochs:
    stimulus: {read: {looked: angle(saccade)}, input: {stimulus: 0}}
    response: {target: {saccade: 0.5 * ring(looked)}, correct: fixation < 0.5}
"""
    assert codes(read, "task: {draw: {direction: null}}") == []


def test_an_input_that_is_not_driven_explains_what_nothing_tells() -> None:
    assert codes("task: {epochs: {stimulus: {input: {stimulus: none}}}}") == ["RS223"]
