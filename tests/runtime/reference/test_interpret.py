"""Expressions against plain Python, and draws against their random words, one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from runtime.builders import batch, epoch
from runtime.programs import (
    apply,
    call_number,
    draw,
    kind,
    number,
    output,
    previous,
    random,
    task,
    time,
    variable,
    white,
    wired,
)
from torch import Tensor

from rnnspec.program.expression_nodes import Expression
from rnnspec.program.nodes import Draw, Duration, Program
from rnnspec.program.timing import duration_draws
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.noise import SHARED, philox
from rnnspec.runtime.reference import interpret
from rnnspec.runtime.reference.interpret import Environment, evaluate, settle

CPU = torch.device("cpu")


def value_of(expression: Expression, **values: Tensor) -> Tensor:
    return evaluate(expression, Environment(CPU, values))


def row(*values: float) -> Tensor:
    """Return a number in as many sequences as there are values: (1, B)."""
    return torch.tensor([values], dtype=torch.float64)


# --- functions ---------------------------------------------------------------------------------------

PLAIN: dict[str, Callable[[float, float], float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "mod": lambda a, b: a % b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "min": min,
    "max": max,
}


@pytest.mark.parametrize("function", PLAIN)
def test_two_arguments(function: str) -> None:
    left, right = [-3.5, 2.0, 2.0, 7.25, -1.0], [2.0, 2.0, -3.0, 2.5, -0.25]
    found = value_of(apply(function, variable("a"), variable("b")), a=row(*left), b=row(*right))
    assert found.tolist() == [[float(PLAIN[function](a, b)) for a, b in zip(left, right, strict=True)]]
    assert found.dtype == torch.float64


@pytest.mark.parametrize(
    "function", ["sqrt", "exp", "log", "sin", "cos", "tanh", "floor", "abs", "neg", "sign"]
)
def test_one_argument(function: str) -> None:
    plain: dict[str, Callable[[float], float]] = {
        "abs": abs,
        "neg": lambda x: -x,
        "sign": lambda x: math.copysign(1.0, x),
        "floor": math.floor,
    }
    values = [0.25, 1.5, 3.0] + ([-0.25, -2.0] if function not in ("sqrt", "log") else [])
    found = value_of(apply(function, variable("x")), x=row(*values))
    compute = plain[function] if function in plain else getattr(math, function)
    expected = [compute(x) for x in values]
    assert found[0].tolist() == pytest.approx(expected, rel=1e-15)


def test_sign_of_zero_is_zero() -> None:
    assert value_of(apply("sign", 0)).item() == 0.0


def test_power() -> None:
    assert value_of(apply("pow", variable("x"), 3), x=row(-2, 0, 1.5)).tolist() == [[-8.0, 0.0, 3.375]]


@pytest.mark.parametrize("a", [0.0, 1.0])
@pytest.mark.parametrize("b", [0.0, 1.0])
def test_logic(a: float, b: float) -> None:
    assert value_of(apply("and", a, b)).item() == float(a and b)
    assert value_of(apply("or", a, b)).item() == float(a or b)
    assert value_of(apply("not", a)).item() == float(not a)


def test_where_takes_the_branch_of_each_sequence() -> None:
    chosen = apply("where", variable("c"), variable("a"), -1)
    assert value_of(chosen, c=row(1, 0, 1), a=row(4, 5, 6)).tolist() == [[4.0, -1.0, 6.0]]


def test_pick_counts_from_zero() -> None:
    picked = apply("pick", variable("k"), 10, variable("a"), 30)
    assert value_of(picked, k=row(0, 1, 2), a=row(4, 5, 6)).tolist() == [[10.0, 5.0, 30.0]]


def test_distance_is_circular() -> None:
    found = value_of(
        apply("distance", variable("a"), variable("b")), a=row(0.1, 3, -7, 0), b=row(6.2, 1, 0, 9)
    )
    expected = [0.1 + 2 * math.pi - 6.2, 2.0, 7 - 2 * math.pi, 9 - 2 * math.pi]
    assert found[0].tolist() == pytest.approx(expected, abs=1e-14)


def test_ring_is_a_bump_around_its_angle() -> None:
    bump = apply("ring", variable("direction"), math.pi / 8, size=8)
    found = value_of(bump, direction=row(0.3, 6.0))
    assert found.shape == (1, 2, 8)
    for b, direction in enumerate((0.3, 6.0)):
        for i in range(8):
            apart = abs(direction - 2 * math.pi * i / 8)
            apart = min(apart, 2 * math.pi - apart)
            assert found[0, b, i].item() == pytest.approx(
                math.exp(-0.5 * (8 * apart / math.pi) ** 2), abs=1e-15
            )


def test_onehot_of_a_channel_and_of_a_single_unit() -> None:
    assert value_of(apply("onehot", variable("k"), size=3), k=row(0, 2)).tolist() == [[[1, 0, 0], [0, 0, 1]]]
    assert value_of(apply("onehot", variable("k")), k=row(0, 2)).tolist() == [[1, 0]]


def test_angle_is_the_population_vector_in_0_to_2_pi() -> None:
    rates = torch.tensor([[[0.2, 1.0, 0.1, 0.0], [1.0, 0.0, 0.0, 1e-20], [0.0, 0.0, 0.3, 2.0]]])
    environment = Environment(CPU, outputs={"saccade": rates.double()})
    found = evaluate(apply("angle", output("saccade", 4)), environment)
    x = [0.2 - 0.1, 1.0, -0.3]
    y = [1.0, 0.0, -2.0]
    assert found.shape == (1, 3)
    assert found[0].tolist() == pytest.approx(
        [math.atan2(b, a) % (2 * math.pi) for a, b in zip(x, y, strict=True)], abs=1e-7
    )
    assert (found < 2 * math.pi).all()


def test_argmax_is_the_first_maximum() -> None:
    environment = Environment(CPU, outputs={"y": torch.tensor([[[0.0, 2.0, 2.0], [3.0, 1.0, 3.0]]])})
    assert evaluate(apply("argmax", output("y", 3)), environment).tolist() == [[1.0, 0.0]]


def test_numbers_meet_vectors_and_time_points() -> None:
    clock = torch.tensor([0.1, 0.2], dtype=torch.float64).reshape(2, 1, 1)
    bump = apply("mul", apply("add", time(), variable("a")), apply("onehot", 1, size=3))
    found = evaluate(bump, Environment(CPU, {"a": row(1, 2, 3, 4)}, clock=clock))
    assert found.shape == (2, 1, 4, 3)
    for point, t in enumerate((0.1, 0.2)):
        for b in range(4):
            assert found[point, 0, b].tolist() == [0, t + b + 1, 0]


def test_white_scales_what_it_is_given() -> None:
    standard = torch.arange(6.0).double().reshape(1, 2, 3)
    environment = Environment(CPU, {"s": row(2, 3)}, white=lambda call: standard + call)
    found = evaluate(white(variable("s"), size=3, call=1), environment)
    assert found.tolist() == [[[2, 4, 6], [12, 15, 18]]]


def test_what_an_expression_cannot_see_is_an_error() -> None:
    with pytest.raises(ValueError, match="Clock has no value here"):
        value_of(time())


# --- draws -------------------------------------------------------------------------------------------


def drawn_by(
    *draws: Draw, trials: int = 1, sequences: int = 3, networks: int = 2, **changes: Any
) -> list[dict[str, Tensor]]:
    program = task(epoch("only", 50), net=wired(), draws=draws, trials=trials, **changes)
    return list(interpret.draw(program, batch(sequences), networks).variables)


def unit(
    name: str, sequence: int, trial: int = 0, network: int = SHARED, word: int = 0, place: int = 0
) -> float:
    """Return the uniform number of a random call, from its counter."""
    words = philox((call_number(name, place), trial, sequence, network), (7, 8 * 11 + 2))
    return (words[word] // 256 + 0.5) / 2**24


RANDOM = {
    "uniform": ((2, 5), lambda u, n: 2 + 3 * u),
    "normal": ((2, 5), lambda u, n: 2 + 5 * n),
    "choice": ((3, 5, 9), lambda u, n: (3, 5, 9)[int(3 * u)]),
    "bernoulli": ((0.4,), lambda u, n: float(u < 0.4)),
    "integer": ((-2, 4), lambda u, n: -2 + int(7 * u)),
    "exponential": (
        (0.5, 1, 3),
        lambda u, n: 1 - 0.5 * math.log(1 - u * (1 - math.exp(-(3 - 1) / 0.5))),
    ),
}


@pytest.mark.parametrize("function", RANDOM)
def test_random_calls(function: str) -> None:
    arguments, formula = RANDOM[function]
    trials = drawn_by(draw("x", random(function, *arguments, name="x")), trials=2, sequences=20)
    for trial in range(2):
        assert trials[trial]["x"].shape == (1, 20)
        for b in range(20):
            u = unit("x", b, trial)
            normal = math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * unit("x", b, trial, word=1))
            assert trials[trial]["x"][0, b].item() == pytest.approx(formula(u, normal), rel=1e-13)


def test_random_arguments_may_be_draws_and_calls_are_told_apart() -> None:
    both = apply(
        "add", random("uniform", 0, variable("top"), name="x"), random("uniform", 0, 1, name="x", place=1)
    )
    (trial,) = drawn_by(draw("top", random("choice", 2, 9, name="top")), draw("x", both))
    for b in range(3):
        top = (2, 9)[int(2 * unit("top", b))]
        assert trial["x"][0, b].item() == pytest.approx(top * unit("x", b) + unit("x", b, place=1), rel=1e-14)


def test_a_sequence_draw_is_the_same_in_all_trials() -> None:
    x = draw("x", random("uniform", 0, 1, name="x"), scope="sequence")
    trials = drawn_by(x, trials=3)
    for trial in trials:
        assert trial["x"][0].tolist() == pytest.approx([unit("x", b, SHARED) for b in range(3)])


def test_a_list_holds_one_value_per_trial() -> None:
    trials = drawn_by(draw("x", 4, 5, 6, scope="sequence"), trials=3)
    assert [trial["x"].tolist() for trial in trials] == [[[4.0] * 3], [[5.0] * 3], [[6.0] * 3]]


def test_balanced_patterns_are_dealt_in_equal_shares() -> None:
    patterns = tuple((number(p), number(10 * p)) for p in range(3))
    trials = drawn_by(draw("x", patterns=patterns, scope="sequence"), trials=2, sequences=6)
    dealt = [b * 3 // 6 for b in range(6)]
    assert trials[0]["x"].tolist() == [dealt]
    assert trials[1]["x"].tolist() == [[10 * p for p in dealt]]


def test_previous_is_the_value_of_the_preceding_trial() -> None:
    trials = drawn_by(
        draw("rule", 1, 2, 3, scope="sequence"),
        draw("before", previous("rule", 9)),
        draw("count", apply("add", previous("count", -1), 1)),
        trials=3,
    )
    assert [trial["before"][0, 0].item() for trial in trials] == [9, 1, 2]
    assert [trial["count"][0, 0].item() for trial in trials] == [0, 1, 2]


def test_independent_trials_are_those_of_the_network_in_the_ensemble() -> None:
    x = draw("x", random("uniform", 0, 1, name="x"))
    program = task(epoch("only", 50), net=wired(), draws=(x,), independent_trials=True)
    found = interpret.draw(program, batch(3, first_network=5), 2).variables[0]["x"]
    assert found.shape == (2, 3)
    for k in range(2):
        assert found[k].tolist() == pytest.approx([unit("x", b, network=5 + k) for b in range(3)])


def test_evaluation_and_each_iteration_have_draws_of_their_own() -> None:
    program = task(epoch("only", 50), net=wired(), draws=(draw("x", random("uniform", 0, 1, name="x")),))

    def first(of: Batch) -> float:
        return float(interpret.draw(program, of, 1).variables[0]["x"][0, 0])

    for of, key in ((batch(), 90), (batch(purpose="evaluate"), 95), (batch(iteration=12), 98)):
        words = philox((call_number("x"), 0, 0, SHARED), (7, key))
        assert first(of) == (words[0] // 256 + 0.5) / 2**24


def test_draws_of_another_dtype_are_rounded_once() -> None:
    program = task(epoch("only", 50), net=wired(), draws=(draw("x", random("uniform", 0, 1, name="x")),))
    wide, narrow = (
        interpret.draw(program, batch(), 1, d).variables[0]["x"] for d in (torch.float64, torch.float32)
    )
    assert narrow.dtype == torch.float32
    assert torch.equal(narrow, wide.float())


# --- durations ---------------------------------------------------------------------------------------


def waiting(**changes: Any) -> Program:
    """Return a program whose second epoch lasts 0.1 s and `wait`, which depends on another draw."""
    lasting = Duration((), None, apply("add", 0.1, variable("wait")))
    draws = (
        draw("scale", random("uniform", 1, 2, name="scale")),
        draw("wait", apply("mul", variable("scale"), previous("other", 0.3))),
        draw("other", random("uniform", 0, 1, name="other")),
        draw("free", random("uniform", 0, 1, name="free")),
    )
    epochs = (epoch("first", 50), replace(epoch("second", 50), duration=lasting))
    return task(*epochs, net=wired(), draws=draws, trials=2, **changes)


def test_durations_are_seconds_per_sequence_trial_and_epoch() -> None:
    found = interpret.draw(waiting(), batch(3), 2).durations
    assert found is not None
    for b in range(3):
        for trial in range(2):
            other = 0.3 if trial == 0 else unit("other", b, trial - 1)
            first, second = found[b][trial]
            assert first is None
            assert second == pytest.approx(0.1 + (1 + unit("scale", b, trial)) * other, rel=1e-14)


def test_a_duration_may_look_at_the_preceding_trial() -> None:
    lasting = Duration((), None, previous("x", 0.5))
    only = replace(epoch("only", 50), duration=lasting)
    x = draw("x", random("uniform", 0, 1, name="x"))
    found = interpret.draw(task(only, net=wired(), draws=(x,), trials=2), batch(3), 1).durations
    assert found == tuple(((0.5,), (unit("x", b),)) for b in range(3))


def test_fixed_durations_are_not_drawn() -> None:
    assert interpret.draw(task(epoch("only", 50), net=wired()), batch(), 1).durations is None


def test_networks_share_what_decides_a_duration_even_if_their_trials_are_independent() -> None:
    program = waiting(independent_trials=True)
    assert duration_draws(program.timeline) == {"wait", "scale", "other"}
    found = interpret.draw(program, batch(3), 2)
    assert {name: v.shape[0] for name, v in found.variables[0].items()} == {
        "scale": 1,
        "wait": 1,
        "other": 1,
        "free": 2,
    }


# --- draws that depend on reads ----------------------------------------------------------------------


def test_what_depends_on_reads_is_left_until_they_are_known() -> None:
    later = draw("x", apply("add", variable("answer"), random("uniform", 0, 1, name="x")), available=1)
    later = replace(later, type=kind(reads=True))
    program = task(epoch("only", 50), net=wired(), draws=(later,))
    known = interpret.draw(program, batch(4), 2).variables
    assert known == ({},)
    trials = [{"answer": torch.tensor([[1.0], [2.0]]).double()}]
    value = settle(program, batch(4), later, 0, trials, 2, sequences=range(3, 4))
    assert value[:, 0].tolist() == pytest.approx([1 + unit("x", 3), 2 + unit("x", 3)])
