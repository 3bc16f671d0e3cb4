"""The results of a sweep for Python: rows that pandas and xarray take.  Needs neither of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any, overload

from rnnspec.diagnostics import Diagnostic
from rnnspec.errors import RequestError
from rnnspec.files import check_output, write_file
from rnnspec.sweeps.board import Board
from rnnspec.sweeps.rows import COLUMNS, Row, Value, columns_of, read_rows, rows_as_csv, table_of
from rnnspec.sweeps.table import ResultTable, result_tables
from rnnspec.sweeps.table_text import as_markdown
from rnnspec.syntax.dump import flow

_WHOLE = ("networks", "iterations", "planned", "evaluated", "above", "diverged", "threads")
_COUNTS = tuple(name for name in COLUMNS if name.startswith("operations"))
_TRUTH = ("reached",)
_TEXT = ("unit", "state", "ending", "target", "device", "dtype", "hardware", "rnnspec", "problem")


class SweepResults(Sequence[Mapping[str, Value]]):
    """The results of a sweep: a sequence with a mapping for each unit, as they were when they were read.

    `pandas.DataFrame(results)` takes it.  name: of the sweep.  folder: its folder.  columns: the keys of
    the mappings, which docs/results.md describes; None: there is nothing yet.  warnings: of all specs.
    """

    def __init__(self, board: Board) -> None:
        self.name = board.sweep.name
        self.folder = board.folder
        self.keys: tuple[str, ...] = board.sweep.keys
        self.warnings: tuple[Diagnostic, ...] = board.sweep.warnings
        self._plan = board.sweep.table
        self._rows = read_rows(board)
        self._table = table_of(self._rows, self.keys)
        self.columns = columns_of(self._rows, self.keys)

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, index: int) -> dict[str, Value]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Value]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Value] | list[dict[str, Value]]:
        return self._table[index]

    def __repr__(self) -> str:
        done = sum(row.state == "done" for row in self._rows)
        return f"<results of the sweep {self.name}: {done:,} of {len(self):,} units done>"

    def _repr_markdown_(self) -> str:
        """Return the tables for a notebook."""
        return self.to_markdown()

    @property
    def tables(self) -> list[ResultTable]:
        """The tables of the document, one for each of its values."""
        return result_tables(self._rows, self._plan)

    @property
    def done(self) -> bool:
        """Whether every unit is done."""
        return all(row.state == "done" for row in self._rows)

    @property
    def problems(self) -> dict[str, str]:
        """Why units have failed, or cannot be read, by their names."""
        return {row.unit.name: row.problem for row in self._rows if row.problem}

    def to_markdown(self) -> str:
        """Return the tables of the document as Markdown."""
        return as_markdown(self.name, self.tables)

    def to_csv(self, path: Path | str | None = None) -> str:
        """Return the rows as CSV, and write them to a file if a path is given.

        Raises RequestError if the file cannot be written.
        """
        file = None if path is None else check_output(path, ".csv")
        text = rows_as_csv(self._rows, self.keys)
        if file is not None:
            write_file(file, text.encode())
        return text

    def to_pandas(self) -> Any:
        """Return the rows as a pandas.DataFrame; missing whole numbers and truth values are pandas.NA.

        Raises RequestError if pandas is not installed.
        """
        frame = _package("pandas").DataFrame(self._table, columns=self.columns)
        kinds = dict.fromkeys((*_WHOLE, *_COUNTS), "Int64") | dict.fromkeys(_TRUTH, "boolean")
        return frame.astype(kinds)

    def to_xarray(self) -> Any:
        """Return the results as an xarray.Dataset with the dimensions spec, method and the keys of the grid.

        A unit that lacks a key has its values at all coordinates of that key.  Numbers are float64 and NaN
        where there is nothing, `reached` is 1 or 0; texts are empty there.  `phase/hold` is `phase_hold`,
        because netCDF has no such names.  `network_performance` has a further dimension, `network`.
        Raises RequestError if xarray is not installed.
        """
        xarray, numpy = _package("xarray"), _package("numpy")
        axes: dict[str, list[object]] = {"spec": [], "method": [], **{key: [] for key in self.keys}}
        for row in self._rows:
            for axis, found in axes.items():
                if _has(row, axis) and (value := row.unit.coordinate(axis)) not in found:
                    found.append(value)
        axes = {axis: found for axis, found in axes.items() if found}
        shape = tuple(len(found) for found in axes.values())
        numbers = [name for name in self.columns if name not in (*_TEXT, "spec", "method", *self.keys)]
        data: dict[str, Any] = {name: numpy.full(shape, math.nan) for name in numbers}
        data |= {name: numpy.full(shape, "", dtype=object) for name in _TEXT}
        networks = max((len(row.performances) for row in self._rows), default=0)
        each = numpy.full((*shape, networks), math.nan)
        for row, cells in zip(self._rows, self._table, strict=True):
            for place in _places(row, axes):
                for name in numbers:
                    data[name][place] = math.nan if (value := cells[name]) is None else float(value)
                for name in _TEXT:
                    data[name][place] = cells[name] or ""
                each[place][: len(row.performances)] = row.performances
        variables = {name.replace("/", "_"): (tuple(axes), values) for name, values in data.items()}
        variables["network_performance"] = ((*axes, "network"), each)
        return xarray.Dataset(
            variables,
            coords={axis: _coordinate(found) for axis, found in axes.items()},
            attrs={"sweep": self.name, "folder": str(self.folder)},
        )


def _has(row: Row, axis: str) -> bool:
    return axis in ("spec", "method") or axis in row.unit.settings


def _places(row: Row, axes: Mapping[str, list[object]]) -> Any:
    """Return the indices of a row: of an axis that it lacks, all."""
    return product(
        *(
            [found.index(row.unit.coordinate(axis))] if _has(row, axis) else range(len(found))
            for axis, found in axes.items()
        )
    )


def _coordinate(values: list[object]) -> list[object]:
    """Return the values of a dimension: numbers, or text if they are not all numbers."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values
    return [flow(value).strip('"') for value in values]


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise RequestError(
            f"The Python package {name} is not installed.", f"Install it: pip install {name}"
        ) from None
