"""Run one batch of a program on two targets and compare every number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from engines import make_engine
from torch import Tensor

from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch, Outcome
from rnnspec.runtime.effective_weights import effective, structure
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.runtime.targets import Target

Gradients = dict[str, Tensor]


def run(
    program: Program,
    target: Target,
    batch: Batch,
    *,
    networks: int = 2,
    dtype: torch.dtype = torch.float64,
    forced_reads: Mapping[str, Tensor] | None = None,
) -> tuple[Outcome, Gradients]:
    """Return the recorded outcome of a batch, and the gradient of the summed loss for each raw weight."""
    raw = initial_weights(program, networks, batch.seed, batch.first_network, dtype)
    for value in raw.values():
        value.requires_grad_()
    marks = structure(program, networks, batch.seed, batch.first_network)
    weights = effective(raw, marks, program.network.dale)
    outcome = make_engine(program, target).run(weights, batch, record=True, forced_reads=forced_reads)
    # The loss of a task without targets does not depend on any weight.
    found: Sequence[Tensor | None] = [None] * len(raw)
    if outcome.loss.requires_grad:
        found = torch.autograd.grad(outcome.loss.sum(), list(raw.values()), allow_unused=True)
    zeros = (torch.zeros_like(value) for value in raw.values())
    return outcome, {n: z if g is None else g for n, g, z in zip(raw, found, zeros, strict=True)}


def assert_agree(
    program: Program,
    target: Target,
    batch: Batch,
    *,
    networks: int = 2,
    rtol: float = 1e-10,
    atol: float = 1e-10,
) -> None:
    """Compare a target with the reference.  Reads are forced: rounding could change a close decision."""
    wanted, wanted_gradients = run(program, "reference", batch, networks=networks)
    reads = [r.name for e in program.timeline.epochs for r in e.reads]
    forced = {n: wanted.variables[n].double().expand(networks, batch.sequences, -1) for n in reads}
    found, gradients = run(program, target, batch, networks=networks, forced_reads=forced)

    def close(name: str, a: Tensor | None, b: Tensor | None) -> None:
        assert a is not None
        assert b is not None
        torch.testing.assert_close(
            a, b, rtol=rtol, atol=atol, equal_nan=True, check_dtype=False, msg=lambda m: f"{name}: {m}"
        )

    close("loss", found.loss, wanted.loss)
    close("performance", found.performance, wanted.performance)
    close("mean rate", found.mean_rate, wanted.mean_rate)
    close("trial performance", found.trial_performance, wanted.trial_performance)
    assert found.phase_performance.keys() == wanted.phase_performance.keys()
    for name, value in wanted.phase_performance.items():
        close(f"performance in {name}", found.phase_performance[name], value)
    assert found.variables.keys() == wanted.variables.keys()
    for name, value in wanted.variables.items():
        assert len(found.variables[name]) in (1, networks), name
        close(name, *torch.broadcast_tensors(found.variables[name].double(), value.double()))
    assert torch.equal(*torch.broadcast_tensors(found.steps, wanted.steps))
    close("rates", found.rates, wanted.rates)
    close("outputs", found.outputs, wanted.outputs)
    assert found.inputs is not None
    assert wanted.inputs is not None
    close("inputs", *torch.broadcast_tensors(found.inputs, wanted.inputs))
    for name, gradient in wanted_gradients.items():
        close(f"gradient of {name}", gradients[name], gradient)
