"""The spec of a question: that of a run, changed by overlays, settings and conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rnnspec.check.examine import Specification, examine, items
from rnnspec.codegen.constants import value_of
from rnnspec.diagnostics import Diagnostic, Problems, nearest, one_of
from rnnspec.errors import RequestError
from rnnspec.program.crossing import cross
from rnnspec.program.nodes import Path as Place
from rnnspec.program.nodes import Program
from rnnspec.runtime.arguments import whole_number
from rnnspec.syntax.compose import Document, compose
from rnnspec.syntax.conditions import Condition, read_conditions
from rnnspec.syntax.dump import dump, flow
from rnnspec.syntax.tree import Entry, Scalar
from rnnspec.syntax.tree import Mapping as Tree

#: Conditions as Python takes them: the values of each variable, or what `--conditions` takes.
ConditionValues = Mapping[str, Iterable[object]] | str | None


@dataclass(frozen=True)
class Question:
    """What is asked of the networks of a run, other than what they were trained on.

    overlays, settings: as given to `--with` and `--set`.  conditions: as given to `--conditions`.
    trial_seed: of trials and noise.  checkpoint: the iteration of the networks.  None: as in the run.
    """

    overlays: tuple[Path | str, ...] = ()
    settings: tuple[str, ...] = ()
    conditions: str | None = None
    trial_seed: int | None = None
    checkpoint: int | None = None

    @classmethod
    def of(
        cls,
        overlays: Iterable[Path | str],
        settings: Iterable[str],
        conditions: ConditionValues,
        trial_seed: int | None,
        checkpoint: int | None,
    ) -> Question:
        """Return a question from arguments; TypeError or ValueError for those that are wrong."""
        return cls(
            items("overlays", overlays),
            items("settings", settings),
            _written(conditions),
            None if trial_seed is None else whole_number("trial_seed", trial_seed, 0, 2**32 - 1),
            None if checkpoint is None else whole_number("checkpoint", checkpoint, 0),
        )

    @property
    def changes_spec(self) -> bool:
        return bool(self.overlays or self.settings or self.conditions is not None)


#: Warnings of inputs, variables, outputs and epochs that nothing uses.  A question may leave some over, such
#: as the draw of a duration that it fixes.
_LEFT_OVER = ("RS223", "RS224", "RS225", "RS226")


#: Warnings of times that are probably in another unit.
_TIMES = ("RS231", "RS232", "RS233")


@dataclass(frozen=True)
class Change:
    """A value of the resolved document that differs from that of the run.  None: it is absent."""

    path: Place
    was: str | None
    now: str | None

    def __str__(self) -> str:
        key = ".".join(map(str, self.path))
        value = f"{key} removed" if self.now is None else f"{key}={self.now}"
        return f"{value} (was {'absent' if self.was is None else self.was})"


@dataclass(frozen=True)
class ChangedSpec:
    """The changed spec of a run.

    conditions: as given; the program has their grid.  changes: of the document, conditions excluded.
    warnings of the specification: those that the spec of the run does not have.
    """

    specification: Specification
    conditions: str | None
    changes: tuple[Change, ...]


def load_changed(
    path: Path, overlays: Iterable[Path | str], settings: Iterable[str], conditions: str | None
) -> ChangedSpec:
    """Read the spec of a run, change it, lower and check it.

    overlays, settings: as for `load`.  conditions: as given to `--conditions`.  Raises SpecError.
    """
    overlays, settings = tuple(overlays), tuple(settings)
    problems, of_run = Problems(), Problems()
    was = compose(path, problems=of_run)
    program = None if was is None else examine(was, of_run)
    of_run.stop_on_error()
    assert was is not None
    assert program is not None
    now = compose(path, overlays, settings, problems=problems)
    varied = () if conditions is None else read_conditions(conditions, problems)
    if now is None:
        problems.stop_on_error()
    assert now is not None
    remarks, plain = problems, None
    if conditions is not None:
        # What is odd about conditions, such as a single response, is meant to be.
        remarks = Problems()
        plain = examine(now, remarks)
        plain = None if remarks.failed else plain
    asked = _balanced(now, varied, plain or program, problems)
    changed = examine(asked, problems)
    problems.stop_on_error()
    if changed is None:
        raise RequestError("The changed spec has no 'name'.", "Leave the name as it is.")
    if conditions is not None:
        values = [_constants(changed, condition, asked, problems) for condition in varied]
        problems.stop_on_error()
        changed = cross(changed, [c.name for c in varied], values, plain)
        conditions = " ".join(conditions.split())
    methods = tuple(Path(overlay).stem for overlay in overlays)
    warnings = _new_warnings(remarks, of_run)
    # But a time without a unit is a mistake there, too.
    warnings += tuple(d for d in _new_warnings(problems, of_run) if d.code in _TIMES and d not in warnings)
    specification = Specification(dump(asked.value), changed, warnings, methods, tuple(map(str, settings)))
    return ChangedSpec(specification, conditions, tuple(_changes(was.value, now.value)))


def _written(conditions: ConditionValues) -> str | None:
    """Return conditions as `--conditions` takes them."""
    if conditions is None or isinstance(conditions, str):
        return conditions
    if not isinstance(conditions, Mapping):
        raise TypeError(
            f"conditions takes a mapping, such as {{'coherence': [-0.5, 0.5]}}, not {conditions!r}."
        )
    return "; ".join(
        f"{name}=[{', '.join(map(_value, _listed(values)))}]" for name, values in conditions.items()
    )


def _listed(values: object) -> Iterable[object]:
    return values if isinstance(values, Iterable) and not isinstance(values, str) else [values]


def _value(value: object) -> str:
    if isinstance(value, str):
        return value
    number = float(value)  # type: ignore[arg-type]
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def _balanced(
    document: Document, conditions: Iterable[Condition], program: Program, problems: Problems
) -> Document:
    """Return a document in which the variables of conditions are balanced patterns of their values."""
    task = document.tree.entries.get("task")
    conditions = tuple(conditions)
    if not conditions or task is None or not isinstance(task.value, Tree):
        return document
    drawn, fixed = (_section(task.value, name) for name in ("draw", "sequence"))
    kinds = {draw.name: draw.type.kind for draw in program.timeline.draws}
    trials = document.node(("task", "trials"))
    count = trials.value if isinstance(trials, Scalar) and isinstance(trials.value, int) else 1
    for condition in conditions:
        if condition.name not in {*drawn, *fixed}:
            reads = {read.name for epoch in program.timeline.epochs for read in epoch.reads}
            is_read = condition.name in reads
            problems.error(
                "RS201",
                f"'{condition.name}' is read from the outputs, so it is not a condition"
                if is_read
                else f"'{condition.name}' is not a variable of this task",
                condition.place,
                expected=one_of([*drawn, *fixed]),
                help=nearest(condition.name, [*drawn, *fixed]),
            )
            continue
        truth = kinds.get(condition.name) == "truth"
        for scalar in condition.values if truth else ():
            if scalar.value not in (False, True) and not isinstance(scalar.value, str):
                message = f"'{condition.name}' is true or false, and {scalar.text} is neither"
                problems.error("RS018", message, scalar.span, expected="0 or 1")
        drawn.pop(condition.name, None)
        fixed[condition.name] = condition.patterns(count, truth)
    entries = dict(task.value.entries)
    for name, section in (("draw", drawn), ("sequence", fixed)):
        old = entries.pop(name, None)
        if section:
            entries[name] = Entry(
                old.key if old else task.key, Tree(section, old.value.span if old else task.key)
            )
    changed = Entry(task.key, Tree(entries, task.value.span))
    return Document(Tree({**document.tree.entries, "task": changed}, document.tree.span), document.name)


def _section(task: Tree, name: str) -> dict[str, Entry]:
    entry = task.entries.get(name)
    return dict(entry.value.entries) if entry is not None and isinstance(entry.value, Tree) else {}


def _constants(
    program: Program, condition: Condition, document: Document, problems: Problems
) -> tuple[float, ...]:
    """Return the values of a condition; reports those that are not constant, or occur twice."""
    (draw,) = (draw for draw in program.timeline.draws if draw.name == condition.name)
    found: dict[float, None] = {}
    for pattern, scalar in zip(draw.patterns or (), condition.values, strict=True):
        value = value_of(pattern[0])
        if value is None or value in found:
            what = "is not constant" if value is None else "occurs twice"
            problems.error(
                "RS018",
                f"'{scalar.text}' {what}",
                scalar.span,
                expected="numbers that differ, such as 0.5, pi/2 or 300 ms",
            )
            continue
        found[value] = None
    return tuple(found)


def _new_warnings(problems: Problems, of_run: Problems) -> tuple[Diagnostic, ...]:
    """Return the warnings of the network and the task that the spec of the run does not have."""
    known = {(d.code, d.message) for d in of_run.found}
    return tuple(
        d
        for d in problems.sorted()
        if d.severity == "warning"
        and (d.code, d.message) not in known
        and d.code not in _LEFT_OVER
        and not d.code.startswith("RS4")
    )


def _changes(was: object, now: object, path: Place = ()) -> Iterator[Change]:
    """Yield what differs between two documents, the innermost keys."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in [*was, *(key for key in now if key not in was)]:
            inside = (*path, key)
            if key not in now:
                yield Change(inside, flow(was[key]), None)
            elif key not in was:
                yield from _added(now[key], inside)
            else:
                yield from _changes(was[key], now[key], inside)
    elif was != now or type(was) is not type(now):
        yield Change(path, flow(was), flow(now))


def _added(value: object, path: Place) -> Iterator[Change]:
    """Yield the innermost values of what is new."""
    if isinstance(value, Mapping) and value:
        for key, below in value.items():
            yield from _added(below, (*path, key))
    else:
        yield Change(path, None, flow(value))
