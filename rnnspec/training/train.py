"""Train the networks of a spec and keep the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import torch

from rnnspec.check.examine import Specification, specification_of
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.device import check_device
from rnnspec.runtime.errors import RequestError
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target
from rnnspec.training.events import Evaluated, Event, Observer, Started, Status, Stopping
from rnnspec.training.interruption import Interruption, listening
from rnnspec.training.loop import Loop
from rnnspec.training.result import Result
from rnnspec.training.run import WEIGHTS, Run, create_run


def train(
    spec: Specification | Path | str,
    *,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str] = (),
    out: Path | str | None = "runs",
    target: Target | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    only_network: int | None = None,
    observer: Observer | None = None,
) -> Result:
    """Train all networks of a spec side by side and return what came of it.

    spec: a specification, or the path of one, with the overlays and settings of `rnnspec.load`.
    out: the folder in which the run gets a folder of its own; None keeps nothing.
    only_network: train network k of the ensemble alone; its weights, trials and noise are the same.
    observer: is called with every event (`rnnspec.training.events`).  If it meets an OSError, because the
    terminal or pipe it writes to has gone, it is called no more, and the training goes on.

    Ctrl-C or SIGTERM ends the training after the iteration at hand, and what has been trained is saved.
    """
    specification = specification_of(spec, overlays, settings)
    require_loss(specification)
    with listening() as interruption:
        simulation = _ensemble(specification, only_network, target, check_device(device), dtype)
        run = None if out is None else create_run(specification, simulation, Path(out))

        def observe(event: Event) -> None:
            nonlocal observer
            if run and isinstance(event, Evaluated):
                run.record(event)
            if observer:
                try:
                    observer(event)
                except OSError:
                    # Nobody watches any more; that must not cost the training.
                    observer = None

        interruption.on_request = lambda status: observe(Stopping(status))
        observe(Started(simulation, run.folder if run else None))
        return _finish(Loop(simulation, observe), interruption, run)


def require_loss(specification: Specification) -> None:
    """Refuse a spec whose loss no weight can change."""
    program = specification.program
    if not program.training.penalties and not any(epoch.targets for epoch in program.timeline.epochs):
        raise RequestError(
            f"'{program.name}' has nothing to train: no epoch has a target.",
            "Give an epoch a 'target', or all of them one in the task.",
        )


def _ensemble(
    specification: Specification,
    only_network: int | None,
    target: Target | None,
    device: torch.device,
    dtype: torch.dtype,
) -> Simulation:
    networks = specification.program.training.networks
    if only_network is not None and whole_number("only_network", only_network, 0) >= networks:
        raise RequestError(
            f"There is no network {only_network}.", f"The spec has networks 0 to {networks - 1}."
        )
    return Simulation(
        specification.program,
        networks=networks if only_network is None else 1,
        first_network=only_network or 0,
        target=target,
        dtype=dtype,
        device=device,
    )


def _finish(loop: Loop, interruption: Interruption, run: Run | None) -> Result:
    """Run a loop to its end and save what came of it."""
    try:
        status = loop.run(interruption)
        result = _result(loop, status, interruption, run)
        if run:
            run.finish(result)
        return result
    except OSError as error:
        # The run folder could not be written.  A line of metrics must not cost the networks.
        if run:
            error.add_note(_rescue(_result(loop, "failed", interruption, run), run))
        raise
    except BaseException as error:
        if run:
            # The first error is the one to hear of, even if the disk refuses this note as well.
            with contextlib.suppress(OSError):
                run.give_up("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
        raise


def _result(loop: Loop, status: Status, interruption: Interruption, run: Run | None) -> Result:
    return Result(
        simulation=loop.simulation,
        status=status,
        iterations=loop.completed,
        evaluated=loop.last.completed if loop.last else None,
        performance=loop.performance,
        diverged=tuple(loop.updater.diverged),
        folder=run.folder if run else None,
        signal=interruption.signal if status in ("interrupted", "terminated") else None,
    )


def _rescue(result: Result, run: Run) -> str:
    """Save the networks of a training whose folder could not be written, and say what came of that."""
    try:
        run.finish(result)
    except OSError as error:
        with contextlib.suppress(OSError):
            run.give_up("failed")
        if (run.folder / WEIGHTS).exists():
            return (
                f"The networks are in {run.folder / WEIGHTS}, but no command reads them without a manifest."
            )
        return f"The networks could not be saved: {error.filename}: {error.strerror}."
    return f"The networks are saved as they were after iteration {result.iterations:,}, in {run.folder}."
