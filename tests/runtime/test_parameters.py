"""Initial and effective weights against their definitions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from runtime.builders import block, distribution, matrix, network, program
from torch import Tensor

from rnnspec.program.nodes import Block, Distribution, InputChannel, Program
from rnnspec.runtime.effective_weights import Structure, effective, structure
from rnnspec.runtime.initial_weights import initial_weights
from rnnspec.runtime.noise import normals, philox

F64 = torch.float64
NORMAL = distribution("normal", 0.0, 1.0)


def recurrent(units: int, init: Distribution, *blocks: Block, **changes: Any) -> Program:
    """Return a program whose w_rec is as said."""
    return program(net=network(units, w_rec=matrix("w_rec", units, units, init, *blocks, **changes)))


def w_rec(spec: Program, networks: int = 1, seed: int = 3, first: int = 0) -> Tensor:
    return initial_weights(spec, networks, seed, first, F64)["w_rec"]


def standard(index: int, tensor: int, net: int, seed: int = 3) -> float:
    """Return the standard normal number of an entry the long way."""
    words = philox((index // 4, tensor, 0, net), (seed, 4))
    one, two = words[index % 4 // 2 * 2], words[index % 4 // 2 * 2 + 1]
    radius = math.sqrt(-2 * math.log((one // 256 + 0.5) / 2**24))
    angle = 2 * math.pi * (two // 256 + 0.5) / 2**24
    return radius * (math.cos(angle) if index % 2 == 0 else math.sin(angle))


def uniform(index: int, tensor: int, net: int, seed: int = 3) -> float:
    return (philox((index // 4, tensor, 0, net), (seed, 4))[index % 4] // 256 + 0.5) / 2**24


# --- distributions -----------------------------------------------------------------------------------


def test_shapes_and_tensors() -> None:
    channel = InputChannel((), "stimulus", 0, 3, False, ("all",))
    net = network(5, inputs=(channel,), w_in=matrix("w_in", 5, 3, NORMAL), readout_bias=True)
    weights = initial_weights(program(net=net), 7, 0)
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "w_rec": (7, 5, 5),
        "w_in": (7, 5, 3),
        "w_out": (7, 2, 5),
        "bias": (7, 5),
        "readout_bias": (7, 2),
    }
    assert all(w.dtype == torch.float32 for w in weights.values())
    assert not weights["readout_bias"].any()
    plain = initial_weights(program(), 2, 0)
    assert "readout_bias" not in plain
    assert plain["w_in"].shape == (2, 4, 0)


def test_normal_by_hand() -> None:
    channel = InputChannel((), "stimulus", 0, 3, False, ("all",))
    net = network(
        5,
        inputs=(channel,),
        w_rec=matrix("w_rec", 5, 5, distribution("normal", 0.5, 2.0)),
        w_in=matrix("w_in", 5, 3, NORMAL),
        w_out=matrix("w_out", 2, 5, NORMAL),
        bias=distribution("normal", -1.0, 0.1),
    )
    weights = initial_weights(program(net=net), 3, 3, 10, F64)
    for k, row, column in [(0, 0, 0), (2, 4, 4), (1, 3, 2)]:
        expected = 0.5 + 2.0 * standard(5 * row + column, 0, 10 + k)
        assert float(weights["w_rec"][k, row, column]) == pytest.approx(expected, abs=1e-13)
    assert float(weights["w_in"][1, 4, 2]) == pytest.approx(standard(14, 1, 11), abs=1e-13)
    assert float(weights["w_out"][1, 1, 3]) == pytest.approx(standard(8, 2, 11), abs=1e-13)
    assert float(weights["bias"][2, 4]) == pytest.approx(-1.0 + 0.1 * standard(4, 3, 12), abs=1e-13)
    rounded = initial_weights(program(net=net), 3, 3, 10)
    assert torch.equal(rounded["w_rec"], weights["w_rec"].float())


def test_uniform_by_hand() -> None:
    weights = w_rec(recurrent(5, distribution("uniform", -1.0, 3.0)), 2)
    assert float(weights[1, 3, 4]) == -1.0 + 4.0 * uniform(19, 0, 1)
    many = w_rec(recurrent(50, distribution("uniform", -1.0, 3.0)), 4)
    assert float(many.mean()) == pytest.approx(1.0, abs=5 * 4 / math.sqrt(12 * many.numel()))
    assert float(many.min()) > -1.0
    assert float(many.max()) < 3.0


def test_zeros_and_identity() -> None:
    assert not w_rec(recurrent(4, distribution("zeros"))).any()
    assert torch.equal(w_rec(recurrent(4, distribution("identity", 0.7)))[0], 0.7 * torch.eye(4, dtype=F64))
    # In a block of its own the identity begins at the block's corner.
    inner = block((0, 2), (2, 4), init=distribution("identity", 3.0))
    rest = (block((0, 2), (0, 2)), block((2, 4), (0, 4)))
    weights = w_rec(recurrent(4, distribution("zeros"), inner, *rest))[0]
    assert weights.nonzero().tolist() == [[0, 2], [1, 3]]


@pytest.mark.parametrize(("shape", "scale"), [(2.5, 0.4), (1.0, 2.0), (0.5, 1.0), (0.1, 3.0), (30.0, 0.1)])
def test_gamma_moments(shape: float, scale: float) -> None:
    values = w_rec(recurrent(100, distribution("gamma", shape, scale)), 5).flatten() / scale
    n = values.numel()
    # E x^m = shape (shape + 1) ... (shape + m - 1); the error of a mean is sqrt((E x^2m - (E x^m)^2) / n).
    moments = [math.gamma(shape + m) / math.gamma(shape) for m in range(7)]
    for m in (1, 2, 3):
        error = math.sqrt((moments[2 * m] - moments[m] ** 2) / n)
        assert float((values**m).mean()) == pytest.approx(moments[m], abs=4.5 * error)
    assert float(values.min()) >= 0


def test_gamma_of_shape_one_is_exponential() -> None:
    values = w_rec(recurrent(100, distribution("gamma", 1.0, 2.0)), 5).flatten()
    for x in (0.1, 1.0, 3.0, 8.0):
        below = 1 - math.exp(-x / 2)
        error = math.sqrt(below * (1 - below) / values.numel())
        assert float((values < x).double().mean()) == pytest.approx(below, abs=4.5 * error)


def test_gamma_by_hand() -> None:
    """Marsaglia & Tsang with the counters (flat index, attempt << 16 | tensor, 0, network)."""

    def draw(index: int, shape: float) -> tuple[float, int]:
        d = (shape + (shape < 1)) - 1 / 3
        for attempt in range(1, 100):
            words = philox((index, attempt * 65536, 0, 1), (3, 4))
            u = [(word // 256 + 0.5) / 2**24 for word in words]
            x = math.sqrt(-2 * math.log(u[0])) * math.cos(2 * math.pi * u[1])
            v = (1 + x / math.sqrt(9 * d)) ** 3
            if v > 0 and math.log(u[2]) < x * x / 2 + d - d * v + d * math.log(v):
                return d * v * (u[3] ** (1 / shape) if shape < 1 else 1), attempt
        raise AssertionError

    for shape in (0.6, 1.3):
        weights = w_rec(recurrent(12, distribution("gamma", shape, 2.0)), 2)[1].flatten()
        drawn = [draw(index, shape) for index in range(144)]
        assert max(attempt for _, attempt in drawn) > 1
        assert weights.tolist() == pytest.approx([2.0 * value for value, _ in drawn], rel=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(6, 6), (2, 6)])
def test_orthogonal(rows: int, columns: int) -> None:
    net = network(columns, w_rec=matrix("w_rec", columns, columns, NORMAL))
    w_out = matrix("w_out", rows, columns, distribution("orthogonal", 1.5))
    weights = initial_weights(program(net=replace(net, w_out=w_out)), 3, 3, dtype=F64)["w_out"]
    product = weights @ weights.transpose(1, 2)
    assert torch.allclose(product, 2.25 * torch.eye(rows, dtype=F64).expand(3, -1, -1), atol=1e-12)


def test_orthogonal_is_gram_schmidt_of_the_gaussian() -> None:
    # Gram-Schmidt of the columns from the left leaves each with a positive part along what it came from.
    weights = w_rec(recurrent(3, distribution("orthogonal", 1.0)))[0]
    gaussian = torch.tensor([[standard(3 * i + j, 0, 0) for j in range(3)] for i in range(3)], dtype=F64)
    expected: list[Tensor] = []
    for column in gaussian.T:
        rest = column - sum((column @ e) * e for e in expected)
        expected.append(rest / rest.norm())
    assert torch.allclose(weights, torch.stack(expected, 1), atol=1e-12)


def test_a_tall_orthogonal_block_has_orthonormal_columns() -> None:
    tall = block((0, 4), (0, 2), init=distribution("orthogonal", 1.0))
    weights = w_rec(recurrent(4, NORMAL, tall, block((0, 4), (2, 4))))[0, :, :2]
    assert torch.allclose(weights.T @ weights, torch.eye(2, dtype=F64), atol=1e-12)


def test_a_distribution_nobody_knows() -> None:
    with pytest.raises(ValueError, match="unknown distribution 'cauchy'"):
        w_rec(recurrent(4, distribution("cauchy", 1.0)))


# --- blocks, masks, signs, radius --------------------------------------------------------------------


def test_a_block_draws_from_the_same_numbers() -> None:
    whole = w_rec(recurrent(5, NORMAL))[0]
    inner = block((1, 3), (2, 5), init=distribution("normal", 1.0, 0.5))
    rest = (block((0, 1), (0, 5)), block((1, 3), (0, 2)), block((3, 5), (0, 5)))
    weights = w_rec(recurrent(5, NORMAL, inner, *rest))[0]
    expected = whole.clone()
    expected[1:3, 2:5] = 1.0 + 0.5 * whole[1:3, 2:5]
    assert torch.equal(weights, expected)


def test_absent_blocks_and_the_diagonal_are_masked() -> None:
    spec = recurrent(
        4,
        NORMAL,
        block((0, 2), (0, 2), self_connections=False),
        block((0, 2), (2, 4), present=False),
        block((2, 4), (0, 2), self_connections=False),
        block((2, 4), (2, 4)),
    )
    mask = structure(spec, 5, 3).matrices["w_rec"].mask
    assert mask is not None
    assert mask.int().tolist() == [[[0, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]]]
    weights = w_rec(spec, 5)
    assert torch.equal(weights != 0, mask.expand(5, -1, -1))


def test_only_the_recurrent_matrix_has_a_diagonal() -> None:
    square = matrix("w_out", 2, 2, NORMAL, block((0, 2), (0, 2), self_connections=False))
    spec = program(net=network(2, w_out=square))
    assert structure(spec, 1, 0).matrices["w_out"].mask is None


def test_density_is_drawn_per_network() -> None:
    halves = (block((0, 40), (0, 20), density=0.3, self_connections=False), block((0, 40), (20, 40)))
    spec = recurrent(40, NORMAL, *halves)
    mask = structure(spec, 10, 3, 5).matrices["w_rec"].mask
    assert mask is not None
    assert mask.shape == (10, 40, 40)
    assert bool(mask[:, :, 20:].all())
    for row in range(40):
        drawn_by_hand = [row != column and uniform(40 * row + column, 8, 9) < 0.3 for column in range(20)]
        assert mask[4, row, :20].tolist() == drawn_by_hand
    assert not mask[:, range(20), range(20)].any()
    off = ~torch.eye(40, dtype=torch.bool)[:, :20]
    drawn = mask[:, :, :20][:, off].double()
    assert float(drawn.mean()) == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / drawn.numel()))
    assert torch.equal(w_rec(spec, 10, first=5) != 0, mask)
    # The weights that are left are those of the full matrix.
    full = w_rec(recurrent(40, NORMAL), 10, first=5)
    assert torch.equal(w_rec(spec, 10, first=5), torch.where(mask, full, 0.0))


DALE = (
    block((0, 4), (0, 2), sign="excitatory"),
    block((0, 4), (2, 3), sign="inhibitory"),
    block((0, 4), (3, 4)),
)


def test_signs() -> None:
    spec = recurrent(4, NORMAL, *DALE)
    plain = w_rec(recurrent(4, NORMAL))
    raw = initial_weights(spec, 1, 3, dtype=F64)
    assert torch.equal(raw["w_rec"][:, :, :3], plain[:, :, :3].abs())
    assert torch.equal(raw["w_rec"][:, :, 3], plain[:, :, 3])
    shape = structure(spec, 1, 3)
    assert shape.matrices["w_rec"].sign is not None
    assert shape.matrices["w_rec"].sign.tolist() == [[1, 1, -1, 0]] * 4
    for dale in ("relu", "abs"):
        weights = effective(raw, shape, dale)["w_rec"]
        expected = torch.stack(
            [plain[..., 0].abs(), plain[..., 1].abs(), -plain[..., 2].abs(), plain[..., 3]], -1
        )
        assert torch.equal(weights, expected)


def test_relu_and_abs_differ_once_a_raw_weight_is_negative() -> None:
    raw = torch.tensor([[[-0.5, 2.0, -3.0, -1.0]]], dtype=F64).expand(1, 4, 4).clone().requires_grad_()
    shape = structure(recurrent(4, NORMAL, *DALE), 1, 3)
    cases: list[tuple[Literal["relu", "abs"], list[float], list[float]]] = [
        ("relu", [0.0, 2.0, 0.0, -1.0], [0.0, 1.0, 0.0, 1.0]),
        ("abs", [0.5, 2.0, -3.0, -1.0], [-1.0, 1.0, 1.0, 1.0]),
    ]
    for dale, values, slopes in cases:
        weights = effective({"w_rec": raw}, _only(shape, "w_rec"), dale)["w_rec"]
        assert weights[0, 0].tolist() == values
        (gradient,) = torch.autograd.grad(weights.sum(), raw)
        assert gradient[0, 0].tolist() == slopes


def test_frozen_and_masked_entries_get_no_gradient() -> None:
    blocks = (
        block((0, 2), (0, 2), trainable=False),
        block((0, 2), (2, 4), present=False),
        block((2, 4), (0, 4), self_connections=False),
    )
    spec = recurrent(4, NORMAL, *blocks)
    raw = {name: w.requires_grad_() for name, w in initial_weights(spec, 2, 3, dtype=F64).items()}
    weights = effective(raw, structure(spec, 2, 3), "relu")
    assert torch.equal(weights["w_rec"], raw["w_rec"])
    (gradient,) = torch.autograd.grad(weights["w_rec"].sum(), raw["w_rec"])
    assert gradient.int().tolist() == [[[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 1], [1, 1, 1, 0]]] * 2


def test_masked_entries_are_zero_whatever_the_raw_weight_is() -> None:
    spec = recurrent(2, NORMAL, block((0, 1), (0, 2), present=False), block((1, 2), (0, 2)))
    raw = torch.tensor([[[math.nan, 5.0], [1.0, 2.0]]])
    assert effective({"w_rec": raw}, _only(structure(spec, 1, 3), "w_rec"), "relu")["w_rec"].tolist() == [
        [[0.0, 0.0], [1.0, 2.0]]
    ]


def test_effective_gradients_agree_with_finite_differences() -> None:
    blocks = (
        block((0, 4), (0, 1), sign="excitatory", trainable=False),
        block((0, 4), (1, 3), sign="inhibitory", density=0.7, self_connections=False),
        block((0, 4), (3, 4)),
    )
    spec = recurrent(4, NORMAL, *blocks)
    shape = _only(structure(spec, 2, 3), "w_rec")
    start = w_rec(spec, 2)
    free = torch.ones(4, 4, dtype=torch.bool)
    free[:, 0] = False  # finite differences would see the frozen ones move

    def trained(values: Tensor) -> Tensor:
        raw = start.masked_scatter(free.expand(2, 4, 4), values)
        return effective({"w_rec": raw}, shape, "relu")["w_rec"]

    nudged = (start[:, free] + 0.1).flatten().requires_grad_()
    assert torch.autograd.gradcheck(trained, nudged)


def test_plain_weights_are_returned_as_they_are() -> None:
    spec = program(net=network(readout_bias=True))
    raw = initial_weights(spec, 2, 3)
    weights = effective(raw, structure(spec, 2, 3), "relu")
    assert weights.keys() == raw.keys()
    assert all(weights[name] is raw[name] for name in raw)


def test_structure_keeps_the_dtype_of_the_weights() -> None:
    spec = recurrent(4, NORMAL, *DALE[:2], replace(DALE[2], density=0.5, trainable=False))
    for dtype in (torch.float32, F64):
        raw = initial_weights(spec, 2, 3, dtype=dtype)
        weights = effective(raw, structure(spec, 2, 3), "abs")["w_rec"]
        assert weights.dtype == dtype
        assert not torch.equal(weights, raw["w_rec"])
        assert torch.equal(effective(raw, structure(spec, 2, 3).to("cpu"), "abs")["w_rec"], weights)


def test_spectral_radius_of_the_assembled_matrix() -> None:
    blocks = (
        block((0, 20), (0, 15), sign="excitatory", density=0.5),
        block((0, 20), (15, 20), sign="inhibitory", init=distribution("gamma", 2.0, 0.5), trainable=False),
    )
    spec = recurrent(20, NORMAL, *blocks, radius=0.9)
    raw = initial_weights(spec, 3, 3, dtype=F64)
    weights = effective(raw, structure(spec, 3, 3), "relu")["w_rec"]
    radii = torch.linalg.eigvals(weights).abs().amax(-1)
    assert radii.tolist() == pytest.approx([0.9] * 3, abs=1e-12)
    # One factor for the whole matrix.
    unscaled = w_rec(recurrent(20, NORMAL, *blocks), 3)
    ratio = (raw["w_rec"] / unscaled)[0][unscaled[0] != 0]
    assert torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-12)


def test_a_matrix_without_eigenvalues_is_not_scaled() -> None:
    assert not w_rec(recurrent(4, distribution("zeros"), radius=0.9)).any()
    # The first two units drive the others and nothing drives them: all eigenvalues are 0.
    chain = (
        block((0, 2), (0, 4), present=False),
        block((2, 4), (0, 2)),
        block((2, 4), (2, 4), present=False),
    )
    assert torch.equal(w_rec(recurrent(4, NORMAL, *chain, radius=0.9)), w_rec(recurrent(4, NORMAL, *chain)))


# --- networks ----------------------------------------------------------------------------------------


def everything() -> Program:
    blocks = (
        block((0, 10), (0, 4), init=distribution("gamma", 0.7, 1.0), sign="excitatory", density=0.5),
        block((0, 10), (4, 7), init=distribution("uniform", -1.0, 1.0), sign="inhibitory"),
        block((0, 10), (7, 10), init=distribution("orthogonal", 1.0), self_connections=False),
    )
    w_out = matrix("w_out", 2, 10, distribution("orthogonal", 1.0))
    bias = distribution("gamma", 2.0, 1.0)
    return program(
        net=network(10, w_rec=matrix("w_rec", 10, 10, NORMAL, *blocks, radius=1.1), w_out=w_out, bias=bias)
    )


def test_a_network_alone_is_that_network_of_a_hundred() -> None:
    together, alone = initial_weights(everything(), 100, 3), initial_weights(everything(), 1, 3, 61)
    for name in together:
        assert torch.equal(together[name][61:62], alone[name])
    masks = [structure(everything(), *which).matrices["w_rec"].mask for which in ((100, 3), (1, 3, 61))]
    assert masks[0] is not None
    assert masks[1] is not None
    assert torch.equal(masks[0][61:62], masks[1])


def test_networks_and_seeds_differ() -> None:
    weights = initial_weights(everything(), 2, 3)
    other = initial_weights(everything(), 2, 4)
    for name in ("w_rec", "w_out", "bias"):
        assert not torch.equal(weights[name][0], weights[name][1])
        assert not torch.equal(weights[name], other[name])


def test_gamma_shares_no_counter_with_the_plain_numbers() -> None:
    # Attempt 0 is the plain stream; a gamma block beside a normal one must not repeat its numbers.
    zero = torch.tensor(0)
    first = normals(philox((zero, zero, zero, zero), (3, 4)))[0]
    gamma = w_rec(recurrent(1, distribution("gamma", 5.0, 1.0)))
    d = 5.0 - 1 / 3
    assert float(gamma) != pytest.approx(float(d * (1 + first / math.sqrt(9 * d)) ** 3))


def _only(shape: Structure, name: str) -> Structure:
    return Structure({name: shape.matrices[name]})
