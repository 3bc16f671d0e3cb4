"""The arguments of a kernel: the C++ struct, the ctypes struct and the operator follow one table."""

from __future__ import annotations

import ctypes
from fractions import Fraction
from typing import Any

import pytest
import torch
from support import program

from rnnspec.codegen.cpp.arguments import ARGUMENTS, Argument
from rnnspec.codegen.cpu import kernel as cpu_codegen
from rnnspec.codegen.cpu.kernel import emit_cpu
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome, Stage
from rnnspec.runtime.compiled import engine as compiled_engine
from rnnspec.runtime.compiled import operator as compiled_operator
from rnnspec.runtime.compiled.kernel import structure
from rnnspec.runtime.cpu import kernel as cpu_kernel
from rnnspec.runtime.cpu.engine import CpuEngine
from rnnspec.runtime.cpu.kernel import load_kernel
from rnnspec.runtime.initial_weights import initial_weights

NOISY = "network: {noise: {kind: ou, scale: 0.3, tau: 60 ms}, weights: {bias: 'normal(0, 1)'}}"
SKIPS = "skips: {edges: {long: {kind: dasc, every: 6 steps}}}"
BATCH = Batch(3, 7, 3, "train", Stage(Fraction(1), (0.3,)))


def exchanged(*names: str) -> tuple[Argument, ...]:
    """Return the table with two entries in each other's place."""
    one, other = (next(a for a in ARGUMENTS if a.name == name) for name in names)
    return tuple({one: other, other: one}.get(a, a) for a in ARGUMENTS)


def exchange(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Exchange two entries of the table, for the kernel and for its caller."""
    for module in (cpu_codegen, cpu_kernel):
        patch.setattr(module, "ARGUMENTS", exchanged(*names))


def run(found: Program, engine: CpuEngine) -> tuple[Outcome, list[torch.Tensor]]:
    weights = {n: w.requires_grad_() for n, w in initial_weights(found, 2, 7, 0, torch.float32).items()}
    outcome = engine.run(weights, BATCH, record=True)
    return outcome, list(torch.autograd.grad(outcome.loss.sum(), list(weights.values())))


@pytest.mark.parametrize("names", [("alpha", "noise_gain"), ("points", "steps"), ("longest", "sequences")])
def test_an_exchange_in_the_table_changes_both_sides(
    names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = program(NOISY, SKIPS)
    wanted, wanted_gradients = run(found, CpuEngine(found))
    usual = cpu_kernel.Arguments
    other = structure(exchanged(*names))
    exchange(monkeypatch, *names)
    monkeypatch.setattr(cpu_kernel, "Arguments", other)
    engine = CpuEngine(found)
    engine._kernels[torch.float32] = load_kernel.__wrapped__(found)
    assert [getattr(other, n).offset for n in names] == [getattr(usual, n).offset for n in reversed(names)]
    outcome, gradients = run(found, engine)
    assert outcome.rates is not None
    assert wanted.rates is not None
    assert torch.equal(outcome.loss, wanted.loss)
    assert torch.equal(outcome.rates, wanted.rates)
    assert torch.equal(outcome.performance, wanted.performance)
    assert all(torch.equal(a, b) for a, b in zip(gradients, wanted_gradients, strict=True))


def test_a_kernel_with_another_layout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = program(NOISY, SKIPS)
    with monkeypatch.context() as patch:
        exchange(patch, "alpha", "noise_gain")
        source = emit_cpu(found, "float")
    assert source != emit_cpu(found, "float")
    monkeypatch.setattr(cpu_kernel, "emit_cpu", lambda *_: source)
    with pytest.raises(RuntimeError, match="the memory layout of the arguments"):
        load_kernel.__wrapped__(found)


def test_programs_that_differ_in_skips_alone_share_a_kernel() -> None:
    plain, skipping = program(NOISY), program(NOISY, SKIPS)
    assert load_kernel(plain) is load_kernel(skipping)
    run(skipping, CpuEngine(skipping))


def test_the_structure_has_no_padding() -> None:
    assert ctypes.sizeof(cpu_kernel.Arguments) == 8 * len(ARGUMENTS)
    assert [getattr(cpu_kernel.Arguments, a.name).offset for a in ARGUMENTS] == [
        8 * number for number in range(len(ARGUMENTS))
    ]


def test_the_operator_has_the_arguments_of_the_table() -> None:
    schema = torch.ops.rnnspec.simulate.default._schema
    results = [a.name for a in ARGUMENTS if a.role in ("result", "recorded", "gradient")]
    given = [a.name for a in ARGUMENTS if a.name not in results]
    assert [argument.name for argument in schema.arguments] == ["kernel", *given, "gradient", "record"]
    assert [result.name for result in schema.returns] == results


@pytest.mark.parametrize("name", [a.name for a in ARGUMENTS if a.axes is not None and a.role == "given"])
@pytest.mark.parametrize("wrong", ["shape", "dtype"])
def test_arrays_that_the_kernel_would_misread_are_refused(
    name: str, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that no user gives: an error of the engine does not reach memory."""
    found = program(NOISY, SKIPS)
    simulate = compiled_operator.simulate

    def changed(**arguments: Any) -> Any:
        value = arguments[name]
        arguments[name] = value[..., None] if wrong == "shape" else value.to(torch.int16)
        return simulate(**arguments)

    monkeypatch.setattr(compiled_engine, "simulate", changed)
    with pytest.raises(ValueError, match=f"'{name}' is .*, and the kernel takes"):
        run(found, CpuEngine(found))
