"""README says what is true: its spec is the shipped one, its Python runs, the schema is the current one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rnnspec.runtime.simulation import Simulation
from rnnspec.spec.schema import json_schema, sweep_schema

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_spec_is_the_shipped_one() -> None:
    shipped = (ROOT / "specs" / "delayed_go.yaml").read_text(encoding="utf-8")
    body = [line for line in shipped.splitlines() if not line.startswith("#")]
    shown = [line for line in blocks("yaml")[0].splitlines() if not line.startswith("#")]
    assert [line for line in shown if line.strip()] == [line for line in body if line.strip()]


def test_there_is_one_command_that_trains_and_one_that_tests() -> None:
    commands = [
        line for block in blocks("sh") for line in block.splitlines() if line.startswith("python3 -m venv")
    ]
    assert len(commands) == 2
    train, test = commands
    assert ".venv/bin/rnnspec train specs/" in train
    assert ".venv/bin/pytest" in test
    assert "-c constraints.txt" in train
    assert "-c constraints.txt" in test


def test_the_python_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (code,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)
    simulation = names["simulation"]
    assert isinstance(simulation, Simulation)
    assert all(parameter.grad is not None for parameter in simulation.parameters())


def test_every_file_named_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    for target in re.findall(r"\bspecs/[a-z0-9_/]+\.yaml", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize(("name", "schema"), [("rnnspec", json_schema), ("rnnspec-sweep", sweep_schema)])
def test_the_schemas_beside_the_specs_are_current(name: str, schema: Callable[[], Any]) -> None:
    """`rnnspec schema > specs/rnnspec.schema.json` writes one, with `--sweep` the other."""
    stored = json.loads((ROOT / "specs" / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert stored == json.loads(json.dumps(schema()))
