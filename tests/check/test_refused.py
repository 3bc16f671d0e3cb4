"""What follows from a value that is itself in error is not reported, and no rule computes with it."""

from __future__ import annotations

import pytest
from shipped import ALL, SPECS
from support import problems

from rnnspec.check.examine import examine
from rnnspec.diagnostics import Problems
from rnnspec.syntax.compose import compose


def said(name: str, method: str, *settings: str) -> list[tuple[str, str]]:
    found = Problems()
    document = compose(
        SPECS / f"{name}.yaml", [SPECS / "methods" / f"{method}.yaml"], settings, problems=found
    )
    assert document is not None
    examine(document, found)
    return [(d.code, d.message) for d in found.sorted()]


@pytest.mark.parametrize("name", ALL)
def test_a_step_that_is_too_long_is_one_mistake(name: str) -> None:
    expected = [("RS103", "a dt of 200 ms is longer than every time constant")]
    assert said(name, "dasc40", "network.dt=200 ms") == expected


@pytest.mark.parametrize("name", ["go", "rule_reversal"])
def test_no_rule_computes_with_what_another_has_refused(name: str) -> None:
    """(1 - dt/tau)^steps overflows, or is 0 to a negative power."""
    edge = "skips.edges.regular={kind: dasc, every: 3000 steps}"
    assert [code for code, _ in said(name, "control", "network.dt=300 ms", edge)] == ["RS103"]
    edge = "skips.edges.regular={kind: dasc, from: trial.end, to: trial.start}"
    taus = ["network.noise=none", "network.dt=10 ms"]
    populations = ["input", "output", "auxiliary"] if name == "go" else ["all"]
    taus += [f"network.populations.{population}.tau=10 ms" for population in populations]
    assert [code for code, _ in said(name, "control", *taus, edge)] == ["RS302"]


@pytest.mark.parametrize(
    ("overlay", "code", "message"),
    [
        ("network: {dt: 1e-30 us}", "RS109", "a simulation step below 1 ns"),
        ("network: {populations: {output: {tau: 10 ms}}}", "RS103", "a tau of 10 ms is shorter than dt"),
        (
            "network: {noise: {kind: ou, scale: 1, tau: 70 ms}, dt: 80 ms}\n"
            "task: {epochs: {stimulus: {jitter: 0 s}, fixation: {duration: 240 ms}, response: {grace: 0 s}}}",
            "RS103",
            "a tau of 70 ms is shorter than dt",
        ),
        (
            "network: {noise: {kind: ou, scale: 1, tau: 200 ms}, dt: 110 ms}",
            "RS103",
            "a dt of 110 ms is longer than 2 of 3 time constants",
        ),
        (
            "task: {epochs: {stimulus: {jitter: 1e9 s, grace: 300 ms}}}\n"
            "skips: {edges: {one: {kind: dasc, from: stimulus.start, to: stimulus.end}}}",
            "RS215",
            "a jitter of 1000000000 s can shorten 'stimulus' to nothing",
        ),
        (
            "skips: {edges: {one: {kind: sctt, every: 30 ms}}}",
            "RS301",
            "a skip of 30 ms covers less than two steps, so it skips nothing",
        ),
        (
            "coarsening: {from: 2}\nnetwork: {populations: {output: {tau: 15 ms}}}",
            "RS103",
            "a tau of 15 ms is shorter than dt",
        ),
        (
            "task: {epochs: {fixation: {duration: 1e9 s}}}\n"
            "skips: {edges: {one: {kind: dasc, every: 1e8 s}, two: {kind: dasc, every: 1e8 s}}}",
            "RS222",
            "a sequence has up to 50,000,000,042 steps, 50,000,000,000 of them here",
        ),
    ],
)
def test_a_consequence_is_left_out(overlay: str, code: str, message: str) -> None:
    assert [(d.code, d.message) for d in problems(overlay)] == [(code, message)]


def test_what_is_no_consequence_stays() -> None:
    """Another edge, another epoch, another time."""
    edges = "{one: {kind: dasc, from: response.end, to: stimulus.start}, two: {kind: dasc, every: 990 ms}}"
    found = problems(f"skips: {{edges: {edges}}}", "network: {populations: {output: {tau: 1 ms}}}")
    assert [(d.code, d.message) for d in found] == [
        ("RS302", "'one' ends before it starts"),
        ("RS301", "a skip of 990 ms is longer than any epoch, so it never lands"),
        ("RS103", "a tau of 1 ms is shorter than dt"),
    ]
    epochs = "{stimulus: {jitter: 500 ms}, response: {grace: 450 ms}}"
    assert sorted(d.code for d in problems(f"task: {{epochs: {epochs}}}")) == ["RS214", "RS215"]


def test_a_value_is_refused_wherever_it_was_written() -> None:
    """The wrong time stands in a setting, outside of the lines of its mapping."""
    found = problems(settings=("task.epochs.stimulus.jitter=401 ms",))
    assert [d.code for d in found] == ["RS215"]


@pytest.mark.parametrize(
    "overlay",
    [
        "draw: {saccade: 'uniform(0, pi)', b: saccade + 1}\n"
        "  epochs: {stimulus: {input: {stimulus: ring(saccade)}}, response: {correct: saccade > b}}",
        "draw: {t: 3, x: t + 1, y: 'previous(t, 0)'}",
        "draw: {direction: 1}\n  epochs: {stimulus: {read: {direction: angle(saccade)}}}",
    ],
)
def test_a_name_that_is_taken_is_one_mistake(overlay: str) -> None:
    assert [d.code for d in problems(f"task:\n  {overlay}")] == ["RS209"]
