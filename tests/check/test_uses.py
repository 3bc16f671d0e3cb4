"""RS223 to RS226: what takes no part in the task."""

from __future__ import annotations

import pytest
from support import codes, problems

REWARD = "network: {inputs: {reward: {to: input}}}"


@pytest.mark.parametrize(
    "driven",
    [
        "task: {input: {reward: 0}}",
        "task: {input: {reward: 1}}",
        "task: {epochs: {response: {input: {reward: 1}}}}",
    ],
)
def test_an_input_that_is_mentioned_is_driven(driven: str) -> None:
    assert codes(REWARD, driven) == []


def test_an_input_that_every_epoch_refuses_is_not_driven() -> None:
    found = problems("task: {input: null, epochs: {response: {input: {cue: none}}}}")
    assert [(d.code, d.message) for d in found] == [
        ("RS223", "no epoch drives the input 'cue', so it is always 0")
    ]


@pytest.mark.parametrize(
    "used",
    [
        "input: {cue: x}",
        "target: {fixation: 0.5 + 0 * x}",
        "correct: fixation > x",
        "success: x > 1.5",
        "scored: x > 1.5",
        "epochs: {response: {weight: x}}",
        "epochs: {stimulus: {duration: 100 ms * x, jitter: null}}",
        "epochs: {response: {read: {miss: 'distance(angle(saccade), x)'}}}",
        "draw: {y: x + 1}, input: {cue: y}",
        "trials: 2, draw: {y: 'previous(x, 0)'}, input: {cue: y}",
    ],
)
def test_whatever_a_variable_reaches_is_a_use(used: str) -> None:
    x = "task: {draw: {x: 'uniform(1, 2)'}}"
    assert codes(x) == ["RS224"]
    assert "RS224" not in codes(x, f"task: {{{used}}}")


def test_of_a_chain_of_unused_variables_the_last_is_reported() -> None:
    (found,) = problems("task: {draw: {a: 'uniform(1, 2)', b: a + 1, c: b + a}}")
    assert found.message.startswith("'c' reaches neither")


def test_a_counter_that_nothing_uses_is_the_last_of_its_chain() -> None:
    (found,) = problems("task: {draw: {k: 'uniform(1, 2)', n: 'previous(n, 0) + k'}}")
    assert found.message.startswith("'n' reaches neither")


def test_of_a_cycle_of_unused_variables_one_is_reported() -> None:
    assert codes("task: {draw: {a: 'previous(b, 0)', b: a + 1, n: 'previous(n, 0) + 1'}}") == ["RS224"] * 2


@pytest.mark.parametrize(
    "used",
    [
        "target: {value: 0}",
        "epochs: {response: {correct: value > 0.5, target: {value: 1}}}",
        "epochs: {response: {read: {said: value}}}",
    ],
)
def test_an_output_has_a_purpose(used: str) -> None:
    value = "network: {outputs: {value: {from: output}}}"
    assert codes(value) == ["RS225"]
    assert codes(value, f"task: {{{used}}}") == []


def test_nothing_is_said_of_outputs_and_scores_if_nothing_has_a_target() -> None:
    assert codes("task: {target: null, epochs: {response: {target: null}}}") == ["RS220"]


def test_a_score_needs_one_of_its_outputs_to_be_targeted() -> None:
    scored = "task: {epochs: {response: {target: {saccade: none}}}}"
    assert codes(scored) == []
    assert codes("task: {epochs: {stimulus: {target: {fixation: none}}}}") == ["RS226"]
    assert codes("task: {epochs: {stimulus: {weight: 0}}}") == []
    assert codes("task: {epochs: {fixation: {gradient: false, correct: fixation > 0.5}}}") == []


def test_epochs_that_inherit_a_score_are_named_together() -> None:
    (found,) = problems("task: {target: null}")
    assert found.message == "'fixation' and 'stimulus' are scored by 'fixation', but have no target for it"


def test_an_epoch_whose_targets_have_no_weight_is_left_alone() -> None:
    """A target of the whole task that is switched off where the answer cannot be known yet."""
    overlay = """
task:
  draw: {side: "choice(0, 1)"}
  target: {fixation: 0.1 + 0.8 * side}
  weight: 0
  epochs:
    response: {weight: 1, input: {cue: side}}
"""
    assert {code for code in codes(overlay) if code in ("RS226", "RS235")} == set()
    assert "RS235" in codes(overlay.replace("  weight: 0\n", ""))
