"""Reading a run folder back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rnnspec.check.examine import Specification, load
from rnnspec.errors import RequestError
from rnnspec.runs.layout import SPEC, WEIGHTS, resume_command
from rnnspec.runs.manifest import OVER, damage_of, part_of, read_manifest
from rnnspec.runs.record import RESTORE
from rnnspec.runs.regular import read_regular
from rnnspec.runs.weights import load_weights, restore_initial
from rnnspec.runtime.arguments import choice
from rnnspec.runtime.device import DTYPES, check_device
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import TARGETS, Target

#: Why a run has no networks, by its status, and what to do.
_WITHOUT = {
    "running": (
        "is still running, or was cut off",
        "Wait until it has ended. If it does not run any more, resume it with: {command}",
    ),
    "interrupted": (
        "was stopped by a second Ctrl-C, which does not wait",
        "Resume it with: {command}",
    ),
    "failed": (
        "failed, and they could not be saved",
        "Resume it with: {command}",
    ),
}


@dataclass(frozen=True)
class StoredRun:
    """A finished training.

    simulation: with the trained weights.  iterations: updates made.  diverged: the networks that have
    diverged, counted from 0 in this simulation.
    """

    folder: Path
    specification: Specification
    simulation: Simulation
    iterations: int
    diverged: frozenset[int]


def load_run(
    path: Path | str, *, target: Target | None = None, device: str = "cpu"
) -> tuple[Specification, Simulation]:
    """Return the spec and the trained networks of a run folder."""
    run = open_run(path, target=target, device=device)
    return run.specification, run.simulation


def open_run(path: Path | str, *, target: Target | None = None, device: str = "cpu") -> StoredRun:
    """Read a run folder and check that it is whole.

    target: what to simulate with, that of the training if not given.  Raises RequestError if the path is no
    run folder, the training has not ended, or a file is not the one that was written.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    if manifest.result is None:
        why, remedy = _WITHOUT.get(manifest.status, (f"ended as '{manifest.status}'", "Train again."))
        raise RequestError(
            f"{folder} has no trained networks: its training {why}.",
            remedy.format(command=resume_command(folder)),
        )
    again = "Make it again from the last checkpoint with" if manifest.status in OVER else "Resume it with"
    for name, remedy in ((SPEC, RESTORE), (WEIGHTS, f"{again}: {resume_command(folder)}")):
        if damage := damage_of(folder, manifest, name):
            raise RequestError(f"{damage}.", remedy)
    specification = load(folder / SPEC)
    networks, first = part_of(folder, manifest, specification.program)
    simulation = Simulation(
        specification.program,
        networks=networks,
        first_network=first,
        target=target,
        preferred=choice("target", manifest.target, TARGETS),
        dtype=DTYPES[manifest.dtype],
        device=check_device(device, target),
    )
    restore_initial(simulation, folder, manifest)
    load_weights(simulation, read_regular(folder / WEIGHTS), str(folder / WEIGHTS))
    diverged = frozenset(row.network - first for row in manifest.result.diverged)
    return StoredRun(folder, specification, simulation, manifest.result.iterations, diverged)


def ensemble_of(run: Simulation | StoredRun | Path | str) -> Simulation | StoredRun:
    """Return networks as they are, or read those of a run folder."""
    if isinstance(run, Path | str):
        return open_run(run)
    if not isinstance(run, Simulation | StoredRun):
        raise TypeError(
            f"run takes the path of a run folder or a Simulation, not {type(run).__name__}; "
            "of a Result, give its folder."
        )
    return run
