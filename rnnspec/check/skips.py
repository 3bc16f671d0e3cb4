"""RS3xx: rules of skips and coarsening."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from rnnspec.check.refused import dt_path, refused
from rnnspec.check.task import lengths, longest
from rnnspec.diagnostics import Problems
from rnnspec.program.nodes import Annealing, Event, PeriodicSkip, PointSkip, Program, Skip
from rnnspec.program.printer import print_time
from rnnspec.syntax.compose import Document
from rnnspec.syntax.quantity import decimal


def regular_skip_fits(program: Program, document: Document, problems: Problems) -> None:
    """RS301: a regular skip that never lands."""
    for skip in _sound(program, document, problems):
        if isinstance(skip, PeriodicSkip) and skip.every < 2 * program.network.dt:
            problems.error(
                "RS301",
                f"a skip of {print_time(skip.every)} covers less than two steps, so it skips nothing",
                document.span((*skip.path, "every")),
                expected=f"at least {print_time(2 * program.network.dt)}, two steps",
            )
        elif isinstance(skip, PeriodicSkip) and skip.every > (room := _room(program, skip)):
            problems.error(
                "RS301",
                f"a skip of {print_time(skip.every)} is longer than any {skip.scope}, so it never lands",
                document.span((*skip.path, "every")),
                expected=f"at most {print_time(room)}, the longest {skip.scope}",
                help="shorten it, or write 'per: trial' to let it cross epochs"
                if skip.scope == "epoch"
                else "shorten it",
            )


def point_skip_forward(program: Program, document: Document, problems: Problems) -> None:
    """RS302: a skip that ends before or when it starts, at least for some jitter."""
    for skip in _sound(program, document, problems):
        if not isinstance(skip, PointSkip):
            continue
        shortest, mean = (_distance(program, skip, jitter) for jitter in (True, False))
        if shortest <= 0:
            how = "can end" if mean > 0 else "ends"
            when = "before" if shortest < 0 else "when"
            why = ", if jitter shortens the epochs between" if mean > 0 else ""
            problems.error(
                "RS302",
                f"'{skip.name}' {how} {when} it starts{why}",
                document.span((*skip.path, "to")),
                expected="an event later than that in 'from'",
                help="swap 'from' and 'to'" if mean < 0 else "",
            )


def dasc_is_stable(program: Program, document: Document, problems: Problems) -> None:
    """RS303: a dasc edge that amplifies the rate of a unit without input."""
    dt = program.network.dt
    for skip in _sound(program, document, problems):
        if skip.kind != "dasc":
            continue
        length = skip.every if isinstance(skip, PeriodicSkip) else _distance(program, skip, False)
        steps, beta = length // dt, float(skip.beta.start)
        factors = {
            p.name: _leak(float(dt / p.tau), int(steps), beta)
            for p in program.network.populations
            if not refused(document, problems, (*p.path, "tau"))
        }
        amplified = [name for name, factor in factors.items() if factor > 1]
        if amplified and steps > 1 and beta < 1:
            worst = max(factors.values())
            problems.warning(
                "RS303",
                f"with beta {beta:g}, each landing of '{skip.name}' multiplies the rate of a unit "
                f"without input in {_names(amplified)} by {worst:.2f}",
                document.span((*skip.path, "every" if isinstance(skip, PeriodicSkip) else "to")),
                expected="a factor of at most 1",
                help="use a shorter skip, a larger 'beta.from', or 'kind: sctt'",
            )


def coarse_step_within_tau(program: Program, document: Document, problems: Problems) -> None:
    """RS305: coarsening that makes the time step longer than a time constant."""
    if program.coarsening is None or refused(document, problems, dt_path(program)):
        return
    dt, theta = program.network.dt, program.coarsening.start
    taus = {p.name: (p.tau, p.path) for p in program.network.populations}
    if program.network.noise.kind == "ou":
        taus["noise"] = program.network.noise.tau, program.network.noise.path
    overshot = {
        name: tau
        for name, (tau, path) in taus.items()
        if dt * theta > tau and not refused(document, problems, (*path, "tau"))
    }
    if overshot:
        shortest = min(overshot.values())
        problems.warning(
            "RS305",
            f"the coarsened step of {print_time(dt * theta)} is longer than the tau of {_names(overshot)}",
            document.span((*program.coarsening.path, "from")),
            expected=f"at most {decimal(shortest / dt)}, for a step of {print_time(shortest)}",
        )


def schedule_within_training(program: Program, document: Document, problems: Problems) -> None:
    """RS307: an annealing that is longer than the training."""
    iterations = program.training.iterations
    annealings: list[Annealing] = [skip.beta for skip in program.skips]
    annealings += [program.coarsening] if program.coarsening else []
    for annealing in dict.fromkeys(annealings):
        if annealing.over > iterations:
            problems.warning(
                "RS307",
                f"this schedule takes {decimal(annealing.over)} iterations, but training has {iterations}",
                document.span((*annealing.path, "over")),
                expected=f"at most {iterations} iterations",
                help="the networks would never be trained with their true dynamics",
            )


def _sound(program: Program, document: Document, problems: Problems) -> list[Skip]:
    """Return the skips that no error refuses; none if one refuses a time on which their steps depend."""
    timeline = program.timeline
    times = (path for epoch in timeline.epochs for path in lengths(epoch))
    if refused(document, problems, dt_path(program), (*timeline.path, "burn_in"), *times):
        return []
    return [skip for skip in program.skips if not refused(document, problems, skip.path, skip.beta.path)]


def _leak(alpha: float, steps: int, beta: float) -> float:
    """Return the factor by which a dasc landing multiplies the rate of a unit without input.

    |(1 - beta) (1 - steps alpha) + beta (1 - alpha)^steps|, alpha = dt/tau; docs/science.md, "DASC".
    """
    return abs((1 - beta) * (1 - steps * alpha) + beta * (1 - alpha) ** steps)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _room(program: Program, skip: PeriodicSkip) -> Fraction:
    """Return the longest duration of the scope of a regular skip, in seconds."""
    timeline = program.timeline
    epochs = [longest(e) + e.jitter for e in timeline.epochs]
    trial = sum(epochs, Fraction(0))
    return {
        "epoch": max(*epochs, timeline.burn_in),
        "trial": max(trial, timeline.burn_in),
        "sequence": trial * timeline.trials + timeline.burn_in,
    }[skip.scope]


def _distance(program: Program, skip: PointSkip, jitter: bool) -> Fraction:
    """Return the time from the source of a skip to its landing, in seconds.

    jitter: whether to assume the jitter that makes it shortest, or none.
    """
    epochs = program.timeline.epochs
    names = [e.name for e in epochs]

    def boundary(event: Event) -> int:
        start = 0 if event.epoch is None else names.index(event.epoch)
        stop = len(names) if event.epoch is None else start + 1
        return start if event.edge == "start" else stop

    # The worst jitter shortens epochs between the events, and lengthens epochs that the skip goes back over.
    worst = 1 if jitter else 0
    source, target = boundary(skip.source), boundary(skip.target)
    ahead = sum((longest(e) - worst * e.jitter for e in epochs[source:target]), Fraction(0))
    back = sum((longest(e) + worst * e.jitter for e in epochs[target:source]), Fraction(0))
    return ahead - back + skip.target.offset - skip.source.offset


RULES = (
    regular_skip_fits,
    point_skip_forward,
    dasc_is_stable,
    coarse_step_within_tau,
    schedule_within_training,
)
