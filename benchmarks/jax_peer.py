"""The workload in JAX: one jitted function for a whole iteration, `lax.scan` over the steps of each epoch."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
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

Weights = dict[str, jax.Array]


class JaxPeer:
    """The peer in JAX: every operation is batched over all networks."""

    def __init__(self, workload: Workload, weights: dict[str, np.ndarray]) -> None:
        self.workload = workload
        self.weights: Weights = {name: jnp.asarray(value) for name, value in weights.items()}
        zeros = {name: jnp.zeros_like(value) for name, value in self.weights.items()}
        self.moments = zeros, {name: jnp.zeros_like(value) for name, value in self.weights.items()}
        self._update = jax.jit(self._updated, donate_argnums=(0, 1))
        self._differentiate = jax.jit(jax.grad(self._total, has_aux=True))

    def iterate(self, iteration: int) -> float:
        """Make one update on new trials; return the mean loss."""
        trials = draw_trials(self.workload, iteration)
        self.weights, self.moments, loss = self._update(
            self.weights, self.moments, iteration, trials.inputs, trials.targets
        )
        jax.block_until_ready(self.weights)
        return float(loss.mean())

    def differentiate(self, trials: Trials, normals: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the loss of each network, (K,), and its gradients, for given noise; see `TorchPeer`."""
        given = jnp.asarray(normals, jnp.float32)
        found, loss = self._differentiate(self.weights, trials.inputs, trials.targets, given)
        return np.asarray(loss), {name: np.asarray(gradient) for name, gradient in found.items()}

    def _updated(
        self, weights: Weights, moments: tuple[Weights, Weights], iteration: Any, inputs: Any, targets: Any
    ) -> tuple[Weights, tuple[Weights, Weights], jax.Array]:
        key = jax.random.key(iteration)
        gradient, loss = jax.grad(self._total, has_aux=True)(weights, inputs, targets, key)
        weights, moments = adam(weights, gradient, moments, iteration)
        return weights, moments, loss

    def _total(self, weights: Weights, inputs: Any, targets: Any, noise: jax.Array) -> Any:
        loss = self._loss(weights, inputs, targets, noise)
        return loss.sum(), loss

    def _loss(self, weights: Weights, inputs: Any, targets: Any, noise: jax.Array) -> jax.Array:
        """Return the loss of each network, (K,).  noise: a key, or the numbers themselves."""
        work = self.workload
        drawn = jnp.issubdtype(noise.dtype, jax.dtypes.prng_key)
        shape = (work.networks, work.sequences, work.units)
        eta = jax.random.normal(noise, shape) if drawn else noise[0]
        rate = jnp.zeros(shape)
        idle = work.units - work.populations[0]
        hold = respond = rates = jnp.zeros(work.networks)
        for epoch, (start, stop) in enumerate(work.segments()):
            # The input is constant within an epoch, and so is its projection.
            projected = jnp.einsum("bc,knc->kbn", inputs[epoch], weights["w_in"])
            drive = weights["bias"][:, None] + jnp.pad(projected, ((0, 0), (0, 0), (0, idle)))

            def step(state: Any, given: Any, drive: jax.Array = drive) -> Any:
                rate, eta = state
                xi = jax.random.normal(given, shape) if drawn else given
                total = drive + work.noise * eta + jnp.einsum("kbm,knm->kbn", rate, weights["w_rec"])
                rate = rate + ALPHA * (jax.nn.relu(total) - rate)
                return (rate, NOISE_KEEP * eta + NOISE_GAIN * xi), rate

            if drawn:
                given = jax.random.split(jax.random.fold_in(noise, epoch), stop - start)
            else:
                given = noise[1 + start : 1 + stop]
            (rate, eta), states = jax.lax.scan(step, (rate, eta), given)
            if epoch == 0:
                rate = jax.lax.stop_gradient(rate)
                continue
            rates = rates + jnp.abs(states).sum((0, 2, 3))
            read = states[work.grace[epoch] :, ..., work.read]
            outputs = jax.nn.sigmoid(jnp.einsum("tkbn,kcn->ktbc", read, weights["w_out"]))
            error = jnp.square(outputs - targets[epoch]).sum((1, 2, 3))
            if epoch < 4:
                hold = hold + error
            else:
                respond = respond + error
        points = [steps * work.sequences * targets[0].shape[1] for steps in work.judged]
        return (
            hold / points[0]
            + respond / points[1]
            + RATE_PENALTY * rates / (work.learned_steps * work.sequences * work.units)
            + WEIGHT_PENALTY * jnp.abs(weights["w_rec"]).mean((1, 2))
        )


def adam(
    weights: Weights, gradient: Weights, moments: tuple[Weights, Weights], iteration: Any
) -> tuple[Weights, tuple[Weights, Weights]]:
    """Return the weights and moments after one update by Adam; iterations count from 0."""
    count = iteration + 1.0
    first = {n: BETA_1 * m + (1 - BETA_1) * gradient[n] for n, m in moments[0].items()}
    second = {n: BETA_2 * m + (1 - BETA_2) * jnp.square(gradient[n]) for n, m in moments[1].items()}
    updated = {}
    for name, weight in weights.items():
        mean, square = first[name] / (1 - BETA_1**count), second[name] / (1 - BETA_2**count)
        updated[name] = weight - LEARNING_RATE * mean / (jnp.sqrt(square) + EPSILON)
    return updated, (first, second)
