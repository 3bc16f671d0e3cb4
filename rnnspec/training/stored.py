"""Reading a run folder back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnspec.check.examine import Specification, load
from rnnspec.diagnostics import closest
from rnnspec.runtime.device import DTYPES, check_device
from rnnspec.runtime.errors import RequestError
from rnnspec.runtime.files import sha256
from rnnspec.runtime.simulation import Simulation
from rnnspec.runtime.targets import TARGETS, Target
from rnnspec.spec.document import LANGUAGE_VERSION
from rnnspec.training.layout import FORMAT, MANIFEST, SPEC, WEIGHTS
from rnnspec.training.weights import load_weights

_RESTORE = "Restore the folder from a copy, or train again."
_REMAKE = "Make it again from the last checkpoint with: rnnspec train --resume {run}"
_MADE = "Give the folder that 'rnnspec train' made."

#: Why a run has no networks, by its status, and what to do.
_WITHOUT = {
    "running": (
        "is still running, or was cut off",
        "Wait until it has ended. If it does not run any more, go on with: rnnspec train --resume {run}",
    ),
    "interrupted": (
        "was stopped by a second Ctrl-C, which does not wait",
        "Go on with: rnnspec train --resume {run}",
    ),
    "failed": (
        "failed, and they could not be saved",
        "Go on with: rnnspec train --resume {run}",
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
    if "sha256" not in manifest:
        status = manifest["status"]
        why, remedy = _WITHOUT.get(status, (f"ended as '{status}'", "Train again."))
        raise RequestError(
            f"{folder} has no trained networks: its training {why}.", remedy.format(run=folder)
        )
    for name, remedy in ((SPEC, _RESTORE), (WEIGHTS, _REMAKE.format(run=folder))):
        if damage := damage_of(folder, manifest, name):
            raise RequestError(f"{damage}.", remedy)
    specification = load(folder / SPEC)
    first = int(manifest["first_network"])
    simulation = Simulation(
        specification.program,
        networks=int(manifest["networks"]),
        first_network=first,
        seed=int(manifest["seed"]),
        target=target,
        wanted=manifest["target"],
        dtype=DTYPES[manifest["dtype"]],
        device=check_device(device),
    )
    load_weights(simulation, (folder / WEIGHTS).read_bytes(), str(folder / WEIGHTS))
    result = manifest["result"]
    diverged = frozenset(int(row["network"]) - first for row in result["diverged"])
    return StoredRun(folder, specification, simulation, int(result["iterations"]), diverged)


def damage_of(folder: Path, manifest: dict[str, Any], name: str) -> str | None:
    """Return what is wrong with a file whose hash the manifest has; None if nothing is."""
    if not (folder / name).is_file():
        return f"{folder} is not whole: {name} is missing"
    if sha256((folder / name).read_bytes()) != manifest["sha256"][name]:
        return f"{folder / name} is not the file that the training wrote"
    return None


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


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest, as far as its shape can be trusted afterwards."""
    if not folder.exists():
        meant = _meant(folder)
        raise RequestError(
            f"There is no run folder {folder}.",
            f"Did you mean {meant}?"
            if meant
            else f"Check the spelling; relative paths start in {Path.cwd()}.",
        )
    if not folder.is_dir():
        raise RequestError(f"{folder} is a file, not a run folder.", _MADE)
    if not (folder / MANIFEST).exists():
        inside = sorted(manifest.parent for manifest in folder.glob(f"*/{MANIFEST}"))
        raise RequestError(
            f"{folder} is not a run folder: it has no {MANIFEST}.",
            _RESTORE if (folder / WEIGHTS).exists() else f"Did you mean {inside[0]}?" if inside else _MADE,
        )
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except ValueError:
        raise RequestError(f"{folder / MANIFEST} is damaged: it is not JSON.", _RESTORE) from None
    language = _language(manifest)
    if language is not None and language != LANGUAGE_VERSION:
        raise RequestError(
            f"{folder / MANIFEST} is of version {language} of the language, and this rnnspec reads version "
            f"{LANGUAGE_VERSION}.",
            f"Use the rnnspec that wrote it, {manifest['versions'].get('rnnspec', 'of an unknown version')}.",
        )
    if (folder / "graph.py").exists():
        raise RequestError(f"{folder} is what 'rnnspec compile' wrote; it has no trained networks.", _MADE)
    if not isinstance(manifest, dict) or not _readable(manifest):
        raise RequestError(f"{folder / MANIFEST} was not written by this version of rnnspec.", _RESTORE)
    return manifest


def _meant(folder: Path) -> Path | None:
    """Return the run folder whose name is nearest, beside a folder that is not there or in `runs`."""
    runs = {
        manifest.parent.name: manifest.parent
        for place in (Path("runs"), folder.parent)
        for manifest in sorted(place.glob(f"*/{MANIFEST}"))
    }
    return runs.get(closest(folder.name, runs))


def _language(manifest: object) -> object:
    """Return the version of the language that a manifest is of; None if it does not say."""
    versions = manifest.get("versions") if isinstance(manifest, dict) else None
    return versions.get("language") if isinstance(versions, dict) else None


def _readable(manifest: dict[str, Any]) -> bool:
    """Return whether a manifest has what is needed here, in the types that it is written with."""
    kinds = {"networks": int, "first_network": int, "seed": int, "status": str, "iterations": int}
    kinds |= {"identity": str, "versions": dict, "device": str, "threads": int}
    if manifest.get("format") != FORMAT or any(type(manifest.get(k)) is not t for k, t in kinds.items()):
        return False
    if manifest.get("target") not in TARGETS or manifest.get("dtype") not in DTYPES:
        return False
    if "sha256" not in manifest:
        return True
    result, hashes = manifest.get("result"), manifest["sha256"]
    return (
        isinstance(hashes, dict)
        and {SPEC, WEIGHTS} <= hashes.keys()
        and isinstance(result, dict)
        and isinstance(result.get("iterations"), int)
        and isinstance(result.get("diverged"), list)
        and all(isinstance(row, dict) and type(row.get("network")) is int for row in result["diverged"])
    )
