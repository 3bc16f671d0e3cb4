"""The cpu engine: single precision, the same bits however the work is cut, and the operator in torch.

What it computes, feature by feature, is compared with the reference in `tests/test_targets.py`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import pytest
import torch
from comparison import assert_agree
from runtime.cotangents import gradients_of_rates
from runtime.overlays import NOISE_ALONE, NOISY, ONE_UNIT, RAGGED, SKIPS
from support import SPECS, program
from torch import Tensor

from rnnspec.check.examine import load
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome, Stage
from rnnspec.runtime.compiled import engine as compiled_engine
from rnnspec.runtime.compiled import operator as compiled_operator
from rnnspec.runtime.cpu import kernel as cpu_kernel
from rnnspec.runtime.cpu.engine import CpuEngine
from rnnspec.runtime.effective_weights import effective, structure
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.runtime.reference.engine import Reference
from rnnspec.runtime.stages import stage_at

PLAIN = Stage(Fraction(1), ())
PENALTY = "training: {penalty: {rate_l1: 0.1, rate_l2: 0.2}}"
#: Several trials, two skips, noise and a penalty: a short simulation with something of everything.
RICH = (NOISY, "task: {trials: 2}", SKIPS, PENALTY)


Weights = dict[str, Tensor]


def raw_weights(found: Program, networks: int, dtype: torch.dtype, first: int = 0) -> Weights:
    """Return weights that can be differentiated by."""
    raw = initial_weights(found, networks, 7, first, dtype)
    return {name: value.requires_grad_() for name, value in raw.items()}


def made_effective(found: Program, raw: Weights, first: int = 0) -> Weights:
    """Return what networks compute with: connections that do not exist have no gradient."""
    return effective(raw, structure(found, len(raw["bias"]), 7, first), found.network.dale)


def results(
    found: Program,
    batch: Batch,
    *,
    networks: int = 2,
    dtype: torch.dtype = torch.float32,
    engine: Any = None,
    record: bool = True,
    forced_reads: Any = None,
) -> tuple[Outcome, dict[str, Tensor]]:
    """Return what a batch leads to, and the gradients with weighted losses: of no two networks the same."""
    weights = raw_weights(found, networks, dtype, batch.first_network)
    given = made_effective(found, weights, batch.first_network)
    engine = engine or CpuEngine(found)
    outcome = engine.run(given, batch, record=record, forced_reads=forced_reads)
    factors = 1 + torch.arange(batch.first_network, batch.first_network + networks, dtype=dtype)
    gradients = torch.autograd.grad((factors * outcome.loss).sum(), list(weights.values()))
    return outcome, dict(zip(weights, gradients, strict=True))


Found = tuple[Outcome, dict[str, Tensor]]


def bits(found: Found, which: slice = slice(None)) -> dict[str, Tensor]:
    """Return all numbers of some networks."""
    outcome, gradients = found
    assert outcome.rates is not None
    assert outcome.outputs is not None
    all_of = {"loss": outcome.loss, "rates": outcome.rates, "outputs": outcome.outputs}
    all_of |= {"performance": outcome.performance, "trials": outcome.trial_performance, **gradients}
    return {name: value.detach()[which] for name, value in all_of.items()}


def assert_same_bits(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    different = [name for name, value in a.items() if not equal(value, b[name])]
    assert not different


def equal(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(), b.nan_to_num())


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    usual = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(usual)


# --- single precision --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "method"),
    [("delayed_go", "control"), ("rule_reversal", "control"), ("rule_reversal", "strategic")],
)
def test_float32_stays_close(spec: str, method: str) -> None:
    """Rounding of some hundred steps of 50 units, which relu networks at their start do not amplify.

    Loss and rates within about a hundred units in the last place of a float32 of their scale; gradients, sums
    of ten thousand terms, within a thousand.
    """
    overlays = [str(SPECS / "methods" / f"{method}.yaml")]
    found = load(str(SPECS / f"{spec}.yaml"), overlays, ["network.dt=20 ms"]).program
    batch = Batch(5, 7, 3, "train", stage_at(found, 0).stage)
    exact = results(found, batch, dtype=torch.float64, engine=Reference(found))
    names = [read.name for epoch in found.timeline.epochs for read in epoch.reads]
    forced = {name: exact[0].variables[name].double().expand(2, 5, -1) for name in names}
    single = results(found, batch, forced_reads=forced)
    bounds = {"loss": 2e-5, "rates": 2e-5, "outputs": 2e-5}
    wanted, got = bits(exact), bits(single)
    for name in ("loss", "rates", "outputs", *exact[1]):
        scale = float(wanted[name].nan_to_num().abs().max())
        torch.testing.assert_close(
            got[name].double(),
            wanted[name],
            rtol=0,
            atol=bounds.get(name, 2e-4) * scale,
            equal_nan=True,
            msg=f"{name}: {{}}".format,
        )


# --- the same bits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("networks", [1, 2, 20])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_number_of_threads_gives_the_same_bits(
    networks: int, dtype: torch.dtype, threads: Callable[[int], None]
) -> None:
    """Few networks are cut into groups of sequences, many are not."""
    found = program(*RICH)
    batch = Batch(11, 7, 3, "train", Stage(Fraction(1), (0.3, 0.4)))
    threads(1)
    one = bits(results(found, batch, networks=networks, dtype=dtype))
    for count in (2, 3):
        threads(count)
        assert_same_bits(one, bits(results(found, batch, networks=networks, dtype=dtype)))


@pytest.mark.parametrize("count", [1, 2])
def test_a_network_alone_is_the_network_of_an_ensemble(count: int, threads: Callable[[int], None]) -> None:
    found = program(*RICH)
    threads(count)
    batch = Batch(6, 7, 3, "train", Stage(Fraction(1), (0.3, 0.4)))
    many = results(found, batch, networks=17)
    for k in (0, 3, 16):
        alone = results(found, dataclasses.replace(batch, first_network=k), networks=1)
        assert_same_bits(bits(alone), bits(many, slice(k, k + 1)))


# Lanes of a vector, and vectors of a panel, that some processor uses.
DIVISIONS = ((4, 4), (16, 4))


@pytest.mark.parametrize(("units", "divisions"), [(33, DIVISIONS[:1]), (7, DIVISIONS[1:])], ids=["33", "7"])
def test_all_divisions_into_vectors_give_the_same_bits(
    units: int, divisions: Sequence[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Units that fill no vector, or not even one, and inputs and outputs that touch some of them."""
    sizes = f"network: {{populations: {{input: {{size: {units}}}, output: {{size: {units // 2}}}}}}}"
    found = program(*RICH, sizes)
    batch = Batch(5, 7, 3, "train", Stage(Fraction(1), (0.3, 0.4)))
    usual = bits(results(found, batch))
    flags = os.environ["RNNSPEC_CXXFLAGS"]
    for lanes, panel in divisions:
        cpu_kernel.load_kernel.cache_clear()
        monkeypatch.setenv("RNNSPEC_CXXFLAGS", f"{flags} -DLANES={lanes} -DPANEL={panel}")
        assert_same_bits(usual, bits(results(found, batch)))
    cpu_kernel.load_kernel.cache_clear()


def test_the_flags_that_users_get_give_the_numbers_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests compile with fewer optimisations; full ones leave every bit as it is."""
    found = program(*RICH)
    batch = Batch(5, 7, 3, "train", Stage(Fraction(1), (0.3, 0.4)))
    tested = CpuEngine(found)
    few, tested_name = bits(results(found, batch, engine=tested)), tested.kernel().name
    monkeypatch.setenv("RNNSPEC_CXXFLAGS", "")
    cpu_kernel.load_kernel.cache_clear()
    full = CpuEngine(found)
    assert full.kernel().name != tested_name
    assert_same_bits(few, bits(results(found, batch, engine=full)))
    cpu_kernel.load_kernel.cache_clear()


# --- sizes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [3, 33, 300])
def test_units_of_all_sizes(units: int) -> None:
    """One kernel each, with 1, 2, 3, 5 and 17 sequences, which fill no group, and one network."""
    first = max(1, units // 3)
    found = program(
        NOISY,
        f"network: {{populations: {{input: {{size: {first}}}, output: {{size: {units - first}}}}}}}",
        "network: {weights: {w_rec: 'spectral(normal(0, 1), 0.9)'}}",
    )
    assert found.network.units == units
    for sequences in (1, 2, 3, 5) if units < 130 else (1, 9) if units < 300 else (2, 17):
        assert_agree(found, "cpu", Batch(sequences, 1, 7, "train", PLAIN), networks=1)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_what_is_no_number_stays_where_it_is(number: float, threads: Callable[[int], None]) -> None:
    """Networks take turns in the memory of a thread: neither the next one nor the next batch may find it."""
    threads(1)
    sizes = "network: {populations: {input: {size: 70}, output: {size: 60}}}"
    found = program(NOISY, sizes, "network: {weights: {w_rec: 'spectral(normal(0, 1), 0.9)'}}")
    engine = CpuEngine(found)

    def of(sequences: int, broken: Sequence[int]) -> Found:
        weights = raw_weights(found, 2, torch.float32)
        weights["w_rec"].data[list(broken)] = number
        outcome = engine.run(
            made_effective(found, weights), Batch(sequences, 7, 3, "train", PLAIN), record=True
        )
        gradients = torch.autograd.grad(outcome.loss.sum(), list(weights.values()))
        assert outcome.loss.isfinite().tolist() == [network not in broken for network in range(2)]
        return outcome, dict(zip(weights, gradients, strict=True))

    alone, few = bits(of(12, ()), slice(1, 2)), bits(of(4, ()))
    assert_same_bits(alone, bits(of(12, (0,)), slice(1, 2)))
    # Fewer sequences than are simulated together leave a part of the memory as it was.
    of(12, (0, 1))
    assert_same_bits(few, bits(of(4, ())))


def test_inputs_that_vary_are_drawn_anew_for_every_batch() -> None:
    """They are drawn once for all networks: those of another batch must not be left."""
    found = program("task: {epochs: {stimulus: {input: {stimulus: white(0.2)}}}}")

    def of(iteration: int) -> Tensor:
        outcome, _ = results(
            found, Batch(5, 7, iteration, "evaluate", PLAIN)
        )  # without jitter: as long as others
        assert outcome.inputs is not None
        return outcome.inputs

    third, fourth = of(3), of(4)
    assert not equal(third, fourth)
    assert equal(third, of(3))


def test_one_unit() -> None:
    found = program(base=ONE_UNIT)
    assert found.network.units == 1
    for sequences in (1, 5):
        assert_agree(found, "cpu", Batch(sequences, 1, 7, "train", PLAIN), networks=1)


# --- gradients ---------------------------------------------------------------------------------------------


def test_finite_differences() -> None:
    """Central differences of a smooth network in float64: error about h^2, and rounding over h."""
    found = program(*RICH, "network: {activation: softplus}")
    batch = Batch(5, 7, 3, "train", Stage(Fraction(1), (0.3, 0.4)))
    weights = raw_weights(found, 2, torch.float64)
    engine = CpuEngine(found)
    loss = engine.run(made_effective(found, weights), batch).loss
    gradients = dict(zip(weights, torch.autograd.grad(loss.sum(), list(weights.values())), strict=True))
    h = 1e-5
    for name, weight in weights.items():
        for index in range(0, weight[0].numel(), max(1, weight[0].numel() // 6)):
            with torch.no_grad():
                entry = weight.view(2, -1)[:, index]
                before = entry.clone()
                entry += h
                above = engine.run(made_effective(found, weights), batch).loss
                entry -= 2 * h
                below = engine.run(made_effective(found, weights), batch).loss
                entry.copy_(before)
            wanted = (above - below) / (2 * h)
            torch.testing.assert_close(gradients[name].view(2, -1)[:, index], wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("overlay", [SKIPS, RAGGED], ids=["skips", "ragged"])
@pytest.mark.parametrize("with_loss", [False, True])
def test_a_loss_on_rates_differentiates_like_the_reference(overlay: str, with_loss: bool) -> None:
    """With a cotangent that is different for every rate, and 0 for some networks' losses."""
    found = program(NOISY, "task: {trials: 2}", PENALTY, overlay)
    batch = Batch(5, 7, 3, "train", Stage(Fraction(1), (0.3, 0.4)[: len(found.skips)]))

    engines = CpuEngine(found), Reference(found)
    mine, wanted = (gradients_of_rates(found, e, batch, with_loss=with_loss) for e in engines)
    for a, b in zip(mine, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_no_gradient_is_computed_where_none_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    found = program(*RICH)
    batch = Batch(5, 7, 3, "train", Stage(Fraction(1), (0.3, 0.4)))
    weights = raw_weights(found, 2, torch.float32)
    asked = []
    simulate = compiled_operator.simulate

    def watched(**arguments: Any) -> Any:
        found = simulate(**arguments)
        named = dict(zip(compiled_operator.RESULTS, found, strict=True))
        asked.append([named[f"d_{name}"].numel() for name in weights])
        return found

    monkeypatch.setattr(compiled_engine, "simulate", watched)
    engine = CpuEngine(found)
    with_gradient = engine.run(weights, batch)
    with torch.no_grad():
        without = engine.run(weights, batch)
    detached = engine.run({name: value.detach() for name, value in weights.items()}, batch)
    assert all(asked[0])
    assert not any(asked[1] + asked[2])
    assert with_gradient.loss.requires_grad
    assert not without.loss.requires_grad
    # Forward only, a loss is summed from its first point, otherwise from its last.
    torch.testing.assert_close(without.loss, with_gradient.loss.detach(), rtol=1e-6, atol=0)
    assert torch.equal(without.loss, detached.loss)
    assert torch.equal(without.performance, with_gradient.performance)


# --- the operator ------------------------------------------------------------------------------------------


def arguments(found: Program, dtype: torch.dtype, record: bool) -> dict[str, Any]:
    """Return the arguments of the operator, as the engine gives them for a batch."""
    caught: list[dict[str, Any]] = []
    simulate = compiled_operator.simulate

    def watched(**arguments: Any) -> Any:
        caught.append(arguments)
        return simulate(**arguments)

    batch = Batch(3, 7, 3, "train", Stage(Fraction(1), (0.3, 0.4)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_engine, "simulate", watched)
        CpuEngine(found).run(raw_weights(found, 2, dtype), batch, record=record)
    return caught[0]


@pytest.mark.parametrize("record", [False, True])
def test_the_operator_is_a_good_citizen(record: bool) -> None:
    """Schema, fake results, autograd: what torch checks of an operator."""
    given = arguments(program(*RICH), torch.float64, record)
    torch.library.opcheck(
        torch.ops.rnnspec.simulate.default,
        tuple(given[name] for name in compiled_operator.GIVEN),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


class Loss(torch.nn.Module):
    """The summed squared loss of networks, by way of the operator."""

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__()
        self.given = given

    def forward(self, weights: dict[str, Tensor]) -> Tensor:
        found = torch.ops.rnnspec.simulate(**{**self.given, **weights})
        loss: Tensor = dict(zip(compiled_operator.RESULTS, found, strict=True))["loss"]
        return (loss**2).sum()


def trained(given: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights among the arguments."""
    return {name: given[name] for name in compiled_operator.WEIGHTS if given[name] is not None}


@pytest.mark.filterwarnings("ignore")
def test_torch_compile_takes_the_operator_whole() -> None:
    given = arguments(program(*RICH), torch.float64, False)
    loss, weights = Loss(given), trained(given)
    wanted = torch.autograd.grad(loss(weights), list(weights.values()))
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    found = torch.autograd.grad(compiled(weights), list(weights.values()))
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a, b)


@pytest.mark.filterwarnings("ignore")
def test_torch_export_takes_the_operator() -> None:
    given = arguments(program(*RICH), torch.float64, False)
    loss, weights = Loss(given), {name: weight.detach() for name, weight in trained(given).items()}
    exported = torch.export.export(loss, (weights,))
    assert "rnnspec.simulate" in str(exported.graph)
    assert torch.equal(exported.module()(weights), loss(weights))


def test_not_enough_memory() -> None:
    """A clock of 10^15 steps, which no segment uses: the activity does not fit into memory."""
    given = arguments(program(*RICH), torch.float32, False)
    given |= {"longest": 10**15, "clock": torch.zeros(1, dtype=torch.float64).expand(10**15 + 1)}
    with pytest.MonkeyPatch.context() as patch:
        # It would allocate the clock.
        patch.setattr(Tensor, "contiguous", lambda tensor: tensor)
        with pytest.raises(MemoryError, match="there is not enough memory for the activity of a few seq"):
            torch.ops.rnnspec.simulate(**given)


def test_normal_numbers_in_single_precision() -> None:
    """More than a million of them; 1 - u of a u near 1 has no digits left if it is rounded too early.

    Units that do nothing but repeat their noise: r = f(noise) at dt = tau.
    """
    found = program(NOISE_ALONE)
    batch = Batch(40, 1, 7, "train", PLAIN)
    rates = {}
    for dtype in (torch.float32, torch.float64):
        weights = made_effective(found, raw_weights(found, 10, dtype))
        with torch.no_grad():
            rates[dtype] = CpuEngine(found).run(weights, batch, record=True).rates
    single, double = rates[torch.float32], rates[torch.float64]
    assert single is not None
    assert double is not None
    assert double.numel() > 1_000_000
    assert 1.41 < double.std() < 1.42
    assert (single - double).abs().max() < 4e-6


def test_weights_that_change_before_they_are_needed() -> None:
    found = program(*RICH)
    raw = raw_weights(found, 2, torch.float64)
    outcome = CpuEngine(found).run(raw, Batch(4, 1, 7, "train", Stage(Fraction(1), (0.3, 0.4))), record=True)
    assert outcome.rates is not None
    with torch.no_grad():
        raw["w_rec"] += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        outcome.rates.sum().backward()
