"""Generated sources, whole: what changes here is what every user's `graph.py` changes by."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from codegen.sources import ragged
from support import program

from rnnspec.codegen.torch.graph import emit
from rnnspec.program.nodes import Program

GOLDEN = Path(__file__).parent / "golden"
PROGRAMS = {"minimal": program(), "ragged": ragged()}


@pytest.mark.parametrize("name", PROGRAMS)
def test_source_is_as_it_was(name: str, rewrite_golden: bool) -> None:
    path, source = GOLDEN / f"{name}.py", emit(PROGRAMS[name])
    if rewrite_golden:
        path.write_text(source, encoding="utf-8")
    assert source == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("found", PROGRAMS.values(), ids=PROGRAMS)
def test_source_is_laid_out_by_the_rules(found: Program) -> None:
    """ruff has nothing to format, and finds no unused name."""
    source = emit(found)
    for command in (["format", "--check"], ["check", "--select", "E,F,W,I,UP,C4"]):
        arguments = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "110", "-"]
        done = subprocess.run(arguments, input=source, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_source_does_not_depend_on_the_process() -> None:
    script = (
        "from codegen.sources import ragged; from rnnspec.codegen.torch.graph import emit\n"
        "print(emit(ragged()))"
    )
    root = Path(__file__).parents[2]
    sources = set()
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{root}:{root / 'tests'}"}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        sources.add(done.stdout)
    assert sources == {emit(ragged()) + "\n"}


def test_what_a_program_lacks_is_not_in_its_source() -> None:
    source = emit(program())
    for word in ("Skips", "White", "previous", "forced", "weight *", "varying", "active", "read=", "softmax"):
        assert word not in source
