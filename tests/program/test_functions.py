"""The table of functions: what it says of each is true, whichever functions there are."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support import problems, program

from rnnspec.program.bounds import Interval
from rnnspec.program.expression_nodes import Apply, Expression, Random, walk
from rnnspec.program.functions import CALLABLE, GROUPS, IN_TIME, MANY, RANDOM, Function
from rnnspec.program.nodes import Program
from rnnspec.program.types import APPLIED, CONSTANT, result_type

#: Functions of numbers.
NUMERIC = {name: function for name, function in APPLIED.items() if function.value is not None}

#: Values at which functions turn, have poles or lose their sign.
TURNS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, math.pi, -math.pi, 1000.0)


def place_of(name: str) -> str:
    """Return the part of a task in which the example of a function may stand, as YAML around {}."""
    function = CALLABLE[name]
    if name in RANDOM or name == "previous":
        return "task: {{trials: 2, draw: {{x: {}}}}}"
    if function.arguments[0] in ("vector", "ring"):
        return "task: {{epochs: {{response: {{read: {{x: {}}}}}}}}}"
    return "task: {{input: {{stimulus: {}}}}}"


def expressions(found: Program) -> Iterator[Expression]:
    """Yield all parts of the draws, inputs and reads of a program."""
    for draw in found.timeline.draws:
        yield from (node for value in draw.values for node in walk(value))
    for epoch in found.timeline.epochs:
        yield from (node for drive in epoch.drives for node in walk(drive.value))
        yield from (node for read in epoch.reads for node in walk(read.value))


@pytest.mark.parametrize("name", CALLABLE)
def test_the_usage_and_the_example_call_the_function(name: str) -> None:
    function = CALLABLE[name]
    assert function.usage.startswith(f"{name}(")
    assert function.example.startswith(f"{name}(")
    assert function.meaning
    found = program(place_of(name).format(f'"{function.example}"'))
    if name not in IN_TIME:
        called = {node.function for node in expressions(found) if isinstance(node, Apply | Random)}
        assert name in called


@pytest.mark.parametrize("name", CALLABLE)
def test_a_wrong_number_of_arguments_is_answered_with_the_usage(name: str) -> None:
    function = CALLABLE[name]
    least, most = function.counts
    for count in {least - 1, most + 1} - {MANY + 1}:
        arguments = ", ".join(["direction"] * count)
        found = problems(place_of(name).format(f'"{name}({arguments})"'))
        assert [d.code for d in found] == ["RS203"]
        assert found[0].message == f"{name}() has {count} argument{'s' * (count != 1)}"
        assert found[0].expected == function.usage


def test_previous_takes_the_name_of_a_variable() -> None:
    (found,) = problems('task: {draw: {x: "previous(1, 0)"}}')
    assert (found.code, found.message) == (
        "RS203",
        "the first argument of previous() must be the name of a variable",
    )


@pytest.mark.parametrize("name", ["atan2", "min"])
def test_vectors_of_two_sizes_cannot_be_combined(name: str) -> None:
    network = "network: {outputs: {gaze: {from: output, size: 2}}}"
    (found,) = problems(
        network, f'task: {{epochs: {{response: {{read: {{x: "argmax({name}(gaze, saccade))"}}}}}}}}'
    )
    assert (found.code, found.message) == ("RS205", "a vector of 2 and a vector of 8 cannot be combined")
    assert found.expected == "vectors of the same size"


def test_groups_share_no_function() -> None:
    assert len(CALLABLE) == sum(map(len, GROUPS.values()))
    assert not CALLABLE.keys() & {"pi", "t"}


# --- bounds ------------------------------------------------------------------------------------------


def calls(function: Function, seed: str, count: int) -> Iterator[tuple[list[Interval], list[float]]]:
    """Yield bounds of a function's arguments, and arguments within them."""
    source = random.Random(seed)
    least, most = function.counts

    def number(kind: str) -> float:
        turn = source.random() < 0.5
        value = source.choice(TURNS) if turn else source.choice([source.gauss(0, 1), source.uniform(-20, 20)])
        return {"truth": float(value > 0), "index": float(abs(int(value)))}.get(kind, value)

    for _ in range(count):
        intervals, arguments = [], []
        for kind in function.kinds(source.randint(least, min(most, 4))):
            low, high = sorted((number(kind), number(kind)))
            intervals.append((low, high))
            inside = min(max(low + (high - low) * source.random(), low), high)
            arguments.append(source.choice([low, high, float(int(inside)) if kind == "index" else inside]))
        yield intervals, arguments


@pytest.mark.parametrize("name", NUMERIC)
def test_a_value_lies_within_its_bounds(name: str) -> None:
    """Unless the bounds are NaN, which says that the value may be anything."""
    function = NUMERIC[name]
    for intervals, arguments in calls(function, name, 1000):
        low, high = function.bounds(intervals)
        if not math.isnan(low) and not math.isnan(high):
            value = function.of(*arguments)
            slack = 1e-12 * max(1.0, abs(value)) if math.isfinite(value) else 0.0
            assert low - slack <= value <= high + slack, (intervals, arguments)


@pytest.mark.parametrize(
    ("y", "x", "low", "high"),
    [
        ((1, 2), (-1, 1), math.pi / 4, math.pi * 3 / 4),
        ((-2, -1), (-1, 1), -math.pi * 3 / 4, -math.pi / 4),
        ((-1, 1), (1, 2), -math.pi / 4, math.pi / 4),
        ((-1, 1), (0, 2), -math.pi, math.pi),
        ((0, 1), (-1, 1), -math.pi, math.pi),
        ((0, 0), (-1, -1), -math.pi, math.pi),
        ((3, 3), (-math.inf, math.inf), 0, math.pi),
        ((math.nan, math.nan), (1, 2), math.nan, math.nan),
    ],
)
def test_bounds_of_atan2(y: Interval, x: Interval, low: float, high: float) -> None:
    """An angle, unless it may be on the negative x axis, where it jumps, or at the origin."""
    arguments = [replace(CONSTANT, low=bounds[0], high=bounds[1]) for bounds in (y, x)]
    found = result_type(CALLABLE["atan2"], arguments, None)
    assert (found.low, found.high) == pytest.approx((low, high), nan_ok=True)


@pytest.mark.parametrize("name", NUMERIC)
def test_what_a_function_objects_to_has_no_finite_value(name: str) -> None:
    function = NUMERIC[name]
    for intervals, arguments in calls(function, name, 1000):
        if function.objection(intervals) is not None:
            assert not math.isfinite(function.of(*arguments)), (intervals, arguments)
