"""The runs of a spec are found in a folder of runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from training.samples import write_tiny

import rnnspec
from rnnspec.runs.find import find_runs
from rnnspec.runs.identity import identity


def test_runs_of_one_spec(tmp_path: Path) -> None:
    spec, out = write_tiny(tmp_path), tmp_path / "runs"
    given = rnnspec.load(spec, settings=["training.iterations=1"])
    other = rnnspec.load(spec, settings=["training.iterations=2"])
    name = identity(given.text)
    assert find_runs(out, name, networks=3) == []
    for specification, network in ((given, None), (other, None), (given, 1), (given, None)):
        rnnspec.train(specification, out=out, target="torch", only_network=network)
    for damaged in ("damaged", "foreign"):
        (out / damaged).mkdir()
        (out / damaged / "manifest.json").write_text('{"format": 1}' if damaged == "foreign" else "{")
    first, second = find_runs(out, name, networks=3)
    assert second.folder.name == f"{first.folder.name}-2"
    assert (first.settings, first.state) == (("training.iterations=1",), "finished")
    assert (first.target, first.device, first.dtype) == ("torch", "cpu", "float32")
    (alone,) = find_runs(out, name, networks=1, first_network=1)
    assert alone.folder.name.startswith("tiny-network_1-")
    assert find_runs(out, name, networks=1, first_network=2) == []
    (longer,) = find_runs(out, identity(other.text), networks=3)
    assert longer.settings == ("training.iterations=2",)


def test_it_needs_no_torch() -> None:
    script = "import sys, rnnspec.runs.find, rnnspec.runs.identity; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
