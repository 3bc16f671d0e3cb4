"""The table of a sweep: its results, one or several units in each cell.  Free of torch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rnnspec.spec.sweep import Shown, Table
from rnnspec.sweeps.plan import Unit
from rnnspec.sweeps.rows import Row, share_error
from rnnspec.syntax.dump import flow

#: What is known of a unit, the best first.  number: the value.  bound: its criterion was not reached, so the
#: value is larger.  diverged: no network is left.  unmeasured: it is done, and nothing was evaluated.
#: progress: the value so far.  failed: by an error.  waiting: nothing has run.
Kind = Literal["number", "bound", "diverged", "unmeasured", "progress", "failed", "waiting"]
_ORDER: tuple[Kind, ...] = ("number", "bound", "diverged", "unmeasured", "progress", "failed", "waiting")

#: The values that mean something only once the criterion is reached.
_UNTIL: Final = ("iterations", "seconds", "operations")
#: The label of the units that lack the key of an axis.
WITHOUT = "none"


@dataclass(frozen=True)
class Measure:
    """What is known of one value of a unit."""

    kind: Kind
    number: float = math.nan


@dataclass(frozen=True)
class Cell:
    """What a table shows of the units that belong to a row and a column.

    kind: that of the number.  number: the value of the best unit, or the mean; NaN if there is none.  error:
    standard deviation between units, or binomial standard error of a share; None if there is none.
    measured: units that the mean is over.  reached, done, failed, diverged, units: numbers of units.
    best: the unit that is shown; None for a mean.
    """

    row: str
    column: str
    kind: Kind
    number: float
    error: float | None
    measured: int
    reached: int
    done: int
    failed: int
    diverged: int
    units: int
    best: Row | None = None


@dataclass(frozen=True)
class ResultTable:
    """A table: one value of all units of a sweep.

    rows, columns: labels, in their order.  cells: by row and column; a pair without units is absent.
    """

    value: Shown
    plan: Table
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]

    @property
    def chosen(self) -> list[Cell]:
        """The cells that show the best of several units, by row and column."""
        ordered = (self.cells.get((row, column)) for row in self.rows for column in self.columns)
        return [cell for cell in ordered if cell and cell.best and cell.best.begun and cell.units > 1]


def result_tables(rows: Sequence[Row], plan: Table) -> list[ResultTable]:
    """Return the tables of a sweep, one for each of its values."""
    return [_table(rows, plan, value) for value in plan.value]


def label_of(unit: Unit, axis: str) -> str:
    """Return the label of a unit along an axis of the table: 'spec', 'method', or a key of the grid."""
    if axis in ("spec", "method") or axis in unit.settings:
        return flow(unit.coordinate(axis)).strip('"')
    return WITHOUT


def measure(row: Row, value: Shown) -> Measure:
    """Return what is known of a value of a unit."""
    if row.state == "failed":
        return Measure("failed")
    if not row.begun:
        return Measure("waiting")
    number = _number(row, value)
    if row.state != "done":
        return Measure("progress", number)
    if value in _UNTIL and row.ending == "diverged":
        return Measure("diverged")
    if math.isnan(number):
        return Measure("unmeasured")
    if value in _UNTIL and row.criterion and not row.reached:
        return Measure("bound", number)
    return Measure("number", number)


def _number(row: Row, value: Shown) -> float:
    match value:
        case "iterations":
            found: float | None = row.iterations
        case "performance":
            found = row.performance
        case "above":
            found = row.share
        case "seconds":
            found = row.seconds
        case "operations":
            found = row.work.operations if row.work else None
    return math.nan if found is None else float(found)


def _table(rows: Sequence[Row], plan: Table, value: Shown) -> ResultTable:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        place = label_of(row.unit, plan.rows), label_of(row.unit, plan.columns)
        groups.setdefault(place, []).append(row)
    cells = {place: _cell(place, group, plan, value) for place, group in groups.items()}
    return ResultTable(
        value, plan, _labels(place[0] for place in groups), _labels(place[1] for place in groups), cells
    )


def _labels(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _cell(place: tuple[str, str], group: list[Row], plan: Table, value: Shown) -> Cell:
    measures = [measure(row, value) for row in group]
    kinds = [each.kind for each in measures]
    kind, number, error, best = _mean(group, measures, value)
    if plan.best:
        best = _best(group, plan.best, plan.by or value)
        kind, number = (found := measure(best, value)).kind, found.number
        error = _share_error(best) if value == "above" and kind == "number" else None
    return Cell(
        *place,
        kind=kind,
        number=number,
        error=error,
        measured=kinds.count("number") + kinds.count("bound"),
        reached=kinds.count("number"),
        done=sum(row.state == "done" for row in group),
        failed=kinds.count("failed"),
        diverged=kinds.count("diverged"),
        units=len(group),
        best=best,
    )


def _best(group: list[Row], direction: Literal["least", "most"], by: Shown) -> Row:
    """Return the best unit of a cell: that with the best value, or else with the best performance."""

    def rank(row: Row) -> tuple[int, float, float]:
        found = measure(row, by)
        number = found.number if found.kind == "number" else 0.0
        performance = -1.0 if math.isnan(row.performance) else row.performance
        return _ORDER.index(found.kind), number if direction == "least" else -number, -performance

    return min(group, key=rank)


def _mean(
    group: list[Row], measures: list[Measure], value: Shown
) -> tuple[Kind, float, float | None, Row | None]:
    """Return the kind, the mean and the error of the units of a cell; of a single unit, also that unit."""
    single = group[0] if len(group) == 1 else None
    numbers = [each.number for each in measures if each.kind in ("number", "bound")]
    if not numbers:
        kind = min((each.kind for each in measures), key=_ORDER.index)
        so_far = [each.number for each in measures if each.kind == kind and not math.isnan(each.number)]
        return kind, statistics.fmean(so_far) if so_far else math.nan, None, single
    if value == "above":
        # All networks together: a binomial share has its error from their number.
        done = [row for row, each in zip(group, measures, strict=True) if each.kind == "number"]
        total = sum(row.networks or 0 for row in done)
        share = sum(row.above or 0 for row in done) / total
        return "number", share, share_error(share, total), single
    bounded = any(each.kind == "bound" for each in measures)
    error = statistics.stdev(numbers) if len(numbers) > 1 and not bounded else None
    return "bound" if bounded else "number", statistics.fmean(numbers), error, single


def _share_error(row: Row) -> float | None:
    return share_error(row.share, row.networks) if row.share is not None and row.networks else None
