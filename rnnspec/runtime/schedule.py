"""Schedules: the segments and landings of a sequence in whole steps, at one coarsening factor theta.

Each sequence counts its own steps and states.  It starts in state 0; step s makes state s + 1, which belongs
to the segment of step s.  Times are exact, and are converted to whole steps once, rounded down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Literal

from rnnspec.program.means import mean_trial_steps
from rnnspec.program.nodes import Event, PeriodicSkip, PointSkip, Program
from rnnspec.program.timing import trial_steps, whole_steps


@dataclass(frozen=True)
class Segment:
    """An epoch of one trial, or the burn-in (epoch and trial -1): steps `start` to `start + steps` - 1.

    grace: the number of first steps that are neither in the loss nor scored.  A segment of drawn duration can
    have 0 steps.
    """

    epoch: int
    trial: int
    start: int
    steps: int
    grace: int
    gradient: bool

    @property
    def stop(self) -> int:
        return self.start + self.steps


@dataclass(frozen=True)
class Landing:
    """The arrival of a skip: the state r with number `state` becomes (1 - beta) X + beta r.

    sctt: X = r(source).  dasc: X = r(source) + (state - source) (F(r) - r), with the increment F(r) - r of
    step `increment_step` (None for sctt).  edge: the number of the skip in the program.

    The gradient flows through r(source) if the step that made it has gradient, and through the increment if
    its own step has.
    """

    state: int
    source: int
    increment_step: int | None
    edge: int

    @property
    def length(self) -> int:
        return self.state - self.source


@dataclass(frozen=True)
class Timetable:
    """The steps of one sequence.

    segments: in order of time: the burn-in, if there is one, then the epochs of each trial.  landings: in the
    order in which they are applied: by state, then the shortest first, then in the order of the document.
    """

    segments: tuple[Segment, ...]
    landings: tuple[Landing, ...]

    @property
    def steps(self) -> int:
        return self.segments[-1].stop

    @cached_property
    def gradient(self) -> tuple[bool, ...]:
        """Whether each state 0 to `steps` carries gradient; state 0 counts as part of the first segment."""
        flags = [segment.gradient for segment in self.segments for _ in range(segment.steps)]
        return (*flags[:1], *flags)


def epoch_steps(
    program: Program,
    theta: Fraction,
    jitter: Sequence[int] | None = None,
    drawn: Sequence[Sequence[float | None]] | None = None,
) -> tuple[int, ...]:
    """Return the steps of each epoch of each trial (trial-major, without the burn-in).

    jitter: the steps of length dt to add to each of them.  drawn: the drawn duration of each trial and epoch,
    in seconds; ignored where the duration is fixed.  Raises ValueError if a drawn duration is missing.
    """
    timeline, dt, count = program.timeline, program.network.dt, len(program.timeline.epochs)
    steps: list[int] = []
    for trial in range(timeline.trials):
        extra = [0] * count if jitter is None else jitter[trial * count : (trial + 1) * count]
        seconds = [None] * count if drawn is None else drawn[trial]
        steps += trial_steps(timeline, dt, theta, extra, seconds)
    return tuple(steps)


def mean_epoch_steps(program: Program, theta: Fraction = Fraction(1)) -> tuple[int, ...]:
    """Return the steps of each epoch of each trial without jitter, with the means of drawn durations."""
    return mean_trial_steps(program.timeline, program.network.dt, theta) * program.timeline.trials


def mean_steps(program: Program, theta: Fraction = Fraction(1)) -> int:
    """Return the steps of a sequence with mean durations, burn-in included."""
    return whole_steps(program.timeline.burn_in, program.network.dt * theta) + sum(
        mean_epoch_steps(program, theta)
    )


def timetable(program: Program, theta: Fraction, betas: Sequence[float], steps: Sequence[int]) -> Timetable:
    """Return the timetable of one sequence: its segments, and the landings of all skips whose beta is not 1.

    betas: one for each of program.skips.  steps: of each epoch of each trial, as `epoch_steps` returns them.
    """
    timeline, step = program.timeline, program.network.dt * theta
    epochs = tuple(_Epoch(whole_steps(e.grace, step), e.gradient) for e in timeline.epochs)
    edges = tuple(
        _periodic(number, skip, program, theta)
        if isinstance(skip, PeriodicSkip)
        else _point(number, skip, program, theta)
        for number, (skip, beta) in enumerate(zip(program.skips, betas, strict=True))
        if beta != 1
    )
    return _lay_out(epochs, whole_steps(timeline.burn_in, step), edges, tuple(steps))


def gradient_hops(program: Program, theta: Fraction, betas: Sequence[float]) -> int | None:
    """Return the length of the shortest gradient path through a sequence with mean durations, in hops.

    The path leads from the end of the last epoch with gradient back to the start of the first.  A step is one
    hop.  A landing is one hop to its source, if that state carries gradient; for dasc it is also one hop to
    the state in which step `increment_step` began, if that step has gradient.  None if there is no path:
    no epoch has gradient, or an epoch without gradient cuts every path.
    """
    table = timetable(program, theta, betas, mean_epoch_steps(program, theta))
    learned = [segment for segment in table.segments if segment.gradient and segment.steps]
    if not learned:
        return None
    first, last = learned[0].start, learned[-1].stop
    sources: dict[int, list[int]] = {}
    for landing in table.landings:
        origins = sources.setdefault(landing.state, [])
        if table.gradient[landing.source]:
            origins.append(landing.source)
        if landing.increment_step is not None and table.gradient[landing.increment_step + 1]:
            origins.append(landing.increment_step)
    hops = {last: 0}
    # Every hop leads to an earlier state.  So a single sweep backwards visits a state only after all hops
    # into it, and no path has more than `last` hops.
    for state in range(last, first, -1):
        if state in hops and table.gradient[state]:
            for source in (state - 1, *sources.get(state, ())):
                hops[source] = min(hops.get(source, last), hops[state] + 1)
    return hops.get(first)


# --- timetables from integers alone, so that equal sequences share one cached timetable --------------


@dataclass(frozen=True)
class _Epoch:
    grace: int
    gradient: bool


@dataclass(frozen=True)
class _Periodic:
    number: int
    kind: Literal["sctt", "dasc"]
    arriving: bool
    period: int
    scope: Literal["epoch", "trial", "sequence"]


@dataclass(frozen=True)
class _StepEvent:
    """An event: the start or end of an epoch (None: of the trial), and an offset in steps."""

    epoch: int | None
    side: Literal["start", "end"]
    offset: int


@dataclass(frozen=True)
class _Point:
    number: int
    kind: Literal["sctt", "dasc"]
    source: _StepEvent
    target: _StepEvent


def _periodic(number: int, skip: PeriodicSkip, program: Program, theta: Fraction) -> _Periodic:
    period = whole_steps(skip.every, program.network.dt * theta)
    return _Periodic(number, skip.kind, skip.increment_side == "arriving", period, skip.scope)


def _point(number: int, skip: PointSkip, program: Program, theta: Fraction) -> _Point:
    names = [epoch.name for epoch in program.timeline.epochs]

    def in_steps(event: Event) -> _StepEvent:
        epoch = None if event.epoch is None else names.index(event.epoch)
        size = abs(event.offset) // (program.network.dt * theta)
        return _StepEvent(epoch, event.edge, size if event.offset >= 0 else -size)

    return _Point(number, skip.kind, in_steps(skip.source), in_steps(skip.target))


@lru_cache(maxsize=4096)
def _lay_out(
    epochs: tuple[_Epoch, ...], burn_in: int, edges: tuple[_Periodic | _Point, ...], steps: tuple[int, ...]
) -> Timetable:
    segments = [Segment(-1, -1, 0, burn_in, 0, False)] if burn_in else []
    start = burn_in
    for place, count in enumerate(steps):
        trial, number = divmod(place, len(epochs))
        segments.append(Segment(number, trial, start, count, epochs[number].grace, epochs[number].gradient))
        start += count
    bare = Timetable(tuple(segments), ())
    trials = [segments[i : i + len(epochs)] for i in range(bool(burn_in), len(segments), len(epochs))]
    landings = [
        landing
        for edge in edges
        for landing in (
            _regular(edge, bare, trials) if isinstance(edge, _Periodic) else _single(edge, bare, trials)
        )
    ]
    landings.sort(key=lambda landing: (landing.state, landing.length, landing.edge))
    return Timetable(bare.segments, tuple(landings))


def _regular(edge: _Periodic, bare: Timetable, trials: list[list[Segment]]) -> Iterator[Landing]:
    """Yield the landings of a periodic skip: at every multiple of its period after the start of a scope."""
    if edge.period <= 1:
        return
    whole = {
        "epoch": [[segment] for segment in bare.segments],
        # The burn-in belongs to no trial: it is a scope by itself.
        "trial": [[segment] for segment in bare.segments if segment.trial == -1] + trials,
        "sequence": [list(bare.segments)],
    }
    for scope in whole[edge.scope]:
        begin, end = scope[0].start, scope[-1].stop
        for source in range(begin, end - edge.period + 1, edge.period):
            step: int | None = None
            if edge.kind == "dasc":
                step = source - 1 if edge.arriving and source > begin else source
            yield Landing(source + edge.period, source, step, edge.number)


def _single(edge: _Point, bare: Timetable, trials: list[list[Segment]]) -> Iterator[Landing]:
    """Yield the landing of a point-to-point skip in every trial in which it spans more than one step."""

    def state(event: _StepEvent, trial: list[Segment]) -> int:
        segments = trial if event.epoch is None else trial[event.epoch : event.epoch + 1]
        base = segments[0].start if event.side == "start" else segments[-1].stop
        return min(max(base + event.offset, 0), bare.steps)

    for trial in trials:
        source, target = state(edge.source, trial), state(edge.target, trial)
        if target - source > 1:
            yield Landing(target, source, source if edge.kind == "dasc" else None, edge.number)
