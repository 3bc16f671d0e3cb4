"""The results of a sweep in long form: a row for each unit, read from its run folder.  Free of torch."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Final

from rnnspec.analysis.criterion import is_reached
from rnnspec.errors import RequestError
from rnnspec.files import finite
from rnnspec.program.nodes import Program, Stop
from rnnspec.runs.layout import MANIFEST, METRICS
from rnnspec.runs.lines import last_line
from rnnspec.runs.manifest import Manifest
from rnnspec.runs.metrics import MetricsRow
from rnnspec.runs.regular import read_regular
from rnnspec.sweeps.board import Board, Place, UnitState
from rnnspec.sweeps.plan import Unit
from rnnspec.sweeps.work import Work, work_between
from rnnspec.syntax.dump import flow

Value = None | bool | int | float | str

#: The columns of a row, and what they mean.  Those of the grid stand behind `method`, those of the phases
#: behind `performance`.
COLUMNS: Final[Mapping[str, str]] = {
    "unit": "name of the unit, and of its run folder in the folder of the sweep",
    "spec": "name of the file of the spec, without its suffix",
    "method": "name of the method in the sweep",
    "state": "`done`, `running`, `waiting` or `failed`; a unit that is waiting may have been begun",
    "ending": "how training has ended: `reached` its criterion, `finished` all iterations, `diverged`",
    "networks": "K, the number of networks",
    "iterations": "updates made",
    "planned": "updates after which training ends at the latest",
    "evaluated": "updates after which the performance was measured",
    "performance": "trimmed mean of the performance of the networks",
    "reached": "whether training has reached the criterion of `training.stop`",
    "above": "number of networks whose performance is at least the criterion (`table.criterion`)",
    "share": "the same as a share of all networks",
    "share_error": "binomial standard error of the share, sqrt(share (1 - share) / K)",
    "diverged": "number of networks that have diverged",
    "seconds": "seconds of training, without pauses",
    "operations": "floating point operations of one network: the sum of the next three",
    "operations_forward": "those of simulating the training trials",
    "operations_backward": "those of the gradients",
    "operations_evaluation": "those of the evaluations",
    "target": "target, such as `cpu` or `torch`",
    "device": "device, as torch names it",
    "dtype": "type of the numbers",
    "threads": "number of processor threads",
    "hardware": "the processor, or the GPU",
    "rnnspec": "version of rnnspec",
    "problem": "why the unit has failed, or why its folder cannot be read",
}
_BEFORE_GRID, _BEFORE_PHASES = "method", "performance"
PHASE: Final = "phase/"


@dataclass(frozen=True)
class Row:
    """What a unit came to, so far.  Fields are described in COLUMNS; None or NaN where there is nothing yet.

    performances: of each network, as of the last evaluation.  phases: trimmed means, by phase.
    criterion: whether its spec has one.
    """

    unit: Unit
    state: UnitState
    criterion: bool
    begun: bool = False
    ending: str | None = None
    networks: int | None = None
    iterations: int | None = None
    planned: int | None = None
    evaluated: int | None = None
    performance: float = math.nan
    performances: tuple[float, ...] = ()
    phases: Mapping[str, float] = field(default_factory=dict)
    reached: bool | None = None
    above: int | None = None
    diverged: int | None = None
    seconds: float | None = None
    work: Work | None = None
    target: str | None = None
    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    hardware: str | None = None
    rnnspec: str | None = None
    problem: str = ""

    @property
    def share(self) -> float | None:
        """The share of the networks that are above the criterion."""
        return self.above / self.networks if self.above is not None and self.networks else None

    def cells(self) -> dict[str, Value]:
        """Return the values of COLUMNS, and of the phases; None where there is nothing."""
        share, work = self.share, self.work
        values: dict[str, Value] = {
            "unit": self.unit.name,
            "spec": self.unit.spec,
            "method": self.unit.method,
            "state": "running" if self.state == "elsewhere" else self.state,
            "performance": finite(self.performance),
            "share": share,
            "share_error": None if share is None or not self.networks else share_error(share, self.networks),
            "operations": work.operations if work else None,
            "operations_forward": work.forward if work else None,
            "operations_backward": work.backward if work else None,
            "operations_evaluation": work.evaluation if work else None,
            "problem": self.problem or None,
        }
        cells = {name: values[name] if name in values else getattr(self, name) for name in COLUMNS}
        return cells | {f"{PHASE}{name}": finite(value) for name, value in self.phases.items()}


def share_error(share: float, networks: int) -> float:
    """Return the binomial standard error of a share: sqrt(p (1 - p) / n)."""
    return math.sqrt(share * (1 - share) / networks)


def read_rows(board: Board) -> list[Row]:
    """Return a row for each unit of a sweep, in their order, as the folders show them now.

    A folder that cannot be read has a row with its problem.
    """
    criterion = board.sweep.table.criterion
    return [_read(board, place, criterion) for place in board.places.values()]


def columns_of(rows: Iterable[Row], keys: Iterable[str]) -> list[str]:
    """Return the names of the columns of rows: COLUMNS, those of the grid, and those of all phases."""
    phases = dict.fromkeys(f"{PHASE}{name}" for row in rows for name in row.phases)
    names: list[str] = []
    for name in COLUMNS:
        names.append(name)
        names += list(keys) if name == _BEFORE_GRID else list(phases) if name == _BEFORE_PHASES else []
    return names


def table_of(rows: list[Row], keys: Iterable[str]) -> list[dict[str, Value]]:
    """Return the rows as mappings with the same keys, in the order of the columns.

    A setting of the grid that is neither a number, a string, a truth value nor null is text, as in YAML.
    """
    names = columns_of(rows, keys)
    found = []
    for row in rows:
        cells = {**row.cells(), **{key: _plain(value) for key, value in row.unit.settings.items()}}
        found.append({name: cells.get(name) for name in names})
    return found


def rows_as_csv(rows: list[Row], keys: Iterable[str]) -> str:
    """Return the rows as CSV with a header.  An empty cell: there is nothing; `null`: a setting is null."""
    keys = list(keys)
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = columns_of(rows, keys)
    writer.writerow(names)
    for row, cells in zip(rows, table_of(rows, keys), strict=True):
        own = {key: flow(value) for key, value in row.unit.settings.items() if value is None}
        writer.writerow([_text(own.get(name, cells[name])) for name in names])
    return text.getvalue()


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, bool | int | float | str) else flow(value)


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.9g}" if isinstance(value, float) else str(value)


# --- reading -----------------------------------------------------------------------------------------


def _read(board: Board, place: Place, criterion: float | None) -> Row:
    row = Row(
        place.unit,
        place.state,
        criterion=place.unit.specification.program.training.stop is not None,
        problem=place.reason if place.state == "failed" else "",
    )
    if place.run is None:
        return row
    if place.run.state == "foreign":
        return replace(row, problem="Another version of rnnspec has made it.")
    try:
        manifest = Manifest.parse(read_regular(file := place.run.folder / MANIFEST), file)
        last = None if place.state == "done" else last_line(MetricsRow, place.run.folder / METRICS)
    except RequestError as error:
        return replace(row, problem=error.reason)
    except OSError as error:
        return replace(row, problem=f"{error.filename or place.run.folder}: {error.strerror}.")
    row = replace(
        row,
        begun=True,
        networks=manifest.networks,
        iterations=max(place.completed, place.run.completed),
        planned=manifest.iterations,
        diverged=place.run.diverged,
        seconds=place.run.seconds,
        target=manifest.target,
        device=manifest.device,
        dtype=manifest.dtype,
        threads=manifest.threads,
        hardware=manifest.hardware,
        rnnspec=manifest.versions.rnnspec,
    )
    program = place.unit.specification.program
    row = _scored(row, manifest, last, _criterion(program, criterion), own=criterion is None)
    assert row.iterations is not None
    return replace(row, work=work_between(program, 0, row.iterations, manifest.iterations))


def _scored(row: Row, manifest: Manifest, last: MetricsRow | None, stop: Stop | None, *, own: bool) -> Row:
    """Add what the last evaluation has found.  own: whether the criterion is that of the spec."""
    result = manifest.result
    if row.state == "done" and result is not None:
        row = replace(row, ending=result.status, iterations=result.iterations, evaluated=result.evaluated)
        if row.criterion:
            row = replace(row, reached=result.status == "reached" or not manifest.for_criterion)
        performance, means = result.trimmed_mean, result.phase_means
        performances, phases = result.performance, result.phases
    elif last is not None:
        row = replace(row, evaluated=last.iteration)
        performance, means = last.trimmed_mean, last.phase_means
        performances, phases = last.performance, last.phases
    else:
        return row
    row = replace(row, performance=performance, performances=performances, phases=means)
    if stop is None or row.evaluated is None:
        return row
    if own and row.state == "done" and result is not None and result.reached is not None:
        return replace(row, above=len(result.reached))
    above = (
        is_reached(stop, value, {name: of_networks[k] for name, of_networks in phases.items()})
        for k, value in enumerate(performances)
    )
    return replace(row, above=sum(above))


def _criterion(program: Program, performance: float | None) -> Stop | None:
    """Return what a network must reach to be above: the criterion of the spec, or one with another value."""
    stop = program.training.stop
    if performance is None:
        return stop
    return replace(stop, performance=performance) if stop else Stop((), performance, 0.0, None)
