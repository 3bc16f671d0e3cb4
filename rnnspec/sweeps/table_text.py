"""The table of a sweep as text: what stands in a cell, Markdown and CSV.  Free of torch."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from io import StringIO
from typing import Final

from rnnspec.spec.sweep import Shown
from rnnspec.sweeps.rows import Row
from rnnspec.sweeps.table import Cell, ResultTable
from rnnspec.syntax.dump import flow

#: A cell without any unit, and a cell of which no unit has begun.
NO_UNIT, NOT_RUN = "-", "not run"


def cell_text(cell: Cell | None, value: Shown, *, grouping: bool = True) -> str:
    """Return what a table shows in a cell.  grouping: whether commas separate thousands."""
    if cell is None:
        return NO_UNIT
    match cell.kind:
        case "number" | "bound":
            text = number_text(cell.number, value, grouping=grouping)
            if cell.kind == "bound":
                text = f"> {text}"
            if cell.error is not None:
                text += f" +- {_error_text(cell.error, value, grouping=grouping)}"
        case "progress" if math.isnan(cell.number):
            text = "begun"
        case "progress":
            text = f"{number_text(cell.number, value, grouping=grouping)} so far"
        case "unmeasured":
            text = "not measured"
        case "waiting":
            text = NOT_RUN
        case _:
            text = cell.kind
    remarks = "; ".join(_remarks(cell))
    return f"{text} ({remarks})" if remarks else text


def _remarks(cell: Cell) -> Iterator[str]:
    """Yield how many of the units of a cell its number is about, where these are not all, or a mean."""
    if cell.units == 1 or cell.kind == "waiting":
        return
    if cell.best is not None:
        if cell.done < cell.units:
            yield f"{cell.done} of {cell.units} done"
    elif cell.kind == "bound":
        yield f"{cell.reached} of {cell.units} reached"
    elif cell.kind == "number":
        yield f"{cell.measured}" + (f" of {cell.units}" if cell.measured < cell.units else "")
    if cell.failed and cell.kind != "failed":
        yield f"{cell.failed} failed"
    if cell.diverged and cell.kind != "diverged" and cell.best is None:
        yield f"{cell.diverged} diverged"


def number_text(number: float, value: Shown, *, grouping: bool = True) -> str:
    """Return a value with its usual digits; performance and shares are rounded down."""
    comma = "," if grouping else ""
    match value:
        case "iterations":
            return f"{number:{comma}.0f}"
        case "performance":
            return _rounded_down(number, "0.001")
        case "above":
            return f"{number:.2f}" if number in (0, 1) or 0.005 <= number < 0.995 else f"{number:.3f}"
        case "seconds":
            return f"{number:{comma}.{0 if number >= 100 else 1}f}"
        case "operations":
            return re.sub(r"e\+0*", "e", f"{number:.3g}")


def _error_text(error: float, value: Shown, *, grouping: bool) -> str:
    if value == "performance":
        return f"{error:.3f}"
    if value == "above":
        return f"{error:.3f}" if 0 < error < 0.01 else f"{error:.2f}"
    return number_text(error, value, grouping=grouping)


def _rounded_down(number: float, digits: str) -> str:
    # Rounded down: 0.9899 must not look as if a criterion of 0.99 had been reached.
    return str(Decimal(repr(number)).quantize(Decimal(digits), ROUND_FLOOR))


#: What a table shows, for its title.
TITLES: Final[dict[Shown, str]] = {
    "iterations": "iterations until the criterion was reached",
    "performance": "performance",
    "above": "share of the networks at or above the criterion",
    "seconds": "seconds of training",
    "operations": "floating point operations for each network, evaluations included",
}


_BY: Final[dict[Shown, str]] = {
    "iterations": "number of iterations",
    "performance": "performance",
    "above": "share",
    "seconds": "time",
    "operations": "number of operations",
}


def title(table: ResultTable) -> str:
    """Return what a table shows, in a few words."""
    plan, text = table.plan, TITLES[table.value]
    if table.value == "above" and plan.criterion is not None:
        text = text.replace("the criterion", f"{plan.criterion:g}")
    keyed = not {plan.rows, plan.columns} <= {"spec", "method"}
    return f"{text}, by {plan.rows} and {plan.columns}" if keyed else text


def notes(table: ResultTable) -> list[str]:
    """Return what the cells and the signs in a table mean, a line each; only of what occurs."""
    cells = table.cells.values()
    found = []
    if table.chosen:
        by = _BY[table.plan.by or table.value]
        size = "least" if table.plan.best == "least" else "largest"
        found.append(f"of several units, the one with the {size} {by}")
    if any(cell.kind == "bound" for cell in cells):
        found.append(">: the criterion was not reached")
    if any(cell.error is not None for cell in cells):
        what = "binomial standard error" if table.value == "above" else "standard deviation between units"
        found.append(f"+-: {what}")
    if any(cell.best is None and cell.units > 1 and cell.kind == "number" for cell in cells):
        found.append("(n): mean of n units" if table.value != "above" else "(n): n units together")
    if table.value == "above" and any(cell.kind == "unmeasured" for cell in cells):
        found.append(
            "not measured: neither 'table' nor 'training.stop' has a criterion, or nothing is evaluated"
        )
    if len(table.cells) < len(table.rows) * len(table.columns):
        found.append(f"{NO_UNIT}: the sweep has no such unit")
    return found


def settings_text(row: Row) -> str:
    """Return the values of the grid of a unit: `skips.beta.from=0.5 skips.beta.increments=1`."""
    return " ".join(f"{key}={flow(value)}" for key, value in row.unit.settings.items())


def as_markdown(name: str, tables: list[ResultTable]) -> str:
    """Return the tables of a sweep as Markdown, each with the settings of its best units."""
    parts = []
    for table, chosen in with_chosen(tables):
        lines = [f"**{name}: {_cell(title(table))}**", ""]
        lines += _markdown_rows(
            [corner(table), *table.columns],
            [
                [row, *(cell_text(table.cells.get((row, c)), table.value) for c in table.columns)]
                for row in table.rows
            ],
            right=True,
        )
        # At the beginning of a line, > is a sign of Markdown.
        lines += ["", *(re.sub("^>", r"\\>", f"{_cell(note)}  ") for note in notes(table))]
        if chosen:
            lines += ["", *_markdown_rows(chosen_heading(table), list(map(chosen_words, chosen)))]
        parts.append("\n".join(lines).rstrip())
    return "\n\n".join(parts) + "\n"


def as_csv(tables: list[ResultTable]) -> str:
    """Return the tables of a sweep as CSV, one below the other, with an empty line between.

    If cells show the best of several units, each column is followed by one with its settings.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, table in enumerate(tables):
        if number:
            text.write("\n")
        chosen = {(cell.row, cell.column): cell.best for cell in table.chosen}
        heading = [f"{corner(table)} ({table.value})"]
        for column in table.columns:
            heading += [column, f"{column}: settings"] if chosen else [column]
        writer.writerow(heading)
        for row in table.rows:
            line = [row]
            for column in table.columns:
                line.append(cell_text(table.cells.get((row, column)), table.value, grouping=False))
                if chosen:
                    best = chosen.get((row, column))
                    line.append("" if best is None else settings_text(best))
            writer.writerow(line)
    return text.getvalue()


def chosen_heading(table: ResultTable) -> list[str]:
    """Return the columns of the list of the best units."""
    return [table.plan.rows, table.plan.columns, "best of", "settings", "run folder"]


def chosen_words(cell: Cell) -> list[str]:
    """Return a line of the list of the best units."""
    assert cell.best is not None
    return [cell.row, cell.column, f"{cell.units:,}", settings_text(cell.best), cell.best.unit.name]


def with_chosen(tables: list[ResultTable]) -> Iterator[tuple[ResultTable, list[Cell]]]:
    """Yield each table with the best units to list below it: once below several tables that show the same."""
    for number, table in enumerate(tables):
        following = tables[number + 1].chosen if number + 1 < len(tables) else []
        same = [cell.best for cell in table.chosen] == [cell.best for cell in following]
        yield table, [] if same else table.chosen


def corner(table: ResultTable) -> str:
    """Return what the labels of the rows are."""
    return table.plan.rows


def _markdown_rows(heading: list[str], rows: list[list[str]], *, right: bool = False) -> Iterator[str]:
    rule = ["---", *(["---:" if right else "---"] * (len(heading) - 1))]
    for row in (heading, rule, *rows):
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    """Return text for a cell of Markdown; what would be a sign of Markdown is escaped."""
    return re.sub(r"([|*<`\\])", r"\\\1", text).replace("\n", " ")
