"""RS2xx: rules of the task that span fields."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rnnspec.diagnostics import Problems
from rnnspec.program.nodes import Epoch, Path, PeriodicSkip, Program
from rnnspec.program.printer import print_time
from rnnspec.syntax.compose import Document
from rnnspec.syntax.quantity import decimal

#: The most steps of a sequence, and of a time constant: in float32, smaller changes of a rate are lost.
MAX_STEPS = 10_000_000


def longest(epoch: Epoch) -> Fraction:
    """Return the longest duration of an epoch without jitter, in seconds."""
    if epoch.duration.time is not None:
        return epoch.duration.time
    assert epoch.duration.value is not None
    return Fraction(epoch.duration.value.type.high)


def grace_within_epoch(program: Program, document: Document, problems: Problems) -> None:
    """RS214: nothing of the epoch would be scored."""
    for epoch in program.timeline.epochs:
        shortest = longest(epoch) - epoch.jitter
        if epoch.grace and epoch.jitter < longest(epoch) and epoch.grace >= shortest:
            problems.error(
                "RS214",
                f"a grace of {print_time(epoch.grace)} leaves nothing of '{epoch.name}' to score",
                document.span((*epoch.path, "grace")),
                expected=f"less than {print_time(shortest)}, the duration less the jitter",
            )


def jitter_within_duration(program: Program, document: Document, problems: Problems) -> None:
    """RS215: jitter could make the epoch vanish."""
    for epoch in program.timeline.epochs:
        if epoch.jitter >= longest(epoch):
            problems.error(
                "RS215",
                f"a jitter of {print_time(epoch.jitter)} can use up all of '{epoch.name}'",
                document.span((*epoch.path, "jitter")),
                expected=f"less than the duration, {print_time(longest(epoch))}",
            )


def whole_steps(program: Program, document: Document, problems: Problems) -> None:
    """RS216: a time that is cut to whole steps is not the time that was written."""
    dt = program.network.dt
    for time, path in _times(program):
        if time % dt:
            steps = abs(time) // dt
            problems.warning(
                "RS216",
                f"{print_time(abs(time))} is {decimal(abs(time) / dt)} steps of {print_time(dt)}",
                document.span(path),
                expected="a whole number of steps",
                help=f"it is cut to {print_time(max(steps, 1) * dt)}",
            )


def sequence_can_be_simulated(program: Program, document: Document, problems: Problems) -> None:
    """RS222: more steps than anyone can wait for."""
    dt, timeline = program.network.dt, program.timeline
    parts: dict[Path, Fraction] = {(*timeline.path, "burn_in"): timeline.burn_in}
    for epoch in timeline.epochs:
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


def gradient_reaches_back(program: Program, document: Document, problems: Problems) -> None:
    """RS217: an epoch without gradient cuts later errors off from earlier ones."""
    epochs = program.timeline.epochs
    trained = [i for i, e in enumerate(epochs) if e.targets or e.correct is not None]
    for i, epoch in enumerate(epochs):
        if epoch.gradient or not trained:
            continue
        if program.timeline.trials > 1 or trained[0] < i < trained[-1]:
            where = "between trials" if not trained[0] < i < trained[-1] else "between epochs that are scored"
            problems.warning(
                "RS217",
                f"'{epoch.name}' lies {where} and lets no gradient through",
                document.span((*epoch.path, "gradient")),
                help="what happens before it cannot be learned from what happens after it",
            )


def something_is_trained(program: Program, document: Document, problems: Problems) -> None:
    """RS220: without a target there is no loss."""
    if not any(epoch.targets for epoch in program.timeline.epochs):
        problems.warning(
            "RS220",
            "no epoch has a target, so there is nothing to train",
            document.span(program.timeline.path, key=True),
            expected="a 'target' in an epoch, or for all of them in the task",
        )


def _times(program: Program) -> Iterator[tuple[Fraction, Path]]:
    """Every exact time of a program that is cut to steps, with its place."""
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
    grace_within_epoch,
    jitter_within_duration,
    whole_steps,
    sequence_can_be_simulated,
    gradient_reaches_back,
    something_is_trained,
)
