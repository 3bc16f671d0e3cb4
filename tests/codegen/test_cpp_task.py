"""The task as C++, compiled and called, against the interpreter."""

from __future__ import annotations

import ctypes
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from codegen.cpp_tasks import assert_agrees, compiled, source
from codegen.sources import ragged
from codegen.test_expressions import LEAF, NESTINGS, grow
from effort import calls_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_specs import specs
from runtime.programs import apply, draw, number
from runtime.programs import variable as given_variable
from support import SPECS, program
from test_random_specs import lowered

from rnnspec.check.examine import load
from rnnspec.codegen.constants import number as written
from rnnspec.codegen.cpp.expressions import CppWriter, variable
from rnnspec.codegen.cpp.language import CPP
from rnnspec.codegen.cpp.task import task_context, variable_names
from rnnspec.diagnostics import render_text
from rnnspec.program.expression_nodes import Expression
from rnnspec.program.functions import CALLABLE, FUNCTIONS
from rnnspec.program.nodes import Program
from rnnspec.program.operators import OPERATORS

SHIPPED = sorted(SPECS.glob("*.yaml"))

EXAMPLES = [function.example for function in FUNCTIONS.values() if function.value is not None]

#: Every function of the language, as numbers, vectors and truth values.
LANGUAGE = """
network:
  inputs: {go: {}, pair: {size: 2}}
  outputs: {choice: {from: output, size: 3, activation: softmax}}
task:
  trials: 3
  sequence:
    level: uniform(0.5, 1)
    rule: [1, level, "normal(level, 2)"]
    plain: [1, 2.5, -1]
    side: {balanced: [[0, 1, 0], [1, 0, 1], [1, 1, level]]}
    crossed: {balanced: [[0, 0, 0], [1, 2, 3], [4, side, 5], [6, 7, 8], [9, 9, 9], [-1, -1, 0]]}
  draw:
    a: normal(0.5, 2)
    b: exponential(0.1, 0, 0.3) + integer(-3, 4)
    c: choice(1, level, a, b) + bernoulli(0.5)
    one: choice(4)
    flag: a < b
    arithmetic: a + b - (a - b) * c / (b + 20) - -a + (a - (b - c)) + a / (3 / (b + 20)) + -(a + b)
    remainders: a % 2 + (-a) % 3 + a % -3 + (a + b) % (c + 20) + floor(a) % -1
    powers: a ** 2 + (b + 4) ** c + 2 ** a + (-a) ** 3
    standard: abs(a) + sqrt(abs(a)) + exp(a) + log(abs(a)) + sin(a) + cos(a) + tanh(a) + sign(a) + floor(a)
    bounds: min(a, b) + max(a, b, c, 0) + min(a, b, c) * max(a, 1)
    apart: distance(a, b) + distance(3 * a, -b)
    picked: pick(integer(0, 2), a, b, c) + pick(uniform(0, 1), a, b) + pick(1, a, b) + pick(0, c)
    logic: flag and not (a == c) or (c >= 1 and b <= a and not flag) or a > 3 and true_ != 0
    true_: where(flag, 1, 0) + (a < b) * (b < c) + (a < b) / (1 + (b < c))
    nested: where(where(flag, a > 1, b > 1), where(c > 1, a, b), -(-c)) ** 2
    history: previous(c, level) + previous(right, 0.25)
    right: answered == 1
    endless: where(a > 0, 1e60 ** 6, -(1e60 ** 6))
    nothing: where(a > 1e9, 0, sqrt(-1 - abs(a)))
    places: angled + largest
  success: right or a > 0
  scored: not (a > 2)
  epochs:
    fixation:
      input:
        go: white(0.2) + 2 * white(a) * sin(t) - white(1)
        pair: pick(floor(side), onehot(floor(side)), -1, 2 * onehot(1 - floor(side))) * exp(a / 9) + t
        stimulus: where(flag, white(0.1), 0.5) * ring(a + b, 0.5 + level)
      target: {choice: "where(flag, onehot(2), onehot(one - 3))", saccade: "-ring(exp(a)) ** 2 + t"}
      weight: 2 * (t < 0.02) + a
      correct: angle(saccade) > pi or argmax(where(flag, choice, -choice)) == 1 and fixation - t < level
      read:
        angled: angle(saccade)
        largest: argmax(choice)
        spread: max(fixation, 0.5) + argmax(-choice) + argmax(exp(level) * choice)
    stimulus:
      input: {pair: white(0.5), stimulus: "abs(sin(b)) * max(ring(a), ring(b, 1), 0.1)", go: places}
      correct: not (fixation > 0.5) and where(flag, fixation < 0.7, distance(angle(saccade), a) < 1)
      read: {answered: argmax(choice)}
    response: {input: {go: EXAMPLES, pair: "min(onehot(0), answered)"}, weight: 1 + right}
"""
LANGUAGE = LANGUAGE.replace("EXAMPLES", f'"{" + ".join(["spread", *EXAMPLES])}"')
given_a, given_b = given_variable("a"), given_variable("b")
HOSTILE = '*/\n#include "/dev/null"\nint system(); // \\\n??/\n{{ 1 }} """'

WORDS = ("double", "NAN", "EOF", "now", "place", "u", "y", "i", "at", "White", "value1", "ring1", "white0")


def language() -> Program:
    return program(LANGUAGE)


def named_like_words(independent: bool = False) -> Program:
    """A task in which everything has a name that C++ or the kernel uses for something else."""
    variables = "".join(f"    {word}: uniform(0, 1)\n" for word in WORDS)
    total = " + ".join(WORDS)
    return program(f"""
network:
  inputs: {{double: {{}}, class: {{size: 2}}}}
  outputs: {{namespace: {{from: output}}, real: {{from: output, size: 2}}}}
task:
  draw:
{variables}
  epochs:
    fixation: {{duration: 100 ms}}
    stimulus:
      input: {{double: {total}, class: EOF * onehot(0) * sin(double)}}
      read: {{int: argmax(real)}}
    while:
      after: stimulus
      input: {{double: int, class: white(0.1)}}
      target: {{namespace: NAN}}
      correct: namespace > NAN
      duration: 100 ms
training: {{trials: {"independent" if independent else "shared"}}}
""")


def test_the_shipped_specs(tmp_path: Path) -> None:
    for kernel in compiled(tmp_path, *(load(path, [], ()).program for path in SHIPPED)):
        assert_agrees(kernel)


def test_everything_the_language_has(tmp_path: Path) -> None:
    independent = replace(language(), training=replace(language().training, independent_trials=True))
    kernels = compiled(
        tmp_path, language(), independent, ragged(), named_like_words(), named_like_words(True)
    )
    for kernel in kernels:
        assert_agrees(kernel)
        assert_agrees(kernel, Fraction(3, 2), "evaluate")


def test_single_precision_compiles_without_warnings(tmp_path: Path) -> None:
    """Only inputs, targets and outputs are single; warnings are errors for all that these tests compile."""
    for kernel in compiled(tmp_path, language(), named_like_words(), real="float"):
        assert kernel.call("column", 0, result=ctypes.c_int) > 0


def test_the_language_is_whole() -> None:
    """The spec above calls each function, so that a new one is not forgotten."""
    for operator in OPERATORS.values():
        assert f" {operator.usage}" in LANGUAGE, operator.usage
    for name in CALLABLE:
        assert f"{name}(" in LANGUAGE, name
    written = source(language())
    for name in CPP.defined:
        assert f"{name}(" in written, name


def test_shared_durations_of_independent_trials(tmp_path: Path) -> None:
    found = ragged("training: {trials: independent}")
    assert "EVERY_NETWORK)" in source(found)
    assert "place.network)" in source(found)
    (kernel,) = compiled(tmp_path, found)
    assert_agrees(kernel)


def test_random_expressions(tmp_path: Path) -> None:
    """Trees of every shape, also constant ones, read as they are meant."""
    spec = program("task: {draw: {angle: 'uniform(-9, 9)', count: 'integer(0, 3)', flag: bernoulli(0.5)}}")
    random = Random(11)
    trees = [grow(random, 4, constant=i % 4 == 0) for i in range(120)]
    given = tuple(draw(f"tree{i}", tree) for i, tree in enumerate(trees))
    timeline = replace(spec.timeline, draws=(*spec.timeline.draws, *given))
    (kernel,) = compiled(tmp_path, replace(spec, timeline=timeline))
    assert_agrees(kernel)


@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(specs(), min_size=4, max_size=4))
def test_random_specs(tmp_path_factory: pytest.TempPathFactory, documents: list[dict[str, Any]]) -> None:
    programs = []
    for document in documents:
        found, problems = lowered(document)
        assert found is not None, render_text(problems.sorted())
        programs.append(found)
    for kernel in compiled(tmp_path_factory.mktemp("random"), *programs):
        assert_agrees(kernel)


# --- how it reads, and what cannot get in --------------------------------------------------------------


def test_it_reads_like_the_spec() -> None:
    written = source(load(SPECS / "delayed_go.yaml", [], ()).program)
    assert "fixation_ < 0.5 && distance(angle<32>(y + at::saccade_), now.direction_) < 0.2 * PI;" in written
    assert "/// The target outputs in fixation, stimulus and delay, by channel.\n" in written
    assert "    case 1: case 2: case 3:\n        target_fixation_(y);\n        break;\n" in written
    assert max(map(len, written.splitlines())) <= 110


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (apply("mul", apply("add", given_a, 1), 2), "(now.a_ + 1.0) * 2.0"),
        (apply("sub", given_a, apply("sub", given_b, 1)), "now.a_ - (now.b_ - 1.0)"),
        (apply("sub", apply("sub", given_a, given_b), 1), "now.a_ - now.b_ - 1.0"),
        (apply("div", given_a, apply("mul", given_b, 2)), "now.a_ / (now.b_ * 2.0)"),
        (apply("neg", apply("neg", given_a)), "-(-now.a_)"),
        (apply("mul", given_a, apply("eq", given_b, 1)), "now.a_ * (now.b_ == 1.0)"),
        (
            apply("div", apply("lt", given_a, 1), apply("eq", given_b, 1)),
            "double(now.a_ < 1.0) / double(now.b_ == 1.0)",
        ),
        (apply("where", apply("lt", 1, 2), given_a, 3), "now.a_"),
        (apply("add", 1, apply("where", apply("lt", given_a, 1), 2, 3)), "1.0 + (now.a_ < 1.0 ? 2.0 : 3.0)"),
        (apply("mul", 2, number(math.pi)), "2.0 * PI"),
        (apply("onehot", given_a), "double(now.a_ == 0.0)"),
        (apply("onehot", given_a, size=3), "double(now.a_ == i)"),
        (apply("lt", apply("lt", given_a, 1), 2), "double(double(now.a_ < 1.0) < 2.0)"),
    ],
)
def test_how_expressions_read(expression: Expression, text: str) -> None:
    assert CppWriter().number(expression).text == text


def test_what_needs_no_unit_is_computed_once() -> None:
    found = program("task: {epochs: {stimulus: {input: {stimulus: ring(sqrt(direction)) * exp(direction)}}}}")
    written = source(found)
    assert "const double value1 = std::sqrt(now.direction_);" in written
    assert "= ring(i, 8, value1, PI / 8) * value2;" in written


@pytest.mark.parametrize("nesting", NESTINGS)
def test_deep_nesting_costs_no_more_than_its_size(nesting: str) -> None:
    expression: Expression = LEAF
    for _ in range(30):
        expression = NESTINGS[nesting](expression)
    calls_of(lambda: CppWriter(units=4).number(expression), limit=1_000_000)


def test_a_summary_does_not_appear() -> None:
    found = program()
    hostile = replace(found, name=HOSTILE, summary=HOSTILE, label=HOSTILE)
    assert source(hostile) == source(found)


@pytest.mark.parametrize("name", ["a b", "a;", "a\\", "*/", "a\n", "", "é", "a::b", "1a", "_a", "a-b"])
def test_only_names_become_identifiers(name: str) -> None:
    found = program("task: {epochs: {stimulus: {read: {seen: fixation}}}}")
    timeline, network = found.timeline, found.network
    draws = (replace(timeline.draws[0], name=name),)
    epoch = timeline.epochs[1]
    broken = [
        replace(found, timeline=replace(timeline, draws=draws)),
        replace(
            found,
            timeline=replace(
                timeline, epochs=(timeline.epochs[0], replace(epoch, name=name), timeline.epochs[2])
            ),
        ),
    ]
    outputs = (replace(network.outputs[0], name=name), *network.outputs[1:])
    targets = (replace(epoch.targets[0], channel=name),)
    renamed = replace(timeline, epochs=(replace(epoch, targets=targets),))
    broken.append(replace(found, network=replace(network, outputs=outputs), timeline=renamed))
    for program_ in broken:
        with pytest.raises(ValueError, match="is no name"):
            task_context(program_)
    with pytest.raises(ValueError, match="is no name"):
        variable(name)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            (1, "1.0"),
            (-2, "-2.0"),
            (0.1, "0.1"),
            (1e-5, "1e-05"),
            (1e300, "1e+300"),
            (2**60, "1.152921504606847e+18"),
        ),
        *((float("inf"), "INFINITY"), (float("-inf"), "-INFINITY"), (float("nan"), "NAN")),
        *((torch.pi, "PI"), (torch.pi / 2, "PI / 2"), (-0.0, "-0.0"), (0, "0.0"), (10**6, "1000000.0")),
    ],
)
def test_numbers_are_double_literals(value: float, text: str) -> None:
    assert written(value, CPP.literals).text == text


def test_variables_are_named_in_order() -> None:
    assert variable_names(load(SPECS / "rule_reversal.yaml", [], ()).program) == (
        *("rule", "shown", "answer", "expected"),
        "answered",
    )
