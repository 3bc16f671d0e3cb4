"""Train the networks of a spec and keep the run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from rnnspec.check.examine import Specification, specification_of
from rnnspec.errors import RequestError
from rnnspec.runs.create import create_run
from rnnspec.runs.layout import resume_command
from rnnspec.runs.writer import checkpoint_interval
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.device import check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target
from rnnspec.training.events import Observer
from rnnspec.training.interruption import STOPPING, listening
from rnnspec.training.result import Result
from rnnspec.training.session import Session


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
    checkpoint_seconds: float | None = 60.0,
    checkpoint_iterations: int | None = None,
    stop_on: Iterable[str] = STOPPING,
    diagnose_at: Iterable[int] = (),
    observer: Observer | None = None,
) -> Result:
    """Train all networks of a spec side by side and return what came of it.

    spec: a specification, or the path of one, with the overlays and settings of `rnnspec.load`.
    out: the folder in which the run gets a folder of its own; None keeps nothing.
    only_network: train network k of the ensemble alone; its weights, trials and noise are the same.
    checkpoint_seconds, checkpoint_iterations: write one when so much has gone by since the last; None: never
    for that.
    stop_on: the signals that end it.
    diagnose_at: the iterations, counted from 1, in which to look at how gradients fade through time.
    observer: is called with every event (`rnnspec.training.events`).  If it meets an OSError, because the
    terminal or pipe it writes to has gone, it is called no more, and the training goes on.

    Ctrl-C or SIGTERM ends the training after the iteration at hand, and what has been trained is saved;
    `resume` goes on from there.  Before there is a run, it raises KeyboardInterrupt.
    """
    specification = specification_of(spec, overlays, settings)
    require_loss(specification)
    interval = checkpoint_interval(checkpoint_seconds, checkpoint_iterations)
    looked_at = sorted({whole_number("diagnose_at", number, 1) for number in diagnose_at})
    with listening(stop_on) as interruption:
        simulation = _ensemble(specification, only_network, target, check_device(device), dtype)
        interruption.begin()
        run = None
        if out is not None:
            run = create_run(specification, simulation, Path(out), interval, looked_at)
            interruption.on_give_up = run.lock.release
            interruption.remedy = f"Resume it with: {resume_command(run.folder)}"
        try:
            return Session(simulation, run, interruption, observer).train()
        finally:
            if run:
                run.lock.release()


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
