"""Draws of weights from distributions: each entry of a tensor has its own random numbers."""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from rnnspec.program.nodes import Distribution
from rnnspec.runtime.noise import Key, Stream, Words, normals, philox, uniforms

#: The number of each tensor in the counters of its random numbers; MASKS is added for density masks, and
#: THINNING for masks of what is left of a connection.
TENSORS = {"w_rec": 0, "w_in": 1, "w_out": 2, "bias": 3, "readout_bias": 4}
MASKS, THINNING = 8, 16


class WeightDraws:
    """The random numbers of one tensor of one network.

    The entry with flat index i uses word i % 4 of counter i // 4.  A block with its own distribution uses the
    numbers of the entries that it replaces.
    """

    def __init__(
        self, seed: int, network: int, tensor: str, rows: int, columns: int, offset: int = 0
    ) -> None:
        self.key: Key = (seed, int(Stream.WEIGHTS))
        self.network = network
        self.tensor = TENSORS[tensor] + offset
        self.rows, self.columns = rows, columns

    def draw(
        self,
        distribution: Distribution,
        rows: tuple[int, int] | None = None,
        columns: tuple[int, int] | None = None,
    ) -> Tensor:
        """Draw a rectangle of the tensor (default: all of it) from a distribution: (R, C) float64.

        Raises ValueError if no distribution has that name.
        """
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
                raise ValueError(f"unknown distribution '{name}'")

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

        The counter holds the flat index of the entry and the attempt, counted from 1 (attempt 0 gives normals
        and uniforms).  Words 0 and 1 give the normal number, word 2 decides whether to accept, word 3 is for
        shape < 1.
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
            # This rejects v <= 0 too: its logarithm is NaN or -inf, and the comparison is then false.
            accepted = uniforms(words[2]).log() < 0.5 * x**2 + d - d * v + d * v.log()
            value = d * v
            if shape < 1:
                value = value * uniforms(words[3]) ** (1 / shape)
            out[place[accepted]] = scale * value[accepted]
            pending, place = pending[~accepted], place[~accepted]
        return out.view(index.shape)


def _orthogonal(gaussian: Tensor) -> Tensor:
    """Return the orthogonal factor of a Gaussian matrix, distributed uniformly (Haar; Mezzadri 2007).

    Rows or columns, whichever are fewer, are orthonormal.
    """
    if gaussian.shape[0] < gaussian.shape[1]:
        return _orthogonal(gaussian.T).T
    q, r = torch.linalg.qr(gaussian)
    signed: Tensor = q * r.diagonal().sign()
    return signed
