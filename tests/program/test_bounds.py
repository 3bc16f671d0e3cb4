"""The bounds of expressions: narrow enough for what a task needs, and never too narrow."""

from __future__ import annotations

import itertools
import random

import pytest
from support import codes, problems, program

from rnnspec.program.expression_nodes import Expression, Number, Variable, children
from rnnspec.program.types import APPLIED


def channel(size: int, draws: str, index: str) -> str:
    return (
        f"network: {{inputs: {{context: {{size: {size}}}}}}}\n"
        f"task:\n  draw: {{{draws}}}\n  input: {{context: 'onehot({index})'}}\n"
    )


@pytest.mark.parametrize(
    ("size", "draws", "index"),
    [
        (4, "k: 'integer(0, 9)'", "k % 4"),
        (2, "k: 'integer(0, 3)'", "k % 2"),
        (2, "k: 'integer(-3, 3)'", "abs(k) % 2"),
        (3, "k: 'integer(0, 2)'", "k % 7"),
        (2, "k: 'floor(uniform(0, 2))'", "k"),
        (2, "u: 'uniform(0, 1)'", "floor(2 * u)"),
        (2, "u: 'uniform(1, 2)'", "floor(2 * u) - 2"),
        (4, "k: 'integer(0, 3)'", "where(k == 3, 0, k + 1)"),
        (4, "k: 'integer(0, 3)'", "where(not (k == 0), k - 1, 3)"),
        (4, "k: 'integer(0, 3)'", "where(k != 3, k + 1, 0)"),
        (3, "k: 'integer(0, 3)'", "where(k < 2, k, k - 1)"),
        (3, "k: 'integer(0, 3)'", "where(2 > k, k, k - 1)"),
        (2, "k: 'integer(0, 3)'", "where(k > 1 or k == 0, 0, k)"),
        (2, "k: 'integer(0, 3)'", "where(1 < k and k < 3, k - 1, 0)"),
        (3, "k: 'integer(0, 3)', l: 'integer(0, 2)'", "where(k > l, l, k)"),
        (2, "k: 'integer(0, 3)', b: bernoulli(0.5)", "where(b, b - 1, k > 2)"),
    ],
)
def test_an_index_fits_just(size: int, draws: str, index: str) -> None:
    assert codes(channel(size, draws, index)) == []
    (problem,) = problems(channel(size - 1, draws, index))
    assert (problem.code, problem.help) == ("RS212", f"declare 'context' with 'size: {size}'")


@pytest.mark.parametrize(
    ("draws", "index"),
    [
        ("k: 'uniform(0, 3)'", "k % 2"),
        ("k: 'integer(0, 3)'", "k / 2 % 1"),
        ("k: 'floor(uniform(0, 1.001))'", "k"),
        ("k: 'floor(2 - uniform(0, 1))'", "k - 1"),
    ],
)
def test_what_is_not_whole_or_reaches_its_bound(draws: str, index: str) -> None:
    assert codes(channel(1, draws, index)) == ["RS212"]


def test_a_branch_that_cannot_be_is_not_narrowed() -> None:
    overlay = "task: {draw: {k: 'integer(0, 3)', z: 'where(k > 5, k, 7)'}}"
    (z,) = (draw for draw in program(overlay).timeline.draws if draw.name == "z")
    assert (z.type.low, z.type.high) == (0, 7)


@pytest.mark.parametrize(
    ("duration", "accepted"),
    [
        # The largest of all normal draws is 5.9 standard deviations from the mean.
        ("normal(600 ms, 100 ms)", True),
        ("normal(500 ms, 100 ms)", False),
        ("max(200 ms, normal(500 ms, 100 ms))", True),
        ("previous(wait, 100 ms) + 100 ms", False),
        # 1.2 s - 0.9 s - 0.3 s is below 0 by a rounding error.
        ("1.2 s - uniform(100 ms, 0.9 s) - 0.3 s", True),
        ("1.2 s - uniform(100 ms, 0.9 s) - 0.301 s", False),
    ],
)
def test_the_bounds_of_a_duration(duration: str, accepted: bool) -> None:
    overlay = f"task: {{draw: {{wait: '{duration}'}}, epochs: {{response: {{duration: wait, grace: null}}}}}}"
    assert codes(overlay) == ([] if accepted else ["RS213"])


# --- random expressions ----------------------------------------------------------------------------------

RANGES = {"x": range(4), "y": range(-2, 3)}


def expression(source: random.Random, depth: int) -> str:
    """Return an expression of x and y, which are whole, that has a value for all of them."""
    if depth == 0:
        return source.choice(["x", "y", "2", "3", "0.5", "-1"])
    a, b = expression(source, depth - 1), expression(source, source.randrange(depth))
    match source.randrange(7):
        case 0 | 1:
            return f"({a} {source.choice('+-*')} {b})"
        case 2:
            return f"({a} % {source.choice(['2', '3', '1.5', '-2'])})"
        case 3:
            return f"{source.choice(['min', 'max'])}({a}, {b})"
        case 4:
            return f"{source.choice(['floor', 'abs', 'sign'])}({a})"
        case _:
            c, d = source.choice("xy"), source.choice(["x", "y", "0", "1", "2", "1.5", b])
            test = f"{c} {source.choice(['<', '<=', '==', '!=', '>', '>='])} {d}"
            if source.random() < 0.3:
                word = source.choice(["and", "or"])
                test = f"{source.choice(['', 'not '])}({test} {word} {source.choice('xy')} > 0)"
            return f"where({test}, {a}, {b})"


def evaluate(tree: Expression, values: dict[str, float]) -> float:
    match tree:
        case Number(value=value):
            return value
        case Variable(name=name):
            return values[name]
    function = getattr(tree, "function", "")
    return APPLIED[function].of(*(evaluate(inner, values) for inner in children(tree)))


@pytest.mark.parametrize("seed", range(4))
def test_no_value_lies_outside_of_its_bounds(seed: int) -> None:
    source = random.Random(seed)
    texts = {f"v{i}": expression(source, 3) for i in range(100)}
    draws = "".join(f"    {name}: {text!r}\n" for name, text in texts.items())
    overlay = f"task:\n  draw:\n    x: integer(0, 3)\n    y: integer(-2, 2)\n{draws}"
    for draw in program(overlay).timeline.draws:
        if draw.name not in texts:
            continue
        text = texts[draw.name]
        for x, y in itertools.product(*RANGES.values()):
            value = evaluate(draw.values[0], {"x": x, "y": y})
            assert draw.type.low <= value <= draw.type.high - draw.type.slack, (text, x, y, value)
            assert not draw.type.whole or float(value).is_integer(), (text, x, y, value)


def test_the_largest_uniform_number_stays_within_its_slack() -> None:
    largest = 1 - 2.0**-25
    for low, high in ((0, 2), (1, 3), (-1, 1), (0.1, 0.7), (1e6, 1e6 + 1)):
        overlay = f"task: {{draw: {{u: 'uniform({low}, {high})'}}}}"
        (u,) = (draw for draw in program(overlay).timeline.draws if draw.name == "u")
        reached = low + (high - low) * largest
        assert u.type.high == high
        assert reached <= u.type.high - u.type.slack < high
