"""The CUDA kernels, run on the processor: the same bits however the work is cut, sizes, and single precision.

What they compute, feature by feature, is compared with the reference in `tests/test_targets.py`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from fractions import Fraction

import pytest
import torch
from comparison import assert_agree
from runtime.cotangents import gradients_of_rates
from runtime.gpu.emulator import EmulatedEngine, EmulatedKernel, emulated
from runtime.overlays import NOISE_ALONE, NOISY, ONE_UNIT, RAGGED, SKIPS
from support import program
from torch import Tensor

from rnnspec.codegen.gpu.kernel import cannot, emit_gpu, gpu_layout
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome, Stage
from rnnspec.runtime.compiled.engine import KernelEngine
from rnnspec.runtime.effective_weights import effective, structure
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.runtime.reference.engine import Reference

PLAIN = Stage(Fraction(1), ())
READS = """
network:
  outputs:
    choice: {from: output, size: 2, activation: softmax, bias: true}
    saccade: {bias: true}
    fixation: {bias: true}
task:
  draw: {side: "choice(0, 1)"}
  epochs:
    stimulus:
      input: {stimulus: white(0.2)}
      target: {choice: onehot(side)}
      read: {answered: argmax(choice)}
    response: {input: {cue: answered + t}, weight: 1 + answered, correct: answered == side}
"""
#: Something of everything: trials of drawn lengths, skips, noise, penalties, inputs that vary, and answers.
RICH = (
    NOISY,
    "task: {trials: 2}",
    SKIPS,
    RAGGED,
    READS,
    "training: {penalty: {rate_l1: 0.1, rate_l2: 0.2, w_rec_l2: 0.3, w_in_l1: 0.1}}",
)
STAGE = Stage(Fraction(1), (0.3, 0.4))


def results(
    found: Program,
    batch: Batch,
    *,
    networks: int = 3,
    dtype: torch.dtype = torch.float32,
    engine: object = None,
) -> dict[str, Tensor]:
    """Return all that comes of a batch by name, and gradients of a loss that weighs networks unequally."""
    raw = initial_weights(found, networks, 7, batch.first_network, dtype)
    weights = {name: value.requires_grad_() for name, value in raw.items()}
    given = effective(weights, structure(found, networks, 7, batch.first_network), found.network.dale)
    used = engine if isinstance(engine, KernelEngine | Reference) else EmulatedEngine(found)
    outcome: Outcome = used.run(given, batch, record=True)
    factors = 1 + torch.arange(batch.first_network, batch.first_network + networks, dtype=dtype)
    gradients = torch.autograd.grad((factors * outcome.loss).sum(), list(weights.values()))
    assert outcome.rates is not None
    assert outcome.inputs is not None
    everything = {"loss": outcome.loss, "rates": outcome.rates, "mean rate": outcome.mean_rate}
    everything |= {"performance": outcome.performance, "trials": outcome.trial_performance}
    everything |= dict(zip(weights, gradients, strict=True)) | dict(outcome.variables)
    return {name: value.detach() for name, value in everything.items()}


def assert_same_bits(a: dict[str, Tensor], b: dict[str, Tensor], which: slice = slice(None)) -> None:
    """Compare all numbers with those of some networks; draws that all networks share have one row."""

    def same(name: str) -> bool:
        other = b[name] if len(b[name]) == 1 else b[name][which]
        return torch.equal(a[name].nan_to_num(nan=-7.0), other.nan_to_num(nan=-7.0))

    assert all(map(same, a)), [name for name in a if not same(name)]


@pytest.fixture
def kernel() -> Iterator[EmulatedKernel]:
    """Return the kernel of RICH in single precision; the test may change how it is run."""
    kernel = emulated(program(*RICH), "float")
    yield kernel
    vars(kernel).pop("shuffle", None), vars(kernel).pop("memory", None)
    kernel._fitted = {}


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_order_of_threads_does_not_matter(order: int, kernel: EmulatedKernel) -> None:
    """A kernel in which threads do not wait for each other where they must computes something else."""
    found, batch = program(*RICH), Batch(23, 7, 3, "train", STAGE)
    usual = results(found, batch)
    kernel.shuffle = order
    assert_same_bits(usual, results(found, batch))


def test_a_network_alone_is_the_network_of_an_ensemble() -> None:
    found, batch = program(*RICH), Batch(6, 7, 3, "train", STAGE)
    many = results(found, batch, networks=7)
    for k in (0, 3, 6):
        alone = results(found, dataclasses.replace(batch, first_network=k), networks=1)
        assert_same_bits(alone, many, slice(k, k + 1))


def test_work_that_does_not_fit_into_memory_is_done_a_few_networks_at_a_time(kernel: EmulatedKernel) -> None:
    found, batch = program(*RICH), Batch(6, 7, 3, "train", STAGE)
    asked: list[Mapping[str, int]] = []
    run = kernel._simulate

    def watched(numbers: Mapping[str, int], arrays: Mapping[str, Tensor]) -> None:
        asked.append(numbers)
        run(numbers, arrays)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "_simulate", watched)
        usual = results(found, batch, networks=5)
        kernel.memory = 2 * kernel.scratch_bytes({**asked[0], "networks": 1}, gradient=True)
        kernel._fitted = {}
        assert_same_bits(usual, results(found, batch, networks=5))
        assert [numbers["networks"] for numbers in asked] == [5, 2, 2, 1]
        kernel.memory = 1000
        with pytest.raises(MemoryError, match=r"one network needs [\d,]+ bytes, and fewer are free"):
            results(found, batch, networks=5)


@pytest.mark.parametrize(
    ("units", "storage"), [(1, "REGISTERS"), (33, "REGISTERS"), (70, "SHARED"), (180, "GLOBAL")]
)
def test_networks_of_all_sizes(units: int, storage: str) -> None:
    """Fewer units than are loaded at a time; and W_rec in each kind of memory."""
    first = max(1, units // 3)
    populations = f"{{input: {{size: {first}}}, output: {{size: {units - first}}}}}"
    if units == 1:
        found = program(base=ONE_UNIT)
    else:
        found = program(
            NOISY,
            f"network: {{populations: {populations}}}",
            "network: {weights: {w_rec: 'spectral(normal(0, 1), 0.9)'}}",
        )
    layout = gpu_layout(found, "double")
    assert layout.storage == storage
    # None of these numbers of sequences fills all blocks.
    for sequences in (1, layout.each + 1, layout.each * layout.groups + 2):
        assert_agree(found, "gpu", Batch(sequences, 1, 7, "train", PLAIN), networks=2)


def test_what_is_too_large_is_refused_by_name() -> None:
    large = program("network: {populations: {input: {size: 1000}, output: {size: 25}}}")
    assert (
        cannot(large, "float") == "The target gpu simulates at most 1,024 units, and this network has 1,025."
    )
    wide = program("network: {outputs: {saccade: {ring: 2600}}}")
    assert "evaluates at most 2,559 outputs, and this network has" in str(cannot(wide, "float"))
    assert cannot(program(), "double") is None


def test_the_same_program_gives_the_same_bytes() -> None:
    assert emit_gpu(program(*RICH)) == emit_gpu(program(*RICH))


def test_single_precision_stays_close() -> None:
    """Rounding of some hundred steps of 8 units: the bounds are about a hundred times that of a float32."""
    found = program(*RICH)
    batch = Batch(23, 7, 3, "train", STAGE)
    single, double = results(found, batch), results(found, batch, dtype=torch.float64)
    # No answer is so close that rounding changes it.
    assert torch.equal(single["answered"], double["answered"])
    for name in ("loss", "rates", "w_rec", "w_in", "w_out", "bias", "readout_bias"):
        scale = float(double[name].nan_to_num().abs().max())
        bound = 2e-5 if name in ("loss", "rates") else 2e-4
        torch.testing.assert_close(
            single[name].double(),
            double[name],
            rtol=0,
            atol=bound * scale,
            equal_nan=True,
            msg=f"{name}: {{}}".format,
        )


def test_answers_are_read_from_the_outputs() -> None:
    """Nothing is forced here: what a network reads decides its inputs and weights."""
    found, batch = program(*RICH), Batch(9, 7, 3, "train", STAGE)
    mine = results(found, batch, dtype=torch.float64)
    reference = results(found, batch, dtype=torch.float64, engine=Reference(found))
    for name, value in reference.items():
        torch.testing.assert_close(mine[name].double(), value.double(), rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("with_loss", [False, True])
def test_a_loss_on_rates_differentiates_like_the_reference(with_loss: bool) -> None:
    """With a cotangent that is different for every rate, and 0 for some networks' losses."""
    found, batch = program(*RICH), Batch(5, 7, 3, "train", STAGE)

    engines = EmulatedEngine(found), Reference(found)
    mine, wanted = (gradients_of_rates(found, e, batch, with_loss=with_loss) for e in engines)
    for a, b in zip(mine, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_no_gradient_is_computed_where_none_is_asked_for(kernel: EmulatedKernel) -> None:
    found, batch = program(*RICH), Batch(5, 7, 3, "train", STAGE)
    launched = []
    launch = kernel.launch

    def watched(launches: list[object], *rest: object) -> None:
        launched.append([getattr(each, "function", "") for each in launches])
        launch(launches, *rest)  # type: ignore[arg-type]

    weights = {name: w.requires_grad_() for name, w in initial_weights(found, 2, 7, 0, torch.float32).items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "launch", watched)
        with_gradient = EmulatedEngine(found).run(weights, batch)
        with torch.no_grad():
            without = EmulatedEngine(found).run(weights, batch)
    assert "rnnspec_backward" in launched[0]
    assert "rnnspec_backward" not in launched[1]
    assert torch.equal(without.loss, with_gradient.loss.detach())
    assert torch.equal(without.performance, with_gradient.performance)


def test_normal_numbers_in_single_precision() -> None:
    """Units that do nothing but repeat their noise: r = f(noise) at dt = tau."""
    found = program(NOISE_ALONE)
    batch, rates = Batch(40, 1, 7, "train", PLAIN), {}
    for dtype in (torch.float32, torch.float64):
        weights = initial_weights(found, 3, 7, 0, dtype)
        with torch.no_grad():
            rates[dtype] = EmulatedEngine(found).run(weights, batch, record=True).rates
    single, double = rates[torch.float32], rates[torch.float64]
    assert single is not None
    assert double is not None
    assert double.numel() > 300_000
    assert 1.41 < double.std() < 1.42
    assert (single - double).abs().max() < 4e-6
