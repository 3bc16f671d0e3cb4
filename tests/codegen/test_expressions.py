"""Written expressions against the interpreter: random trees, and how some of them read."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from runtime.builders import epoch
from runtime.programs import apply, draw, number, random, task, variable, wired
from support import program

from rnnspec.codegen.constants import literal, value_of
from rnnspec.codegen.constants import number as written
from rnnspec.codegen.expressions import Writer
from rnnspec.codegen.torch import emit
from rnnspec.program.nodes import Expression, Rate, Type, Variable
from rnnspec.runtime import interpret
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.torch_engine import load

TRUTH = Type("truth", None, Rate.TRIAL, False, False, 0.0, 1.0)

LEAVES = st.sampled_from([0, 1, 2, 3, -1, 0.5, math.pi, 7, 49]).map(number) | st.sampled_from(
    [variable("angle"), variable("count"), Variable(TRUTH, "flag")]
)


def operations(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Numbers and truth values made of smaller ones; a condition is always a truth value."""
    test = st.builds(apply, st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]), inner, inner)
    flag = st.just(Variable(TRUTH, "flag"))
    truth = st.recursive(
        test | flag,
        lambda t: (
            st.builds(apply, st.sampled_from(["and", "or"]), t, t)
            | st.builds(apply, st.just("not"), t)
            | st.builds(apply, st.just("where"), t, t, t)
        ),
        max_leaves=3,
    )
    return (
        st.builds(apply, st.sampled_from(["add", "sub", "mul", "div", "mod", "min", "max"]), inner, inner)
        | st.builds(apply, st.sampled_from(["neg", "abs", "sqrt", "tanh", "sign", "floor", "sin"]), inner)
        | st.builds(apply, st.just("pow"), inner, st.sampled_from([0, 1, 2, 3]).map(number))
        | st.builds(apply, st.just("where"), truth, inner, inner)
        | st.builds(apply, st.just("pick"), inner, inner, inner, inner)
        | st.builds(apply, st.just("distance"), inner, inner)
        | truth
    )


EXPRESSIONS = st.recursive(LEAVES, operations, max_leaves=12)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.lists(EXPRESSIONS, min_size=1, max_size=6))
def test_a_written_expression_has_the_value_of_the_expression(expressions: list[Expression]) -> None:
    draws = (
        draw("angle", random("uniform", 0, 2 * math.pi, name="angle")),
        draw("count", random("integer", 0, 50, name="count")),
        draw("flag", random("bernoulli", 0.5, name="flag"), type=TRUTH),
        *(draw(f"x{n}", expression) for n, expression in enumerate(expressions)),
    )
    found = task(epoch("only", 20), net=wired(), draws=draws)
    batch = Batch(7, 3, 5, "train", Stage(1, ()))  # type: ignore[arg-type]
    (wanted,) = interpret.draw(found, batch, networks=2).variables
    module = load(emit(found))
    (trial,) = module.draw_trials((3, 8 * 5 + 2), torch.arange(2), 7)
    for name, value in wanted.items():
        got = trial[name].expand(1, 7, 1, 1)[:, :, 0, 0]
        torch.testing.assert_close(got, value, rtol=1e-9, atol=1e-9, equal_nan=True)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(EXPRESSIONS)
def test_the_value_of_a_constant_is_that_of_the_interpreter(expression: Expression) -> None:
    value = value_of(expression)
    if value is not None:
        wanted = interpret.evaluate(expression, interpret.Environment(torch.device("cpu")))
        torch.testing.assert_close(torch.tensor(value, dtype=torch.float64), wanted[0, 0], equal_nan=True)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (apply("mul", apply("add", variable("a"), 1), 2), "(a + 1) * 2"),
        (apply("sub", variable("a"), apply("sub", variable("b"), 1)), "a - (b - 1)"),
        (apply("sub", apply("sub", variable("a"), variable("b")), 1), "a - b - 1"),
        (apply("neg", apply("pow", variable("a"), 2)), "-(a**2)"),
        (apply("pow", apply("neg", variable("a")), 2), "(-a)**2"),
        (apply("mul", 2, number(math.pi)), "2 * math.pi"),
        (apply("div", 1, variable("a")), "number(1) / a"),
        (apply("mul", variable("a"), apply("eq", variable("b"), 1)), "a * (b == 1)"),
        (apply("add", 1, apply("eq", variable("b"), 1)), "1 + number(b == 1)"),
        (apply("where", apply("lt", 1, 2), variable("a"), 3), "a"),
        (
            apply("and", apply("lt", variable("a"), 1), apply("gt", variable("a"), 0)),
            "number((a < 1) & (a > 0))",
        ),
        (
            apply("not", apply("or", Variable(TRUTH, "a"), Variable(TRUTH, "b"))),
            "number(~((a != 0) | (b != 0)))",
        ),
        (apply("ring", variable("a"), math.pi / 8, size=32), "ring(a, 32)"),
        (apply("ring", variable("a"), 1, size=32), "ring(a, 32, 1)"),
        (apply("onehot", variable("a"), size=3), "onehot(a, 3)"),
        (apply("onehot", variable("a")), "number(a == 0)"),
        (variable("ring"), "ring_"),
    ],
)
def test_how_it_reads(expression: Expression, text: str) -> None:
    assert Writer().number(expression).text == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-1.0, "-1"),
        (0.1, "0.1"),
        (1e6, "1000000.0"),
        (math.inf, "math.inf"),
        (math.nan, "math.nan"),
        (1e-5, "1e-05"),
    ],
)
def test_literals(value: float, text: str) -> None:
    assert literal(value) == text if value >= 0 or math.isnan(value) else written(value).text == text


@pytest.mark.parametrize(
    "value", [math.pi, 2 * math.pi, math.pi / 8, 3 * math.pi / 2, -math.pi / 2, 0.3, -7.0]
)
def test_numbers_read_back(value: float) -> None:
    assert eval(written(value).text, {"math": math}) == value


def test_long_expressions_are_broken_where_a_formatter_would() -> None:
    found = program(
        """
task:
  draw:
    first: uniform(0, 1)
    condition: first > 0.5 and direction < 3 or not (first < 0.2 and direction > 1) or first == direction
    answer: where(condition, first + direction * first + first / 7, pick(floor(first * 3), 1, 2, 3))
  input: {cue: answer}
"""
    )
    source = emit(found)
    assert all(len(line) <= 110 for line in source.splitlines())
