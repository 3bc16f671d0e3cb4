"""The run folder: everything a training leaves behind.

spec.yaml             the resolved document
manifest.json         what made the run, and what came of it
metrics.jsonl         one line an evaluation; the same for every run of one spec
timing.jsonl          one line an evaluation: the wall clock, which is never the same
weights.safetensors   the networks, once training is over
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch

from rnnspec.check.examine import Specification
from rnnspec.program.nodes import Program
from rnnspec.runtime.files import append_line, sha256, sync_folder, to_json, write_file
from rnnspec.runtime.simulation import Simulation
from rnnspec.training.events import Evaluated
from rnnspec.training.identity import identity, versions
from rnnspec.training.result import Result, divergence_row, finite, finite_list
from rnnspec.training.weights import weights_to_bytes

#: The version of this layout.
FORMAT = 1
SPEC, MANIFEST, METRICS = "spec.yaml", "manifest.json", "metrics.jsonl"
TIMING, WEIGHTS = "timing.jsonl", "weights.safetensors"

#: Bytes asked of the disk beside those of the weights, before training begins.
_MARGIN = 2**20


@dataclass
class Run:
    """A run folder that is being written."""

    folder: Path
    program: Program
    manifest: dict[str, object]
    _start: float = field(default_factory=time.monotonic)

    def record(self, event: Evaluated) -> None:
        """Add one evaluation to the metrics, and its time to the times."""
        append_line(self.folder / METRICS, to_json(metrics_row(self.program, event)))
        self._time({"iteration": event.completed})

    def finish(self, result: Result) -> None:
        """Save the weights, then say in the manifest that they are there."""
        weights = weights_to_bytes(result.simulation)
        write_file(self.folder / WEIGHTS, weights)
        self.manifest |= {"status": result.status, "result": result.summary()}
        spec = (self.folder / SPEC).read_bytes()
        self.manifest["sha256"] = {SPEC: sha256(spec), WEIGHTS: sha256(weights)}
        self.write_manifest()
        # The run is whole without it.
        with contextlib.suppress(OSError):
            self._time({"finished": _now()})

    def give_up(self, status: str) -> None:
        """Say in the manifest that the training ended without weights."""
        self.manifest["status"] = status
        self.write_manifest()

    def write_manifest(self) -> None:
        write_file(self.folder / MANIFEST, f"{to_json(self.manifest, indent=2)}\n".encode())

    def _time(self, row: dict[str, object]) -> None:
        seconds = round(time.monotonic() - self._start, 3)
        append_line(self.folder / TIMING, to_json({**row, "seconds": seconds}))


def create_run(specification: Specification, simulation: Simulation, out: Path) -> Run:
    """Make a new run folder below `out` and write what is known before training.

    It is called NAME-METHODS-IDENTITY, with a number behind it if there is one already: no run is ever
    written over.
    """
    hexadecimal = identity(specification.text)
    program = simulation.program
    words = [re.sub(r"[^A-Za-z0-9_.+]+", "_", method)[:64] for method in specification.methods]
    # A part of an ensemble has the identity of the whole.
    if simulation.networks != program.training.networks:
        words.append(f"network_{simulation.first_network}")
    out.mkdir(parents=True, exist_ok=True)
    _check_room(out, simulation)
    folder = _new_folder(out, "-".join([program.name, *words, hexadecimal[:8]]))
    weight = next(simulation.parameters())
    manifest: dict[str, object] = {
        "format": FORMAT,
        "name": program.name,
        "methods": list(specification.methods),
        "identity": hexadecimal,
        "versions": versions(),
        "seed": simulation.seed,
        "networks": simulation.networks,
        "first_network": simulation.first_network,
        "target": simulation.target,
        "dtype": str(weight.dtype).removeprefix("torch."),
        "device": str(weight.device),
        "threads": torch.get_num_threads(),
        "status": "running",
    }
    run = Run(folder, program, manifest)
    write_file(folder / SPEC, specification.text.encode())
    run.write_manifest()
    (folder / METRICS).touch()
    append_line(folder / TIMING, to_json({"started": _now()}))
    sync_folder(out)
    return run


def metrics_row(program: Program, event: Evaluated) -> dict[str, object]:
    """Return one line of the metrics; what is not finite becomes null.

    loss, performance: of each network, in order; the loss is that of the update just made.
    """
    edges = [skip.name for skip in program.skips]
    moment = event.moment
    stages = dict(zip(edges, moment.edges, strict=True))
    return {
        "iteration": event.completed,
        "stages": {"edges": stages, "coarsening": moment.coarsening},
        "betas": dict(zip(edges, moment.stage.betas, strict=True)),
        "theta": float(moment.stage.theta),
        "loss": finite_list(event.loss),
        "performance": finite_list(event.evaluation.performance),
        "phases": {name: finite_list(values) for name, values in event.evaluation.phases.items()},
        "trimmed_mean": finite(event.trimmed_mean),
        "diverged": [divergence_row(divergence) for divergence in event.diverged],
    }


def _new_folder(out: Path, name: str) -> Path:
    number = 1
    while True:
        folder = out / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _check_room(out: Path, simulation: Simulation) -> None:
    """Raise before hours of training what would be raised after them."""
    # Twice: signed weights are stored with what is trained behind them.
    needed = 2 * sum(p.numel() * p.element_size() for p in simulation.parameters()) + _MARGIN
    if shutil.disk_usage(out).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
