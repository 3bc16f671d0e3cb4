"""Lower the variables of a task: draws and reads, in dependence order, with the time each is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from rnnspec.diagnostics import Problems, Span, nearest, one_of
from rnnspec.program.expressions import ExpressionLowering, Place, scalar
from rnnspec.program.nodes import Draw, Expression, OutputChannel, Path, Rate, Read, Type
from rnnspec.program.types import CONSTANT
from rnnspec.spec import task as spec
from rnnspec.spec.values import ExpressionText
from rnnspec.syntax import expression as syntax
from rnnspec.syntax.compose import Document

#: Names that are values everywhere.
TAKEN = ("pi", "t")


@dataclass(frozen=True)
class _Definition:
    """A named value as the document has it.

    role: where its expressions stand.  texts: each with its path.  patterns: whether they are balanced
    patterns, `width` values each.  epoch: the position of the epoch that reads it.
    """

    path: Path
    role: Literal["sequence", "draw", "read"]
    texts: tuple[tuple[ExpressionText, Path], ...]
    patterns: bool = False
    width: int = 1
    epoch: int = -1


@dataclass
class Variables:
    """The variables of one task, each lowered when it is first needed.

    Requires: a task whose shape is valid; `expressions` is set before the first lookup.
    """

    task: spec.Task
    outputs: Mapping[str, OutputChannel]
    document: Document
    problems: Problems
    expressions: ExpressionLowering = field(init=False)
    _types: dict[str, Type | None] = field(default_factory=dict)
    _draws: dict[str, Draw] = field(default_factory=dict)
    _reads: dict[str, Read] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def draws(self) -> tuple[Draw, ...]:
        """Lower all draws, each after those it depends on."""
        for name in self._definitions:
            self._type(name)
        return tuple(self._draws.values())

    def reads(self, epoch: int) -> tuple[Read, ...]:
        """Return what is read at the end of an epoch, in the order written; `draws` comes first."""
        return tuple(r for n, r in self._reads.items() if self._definitions[n].epoch == epoch)

    # --- lookups of expressions ----------------------------------------------------------------------

    def variable(self, name: str, place: Place, span: Span) -> Type | None:
        """Return the type of a variable at a place, or report why it cannot stand there."""
        if not self._is_variable(name, place, span):
            return None
        definition = self._definitions[name]
        if place.role == "sequence" and definition.role != "sequence":
            self.problems.error(
                "RS206",
                f"'{name}' belongs to a trial, and this is drawn once per sequence",
                span,
                expected="values of 'sequence'",
                help=f"move the definition that uses '{name}' to 'draw'",
            )
            return None
        if name in self._open:
            self._report_cycle(name, span)
            return None
        known = self._available(name)
        if place.role == "duration" and name in self._tainted:
            self.problems.error(
                "RS213",
                f"'{name}' depends on what a network answered, and networks share their timing",
                span,
                expected="a duration over draws",
            )
            return None
        if known is not None and place.role not in ("draw", "sequence") and known > place.known:
            read = self._source_of(name)
            epoch = list(self.task.epochs)[self._definitions[read].epoch]
            self.problems.error(
                "RS208",
                f"'{name}' is known only when '{read}' has been read, at the end of '{epoch}'"
                if read != name
                else f"'{name}' is read only at the end of '{epoch}'",
                span,
                expected="values that are known when this epoch begins",
                help=f"use previous({name}, ...) for the preceding trial",
            )
            return None
        return self._type(name)

    def previous(self, name: str, place: Place, span: Span) -> Type | None:
        """Return the type of a variable in the preceding trial; of itself as well."""
        if not self._is_variable(name, place, span):
            return None
        if name in self._open:
            # A recurrence: nothing bounds it.
            return replace(CONSTANT, rate=Rate.TRIAL, reads=name in self._tainted)
        return self._type(name)

    def _is_variable(self, name: str, place: Place, span: Span) -> bool:
        if name in self._definitions:
            return True
        if name in self.outputs:
            self.problems.error(
                "RS206",
                f"'{name}' is an output, which has a value only in 'correct' and 'read'",
                span,
                expected=one_of(self._definitions),
                help=f"read it at the end of an epoch: 'read: {{answer: argmax({name})}}'",
            )
            return False
        choices = [*self._definitions, "pi"]
        choices += ["t"] if place.clock else []
        choices += self.outputs if place.outputs else []
        self.problems.error(
            "RS201",
            f"there is no value '{name}' here",
            span,
            expected=one_of(choices),
            help=nearest(name, choices),
        )
        return False

    # --- definitions ---------------------------------------------------------------------------------

    @cached_property
    def _definitions(self) -> dict[str, _Definition]:
        found: dict[str, _Definition] = {}
        for name, definition in self._all():
            if name in TAKEN or name in found or name in self.outputs:
                other = (
                    "a constant of the language"
                    if name in TAKEN
                    else "an output"
                    if name in self.outputs
                    else f"a value of '{found[name].role}'"
                )
                self.problems.error(
                    "RS209",
                    f"'{name}' is already {other}",
                    self.document.span(definition.path, key=True),
                    expected="a name of its own",
                )
            else:
                found[name] = definition
        return found

    def _all(self) -> Iterator[tuple[str, _Definition]]:
        for name, value in self.task.sequence.items():
            path: Path = ("task", "sequence", name)
            if isinstance(value, spec.Balanced):
                texts = [
                    (text, (*path, "balanced", p, i))
                    for p, pattern in enumerate(value.balanced)
                    for i, text in enumerate(pattern)
                ]
                for p, pattern in enumerate(value.balanced):
                    self._check_length(len(pattern), (*path, "balanced", p))
                yield name, _Definition(path, "sequence", tuple(texts), True, self.task.trials)
            elif isinstance(value, ExpressionText):
                yield name, _Definition(path, "sequence", ((value, path),))
            else:
                self._check_length(len(value), path)
                listed = tuple((text, (*path, i)) for i, text in enumerate(value))
                yield name, _Definition(path, "sequence", listed, width=self.task.trials)
        for name, text in self.task.draw.items():
            path = ("task", "draw", name)
            yield name, _Definition(path, "draw", ((text, path),))
        for position, (epoch, definition) in enumerate(self.task.epochs.items()):
            for name, text in definition.read.items():
                path = ("task", "epochs", epoch, "read", name)
                yield name, _Definition(path, "read", ((text, path),), epoch=position)

    def _check_length(self, length: int, path: Path) -> None:
        if length != self.task.trials:
            self.problems.error(
                "RS218",
                f"{length} values for {self.task.trials} trials",
                self.document.span(path),
                expected="one value per trial",
                help=f"'trials: {length}', or a list of {self.task.trials}",
            )

    # --- types ---------------------------------------------------------------------------------------

    def _type(self, name: str) -> Type | None:
        if name in self._types:
            return self._types[name]
        definition = self._definitions[name]
        self._open.append(name)
        known = definition.epoch if definition.role == "read" else len(self.task.epochs)
        place = Place(definition.role, known, name)
        calls = [0]
        values = [
            scalar(self.problems, self.expressions.lower(text, path, place, calls), self.document.span(path))
            for text, path in definition.texts
        ]
        self._open.remove(name)
        found = [v for v in values if v is not None]
        self._types[name] = self._define(name, definition, found) if len(found) == len(values) else None
        return self._types[name]

    def _define(self, name: str, definition: _Definition, values: list[Expression]) -> Type:
        types = [v.type for v in values]
        if definition.role == "read":
            # A read is a number of this trial, whatever varies within the epoch.
            type = replace(types[0], rate=Rate.TRIAL, reads=True)
            self._reads[name] = Read(definition.path, name, values[0])
            return type
        rate = Rate.SEQUENCE if definition.role == "sequence" and definition.width == 1 else Rate.TRIAL
        type = Type(
            "truth" if all(t.kind == "truth" for t in types) else "number",
            None,
            rate,
            any(t.reads for t in types),
            any(t.random for t in types) or definition.patterns,
            min(t.low for t in types),
            max(t.high for t in types),
        )
        patterns = None
        if definition.patterns:
            width = definition.width
            patterns = tuple(tuple(values[i : i + width]) for i in range(0, len(values), width))
        self._draws[name] = Draw(
            definition.path,
            name,
            "sequence" if definition.role == "sequence" else "trial",
            () if patterns is not None else tuple(values),
            patterns,
            type,
            self._available(name),
        )
        return type

    def _report_cycle(self, name: str, span: Span) -> None:
        chain = [*self._open[self._open.index(name) :], name]
        self.problems.error(
            "RS207",
            f"'{name}' depends on itself: {' -> '.join(chain)}",
            span,
            expected="values that can be drawn one after the other",
            help=f"previous({name}, ...) refers to the preceding trial",
        )

    # --- what depends on reads -----------------------------------------------------------------------

    @cached_property
    def _uses(self) -> dict[str, tuple[set[str], set[str]]]:
        """The names each definition uses, of the same trial and through previous()."""
        return {
            name: _names(text.tree for text, _ in definition.texts)
            for name, definition in self._definitions.items()
        }

    @cached_property
    def _tainted(self) -> set[str]:
        """The names that depend on a read, in this trial or an earlier one."""
        found = {n for n, d in self._definitions.items() if d.role == "read"}
        while True:
            more = {n for n, (now, before) in self._uses.items() if (now | before) & found} - found
            if not more:
                return found
            found |= more

    def _available(self, name: str, seen: frozenset[str] = frozenset()) -> int | None:
        """Return after how many epochs of its trial a variable is known; None: before the simulation."""
        if name not in self._tainted or name in seen:
            return None
        definition = self._definitions[name]
        if definition.role == "read":
            return definition.epoch + 1
        used = [self._available(n, seen | {name}) for n in self._uses[name][0] if n in self._definitions]
        return max((u for u in used if u is not None), default=0)

    def _source_of(self, name: str) -> str:
        """Return the read that a variable waits for."""
        if self._definitions[name].role == "read":
            return name
        waits = [n for n in sorted(self._uses[name][0]) if n in self._definitions]
        return self._source_of(max(waits, key=lambda n: self._available(n) or 0))


def _names(trees: Iterator[syntax.Tree]) -> tuple[set[str], set[str]]:
    """Collect the names in trees: those of the same trial, and those under previous()."""
    now: set[str] = set()
    before: set[str] = set()
    stack = list(trees)
    while stack:
        match stack.pop():
            case syntax.Name(id=name):
                now.add(name)
            case syntax.Call(function="previous", arguments=(syntax.Name(id=name), *rest)):
                before.add(name)
                stack.extend(rest)
            case syntax.Call(arguments=arguments):
                stack.extend(arguments)
            case syntax.Unary(operand=operand):
                stack.append(operand)
            case syntax.Binary(left=left, right=right):
                stack.extend((left, right))
    return now, before
