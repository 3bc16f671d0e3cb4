"""The report of `rnnspec compile`: the network, the trial, the skips and the cost, a line each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction

from rnnspec.cli.console import count
from rnnspec.errors import missing_package
from rnnspec.program.means import mean_durations
from rnnspec.program.nodes import Annealing, Epoch, Event, PeriodicSkip, Program, Skip
from rnnspec.program.printer import print_time
from rnnspec.program.timing import whole_steps
from rnnspec.runtime.cost import iteration_cost
from rnnspec.runtime.schedule import epoch_steps, gradient_hops, mean_epoch_steps, mean_steps
from rnnspec.runtime.stages import stage_at
from rnnspec.runtime.targets import TargetChoice
from rnnspec.syntax.quantity import decimal

_TRUE = Fraction(1)


def describe_build(program: Program, chosen: TargetChoice, *, given: bool) -> Iterator[tuple[str, str]]:
    """Yield the lines of the report, each with its label.  given: whether the user chose the target."""
    yield "spec", program.name + (f": {program.summary}" if program.summary else "")
    yield from _network(program)
    means = mean_durations(program.timeline)
    yield "trial", " | ".join(map(_epoch, program.timeline.epochs, means))
    if program.timeline.trials > 1 or program.timeline.burn_in:
        yield "sequence", _sequence(program)
    yield from _skips(program)
    yield "steps", _steps(program)
    yield "gradient", _gradient_path(program)
    yield from _cost(program, chosen)
    yield from _guessing(program)
    why = "as requested" if given else "the default"
    yield "target", f"{chosen.target}, {why}: {chosen.record.summary}"
    if chosen.note:
        yield "note", chosen.note
    if chosen.kernel is not None:
        built = chosen.kernel.library
        yield "kernel", "found in the cache" if built.cached else f"compiled in {built.seconds:.1f} s"
        yield from chosen.kernel.summary()


def describe_kernel(chosen: TargetChoice) -> Iterator[tuple[str, str]]:
    """Yield how and where kernels were compiled, a line each with its label."""
    kernel = chosen.kernel
    if kernel is None:
        return
    yield from kernel.details()
    yield "cached in", str(kernel.library.path.parent)


def _network(program: Program) -> Iterator[tuple[str, str]]:
    network = program.network
    populations = [f"{p.name} {p.stop - p.start}" for p in network.populations]
    yield "units", f"{network.units}: {', '.join(populations)}; dt {print_time(network.dt)}"
    for label, channels in (("inputs", network.inputs), ("outputs", network.outputs)):
        if channels:
            sizes = [f"{c.name} {c.stop - c.start}" for c in channels]
            yield label, f"{channels[-1].stop}: {', '.join(sizes)}"


def _epoch(epoch: Epoch, mean: float) -> str:
    text = f"{epoch.name} "
    if epoch.duration.time is not None:
        text += print_time(epoch.duration.time)
    else:
        assert epoch.duration.value is not None
        bounds = epoch.duration.value.type
        text += f"{_drawn(bounds.low)} to {_drawn(bounds.high)} (mean {_drawn(mean)})"
    text += f" +-{print_time(epoch.jitter)}" if epoch.jitter else ""
    return text + ("" if epoch.gradient else " (no gradient)")


def _drawn(seconds: float) -> str:
    """Return a drawn time, to 4 digits."""
    return print_time(Fraction(f"{max(seconds, 0.0):.4g}"))


def _sequence(program: Program) -> str:
    timeline = program.timeline
    burn_in = f"burn-in {print_time(timeline.burn_in)}, then " if timeline.burn_in else ""
    return f"{burn_in}{timeline.trials} trial{'' if timeline.trials == 1 else 's'}"


def _skips(program: Program) -> Iterator[tuple[str, str]]:
    for skip in program.skips:
        yield "skip", f"{skip.name}: {_skip(skip)}, beta {_annealing(skip.beta)}"
    if program.coarsening is not None:
        yield "coarsening", f"theta {_annealing(program.coarsening)}"


def _skip(skip: Skip) -> str:
    kind = skip.kind if skip.kind == "sctt" else f"dasc ({skip.increment_side})"
    if isinstance(skip, PeriodicSkip):
        return f"{kind}, every {print_time(skip.every)} of each {skip.scope}"
    return f"{kind}, from {_event(skip.source)} to {_event(skip.target)}"


def _event(event: Event) -> str:
    text = f"{event.epoch or 'trial'}.{event.edge}"
    sign = "+" if event.offset > 0 else "-"
    return f"{text} {sign} {print_time(abs(event.offset))}" if event.offset else text


def _annealing(annealing: Annealing) -> str:
    steps = count(annealing.increments, "increment")
    return f"{decimal(annealing.start)} to 1 in {steps} until iteration {decimal(annealing.over)}"


def _steps(program: Program) -> str:
    total = mean_steps(program)
    steps = mean_epoch_steps(program)
    epochs = program.timeline.epochs
    learned = sum(n for place, n in enumerate(steps) if epochs[place % len(epochs)].gradient)
    text = f"{total:,} per sequence{_range(program)}, "
    text += "all with gradient" if learned == total else f"{learned:,} with gradient"
    first = stage_at(program, 0).stage
    if first.theta != 1:
        text += f"; {mean_steps(program, first.theta):,} at theta {float(first.theta):g}"
    return text


def _range(program: Program) -> str:
    """Return the fewest and the most steps of a sequence of drawn durations, without jitter."""
    if not program.timeline.ragged:
        return ""
    values = [epoch.duration.value for epoch in program.timeline.epochs]
    trials = program.timeline.trials
    bounds = [[None if v is None else (v.type.low, v.type.high)[side] for v in values] for side in (0, 1)]
    low, high = (sum(epoch_steps(program, _TRUE, None, [side] * trials)) for side in bounds)
    rest = whole_steps(program.timeline.burn_in, program.network.dt)
    return f" on average ({low + rest:,} to {high + rest:,})"


def _gradient_path(program: Program) -> str:
    """Return how many steps and skips a gradient takes, at least, from the end of a sequence to its start."""
    bare = gradient_hops(program, _TRUE, (1.0,) * len(program.skips))
    if not any(epoch.gradient for epoch in program.timeline.epochs):
        return "none: no epoch has a gradient"
    if bare is None:
        text = "cut by an epoch without gradient: later epochs cannot learn from earlier ones"
    else:
        text = f"at least {bare:,} steps from the end back to the start"
    first = stage_at(program, 0).stage
    if program.coarsening is None and not program.skips:
        return f"{text}; there are no skips"
    hops = gradient_hops(program, first.theta, first.betas)
    how = "steps and skips in the first stage" if program.skips else "steps in the first stage"
    return f"{text}; at least {hops:,} {how}" if hops is not None else text


def _cost(program: Program, chosen: TargetChoice) -> Iterator[tuple[str, str]]:
    cost = iteration_cost(program)
    networks = program.training.networks
    each = f"{scaled(cost.forward, 'FLOP')} forward, {scaled(cost.backward, 'FLOP')} backward"
    total = (
        f"{scaled(networks * (cost.forward + cost.backward), 'FLOP')} for {networks:,} networks, each {each}"
    )
    threads, memory_with = _processors(), chosen.record.memory
    memory = memory_with(program, threads)
    where = f" with {count(threads, 'thread')}" if memory != memory_with(program, threads + 1) else ""
    yield "iteration", (total if networks > 1 else each) + f"; about {scaled(memory, 'B')} of memory{where}"


def _guessing(program: Program) -> Iterator[tuple[str, str]]:
    """Yield what guessing scores; without numpy, which checking and compiling do not need, how to get it."""
    try:
        from rnnspec.analysis.guessing.levels import measure_guessing
        from rnnspec.cli.display.guessing import describe_guessing
    except ModuleNotFoundError as error:
        if (missing := missing_package(error)) is None:
            raise
        yield "guessing", f"not measured: this needs numpy. {missing.remedy}"
        return
    guessing = measure_guessing(program)
    if guessing is not None:
        for number, line in enumerate(describe_guessing(guessing)):
            yield "" if number else "guessing", line


def _processors() -> int:
    """Return how many threads a training uses on this machine by default."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def scaled(number: float, unit: str) -> str:
    """Return a number with an SI prefix before its unit: `25.5 GFLOP`."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {prefix}{unit}"
    return f"{number:.0f} {unit}"
