"""RS229, RS230, RS236, RS237: targets and draws out of range."""

from __future__ import annotations

import pytest
from effort import calls_of
from support import codes, problems


def target(text: str, activation: str = "sigmoid") -> str:
    """The target of the fixation output in the response, which lasts 400 ms and is graded after 100 ms."""
    return (
        f"network: {{outputs: {{fixation: {{activation: {activation}}}}}}}\n"
        f"task: {{epochs: {{response: {{target: {{fixation: '{text}'}}, correct: none}}}}}}"
    )


@pytest.mark.parametrize(
    ("text", "activation", "said"),
    [
        ("-1", "sigmoid", "a target of -1 is out of reach: 'fixation' is a sigmoid output, 0 to 1"),
        ("1.5", "sigmoid", "a target of 1.5"),
        ("1", "sigmoid", ""),
        ("0", "sigmoid", ""),
        ("-1", "tanh", ""),
        ("-0.1", "relu", "a target of -0.1 is out of reach: 'fixation' is a relu output, 0 and above"),
        ("50", "relu", ""),
        ("-50", "linear", ""),
        ("sin(direction)", "sigmoid", "a target of -1 is"),
        ("0.5 + 0.5 * sin(direction)", "sigmoid", ""),
        ("1 - t / 400 ms", "sigmoid", ""),
        ("1 - t / 300 ms", "sigmoid", "a target of -0.333"),
        ("4 * t - 0.4", "sigmoid", "a target of 1.2"),
        # No trial and no time reaches what the bounds allow.
        ("where(direction > 1, direction - 1, 0) / 6", "sigmoid", ""),
        ("direction - direction", "sigmoid", ""),
    ],
)
def test_a_target_that_the_output_cannot_reach(text: str, activation: str, said: str) -> None:
    found = problems(target(text, activation))
    assert [d.code for d in found] == ["RS229"] * bool(said)
    assert not found or found[0].message.startswith(said)


def test_what_does_not_count_need_not_be_reached() -> None:
    weight = "task: {epochs: {response: {weight: t > 200 ms}}}"
    assert codes(target("20 * t - 2.2"), weight) == ["RS229"]
    assert codes(target("5 * t - 1")) == ["RS229"]
    assert codes(target("5 * t - 1"), weight) == []
    grace = "task: {epochs: {response: {grace: 200 ms}}}"
    assert codes(target("5 * t - 1"), grace) == []


def test_time_ends_with_a_drawn_duration() -> None:
    """The ramp reaches 1 at the end of each trial, however long."""
    drawn = "task: {draw: {wait: 'uniform(200 ms, 900 ms)'}, epochs: {response: {duration: wait}}}"
    assert codes(target("t / wait"), drawn) == []
    assert codes(target("1.2 * t / wait"), drawn) == ["RS229"]


def softmax(text: str) -> str:
    return f"""
network: {{outputs: {{choice: {{size: 2, activation: softmax}}}}}}
task:
  draw: {{side: "choice(0, 1)"}}
  input: {{cue: side}}
  epochs: {{response: {{target: {{choice: "{text}"}}}}}}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("onehot(side)", ""),
        ("0.5", ""),
        ("0.1 + 0.8 * onehot(side)", ""),
        ("where(side == 1, onehot(0), 0.5)", ""),
        ("0.05 + 0.8 * onehot(side)", "its values sum to 0.9"),
        ("side", "its values sum to 0"),
        ("side * onehot(0)", "its values sum to 0"),
        ("2 * onehot(side) - 0.5", "it has the value -0.5"),
        ("onehot(side) * (t > 200 ms)", "its values sum to 0"),
    ],
)
def test_a_softmax_target_is_a_distribution(text: str, said: str) -> None:
    found = problems(softmax(text))
    assert [d.code for d in found] == ["RS230"] * bool(said)
    assert not found or found[0].message.endswith(said)


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        ("uniform(a, 1)", "from 1.9"),
        ("uniform(a, 2)", ""),
        ("uniform(a, a + 1)", ""),
        ("integer(n, 1)", "from 2 to 1"),
        ("integer(n, 2)", ""),
        ("normal(0, a - 1)", "a standard deviation of -"),
        ("normal(0, a)", ""),
        ("normal(0, abs(a - 1))", ""),
        ("bernoulli(a)", "a probability of 1."),
        ("bernoulli(a / 2)", ""),
        ("bernoulli(a * (a < 1))", ""),
        ("exponential(a, 0, 1)", ""),
        ("exponential(a - 1, 0, 1)", "a mean of -"),
        ("exponential(1, a, 1)", "from 1."),
    ],
)
def test_arguments_that_are_drawn(draw: str, said: str) -> None:
    draws = f"a: 'uniform(0, 2)', n: 'integer(0, 2)', x: '{draw}'"
    found = problems(f"task: {{draw: {{{draws}}}, epochs: {{stimulus: {{input: {{cue: x + n + a}}}}}}}}")
    assert [d.code for d in found] == ["RS236"] * bool(said)
    assert not found or f"in some trials: {said}" in found[0].message


@pytest.mark.parametrize(
    ("draw", "wrong"),
    [
        ("where(b > a, uniform(a, b), a)", False),
        ("where(a < b and n > 0, uniform(a, b), a)", False),
        ("where(bernoulli(0.5) and b > a, uniform(a, b), a)", False),
        ("where(not (b > a), a, uniform(a, b))", False),
        ("where(b <= a or n == 0, a, uniform(a, b))", False),
        ("pick(b > a, a, uniform(a, b))", False),
        ("pick(2 * (b > a), a, 0, uniform(a, b))", False),
        ("where(b < a, uniform(a, b), a)", True),
        ("where(b > a, a, uniform(a, b))", True),
        ("where(bernoulli(0.5), uniform(a, b), a)", True),
        ("where(b > a or n > 0, uniform(a, b), a)", True),
        ("pick(b > a, uniform(a, b), a)", True),
        ("where(uniform(a, b) > 1, a, b)", True),
    ],
)
def test_a_call_that_a_condition_guards(draw: str, wrong: bool) -> None:
    draws = f"a: 'uniform(0, 2)', b: 'uniform(0, 2)', n: 'integer(0, 2)', x: '{draw}'"
    assert codes(f"task: {{draw: {{{draws}}}, input: {{cue: x + n}}}}") == ["RS236"] * wrong


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ("1.5", "1.5, which is not a whole number"),
        ("k / 2", "0.5 in some trials"),
        ("c", "0.5 in some trials"),
        ("u", "in some trials"),
        ("k * 0.3 / 0.3", ""),
        ("k * 1.1 * 3 / 3.3", "2.0000000000000004 in some trials"),
        ("min(20 * t, 2)", "0.4 in some trials"),
        ("floor(u)", ""),
        ("k * (k + 1) / 2", ""),
        ("k > 1", ""),
        ("where(k == 2, k / 2, k)", ""),
        ("where(k < 2, k / 2, k)", "0.5 in some trials"),
    ],
)
def test_an_index_is_a_whole_number(index: str, said: str) -> None:
    draws = "k: 'integer(0, 2)', u: 'uniform(0, 2)', c: 'choice(0, 0.5, 2)'"
    value = f"pick({index}, 1, 2, 3, 4)"
    found = problems(f"task: {{draw: {{{draws}}}, input: {{cue: '{value} + k + u + c'}}}}")
    assert [d.code for d in found] == ["RS212"] * bool(said)
    for problem in found:
        assert problem.message.startswith("the index of pick() is ")
        assert said in problem.message
        line = problem.span.source.lines[problem.span.line - 1]
        assert line[problem.span.column - 1 : problem.span.end_column - 1] == index


def test_an_index_in_a_branch_counts_only_where_the_branch_is_taken() -> None:
    value = "where(k %% 2 == %d, pick(k / 2, 1, 2), 0)"
    spec = "task: {draw: {k: 'integer(0, 2)'}, input: {cue: '%s + k'}}"
    assert codes(spec % (value % 0)) == []
    assert codes(spec % (value % 1)) == ["RS212"]


def test_an_index_that_depends_on_outputs_is_judged_by_its_bounds() -> None:
    spec = "task: {epochs: {response: {read: {looked: 'argmax(saccade) %s'}, input: {cue: 0}}}, "
    spec += "success: 'pick(looked, 0, 1, 1, 1, 1, 1, 1, 1) > 0'}"
    assert codes(spec % "") == []
    assert codes(spec % "/ 2") == ["RS212"]


def test_the_call_is_shown_wherever_it_stands() -> None:
    draws = "a: 'uniform(0, 2)', x: '1 + +(2 * +uniform(a, 1))'"
    (found,) = problems(f"task: {{draw: {{{draws}}}, input: {{cue: x}}}}")
    line = found.span.source.lines[found.span.line - 1]
    assert line[found.span.column - 1 : found.span.end_column - 1] == "uniform(a, 1)"


def test_bounds_of_integers_are_whole() -> None:
    draw = "task: {draw: {x: 'integer(%s)'}, input: {cue: x}}"
    assert codes(draw % "1, 3") == []
    assert [d.message for d in problems(draw % "0.5, 3")] == ["0.5 is not a whole number"]
    assert [d.message for d in problems(draw % "3, 1")] == ["there is no number between 3 and 1"]


@pytest.mark.parametrize(("width", "wrong"), [("0", True), ("-pi", True), ("pi/16", False), ("0.1", False)])
def test_a_bump_has_a_width(width: str, wrong: bool) -> None:
    bump = f"task: {{epochs: {{stimulus: {{input: {{stimulus: 'ring(direction, {width})'}}}}}}}}"
    assert codes(bump) == ["RS237"] * wrong


def test_large_targets_of_many_epochs_are_sampled_with_little_work() -> None:
    """A ring of 4,096 units: one value of such a target takes 160,000 calls."""
    outputs = "network: {outputs: {big: {ring: 4096, activation: relu}}}"
    wave = " + ".join(["ring(direction + t)"] * 20)
    epochs = ", ".join(
        f"x{i}: {{duration: 20 ms, after: response, target: {{big: {wave} - 1}}}}" for i in range(20)
    )
    found: list[str] = []
    calls_of(lambda: found.extend(codes(outputs, f"task: {{epochs: {{{epochs}}}}}")), limit=1_500_000)
    assert set(found) <= {"RS229"}
