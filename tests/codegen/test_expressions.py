"""Written expressions against the interpreter: random trees, and how some of them read."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest
import torch
from codegen.scalar_python import ScalarWriter, scalar_value
from effort import calls_of
from runtime.builders import epoch
from runtime.programs import apply, draw, number, random, task, variable, wired
from support import program

from rnnspec.codegen.constants import literal, value_of
from rnnspec.codegen.constants import number as written
from rnnspec.codegen.torch.expressions import TorchWriter
from rnnspec.codegen.torch.graph import emit
from rnnspec.program.expression_nodes import Expression, Rate, Type, Variable
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.reference import interpret
from rnnspec.runtime.torch.module import load

TRUTH = Type("truth", None, Rate.TRIAL, False, False, 0.0, 1.0)

CONSTANTS = (0, 1, 2, 3, -1, 0.5, math.pi, 7, 49)
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
NUMBERS = {
    **dict.fromkeys(("add", "sub", "mul", "div", "mod", "min", "max", "distance"), 2),
    **dict.fromkeys(("neg", "abs", "sqrt", "tanh", "sign", "floor", "sin"), 1),
    "pick": 4,
}


def grow(source: Random, depth: int, constant: bool = False) -> Expression:
    """Return a random number, of constants alone or of the variables angle, count and flag as well."""
    if depth == 0 or source.random() < 0.1:
        if constant or source.random() < 0.5:
            return number(source.choice(CONSTANTS))
        return source.choice([variable("angle"), variable("count"), Variable(TRUTH, "flag")])
    kind = source.choice(["number"] * 6 + ["power", "where", "truth"])
    inner = (grow(source, depth - 1, constant) for _ in range(4))
    if kind == "power":
        return apply("pow", next(inner), source.choice([0, 1, 2, 3]))
    if kind == "where":
        return apply("where", grow_truth(source, depth - 1, constant), next(inner), next(inner))
    if kind == "truth":
        return grow_truth(source, depth, constant)
    function = source.choice(list(NUMBERS))
    return apply(function, *(next(inner) for _ in range(NUMBERS[function])))


def grow_truth(source: Random, depth: int, constant: bool) -> Expression:
    """Return a random truth value."""
    kind = (
        source.choice(["comparison", "comparison", "and", "or", "not", "where"])
        if depth > 0
        else "comparison"
    )
    if kind == "comparison":
        pair = grow(source, max(depth - 1, 0), constant), grow(source, max(depth - 1, 0), constant)
        return apply(source.choice(COMPARISONS), *pair)
    count = {"and": 2, "or": 2, "not": 1, "where": 3}[kind]
    return apply(kind, *(grow_truth(source, depth - 1, constant) for _ in range(count)))


@pytest.mark.parametrize("seed", range(25))
def test_a_written_expression_has_the_value_of_the_expression(seed: int) -> None:
    source = Random(seed)
    draws = (
        draw("angle", random("uniform", 0, 2 * math.pi, name="angle")),
        draw("count", random("integer", 0, 50, name="count")),
        draw("flag", random("bernoulli", 0.5, name="flag"), type=TRUTH),
        *(draw(f"x{n}", grow(source, 1 + n % 5)) for n in range(30)),
    )
    found = task(epoch("only", 20), net=wired(), draws=draws)
    batch = Batch(7, 3, 5, "train", Stage(Fraction(1), ()))
    (wanted,) = interpret.draw(found, batch, networks=2).variables
    module = load(emit(found))
    (trial,) = module.draw_trials((3, 8 * 5 + 2), torch.arange(2), 7)
    for name, value in wanted.items():
        got = trial[name].expand(1, 7, 1, 1)[:, :, 0, 0]
        torch.testing.assert_close(got, value, rtol=1e-9, atol=1e-9, equal_nan=True, msg=name)


@pytest.mark.parametrize("seed", range(40))
def test_a_third_language_is_a_small_file(seed: int) -> None:
    """What all languages share is not about Python with torch: `scalar_python.py` adds a table and leaves."""
    expression = grow(Random(seed), 1 + seed % 5)
    written = ScalarWriter().number(expression).text
    for angle, count, flag in ((0.3, 0.0, 1.0), (2.0, 1.0, 0.0), (6.0, 49.0, 1.0)):
        given = {"angle": angle, "count": count, "flag": flag}
        tensors = {name: torch.tensor([[v]], dtype=torch.float64) for name, v in given.items()}
        wanted = interpret.evaluate(expression, interpret.Environment(torch.device("cpu"), tensors))
        found = torch.tensor(scalar_value(written, **given), dtype=torch.float64)
        torch.testing.assert_close(found, wanted[0, 0], rtol=1e-9, atol=1e-9, equal_nan=True, msg=written)


@pytest.mark.parametrize("seed", range(40))
def test_the_value_of_a_constant_is_that_of_the_interpreter(seed: int) -> None:
    expression = grow(Random(seed), 1 + seed % 4, constant=True)
    value = value_of(expression)
    assert value is not None
    wanted = interpret.evaluate(expression, interpret.Environment(torch.device("cpu")))
    torch.testing.assert_close(torch.tensor(value, dtype=torch.float64), wanted[0, 0], equal_nan=True)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (apply("mul", apply("add", variable("a"), 1), 2), "(a + 1) * 2"),
        (apply("sub", variable("a"), apply("sub", variable("b"), 1)), "a - (b - 1)"),
        (apply("sub", apply("sub", variable("a"), variable("b")), 1), "a - b - 1"),
        (apply("neg", apply("pow", variable("a"), 2)), "-(a**2)"),
        (apply("pow", apply("neg", variable("a")), 2), "(-a) ** 2"),
        (apply("pow", number(-0.0), variable("a")), "(-0.0) ** a"),
        (apply("atan2", variable("a"), 1), "torch.atan2(a, number(1))"),
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
    assert TorchWriter().number(expression).text == text


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
    answer: where(condition, first + direction * first + first / 7, pick(floor(first * 2), 1, 2, 3))
  input: {cue: answer}
"""
    )
    source = emit(found)
    assert all(len(line) <= 110 for line in source.splitlines())


LEAF = variable("a")
NESTINGS = {
    "condition": lambda inner: apply("where", apply("lt", inner, 1), LEAF, 2),
    "index": lambda inner: apply("pick", inner, 1, 2),
    "left": lambda inner: apply("mul", inner, apply("eq", LEAF, 1)),
    "right": lambda inner: apply("mul", LEAF, inner),
    "logic": lambda inner: apply("where", apply("and", apply("gt", inner, 0), apply("lt", LEAF, 1)), 1, 2),
    "power": lambda inner: apply("pow", inner, 2),
}


@pytest.mark.parametrize("nesting", NESTINGS)
def test_deep_nesting_costs_no_more_than_its_size(nesting: str) -> None:
    """Thirty levels: work that doubles at each of them would never end."""
    expression: Expression = LEAF
    for _ in range(30):
        expression = NESTINGS[nesting](expression)
    calls_of(lambda: TorchWriter().number(expression), limit=1_000_000)
