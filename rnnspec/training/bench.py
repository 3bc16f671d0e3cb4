"""Benchmarks: the time of a training iteration on this machine, for each target."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from rnnspec.check.examine import Specification
from rnnspec.errors import RequestError
from rnnspec.runtime.cost import iteration_cost
from rnnspec.runtime.device import AUTO, check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.stages import stage_at
from rnnspec.runtime.targets import RECORDS, TARGETS, Target
from rnnspec.training.loop import iterate
from rnnspec.training.train import require_loss
from rnnspec.training.updater import Updater

#: The targets to compare: all but those that are slow by design.
CONTENDERS: tuple[Target, ...] = tuple(target for target in TARGETS if not RECORDS[target].oracle)

#: Iterations of warm-up, which are not timed.  TorchScript optimises code after its second execution.
WARM_UP = 3

_SIZE = 2048


@dataclass(frozen=True)
class Timing:
    """The times of one target.

    first: seconds of its start and first iteration together.  seconds: of each timed iteration.
    """

    target: Target
    first: float
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Comparison:
    """The times of several targets on one spec.

    device: what computes.  operations: of one iteration of all networks, as `runtime.cost` counts them.
    matrix_rate: operations per second of large float32 matrix products on this device, with the same number
    of threads.  left_out: the targets that this machine or spec cannot use, with the reason.
    """

    device: str
    operations: int
    matrix_rate: float
    threads: int
    timings: tuple[Timing, ...]
    left_out: Mapping[Target, str]

    def ratio(self, timing: Timing) -> float:
        """Return the time of a target divided by the time of the fastest one."""
        return timing.median / min(other.median for other in self.timings)

    def share(self, timing: Timing) -> float:
        """Return the rate of operations of a target as a fraction of the matrix rate."""
        return self.operations / timing.median / self.matrix_rate


class Trainee:
    """An ensemble that is trained one iteration at a time, exactly as `rnnspec.train` does."""

    def __init__(self, simulation: Simulation) -> None:
        self.updater = Updater(simulation)

    def iterate(self, iteration: int) -> tuple[float, ...]:
        """Make one iteration; return the loss of every network before it, which waits for the device."""
        return tuple(iterate(self.updater, iteration)[1].double().tolist())


def compare(
    specification: Specification,
    targets: Sequence[Target] | None = None,
    repeats: int = 3,
    progress: Callable[[str], None] = lambda text: None,
    device: str = AUTO,
) -> Comparison:
    """Time training iterations of a spec on several targets.

    The targets take turns, so that other load on the machine slows all of them equally.  targets: by default
    all that are meant for training on this device.  progress: called with the name of what is measured next.
    """
    require_loss(specification)
    where = check_device(device)
    if targets is None:
        targets = [target for target in CONTENDERS if RECORDS[target].computes_on(where)]
    program = specification.program
    cost = iteration_cost(program, stage_at(program, 0).stage.theta)
    trainees: dict[Target, Trainee] = {}
    first: dict[Target, float] = {}
    left_out: dict[Target, str] = {}
    for target in targets:
        progress(f"{target}: start")
        start = time.perf_counter()
        try:
            trainee = Trainee(Simulation(program, target=target, device=where))
            trainee.iterate(0)
            finish(where)
        except RequestError as error:
            left_out[target] = f"{error.reason} {error.remedy}"
            continue
        first[target] = time.perf_counter() - start
        trainees[target] = trainee
        for iteration in range(1, WARM_UP):
            trainee.iterate(iteration)
    seconds: dict[Target, list[float]] = {target: [] for target in trainees}
    products = []
    for _ in range(WARM_UP):
        product_seconds(where)
    for turn in range(repeats):
        for target, trainee in trainees.items():
            progress(f"{target}: {turn + 1} of {repeats}")
            finish(where)
            start = time.perf_counter()
            trainee.iterate(WARM_UP + turn)
            finish(where)
            seconds[target].append(time.perf_counter() - start)
        products.append(product_seconds(where))
    return Comparison(
        device=str(where),
        operations=program.training.networks * (cost.forward + cost.backward),
        matrix_rate=PRODUCT_OPERATIONS / statistics.median(products),
        threads=torch.get_num_threads(),
        timings=tuple(Timing(target, first[target], tuple(times)) for target, times in seconds.items()),
        left_out=left_out,
    )


PRODUCT_OPERATIONS = 2 * _SIZE**3


def finish(device: torch.device) -> None:
    """Wait until a device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def product_seconds(device: torch.device) -> float:
    """Return the time of one product of large float32 matrices, in seconds."""
    # All three matrices are written before: the first access to new memory takes additional time.
    a, b, out = (torch.ones(_SIZE, _SIZE, device=device) for _ in range(3))
    finish(device)
    start = time.perf_counter()
    torch.mm(a, b, out=out)
    finish(device)
    return time.perf_counter() - start
