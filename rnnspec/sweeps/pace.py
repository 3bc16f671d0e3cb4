"""How fast units are trained: from what was recorded in their folders, or was measured.  Free of torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rnnspec.program.nodes import Program
from rnnspec.sweeps.board import Board, Place
from rnnspec.sweeps.plan import Unit
from rnnspec.sweeps.work import Work, work_between

#: Units of one kind take as long for the same operations.
Kind = tuple[str, str]


def kind_of(unit: Unit) -> Kind:
    """Return the kind of a unit: its spec and method."""
    return unit.spec, unit.method


@dataclass(frozen=True)
class Pace:
    """Seconds that a unit takes, for each network.

    iteration: for each iteration, besides its operations.  training, evaluation: for each operation.
    """

    iteration: float
    training: float
    evaluation: float

    def seconds(self, work: Work, networks: int) -> float:
        return networks * (
            self.iteration * work.iterations
            + self.training * work.training
            + self.evaluation * work.evaluation
        )


@dataclass
class Spent:
    """Seconds and operations of all networks together."""

    seconds: float = 0.0
    operations: float = 0.0

    def add(self, seconds: float, operations: float) -> None:
        self.seconds += seconds
        self.operations += operations

    @property
    def pace(self) -> Pace | None:
        if self.seconds <= 0 or self.operations <= 0:
            return None
        each = self.seconds / self.operations
        return Pace(0.0, each, each)


class Paces:
    """The paces of the kinds of a sweep; of a kind without one, that of the most similar kind."""

    def __init__(self) -> None:
        self._spent: defaultdict[Kind, Spent] = defaultdict(Spent)

    def add(self, unit: Unit, seconds: float, work: Work, networks: int) -> None:
        """Take in what a unit has taken for some of its work."""
        self._spent[kind_of(unit)].add(seconds, networks * work.operations)

    def known(self, unit: Unit) -> bool:
        """Return whether there is a pace of exactly this kind."""
        return kind_of(unit) in self._spent and self._spent[kind_of(unit)].pace is not None

    def of(self, unit: Unit) -> Pace | None:
        """Return the pace of a unit: of its kind, else of its spec, its method, or all; None without any."""
        spec, method = kind_of(unit)
        choices: tuple[Callable[[Kind], bool], ...] = (
            lambda kind: kind == (spec, method),
            lambda kind: kind[0] == spec,
            lambda kind: kind[1] == method,
            lambda kind: True,
        )
        for fits in choices:
            total = Spent()
            for kind, spent in self._spent.items():
                if fits(kind):
                    total.add(spent.seconds, spent.operations)
            if total.pace is not None:
                return total.pace
        return None


def recorded(board: Board, fits: Callable[[Place], bool] = lambda place: True) -> tuple[Paces, int]:
    """Return the paces that the folders of a sweep show, and from how many units.

    fits: whether to take in a unit.
    """
    paces, units = Paces(), 0
    for place in board.places.values():
        run = place.run
        if run is None or run.completed <= 0 or run.seconds <= 0 or not fits(place):
            continue
        work = work_between(place.unit.specification.program, 0, run.completed, run.iterations)
        paces.add(place.unit, run.seconds, work, run.networks)
        units += 1
    return paces, units


def remaining_work(place: Place) -> Work:
    """Return the work that a unit still has, if no criterion ends it."""
    if place.state == "done":
        return Work()
    program = place.unit.specification.program
    return work_between(program, min(place.completed, place.iterations), place.iterations, place.iterations)


def may_end_earlier(program: Program) -> bool:
    """Return whether a criterion may end a training before its last iteration."""
    return program.training.stop is not None and program.training.evaluate_every > 0


def longest_of(seconds: Iterable[float], capacity: int) -> float:
    """Return when the last of some jobs ends that are begun in order, so many at a time."""
    free = [0.0] * max(capacity, 1)
    for each in seconds:
        first = min(range(len(free)), key=free.__getitem__)
        free[first] += each
    return max(free)
