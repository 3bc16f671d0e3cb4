"""Cubins in the cache of kernels: machine code of one architecture, and what its kernels need of a GPU."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rnnspec.files import sha256, to_json, write_file
from rnnspec.runtime.compiled.cache import Library, is_stored, stored
from rnnspec.runtime.compiled.origin import KernelOrigin
from rnnspec.runtime.gpu.nvrtc import FLAGS, Nvrtc, Resources

CUBIN = "kernel.cubin"
SOURCE = "kernel.cu"
RESOURCES = "resources.json"


def cubin(source: str, architecture: str, nvrtc: Nvrtc) -> Library:
    """Return the cubin of a source, compiled unless the cache has it.

    architecture: "sm_90".  Raises RequestError if NVRTC does not know it; see `cache.stored`.
    """

    def build(folder: Path) -> None:
        write_file(folder / SOURCE, source.encode())
        made = nvrtc.compile(source, architecture)
        write_file(folder / CUBIN, made.code)
        resources = {name: asdict(each) for name, each in made.resources.items()}
        write_file(folder / RESOURCES, f"{to_json(resources, indent=2)}\n".encode())

    return stored(_mark(source, architecture, nvrtc), (CUBIN, SOURCE, RESOURCES), build)


def has_cubin(source: str, architecture: str, nvrtc: Nvrtc) -> bool:
    """Return whether the cache has the cubin of a source."""
    return is_stored(_mark(source, architecture, nvrtc), CUBIN)


def _mark(source: str, architecture: str, nvrtc: Nvrtc) -> str:
    """Return the SHA-256 of all that a cubin depends on."""
    parts = {"source": source, "flags": FLAGS, "architecture": architecture, "compiler": str(nvrtc)}
    return sha256(to_json(parts).encode())


def resources_of(library: Library) -> dict[str, Resources]:
    """Return what the kernels of a cubin need, by their names."""
    found = json.loads((library.path.parent / RESOURCES).read_bytes())
    return {name: Resources(**values) for name, values in found.items()}


def cubin_origin(source: str, architecture: str, nvrtc: Nvrtc) -> KernelOrigin:
    """Return the origin of a cubin: GPUs of one architecture compute the same bits with it."""
    return KernelOrigin(
        source=sha256(source.encode()), compiler=str(nvrtc), flags=FLAGS, processor=f"GPU {architecture}"
    )
