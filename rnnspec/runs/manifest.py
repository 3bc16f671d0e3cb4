"""The manifest of a run folder, read without torch: what is wrong with a folder is said at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rnnspec.diagnostics import closest
from rnnspec.errors import RequestError
from rnnspec.files import sha256
from rnnspec.program.nodes import Program
from rnnspec.runs.layout import FORMAT, MANIFEST, SPEC, WEIGHTS
from rnnspec.runtime.targets import TARGETS
from rnnspec.spec.document import LANGUAGE_VERSION

RESTORE = "Restore the folder from a copy, or train again."
_MADE = "Give the folder that 'rnnspec train' made."
#: What a training that is over has come to, in words.
OVER = {
    "reached": "reached its criterion",
    "finished": "made all its iterations",
    "diverged": "ended when every network had diverged",
}
_DTYPES = ("float32", "float64")


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
            RESTORE if (folder / WEIGHTS).exists() else f"Did you mean {inside[0]}?" if inside else _MADE,
        )
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (ValueError, RecursionError):
        raise RequestError(f"{folder / MANIFEST} is damaged: it is not JSON.", RESTORE) from None
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
        raise RequestError(f"{folder / MANIFEST} was not written by this version of rnnspec.", RESTORE)
    return manifest


def part_of(folder: Path, manifest: dict[str, Any], program: Program) -> tuple[int, int]:
    """Return how many networks of the ensemble of its spec a run has, and the number of the first."""
    networks, first, every = manifest["networks"], manifest["first_network"], program.training.networks
    if (networks, first) != (every, 0) and not (networks == 1 and 0 <= first < every):
        raise RequestError(
            f"{folder / MANIFEST} does not fit {SPEC}: it has {networks:,} networks from number {first:,} "
            f"on, and the spec has {every:,}.",
            RESTORE,
        )
    return networks, first


def damage_of(folder: Path, manifest: dict[str, Any], name: str) -> str | None:
    """Return what is wrong with a file whose hash the manifest has; None if nothing is."""
    if not (folder / name).is_file():
        return f"{folder} is not whole: {name} is missing"
    if sha256((folder / name).read_bytes()) != manifest["sha256"][name]:
        return f"{folder / name} is not the file that the training wrote"
    return None


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
    kinds |= {"identity": str, "versions": dict, "device": str, "threads": int, "name": str, "methods": list}
    kinds |= {"settings": list}
    if manifest.get("format") != FORMAT or any(type(manifest.get(k)) is not t for k, t in kinds.items()):
        return False
    if manifest["threads"] < 1 or type(manifest["versions"].get("rnnspec")) is not str:
        return False
    if not isinstance(manifest.get("drift", []), list):
        return False
    if manifest.get("target") not in TARGETS or manifest.get("dtype") not in _DTYPES:
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
