"""What a sweep costs before it is trained: units, operations, hours, memory, disk.  Free of torch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from rnnspec.codegen.cpp.kernel import Real
from rnnspec.errors import RequestError
from rnnspec.program.nodes import Program
from rnnspec.runs.layout import MANIFEST
from rnnspec.runs.manifest import Manifest
from rnnspec.runs.regular import read_regular
from rnnspec.runtime.compiled.toolchain import processor
from rnnspec.runtime.cost import weight_count
from rnnspec.runtime.stages import stage_at
from rnnspec.runtime.targets import RECORDS, TARGETS, Target
from rnnspec.sweeps.board import Board, Place
from rnnspec.sweeps.measuring import measure_all
from rnnspec.sweeps.order import Options
from rnnspec.sweeps.pace import Kind, Pace, kind_of, longest_of, may_end_earlier, recorded, remaining_work
from rnnspec.sweeps.probe import Job, Times
from rnnspec.sweeps.work import Work, cost_at, evaluation_cost, evaluations

#: Seconds after which no further kernel is measured.
BUDGET = 40.0
#: Seconds that a run must have been trained for its speed to count.
_LONG = 5.0
#: Bytes of a process before it has any networks: Python and torch.  Measured.
PROCESS = 270_000_000
_ACCELERATORS = ("cuda", "mps", "xpu")
#: Bytes of a line of the metrics without its numbers, and of a number; of a line of the times.  Measured.
_LINE, _NUMBER, _TIME = 420, 9, 40


@dataclass
class Line:
    """The cost of the units of one spec and method that are not done.

    operations: of all networks.  seconds: of one unit after the other, NaN if it is not known.
    earlier: units that a criterion may end earlier.
    """

    kind: Kind
    units: int = 0
    done: int = 0
    networks: int = 0
    operations: int = 0
    seconds: float = 0.0
    earlier: int = 0


@dataclass(frozen=True)
class Estimate:
    """What is left to do of a sweep, and what it takes here.

    operations: of all networks that are left.  seconds: with `capacity` units at a time; NaN if it is not
    known.  recorded: units whose recorded times were used.  measured, kernels: of the kernels that are
    needed, those that were measured, and all.  uncompiled: those that were not compiled before; None if that
    cannot be known.  memory: bytes of all processes.  disk: bytes of the folders.  free: bytes of the disk.
    problems: why kernels could not be measured.
    """

    lines: tuple[Line, ...]
    capacity: int
    threads: int
    target: Target | None
    operations: int
    seconds: float
    recorded: int
    measured: int
    kernels: int
    uncompiled: int | None
    memory: int
    disk: int
    free: int
    problems: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        return sum(line.units for line in self.lines)

    @property
    def done(self) -> int:
        return sum(line.done for line in self.lines)

    @property
    def networks(self) -> int:
        return sum(line.networks for line in self.lines)

    @property
    def earlier(self) -> int:
        return sum(line.earlier for line in self.lines)


@dataclass
class _Group:
    """The units that share a kernel and are not done, and what was measured of it."""

    program: Program
    places: list[Place] = field(default_factory=list)
    networks: int = 0
    operations: int = 0
    thetas: tuple[Fraction, ...] = (Fraction(1),)
    measured: Pace | None = None
    compiled: bool = True

    def add(self, place: Place, work: Work) -> None:
        program = place.unit.specification.program
        self.places.append(place)
        self.networks = max(self.networks, program.training.networks)
        self.operations += work.operations * program.training.networks
        theta = stage_at(program, 0).stage.theta
        # The program with the strongest coarsening is measured, or else one with skips.
        if theta > self.thetas[-1] or (program.skips and not self.program.skips and len(self.thetas) == 1):
            self.program = program
            self.thetas = (Fraction(1), theta) if theta > 1 else (Fraction(1),)


def estimate(
    board: Board,
    options: Options,
    capacity: int,
    *,
    budget: float = BUDGET,
    progress: Callable[[int, int], None] = lambda done, jobs: None,
) -> Estimate:
    """Count what is left of a sweep, and measure what is needed to know how long that takes here.

    Times that its runs have recorded on this machine are used; kernels without such are measured, those that
    are compiled first, then those of most work, until `budget` seconds have passed.

    progress: is called with the kernels that were measured, and those that are to be.
    Raises RequestError if no kernel can be used.
    """
    paces, recorded_units = recorded(board, lambda place: _like_here(place, options))
    works = {name: remaining_work(place) for name, place in board.places.items()}
    left = [place for place in board.places.values() if place.state != "done"]
    groups = _groups(left, works)
    unknown = [group for group in groups if not all(paces.known(place.unit) for place in group.places)]
    target, device = options.target, options.device
    if unknown:
        target, device = _here(options)
    elif recorded_units:
        used = {place.run.target for place in board.places.values() if place.run}
        target = next((name for name in TARGETS if name in used), None)
    uncompiled = _uncompiled(groups, target, device, options)
    # Compiling may use up the budget.
    unknown.sort(key=lambda group: not group.compiled)
    times, problems = _measure(unknown, options, capacity, budget, progress)
    usual = _usual(unknown)
    group_of = {place.unit.name: group for group in groups for place in group.places}
    lines: dict[Kind, Line] = {}
    seconds = []
    for name, place in board.places.items():
        line = lines.setdefault(kind_of(place.unit), Line(kind_of(place.unit)))
        program = place.unit.specification.program
        line.units += 1
        line.networks += program.training.networks
        if place.state == "done":
            line.done += 1
            continue
        line.operations += works[name].operations * program.training.networks
        line.earlier += may_end_earlier(program)
        pace = paces.of(place.unit) if paces.known(place.unit) else group_of[name].measured or usual
        each = pace.seconds(works[name], program.training.networks) if pace else float("nan")
        line.seconds += each
        seconds.append(each)
    return Estimate(
        lines=tuple(lines.values()),
        capacity=capacity,
        threads=options.threads,
        target=target,
        operations=sum(line.operations for line in lines.values()),
        seconds=longest_of(seconds, capacity),
        recorded=recorded_units,
        measured=len(times),
        kernels=len(groups),
        uncompiled=uncompiled,
        memory=_memory(left, target, options.threads, times, capacity),
        disk=sum(disk_of(place.unit.specification.program) for place in left),
        free=_free(board.folder),
        problems=problems,
    )


def disk_of(program: Program) -> int:
    """Return about how many bytes a run folder has: metrics, times, two checkpoints and the weights."""
    training = program.training
    phases = len({epoch.phase for epoch in program.timeline.epochs if epoch.correct is not None})
    line = _LINE + training.networks * (5 + phases) * _NUMBER + _TIME
    moments = 2
    copies = 2 * (1 + moments) + 1
    return evaluations(
        program, 0, training.iterations
    ) * line + 4 * copies * training.networks * weight_count(program)


def _like_here(place: Place, options: Options) -> bool:
    """Return whether a run was trained as the sweep would be, on this processor or on a GPU."""
    run = place.run
    if run is None or run.seconds < _LONG:
        return False
    kind = run.device.partition(":")[0]
    wanted = options.device.partition(":")[0] if options.device != "auto" else kind
    if (run.dtype, run.target, kind) != (options.dtype, options.target or run.target, wanted):
        return False
    if kind in _ACCELERATORS:
        return True
    try:
        manifest = Manifest.parse(read_regular(file := run.folder / MANIFEST), file)
    except (OSError, RequestError):
        return False
    return manifest.threads == options.threads and manifest.hardware.endswith(processor())


def _groups(places: Iterable[Place], works: dict[str, Work]) -> list[_Group]:
    """Return the units by kernel, those with most work first."""
    groups: dict[object, _Group] = {}
    for place in places:
        program = place.unit.specification.program
        # What kernels are made from; skips and coarsening are arguments of theirs.
        training = program.training
        key = (program.network, program.timeline, training.penalties, training.independent_trials)
        groups.setdefault(key, _Group(program)).add(place, works[place.unit.name])
    return sorted(groups.values(), key=lambda group: -group.operations)


def _here(options: Options) -> tuple[Target, str]:
    """Return the target and the device that units have here."""
    from rnnspec.runtime.device import check_device

    device = str(check_device(options.device, options.target))
    if options.target is not None:
        return options.target, device
    return next(name for name in TARGETS if RECORDS[name].computes_on(device)), device


def _uncompiled(groups: Sequence[_Group], target: Target | None, device: str, options: Options) -> int | None:
    """Note which kernels have to be compiled, and return how many; None if that cannot be known."""
    compiled = RECORDS[target].compiled if target is not None else None
    if compiled is None or target is None:
        return 0 if target is not None and RECORDS[target].prepare is None else None
    real: Real = "double" if options.dtype == "float64" else "float"
    try:
        for group in groups:
            group.compiled = compiled(group.program, real, device)
    except RequestError:
        return None
    return sum(not group.compiled for group in groups)


def _measure(
    groups: Sequence[_Group],
    options: Options,
    capacity: int,
    budget: float,
    progress: Callable[[int, int], None],
) -> tuple[list[Times], tuple[str, ...]]:
    """Measure the paces of groups; return the times, and why some were not measured."""
    settings = options.target, options.device, options.dtype, options.threads
    jobs = [Job(group.program, group.networks, group.thetas, *settings) for group in groups]
    found, problems = [], []
    for group, job, answer in zip(
        groups, jobs, measure_all(jobs, capacity, budget, lambda done: progress(done, len(jobs))), strict=True
    ):
        if isinstance(answer, Times):
            group.measured = _pace(job, answer)
            found.append(answer)
        elif answer is not None:
            problems.append(answer)
    if problems and not found:
        raise RequestError(*(problems[0].split("\n", 1) if "\n" in problems[0] else (problems[0], "")))
    return found, tuple(dict.fromkeys(problems))


def _pace(job: Job, times: Times) -> Pace:
    """Return the pace that was measured.

    If there are two coarsening factors, it is the line through the times at both.
    """

    def operations(theta: Fraction) -> int:
        cost = cost_at(job.program, theta)
        return cost.forward + cost.backward

    fine, coarse = job.thetas[0], job.thetas[-1]
    each, fixed = times.iteration[fine] / max(operations(fine), 1), 0.0
    if operations(fine) > operations(coarse):
        slope = (times.iteration[fine] - times.iteration[coarse]) / (operations(fine) - operations(coarse))
        if 0 < slope < each:
            each, fixed = slope, times.iteration[fine] - slope * operations(fine)
    evaluation = evaluation_cost(job.program) if times.evaluation else 1
    return Pace(
        fixed / times.networks, each / times.networks, times.evaluation / max(evaluation, 1) / times.networks
    )


def _usual(groups: Sequence[_Group]) -> Pace | None:
    """Return the mean pace of what was measured, for kernels that were not."""
    found = [group.measured for group in groups if group.measured is not None]
    if not found:
        return None
    return Pace(
        sum(pace.iteration for pace in found) / len(found),
        sum(pace.training for pace in found) / len(found),
        sum(pace.evaluation for pace in found) / len(found),
    )


def _memory(
    places: Sequence[Place], target: Target | None, threads: int, times: Sequence[Times], capacity: int
) -> int:
    """Return the bytes that as many units need as are trained at a time."""
    process = max((each.memory for each in times), default=0) or PROCESS
    most = 0
    if target is not None:
        needs = RECORDS[target].memory
        most = max((needs(place.unit.specification.program, threads) for place in places), default=0)
    return min(capacity, len(places)) * (process + most)


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
