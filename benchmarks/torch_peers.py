"""The workload in plain torch with autograd; with TorchScript; and with torch.compile.

All three draw the noise of some steps at once, run these steps in `advance`, and compute the loss of a whole
epoch.  They differ only in the compilation of `advance`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from workload import (
    ALPHA,
    BETA_1,
    BETA_2,
    EPSILON,
    LEARNING_RATE,
    NOISE_GAIN,
    NOISE_KEEP,
    RATE_PENALTY,
    WEIGHT_PENALTY,
    Trials,
    Workload,
    draw_trials,
)

#: Steps in one call of `advance`; the compiled graph unrolls them.
CHUNK = 20


def advance(
    rate: Tensor, noise: Tensor, drive: Tensor, w_rec_t: Tensor, fresh: Tensor, alpha: float, keep: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Run T steps; return their states (T, K, B, N), the last state, and the noise after it.

    rate, noise, drive: (K, B, N).  w_rec_t: (K, N, N), from-to.  fresh: (T, K, B, N), the random increments
    of the noise after each step.
    """
    states: list[Tensor] = []
    for now in fresh.unbind(0):
        total = torch.baddbmm(drive + noise, rate, w_rec_t)
        rate = torch.lerp(rate, torch.relu(total), alpha)
        noise = torch.add(now, noise, alpha=keep)
        states.append(rate)
    return torch.stack(states), rate, noise


class TorchPeer:
    """The plain loop."""

    def __init__(self, workload: Workload, weights: dict[str, np.ndarray]) -> None:
        self.workload = workload
        self.weights = {name: torch.tensor(value, requires_grad=True) for name, value in weights.items()}
        self.optimizer = torch.optim.Adam(
            self.weights.values(), lr=LEARNING_RATE, betas=(BETA_1, BETA_2), eps=EPSILON
        )
        self.chunk = math.gcd(CHUNK, *workload.steps)
        self.advance = self.make_advance()

    def make_advance(self) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
        return advance

    def iterate(self, iteration: int) -> float:
        """Make one update on new trials; return the mean loss."""
        self.optimizer.zero_grad()
        loss = self.loss(draw_trials(self.workload, iteration), None)
        loss.sum().backward()
        self.optimizer.step()
        return float(loss.detach().mean())

    def differentiate(self, trials: Trials, normals: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the loss of each network, (K,), and its gradients, for given noise.

        normals: (1 + T, K, B, N), the standard normal numbers behind the noise before and at each step.
        """
        loss = self.loss(trials, torch.tensor(normals, dtype=torch.float32))
        found = torch.autograd.grad(loss.sum(), list(self.weights.values()))
        return loss.detach().numpy(), {n: g.numpy() for n, g in zip(self.weights, found, strict=True)}

    def loss(self, trials: Trials, normals: Tensor | None) -> Tensor:
        """Simulate one batch and return the loss of each network, (K,)."""
        work, weights = self.workload, self.weights
        w_rec_t, idle = weights["w_rec"].mT, work.units - work.populations[0]
        shape = (work.networks, work.sequences, work.units)
        rate, gain = torch.zeros(shape), NOISE_GAIN * work.noise
        noise = work.noise * (torch.randn(shape) if normals is None else normals[0])
        hold = respond = rates = torch.zeros(work.networks)
        for epoch, (start, stop) in enumerate(work.segments()):
            with torch.set_grad_enabled(epoch > 0):
                # The input is constant within an epoch, and so is its projection.
                projected = torch.from_numpy(trials.inputs[epoch]) @ weights["w_in"].mT
                drive = weights["bias"][:, None] + torch.nn.functional.pad(projected, (0, idle))
                path = []
                for step in range(start, stop, self.chunk):
                    if normals is None:
                        fresh = torch.randn(self.chunk, *shape).mul_(gain)
                    else:
                        fresh = gain * normals[1 + step : 1 + step + self.chunk]
                    states, rate, noise = self.advance(rate, noise, drive, w_rec_t, fresh, ALPHA, NOISE_KEEP)
                    if epoch > 0:
                        path.append(states)
                if epoch == 0:
                    continue
                states = torch.cat(path)
                rates = rates + states.abs().sum((0, 2, 3))
                error = self.error(states[work.grace[epoch] :], trials.targets[epoch])
                if epoch < 4:
                    hold = hold + error
                else:
                    respond = respond + error
        points = [steps * work.sequences * trials.targets[0].shape[1] for steps in work.judged]
        return (
            hold / points[0]
            + respond / points[1]
            + RATE_PENALTY * rates / (work.learned_steps * work.sequences * work.units)
            + WEIGHT_PENALTY * weights["w_rec"].abs().mean((1, 2))
        )

    def error(self, states: Tensor, target: np.ndarray) -> Tensor:
        """Return the squared error of each network summed over the points of an epoch, (K,)."""
        read = states[..., self.workload.read].transpose(0, 1).flatten(1, 2)
        outputs = torch.sigmoid(read @ self.weights["w_out"].mT)
        outputs = outputs.unflatten(1, (len(states), self.workload.sequences))
        return (outputs - torch.from_numpy(target)).square().sum((1, 2, 3))


class ScriptedPeer(TorchPeer):
    """The same, with the inner loop in TorchScript."""

    def make_advance(self) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return torch.jit.script(advance)


class CompiledPeer(TorchPeer):
    """The same, with chunks of the inner loop compiled by torch.compile."""

    def make_advance(self) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
        return torch.compile(advance, dynamic=False, fullgraph=True)
