"""RS223 to RS226: inputs, variables, outputs and scores that take no part in the task."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from rnnspec.check.places import correct_path, weightless
from rnnspec.diagnostics import Problems
from rnnspec.program.expression_nodes import Expression, Output, Previous, Variable, walk
from rnnspec.program.nodes import Epoch, Path, Program, Timeline
from rnnspec.program.sampling import all_values
from rnnspec.syntax.compose import Document


def inputs_are_driven(program: Program, document: Document, problems: Problems) -> None:
    """RS223: an input to which no epoch gives a value."""
    driven = {drive.channel for epoch in program.timeline.epochs for drive in epoch.drives}
    for channel in program.network.inputs:
        if channel.name not in driven:
            problems.warning(
                "RS223",
                f"no epoch drives the input '{channel.name}', so it is always 0",
                document.span(channel.path, key=True),
                expected="a value in the 'input' of an epoch or of the task",
                help="drive it, or remove it; if it is silent on purpose, write "
                f"'input: {{{channel.name}: 0}}'",
            )


def variables_are_used(program: Program, document: Document, problems: Problems) -> None:
    """RS224: a variable that reaches neither input, target, duration nor score."""
    timeline = program.timeline
    uses = _uses(timeline)
    reached = _closure(_names(_effects(timeline)), uses)
    idle = [draw for draw in timeline.draws if draw.name not in reached]
    # Of a chain of idle variables only the last is reported, of a cycle only the first.
    inner = {name for draw in idle for name in uses[draw.name] - {draw.name}}
    explained: set[str] = set()
    for draw in sorted(idle, key=lambda draw: draw.name in inner):
        if draw.name in explained:
            continue
        explained |= _closure([draw.name], uses)
        problems.warning(
            "RS224",
            f"'{draw.name}' reaches neither an input, a target, a duration nor the score",
            document.span(draw.path, key=True),
            expected="a variable that the task uses",
            help="use it, or remove it",
        )


def outputs_are_used(program: Program, document: Document, problems: Problems) -> None:
    """RS225: an output that has no target and is neither scored nor read."""
    timeline = program.timeline
    used = {target.channel for epoch in timeline.epochs for target in epoch.targets}
    for epoch in timeline.epochs:
        used |= _outputs([epoch.correct, *(read.value for read in epoch.reads)])
    if not used:
        # Then RS220 says that nothing is trained at all.
        return
    for channel in program.network.outputs:
        if channel.name not in used:
            problems.warning(
                "RS225",
                f"the output '{channel.name}' has no target and is neither scored nor read",
                document.span(channel.path, key=True),
                expected="a 'target' for it in an epoch",
                help="give it a target, or remove it",
            )


def scores_are_trained(program: Program, document: Document, problems: Problems) -> None:
    """RS226: an epoch that is scored by outputs without a target there."""
    epochs = program.timeline.epochs
    if not any(epoch.targets for epoch in epochs):
        return
    found: dict[Path, list[Epoch]] = {}
    for epoch in epochs:
        # A score in an epoch without gradient or weight, where targets have no effect, was given on purpose.
        if epoch.correct is not None and epoch.gradient and not weightless(epoch):
            scored = _outputs([epoch.correct])
            targeted = {target.channel for target in epoch.targets}
            if scored and not scored & targeted:
                found.setdefault(correct_path(epoch, document), []).append(epoch)
    for untrained in found.values():
        scored = _outputs([untrained[0].correct])
        names = _listed(epoch.name for epoch in untrained)
        listed = _listed(c.name for c in program.network.outputs if c.name in scored)
        verbs = ("is", "has") if len(untrained) == 1 else ("are", "have")
        problems.warning(
            "RS226",
            f"{names} {verbs[0]} scored by {listed}, but {verbs[1]} no target for "
            + ("it" if len(scored) == 1 else "them"),
            document.span(untrained[0].path, key=True),
            expected=f"a 'target' for {listed}",
            help="add the target, or write 'correct: none'",
        )


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)


def _effects(timeline: Timeline) -> Iterable[Expression]:
    """Return all expressions of a task but those that define variables; those that epochs inherit once."""
    found = [timeline.success, timeline.scored]
    for epoch in timeline.epochs:
        found += [drive.value for drive in epoch.drives]
        found += [target.value for target in epoch.targets]
        # A read that nothing uses is a measurement.
        found += [read.value for read in epoch.reads]
        found += [epoch.weight, epoch.correct, epoch.duration.value]
    # By identity, since equal expressions are compared part by part.
    return {id(value): value for value in found if value is not None}.values()


def _uses(timeline: Timeline) -> dict[str, set[str]]:
    """Return the variables that each variable uses, in this trial or the one before."""
    found = {draw.name: _names(all_values(draw)) for draw in timeline.draws}
    return found | {read.name: _names([read.value]) for epoch in timeline.epochs for read in epoch.reads}


def _closure(names: Collection[str], uses: dict[str, set[str]]) -> set[str]:
    """Return names, and all that they use."""
    found, waiting = set(names), list(names)
    while waiting:
        more = uses.get(waiting.pop(), set()) - found
        found |= more
        waiting.extend(more)
    return found


def _names(expressions: Iterable[Expression | None]) -> set[str]:
    nodes = (node for value in expressions if value is not None for node in walk(value))
    return {node.name for node in nodes if isinstance(node, Variable | Previous)}


def _outputs(expressions: Iterable[Expression | None]) -> set[str]:
    nodes = (node for value in expressions if value is not None for node in walk(value))
    return {node.name for node in nodes if isinstance(node, Output)}


RULES = (inputs_are_driven, variables_are_used, outputs_are_used, scores_are_trained)
