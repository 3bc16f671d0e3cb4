"""Weights: their initial values, which of them exist, learn or have a sign, and what they come to.

What is trained is raw; what a network computes with is effective: masked, and with the signs of Dale's law.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from rnnspec.program.nodes import Distribution, Matrix, Program
from rnnspec.runtime.noise import Key, Purpose, Words, normals, philox, uniforms

#: The number of each tensor in the counters of its random numbers; density masks have 8 more.
TENSORS = {"w_rec": 0, "w_in": 1, "w_out": 2, "bias": 3, "readout_bias": 4}
_MASKS = 8


@dataclass(frozen=True)
class MatrixStructure:
    """What is not plain about the entries of a matrix; None for what is plain everywhere.

    mask: (K', R, C) bool, the connections that exist; K' is 1 if they are the same in all networks.
    frozen: (R, C) bool, those that are not trained.  sign: (R, C), +1 or -1, 0 where either will do.
    """

    mask: Tensor | None
    frozen: Tensor | None
    sign: Tensor | None

    def to(self, device: torch.device | str) -> MatrixStructure:
        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device)

        return MatrixStructure(moved(self.mask), moved(self.frozen), moved(self.sign))


@dataclass(frozen=True)
class Structure:
    """The structure of w_rec, w_in and w_out by name."""

    matrices: Mapping[str, MatrixStructure]

    def to(self, device: torch.device | str) -> Structure:
        return Structure({name: matrix.to(device) for name, matrix in self.matrices.items()})


def initial_weights(
    program: Program,
    networks: int,
    seed: int,
    first_network: int = 0,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """Draw the raw weights that training starts from; network k's depend on (seed, k) alone.

    w_rec (K, N, N), w_in (K, N, C_in), w_out (K, C_out, N), bias (K, N) and, if the program has one,
    readout_bias (K, C_out), which starts at 0.  Computed in float64, then rounded to dtype.  Where there
    is no connection the raw weight is 0; where the sign is given it is |w|.
    """
    numbers = range(first_network, first_network + networks)
    # One network after the other: then not even the order of a sum can depend on how many there are.
    each = [_network_weights(program, seed, number) for number in numbers]
    return {name: torch.stack([weights[name] for weights in each]).to(dtype) for name in each[0]}


def structure(program: Program, networks: int, seed: int, first_network: int = 0) -> Structure:
    """Return which weights exist, which are frozen and which have a sign."""
    found: dict[str, MatrixStructure] = {}
    for matrix in _matrices(program):
        masks = [_mask(matrix, seed, number) for number in range(first_network, first_network + networks)]
        shared = all(block.density >= 1 for block in matrix.blocks)
        mask = torch.stack(masks[:1] if shared else masks)
        frozen = _paint(matrix, [not block.trainable for block in matrix.blocks], torch.bool)
        sign = _signs(matrix)
        found[matrix.name] = MatrixStructure(
            None if bool(mask.all()) else mask,
            frozen if bool(frozen.any()) else None,
            sign if bool(sign.any()) else None,
        )
    return Structure(found)


def effective(
    raw: Mapping[str, Tensor], structure: Structure, dale: Literal["relu", "abs"]
) -> dict[str, Tensor]:
    """Return the weights that a network computes with; differentiable, and raw itself where nothing is to do.

    w = mask * sign * rectified(raw), rectified = max(0, .) or |.|; plain raw where no sign is given.
    Frozen entries get no gradient.
    """
    out = dict(raw)
    for name, matrix in structure.matrices.items():
        out[name] = _effective(raw[name], matrix, dale)
    return out


def _effective(weights: Tensor, matrix: MatrixStructure, dale: Literal["relu", "abs"]) -> Tensor:
    if matrix.frozen is not None:
        weights = torch.where(matrix.frozen, weights.detach(), weights)
    if matrix.sign is not None:
        rectified = weights.relu() if dale == "relu" else weights.abs()
        weights = torch.where(matrix.sign == 0, weights, matrix.sign.to(weights.dtype) * rectified)
    if matrix.mask is not None:
        weights = torch.where(matrix.mask, weights, 0.0)
    return weights


# --- one network -------------------------------------------------------------------------------------


def _network_weights(program: Program, seed: int, number: int) -> dict[str, Tensor]:
    network = program.network
    weights: dict[str, Tensor] = {
        matrix.name: _initial_matrix(matrix, seed, number) for matrix in _matrices(program)
    }
    weights["bias"] = _Stream(seed, number, "bias", network.units, 1).draw(network.bias)[:, 0]
    if network.readout_bias:
        weights["readout_bias"] = torch.zeros(network.output_units, dtype=torch.float64)
    return weights


def _initial_matrix(matrix: Matrix, seed: int, number: int) -> Tensor:
    """Draw one raw matrix: blocks, then the mask, then the signs, then the spectral radius."""
    stream = _Stream(seed, number, matrix.name, matrix.rows, matrix.columns)
    weights = stream.draw(matrix.init)
    for block in matrix.blocks:
        if block.init is not None:
            weights[slice(*block.rows), slice(*block.columns)] = stream.draw(
                block.init, block.rows, block.columns
            )
    weights = torch.where(_mask(matrix, seed, number), weights, 0.0)
    sign = _signs(matrix)
    weights = torch.where(sign == 0, weights, weights.abs())
    if matrix.radius is not None:
        found = torch.linalg.eigvals(torch.where(sign == 0, weights, sign * weights)).abs().max()
        # Nothing scales a matrix without eigenvalues other than 0, such as zeros or a feed-forward chain.
        if found > 0:
            weights = weights * (matrix.radius / found)
    return weights


def _mask(matrix: Matrix, seed: int, number: int) -> Tensor:
    """Return which connections of a matrix exist in one network: (R, C) bool."""
    probability = _paint(matrix, [b.density if b.present else 0.0 for b in matrix.blocks], torch.float64)
    if matrix.name == "w_rec":
        isolated = _paint(matrix, [not b.self_connections for b in matrix.blocks], torch.bool)
        probability[isolated & torch.eye(matrix.rows, dtype=torch.bool)] = 0.0
    if bool(((probability == 0) | (probability >= 1)).all()):
        return probability > 0
    return _Stream(seed, number, matrix.name, matrix.rows, matrix.columns, _MASKS).uniforms < probability


def _signs(matrix: Matrix) -> Tensor:
    value = {"excitatory": 1.0, "inhibitory": -1.0, None: 0.0}
    return _paint(matrix, [value[block.sign] for block in matrix.blocks], torch.float64)


def _paint(matrix: Matrix, values: Sequence[float], dtype: torch.dtype) -> Tensor:
    """Give every entry of a matrix the value of its block: (R, C)."""
    out = torch.zeros(matrix.rows, matrix.columns, dtype=dtype)
    for block, value in zip(matrix.blocks, values, strict=True):
        out[slice(*block.rows), slice(*block.columns)] = value
    return out


def _matrices(program: Program) -> tuple[Matrix, ...]:
    return program.network.w_rec, program.network.w_in, program.network.w_out


# --- distributions -----------------------------------------------------------------------------------


class _Stream:
    """The random numbers of one tensor of one network, by flat index: words `index % 4` of `index // 4`.

    A block with a distribution of its own looks at the same numbers as its surroundings would.
    """

    def __init__(
        self, seed: int, network: int, tensor: str, rows: int, columns: int, offset: int = 0
    ) -> None:
        self.key: Key = (seed, int(Purpose.WEIGHTS))
        self.network = network
        self.tensor = TENSORS[tensor] + offset
        self.rows, self.columns = rows, columns

    def draw(
        self,
        distribution: Distribution,
        rows: tuple[int, int] | None = None,
        columns: tuple[int, int] | None = None,
    ) -> Tensor:
        """Draw a rectangle (default: all) of the tensor from a distribution: (R, C) float64."""
        row, column = slice(*(rows or (0, self.rows))), slice(*(columns or (0, self.columns)))
        height, width = row.stop - row.start, column.stop - column.start
        arguments = distribution.arguments
        match distribution.name:
            case "zeros":
                return torch.zeros(height, width, dtype=torch.float64)
            case "identity":
                return arguments[0] * torch.eye(height, width, dtype=torch.float64)
            case "normal":
                return arguments[0] + arguments[1] * self.normals[row, column]
            case "uniform":
                return arguments[0] + (arguments[1] - arguments[0]) * self.uniforms[row, column]
            case "orthogonal":
                return arguments[0] * _orthogonal(self.normals[row, column])
            case "gamma":
                return self._gamma(arguments[0], arguments[1], self._index[row, column])
            case name:
                raise ValueError(f"no distribution is called '{name}'")

    @cached_property
    def normals(self) -> Tensor:
        return self._arrange(normals(self._words))

    @cached_property
    def uniforms(self) -> Tensor:
        w0, w1, w2, w3 = self._words
        return self._arrange((uniforms(w0), uniforms(w1), uniforms(w2), uniforms(w3)))

    @cached_property
    def _words(self) -> Words[Tensor]:
        return self._philox(torch.arange(-(-self.rows * self.columns // 4)), 0)

    @cached_property
    def _index(self) -> Tensor:
        return torch.arange(self.rows * self.columns).view(self.rows, self.columns)

    def _philox(self, first: Tensor, attempt: int) -> Words[Tensor]:
        second, zero = torch.full_like(first, attempt << 16 | self.tensor), torch.zeros_like(first)
        return philox((first, second, zero, zero + self.network), self.key)

    def _arrange(self, numbers: Words[Tensor]) -> Tensor:
        flat = torch.stack(numbers, -1).flatten()[: self.rows * self.columns]
        return flat.view(self.rows, self.columns)

    def _gamma(self, shape: float, scale: float, index: Tensor) -> Tensor:
        """Draw from a gamma distribution by rejection (Marsaglia & Tsang 2000).

        Each entry has counters of its own: its flat index, and the attempt from 1 on (0 is the plain
        stream).  Words 0 and 1 make the normal number, 2 decides, 3 serves shape < 1.
        """
        d = (shape if shape >= 1 else shape + 1) - 1 / 3
        pending = index.flatten()
        place = torch.arange(pending.numel())
        out = torch.empty(pending.numel(), dtype=torch.float64)
        attempt = 0
        while pending.numel():
            attempt += 1
            words = self._philox(pending, attempt)
            x = normals(words)[0]
            v = (1 + x / math.sqrt(9 * d)) ** 3
            # v <= 0 is rejected too: its logarithm is nan or -inf, and nothing is below that.
            accepted = uniforms(words[2]).log() < 0.5 * x**2 + d - d * v + d * v.log()
            value = d * v
            if shape < 1:
                value = value * uniforms(words[3]) ** (1 / shape)
            out[place[accepted]] = scale * value[accepted]
            pending, place = pending[~accepted], place[~accepted]
        return out.view(index.shape)


def _orthogonal(gaussian: Tensor) -> Tensor:
    """Return the orthogonal factor of a Gaussian matrix, uniform over such matrices (Mezzadri 2007).

    Rows or columns, whichever are fewer, are orthonormal.
    """
    if gaussian.shape[0] < gaussian.shape[1]:
        return _orthogonal(gaussian.T).T
    q, r = torch.linalg.qr(gaussian)
    signed: Tensor = q * r.diagonal().sign()
    return signed
