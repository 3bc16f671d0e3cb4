"""RS234, RS235: stimuli and responses that are always the same, and responses that nothing tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rnnspec.check.places import definitions, parts, reported
from rnnspec.check.possible import Possible
from rnnspec.diagnostics import Problems
from rnnspec.program.expression_nodes import Apply, Expression, Previous, Random, Variable, walk
from rnnspec.program.nodes import Program, Timeline
from rnnspec.program.sampling import all_values
from rnnspec.syntax.compose import Document


def draws_vary(program: Program, document: Document, problems: Problems) -> None:
    """RS234: a draw with one outcome."""
    possible = Possible(program.timeline)
    for draw in program.timeline.draws:
        for path, value in definitions(draw).items():
            for part, span, _ in parts(document, path, value):
                # Noise and rare events are switched off by normal(x, 0) and bernoulli(0).
                if not isinstance(part, Random) or part.function in ("normal", "bernoulli"):
                    continue
                numbers = possible.numbers(part)
                if numbers is not None and len(numbers) == 1:
                    (number,) = numbers
                    count = part.function == "choice" and len(part.arguments) == 1 and number > 1
                    problems.warning(
                        "RS234",
                        f"this {part.function}() always gives {number:g}",
                        span,
                        expected="more than one outcome",
                        help=f"for a number from 0 to {number - 1:g}, write integer(0, {number - 1:g})"
                        if count
                        else f"write {number:g} if that is meant",
                    )


def values_vary(program: Program, document: Document, problems: Problems) -> None:
    """RS234: an input or target that depends on draws, but has the same value whatever is drawn."""
    timeline = program.timeline
    origins = _Origins(timeline)
    found = {}
    for epoch in timeline.epochs:
        found |= {drive.path: ("input", drive.channel, drive.value) for drive in epoch.drives}
        found |= {target.path: ("target", target.channel, target.value) for target in epoch.targets}
    for path, (word, channel, value) in found.items():
        if origins.surprising(value) and not reported(problems, "RS238", document.span(path)):
            problems.warning(
                "RS234",
                f"this {word} of '{channel}' is always the same, although it depends on "
                f"{_listed(origins.of(value))}",
                document.span(path),
                expected="a value that varies between trials",
                help="compare the conditions in it with the values that are drawn",
            )


def response_varies(program: Program, document: Document, problems: Problems) -> None:
    """RS234: targets and scores that are the same in every trial, whatever the stimuli are."""
    timeline = program.timeline
    origins = _Origins(timeline)
    if not any(epoch.targets for epoch in timeline.epochs):
        return
    asked = [timeline.success, timeline.scored]
    for epoch in timeline.epochs:
        asked += [*(target.value for target in epoch.targets), epoch.weight, epoch.correct]
        asked.append(epoch.duration.value)
    if any(origins.of(value) for value in asked if value is not None):
        return
    for epoch in timeline.epochs:
        for drive in epoch.drives:
            if names := origins.of(drive.value):
                problems.warning(
                    "RS234",
                    f"the response is the same in every trial, although this input depends on "
                    f"{_listed(names)}",
                    document.span(drive.path),
                    expected=f"a target or a duration that depends on {_listed(names)}",
                    help="a network can ignore this input; let a 'target' depend on it",
                )
                return


def response_is_told(program: Program, document: Document, problems: Problems) -> None:
    """RS235: a target that depends on draws of which no input tells anything."""
    if any(diagnostic.code == "RS223" for diagnostic in problems.found):
        # The input that nobody drives is probably the one that is missing.
        return
    timeline = program.timeline
    origins = _Origins(timeline)
    told = [
        origins.among([*(drive.value for drive in epoch.drives), epoch.duration.value])
        for epoch in timeline.epochs
    ]
    reads = {read.name for epoch in timeline.epochs for read in epoch.reads}
    seen = set()
    for number, epoch in enumerate(timeline.epochs):
        # With several trials, what a later epoch tells can be known from the trial before.
        known = set().union(*(told if timeline.trials > 1 else told[: number + 1]))
        for target in epoch.targets:
            names = origins.of(target.value)
            if target.path in seen or not names or names & known or names & reads:
                continue
            seen.add(target.path)
            late = set().union(*told) & names
            problems.warning(
                "RS235",
                f"the target of '{target.channel}' depends on {_listed(names)}, "
                + (f"which no input tells before the end of '{epoch.name}'" if late else "which no input tells"),
                document.span(target.path),
                expected=f"an input or a duration that depends on {_listed(names)}",
                help="the network can only guess: let an 'input' depend on it",
            )


@dataclass
class _Origins:
    """The random variables, and the reads, on which values depend."""

    timeline: Timeline
    possible: Possible = field(init=False)
    _own: dict[str, set[str]] = field(init=False)

    def __post_init__(self) -> None:
        timeline = self.timeline
        self.possible = Possible(timeline)
        values = {draw.name: all_values(draw) for draw in timeline.draws}
        values |= {read.name: (read.value,) for epoch in timeline.epochs for read in epoch.reads}
        reads = {read.name for epoch in timeline.epochs for read in epoch.reads}
        dealt = {draw.name for draw in timeline.draws if len(all_values(draw)) > 1}
        self._own = {name: {name} & reads for name in values}
        for name, expressions in values.items():
            drawn = [n for e in expressions for n in walk(e) if isinstance(n, Random)]
            several = name in dealt and not _all_equal(self.possible, expressions)
            if several or not all(map(self.possible.constant, drawn)):
                self._own[name].add(name)
        self._extend(values)

    def _extend(self, values: dict[str, tuple[Expression, ...]]) -> None:
        """Add the origins of all variables that each variable uses, until nothing changes."""
        uses = {name: set(_names(expressions)) for name, expressions in values.items()}
        changed = True
        while changed:
            changed = False
            for name, used in uses.items():
                more = set().union(*(self._own.get(other, set()) for other in used)) - self._own[name]
                if more:
                    self._own[name] |= more
                    changed = True

    def of(self, value: Expression) -> set[str]:
        return self.among([value])

    def among(self, values: Iterable[Expression | None]) -> set[str]:
        names = _names(value for value in values if value is not None)
        return set().union(*(self._own.get(name, set()) for name in names))

    def surprising(self, value: Expression) -> bool:
        """Return whether a value is constant though something that varies decides it."""
        if not self.of(value) or not self.possible.constant(value):
            return False
        if not isinstance(value, Apply):
            return False
        varying = [a for a in value.arguments if not self.possible.constant(a)]
        match value:
            case Apply(function="mul", arguments=arguments) if varying:
                # `0 * x` and a condition on what was fixed by hand are meant.
                zeros = [a for a in arguments if self.possible.numbers(a) == frozenset((0.0,))]
                return any(bool(self.of(zero)) for zero in zeros)
            case Apply(function="where", arguments=(condition, a, b)):
                settled = self.possible.truth(condition)
                if settled is None:
                    return False
                return bool(self.of(condition)) or self.surprising(a if settled else b)
        return bool(varying) or any(map(self.surprising, value.arguments))


def _all_equal(possible: Possible, values: tuple[Expression, ...]) -> bool:
    numbers = [possible.numbers(value) for value in values]
    known = {number for each in numbers if each is not None for number in each}
    return None not in numbers and len(known) == 1


def _names(values: Iterable[Expression]) -> Iterator[str]:
    for value in values:
        for node in walk(value):
            if isinstance(node, Variable | Previous):
                yield node.name


def _listed(names: set[str]) -> str:
    return " and ".join(f"'{name}'" for name in sorted(names))


RULES = (draws_vary, values_vary, response_varies, response_is_told)
