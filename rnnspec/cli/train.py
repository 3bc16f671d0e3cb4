"""`rnnspec train`: train the networks of a spec, or go on with a run."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rnnspec.cli.console import is_terminal, note, show_diagnostics
from rnnspec.cli.failures import explain, stopped
from rnnspec.cli.options import DeviceOrOwn, Json, Set, TargetName, Threads, With, one_of, target_of
from rnnspec.runs.layout import MANIFEST, resume_command
from rnnspec.training.interruption import (
    EXIT_CODES,
    STOPPING,
    Interruption,
    StopStatus,
    listening,
    tell,
)

if TYPE_CHECKING:
    from rnnspec.cli.display.live import LiveDisplay
    from rnnspec.cli.display.plain import PlainDisplay
    from rnnspec.training.events import Observer
    from rnnspec.training.result import Result


def command(
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="SPEC", help="The spec, a YAML file; with --extend, a run folder.", show_default=False
        ),
    ] = None,
    overlays: With = None,
    settings: Set = None,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with this run from its last checkpoint.",
            show_default=False,
        ),
    ] = None,
    extend: Annotated[
        int | None,
        typer.Option(
            "--extend",
            metavar="N",
            min=1,
            help="Go on with a run for N iterations more than it has made.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            metavar="RUNS",
            help="The folder in which the run gets its own; 'runs' if not given.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOrOwn = None,
    target: TargetName = None,
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", metavar="TYPE", help="float32 (the default) or float64.", show_default=False),
    ] = None,
    threads: Threads = None,
    only_network: Annotated[
        int | None,
        typer.Option(
            "--only-network", metavar="K", min=0, help="Train network K (from 0) of the ensemble alone."
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            "--checkpoint-seconds", metavar="S", min=0, help="Write a checkpoint so long after the last."
        ),
    ] = 60.0,
    iterations: Annotated[
        int | None,
        typer.Option(
            "--checkpoint-iterations",
            metavar="N",
            min=1,
            help="Also write one so many iterations after the last.",
            show_default=False,
        ),
    ] = None,
    stop_on: Annotated[
        list[str] | None,
        typer.Option(
            "--stop-on",
            metavar="SIGNAL",
            help="Save and stop at this signal too, such as USR2. May be repeated.",
            show_default=False,
        ),
    ] = None,
    diagnose: Annotated[
        str | None,
        typer.Option(
            "--diagnose",
            metavar="gradients",
            help="Look at how gradients fade on their way back through time, with skips and without.",
            show_default=False,
        ),
    ] = None,
    diagnose_at: Annotated[
        list[int] | None,
        typer.Option(
            "--diagnose-at",
            metavar="N",
            min=1,
            help="In iteration N; 1, 10, 100, 1000 and 10000 if not given. May be repeated.",
            show_default=False,
        ),
    ] = None,
    allow_drift: Annotated[
        bool,
        typer.Option("--allow-drift", help="Resume even if something has changed that changes the result."),
    ] = False,
    break_lock: Annotated[
        bool,
        typer.Option("--break-lock", help="Resume a run that a process on another machine has left locked."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: Json = False,
) -> None:
    """Train the networks of a spec, or go on with a run.

    All are trained side by side, and the run is kept in a folder of its own, never over another. Progress
    goes to stderr, the result to stdout. Ctrl-C, SIGTERM and SIGUSR1 stop after the iteration at hand and
    save what has been trained; a second Ctrl-C stops at once, and leaves the last checkpoint. Whatever ended
    a run, --resume goes on with it, to the same bits as if nothing had happened. A network that diverges is
    left behind and reported; the others go on untouched (exit code 4).

    \b
    Example:
      rnnspec train specs/delayed_go.yaml --with dasc40 --set training.networks=10
      rnnspec train --resume runs/delayed_go-dasc40-1a2b3c4d
      rnnspec train --extend 5000 runs/delayed_go-dasc40-1a2b3c4d
    """
    if resume is None and extend is not None:
        # The run stands where a spec does.
        resume, spec = spec, None
    if (spec is None) == (resume is None):
        way = "--resume RUN" if extend is None else "--extend N RUN"
        raise typer.BadParameter(f"Give a spec to train, or a run to go on with: {way}.", param_hint="'SPEC'")
    if spec is not None and os.path.exists(os.path.join(spec, MANIFEST)):
        raise typer.BadParameter(f"{spec} is a run. Go on with: {resume_command(spec)}", param_hint="'SPEC'")
    if spec is not None and (allow_drift or break_lock):
        raise typer.BadParameter(
            "--allow-drift and --break-lock are for runs that go on: --resume RUN.", param_hint="'SPEC'"
        )
    begun = overlays or settings or target or dtype or out or diagnose or only_network is not None
    if resume is not None and begun:
        raise typer.BadParameter(
            "A run goes on as it was begun, where it is: --with, --set, --target, --dtype, --out, --diagnose "
            "and --only-network are for new ones.",
            param_hint="'RUN'",
        )
    if diagnose is not None:
        one_of("--diagnose", diagnose, ("gradients",))
    elif diagnose_at:
        raise typer.BadParameter("It needs --diagnose gradients.", param_hint="'--diagnose-at'")
    signals = (*STOPPING, *(stop_on or ()))
    # From here to the last words: a cluster may send its signal at any time.
    with listening(signals) as interruption:
        if spec is None:
            assert resume is not None
            _resume(
                interruption,
                resume,
                extend,
                allow_drift,
                break_lock,
                device,
                threads,
                (seconds, iterations, signals),
                quiet,
                json,
            )
        assert spec is not None
        with _at_once(interruption):
            from rnnspec.check.examine import load

            # Before torch is imported, which takes seconds: most mistakes are in the spec.
            specification = load(spec, overlays or (), settings or ())
            show_diagnostics(specification.warnings, sys.stderr)

            import torch

            from rnnspec.analysis.gradients import ITERATIONS
            from rnnspec.runtime.device import DTYPES
            from rnnspec.training.train import train

        chosen = target_of(target)
        looked_at = tuple(diagnose_at or ITERATIONS) if diagnose else ()
        number = DTYPES[one_of("--dtype", dtype or "float32", tuple(DTYPES))]
        if threads is not None:
            torch.set_num_threads(threads)
        if chosen == "torchscript":
            note("TorchScript is deprecated by torch itself; the target may go with a coming version of it.")

        def begin(observer: Observer) -> Result:
            return train(
                specification,
                out=out or "runs",
                target=chosen,
                device=device or "cpu",
                dtype=number,
                only_network=only_network,
                checkpoint_seconds=seconds,
                checkpoint_iterations=iterations,
                stop_on=signals,
                diagnose_at=looked_at,
                observer=observer,
            )

        _train_and_report(_title(specification.program.name, specification.methods), begin, quiet, json)


@contextlib.contextmanager
def _at_once(interruption: Interruption) -> Iterator[None]:
    """Leave at a signal: there is nothing to save, and neither imports nor pydantic pass an exception on."""

    def leave(status: StopStatus) -> None:
        assert interruption.signal is not None
        tell(f"rnnspec: {stopped(interruption.signal)}\n")
        os._exit(EXIT_CODES[status])

    told, interruption.on_request = interruption.on_request, leave
    try:
        yield
    finally:
        interruption.on_request = told


def _resume(
    interruption: Interruption,
    run: str,
    extend: int | None,
    allow_drift: bool,
    break_lock: bool,
    device: str | None,
    threads: int | None,
    keeping: tuple[float, int | None, tuple[str, ...]],
    quiet: bool,
    json: bool,
) -> None:
    from rnnspec.runs.manifest import read_manifest

    manifest = read_manifest(Path(run))
    with _at_once(interruption):
        import torch

        from rnnspec.training.resume import resume

    # As many as before: with some targets the last bits depend on it.
    torch.set_num_threads(threads or int(manifest["threads"]))
    seconds, iterations, signals = keeping

    def go_on(observer: Observer) -> Result:
        return resume(
            run,
            extend=extend,
            allow_drift=allow_drift,
            break_lock=break_lock,
            device=device,
            checkpoint_seconds=seconds,
            checkpoint_iterations=iterations,
            stop_on=signals,
            observer=observer,
            on_note=note,
        )

    _train_and_report(_title(manifest["name"], manifest["methods"]), go_on, quiet, json)


def _title(name: str, methods: Sequence[str]) -> str:
    return name + (f" with {' + '.join(methods)}" if methods else "")


def _train_and_report(title: str, begin: Callable[[Observer], Result], quiet: bool, json: bool) -> None:
    """Run a training, show what it does and what came of it, and leave with its exit code."""
    from rnnspec.cli.display.training_report import exit_code, print_result
    from rnnspec.training.events import Event, Started

    display: LiveDisplay | PlainDisplay | None = None

    def observe(event: Event) -> None:
        nonlocal display
        if isinstance(event, Started):
            if event.simulation.note:
                note(event.simulation.note)
            # Not before: what is said until then would be drawn over.
            display = None if quiet else _display(title)
        if display:
            display(event)

    try:
        result = begin(observe)
    finally:
        if display:
            # The terminal may have gone while the training went on.
            with contextlib.suppress(OSError):
                display.close()
    code = exit_code(result)
    try:
        print_result(title, result, as_json=json)
        sys.stdout.flush()
    except OSError as error:
        note(f"The training has ended, and its run is in {result.folder}.")
        failed = explain(error)
        # What became of the training counts before what became of its last words.
        code = code or failed
    raise typer.Exit(code)


def _display(title: str) -> LiveDisplay | PlainDisplay:
    if is_terminal(sys.stderr):
        from rnnspec.cli.display.live import LiveDisplay

        return LiveDisplay(title)
    from rnnspec.cli.display.plain import PlainDisplay

    return PlainDisplay(title)
