"""Named pipes, devices and links in a run folder: nothing waits, and nothing is written elsewhere."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest
from runs.tampering import latest, refused

import rnnspec
from rnnspec.runs.status import run_status
from rnnspec.training.resume import extend

pytestmark = pytest.mark.usefixtures("patience")

NAMES = (
    *("manifest.json", "spec.yaml", "metrics.jsonl", "timing.jsonl", "weights.safetensors"),
    *("gradients.jsonl", "lock", "N.json", "N.safetensors"),
)


def file_of(run: Path, name: str) -> Path:
    """Return a file of a run; N stands for the latest checkpoint."""
    return latest(run, name[1:]) if name.startswith("N.") else run / name


def pipe(path: Path) -> None:
    os.mkfifo(path)


def plug(path: Path) -> None:
    # The path of a socket has to be short.
    with socket.socket(socket.AF_UNIX) as server, chdir(path.parent):
        server.bind(path.name)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, plug, device, Path.mkdir])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_regular_file(finished: Path, name: str, make: Callable[[Path], object]) -> None:
    """Nothing waits for the other end of a pipe, nor reads a device."""
    file = file_of(finished, name)
    file.unlink(missing_ok=True)
    make(file)
    assert run_status(finished).state in ("finished", "damaged")
    said = refused(extend, finished, 1)
    if name in ("manifest.json", "spec.yaml", "metrics.jsonl"):
        assert name in said
    refused(rnnspec.evaluate, finished, sequences=2)
    refused(rnnspec.plot_gradients, finished)


@pytest.mark.parametrize("name", [*NAMES, "checkpoints"])
def test_nothing_is_written_through_a_link(finished: Path, tmp_path: Path, name: str) -> None:
    inside = file_of(finished, name)
    outside = tmp_path / "elsewhere"
    if inside.exists():
        shutil.move(inside, outside)
    else:
        outside.write_text("")
    inside.symlink_to(outside)
    before = contents(outside)
    said = refused(extend, finished, 1)
    assert contents(outside) == before
    if name in ("metrics.jsonl", "timing.jsonl", "gradients.jsonl", "checkpoints", "lock"):
        assert said.startswith(
            f"{inside} is a symbolic link, and rnnspec writes through none in a run folder."
        )
    else:
        assert not said
    assert run_status(finished).state == "finished"


def contents(path: Path) -> object:
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.iterdir()}
    return path.read_bytes()


def test_the_folder_itself_may_be_a_link(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(finished)
    assert extend(tmp_path / "link", 1).iterations == 7
    assert rnnspec.evaluate(tmp_path / "link", sequences=2).sequences == 2
