"""Train the networks of a spec and write a run folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch

from rnnspec.check.examine import Specification, specification_of
from rnnspec.errors import RequestError
from rnnspec.runs.create import create_run
from rnnspec.runs.lock import lock_folder
from rnnspec.runs.origin import Source, begin, find_source, remarks
from rnnspec.runs.writer import checkpoint_interval
from rnnspec.runtime.arguments import whole_number
from rnnspec.runtime.device import check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import Target
from rnnspec.training.events import Observer
from rnnspec.training.interruption import STOPPING, listening
from rnnspec.training.once import find_earlier, finish_earlier
from rnnspec.training.result import Result
from rnnspec.training.resume import resume
from rnnspec.training.session import train_new


def train(
    spec: Specification | Path | str,
    *,
    overlays: Iterable[Path | str] = (),
    settings: Iterable[str] = (),
    out: Path | str | None = "runs",
    target: Target | None = None,
    device: str = "auto",
    dtype: torch.dtype = torch.float32,
    only_network: int | None = None,
    from_run: Path | str | None = None,
    from_networks: Sequence[int] | None = None,
    checkpoint_seconds: float | None = 60.0,
    checkpoint_iterations: int | None = None,
    once: bool = False,
    stop_on: Iterable[str] = STOPPING,
    diagnose_at: Iterable[int] = (),
    observer: Observer | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Result:
    """Train all networks of a spec side by side and return the result.

    spec: a specification, or the path of one, with the overlays and settings of `rnnspec.load`.
    out: the folder in which the run folder is made; None writes nothing.
    only_network: train network k of the ensemble alone; its weights, trials and noise are the same.
    from_run: begin with the trained weights and masks of this run folder.  Blocks are matched by the names of
    populations and channels; what the run lacks is drawn, what the spec lacks is left.
    from_networks: the number of its network for each network, or one for all; by default, as many networks as
    the run has begin from those with the same numbers.
    checkpoint_seconds, checkpoint_iterations: write a checkpoint after so many since the last; None: do not
    count these.
    once: if `out` has a run of the same networks, made from the same resolved spec by the same version of
    rnnspec, resume it, or return its result if it is finished.
    stop_on: names of the signals that stop the training.
    diagnose_at: the iterations, counted from 1, in which gradients through time are measured.
    observer: is called with every event (`rnnspec.training.events`).  After an OSError in it, because its
    terminal or pipe was closed, it is called no more, and the training continues.
    on_note: is called with each remark on an earlier run, one line.

    Ctrl-C or SIGTERM ends the training after the current iteration, and the networks are saved; `resume`
    continues from there.  Raises KeyboardInterrupt for a signal before there is a run, RequestError if the
    spec cannot be trained here, and RunInUseError, with `once`, if another process trains the run.
    """
    specification = specification_of(spec, overlays, settings)
    require_loss(specification)
    interval = checkpoint_interval(checkpoint_seconds, checkpoint_iterations)
    measured = sorted({whole_number("diagnose_at", number, 1) for number in diagnose_at})
    signals = tuple(stop_on)
    if once and out is None:
        raise ValueError("once looks for an earlier run in the folder out, which is None.")
    if from_networks is not None and from_run is None:
        raise ValueError("from_networks chooses networks of from_run, which is None.")
    with listening(signals) as interruption:
        part = _part(specification, only_network)
        source = None if from_run is None else _source(from_run, from_networks, specification, part)
        begins = None if source is None else source.words
        earlier = find_earlier(out, specification, only_network, begins) if once and out else None
        run = None
        if earlier is None:
            simulation = Simulation(
                specification.program,
                networks=len(part),
                first_network=part.start,
                target=target,
                dtype=dtype,
                device=check_device(device, target),
            )
            origin = None if source is None else begin(simulation, source)
            if origin is not None and source is not None and on_note is not None:
                for line in remarks(origin[0], source):
                    on_note(line)
            interruption.begin()
            if out is not None:
                # No other process may find no run either, and create a second one.
                with lock_folder(Path(out)) if once else nullcontext():
                    earlier = find_earlier(out, specification, only_network, begins) if once else None
                    if earlier is None:
                        run = create_run(specification, simulation, Path(out), interval, measured, origin)
        if earlier is not None:
            go_on = partial(
                resume,
                checkpoint_seconds=checkpoint_seconds,
                checkpoint_iterations=checkpoint_iterations,
                stop_on=signals,
                observer=observer,
                on_note=on_note,
            )
            return finish_earlier(earlier, go_on, on_note, target=target, dtype=dtype)
        return train_new(simulation, run, interruption, observer)


def require_loss(specification: Specification) -> None:
    """Refuse a spec whose loss no weight can change."""
    program = specification.program
    if not program.training.penalties and not any(epoch.targets for epoch in program.timeline.epochs):
        raise RequestError(
            f"'{program.name}' has nothing to train: no epoch has a target.",
            "Give an epoch a 'target', or all of them one in the task.",
        )


def _part(specification: Specification, only_network: int | None) -> range:
    """Return the networks of the ensemble that are trained."""
    networks = specification.program.training.networks
    if only_network is None:
        return range(networks)
    if whole_number("only_network", only_network, 0) >= networks:
        raise RequestError(
            f"There is no network {only_network}.", f"The spec has networks 0 to {networks - 1}."
        )
    return range(only_network, only_network + 1)


def _source(
    run: Path | str, chosen: Sequence[int] | None, specification: Specification, part: range
) -> Source:
    numbers = None if chosen is None else [whole_number("from_networks", number, 0) for number in chosen]
    return find_source(run, numbers, specification.program.training.networks, part)
