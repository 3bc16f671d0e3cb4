"""One step of the true dynamics, without noise, and its Jacobian: what fixed points are found with."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from rnnspec.program.nodes import Program
from rnnspec.runtime.activations import activate


def step(program: Program, weights: Mapping[str, Tensor], state: Tensor, input: Tensor | None) -> Tensor:
    """Return the state after one step of length dt, (K, B, N); differentiable.

    F(r) = r + alpha (-r + f(W_rec r + W_in u + b)), alpha = dt/tau          Soo et al. 2023, eq. (5)

    weights: effective.  state: r, (K, B, N).  input: u, (K', B', C) with K' K or 1 and B' B or 1; None for 0.
    """
    alpha = _alpha(program, state)
    return state + alpha * (-state + activate(program.network.activation, _total(weights, state, input)))


def jacobian(program: Program, weights: Mapping[str, Tensor], state: Tensor, input: Tensor | None) -> Tensor:
    """Return dF_i/dr_j, (K, B, N, N): (1 - alpha_i) delta_ij + alpha_i f'(x_i) W_ij.

    Shapes as for `step`.  At a kink, f' is that of the left side.
    """
    with torch.enable_grad():
        total = _total(weights, state, input).detach().requires_grad_()
        rates = activate(program.network.activation, total)
        (slope,) = torch.autograd.grad(rates.sum(), total)
    alpha = _alpha(program, state)
    return torch.diag_embed(1 - alpha) + (alpha * slope)[..., None] * weights["w_rec"].detach()[:, None]


def _total(weights: Mapping[str, Tensor], state: Tensor, input: Tensor | None) -> Tensor:
    """Return x = W_rec r + W_in u + b, (K, B, N)."""
    total = state @ weights["w_rec"].mT + weights["bias"][:, None]
    return total if input is None else total + input @ weights["w_in"].mT


def _alpha(program: Program, like: Tensor) -> Tensor:
    network = program.network
    alpha = [float(network.dt / p.tau) for p in network.populations for _ in range(p.start, p.stop)]
    return torch.tensor(alpha, dtype=like.dtype, device=like.device)
