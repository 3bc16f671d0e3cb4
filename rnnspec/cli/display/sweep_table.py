"""What `rnnspec sweep --table` shows: the results of a sweep, on the terminal, as Markdown and as CSV."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnspec.cli.console import count, is_terminal, note
from rnnspec.files import check_output, finite, to_json, write_file
from rnnspec.sweeps.rows import Row, Value, read_rows, rows_as_csv, table_of
from rnnspec.sweeps.table import ResultTable, result_tables
from rnnspec.sweeps.table_text import (
    NOT_RUN,
    as_csv,
    as_markdown,
    cell_text,
    chosen_heading,
    chosen_words,
    corner,
    notes,
    title,
    with_chosen,
)

if TYPE_CHECKING:
    from rnnspec.sweeps.board import Board

#: The forms of a table, and the suffix of a file of each.
SUFFIXES = {"text": ".txt", "markdown": ".md", "csv": ".csv"}
#: Columns of a table in a file.
_WIDTH = 200


def print_table(board: Board, form: str | None, output: str | None, *, json: bool = False) -> None:
    """Print the tables of a sweep, or write them to a file.

    form: one of SUFFIXES; None: that of the suffix of the file, or text.  json: print a row for each unit
    instead, as one JSON object.  Units with a problem are noted.
    """
    chosen = _form(form, output)
    path = None if output is None else check_output(output, SUFFIXES[chosen])
    rows = read_rows(board)
    if json:
        print(to_json(_object(board, rows), indent=2))
    else:
        tables = result_tables(rows, board.sweep.table)
        if path is not None:
            write_file(path, _text(board.sweep.name, tables, chosen, _WIDTH).encode())
            note(f"{board.sweep.name}: wrote {path}")
        elif chosen == "text":
            console = Console(
                width=None if is_terminal(sys.stdout) else _WIDTH, highlight=False, soft_wrap=False
            )
            _print(console, board.sweep.name, tables)
        else:
            print(_text(board.sweep.name, tables, chosen, _WIDTH), end="")
    note_problems(rows)


def write_units(board: Board, output: str) -> None:
    """Write a row for each unit of a sweep as CSV.  output: a file, or - for stdout."""
    path = None if output == "-" else check_output(output, ".csv")
    rows = read_rows(board)
    text = rows_as_csv(rows, board.sweep.keys)
    if path is None:
        print(text, end="")
    else:
        write_file(path, text.encode())
        note(f"{board.sweep.name}: wrote {count(len(rows), 'unit')} to {path}")
    note_problems(rows)


def note_problems(rows: Iterable[Row]) -> None:
    """Print to stderr which units have failed or cannot be read, a line each."""
    for row in rows:
        if row.problem:
            lines = row.problem.strip().split("\n")
            note(f"{row.unit.name}: {lines[-1] if lines[0].startswith('Traceback') else lines[0]}")


def _form(form: str | None, output: str | None) -> str:
    if form is None:
        suffix = "" if output is None else Path(output).suffix.lower()
        return next((name for name, own in SUFFIXES.items() if own == suffix), "text")
    if form not in SUFFIXES:
        raise typer.BadParameter(f"'{form}' is not one of: {', '.join(SUFFIXES)}.", param_hint="'--format'")
    return form


def _text(name: str, tables: list[ResultTable], form: str, width: int) -> str:
    match form:
        case "markdown":
            return as_markdown(name, tables)
        case "csv":
            return as_csv(tables)
    text = StringIO()
    _print(Console(file=text, width=width, highlight=False), name, tables)
    return text.getvalue()


def _print(console: Console, name: str, tables: list[ResultTable]) -> None:
    for number, (table, chosen) in enumerate(with_chosen(tables)):
        if number:
            console.print()
        console.print(Text(f"{name}: {title(table)}", "bold"))
        shown = _grid([corner(table), *table.columns])
        for row in table.rows:
            cells = [cell_text(table.cells.get((row, column)), table.value) for column in table.columns]
            shown.add_row(Text(row), *(Text(cell, "dim" if cell == NOT_RUN else "") for cell in cells))
        console.print(shown)
        if found := notes(table):
            console.print(Text("; ".join(found), "dim"))
        if chosen:
            console.print()
            shown = _grid(chosen_heading(table), "left")
            for cell in chosen:
                shown.add_row(*map(Text, chosen_words(cell)))
            console.print(shown)


def _grid(heading: list[str], justify: str = "right") -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for number, name in enumerate(heading):
        table.add_column(
            Text(name), justify="right" if number and justify == "right" else "left", overflow="fold"
        )
    return table


def _object(board: Board, rows: list[Row]) -> dict[str, object]:
    def plain(value: Value) -> Value:
        return finite(value) if isinstance(value, float) else value

    units = table_of(rows, board.sweep.keys)
    return {
        "sweep": board.sweep.name,
        "folder": str(board.folder),
        "units": [{name: plain(value) for name, value in unit.items()} for unit in units],
    }
