"""`rnnspec train`: train the networks of a spec."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from rnnspec.cli.console import complain, note, show_diagnostics
from rnnspec.cli.failures import USAGE
from rnnspec.cli.options import (
    CheckpointIterations,
    CheckpointSeconds,
    Device,
    Json,
    Quiet,
    Set,
    SpecFile,
    StopOn,
    TargetName,
    Threads,
    With,
    one_of,
    stop_signal_names,
    target_of,
)
from rnnspec.cli.supervise import leave_at_once, supervise, training_title
from rnnspec.runs.layout import MANIFEST, resume_command
from rnnspec.runs.lock import RunInUseError, require_locks
from rnnspec.runtime.targets import RECORDS
from rnnspec.training.interruption import listening

if TYPE_CHECKING:
    from rnnspec.training.events import Observer
    from rnnspec.training.result import Result

Out = Annotated[str, typer.Option("--out", metavar="RUNS", help="Make the run folder in this folder.")]
Once = Annotated[
    bool, typer.Option("--once", help="Resume an earlier run of the same networks, instead of a new run.")
]
Dtype = Annotated[str, typer.Option("--dtype", metavar="TYPE", help="Numbers: float32 or float64.")]
OnlyNetwork = Annotated[
    int | None,
    typer.Option("--only-network", metavar="K", min=0, help="Train only network K of the ensemble, from 0."),
]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Begin with the trained networks of this run folder; what it lacks is drawn as usual.",
        show_default=False,
    ),
]
FromNetworks = Annotated[
    str | None,
    typer.Option(
        "--from-networks",
        metavar="NUMBERS",
        help="The network of that run for each network, such as 0-9 or 3,0,7, or one for all.",
        show_default=False,
    ),
]
Diagnose = Annotated[
    str | None,
    typer.Option(
        "--diagnose",
        metavar="gradients",
        help="Record how gradients fade backwards through time, with skips and without.",
        show_default=False,
    ),
]
DiagnoseAt = Annotated[
    list[int] | None,
    typer.Option(
        "--diagnose-at",
        metavar="N",
        min=1,
        help="In iteration N; default: 1, 10, 100, 1000 and 10000. May be repeated.",
        show_default=False,
    ),
]


def command(
    spec: SpecFile,
    overlays: With = None,
    settings: Set = None,
    once: Once = False,
    out: Out = "runs",
    target: TargetName = None,
    device: Device = "auto",
    dtype: Dtype = "float32",
    threads: Threads = None,
    only_network: OnlyNetwork = None,
    begin_from: From = None,
    from_networks: FromNetworks = None,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    checkpoint_iterations: CheckpointIterations = None,
    stop_on: StopOn = None,
    diagnose: Diagnose = None,
    diagnose_at: DiagnoseAt = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train the networks of a spec.

    All networks are trained side by side. The run gets a new folder, and no other run is overwritten.
    Progress goes to stderr, the result to stdout. Ctrl-C, SIGTERM and SIGUSR1 stop the training after the
    current iteration and save it; a second Ctrl-C stops at once and keeps the last checkpoint. 'rnnspec
    resume RUN' continues it. A network that diverges is reported and trained no further; the others are not
    affected (exit code 4).

    With --once, the same command can be repeated, as in a job array: a run of the same resolved spec and
    version of rnnspec is resumed if it is not finished. If it is finished, its result is printed; if another
    process is training it, nothing is done (exit code 0).

    With --from, weights and masks of trained networks are taken by the names of populations and channels.

    \b
    Example:
      rnnspec train specs/delayed_go.yaml --with dasc40 --set training.networks=10
      rnnspec train specs/delayed_anti.yaml --from runs/delayed_go-95d95dc9
    """
    require_locks()
    _refuse_run_folder(spec)
    if diagnose is not None:
        one_of("--diagnose", diagnose, ("gradients",))
    elif diagnose_at:
        raise typer.BadParameter("It needs --diagnose gradients.", param_hint="'--diagnose-at'")
    if from_networks is not None and begin_from is None:
        raise typer.BadParameter("It needs --from RUN.", param_hint="'--from-networks'")
    numbers = None if from_networks is None else _numbers(from_networks)
    signals = stop_signal_names(stop_on)
    # Until the result is printed: a cluster may send its signal at any time.
    with listening(signals) as interruption:
        with leave_at_once(interruption):
            from rnnspec.check.examine import load

            # Before torch is imported, which takes seconds: most mistakes are in the spec.
            specification = load(spec, overlays or (), settings or ())
            show_diagnostics(specification.warnings, sys.stderr)

            import torch

            from rnnspec.analysis.gradients import ITERATIONS
            from rnnspec.cli.display.training_report import print_in_use
            from rnnspec.runtime.device import DTYPES
            from rnnspec.training.train import train

        chosen = target_of(target)
        if chosen is not None and (notice := RECORDS[chosen].notice):
            note(notice)
        number = DTYPES[one_of("--dtype", dtype, tuple(DTYPES))]
        if threads is not None:
            torch.set_num_threads(threads)

        def begin(observer: Observer) -> Result:
            return train(
                specification,
                out=out,
                target=chosen,
                device=device,
                dtype=number,
                only_network=only_network,
                from_run=begin_from,
                from_networks=numbers,
                once=once,
                checkpoint_seconds=checkpoint_seconds,
                checkpoint_iterations=checkpoint_iterations,
                stop_on=signals,
                diagnose_at=(diagnose_at or ITERATIONS) if diagnose else (),
                observer=observer,
                on_note=note,
            )

        title = training_title(specification.program.name, specification.methods)
        try:
            supervise(title, begin, quiet=quiet, json=json)
        except RunInUseError as other:
            if not once:
                raise
            print_in_use(title, specification.program.name, other, as_json=json)


def _numbers(text: str) -> list[int]:
    """Return the numbers of networks: `0-9` or `3,0,7`, also mixed."""
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r" *(\d{1,6}) *(?:- *(\d{1,6}) *)?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first:
            raise typer.BadParameter(
                f"'{part.strip()}' is no number of a network. Write 3, 0-9 or 3,0,7.",
                param_hint="'--from-networks'",
            )
        numbers += range(first, last + 1)
    return numbers


def _refuse_run_folder(spec: str) -> None:
    """Name the command that is meant if a run folder stands in place of a spec."""
    if os.path.exists(os.path.join(spec, MANIFEST)):
        complain(f"{spec} is a run folder, not a spec. Resume it with: {resume_command(spec)}")
        raise typer.Exit(USAGE)
