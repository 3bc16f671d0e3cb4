"""The torch engine against the reference where things meet, and what its module is good for by itself."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from codegen.sources import SKIPS, ragged
from comparison import assert_agree, run
from known_answers import KNOWN
from support import SPECS, program
from torch import Tensor, nn

from rnnspec.check.examine import load
from rnnspec.codegen.torch.graph import emit
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.runtime.schedule import mean_epoch_steps, timetable
from rnnspec.runtime.torch.alignment import align
from rnnspec.runtime.torch.engine import TorchEngine
from rnnspec.runtime.torch.module import load as load_module
from rnnspec.runtime.torch.module import script_chunk
from rnnspec.spec.activations import ACTIVATIONS

BETAS = (0.5, 0.3, 0.7)
PLAIN = Stage(Fraction(1), ())


def batch(sequences: int = 5, stage: Stage = PLAIN, **changes: Any) -> Batch:
    return replace(Batch(sequences, 2, 9, "train", stage), **changes)


# --- agreement ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("theta", ["1", "3/2", "3"])
def test_everything_at_once_on_clocks_of_their_own(theta: str) -> None:
    """Drawn durations, reads, t, white inputs, weights, scopes of skips, several landings, a power."""
    assert_agree(ragged(), "torch", batch(stage=Stage(Fraction(theta), BETAS)), networks=3)


def test_independent_trials_share_their_durations() -> None:
    found = ragged("training: {trials: independent}")
    assert_agree(found, "torch", batch(4, Stage(Fraction(1), BETAS), first_network=2), networks=3)


def test_evaluation_of_everything_at_once() -> None:
    off = Stage(Fraction(1), (1.0,) * 3)
    assert_agree(ragged(), "torch", batch(4, off, purpose="evaluate"), networks=2)


@pytest.mark.parametrize("noise", ["none", "{kind: white, scale: 0.2}"])
def test_other_noise_on_clocks_of_their_own(noise: str) -> None:
    found = ragged(f"network: {{noise: {noise}}}")
    assert_agree(found, "torch", batch(4, Stage(Fraction(1), BETAS)))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_readouts(activation: str) -> None:
    outputs = f"{{fixation: {{activation: tanh}}, saccade: {{activation: {activation}}}}}"
    found = program(f"network: {{noise: {{kind: ou, scale: 0.3, tau: 60 ms}}, outputs: {outputs}}}")
    assert_agree(found, "torch", batch(3))


@pytest.mark.parametrize("exponent", [0.5, 1, 3])
def test_powers(exponent: float) -> None:
    weak = "{w_rec: 'normal(0, 0.1)', w_in: 'normal(0, 0.1)', bias: 'normal(0, 1)'}"
    found = program(f"network: {{weights: {weak}, activation: {{kind: power, exponent: {exponent}}}}}")
    assert_agree(found, "torch", batch(3))


CONSTANT = """
network: {noise: {kind: ou, scale: 0.3, tau: 60 ms}}
task:
  trials: 2
  draw:
    zero: 0
    one: 1 == 1
    far: where(1 < 2, 1 / (2 - 2), 0)
    lost: pick(0, sqrt(-1), 1)
    big: 10 ** 60
    where_: where(1 < 2, direction, 0)
  sequence: {level: [0.5, 1]}
  scored: 1 == 1
  epochs:
    fixation:
      correct: 1 == 1
      input: {stimulus: 0.5, cue: "where(1 < 2, level, t)"}
      target: {saccade: "ring(1) + 0.1 * ring(2, 0.5)"}
      weight: 2
    stimulus: {correct: "direction > 3 or 1 == 1", weight: 0}
"""


def test_constants_where_values_are_expected() -> None:
    assert_agree(program(CONSTANT), "torch", batch(3))


@pytest.mark.parametrize("found", [program(SKIPS), ragged()], ids=["aligned", "ragged"])
def test_float32(found: Program) -> None:
    """Sums of 60 steps: bounds a hundred times the precision of a float32, noise and dasc included."""
    where = batch(4, Stage(Fraction(1), BETAS))
    exact, exact_gradients = run(found, "reference", where)
    reads = [read.name for epoch in found.timeline.epochs for read in epoch.reads]
    forced = {name: exact.variables[name].expand(2, 4, -1) for name in reads}
    single, gradients = run(found, "torch", where, dtype=torch.float32, forced_reads=forced)
    torch.testing.assert_close(single.loss.double(), exact.loss, rtol=2e-5, atol=1e-6)
    for name, gradient in exact_gradients.items():
        bound = 1e-4 * float(gradient.abs().max())
        torch.testing.assert_close(gradients[name].double(), gradient, rtol=1e-3, atol=bound)


@pytest.mark.parametrize("found", [program(), ragged()], ids=["aligned", "ragged"])
def test_the_same_without_gradient(found: Program) -> None:
    """Evaluation judges chunk by chunk, training a segment at once."""
    stage = Stage(Fraction(1), BETAS[: len(found.skips)])
    weights = initial_weights(found, 3, 0, dtype=torch.float64)
    with torch.no_grad():
        evaluated = TorchEngine(found).run(weights, batch(4, stage))
    assert not evaluated.loss.requires_grad
    for value in weights.values():
        value.requires_grad_()
    trained = TorchEngine(found).run(weights, batch(4, stage))
    torch.testing.assert_close(evaluated.loss, trained.loss.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(evaluated.performance, trained.performance)


def test_a_loss_without_points_can_still_be_differentiated() -> None:
    found = program("task: {epochs: {response: {grace: 390 ms}}, target: null}")
    epochs = tuple(replace(epoch, grace=Fraction(100)) for epoch in found.timeline.epochs)
    found = replace(found, timeline=replace(found.timeline, epochs=epochs))
    weights = {name: value.requires_grad_() for name, value in initial_weights(found, 2, 0).items()}
    outcome = TorchEngine(found).run(weights, batch(3))
    outcome.loss.sum().backward()
    assert outcome.loss.tolist() == [0.0, 0.0]
    assert outcome.performance.isnan().all()


# --- alignment ---------------------------------------------------------------------------------------


def test_alignment_holds_the_shorter_and_keeps_its_states() -> None:
    found = ragged()
    lengths = [(3, 6, 20, 4, 1, 20), (9, 0, 20, 2, 8, 20), (3, 6, 20, 4, 1, 20)]
    tables = [timetable(found, Fraction(1), BETAS, steps) for steps in lengths]
    aligned = align(tables)
    assert [s.steps for s in aligned.segments] == [5, 9, 6, 20, 4, 8, 20]
    assert [s.start for s in aligned.segments] == [0, 5, 14, 20, 40, 44, 52]
    assert aligned.lengths == tuple(table.steps for table in tables)
    for b, table in enumerate(tables):
        state = [0, *(step + 1 for step in aligned.steps[b])]
        own = [x for x in aligned.landings if b in x.sequences]
        assert [(state[x.state], state[x.source], x.length, x.edge) for x in table.landings] == [
            (x.state, x.source, x.length, x.edge) for x in own
        ]
    assert all(x.sequences != (0,) for x in aligned.landings), "sequences 0 and 2 are alike"


# --- the module by itself ----------------------------------------------------------------------------


def test_it_runs_with_torch_alone(tmp_path: Path) -> None:
    file = tmp_path / "graph.py"
    file.write_text(emit(ragged()), encoding="utf-8")
    script = (
        f"import runpy, sys; sys.modules['rnnspec'] = None;runpy.run_path({str(file)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    lines = done.stdout.split("\n")
    assert lines[0].startswith("loss ")
    assert lines[1].startswith("performance ")
    assert len(lines[0].split()) == len(lines[1].split()) == 5
    assert "nan" not in lines[0]


@pytest.mark.parametrize("spec", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_specs_run_by_themselves(spec: Path) -> None:
    found = load(spec, settings=["network.dt=20 ms"]).program
    module = load_module(emit(found))
    with torch.no_grad():
        weights = module.random_weights(2)
        result = module.simulate(weights, 3)
        assert module.loss(result, weights).isfinite().all()
        assert module.performance(result).clamp(0, 1).equal(module.performance(result))


@pytest.mark.parametrize("found", [program(), ragged("task: {burn_in: 60 ms}")], ids=["aligned", "ragged"])
def test_its_own_timetable_is_that_of_mean_durations(found: Program) -> None:
    module = load_module(emit(found))
    wanted = timetable(found, Fraction(1), (1.0,) * len(found.skips), mean_epoch_steps(found))
    last = {"burn_in": len(module.EPOCHS) - 1}
    for own, segment in zip(module.MeanTimetable().segments, wanted.segments, strict=True):
        facts = (own.epoch, own.trial, own.start, own.steps, own.gradient)
        assert facts == (segment.epoch, segment.trial, segment.start, segment.steps, segment.gradient)
        assert own.grace == segment.grace
    assert module.EPOCHS[-1].name == "burn_in" or not found.timeline.burn_in, last


def test_initial_weights_have_the_connections_of_the_network() -> None:
    text = """
network:
  populations: {input: {sign: excitatory}, output: {sign: inhibitory}}
  weights: {w_rec: "spectral(gamma(2, 1), 0.9)", w_in: orthogonal(1.5), w_out: "uniform(-1, 1)"}
  connections:
    input -> input: {self: false, density: 0.5}
    output -> input: {init: identity(0.5)}
    output -> output: none
"""
    found = program(text)
    own = load_module(emit(found)).random_weights(40)
    wanted = initial_weights(found, 40, 0)
    assert own.keys() == wanted.keys()
    for name, value in wanted.items():
        assert own[name].shape == value.shape
        assert torch.equal((own[name] != 0).any(0), (value != 0).any(0)), name
    radius = torch.linalg.eigvals(own["w_rec"]).abs().amax(-1)
    torch.testing.assert_close(radius, torch.full_like(radius, 0.9))
    assert (own["w_rec"][:, :, 4:] <= 0).all()


class Step(nn.Module):
    """`step` as a module, for torch.export."""

    def __init__(self, step: Callable[..., object]) -> None:
        super().__init__()
        self.step = step

    def forward(self, rate: Tensor, drive: Tensor, w_rec_t: Tensor, alpha: Tensor) -> object:
        return self.step(rate, drive, w_rec_t, alpha)


def arguments(module: object, ragged: bool) -> tuple[Tensor, ...]:
    rate, w_rec = torch.rand(2, 3, 8), torch.randn(2, 8, 8)
    alpha = torch.rand(5, 3, 8) if ragged else torch.rand(8)
    return rate, torch.randn(5, 2, 3, 8), w_rec, alpha


@pytest.mark.parametrize("found", [program(), ragged()], ids=["aligned", "ragged"])
def test_step_and_chunk_suit_the_compilers_of_torch(found: Program) -> None:
    module = load_module(emit(found))
    given = arguments(module, found.timeline.ragged)
    wanted = torch.stack(module.chunk(*given))
    compiled = torch.compile(module.chunk, backend="eager", fullgraph=True)
    torch.testing.assert_close(torch.stack(compiled(*given)), wanted)
    exported = torch.export.export(Step(module.chunk), given)
    torch.testing.assert_close(torch.stack(exported.module()(*given)), wanted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(module.chunk)
    torch.testing.assert_close(torch.stack(scripted(*given)), wanted)
    one = (given[0], given[1][0], given[2], given[3][0] if found.timeline.ragged else given[3])
    exported = torch.export.export(Step(module.step), one)
    torch.testing.assert_close(exported.module()(*one), wanted[0])


def test_scripting_one_engine_leaves_others_alone() -> None:
    found = program()
    plain, scripted = TorchEngine(found), TorchEngine(found, adapt=script_chunk)
    assert plain.module is TorchEngine(found).module
    assert isinstance(scripted.module.chunk, torch.jit.ScriptFunction)
    assert not isinstance(plain.module.chunk, torch.jit.ScriptFunction)


def test_tracebacks_show_the_generated_line() -> None:
    engine = TorchEngine(program())
    with pytest.raises(KeyError) as caught:
        engine.run({"bias": torch.zeros(2, 8)}, batch(2))
    assert 'weights["w_rec"]' in str(caught.traceback[-1].statement)


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_the_generated_philox_gives_the_published_words(
    counter: tuple[int, ...], key: tuple[int, int], words: tuple[int, ...]
) -> None:
    module = load_module(emit(program()))
    found = module.philox(*map(torch.tensor, counter), key)
    assert tuple(int(word) & 0xFFFFFFFF for word in found) == words
