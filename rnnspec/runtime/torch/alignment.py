"""Alignment: the timetables of sequences that differ in their durations, laid over one another.

Each segment lasts as long as in the longest sequence; the others are held at its end, and go on with
the next segment together.  So a batch is simulated step by step, and every sequence still evolves exactly
as on its own clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rnnspec.runtime.schedule import Landing, Timetable


@dataclass(frozen=True)
class AlignedSegment:
    """A segment of all sequences.

    start, steps: aligned, those of the longest.  clocks, lengths: each sequence's own start and steps.
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
    """A landing of some sequences; state, source and step are aligned, length is on their own clock."""

    state: int
    source: int
    increment_step: int | None
    length: int
    edge: int
    sequences: tuple[int, ...]


@dataclass(frozen=True)
class Aligned:
    """Aligned timetables.

    steps: for each sequence the aligned numbers of its own steps.  lengths: how many those are.
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
    """Gather landings that are the same in several sequences; each sequence keeps its own order."""
    shared: dict[tuple[int, int, AlignedLanding], list[int]] = {}
    for b, table in enumerate(tables):
        rank, last = 0, None
        for landing in table.landings:
            # Of the landings on one state, the first is gathered with other sequences' first, and so on.
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
        # A state is known by the step that made it.
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
