"""RS201: names that are not defined, and the names that are proposed in their place."""

from __future__ import annotations

import pytest
from support import problems

from rnnspec.diagnostics import Diagnostic

DRAWS = """
task:
  sequence: {gain: "uniform(1, 2)"}
  draw: {turn: direction + pi, back: turn - pi}
  epochs:
    response: {read: {looked: angle(saccade)}}
"""


def undefined(overlay: str) -> Diagnostic:
    (found,) = problems(DRAWS, overlay)
    assert found.code == "RS201"
    return found


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("sequence: {x: nothing}", "one of: gain, pi"),
        ("draw: {x: nothing}", "one of: gain, direction, turn, back, looked, pi"),
        # What is computed from a variable cannot define it, but its value in the last trial can.
        ("draw: {turn: nothing}", "one of: gain, direction, looked, pi"),
        ("draw: {turn: 'previous(nothing, 0)'}", "one of: gain, direction, turn, back, looked"),
        ("epochs: {fixation: {duration: nothing}}", "one of: gain, direction, turn, back, pi"),
        ("epochs: {fixation: {input: {cue: nothing}}}", "one of: gain, direction, turn, back, pi, t"),
        ("success: nothing", "one of: gain, direction, turn, back, looked, pi"),
        ("epochs: {response: {read: {x: nothing}}}",
         "one of: gain, direction, turn, back, pi, fixation, saccade"),
    ],
)  # fmt: skip
def test_only_names_that_can_be_used_are_proposed(task: str, expected: str) -> None:
    found = undefined(f"task: {{{task}}}")
    assert (found.message, found.expected) == ("'nothing' is not defined here", expected)


@pytest.mark.parametrize(
    ("task", "help"),
    [
        ("sequence: {x: gian}", "did you mean 'gain'?"),
        ("sequence: {x: direciton}", ""),
        ("draw: {x: loked}", "did you mean 'looked'?"),
        ("epochs: {fixation: {duration: loked}}", ""),
        ("epochs: {fixation: {input: {cue: loked}}}", ""),
        ("epochs: {fixation: {input: {cue: 'previous(loked, 0)'}}}", "did you mean 'looked'?"),
    ],
)
def test_the_most_similar_name_that_can_be_used(task: str, help: str) -> None:
    assert undefined(f"task: {{{task}}}").help == help


def test_an_output_is_proposed_only_where_it_has_a_value() -> None:
    assert undefined("task: {epochs: {response: {correct: saccad > 0}}}").help == "did you mean 'saccade'?"
    assert undefined("task: {success: saccad > 0}").help == ""


def test_all_uses_of_a_name_are_one_message() -> None:
    lines = """
task:
  input: {cue: gian}
  epochs:
    fixation: {input: {cue: gian + gian}, correct: fixation > gian}
    stimulus: {weight: gian}
"""
    found = undefined(lines)
    assert found.message == "'gian' is not defined here; see also line 6 and line 7"
    assert (found.span.line, found.help) == (4, "did you mean 'gain'?")
    found = undefined("task: {input: {cue: gian + gian}}")
    assert found.message == "'gian' is not defined here; see also column 28"
    names = ", ".join(f"v{i}: gian" for i in range(8))
    assert undefined("task:\n  draw: {" + names.replace(", ", ",\n  ") + "}").message.endswith(
        "see also line 4, line 5, line 6, line 7 and 3 more"
    )


def test_uses_in_several_files() -> None:
    one, two = "task: {input: {cue: gian}}", "task: {draw: {x: gian}}"
    settings = ("task.epochs.response.input.cue=gian",)
    (found,) = problems(DRAWS, one, two, settings=settings)
    assert found.span.source.name.endswith("overlay1.yaml")
    assert "see also " in found.message
    assert found.message.endswith("overlay2.yaml:2 and --set")
    # Only what can be used at every one of the places.
    (found,) = problems(DRAWS, "task: {success: loked, epochs: {fixation: {weight: loked}}}")
    assert found.help == ""
