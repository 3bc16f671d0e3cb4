"""The layout of the outputs in the kernel: bands of adjacent outputs with one activation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from rnnspec.codegen.cpp.activations import vector_function
from rnnspec.codegen.render import checked
from rnnspec.program.nodes import OutputChannel
from rnnspec.spec.activations import ACTIVATIONS


@dataclass(frozen=True)
class Band:
    """Adjacent output channels with the same activation; a softmax is a band of its own.

    first: the row of W_out of the first output.  count: the number of outputs.  names, offsets: the channels,
    and where each begins within the band.
    """

    first: int
    count: int
    activation: str
    softmax: bool
    names: tuple[str, ...]
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """Where an output channel is: the number of its band, and where it begins within that."""

    name: str
    band: int
    offset: int


def bands_of(channels: Sequence[OutputChannel]) -> tuple[Band, ...]:
    """Return the bands of all outputs, in order."""
    groups: list[list[OutputChannel]] = []
    for channel in channels:
        if not groups or _is_softmax(channel) or not _alike(channel, groups[-1][-1]):
            groups.append([])
        groups[-1].append(channel)
    return tuple(_band(group) for group in groups)


def places_of(bands: Sequence[Band]) -> tuple[Place, ...]:
    """Return the place of each output channel, in order."""
    return tuple(
        Place(checked(name), number, offset)
        for number, band in enumerate(bands)
        for name, offset in zip(band.names, band.offsets, strict=True)
    )


def _band(channels: Sequence[OutputChannel]) -> Band:
    softmax = _is_softmax(channels[0])
    *offsets, count = accumulate((c.stop - c.start for c in channels), initial=0)
    return Band(
        first=channels[0].start,
        count=count,
        activation="" if softmax else vector_function(channels[0].activation).name,
        softmax=softmax,
        names=tuple(channel.name for channel in channels),
        offsets=tuple(offsets),
    )


def _is_softmax(channel: OutputChannel) -> bool:
    return ACTIVATIONS[channel.activation.name].distribution


def _alike(one: OutputChannel, other: OutputChannel) -> bool:
    """Return whether two channels have the same activation."""
    a, b = one.activation, other.activation
    return (a.name, a.arguments) == (b.name, b.arguments)
