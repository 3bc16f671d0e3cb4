"""Random numbers: the counter-based generator Philox4x32-10, and the noise, jitter and draws made with it.

Every random number is a function of a key (seed, iteration, stream) and a counter (step, unit, sequence,
network).  There is no generator state.  So network k gets the same numbers in an ensemble as alone, and all
engines use the same random integers; the floating point numbers made from them agree up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import TypeVar

import torch
from torch import Tensor

from rnnspec.program.nodes import Program
from rnnspec.runtime.batch import Batch

#: In the counter, the network number of values that all networks share, and the trial of values that all
#: trials share.
SHARED = 2**32 - 1
#: The last iteration that has random numbers: a 32-bit word of the key holds iteration and one of 8 streams.
LAST_ITERATION = 2**29 - 1
#: In the counter, the step of the initial value of Ornstein-Uhlenbeck noise.
INITIAL = 2**32 - 1

Key = tuple[int, int]
Word = TypeVar("Word", int, Tensor)
Words = tuple[Word, Word, Word, Word]


class Stream(IntEnum):
    """Independent streams of random numbers, one for each use; part of the key."""

    NOISE = 0
    WHITE = 1
    DRAWS = 2
    JITTER = 3
    WEIGHTS = 4
    EVALUATION_NOISE = 5
    EVALUATION_WHITE = 6
    EVALUATION_DRAWS = 7


_EVALUATION = {
    Stream.NOISE: Stream.EVALUATION_NOISE,
    Stream.WHITE: Stream.EVALUATION_WHITE,
    Stream.DRAWS: Stream.EVALUATION_DRAWS,
}


def key(batch: Batch, purpose: Stream) -> Key:
    """Return the key of stream NOISE, WHITE, DRAWS or JITTER for a batch; evaluation has separate streams."""
    if batch.purpose != "train":
        purpose = _EVALUATION[purpose]
    return batch.seed, 8 * batch.iteration + purpose


def philox(counter: Words[Word], key: Key) -> Words[Word]:
    """Return the four random 32-bit words of a counter under a key: Philox4x32-10.

    counter: four words, either ints or int64 tensors that broadcast together; the result is of the same kind.
    Raises ValueError if the key is not a pair of 32-bit words.
    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
    """
    mask = 0xFFFFFFFF
    if not all(0 <= word <= mask for word in key):
        raise ValueError(f"the key {key} is not a pair of 32-bit words")
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        # int64 products wrap modulo 2^64, which keeps all their 64 bits; the mask removes the sign.
        p0 = c0 * 0xD2511F53
        p1 = c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32 & mask) ^ c1 ^ k0, p1 & mask, (p0 >> 32 & mask) ^ c3 ^ k1, p0 & mask
        k0 = k0 + 0x9E3779B9 & mask
        k1 = k1 + 0xBB67AE85 & mask
    return c0, c1, c2, c3


def uniform(word: int) -> float:
    """Convert a random word to a number in (0, 1): ((w >> 8) + 1/2) 2^-24."""
    return ((word >> 8) + 0.5) * 2.0**-24


def uniforms(word: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """Convert random words to numbers in (0, 1): ((w >> 8) + 1/2) 2^-24.

    Exact in float64.  In float32, numbers above 1/2 are rounded to multiples of 2^-24, the largest to 1.
    """
    return ((word >> 8).to(dtype) + 0.5) * 2.0**-24


def normals(words: Words[Tensor], dtype: torch.dtype = torch.float64) -> Words[Tensor]:
    """Convert four random words to four standard normal numbers (Box-Muller, computed in dtype).

    n0, n1 = R cos(2 pi u1), R sin(2 pi u1), R = sqrt(-2 ln u0); n2, n3 likewise from u2, u3.
    """
    u0, u1, u2, u3 = (uniforms(word, dtype) for word in words)
    r0, r2 = (-2.0 * u0.log()).sqrt(), (-2.0 * u2.log()).sqrt()
    angle1, angle3 = 2.0 * math.pi * u1, 2.0 * math.pi * u3
    return r0 * angle1.cos(), r0 * angle1.sin(), r2 * angle3.cos(), r2 * angle3.sin()


def jitter(program: Program, batch: Batch) -> tuple[int, ...] | None:
    """Draw the steps of length dt that are added to each epoch of each trial (trial-major), uniform in -J..J.

    Drawn once per batch: all sequences and networks share them.  None outside training or if no epoch has
    jitter.
    """
    timeline, dt = program.timeline, program.network.dt
    bounds = [epoch.jitter // dt for epoch in timeline.epochs]
    if batch.purpose != "train" or not any(bounds):
        return None
    draws = []
    for segment in range(timeline.trials * len(bounds)):
        bound = bounds[segment % len(bounds)]
        word = philox((segment, 0, 0, SHARED), key(batch, Stream.JITTER))[0]
        draws.append(math.floor((2 * bound + 1) * uniform(word)) - bound)
    return tuple(draws)


def draw_words(
    batch: Batch,
    call: int,
    trials: Sequence[int] | None,
    networks: int | None,
    device: torch.device | str = "cpu",
) -> Words[Tensor]:
    """Return the four random words of a random call in a draw, each (K', B, trials).

    call: Random.call.  trials: None for a value drawn once per sequence (the last axis is then 1).
    networks: None for a value that all networks share (the first axis is then 1).
    """
    trial = _axis([SHARED] if trials is None else trials, device)
    counter = (
        _axis([call], device),
        trial,
        _sequences(batch, device)[:, None],
        _networks(batch, networks, device),
    )
    return philox(_broadcast(counter), key(batch, Stream.DRAWS))


def white_input(
    program: Program,
    batch: Batch,
    call: int,
    columns: range,
    steps: Tensor,
    networks: int | None,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return white(1) on some input units, N(0, 1) / sqrt(dt theta / 1 s): (K', B, T, columns).

    call: White.call.  columns: of w_in.  steps: (T,), or (B, T) if sequences differ: the numbers of the steps
    in the sequence, burn-in included.  networks: None for noise that all networks share (K' is then 1).
    """
    device = steps.device
    counter = (
        steps[..., None],
        call * 2**16 + _blocks(columns, device),
        _sequences(batch, device)[:, None, None],
        _networks(batch, networks, device)[..., None],
    )
    values = _per_unit(normals(philox(_broadcast(counter), key(batch, Stream.WHITE)), dtype), columns)
    return values / math.sqrt(program.network.dt * batch.stage.theta)


def process_noise(
    program: Program,
    batch: Batch,
    steps: int,
    networks: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Tensor | None:
    """Return the noise term inside f for steps 0 to `steps` - 1: (K, B, T, N), or None without noise."""
    if program.network.noise.kind == "none":
        return None
    each = noise_steps(program, batch, networks, dtype, device)
    shape = (networks, batch.sequences, steps, program.network.units)
    out = torch.empty(shape, dtype=dtype, device=device)
    for step in range(steps):
        out[:, :, step] = next(each)
    return out


def noise_steps(
    program: Program,
    batch: Batch,
    networks: int,
    dtype: torch.dtype = torch.float64,
    device: torch.device | str = "cpu",
) -> Iterator[Tensor]:
    """Yield the noise term inside f for steps 0, 1, ... without end: (K, B, N) each.

    ou:     scale eta(s), eta(s+1) = (1 - a) eta(s) + sqrt(2 a) xi(s+1), a = dt theta / tau_n, eta(0) = xi.
    white:  scale sqrt(2 tau / (dt theta)) xi(s).

    xi: independent standard normal numbers.  tau: of the unit.  tau_n: of the noise.
    """
    network, theta = program.network, batch.stage.theta
    noise, dt = network.noise, network.dt * theta

    def xi(step: int) -> Tensor:
        return _standard(batch, step, network.units, networks, dtype, device)

    if noise.kind == "ou":
        a = float(dt / noise.tau)
        eta = xi(INITIAL)
        for step in range(1, INITIAL):
            yield noise.scale * eta
            eta = (1.0 - a) * eta + math.sqrt(2.0 * a) * xi(step)
    if noise.kind == "white":
        sizes = [
            noise.scale * math.sqrt(2 * p.tau / dt)
            for p in network.populations
            for _ in range(p.start, p.stop)
        ]
        size = torch.tensor(sizes, dtype=dtype, device=device)
        for step in range(INITIAL):
            yield size * xi(step)
    nothing = torch.zeros(networks, batch.sequences, network.units, dtype=dtype, device=device)
    while True:
        yield nothing


def _standard(
    batch: Batch, step: int, units: int, networks: int, dtype: torch.dtype, device: torch.device | str
) -> Tensor:
    """Return the standard normal numbers of one step: (K, B, N)."""
    counter = (
        _axis([step], device),
        _blocks(range(units), device),
        _sequences(batch, device)[:, None],
        _networks(batch, networks, device),
    )
    return _per_unit(normals(philox(_broadcast(counter), key(batch, Stream.NOISE)), dtype), range(units))


def _per_unit(numbers: Words[Tensor], units: range) -> Tensor:
    """Select number `unit % 4` of the four that the counter of each unit gives: four (..., units) to one."""
    number = torch.tensor([unit % 4 for unit in units], device=numbers[0].device)
    return torch.stack(numbers, -1)[..., torch.arange(len(units), device=number.device), number]


def _blocks(units: range, device: torch.device | str) -> Tensor:
    return _axis([unit // 4 for unit in units], device)


def _sequences(batch: Batch, device: torch.device | str) -> Tensor:
    return torch.arange(batch.sequences, device=device)


def _networks(batch: Batch, networks: int | None, device: torch.device | str) -> Tensor:
    """Return the numbers of the networks in the whole ensemble, (K', 1, 1)."""
    numbers = [SHARED] if networks is None else range(batch.first_network, batch.first_network + networks)
    return _axis(numbers, device)[:, None, None]


def _axis(values: Sequence[int], device: torch.device | str) -> Tensor:
    return torch.tensor(list(values), dtype=torch.int64, device=device)


def _broadcast(counter: Words[Tensor]) -> Words[Tensor]:
    c0, c1, c2, c3 = torch.broadcast_tensors(*counter)  # type: ignore[no-untyped-call]
    return c0, c1, c2, c3
