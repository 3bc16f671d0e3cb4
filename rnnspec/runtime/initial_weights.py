"""Initial weights: the raw weights from which training starts."""

from __future__ import annotations

import torch
from torch import Tensor

from rnnspec.program.nodes import Matrix, Program
from rnnspec.runtime.effective_weights import connections, matrices, signs
from rnnspec.runtime.weight_draws import WeightDraws


def initial_weights(
    program: Program,
    networks: int,
    seed: int,
    first_network: int = 0,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """Draw the raw weights from which training starts; those of network k depend only on (seed, k).

    w_rec (K, N, N), w_in (K, N, C_in), w_out (K, C_out, N), bias (K, N) and, if the program has one,
    readout_bias (K, C_out), which starts at 0.  Computed in float64, then rounded to dtype.  The raw weight
    is 0 where no connection exists, and |w| where the program fixes the sign.
    """
    numbers = range(first_network, first_network + networks)
    # One network at a time: so the number of networks cannot change even the order of a sum.
    each = [_network_weights(program, seed, number) for number in numbers]
    return {name: torch.stack([weights[name] for weights in each]).to(dtype) for name in each[0]}


def _network_weights(program: Program, seed: int, number: int) -> dict[str, Tensor]:
    network = program.network
    weights: dict[str, Tensor] = {
        matrix.name: _initial_matrix(matrix, seed, number) for matrix in matrices(program)
    }
    weights["bias"] = WeightDraws(seed, number, "bias", network.units, 1).draw(network.bias)[:, 0]
    if network.readout_bias:
        weights["readout_bias"] = torch.zeros(network.output_units, dtype=torch.float64)
    return weights


def _initial_matrix(matrix: Matrix, seed: int, number: int) -> Tensor:
    """Draw one raw matrix: blocks, then the mask, then the signs, then the spectral radius."""
    stream = WeightDraws(seed, number, matrix.name, matrix.rows, matrix.columns)
    weights = stream.draw(matrix.init)
    for block in matrix.blocks:
        if block.init is not None:
            weights[slice(*block.rows), slice(*block.columns)] = stream.draw(
                block.init, block.rows, block.columns
            )
    weights = torch.where(connections(matrix, seed, number), weights, 0.0)
    sign = signs(matrix)
    weights = torch.where(sign == 0, weights, weights.abs())
    if matrix.radius is not None:
        found = torch.linalg.eigvals(torch.where(sign == 0, weights, sign * weights)).abs().max()
        # A matrix whose eigenvalues are all 0, such as a feed-forward chain, cannot be scaled.
        if found > 0:
            weights = weights * (matrix.radius / found)
    return weights
