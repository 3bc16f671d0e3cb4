"""The work of a training: the operations of iterations and evaluations, stage by stage.  Free of torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from rnnspec.program.nodes import Network, Program, Timeline
from rnnspec.runtime.cost import Cost, evaluation_operations, iteration_cost
from rnnspec.runtime.stages import next_change, stage_at


@dataclass(frozen=True)
class Work:
    """Operations of one network, as `runtime.cost` counts them.

    iterations: in which forward and backward were made.  evaluation: of all evaluations together.
    """

    iterations: int = 0
    forward: int = 0
    backward: int = 0
    evaluation: int = 0

    @property
    def training(self) -> int:
        return self.forward + self.backward

    @property
    def operations(self) -> int:
        return self.training + self.evaluation


def work_between(program: Program, begin: int, end: int, last: int | None = None) -> Work:
    """Return the work of the iterations after the first `begin`, up to `end`, and of their evaluations.

    last: updates after which training ends, and evaluates in any case; default: as the spec says.
    """
    forward = backward = 0
    for theta, iterations in thetas(program, begin, end).items():
        cost = cost_at(program, theta)
        forward += iterations * cost.forward
        backward += iterations * cost.backward
    number = evaluations(program, begin, end, last)
    each = evaluation_cost(program) if number else 0
    return Work(max(end - begin, 0), forward, backward, number * each)


def whole_work(program: Program) -> Work:
    """Return the work of a training that makes all its iterations."""
    return work_between(program, 0, program.training.iterations)


def thetas(program: Program, begin: int, end: int) -> Counter[Fraction]:
    """Return how many of the iterations after the first `begin`, up to `end`, have each coarsening factor."""
    found: Counter[Fraction] = Counter()
    for theta, iterations in _stretches(program, begin, end):
        found[theta] += iterations
    return found


def evaluations(program: Program, begin: int, end: int, last: int | None = None) -> int:
    """Return the number of evaluations after iterations `begin` + 1 to `end`.  last: as in `work_between`."""
    every = program.training.evaluate_every
    if not every or end <= begin:
        return 0
    last = program.training.iterations if last is None else last
    return end // every - begin // every + (end == last and end % every != 0)


def cost_at(program: Program, theta: Fraction) -> Cost:
    """Return the cost of one iteration of one network at a coarsening factor."""
    costs = _costs(_Itself(program))
    if theta not in costs.iteration:
        costs.iteration[theta] = iteration_cost(program, theta)
    return costs.iteration[theta]


def evaluation_cost(program: Program) -> int:
    """Return the operations of evaluating one network once."""
    costs = _costs(_Itself(program))
    if costs.evaluation is None:
        costs.evaluation = evaluation_operations(program)
    return costs.evaluation


def _stretches(program: Program, begin: int, end: int) -> Iterator[tuple[Fraction, int]]:
    """Yield the coarsening factors in their order, each with the number of its iterations."""
    if program.coarsening is None:
        yield Fraction(1), max(end - begin, 0)
        return
    while begin < end:
        change = next_change(program, begin)
        until = end if change is None else min(change, end)
        yield stage_at(program, begin).stage.theta, until - begin
        begin = until


@dataclass
class _Costs:
    """What is known of the costs of all programs that cost the same: a sweep has few such kinds."""

    iteration: dict[Fraction, Cost] = field(default_factory=dict)
    evaluation: int | None = None


@dataclass(frozen=True)
class _Itself:
    """A program, equal only to itself: comparing all its nodes takes as long as counting its operations."""

    program: Program

    def __hash__(self) -> int:
        return id(self.program)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.program is other.program


@lru_cache(maxsize=4096)
def _costs(itself: _Itself) -> _Costs:
    program = itself.program
    sizes = program.training.batch, program.training.evaluate_batch
    return _costs_of(program.network, program.timeline, *sizes)


@lru_cache(maxsize=256)
def _costs_of(network: Network, timeline: Timeline, batch: int, evaluate_batch: int) -> _Costs:
    return _Costs()
