"""Rules of training beyond the examples of the catalogue."""

from __future__ import annotations

import pytest
from support import problems

PATTERNS = """
task:
  sequence: {p: {balanced: [[0], [1]]}, q: {balanced: [[0], [1], [2]]}}
  input: {cue: p + q}
"""


@pytest.mark.parametrize(
    ("training", "message", "remedy"),
    [
        (
            "{batch: 4, evaluate: {batch: 6}}",
            "a batch of 4 sequences holds only 4 of the 6 combinations of 'p' and 'q'",
            "write 6",
        ),
        (
            "{batch: 12, evaluate: {batch: 16}}",
            "an evaluation of 16 sequences cannot hold the 6 combinations of 'p' and 'q' equally often",
            "write 18",
        ),
        (
            "{batch: 12, evaluate: {batch: null}}",
            "an evaluation of 200 sequences (the default) cannot hold the 6 combinations of 'p' and 'q' "
            "equally often",
            "write 'evaluate: {batch: 204}'",
        ),
        (
            "{batch: null, evaluate: none}",
            "a batch of 20 sequences (the default) cannot hold the 6 combinations of 'p' and 'q' "
            "equally often",
            "write 'batch: 24'",
        ),
    ],
)
def test_what_a_batch_lacks_of_the_combinations(training: str, message: str, remedy: str) -> None:
    (found,) = problems(PATTERNS, f"training: {training}")
    assert (found.code, found.message, found.help) == ("RS402", message, remedy)


def test_a_batch_that_holds_all_combinations() -> None:
    assert not problems(PATTERNS, "training: {batch: 12, evaluate: {batch: 6}}")
    assert not problems(PATTERNS, "training: {batch: 12, evaluate: none}")


def test_more_combinations_than_any_batch_holds() -> None:
    variables = ", ".join(f"v{i}: {{balanced: [{', '.join(['[0]'] * 100)}]}}" for i in range(4))
    found = [found for found in problems(f"task: {{sequence: {{{variables}}}}}") if found.code == "RS402"]
    assert len(found) == 2
    for problem in found:
        assert "holds only 16 of the 100,000,000 combinations" in problem.message
        assert (problem.expected, problem.help) == ("", "draw some of these variables with choice() instead")


def test_more_combinations_than_can_be_counted() -> None:
    variables = ", ".join(f"v{i}: {{balanced: [{', '.join(['[0]'] * 100)}]}}" for i in range(5))
    (found,) = problems(f"task: {{sequence: {{{variables}}}}}")
    assert (found.code, found.expected) == ("RS013", "at most 1,000,000,000 combinations")
