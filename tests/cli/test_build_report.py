"""What `rnnspec compile` says of drawn durations."""

from __future__ import annotations

from support import program

from rnnspec.cli.display.build_report import describe_build
from rnnspec.runtime.targets import choose_target

DRAWN = """
task:
  trials: 2
  burn_in: 100 ms
  draw: {wait: "exponential(300 ms, 100 ms, 1 s)"}
  epochs:
    delay: {duration: 200 ms + wait, jitter: 20 ms, after: stimulus}
    response: {duration: wait * 4}
"""


def report(overlay: str) -> dict[str, str]:
    found = program(overlay)
    return dict(describe_build(found, choose_target(found, "reference", "cpu"), given=True))


def test_drawn_durations_have_a_range_and_a_mean() -> None:
    """The mean is not the middle, which is 750 ms: the draw has a mean of 0.35284 s."""
    lines = report(DRAWN)
    assert lines["trial"] == (
        "fixation 200 ms | stimulus 400 ms +-40 ms | delay 300 ms to 1.2 s (mean 552.8 ms) +-20 ms | "
        "response 400 ms to 4 s (mean 1.411 s)"
    )
    # A burn-in of 5 steps, and twice 10 + 20 + 27 + 71, 10 + 20 + 15 + 20, and 10 + 20 + 60 + 200.
    assert lines["steps"].startswith("261 per sequence on average (135 to 585), 256 with gradient")


def test_fixed_durations_have_none() -> None:
    lines = report("task: {trials: 1}")
    assert lines["trial"] == "fixation 200 ms | stimulus 400 ms +-40 ms | response 400 ms"
    assert lines["steps"] == "50 per sequence, all with gradient"
