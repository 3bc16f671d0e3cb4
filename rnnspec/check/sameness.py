"""RS234, RS235: stimuli and responses that are always the same, and responses that nothing tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from rnnspec.check.places import definitions, parts, reported, weightless
from rnnspec.check.possible import Possible
from rnnspec.diagnostics import Problems
from rnnspec.program.expression_nodes import Apply, Expression, Previous, Random, Variable, walk
from rnnspec.program.nodes import Path, Program, Timeline
from rnnspec.program.sampling import all_values
from rnnspec.syntax.compose import Document


def draws_vary(program: Program, document: Document, problems: Problems) -> None:
    """RS234: a draw with one outcome."""
    possible = Possible(program.timeline)
    for draw in program.timeline.draws:
        for path, value in definitions(draw).items():
            for part, span in parts(document, path, value, _should_vary):
                assert isinstance(part, Random)
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


def _should_vary(part: Expression) -> bool:
    # Noise and rare events are switched off by normal(x, 0) and bernoulli(0).
    return isinstance(part, Random) and part.function not in ("normal", "bernoulli")


def stimulus_and_response_vary(program: Program, document: Document, problems: Problems) -> None:
    """RS234: inputs, targets and responses that are always the same.  RS235: targets that nothing tells."""
    origins = _Origins(program.timeline)
    _values_vary(origins, document, problems)
    _response_varies(origins, document, problems)
    # An input that nobody drives is probably the one that is missing.
    if not any(diagnostic.code == "RS223" for diagnostic in problems.found):
        _response_is_told(origins, document, problems)


def _values_vary(origins: _Origins, document: Document, problems: Problems) -> None:
    """RS234: an input or target that depends on draws, but has the same value whatever is drawn."""
    found: dict[Path, tuple[str, str, Expression]] = {}
    for epoch in origins.timeline.epochs:
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


def _response_varies(origins: _Origins, document: Document, problems: Problems) -> None:
    """RS234: targets and scores that are the same in every trial, whatever the stimuli are."""
    timeline = origins.timeline
    if not any(epoch.targets for epoch in timeline.epochs):
        return
    asked = [timeline.success, timeline.scored]
    for epoch in timeline.epochs:
        asked += [*(target.value for target in epoch.targets), epoch.weight, epoch.correct]
        asked.append(epoch.duration.value)
    if origins.among(asked):
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


def _response_is_told(origins: _Origins, document: Document, problems: Problems) -> None:
    """RS235: a target that depends on draws of which no input and no duration tells anything."""
    epochs = origins.timeline.epochs
    told = [
        origins.among([*(drive.value for drive in epoch.drives), epoch.duration.value]) for epoch in epochs
    ]
    anywhere = frozenset[str]().union(*told)
    # With several trials, what a later epoch tells can be known from the trial before.
    known = anywhere if origins.timeline.trials > 1 else frozenset[str]()
    seen = set()
    for epoch, now in zip(epochs, told, strict=True):
        known |= now
        for target in () if weightless(epoch) else epoch.targets:
            names = origins.of(target.value)
            if target.path in seen or not names or names & (known | origins.reads):
                continue
            seen.add(target.path)
            when = f" before the end of '{epoch.name}'" if names & anywhere else ""
            problems.warning(
                "RS235",
                f"the target of '{target.channel}' depends on {_listed(names)}, which no input tells{when}",
                document.span(target.path),
                expected=f"an input or a duration that depends on {_listed(names)}",
                help="the network can only guess: let an 'input' depend on it",
            )


@dataclass
class _Origins:
    """The random variables, and the reads, on which values depend."""

    timeline: Timeline
    possible: Possible = field(init=False)
    reads: frozenset[str] = field(init=False)
    _of_name: dict[str, frozenset[str]] = field(init=False)
    #: By identity, since equal expressions are compared part by part.
    _of_value: dict[int, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        timeline = self.timeline
        self.possible = Possible(timeline)
        reads = {read.name: (read.value,) for epoch in timeline.epochs for read in epoch.reads}
        self.reads = frozenset(reads)
        values = {draw.name: all_values(draw) for draw in timeline.draws} | reads
        own = [name for name, expressions in values.items() if name in reads or self._varies(expressions)]
        users: dict[str, list[str]] = {}
        for name, expressions in values.items():
            for used in set(_names(expressions)):
                users.setdefault(used, []).append(name)
        found: dict[str, set[str]] = {name: set() for name in values}
        for origin in own:
            waiting = [origin]
            while waiting:
                name = waiting.pop()
                if origin not in found[name]:
                    found[name].add(origin)
                    waiting += users.get(name, ())
        self._of_name = {name: frozenset(origins) for name, origins in found.items()}

    def of(self, value: Expression) -> frozenset[str]:
        if id(value) not in self._of_value:
            names = set(_names([value]))
            found = (self._of_name.get(name, frozenset()) for name in names)
            self._of_value[id(value)] = frozenset[str]().union(*found)
        return self._of_value[id(value)]

    def among(self, values: Iterable[Expression | None]) -> frozenset[str]:
        return frozenset[str]().union(*(self.of(value) for value in values if value is not None))

    def surprising(self, value: Expression) -> bool:
        """Return whether a value is constant though something that varies decides it."""
        if not isinstance(value, Apply) or not self.of(value) or not self.possible.constant(value):
            return False
        varying = [a for a in value.arguments if not self.possible.constant(a)]
        match value:
            case Apply(function="mul", arguments=arguments) if varying:
                # `0 * x` is meant, and so is a condition on what was fixed by hand.
                zeros = [a for a in arguments if self.possible.numbers(a) == frozenset((0.0,))]
                return any(bool(self.of(zero)) for zero in zeros)
            case Apply(function="where", arguments=(condition, a, b)):
                settled = self.possible.truth(condition)
                if settled is None:
                    return False
                return bool(self.of(condition)) or self.surprising(a if settled else b)
        return bool(varying) or any(map(self.surprising, value.arguments))

    def _varies(self, values: tuple[Expression, ...]) -> bool:
        """Return whether a variable is drawn, or has different values in different trials or patterns."""
        drawn = [n for value in values for n in walk(value) if isinstance(n, Random)]
        if not all(map(self.possible.constant, drawn)):
            return True
        numbers = {self.possible.numbers(value) for value in values}
        return len(values) > 1 and len(numbers) > 1


def _names(values: Iterable[Expression]) -> Iterator[str]:
    for value in values:
        for node in walk(value):
            if isinstance(node, Variable | Previous):
                yield node.name


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"'{name}'" for name in sorted(names))


RULES = (draws_vary, stimulus_and_response_vary)
