"""`rnnspec sweep`: train all units of a sweep."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnspec.cli.console import complain, count, is_terminal, note, show_diagnostics
from rnnspec.cli.failures import UNITS_FAILED
from rnnspec.cli.options import (
    AllowDrift,
    BreakLock,
    CheckpointSeconds,
    Device,
    Json,
    Quiet,
    Set,
    StopOn,
    TargetName,
    one_of,
    stop_signal_names,
    target_of,
)
from rnnspec.errors import RequestError
from rnnspec.runs.lock import require_locks
from rnnspec.training.interruption import EXIT_CODES, Interruption, StopStatus, listening

if TYPE_CHECKING:
    from rnnspec.cli.display.sweep import LiveSweep, PlainSweep
    from rnnspec.sweeps.board import Board
    from rnnspec.sweeps.pool import Pool
    from rnnspec.sweeps.providers import Jobs

SweepFile = Annotated[
    str, typer.Argument(metavar="SWEEP", help="The sweep, a YAML file.", show_default=False)
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="AXIS=VALUES",
        help="Only these units, such as method=SCTT40,DASC40 or spec=go or seed=0; units without such a key "
        "stay. May be repeated.",
        show_default=False,
    ),
]
Out = Annotated[str, typer.Option("--out", metavar="RUNS", help="Make the sweep's folder in this folder.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Train N units at a time; default: one for each processor.",
        show_default=False,
    ),
]
On = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="CLUSTER",
        help="Train on a cluster: a YAML file that names provider and limits (docs/cluster.md), or a Python "
        "file with a Parsl 'config'.",
        show_default=False,
    ),
]
Dtype = Annotated[str, typer.Option("--dtype", metavar="TYPE", help="Numbers: float32 or float64.")]
Status = Annotated[bool, typer.Option("--status", help="Show how far the sweep is, and train nothing.")]
TableOption = Annotated[bool, typer.Option("--table", help="Show the table of results, and train nothing.")]
Form = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="FORM",
        help="Of the table: text, markdown or csv; default: by the suffix of the file.",
        show_default=False,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Write the table to this file: .md, .csv or .txt.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show what is left and what it takes on this machine, and train nothing."),
]
Units = Annotated[
    str | None,
    typer.Option(
        "--units",
        metavar="FILE",
        help="Write a line for each unit to this CSV file (- for stdout), and train nothing.",
        show_default=False,
    ),
]


def command(
    sweep: SweepFile,
    settings: Set = None,
    only: Only = None,
    out: Out = "runs",
    workers: Workers = None,
    on: On = None,
    target: TargetName = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    checkpoint_seconds: CheckpointSeconds = 60.0,
    allow_drift: AllowDrift = False,
    break_lock: BreakLock = False,
    stop_on: StopOn = None,
    status: Status = False,
    table: TableOption = False,
    form: Form = None,
    output: Output = None,
    units: Units = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train all units of a sweep: each spec with each method and all combinations of settings.

    All units are checked before the first begins. Each has a run folder of its own in RUNS/NAME, whose name
    follows from what it is. The same command can be repeated at any time: units that are done stay as they
    are, and the others go on from their last checkpoint. Several such commands, also on several machines
    that share the folder, divide the units among themselves.

    A unit that fails is tried once more, after the others. Ctrl-C, SIGTERM and SIGUSR1 save the units that
    are being trained; a second Ctrl-C stops at once. --set applies to all units and makes other units.

    \b
    Example:
      rnnspec sweep specs/paper/table2.yaml --set training.networks=10
      rnnspec sweep specs/paper/table2.yaml --set training.networks=10 --status
      rnnspec sweep specs/paper/table2.yaml --on slurm.yaml
    """
    require_locks()
    if (status and (table or units or form or output)) or (dry_run and (status or table or units)):
        raise typer.BadParameter(
            "--status, --dry-run, and --table with --units show different things: give one of them."
        )
    from rnnspec.sweeps.board import Board
    from rnnspec.sweeps.plan import choose, load_sweep

    signals = stop_signal_names(stop_on)
    number = one_of("--dtype", dtype, ("float32", "float64"))
    chosen = target_of(target)
    plan = load_sweep(sweep, settings or ())
    show_diagnostics(plan.warnings, sys.stderr)
    known = frozenset(unit.name for unit in plan.units)
    plan = choose(plan, only or ())
    folder = Path(out) / plan.name
    if status:
        _show_status(Board(plan, folder), json, known)
        return
    if table or units or form or output:
        _show_results(Board(plan, folder), form, output, units, table=table or units is None, json=json)
        return
    from rnnspec.sweeps.controller import Controller
    from rnnspec.sweeps.order import Options
    from rnnspec.sweeps.pool import division

    jobs = None if dry_run else _jobs(on, workers, folder)
    board = Board(plan, folder)
    left = len(board.places) - board.counts()["done"]
    capacity, threads = division(workers, left)
    options = Options(
        target=chosen,
        device=device,
        dtype=number,
        threads=jobs.threads if jobs else threads,
        checkpoint_seconds=checkpoint_seconds,
        allow_drift=allow_drift,
        break_lock=break_lock,
    )
    if dry_run:
        from rnnspec.cli.display.sweep_cost import print_cost

        print_cost(board, options, capacity, json=json)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with listening(signals) as interruption:
        interruption.remedy = f"The same command goes on: {_again()}"
        if jobs:
            from rnnspec.sweeps.cluster import CANCELLING, SAVING

            interruption.grace, interruption.at_once = SAVING + CANCELLING, CANCELLING
        interruption.begin()
        pool = _pool(jobs if left else None, capacity)
        display = None if quiet else _display(board, pool.capacity)
        try:
            Controller(board, pool, options, display or (lambda message: None)).run(
                interruption, on_stop=display.stop if display else lambda: None
            )
        except KeyboardInterrupt:
            note(f"Stopped at once; the last checkpoints stay. {interruption.remedy}")
            raise typer.Exit(EXIT_CODES["interrupted"]) from None
        finally:
            if display:
                display.close()
        _report(board, interruption, json=json, quiet=quiet)


def _jobs(on: str | None, workers: int | None, folder: Path) -> Jobs | None:
    """Read the file of a cluster, if there is one."""
    if on is None:
        return None
    if workers is not None:
        raise RequestError(
            "--workers is for trainings on this machine, without --on.",
            "Write jobs, nodes and units_per_node in the file of the cluster.",
        )
    from rnnspec.sweeps.layout import PARSL
    from rnnspec.sweeps.providers import load_jobs

    return load_jobs(on, folder / PARSL)


def _pool(jobs: Jobs | None, capacity: int) -> Pool:
    if jobs is None:
        from rnnspec.sweeps.pool import LocalPool

        return LocalPool(capacity)
    from rnnspec.sweeps.cluster import ClusterPool

    return ClusterPool(jobs)


def _show_status(board: Board, json: bool, known: frozenset[str]) -> None:
    """Print the state of a sweep.  known: the names of all units of its document."""
    from rnnspec.cli.display.sweep import print_status, status_json
    from rnnspec.files import to_json

    if json:
        print(to_json(status_json(board), indent=2))
    else:
        print_status(board, known)


def _show_results(
    board: Board, form: str | None, output: str | None, units: str | None, *, table: bool, json: bool
) -> None:
    from rnnspec.cli.display.sweep_table import print_table, write_units

    if units is not None:
        write_units(board, units)
    if table or output is not None or form is not None:
        print_table(board, form, output, json=json)


def _display(board: Board, capacity: int) -> LiveSweep | PlainSweep:
    from rnnspec.cli.display.sweep import LiveSweep, PlainSweep

    return (LiveSweep if is_terminal(sys.stderr) else PlainSweep)(board, capacity)


def _report(board: Board, interruption: Interruption, *, json: bool, quiet: bool) -> None:
    """Print how the sweep has ended, and raise typer.Exit with its exit code."""
    from rnnspec.cli.display.sweep import describe_counts

    if json:
        _show_status(board, json, frozenset(board.places))
    else:
        print(f"{board.sweep.name}: {describe_counts(board)} -> {board.folder}")
    failed = [place for place in board.places.values() if place.state == "failed"]
    reasons: dict[str, list[str]] = {}
    for place in failed:
        reasons.setdefault(place.reason, []).append(place.unit.name)
    for reason, names in reasons.items():
        which = names[0] if len(names) == 1 else f"{len(names):,} units, such as {names[0]},"
        complain(f"{which} failed:", *reason.split("\n"))
    unseen = [
        place.unit.name
        for place in board.places.values()
        if place.state == "elsewhere" and (place.run is None or place.run.state == "unseen")
    ]
    if unseen:
        note(f"{count(len(unseen), 'unit')}, such as {unseen[0]}, may be in training on another machine.")
        note("If nothing trains them any more, give the same command with --break-lock.")
    stopped: StopStatus | None = interruption.status
    if stopped is not None:
        note(f"Stopped by {interruption.signal}. {interruption.remedy}")
        raise typer.Exit(EXIT_CODES[stopped])
    if failed:
        note(f"Failed units are tried again by the same command: {_again()}")
        raise typer.Exit(UNITS_FAILED)
    if board.counts()["done"] == len(board.places) and not (json or quiet):
        note(f"Its results: {_again()} --table")


def _again() -> str:
    """Return the command of this process, quoted for a shell."""
    return shlex.join(["rnnspec", *sys.argv[1:]])
