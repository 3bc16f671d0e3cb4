"""Alignment: one timetable for sequences whose durations differ.

Each segment has as many steps as in the longest sequence.  Shorter sequences wait at its end, so that all
sequences begin the next segment together.  A waiting sequence does not change, so each sequence evolves
exactly as it would alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnspec.runtime.schedule import Landing, Timetable


@dataclass(frozen=True)
class AlignedSegment:
    """A segment of all sequences.

    start, steps: in aligned steps.  clocks, lengths: start and steps of each sequence, in its own steps.
    """

    epoch: int
    trial: int
    start: int
    steps: int
    grace: int
    gradient: bool
    clocks: tuple[int, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class AlignedLanding:
    """A landing of some sequences.

    state, source, increment_step: aligned.  length: in the sequences' own steps, without waiting.
    """

    state: int
    source: int
    increment_step: int | None
    length: int
    edge: int
    sequences: tuple[int, ...]


@dataclass(frozen=True)
class Aligned:
    """Aligned timetables.

    steps: for each sequence, the aligned numbers of its own steps.  lengths: the number of own steps of each.
    """

    segments: tuple[AlignedSegment, ...]
    landings: tuple[AlignedLanding, ...]
    steps: tuple[tuple[int, ...], ...]

    @property
    def lengths(self) -> tuple[int, ...]:
        return tuple(len(steps) for steps in self.steps)


def align(tables: Sequence[Timetable]) -> Aligned:
    """Align the timetables of the sequences of one batch, which have the same segments in the same order."""
    segments = []
    start = 0
    for each in zip(*(table.segments for table in tables), strict=True):
        first, lengths = each[0], tuple(segment.steps for segment in each)
        clocks = tuple(segment.start for segment in each)
        steps = max(lengths)
        segments.append(
            AlignedSegment(
                first.epoch, first.trial, start, steps, first.grace, first.gradient, clocks, lengths
            )
        )
        start += steps
    steps_of = tuple(
        tuple(s.start + k for s in segments for k in range(s.lengths[b])) for b in range(len(tables))
    )
    return Aligned(tuple(segments), _align_landings(tables, steps_of), steps_of)


def _align_landings(
    tables: Sequence[Timetable], steps: Sequence[tuple[int, ...]]
) -> tuple[AlignedLanding, ...]:
    """Merge equal landings of several sequences; the order of landings in each sequence does not change."""
    shared: dict[tuple[int, int, AlignedLanding], list[int]] = {}
    for b, table in enumerate(tables):
        rank, last = 0, None
        for landing in table.landings:
            # Of the landings on one state, the first is merged with the first of other sequences, and so on.
            rank = rank + 1 if landing.state == last else 0
            last = landing.state
            aligned = _align_landing(landing, steps[b])
            shared.setdefault((aligned.state, rank, aligned), []).append(b)
    order = sorted(shared.items(), key=lambda item: (item[0][0], item[0][1], item[1]))
    return tuple(
        AlignedLanding(one.state, one.source, one.increment_step, one.length, one.edge, tuple(sequences))
        for (_, _, one), sequences in order
    )


def _align_landing(landing: Landing, steps: tuple[int, ...]) -> AlignedLanding:
    def state(number: int) -> int:
        # State s + 1 follows step s.
        return steps[number - 1] + 1 if number else 0

    increment = None if landing.increment_step is None else steps[landing.increment_step]
    return AlignedLanding(
        state(landing.state),
        state(landing.source),
        increment,
        landing.length,
        landing.edge,
        (),
    )
