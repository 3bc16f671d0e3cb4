"""Every function on every target: that it has its code, and that the code computes its value."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from random import Random

import pytest
import torch
from codegen.cpp_tasks import load_library
from runtime.programs import apply, variable
from torch import Tensor

from rnnspec.codegen.constants import value_of
from rnnspec.codegen.cpp.expressions import CppWriter
from rnnspec.codegen.cpp.language import CPP
from rnnspec.codegen.expressions import ExpressionWriter
from rnnspec.codegen.language import Language
from rnnspec.codegen.render import render
from rnnspec.codegen.torch.expressions import TorchWriter
from rnnspec.codegen.torch.language import TORCH
from rnnspec.program.expression_nodes import Apply
from rnnspec.program.functions import CALLABLE, FUNCTIONS, RANDOM
from rnnspec.program.types import APPLIED
from rnnspec.runtime.reference import functions as reference
from rnnspec.runtime.reference.interpret import Environment, evaluate

Atan2 = Callable[[list[float], list[float]], list[float]]

#: A call of each function of numbers, of the variables a, b and c.
CALLS = {
    f"{name}_{count}": apply(name, *map(variable, "abc"[:count]))
    for name, function in APPLIED.items()
    if function.value is not None
    for count in {min(function.counts), min(max(function.counts), 3)}
}

TURNS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, math.pi, -math.pi, 1000.0)
SAMPLES = 500


def samples(seed: str) -> list[list[float]]:
    """Return values of a, b and c: numbers at which functions turn, small ones and large ones."""
    source = Random(seed)

    def one() -> float:
        return source.choice([source.choice(TURNS), float(source.randint(0, 4)), source.uniform(-20, 20)])

    return [[one() for _ in range(SAMPLES)] for _ in range(3)]


def expected(call: Apply, values: list[list[float]]) -> list[float]:
    """Return the value of a call by the table of functions."""
    arguments = values[: len(call.arguments)]
    return [APPLIED[call.function].of(*point) for point in zip(*arguments, strict=True)]


def assert_close(found: list[float], wanted: list[float], values: list[list[float]]) -> None:
    for place, (one, other) in enumerate(zip(found, wanted, strict=True)):
        same = one == other or math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-12)
        assert same or (math.isnan(one) and math.isnan(other)), (one, other, [v[place] for v in values])


def test_every_function_has_its_code_on_every_target() -> None:
    deterministic = {**reference.ELEMENTWISE, **reference.FOR_CHANNEL, **reference.OF_VECTOR}
    assert {**deterministic, **reference.RANDOM}.keys() == APPLIED.keys()
    for language in (TORCH, CPP):
        assert language.operators.keys() | language.functions.keys() == APPLIED.keys()
        assert not language.operators.keys() & language.functions.keys()


@pytest.mark.parametrize("language", [TORCH, CPP], ids=["torch", "cpp"])
def test_every_function_that_a_source_defines_is_used(language: Language) -> None:
    called = {*language.functions.values(), *(name for names in language.defined.values() for name in names)}
    by_writers = {"number", "constant", "words", "pattern", "White"}
    assert language.defined.keys() <= called | by_writers


@pytest.mark.parametrize("name", CALLS)
def test_the_reference(name: str) -> None:
    values = samples(name)
    row = {letter: torch.tensor([v], dtype=torch.float64) for letter, v in zip("abc", values, strict=True)}
    found = evaluate(CALLS[name], Environment(torch.device("cpu"), row))
    assert found.dtype == torch.float64
    assert_close(found[0].tolist(), expected(CALLS[name], values), values)


@pytest.fixture(scope="module")
def module() -> dict[str, object]:
    """The functions of a generated module."""
    calls = TORCH.with_callees(TORCH.defined)
    source = render("torch/language.py.j2", {"calls": calls, "task": {"balanced": False}})
    names: dict[str, object] = {"torch": torch, "math": math, "Tensor": Tensor}
    exec(source, names)
    return names


@pytest.mark.parametrize("name", CALLS)
def test_python_with_torch(name: str, module: dict[str, object]) -> None:
    values = samples(name)
    axes = (torch.tensor(v, dtype=torch.float64).reshape(1, -1, 1, 1) for v in values)
    found = eval(TorchWriter().number(CALLS[name]).text, module, dict(zip("abc", axes, strict=True)))
    assert_close(found.flatten().tolist(), expected(CALLS[name], values), values)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """All calls as C++: functions of the values of a, b and c, which write those of the call."""
    functions, calls = [], set[str]()
    for name, call in CALLS.items():
        writer = CppWriter()
        text = writer.number(call).text
        calls |= writer.functions
        functions.append(
            f"void {name}(const Trial* trials, double* values) {{\n"
            f"    for (const Trial* end = trials + {SAMPLES}; trials < end;) {{\n"
            f"        const Trial& now = *trials++;\n        *values++ = {text};\n    }}\n}}\n"
        )
    language = render("cpp/language.cpp.j2", {"calls": CPP.with_callees(calls), "task": None})
    head = "#include <cmath>\n#include <cstdint>\nusing real = double;\n"
    trial = "struct Trial { double a_, b_, c_; };\n"
    source = f'{head}{language}{trial}extern "C" {{\n{"".join(functions)}}}\n'
    return load_library(tmp_path_factory.mktemp("functions"), source)


@pytest.mark.parametrize("name", CALLS)
def test_cpp(name: str, library: ctypes.CDLL) -> None:
    values = samples(name)
    trials = (ctypes.c_double * (3 * SAMPLES))(*(v for point in zip(*values, strict=True) for v in point))
    found = (ctypes.c_double * SAMPLES)()
    getattr(library, name)(trials, found)
    assert_close(list(found), expected(CALLS[name], values), values)


@pytest.fixture(scope="module")
def atan2_of_all_targets(library: ctypes.CDLL, module: dict[str, object]) -> dict[str, Atan2]:
    """atan2 of two lists of numbers, by target."""
    call = CALLS["atan2_2"]

    def by_reference(y: list[float], x: list[float]) -> list[float]:
        values = {"a": torch.tensor([y], dtype=torch.float64), "b": torch.tensor([x], dtype=torch.float64)}
        return evaluate(call, Environment(torch.device("cpu"), values))[0].tolist()

    def by_torch(y: list[float], x: list[float]) -> list[float]:
        values = {"a": torch.tensor(y, dtype=torch.float64), "b": torch.tensor(x, dtype=torch.float64)}
        return eval(TorchWriter().number(call).text, module, values).tolist()

    def by_cpp(y: list[float], x: list[float]) -> list[float]:
        points = [v for point in zip(y, x, strict=True) for v in (*point, 0.0)]
        found = (ctypes.c_double * SAMPLES)()
        library.atan2_2((ctypes.c_double * (3 * SAMPLES))(*points), found)
        return list(found)[: len(y)]

    return {"reference": by_reference, "torch": by_torch, "cpp": by_cpp}


@pytest.mark.parametrize("target", ["reference", "torch", "cpp"])
def test_atan2_at_the_axes_and_of_signed_zeros(target: str, atan2_of_all_targets: dict[str, Atan2]) -> None:
    """Bit by bit that of `math`; at the axes there is nothing to round."""
    places = (0.0, -0.0, 1.0, -1.0, 1e-300, -1e-300, 1e300, math.inf, -math.inf)
    y, x = [y for y in places for _ in places], [x for _ in places for x in places]
    found = atan2_of_all_targets[target](y, x)
    for one, (a, b) in zip(found, zip(y, x, strict=True), strict=True):
        wanted = math.atan2(a, b)
        assert (one, math.copysign(1, one)) == (wanted, math.copysign(1, wanted)), (a, b)
    assert atan2_of_all_targets[target]([0.0, 0.0, -0.0], [0.0, -1.0, -1.0]) == [0.0, math.pi, -math.pi]


@pytest.mark.parametrize("writer", [TorchWriter(), CppWriter()], ids=["torch", "cpp"])
def test_a_zero_keeps_its_sign(writer: ExpressionWriter) -> None:
    negative = apply("neg", 0)
    assert "-0.0" in writer.number(apply("atan2", negative, variable("a"))).text
    assert writer.number(apply("atan2", negative, -1)).literal
    assert value_of(apply("atan2", negative, -1)) == -math.pi


def test_functions_of_vectors_and_random_calls_are_compared_elsewhere() -> None:
    """test_cpp_task.py compiles a spec that calls each of CALLABLE, test_targets.py runs each example."""
    assert {name for name, function in FUNCTIONS.items() if function.value is None} == {
        *("ring", "onehot", "angle", "argmax")
    }
    assert CALLABLE.keys() - FUNCTIONS.keys() - RANDOM.keys() == {"previous", "white"}
