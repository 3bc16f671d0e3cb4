"""RS502 and RS504 to RS507: what a sweep can get wrong although each of its units is right."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rnnspec.diagnostics import Problems, Span, one_of, shorten
from rnnspec.program.nodes import Program
from rnnspec.spec.sweep import SweepDocument
from rnnspec.syntax.compose import Document
from rnnspec.syntax.dump import flow
from rnnspec.syntax.setting import Setting

if TYPE_CHECKING:
    from rnnspec.sweeps.plan import Unit

#: A key over whose values results are averaged: its values are repetitions.
_REPETITION = "training.seed"


def units_differ(
    units: Sequence[Unit], extra: Sequence[Setting], document: Document, problems: Problems
) -> None:
    """RS502: units with the same resolved spec.  RS504: units with another spec that train the same networks.

    extra: the settings of the command line.
    """
    same = _groups(units, lambda unit: unit.specification.text)
    for key, group in _by_key(same):
        replaced = next((s for s in extra if ".".join(name for name, _ in s.keys) == key), None)
        if replaced is None:
            message = f"the values of '{shorten(key)}' make no difference in {_such(group)}"
            help = "another key of 'settings' replaces them: leave one of the two out"
            place = document.span(("settings", key))
        else:
            message = f"this replaces all values of '{shorten(key)}', so that units are the same training"
            value = shorten(flow(group[0].settings[key]))
            help = f"leave it out; '--only {key}={value}' trains some of the units"
            place = replaced.keys[0][1]
        problems.error("RS502", message, place, help=help)
    for first, second, count in _by_method(same):
        message = f"'{second}' and '{first}' are the same training in {_units(count)}"
        help = "leave one of them out, or give it an overlay or a setting"
        problems.error("RS502", message, document.span(("methods", second), key=True), help=help)
    if problems.failed:
        return
    alike = _groups(units, _Canonical())
    for key, group in _by_key(alike):
        message = f"'{shorten(key)}' changes nothing in {_such(group)}"
        affected = {unit.method for unit in group}
        others = list(dict.fromkeys(unit.method for unit in units if unit.method not in affected))
        help = f"write '{{for: {flow(others)}, values: [...]}}'" if others else "leave it out"
        problems.warning("RS504", message, document.span(("settings", key), key=True), help=help)
    for first, second, count in _by_method(alike):
        message = f"'{second}' trains the same networks as '{first}' in {_units(count)}"
        place = document.span(("methods", second), key=True)
        problems.warning("RS504", message, place, help="leave one of them out")


def fixed_values_count(
    parsed: SweepDocument, units: Sequence[Unit], document: Document, problems: Problems
) -> None:
    """RS505: a value of `set` that is replaced in every unit."""
    fixed: list[tuple[tuple[str, ...], Iterable[str], Sequence[Unit]]] = [(("set",), parsed.set, units)]
    own = {name: getattr(method, "set", {}) for name, method in parsed.methods.items()}
    for name, values in own.items():
        fixed.append((("methods", name, "set"), values, [unit for unit in units if unit.method == name]))
    for path, keys, concerned in fixed:
        for key in keys:
            by_methods = path == ("set",) and all(key in own[unit.method] for unit in concerned)
            if by_methods or all(key in unit.settings for unit in concerned):
                where = "the 'set' of each method" if by_methods else "'settings'"
                message = f"'{shorten(key)}' is replaced by {where} in all units"
                place = document.span((*path, key), key=True)
                problems.warning("RS505", message, place, help="delete it here, or there")


def table_has_values(
    parsed: SweepDocument, units: Sequence[Unit], document: Document, problems: Problems
) -> None:
    """RS506: a table of a measure that units do not have.  RS507: a mean over what is not repetition."""
    shown = _values(parsed.table.value)
    trainings = [unit.specification.program.training for unit in units]
    place = _table(document, "value")
    if shown & {"performance", "above", "iterations"}:
        blind = [u for u, t in zip(units, trainings, strict=True) if t.evaluate_every == 0]
        if blind:
            message = f"the table shows {one_of(sorted(shown))}, but {_such(blind)} has no evaluations"
            problems.warning("RS506", _plural(message, blind), place, help="set 'training.evaluate'")
            return
    without = [u for u, t in zip(units, trainings, strict=True) if t.stop is None]
    # A criterion of the table says which networks are above, and not when training would have ended.
    lacking = shown & ({"iterations"} if parsed.table.criterion is not None else {"above", "iterations"})
    if without and lacking:
        word = one_of(sorted(lacking)).strip("'")
        message = f"'{word}' needs a criterion, and {_such(without)} has no 'training.stop'"
        help = "set 'training.stop'"
        if lacking == {"above"}:
            help = f"write 'criterion: 0.99' in the table, or {help}"
        problems.warning("RS506", _plural(message, without), place, help=help)
    if parsed.table.best is None:
        _means_are_meant(parsed, units, document, problems)


def _means_are_meant(
    parsed: SweepDocument, units: Sequence[Unit], document: Document, problems: Problems
) -> None:
    table = parsed.table
    axes = ("spec", "method", *parsed.settings)
    cells: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        place = (repr(unit.coordinate(table.rows)), repr(unit.coordinate(table.columns)))
        cells.setdefault(place, []).append(unit)
    varied = [
        axis
        for axis in axes
        if axis not in (table.rows, table.columns, _REPETITION)
        and any(len({repr(unit.coordinate(axis)) for unit in cell}) > 1 for cell in cells.values())
    ]
    if varied:
        names = " and ".join(f"'{shorten(axis)}'" for axis in varied)
        problems.warning(
            "RS507",
            f"a cell of the table is the mean over {names}",
            _table(document),
            help=f"write 'best: {_best(table.value)}' in the table, "
            f"or make '{shorten(varied[0])}' its rows or columns",
        )


def _table(document: Document, key: str = "") -> Span:
    """Return the place of the table or of one of its values; without a table, the name of the sweep."""
    if "table" not in document.tree.entries:
        return document.span(("sweep",), key=True)
    given = bool(key) and document.node(("table", key)) is not None
    return document.span(("table", key)) if given else document.span(("table",), key=True)


# --- the same units ----------------------------------------------------------------------------------


class _Canonical:
    """Gives each unit a key: equal for two units of a spec whose programs are equal.

    Units share most networks and timelines, so that few of them are compared.
    """

    def __init__(self) -> None:
        self.known: dict[str, list[object]] = {}
        self.numbers: dict[int, int] = {}

    def __call__(self, unit: Unit) -> Hashable:
        program: Program = unit.specification.program
        parts = [self._number(unit.spec, part) for part in (program.network, program.timeline)]
        rest = (program.label, program.summary, program.skips, program.coarsening, program.training)
        return (program.name, *parts, repr(rest))

    def _number(self, spec: str, part: object) -> int:
        """Return the number of a network or a timeline among the different ones of a spec."""
        if id(part) not in self.numbers:
            known = self.known.setdefault(spec, [])
            if part not in known:
                known.append(part)
            self.numbers[id(part)] = known.index(part)
        return self.numbers[id(part)]


def _groups(units: Sequence[Unit], key: Callable[[Unit], Hashable]) -> list[list[Unit]]:
    """Return the units of each spec that have the same key, as far as there are several."""
    groups: dict[Hashable, list[Unit]] = {}
    for unit in units:
        groups.setdefault((unit.spec, key(unit)), []).append(unit)
    return [group for group in groups.values() if len(group) > 1]


def _by_key(groups: Iterable[Sequence[Unit]]) -> Iterator[tuple[str, list[Unit]]]:
    """Yield each key of the grid whose values differ within groups, with the units of these groups."""
    found: dict[str, list[Unit]] = {}
    for group in groups:
        for method in dict.fromkeys(unit.method for unit in group):
            mine = [unit for unit in group if unit.method == method]
            for key in mine[0].settings:
                if len({repr(unit.settings[key]) for unit in mine}) > 1:
                    found.setdefault(key, []).extend(mine)
    yield from found.items()


def _by_method(groups: Iterable[Sequence[Unit]]) -> Iterator[tuple[str, str, int]]:
    """Yield the pairs of methods within groups, each with the number of units of the second."""
    found: dict[tuple[str, str], int] = {}
    for group in groups:
        first = group[0].method
        for unit in group:
            if unit.method != first:
                found[first, unit.method] = found.get((first, unit.method), 0) + 1
    for (first, second), count in found.items():
        yield first, second, count


# --- words -------------------------------------------------------------------------------------------


def _values(value: str | Sequence[str]) -> set[str]:
    return {value} if isinstance(value, str) else set(value)


def _best(value: str | Sequence[str]) -> str:
    return "most" if _values(value) & {"performance", "above"} else "least"


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count:,} units"


def _such(units: Sequence[Unit]) -> str:
    label = units[0].label
    return label if len(units) == 1 else f"{len(units):,} units, such as {label}"


def _plural(message: str, units: Sequence[Unit]) -> str:
    return (
        message if len(units) == 1 else message.replace(f"{units[0].label} has ", f"{units[0].label}, have ")
    )
