"""What `rnnspec sweep --dry-run` shows: what is left of a sweep, and what that takes on this machine."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rnnspec.cli.console import count, is_terminal, note
from rnnspec.cli.display.build_report import scaled
from rnnspec.cli.display.charts import span
from rnnspec.files import to_json
from rnnspec.sweeps.board import Board
from rnnspec.sweeps.cost import Estimate, estimate
from rnnspec.sweeps.order import Options

#: Columns of the report in a file or pipe.
_WIDTH = 120


def print_cost(board: Board, options: Options, capacity: int, *, json: bool = False) -> None:
    """Measure and print what is left of a sweep.  capacity: units that are trained at a time."""
    with _progress() as progress:
        found = estimate(board, options, capacity, progress=progress)
    for problem in found.problems:
        note(*problem.split("\n"))
    if json:
        print(to_json(_object(board, found), indent=2))
        return
    console = Console(width=None if is_terminal(sys.stdout) else _WIDTH, highlight=False)
    console.print(Text(f"{board.sweep.name}: {_units(found)}", "bold"))
    table = Table.grid(padding=(0, 2))
    for label, text in describe(found):
        table.add_row(label, Text(text))
    console.print(table)
    console.print()
    console.print(_lines(found))


def describe(found: Estimate) -> Iterator[tuple[str, str]]:
    """Yield the lines of the report, each with its label."""
    bound = " at most" if found.earlier else ""
    yield "operations", f"{operations(found.operations)}{bound}"
    if not math.isnan(found.seconds):
        threads = f", {count(found.threads, 'thread')} each" if found.capacity > 1 else ""
        yield (
            "time here",
            f"{_span(found.seconds)}{bound}, {count(found.capacity, 'unit')} at a time{threads}",
        )
    if found.earlier:
        which = "Every unit" if found.earlier == found.units - found.done else count(found.earlier, "unit")
        yield "", f"{which} may end earlier, at its criterion."
    yield "", _source(found)
    if found.target is not None:
        yield "target", found.target
    if found.uncompiled is not None and found.kernels:
        rest = f", {found.uncompiled:,} of them not compiled before" if found.uncompiled else ", all compiled"
        yield "kernels", f"{found.kernels:,}{rest}"
    processes = min(found.capacity, found.units - found.done)
    yield "memory", f"{scaled(found.memory, 'B')} for {processes} process{'' if processes == 1 else 'es'}"
    full = "" if found.disk <= found.free else ": not enough"
    yield "disk", f"{scaled(found.disk, 'B')} at most; {scaled(found.free, 'B')} free{full}"


def _units(found: Estimate) -> str:
    text = f"{count(found.units, 'unit')}, {count(found.networks, 'network')}"
    return f"{text}; {found.done:,} done" if found.done else text


def _source(found: Estimate) -> str:
    parts = []
    if found.recorded:
        parts.append(f"recorded by {count(found.recorded, 'run')} of this sweep")
    if found.measured:
        parts.append(f"measured with {found.measured:,} of {count(found.kernels, 'kernel')}")
    return f"The speed was {' and '.join(parts)}." if parts else "The speed is not known."


def _span(seconds: float) -> str:
    """Return a duration in its two largest units, or in days if it is long."""
    days = seconds / 86_400
    return f"{days:,.0f} days" if days >= 100 else span(seconds)


def operations(number: int) -> str:
    """Return operations with their prefix: `1.23 EFLOP`."""
    for factor, prefix in ((1e18, "E"), (1e15, "P")):
        if number >= factor:
            return f"{number / factor:.3g} {prefix}FLOP"
    return scaled(number, "FLOP")


def _lines(found: Estimate) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for number, name in enumerate(("spec", "method", "units", "done", "operations", "one after the other")):
        table.add_column(name, justify="right" if number > 1 else "left", overflow="fold")
    for line in found.lines:
        spec, method = line.kind
        seconds = "" if math.isnan(line.seconds) or not line.seconds else _span(line.seconds)
        left = operations(line.operations) if line.operations else ""
        table.add_row(Text(spec), Text(method), f"{line.units:,}", f"{line.done:,}", left, seconds)
    return table


def _object(board: Board, found: Estimate) -> dict[str, object]:
    def known(seconds: float) -> float | None:
        return None if math.isnan(seconds) else round(seconds, 1)

    return {
        "sweep": board.sweep.name,
        "folder": str(board.folder),
        "units": found.units,
        "done": found.done,
        "networks": found.networks,
        "operations": found.operations,
        "seconds": known(found.seconds),
        "may_end_earlier": found.earlier,
        "at_a_time": found.capacity,
        "threads": found.threads,
        "target": found.target,
        "recorded": found.recorded,
        "measured": found.measured,
        "kernels": found.kernels,
        "not_compiled": found.uncompiled,
        "memory": found.memory,
        "disk": found.disk,
        "free": found.free,
        "lines": [
            {
                "spec": line.kind[0],
                "method": line.kind[1],
                "units": line.units,
                "done": line.done,
                "networks": line.networks,
                "operations": line.operations,
                "seconds": known(line.seconds),
            }
            for line in found.lines
        ],
    }


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal how many kernels are measured."""
    if not is_terminal(sys.stderr):
        yield lambda done, jobs: None
        return
    with Console(file=sys.stderr, highlight=False).status("measuring the speed of this machine") as status:
        yield lambda done, jobs: status.update(f"measured {done} of {count(jobs, 'kernel')}")
