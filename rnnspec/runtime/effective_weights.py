"""Effective weights, and which connections exist, are frozen or have a fixed sign.

Training changes the raw weights.  A network computes with the effective weights: masked, with the signs of
Dale's law.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rnnspec.program.nodes import Matrix, Program
from rnnspec.runtime.weight_draws import MASKS, WeightDraws


@dataclass(frozen=True)
class MatrixStructure:
    """The constraints on the entries of one matrix; None for a constraint that applies to no entry.

    mask: (K', R, C) bool, the connections that exist; K' is 1 if they are the same in all networks.
    frozen: (R, C) bool, the entries that are not trained.  sign: (R, C), +1 or -1, or 0 for a free sign.
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


def structure(program: Program, networks: int, seed: int, first_network: int = 0) -> Structure:
    """Return which connections of an ensemble exist, are frozen or have a fixed sign."""
    found: dict[str, MatrixStructure] = {}
    for matrix in matrices(program):
        numbers = range(first_network, first_network + networks)
        masks = [connections(matrix, seed, number) for number in numbers]
        shared = all(block.density >= 1 for block in matrix.blocks)
        mask = torch.stack(masks[:1] if shared else masks)
        frozen = _paint(matrix, [not block.trainable for block in matrix.blocks], torch.bool)
        sign = signs(matrix)
        found[matrix.name] = MatrixStructure(
            None if bool(mask.all()) else mask,
            frozen if bool(frozen.any()) else None,
            sign if bool(sign.any()) else None,
        )
    return Structure(found)


def effective(
    raw: Mapping[str, Tensor], structure: Structure, dale: Literal["relu", "abs"]
) -> dict[str, Tensor]:
    """Return the effective weights, differentiable with respect to the raw ones.

    w = mask * sign * rectified(raw), rectified(x) = max(0, x) or |x|; w = mask * raw where the sign is free.
    Frozen entries get no gradient.  A tensor without constraints is returned as it is, not copied.
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


def connections(matrix: Matrix, seed: int, number: int) -> Tensor:
    """Return which connections of a matrix exist in one network: (R, C) bool."""
    probability = _probability(matrix)
    if bool(((probability == 0) | (probability >= 1)).all()):
        return probability > 0
    return WeightDraws(seed, number, matrix.name, matrix.rows, matrix.columns, MASKS).uniforms < probability


def permitted(matrix: Matrix) -> Tensor:
    """Return which connections of a matrix may exist in a network: (R, C) bool."""
    return _probability(matrix) > 0


def _probability(matrix: Matrix) -> Tensor:
    """Return the probability with which each connection exists: (R, C) float64."""
    probability = _paint(matrix, [b.density if b.present else 0.0 for b in matrix.blocks], torch.float64)
    if matrix.name == "w_rec":
        isolated = _paint(matrix, [not b.self_connections for b in matrix.blocks], torch.bool)
        probability[isolated & torch.eye(matrix.rows, dtype=torch.bool)] = 0.0
    return probability


def signs(matrix: Matrix) -> Tensor:
    """Return the sign of each entry, (R, C) float64: +1 or -1, or 0 for a free sign."""
    value = {"excitatory": 1.0, "inhibitory": -1.0, None: 0.0}
    return _paint(matrix, [value[block.sign] for block in matrix.blocks], torch.float64)


def _paint(matrix: Matrix, values: Sequence[float], dtype: torch.dtype) -> Tensor:
    """Return a matrix whose entries have the values of their blocks: (R, C)."""
    out = torch.zeros(matrix.rows, matrix.columns, dtype=dtype)
    for block, value in zip(matrix.blocks, values, strict=True):
        out[slice(*block.rows), slice(*block.columns)] = value
    return out


def matrices(program: Program) -> tuple[Matrix, ...]:
    return program.network.w_rec, program.network.w_in, program.network.w_out
