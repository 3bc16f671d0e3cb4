"""The target compiled: blocks of equal length, each kind compiled once, with the numbers of the reference."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
import torch
from comparison import assert_agree, run
from runtime.test_perturbation import numbers
from runtime.test_perturbation import simulation as perturbed
from support import program
from test_targets import BLOCKS, FEATURES, NOISY

from rnnspec.codegen.torch.graph import emit
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, BatchPurpose, Stage
from rnnspec.runtime.targets import choose_target
from rnnspec.runtime.torch import blocks
from rnnspec.runtime.torch.module import load

JITTER = program(*FEATURES["jitter"])


def batch(iteration: int = 0, purpose: BatchPurpose = "train", theta: int = 1, sequences: int = 4) -> Batch:
    return Batch(sequences, 1, iteration, purpose, Stage(Fraction(theta), ()))


def steps_of(found: Program, given: Batch, networks: int = 2) -> int:
    """Simulate a batch, and return the number of its steps."""
    return int(run(found, "compiled", given, networks=networks)[0].steps)


def test_other_durations_are_not_compiled_again(traced: list[Any]) -> None:
    steps = {steps_of(JITTER, batch(iteration)) for iteration in range(6)}
    steps |= {steps_of(JITTER, batch(theta=theta)) for theta in (2, 3)}
    assert len(steps) > 4
    assert len({number % blocks.STEPS for number in steps}) == blocks.STEPS
    assert len(traced) == 1


def test_what_is_compiled_once_more(traced: list[Any]) -> None:
    """Another number of sequences or networks, or no gradient; and each of them once."""
    for _ in range(2):
        for sequences, networks in ((4, 2), (3, 2), (4, 1)):
            steps_of(JITTER, batch(sequences=sequences), networks)
    assert len(traced) == 3
    with torch.no_grad():
        for iteration in range(3):
            steps_of(JITTER, batch(iteration, "evaluate"))
    assert len(traced) == 4


def test_epochs_without_gradient_are_one_more_kind(traced: list[Any]) -> None:
    """Before and after them are epochs with gradient: a state may have one or not."""
    found = program(NOISY, "task: {epochs: {stimulus: {gradient: false, jitter: 60 ms}}}")
    for iteration in range(3):
        steps_of(found, batch(iteration))
    assert len(traced) == 2


def test_large_batches_have_the_short_blocks_of_their_noise(
    traced: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The noise of many sequences is drawn in fewer steps at once, for the memory."""
    monkeypatch.setattr(blocks, "STEPS", 16)
    steps_of(JITTER, batch(sequences=10_000), networks=1)
    (graph,) = traced
    (states,) = (node.args[0] for node in graph.graph.nodes if node.op == "output")
    assert len(states) == 5


def test_the_padding_rests(traced: list[Any]) -> None:
    """A padded state is the last true one, so that it cannot overflow; its gradient would be NaN."""
    found = program("network: {activation: power}")
    module: Any = load(emit(found), blocks.compile_blocks)
    (advance, states), units = (module.blocks._advance, list[torch.Tensor]()), found.network.units

    def advance_and_keep(*arguments: torch.Tensor) -> list[torch.Tensor]:
        states.extend(advance(*arguments))
        return states

    module.blocks._advance = advance_and_keep
    rate, drive = torch.ones(1, 1, units), torch.zeros(3, 1, 1, units)
    w_rec_t = torch.ones(1, units, units, requires_grad=True)
    list(module.cuts(0, 3, 64))
    found_states = module.chunk(rate, drive, w_rec_t, torch.full((units,), 0.1))
    assert (len(found_states), len(states)) == (3, blocks.STEPS)
    assert torch.equal(states[3], states[2])
    assert states[2].max() > 1e5


def test_inductor(monkeypatch: pytest.MonkeyPatch, loaded_anew: None) -> None:
    """The compiler itself, in short blocks, which take it less time."""
    monkeypatch.setattr(blocks, "STEPS", 2)
    stage = Stage(Fraction(1), (0.3, 0.4))
    found = program(NOISY, *FEATURES["drawn durations and skips"])
    assert_agree(found, "compiled", Batch(4, 1, 7, "train", stage))


@pytest.mark.slow
@pytest.mark.parametrize("feature", BLOCKS)
def test_inductor_in_whole_blocks(feature: str, loaded_anew: None) -> None:
    found = program(*FEATURES[feature])
    theta = found.coarsening.start if found.coarsening else Fraction(1)
    stage = Stage(theta, tuple(0.3 + 0.1 * number for number in range(len(found.skips))))
    assert_agree(found, "compiled", Batch(4, 1, 7, "train", stage))


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, loaded_anew: None) -> None:
    """A machine on which torch.compile does not work."""

    def fail(graph: Any, arguments: Any) -> Any:
        raise RuntimeError("No compiler was found.\nInstall one.")

    monkeypatch.setattr(blocks, "BACKEND", fail)


def test_it_is_refused_where_it_does_not_work(broken: None) -> None:
    with pytest.raises(RequestError) as error:
        choose_target(JITTER, "compiled")
    assert error.value.reason == "torch.compile does not work on the device 'cpu': No compiler was found."
    assert "choose the target torch" in error.value.remedy


def test_torch_takes_its_place_where_nobody_insists(broken: None) -> None:
    chosen = choose_target(JITTER, preferred="compiled")
    assert chosen.target == "torch"
    assert chosen.note == (
        "torch.compile does not work on the device 'cpu': No compiler was found. The target torch takes its "
        "place. Install the compiler that torch.compile needs here, or choose the target torch."
    )


def test_it_is_the_choice_for_other_devices(traced: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch.compile works; this torch has no such device."""
    assert choose_target(JITTER, None, "mps").target == "torch"
    monkeypatch.setattr(blocks.Blocks, "try_out", lambda *_: None)
    assert choose_target(JITTER, None, "mps").target == "compiled"


def test_blocks_are_perturbed_too(traced: list[Any]) -> None:
    short = "task: {epochs: {cue: {duration: 60 ms}, delay: {duration: 20 ms}, answer: {duration: 20 ms}}}"
    plain, blocks = (perturbed(short, target=target) for target in ("torch", "compiled"))
    with torch.no_grad():
        expected, found = (
            networks(2, record=True, initial=numbers(2, 2, 5), current=numbers(1, 2, 4, 5)).rates
            for networks in (plain, blocks)
        )
    assert traced
    assert expected is not None
    assert found is not None
    torch.testing.assert_close(found, expected)
