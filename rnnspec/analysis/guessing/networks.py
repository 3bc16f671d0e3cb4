"""Untrained networks in numpy: their weights, drawn as the spec says, and their activity.

The numbers differ from those of the networks that training starts from; their distributions are the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from rnnspec.analysis.guessing.trials import Moment, Trials
from rnnspec.analysis.guessing.values import Array, evaluate, of_channel
from rnnspec.program.expression_nodes import Rate
from rnnspec.program.nodes import Activation, Distribution, Matrix, Network
from rnnspec.program.timing import whole_steps

#: Steps of an epoch for which inputs are computed at once.
_TOGETHER = 128

#: f(x, *options) of each activation function; softmax is over the last axis, the others are elementwise.
_OPERATIONS: Mapping[str, Callable[..., Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.logaddexp(x, 0),
    "tanh": np.tanh,
    "retanh": lambda x: np.tanh(np.maximum(x, 0)),
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "linear": lambda x: x,
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "power": lambda x, exponent: np.maximum(x, 0) ** exponent,
    "softmax": lambda x: _softmax(x),
}


def activate(activation: Activation, x: Array) -> Array:
    """Return f(x); `rnnspec/spec/activations.py` has the formulas."""
    return _OPERATIONS[activation.name](x, *activation.arguments)


def outputs_of(network: Network, readout: Array) -> dict[str, Array]:
    """Return the outputs of each channel for a readout, (..., C_out); a channel of one unit is a number."""
    return {
        channel.name: of_channel(
            activate(channel.activation, readout[..., channel.start : channel.stop]),
            channel.stop - channel.start,
        )
        for channel in network.outputs
    }


class Untrained:
    """K untrained networks that play trials; for one pass through them.

    A network begins each sequence with rate 0.  While a sequence whose epoch is short waits for the others,
    its networks stand still.  All networks have the same noise, which changes no mean over them.
    """

    def __init__(self, trials: Trials, networks: int) -> None:
        program, rng = trials.program, trials.rng
        self._trials, self._network, self._rng, self._networks = trials, program.network, rng, networks
        network = program.network
        each = [
            [initial_matrix(m, rng) for m in (network.w_rec, network.w_in, network.w_out)]
            for _ in range(networks)
        ]
        # Transposed, for rows of units: x W^T.
        self._w_rec, self._w_in, self._w_out = (
            np.stack(matrices).swapaxes(1, 2).astype(np.float32) for matrices in zip(*each, strict=True)
        )
        bias = [_draw(network.bias, network.units, 1, rng) for _ in range(networks)]
        self._bias = np.stack(bias).swapaxes(1, 2).astype(np.float32)
        taus = np.array([float(p.tau) for p in network.populations for _ in range(p.start, p.stop)])
        self._alpha = (float(network.dt) / taus).astype(np.float32)
        noise, step = network.noise, float(network.dt)
        gain = np.sqrt(2 * taus / step) if noise.kind == "white" else np.ones(1)
        self._scale = (noise.scale * gain).astype(np.float32)
        # Of Ornstein-Uhlenbeck noise.
        a = step / float(noise.tau) if noise.kind == "ou" else 0.0
        self._keep, self._gain = np.float32(1 - a), np.float32(math.sqrt(2 * a))
        self._rate = np.zeros((networks, trials.sequences, network.units), np.float32)
        self._eta = self._normal()
        burn_in = whole_steps(program.timeline.burn_in, network.dt)
        for _ in range(burn_in):
            self._rate = self._next(np.zeros(1, np.float32))

    def outputs(self, moment: Moment) -> Mapping[str, Array]:
        """Simulate one epoch; return the outputs at its points."""
        rates = np.zeros((*self._rate.shape[:2], moment.at.shape[1], self._network.units), np.float32)
        longest = int(moment.lengths.max())
        with np.errstate(all="ignore"):
            self._simulate(moment, longest, rates)
            # Without a trained readout bias: it starts at 0.
            return outputs_of(self._network, rates @ self._w_out[:, None])

    def _simulate(self, moment: Moment, longest: int, rates: Array) -> None:
        """Simulate the steps of an epoch, and note the rates after those that are asked for."""
        for first in range(0, longest, _TOGETHER):
            steps = range(first, min(first + _TOGETHER, longest))
            drive = self._drive(moment, steps)
            for step in steps:
                current = drive[:, :, 0 if drive.shape[2] == 1 else step - first]
                rate = self._next(current)
                alive = step < moment.lengths
                self._rate = rate if alive.all() else np.where(alive[:, None], rate, self._rate)
                sequence, point = np.nonzero(moment.at == step)
                rates[:, sequence, point] = self._rate[:, sequence]

    def _next(self, drive: Array) -> Array:
        """Return the rates after one step: r + alpha (-r + f(W_rec r + b + W_in u + noise))."""
        total = self._rate @ self._w_rec
        total += self._bias + drive
        if self._network.noise.kind != "none":
            total += self._scale * self._eta
            white = self._network.noise.kind == "white"
            self._eta = self._normal() if white else self._keep * self._eta + self._gain * self._normal()
        change = activate(self._network.activation, total) - self._rate
        change *= self._alpha
        change += self._rate
        return change

    def _drive(self, moment: Moment, steps: range) -> Array:
        """Return W_in u in some steps, (K', B', L', N); one step stands for all if none varies."""
        network, rng = self._network, self._rng
        varies = any(drive.value.type.rate is Rate.POINT for drive in moment.epoch.drives)
        length = len(steps) if varies else 1
        shape = (1, self._trials.sequences, length)

        def white(size: int | None) -> Array:
            drawn = rng.standard_normal(shape if size is None else (*shape, size))
            return drawn / math.sqrt(network.dt)

        clock = self._trials.clock(np.arange(steps.start, steps.start + length)[None])
        environment = replace(moment.environment, clock=clock, white=white)
        total: Array = np.zeros((1, 1, 1, 1), np.float32)
        channels = {channel.name: channel for channel in network.inputs}
        for drive in moment.epoch.drives:
            channel = channels[drive.channel]
            size = channel.stop - channel.start
            value = evaluate(drive.value, environment)
            if value.ndim == 3:
                value = np.broadcast_to(value[..., None], (*value.shape, size))
            weights = self._w_in[:, None, channel.start : channel.stop]
            total = total + value.astype(np.float32) @ weights
        return total

    def _normal(self) -> Array:
        """Return a standard normal number for each unit of each sequence."""
        return self._rng.standard_normal((1, *self._rate.shape[1:]), np.float32)


def initial_matrix(matrix: Matrix, rng: np.random.Generator) -> Array:
    """Draw the effective weights of an untrained network: blocks, mask, signs, spectral radius; (R, C)."""
    weights = _draw(matrix.init, matrix.rows, matrix.columns, rng)
    probability, sign = np.zeros(weights.shape), np.zeros(weights.shape)
    for block in matrix.blocks:
        place = slice(*block.rows), slice(*block.columns)
        if block.init is not None:
            rows, columns = weights[place].shape
            weights[place] = _draw(block.init, rows, columns, rng)
        probability[place] = block.density if block.present else 0.0
        if matrix.name == "w_rec" and not block.self_connections:
            own = np.zeros(weights.shape, dtype=bool)
            own[place] = True
            probability[own & (np.eye(*weights.shape) != 0)] = 0.0
        sign[place] = {"excitatory": 1.0, "inhibitory": -1.0, None: 0.0}[block.sign]
    if (probability < 1).any():
        weights = np.where(rng.random(weights.shape) < probability, weights, 0.0)
    weights = np.where(sign == 0, weights, sign * np.abs(weights))
    if matrix.radius is not None:
        found = np.abs(np.linalg.eigvals(weights)).max()
        weights = weights * (matrix.radius / found) if found > 0 else weights
    return weights


def _draw(distribution: Distribution, rows: int, columns: int, rng: np.random.Generator) -> Array:
    """Draw a matrix from a distribution, (rows, columns)."""
    shape, arguments = (rows, columns), distribution.arguments
    drawn: Array
    match distribution.name:
        case "zeros":
            drawn = np.zeros(shape)
        case "identity":
            drawn = arguments[0] * np.eye(*shape)
        case "normal":
            drawn = arguments[0] + arguments[1] * rng.standard_normal(shape)
        case "uniform":
            drawn = arguments[0] + (arguments[1] - arguments[0]) * rng.random(shape)
        case "gamma":
            drawn = arguments[1] * rng.standard_gamma(arguments[0], shape)
        case "orthogonal":
            drawn = arguments[0] * _orthogonal(rng.standard_normal(shape))
        case name:
            raise ValueError(f"unknown distribution '{name}'")
    return drawn


def _orthogonal(gaussian: Array) -> Array:
    if gaussian.shape[0] < gaussian.shape[1]:
        return _orthogonal(gaussian.T).T
    q, r = np.linalg.qr(gaussian)
    signed: Array = q * np.sign(np.diagonal(r))
    return signed


def _softmax(x: Array) -> Array:
    powers = np.exp(x - x.max(-1, keepdims=True))
    shares: Array = powers / powers.sum(-1, keepdims=True)
    return shares
