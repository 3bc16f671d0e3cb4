"""RS2xx: rules of the task that involve several fields."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rnnspec.check.refused import dt_path, refused
from rnnspec.diagnostics import Problems
from rnnspec.program.nodes import Epoch, Path, PeriodicSkip, Program
from rnnspec.program.printer import print_time
from rnnspec.syntax.compose import Document
from rnnspec.syntax.quantity import decimal

#: The most steps of a sequence and of a time constant.  In float32, smaller changes of a rate are lost.
MAX_STEPS = 10_000_000

#: The longest usual trial, in time constants.  A time taken for a thousandth of itself is above it.
LONG_TRIAL = 1000


def longest(epoch: Epoch) -> Fraction:
    """Return the longest duration of an epoch, without jitter, in seconds."""
    if epoch.duration.time is not None:
        return epoch.duration.time
    assert epoch.duration.value is not None
    return Fraction(epoch.duration.value.type.high)


def lengths(epoch: Epoch) -> tuple[Path, Path]:
    """Return the paths of what decides how long an epoch is."""
    return epoch.duration.path, (*epoch.path, "jitter")


def grace_within_epoch(program: Program, document: Document, problems: Problems) -> None:
    """RS214: the grace can be as long as the epoch, so that nothing is scored."""
    for epoch in program.timeline.epochs:
        if refused(document, problems, *lengths(epoch)):
            continue
        shortest = longest(epoch) - epoch.jitter
        if epoch.grace and epoch.grace >= shortest:
            problems.error(
                "RS214",
                f"a grace of {print_time(epoch.grace)} can leave nothing of '{epoch.name}' to score",
                document.span((*epoch.path, "grace")),
                expected=f"less than {print_time(shortest)}, the duration minus the jitter",
            )


def jitter_within_duration(program: Program, document: Document, problems: Problems) -> None:
    """RS215: jitter can shorten the epoch to nothing."""
    for epoch in program.timeline.epochs:
        if epoch.jitter >= longest(epoch):
            problems.error(
                "RS215",
                f"a jitter of {print_time(epoch.jitter)} can shorten '{epoch.name}' to nothing",
                document.span((*epoch.path, "jitter")),
                expected=f"less than the duration, {print_time(longest(epoch))}",
            )


def whole_steps(program: Program, document: Document, problems: Problems) -> None:
    """RS216: a time that is not a whole number of steps, and is rounded."""
    dt, timeline = program.network.dt, program.timeline
    if refused(document, problems, dt_path(program)):
        return
    # From the first drawn duration on, the ends of epochs are rounded, so a fixed one may have one step more.
    drawn = [number for number, epoch in enumerate(timeline.epochs) if epoch.duration.time is None]
    moved = {epoch.duration.path for epoch in timeline.epochs[drawn[0] :]} if drawn else set()
    for time, path in _times(program):
        if time % dt and not refused(document, problems, path):
            steps = abs(time) // dt
            longer = f" or {print_time((steps + 1) * dt)}" if path in moved else ""
            problems.warning(
                "RS216",
                f"{print_time(abs(time))} is {decimal(abs(time) / dt)} steps of {print_time(dt)}",
                document.span(path),
                expected="a whole number of steps",
                help=f"it is simulated as {print_time(max(steps, 1) * dt)}{longer}",
            )


def sequence_can_be_simulated(program: Program, document: Document, problems: Problems) -> None:
    """RS222: a sequence of too many steps."""
    dt, timeline = program.network.dt, program.timeline
    if refused(document, problems, dt_path(program)):
        return
    parts: dict[Path, Fraction] = {(*timeline.path, "burn_in"): timeline.burn_in}
    for epoch in timeline.epochs:
        if not refused(document, problems, *lengths(epoch)):
            parts[epoch.duration.path] = (longest(epoch) + epoch.jitter) * timeline.trials
    steps = sum(parts.values(), Fraction(0)) / dt
    if steps > MAX_STEPS:
        worst = max(parts, key=lambda path: parts[path])
        problems.error(
            "RS222",
            f"a sequence has up to {_round(steps)} steps, {_round(parts[worst] / dt)} of them here",
            document.span(worst),
            expected=f"at most {MAX_STEPS:,} steps of {print_time(dt)} in a sequence",
        )


def trial_fits_dynamics(program: Program, document: Document, problems: Problems) -> None:
    """RS233: a trial that is so long for the time constants that its unit is probably wrong."""
    timeline = program.timeline
    slowest = max(population.tau for population in program.network.populations)
    taus = [population.path for population in program.network.populations]
    if refused(
        document, problems, dt_path(program), *taus, *(p for e in timeline.epochs for p in lengths(e))
    ):
        return
    parts = {epoch.duration.path: longest(epoch) + epoch.jitter for epoch in timeline.epochs}
    what, total, path = "a trial", sum(parts.values(), Fraction(0)), max(parts, key=lambda path: parts[path])
    if timeline.burn_in > total:
        what, total, path = "the burn-in", timeline.burn_in, (*timeline.path, "burn_in")
    # A duration without a unit, or a sequence that cannot be simulated, has its own message.
    explained = any(diagnostic.code in ("RS222", "RS231", "RS232") for diagnostic in problems.found)
    if total > LONG_TRIAL * slowest and not explained:
        problems.warning(
            "RS233",
            f"{what} lasts up to {float(total):,.6g} s, {float(total / slowest):,.6g} times the largest tau",
            document.span(path),
            expected=f"at most {LONG_TRIAL:,} times the largest tau, {print_time(slowest)}",
            help="check the unit: ms or s",
        )


def gradient_reaches_back(program: Program, document: Document, problems: Problems) -> None:
    """RS217: an epoch without gradient stops the loss after it from training what happens before it."""
    epochs = program.timeline.epochs
    trained = [i for i, e in enumerate(epochs) if e.targets or e.correct is not None]
    for i, epoch in enumerate(epochs):
        if epoch.gradient or not trained:
            continue
        if program.timeline.trials > 1 or trained[0] < i < trained[-1]:
            where = "between trials" if not trained[0] < i < trained[-1] else "between scored epochs"
            problems.warning(
                "RS217",
                f"'{epoch.name}' has no gradient and lies {where}",
                document.span((*epoch.path, "gradient")),
                help="the loss after it cannot train what happens before it, except through skips over it",
            )


def something_is_trained(program: Program, document: Document, problems: Problems) -> None:
    """RS220: there is no target, hence no loss."""
    if not any(epoch.targets for epoch in program.timeline.epochs):
        problems.warning(
            "RS220",
            "no epoch has a target, so there is nothing to train",
            document.span(program.timeline.path, key=True),
            expected="'target' in the task or in an epoch",
        )


def _times(program: Program) -> Iterator[tuple[Fraction, Path]]:
    """Yield every time of a program that is rounded to steps, with its place."""
    timeline = program.timeline
    yield timeline.burn_in, (*timeline.path, "burn_in")
    for epoch in timeline.epochs:
        if epoch.duration.time is not None:
            yield epoch.duration.time, epoch.duration.path
        yield epoch.jitter, (*epoch.path, "jitter")
        yield epoch.grace, (*epoch.path, "grace")
    for skip in program.skips:
        if isinstance(skip, PeriodicSkip):
            yield skip.every, (*skip.path, "every")
        else:
            yield skip.source.offset, (*skip.path, "from")
            yield skip.target.offset, (*skip.path, "to")


def _round(steps: Fraction) -> str:
    whole = int(steps)
    return f"{whole:,}" if whole < 10**12 else f"10^{len(str(whole)) - 1}"


RULES = (
    jitter_within_duration,
    grace_within_epoch,
    sequence_can_be_simulated,
    trial_fits_dynamics,
    gradient_reaches_back,
    something_is_trained,
)

#: After all rules that may refuse a time.
ROUNDING = (whole_steps,)
