"""What the functions of an expression compute: the tables behind `interpret.evaluate`.

Numbers are (..., K', B), vectors have their units as a further axis, truth values are 1.0 and 0.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

from rnnspec.runtime import noise

#: The four random words of a call, each (K', B).
Words = tuple[Tensor, Tensor, Tensor, Tensor]


def _truth(value: Tensor) -> Tensor:
    return value.to(torch.float64)


def pick(values: Sequence[Tensor]) -> Tensor:
    index, *choices = values
    result = choices[-1]
    for place in reversed(range(len(choices) - 1)):
        result = torch.where(index == place, choices[place], result)
    return result


def _distance(values: Sequence[Tensor]) -> Tensor:
    apart = torch.remainder(values[0] - values[1], 2 * math.pi)
    return torch.minimum(apart, 2 * math.pi - apart)


def _angle(values: Sequence[Tensor]) -> Tensor:
    vector = values[0]
    preferred = _preferred_directions(vector.shape[-1], vector)
    sine, cosine = (vector * preferred.sin()).sum(-1), (vector * preferred.cos()).sum(-1)
    angle = torch.remainder(torch.atan2(sine, cosine), 2 * math.pi)
    # The remainder of a tiny negative angle is rounded to 2 pi itself.
    return torch.where(angle >= 2 * math.pi, torch.zeros_like(angle), angle)


def _ring(size: int | None, values: Sequence[Tensor]) -> Tensor:
    angle, width = (value.unsqueeze(-1) for value in values)
    preferred = _preferred_directions(size or 1, angle)
    return torch.exp(-0.5 * (_distance([angle, preferred]) / width) ** 2)


def _onehot(size: int | None, values: Sequence[Tensor]) -> Tensor:
    if size is None:
        return _truth(values[0] == 0)
    return _truth(values[0].unsqueeze(-1) == torch.arange(size, device=values[0].device))


def _preferred_directions(size: int, like: Tensor) -> Tensor:
    """psi_i = 2 pi i / n."""
    return 2 * math.pi * torch.arange(size, dtype=like.dtype, device=like.device) / size


#: Functions that make a vector of the channel's size.
CHANNEL: dict[str, Callable[[int | None, Sequence[Tensor]], Tensor]] = {"ring": _ring, "onehot": _onehot}

#: Functions that make a number of their arguments; `distance` has numbers, the others a vector.
DECODING: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "angle": _angle,
    "distance": _distance,
    "argmax": lambda v: v[0].argmax(-1).to(torch.float64),
}

ELEMENTWISE: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "add": lambda v: v[0] + v[1],
    "sub": lambda v: v[0] - v[1],
    "mul": lambda v: v[0] * v[1],
    "div": lambda v: v[0] / v[1],
    "mod": lambda v: torch.remainder(v[0], v[1]),
    "pow": lambda v: torch.pow(v[0], v[1]),
    "neg": lambda v: -v[0],
    "lt": lambda v: _truth(v[0] < v[1]),
    "le": lambda v: _truth(v[0] <= v[1]),
    "gt": lambda v: _truth(v[0] > v[1]),
    "ge": lambda v: _truth(v[0] >= v[1]),
    "eq": lambda v: _truth(v[0] == v[1]),
    "ne": lambda v: _truth(v[0] != v[1]),
    "and": lambda v: _truth((v[0] != 0) & (v[1] != 0)),
    "or": lambda v: _truth((v[0] != 0) | (v[1] != 0)),
    "not": lambda v: _truth(v[0] == 0),
    "where": lambda v: torch.where(v[0] != 0, v[1], v[2]),
    "min": lambda v: reduce(torch.minimum, v),
    "max": lambda v: reduce(torch.maximum, v),
    "abs": lambda v: v[0].abs(),
    "sqrt": lambda v: v[0].sqrt(),
    "exp": lambda v: v[0].exp(),
    "log": lambda v: v[0].log(),
    "sin": lambda v: v[0].sin(),
    "cos": lambda v: v[0].cos(),
    "tanh": lambda v: v[0].tanh(),
    "sign": lambda v: v[0].sign(),
    "floor": lambda v: v[0].floor(),
    "pick": pick,
}


def _uniform(words: Words) -> Tensor:
    return noise.uniforms(words[0]).to(torch.float64)


def _truncated_exponential(words: Words, arguments: Sequence[Tensor]) -> Tensor:
    """Invert F(x) = (1 - exp(-(x - low) / mean)) / (1 - exp(-(high - low) / mean)) on [low, high]."""
    mean, low, high = arguments
    return low - mean * torch.log1p(_uniform(words) * torch.expm1(-(high - low) / mean))


#: Random calls: the first word decides, or the first normal of the four words.
RANDOM: dict[str, Callable[[Words, Sequence[Tensor]], Tensor]] = {
    "uniform": lambda w, v: v[0] + (v[1] - v[0]) * _uniform(w),
    "normal": lambda w, v: v[0] + v[1] * noise.normals(w)[0].to(torch.float64),
    "choice": lambda w, v: pick([torch.floor(len(v) * _uniform(w)), *v]),
    "bernoulli": lambda w, v: _truth(_uniform(w) < v[0]),
    "integer": lambda w, v: v[0] + torch.floor((v[1] - v[0] + 1) * _uniform(w)),
    "exponential": _truncated_exponential,
}
