"""RS4xx: rules of training."""

from __future__ import annotations

from rnnspec.diagnostics import Problems
from rnnspec.program.nodes import Program
from rnnspec.spec.activations import ACTIVATIONS
from rnnspec.syntax.compose import Document


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
    """RS402: a batch in which balanced patterns do not occur equally often."""
    batches = {"batch": program.training.batch, "evaluate.batch": program.training.evaluate_batch}
    for draw in program.timeline.draws:
        for key, batch in batches.items():
            if draw.patterns and batch % len(draw.patterns):
                count = len(draw.patterns)
                problems.warning(
                    "RS402",
                    f"a batch of {batch} cannot hold the {count} patterns of '{draw.name}' equally often",
                    document.span((*program.training.path, *key.split("."))),
                    expected=f"a multiple of {count}",
                    help=f"write {-(-batch // count) * count}",
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
)
