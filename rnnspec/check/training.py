"""RS4xx: rules of training."""

from __future__ import annotations

from rnnspec.diagnostics import Problems
from rnnspec.program.dealing import combinations
from rnnspec.program.nodes import Program
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.spec.training import MAX_BATCH
from rnnspec.syntax.compose import Document


def stop_can_be_reached(program: Program, document: Document, problems: Problems) -> None:
    """RS401: a stop at a performance that is never measured."""
    training, timeline = program.training, program.timeline
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
    elif timeline.success is None and not any(epoch.correct for epoch in timeline.epochs):
        problems.error(
            "RS401",
            "'stop' needs a performance, but nothing is scored",
            span,
            expected="'correct' in an epoch, or 'success' in the task",
        )


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


RULES = (stop_can_be_reached, batch_deals_patterns, softmax_has_cross_entropy, trim_leaves_networks)
