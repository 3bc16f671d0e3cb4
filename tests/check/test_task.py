"""Rules of the task beyond the examples of the catalogue."""

from __future__ import annotations

from support import problems


def test_a_fixed_duration_can_be_longer_only_after_a_drawn_one() -> None:
    """Epochs before the first drawn duration begin and end at the same steps in every trial."""
    overlay = """
task:
  draw: {wait: "uniform(200 ms, 900 ms)"}
  epochs:
    early: {duration: 410 ms, after: fixation}
    stimulus: {duration: wait}
    late: {duration: 410 ms, after: stimulus}
"""
    found = [problem.help for problem in problems(overlay) if problem.code == "RS216"]
    assert found == ["it is simulated as 400 ms", "it is simulated as 400 ms or 420 ms"]
