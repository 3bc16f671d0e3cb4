"""RS4xx: rules of training."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction

from rnnspec.diagnostics import Problems, nearest, one_of
from rnnspec.program.dealing import combinations
from rnnspec.program.means import mean_durations
from rnnspec.program.nodes import SUCCESS, Path, Program, Stop
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.spec.training import EVERY_PHASE, MAX_BATCH
from rnnspec.syntax.compose import Document

#: Phases are of very different length if the longest lasts this many times the shortest, and a criterion is
#: loose if it lets a phase be right in less than this share of its time: about where psychophysics puts the
#: threshold of a choice between two alternatives.
VERY_DIFFERENT, THRESHOLD = 2, Fraction(4, 5)


def stop_can_be_reached(program: Program, document: Document, problems: Problems) -> None:
    """RS401: a stop at a performance that is never measured."""
    training = program.training
    if training.stop is None:
        return
    span = document.span(training.stop.path, key=True)
    if not training.evaluate_every:
        problems.error(
            "RS401",
            "'stop' needs the performance of evaluations, but 'evaluate' turns them off",
            span,
            expected="'evaluate: {every: ...}' above 0",
        )
    elif not _scored(program):
        problems.error(
            "RS401",
            "'stop' needs a performance, but nothing is scored",
            span,
            expected="'correct' in an epoch, or 'success' in the task",
        )
    else:
        _stop_is_measured(program, document, problems)


def _stop_is_measured(program: Program, document: Document, problems: Problems) -> None:
    """RS401: a stop at the performance of a phase that is not scored, or at a success that is not defined."""
    timeline = program.timeline
    stop = program.training.stop
    if stop is None or stop.of is None:
        return
    phases = {epoch.phase for epoch in timeline.epochs}
    if not stop.of:
        problems.error(
            "RS401",
            f"'stop' is about {EVERY_PHASE}, and no phase is scored",
            document.span((*stop.path, "of")),
            expected="'correct' in an epoch",
        )
    for place, name in enumerate(stop.of):
        span = document.span(_named(stop, place, document))
        if name == SUCCESS and timeline.success is None:
            problems.error(
                "RS401",
                "'stop' is about 'success', which the task does not define",
                span,
                expected="'success' in the task",
            )
        elif name in phases and name not in (SUCCESS, *timeline.scored_phases):
            problems.error(
                "RS401",
                f"'stop' is about the phase '{name}', in which nothing is scored",
                span,
                expected=f"'correct' in an epoch of '{name}'",
            )


def stop_is_about_phases(program: Program, document: Document, problems: Problems) -> None:
    """RS406: a stop at the performance of a phase that the task does not have."""
    stop = program.training.stop
    phases = dict.fromkeys(epoch.phase for epoch in program.timeline.epochs)
    belongs = {epoch.name: epoch.phase for epoch in program.timeline.epochs}
    for place, name in enumerate(stop.of or () if stop else ()):
        if name in (SUCCESS, *phases):
            continue
        assert stop is not None
        choices = [*program.timeline.scored_phases, EVERY_PHASE]
        choices += [SUCCESS] if program.timeline.success is not None else []
        help = nearest(name, choices)
        if name in belongs:
            help = f"the epoch '{name}' belongs to the phase '{belongs[name]}'"
        problems.error(
            "RS406",
            f"'{name}' is not a phase of this task",
            document.span(_named(stop, place, document)),
            expected=one_of(choices),
            help=help,
        )


def stop_needs_every_phase(program: Program, document: Document, problems: Problems) -> None:
    """RS407: a criterion that whole trials can reach although a short phase is often wrong."""
    stop, timeline = program.training.stop, program.timeline
    if stop is None or stop.of is not None or timeline.success is not None:
        return
    seconds: defaultdict[str, float] = defaultdict(float)
    for epoch, mean in zip(timeline.epochs, mean_durations(timeline), strict=True):
        if epoch.correct is not None:
            seconds[epoch.phase] += mean
    if not seconds or max(seconds.values()) < VERY_DIFFERENT * min(seconds.values()):
        return
    phase = min(seconds, key=lambda name: seconds[name])
    share = seconds[phase] / sum(seconds.values())
    # If all other phases are right all the time.
    enough = max(1 - (1 - stop.performance) / share, 0.0) if share else 0.0
    if enough < THRESHOLD:
        problems.warning(
            "RS407",
            f"a performance of {stop.performance:g} can be reached while '{phase}', {100 * share:.0f} % of "
            f"the scored time, is at {enough:.2f}",
            document.span((*stop.path, "performance")),
            expected="a criterion for each phase, or 'success' in the task",
            help=f"add 'of: {EVERY_PHASE}' to 'stop'",
        )


def _named(stop: Stop, place: int, document: Document) -> Path:
    """Return the path of a name in `stop.of`, which is one name or a list."""
    path = (*stop.path, "of")
    return (*path, place) if document.node((*path, place)) is not None else path


def evaluation_has_a_score(program: Program, document: Document, problems: Problems) -> None:
    """RS405: evaluations that were asked for, of a task without a score."""
    training = program.training
    path = (*training.path, "evaluate")
    asked = document.node(path) is not None and training.evaluate_every > 0
    if asked and training.stop is None and not _scored(program):
        problems.warning(
            "RS405",
            "evaluations measure performance, but nothing is scored",
            document.span(path, key=True),
            expected="'correct' in an epoch, or 'success' in the task",
            help="add a score, or write 'evaluate: none'",
        )


def _scored(program: Program) -> bool:
    timeline = program.timeline
    return timeline.success is not None or any(epoch.correct is not None for epoch in timeline.epochs)


def batch_deals_patterns(program: Program, document: Document, problems: Problems) -> None:
    """RS402: a batch in which balanced patterns, or their combinations, do not occur equally often."""
    training = program.training
    crossed = [f"'{d.name}'" for d in program.timeline.draws if d.patterns and len(d.patterns) > 1]
    total = combinations(program.timeline)
    names = " and ".join([", ".join(crossed[:-1]), *crossed[-1:]]).removeprefix(" and ")
    what = f"{total:,} {'combinations' if len(crossed) > 1 else 'patterns'} of {names}"
    batches: list[tuple[int, str, tuple[str, ...], str]] = [
        (training.batch, "a batch", ("batch",), "'batch: {}'")
    ]
    if training.evaluate_every:
        batches.append(
            (training.evaluate_batch, "an evaluation", ("evaluate", "batch"), "'evaluate: {{batch: {}}}'")
        )
    for size, name, keys, written in batches:
        if size % total == 0:
            continue
        path, enough = (*training.path, *keys), -(-size // total) * total
        given = document.node(path) is not None
        many = f"{size:,} sequence{'' if size == 1 else 's'}{'' if given else ' (the default)'}"
        problems.warning(
            "RS402",
            f"{name} of {many} holds only {size:,} of the {what}"
            if size < total
            else f"{name} of {many} cannot hold the {what} equally often",
            document.span(path),
            expected=f"a multiple of {total:,}" if enough <= MAX_BATCH else "",
            help=f"write {enough if given else written.format(enough)}"
            if enough <= MAX_BATCH
            else "draw some of these variables with choice() instead",
        )


def softmax_has_cross_entropy(program: Program, document: Document, problems: Problems) -> None:
    """RS403: squared error for a softmax output, which learns slowly."""
    targets = (target for epoch in program.timeline.epochs for target in epoch.targets)
    squared = {target.channel for target in targets if target.error == "squared"}
    for channel in program.network.outputs:
        kind = channel.activation.name
        if ACTIVATIONS[kind].distribution and channel.name in squared:
            problems.warning(
                "RS403",
                f"squared error gives the {kind} output '{channel.name}' small gradients where it is wrong",
                document.span((*program.training.path, "loss")),
                expected=f"'loss: auto', which uses cross-entropy for {kind} outputs",
            )


def trim_leaves_networks(program: Program, document: Document, problems: Problems) -> None:
    """RS404: a trimmed mean of no network."""
    training = program.training
    if training.stop and 2 * int(training.stop.trim * training.networks) >= training.networks:
        problems.error(
            "RS404",
            f"a trim of {training.stop.trim:g} at each end leaves none of {training.networks} networks",
            document.span((*training.stop.path, "trim")),
            expected="less than 0.5",
        )


RULES = (
    stop_can_be_reached,
    evaluation_has_a_score,
    batch_deals_patterns,
    softmax_has_cross_entropy,
    trim_leaves_networks,
    stop_is_about_phases,
    stop_needs_every_phase,
)
