"""How long a sweep that is being trained will take: from the speed of its units.  Free of torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rnnspec.sweeps.board import Board, Place
from rnnspec.sweeps.order import Message, Outcome, Progress
from rnnspec.sweeps.pace import (
    Kind,
    Pace,
    Paces,
    kind_of,
    longest_of,
    may_end_earlier,
    recorded,
    remaining_work,
)
from rnnspec.sweeps.work import Work, work_between


@dataclass(frozen=True)
class TimeLeft:
    """Seconds until the last unit ends.  at_most: a criterion may end some units earlier."""

    seconds: float
    at_most: bool


class Forecast:
    """Foresees how long the rest of a sweep takes, from the speeds of its units so far.

    capacity: how many units are trained at a time.
    """

    def __init__(self, board: Board, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.board = board
        self.capacity = capacity
        self._clock = clock
        self._paces: Paces = recorded(board)[0]
        #: Of units that are being trained: when they told of their progress last, and their updates then.
        self._seen: dict[str, tuple[float, int]] = {}
        #: Of each unit, updates made, and the work that was left then.
        self._work: dict[str, tuple[int, Work]] = {}

    def take(self, message: Message) -> None:
        """Take in what a process tells of its unit."""
        if isinstance(message, Outcome):
            self._seen.pop(message.unit, None)
        if not isinstance(message, Progress):
            return
        now, unit = self._clock(), self.board.places[message.unit].unit
        before = self._seen.get(message.unit)
        if before is not None and message.completed > before[1]:
            program = unit.specification.program
            work = work_between(program, before[1], message.completed, message.iterations)
            self._paces.add(unit, now - before[0], work, program.training.networks)
        if before is None or message.completed != before[1]:
            self._seen[message.unit] = now, message.completed

    def left(self) -> TimeLeft | None:
        """Return how long the units take that are left; None while no speed is known.

        Failed units are not waited for.  Units that other processes train take no place of this sweep's.
        """
        here: list[float] = []
        elsewhere = 0.0
        at_most = False
        paces: dict[Kind, Pace | None] = {}
        for place in sorted(self.board.places.values(), key=lambda place: place.state != "running"):
            if place.state in ("done", "failed"):
                continue
            kind = kind_of(place.unit)
            if kind not in paces:
                paces[kind] = self._paces.of(place.unit)
            if (pace := paces[kind]) is None:
                return None
            networks = place.unit.specification.program.training.networks
            seconds = pace.seconds(self._remaining(place), networks)
            at_most |= may_end_earlier(place.unit.specification.program)
            if place.state == "elsewhere":
                elsewhere = max(elsewhere, seconds)
            else:
                here.append(seconds)
        return TimeLeft(max(longest_of(here, self.capacity), elsewhere), at_most)

    def _remaining(self, place: Place) -> Work:
        known = self._work.get(place.unit.name)
        if known is None or known[0] != place.completed:
            known = place.completed, remaining_work(place)
            self._work[place.unit.name] = known
        return known[1]
