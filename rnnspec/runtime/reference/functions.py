"""The functions of expressions in torch: the tables of `interpret.evaluate`.

Numbers are (..., K', B).  Vectors have their units as an additional last axis.  Truth values are 1.0 and 0.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

from rnnspec.runtime import noise

#: The four random words of a call, each (K', B).
Words = tuple[Tensor, Tensor, Tensor, Tensor]


def _truth(value: Tensor) -> Tensor:
    return value.to(torch.float64)


def _test(comparison: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda *values: _truth(comparison(*values))


def pick(index: Tensor, *choices: Tensor) -> Tensor:
    """Return the value at an index, counted from 0; the last value for any other index."""
    result = choices[-1]
    for place in reversed(range(len(choices) - 1)):
        result = torch.where(index == place, choices[place], result)
    return result


def _distance(a: Tensor, b: Tensor) -> Tensor:
    apart = torch.remainder(a - b, 2 * math.pi)
    return torch.minimum(apart, 2 * math.pi - apart)


#: Operators and functions of numbers, or of vectors unit by unit.
ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "mod": torch.remainder,
    "pow": torch.pow,
    "neg": torch.neg,
    "lt": _test(torch.lt),
    "le": _test(torch.le),
    "gt": _test(torch.gt),
    "ge": _test(torch.ge),
    "eq": _test(torch.eq),
    "ne": _test(torch.ne),
    "and": _test(torch.logical_and),
    "or": _test(torch.logical_or),
    "not": _test(torch.logical_not),
    "where": lambda condition, a, b: torch.where(condition != 0, a, b),
    "pick": pick,
    "min": lambda *values: reduce(torch.minimum, values),
    "max": lambda *values: reduce(torch.maximum, values),
    "abs": torch.abs,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "log": torch.log,
    "sin": torch.sin,
    "cos": torch.cos,
    "tanh": torch.tanh,
    "floor": torch.floor,
    "sign": torch.sign,
    "distance": _distance,
    "atan2": torch.atan2,
}

# --- vectors -----------------------------------------------------------------------------------------


def _preferred_directions(size: int, like: Tensor) -> Tensor:
    """psi_i = 2 pi i / n."""
    return 2 * math.pi * torch.arange(size, dtype=like.dtype, device=like.device) / size


def _ring(size: int | None, angle: Tensor, width: Tensor) -> Tensor:
    angle, width = angle.unsqueeze(-1), width.unsqueeze(-1)
    preferred = _preferred_directions(size or 1, angle)
    return torch.exp(-0.5 * (_distance(angle, preferred) / width) ** 2)


def _onehot(size: int | None, index: Tensor) -> Tensor:
    if size is None:
        return _truth(index == 0)
    return _truth(index.unsqueeze(-1) == torch.arange(size, device=index.device))


def _angle(vector: Tensor) -> Tensor:
    preferred = _preferred_directions(vector.shape[-1], vector)
    sine, cosine = (vector * preferred.sin()).sum(-1), (vector * preferred.cos()).sum(-1)
    angle = torch.remainder(torch.atan2(sine, cosine), 2 * math.pi)
    # The remainder of a tiny negative angle is rounded to 2 pi itself.
    return torch.where(angle >= 2 * math.pi, torch.zeros_like(angle), angle)


#: Functions that make a vector for a channel: of its size, None for a single unit, and of numbers.
FOR_CHANNEL: dict[str, Callable[..., Tensor]] = {"ring": _ring, "onehot": _onehot}

#: Functions that make a number of a vector.
OF_VECTOR: dict[str, Callable[[Tensor], Tensor]] = {
    "angle": _angle,
    "argmax": lambda vector: vector.argmax(-1).to(torch.float64),
}

# --- random calls ------------------------------------------------------------------------------------


def _uniform(words: Words) -> Tensor:
    return noise.uniforms(words[0]).to(torch.float64)


def _truncated_exponential(words: Words, mean: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Invert F(x) = (1 - exp(-(x - low) / mean)) / (1 - exp(-(high - low) / mean)) on [low, high]."""
    return low - mean * torch.log1p(_uniform(words) * torch.expm1(-(high - low) / mean))


#: Random calls: the first word decides, or the first normal of the four words.
RANDOM: dict[str, Callable[..., Tensor]] = {
    "uniform": lambda words, low, high: low + (high - low) * _uniform(words),
    "normal": lambda words, mean, sd: mean + sd * noise.normals(words)[0].to(torch.float64),
    "choice": lambda words, *values: pick(torch.floor(len(values) * _uniform(words)), *values),
    "bernoulli": lambda words, p: _truth(_uniform(words) < p),
    "integer": lambda words, low, high: low + torch.floor((high - low + 1) * _uniform(words)),
    "exponential": _truncated_exponential,
}
