"""RS231 to RS233: seconds taken for milliseconds."""

from __future__ import annotations

import pytest
from support import codes, problems


def durations(duration: str, draws: str = "") -> str:
    return f"task: {{draw: {{{draws}}}, epochs: {{stimulus: {{duration: '{duration}', jitter: null}}}}}}"


@pytest.mark.parametrize(
    ("duration", "draws", "help"),
    [
        ("wait", "wait: 'uniform(500, 3000)'", "write uniform(500 ms, 3000 ms)"),
        ("wait", "wait: 'uniform(0.3, 0.7)'", "write uniform(0.3 s, 0.7 s)"),
        ("wait", "wait: 'uniform(0, 700)'", "write uniform(0, 700 ms)"),
        ("wait", "wait: 'exponential(0.3, 0.1, 1.0)'", "write exponential(0.3 s, 0.1 s, 1.0 s)"),
        ("200 ms + wait", "wait: 'choice(0.3, 0.5)'", "write choice(0.3 s, 0.5 s)"),
        ("wait", "wait: 'where(side, 0.3, 500 ms)', side: 'bernoulli(0.5)'", "write 0.3 s"),
        ("0.3 + wait", "wait: 'uniform(300 ms, 600 ms)'", "write 0.3 s"),
        ("2 * wait", "wait: 'other', other: 'uniform(0.3, 0.7)'", "write the numbers with a unit"),
        ("wait / 1000", "wait: 'integer(300, 600)'", "write the numbers with a unit"),
        ("wait", "wait: 'uniform(300 ms, 600 ms) / 1 s'", "write the numbers with a unit"),
        ("max(wait, 300 ms)", "wait: 'uniform(0.3, 0.7)'", "write uniform(0.3 s, 0.7 s)"),
    ],
)
def test_a_duration_without_a_unit(duration: str, draws: str, help: str) -> None:
    (found,) = problems(durations(duration, draws))
    assert found.code == "RS231"
    assert found.help.startswith(help)


@pytest.mark.parametrize(
    ("duration", "draws"),
    [
        ("wait", "wait: 'uniform(300 ms, 600 ms)'"),
        ("wait", "wait: 'uniform(0, 600 ms)'"),
        ("n * 100 ms", "n: 'integer(1, 3)'"),
        ("100 ms * (n == 1) + 200 ms * (n == 2)", "n: 'integer(1, 2)'"),
        ("wait / n", "n: 'integer(1, 3)', wait: 'uniform(300 ms, 600 ms)'"),
        ("500 ms - wait", "wait: 'uniform(100 ms, 300 ms)'"),
        ("500 ms + max(0, wait)", "wait: 'uniform(-100 ms, 300 ms)'"),
        ("wait * share", "wait: 'choice(300 ms, 500 ms)', share: 'uniform(0.5, 1)'"),
        ("500 ms * exp(x)", "x: 'uniform(-1, 1)'"),
        ("pick(n, 300 ms, 20 steps)", "n: 'integer(0, 1)'"),
    ],
)
def test_a_duration_with_units(duration: str, draws: str) -> None:
    assert codes(durations(duration, draws)) == []


def test_a_variable_is_reported_once() -> None:
    two = "task: {sequence: {w: {balanced: [[0.3], [0.5]]}}}"
    delay = "task: {epochs: {delay: {duration: w, after: stimulus}}}"
    assert codes(two, durations("w"), delay) == ["RS231"]


@pytest.mark.parametrize(
    ("draw", "help"),
    [
        ("uniform(480 ms, 800)", "write uniform(480 ms, 800 ms)"),
        ("uniform(480 ms, 0.8)", "write uniform(480 ms, 0.8 s)"),
        ("uniform(5 ms, 8)", "write uniform(5 ms, 8 ms)"),
        ("uniform(1 s, 20)", "write uniform(1 s, 20 s)"),
        ("normal(500 ms, 50)", "write normal(500 ms, 50 ms)"),
        ("exponential(300 ms, 0.1, 1)", "write exponential(300 ms, 0.1 s, 1 s)"),
        ("uniform(20 steps, 40)", "write uniform(20 steps, 40 steps)"),
        ("uniform(short, 800)", "write uniform(short, 800 ms)"),
        ("uniform(2 * 240 ms, 800)", "write uniform(2 * 240 ms, 800 ms)"),
        ("uniform(480 ms, 8 * 100)", "give each time a unit"),
    ],
)
def test_a_draw_of_times_and_numbers(draw: str, help: str) -> None:
    """Wherever it is used."""
    variables = f"task: {{draw: {{short: 480 ms, wait: '{draw}'}}, input: {{cue: wait + short}}}}"
    (found,) = problems(variables)
    assert found.code == "RS232"
    assert found.help.startswith(help)


def test_a_draw_of_numbers_is_no_time() -> None:
    assert codes("task: {draw: {gain: 'uniform(0.8, 1.2)', late: 'gain * 100 ms'}, input: {cue: late}}") == []


def test_a_long_trial_is_reported_where_it_is_long() -> None:
    """Up to 1,000 times the largest tau, which is 100 ms here."""
    stimulus = "task: {epochs: {stimulus: {duration: %s, jitter: null}}}"
    assert codes(stimulus % "99 s") == []
    (found,) = problems(stimulus % "100 s")
    assert (found.code, found.span.column) == ("RS233", stimulus.index("%") + 1)
    assert codes(stimulus % "100 s", "network: {populations: {input: {tau: 200 ms}}}") == []
    assert codes("task: {burn_in: 101 s}") == ["RS233"]
    assert codes("task: {trials: 200}") == []
