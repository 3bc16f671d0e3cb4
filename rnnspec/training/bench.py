"""Benchmarks: how long a training iteration takes on this machine, target by target."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from rnnspec.check.examine import Specification
from rnnspec.errors import RequestError
from rnnspec.runtime.cost import iteration_cost
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.stages import stage_at
from rnnspec.runtime.targets import TARGETS, Target
from rnnspec.training.loop import iterate
from rnnspec.training.optimize import Updater
from rnnspec.training.train import require_loss

#: Those worth comparing: the reference is slow on purpose.
CONTENDERS: tuple[Target, ...] = tuple(target for target in TARGETS if target != "reference")

#: Iterations before the clock counts.  TorchScript optimises what it has seen twice.
WARM_UP = 3

_SIZE = 2048


@dataclass(frozen=True)
class Timing:
    """Of one target.  first: seconds of its start and first iteration.  seconds: of each iteration timed."""

    target: Target
    first: float
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Comparison:
    """Targets side by side on one spec.

    operations: of one iteration of all networks, as `runtime.cost` counts them.  matrix_rate: operations
    per second of large float32 matrix products with as many threads.  left_out: the targets that this
    machine or spec cannot use, and why.
    """

    operations: int
    matrix_rate: float
    threads: int
    timings: tuple[Timing, ...]
    left_out: Mapping[Target, str]

    def ratio(self, timing: Timing) -> float:
        """Return how many times as long as the fastest target one takes."""
        return timing.median / min(other.median for other in self.timings)

    def share(self, timing: Timing) -> float:
        """Return which share of the matrix rate a target reaches."""
        return self.operations / timing.median / self.matrix_rate


class Trainee:
    """An ensemble that is trained one iteration at a time, as a training does it."""

    def __init__(self, simulation: Simulation) -> None:
        self.updater = Updater(simulation)

    def iterate(self, iteration: int) -> tuple[float, ...]:
        """Make one iteration; return the loss of every network before it."""
        return iterate(self.updater, iteration)[1]


def compare(
    specification: Specification,
    targets: Sequence[Target] = CONTENDERS,
    repeats: int = 3,
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Time training iterations of a spec on several targets.

    They take turns, so that whatever else the machine does slows all of them.  progress: is told what is
    being measured.
    """
    require_loss(specification)
    program = specification.program
    cost = iteration_cost(program, stage_at(program, 0).stage.theta)
    trainees: dict[Target, Trainee] = {}
    first: dict[Target, float] = {}
    left_out: dict[Target, str] = {}
    for target in targets:
        progress(f"{target}: start")
        start = time.perf_counter()
        try:
            trainee = Trainee(Simulation(program, target=target))
            trainee.iterate(0)
        except RequestError as error:
            left_out[target] = f"{error.reason} {error.remedy}"
            continue
        first[target] = time.perf_counter() - start
        trainees[target] = trainee
        for iteration in range(1, WARM_UP):
            trainee.iterate(iteration)
    seconds: dict[Target, list[float]] = {target: [] for target in trainees}
    products = []
    product_seconds()
    for turn in range(repeats):
        for target, trainee in trainees.items():
            progress(f"{target}: {turn + 1} of {repeats}")
            start = time.perf_counter()
            trainee.iterate(WARM_UP + turn)
            seconds[target].append(time.perf_counter() - start)
        products.append(product_seconds())
    return Comparison(
        operations=program.training.networks * (cost.forward + cost.backward),
        matrix_rate=PRODUCT_OPERATIONS / statistics.median(products),
        threads=torch.get_num_threads(),
        timings=tuple(Timing(target, first[target], tuple(times)) for target, times in seconds.items()),
        left_out=left_out,
    )


PRODUCT_OPERATIONS = 2 * _SIZE**3


def product_seconds() -> float:
    """Return how long one product of large float32 matrices takes."""
    # All three are written to beforehand: fresh memory costs time when it is first touched.
    a, b, out = (torch.ones(_SIZE, _SIZE) for _ in range(3))
    start = time.perf_counter()
    torch.mm(a, b, out=out)
    return time.perf_counter() - start
