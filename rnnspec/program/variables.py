"""Lower the variables of a task: draws and reads, in dependence order, and when each is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from rnnspec.diagnostics import Problems, Span, nearest, one_of
from rnnspec.program.expression_nodes import Expression, Rate, Type
from rnnspec.program.expressions import ExpressionLowering, Place, scalar
from rnnspec.program.nodes import Draw, OutputChannel, Path, Read
from rnnspec.program.types import CONSTANT, union
from rnnspec.spec import task as spec
from rnnspec.spec.values import ExpressionText
from rnnspec.syntax import expression as syntax
from rnnspec.syntax.compose import Document

#: Names that are defined everywhere.
TAKEN = ("pi", "t")


@dataclass(frozen=True)
class _Definition:
    """A variable as the document defines it.

    role: the section of the definition.  texts: its expressions, each with its path.  patterns: whether these
    are balanced patterns of `width` values each.  epoch: the position of the epoch that reads the variable.
    """

    path: Path
    role: Literal["sequence", "draw", "read"]
    texts: tuple[tuple[ExpressionText, Path], ...]
    patterns: bool = False
    width: int = 1
    epoch: int = -1


@dataclass
class Variables:
    """The variables of one task.

    Requires: a valid task.  Set `expressions` and call `draws` before any other method.
    """

    task: spec.Task
    outputs: Mapping[str, OutputChannel]
    document: Document
    problems: Problems
    expressions: ExpressionLowering = field(init=False)
    _types: dict[str, Type | None] = field(default_factory=dict)
    _draws: dict[str, Draw] = field(default_factory=dict)
    _reads: dict[str, Read] = field(default_factory=dict)
    #: Names that variables cannot have, because they are taken.
    clashing: set[str] = field(default_factory=set)
    #: Each use of a name that is not defined: its place, and the names that are known there.
    _undefined: dict[str, list[tuple[Span, list[str]]]] = field(default_factory=dict)

    def draws(self) -> tuple[Draw, ...]:
        """Lower all draws and reads, each after those that it depends on; return the draws."""
        for name in self._order:
            self._types[name] = self._type(name)
        return tuple(self._draws.values())

    def reads(self, epoch: int) -> tuple[Read, ...]:
        """Return the reads at the end of an epoch, in the order written.  Call `draws` first."""
        return tuple(r for n, r in self._reads.items() if self._definitions[n].epoch == epoch)

    # --- lookups of expressions ----------------------------------------------------------------------

    def variable(self, name: str, place: Place, span: Span) -> Type | None:
        """Return the type of a variable at a place; None if it cannot be used there, which is reported."""
        if not self._is_variable(name, place, span, before=False):
            return None
        definition = self._definitions[name]
        if place.role == "sequence" and definition.role != "sequence":
            self.problems.error(
                "RS206",
                f"'{name}' is drawn for each trial, but this is drawn once per sequence",
                span,
                expected="variables of 'sequence'",
                help=f"move the definition that uses '{name}' to 'draw'",
            )
            return None
        known = self._available[name]
        if place.role == "duration" and name in self._tainted:
            self.problems.error(
                "RS213",
                f"'{name}' depends on the answer of a network, but all networks have the same durations",
                span,
                expected="draws that depend on no read",
            )
            return None
        if known is not None and place.role not in ("draw", "sequence") and known > place.known:
            read = self._source_of(name)
            epoch = list(self.task.epochs)[self._definitions[read].epoch]
            self.problems.error(
                "RS208",
                f"'{name}' depends on '{read}', which is read at the end of '{epoch}'"
                if read != name
                else f"'{name}' is read only at the end of '{epoch}'",
                span,
                expected="variables that are known when this epoch begins",
                help=f"for the value of the preceding trial, write previous({name}, ...)",
            )
            return None
        # A variable on a cycle has no type; the cycle has been reported.
        return self._types.get(name)

    def previous(self, name: str, place: Place, span: Span) -> Type | None:
        """Return the type of a variable in the preceding trial; a variable may refer to itself."""
        if not self._is_variable(name, place, span, before=True):
            return None
        # A variable that refers to itself has no type yet, and no bounds are known.
        recurrent = replace(CONSTANT, rate=Rate.TRIAL, reads=name in self._tainted)
        return self._types.get(name, recurrent)

    def _is_variable(self, name: str, place: Place, span: Span, *, before: bool) -> bool:
        """Return whether a name is that of a variable; if not, reports it, or notes that it is undefined."""
        if name in self._definitions:
            return True
        if name in self.outputs:
            self.problems.error(
                "RS206",
                f"'{name}' is an output, which has a value only in 'correct' and 'read'",
                span,
                expected=one_of(self._usable(place, before)),
                help=f"read it at the end of an epoch: 'read: {{answer: argmax({name})}}'",
            )
            return False
        choices = [*self._usable(place, before)]
        if not before:
            choices += ["pi", *(["t"] if place.clock else []), *(self.outputs if place.outputs else [])]
        self._undefined.setdefault(name, []).append((span, choices))
        return False

    def _usable(self, place: Place, before: bool) -> Iterator[str]:
        """Yield the variables that can be used at a place.  before: in previous()."""
        for name, definition in self._definitions.items():
            if place.role == "sequence":
                fits = definition.role == "sequence"
            elif place.role == "duration":
                fits = name not in self._tainted
            else:
                fits = place.role == "draw" or before or (self._available[name] or 0) <= place.known
            if fits and (before or not self._needs(name, place.variable)):
                yield name

    def _needs(self, name: str, other: str) -> bool:
        """Return whether a variable is another one of the same trial, or is computed from it."""
        found, waiting = {name}, [name]
        while waiting:
            more = set(self._uses[waiting.pop()][0]) - found
            found |= more
            waiting += more
        return other in found

    def report_undefined(self) -> None:
        """Report each name that is not defined, once, where it is used first.  Call this last."""
        for name, uses in self._undefined.items():
            (first, choices), *others = sorted(
                uses,
                key=lambda use: (not use[0].source.is_file, use[0].source.name, use[0].line, use[0].column),
            )
            everywhere = [c for c in choices if all(c in other for _, other in others)]
            also = dict.fromkeys(_relative(span, first) for span, _ in others if span != first)
            self.problems.error(
                "RS201",
                f"'{name}' is not defined here" + (f"; see also {_few(also)}" if also else ""),
                first,
                expected=one_of(everywhere),
                help=nearest(name, everywhere),
            )

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
                    else f"a variable of '{found[name].role}'"
                )
                self.problems.error(
                    "RS209",
                    f"'{name}' is already {other}",
                    self.document.span(definition.path, key=True),
                    expected="another name",
                )
                self.clashing.add(name)
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
                f"{_count(length, 'value')} for {_count(self.task.trials, 'trial')}",
                self.document.span(path),
                expected="one value per trial",
                help=f"write {_count(self.task.trials, 'value')}, or 'trials: {length}'",
            )

    # --- types ---------------------------------------------------------------------------------------

    def _type(self, name: str) -> Type | None:
        """Lower one definition, after those that it depends on."""
        definition = self._definitions[name]
        known = definition.epoch if definition.role == "read" else len(self.task.epochs)
        place = Place(definition.role, known, name)
        calls = [0]
        values = [
            scalar(self.problems, self.expressions.lower(text, path, place, calls), self.document.span(path))
            for text, path in definition.texts
        ]
        found = [v for v in values if v is not None]
        return self._define(name, definition, found) if len(found) == len(values) else None

    def _define(self, name: str, definition: _Definition, values: list[Expression]) -> Type:
        types = [v.type for v in values]
        if definition.role == "read":
            # A read has one value in each trial, even if its expression varies within the epoch.
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
            *union(types),
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
            self._available[name],
        )
        return type

    # --- dependence ----------------------------------------------------------------------------------

    @cached_property
    def _uses(self) -> dict[str, tuple[list[str], list[str]]]:
        """The variables that each definition uses: those of the same trial, and those in previous()."""
        found = {}
        for name, definition in self._definitions.items():
            uses = _names(text.tree for text, _ in definition.texts)
            now, before = ([n for n in self._definitions if n in used] for used in uses)
            found[name] = now, before
        return found

    @cached_property
    def _order(self) -> list[str]:
        """All variables, each after those of the same trial that it uses.

        If possible, also after those that it uses through previous().
        """
        now = {name: uses[0] for name, uses in self._uses.items()}
        both = {name: uses[0] + uses[1] for name, uses in self._uses.items()}
        loose, _ = _postorder(list(both), both)
        order, cycles = _postorder(loose, now)
        for cycle in cycles:
            self._report_cycle(cycle)
        broken = {name for cycle in cycles for name in cycle}
        return [name for name in order if name not in broken]

    def _report_cycle(self, cycle: list[str]) -> None:
        """Report variables of which each uses the next, and the last uses the first."""
        chain = [*cycle, cycle[0]]
        definition = self._definitions[cycle[-1]]
        path = next(path for text, path in definition.texts if cycle[0] in _names(iter([text.tree]))[0])
        self.problems.error(
            "RS207",
            f"'{cycle[0]}' depends on itself: {' -> '.join(chain)}",
            self.document.span(path),
            expected="variables that do not depend on each other in a cycle",
            help=f"for the value of the preceding trial, write previous({cycle[0]}, ...)",
        )

    @cached_property
    def _tainted(self) -> set[str]:
        """The variables that depend on a read, in this trial or an earlier one."""
        found = {n for n, d in self._definitions.items() if d.role == "read"}
        while True:
            more = {n for n, uses in self._uses.items() if found.intersection(uses[0] + uses[1])} - found
            if not more:
                return found
            found |= more

    @cached_property
    def _available(self) -> dict[str, int | None]:
        """After how many epochs of its trial each variable is known; None: before the simulation."""
        known: dict[str, int | None] = dict.fromkeys(self._definitions)
        for name in self._order:
            definition = self._definitions[name]
            if definition.role == "read":
                known[name] = definition.epoch + 1
            elif name in self._tainted:
                waits = (known[used] for used in self._uses[name][0])
                known[name] = max((w for w in waits if w is not None), default=0)
        return known

    def _source_of(self, name: str) -> str:
        """Return the read after which a variable is known."""
        while self._definitions[name].role != "read":
            name = max(self._uses[name][0], key=lambda used: self._available[used] or 0)
        return name


def _relative(span: Span, first: Span) -> str:
    """Return where a place is, as seen from another."""
    if span.source != first.source:
        return f"{span.source.name}:{span.line}" if span.source.is_file else span.source.name
    return f"line {span.line}" if span.line != first.line else f"column {span.column}"


def _few(places: Iterable[str], most: int = 4) -> str:
    """Return some places as a list in words."""
    names = list(places)
    rest = len(names) - most
    shown = [*names[:most], f"{rest} more"] if rest > 0 else names
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _postorder(roots: list[str], uses: Mapping[str, list[str]]) -> tuple[list[str], list[list[str]]]:
    """Return the names, each after those that it uses, and the cycles among them.

    Without recursion, because a chain of definitions may be longer than the stack of Python.
    """
    order: dict[str, None] = {}
    cycles: list[list[str]] = []
    for root in roots:
        path = {root: iter(uses[root])} if root not in order else {}
        while path:
            name = next(reversed(path))
            used = next(path[name], None)
            if used is None:
                del path[name]
                order[name] = None
            elif used in path:
                chain = list(path)[list(path).index(used) :]
                # The cycle starts from its first name in the document.
                first = min(range(len(chain)), key=lambda i: list(uses).index(chain[i]))
                cycles.append(chain[first:] + chain[:first])
            elif used not in order:
                path[used] = iter(uses[used])
    return list(order), cycles


def _names(trees: Iterator[syntax.Tree]) -> tuple[set[str], set[str]]:
    """Return the names in trees: those of the same trial, and those in previous()."""
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
            case tree:
                stack.extend(syntax.children(tree))
    return now, before
