"""What stands in two places of the project's own files agrees."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from rnnspec.runs.version import package_version

ROOT = Path(__file__).parents[1]
LANDING = ROOT / ".ci" / "run"


def test_the_citation_is_that_of_the_package() -> None:
    citation: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for key, name in {
        "title": "name",
        "abstract": "description",
        "license": "license",
    }.items():
        assert citation[key] == package[name]
    assert citation["version"] == package_version()
    assert set(citation["keywords"]) < set(package["keywords"])
    (author,) = citation["authors"]
    assert author["name"].lower() in (ROOT / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.skipif(not LANDING.exists(), reason="an sdist has no .ci")
def test_what_is_checked_before_a_commit_is_checked_before_landing() -> None:
    """Every hook is a line of `.ci/run`, but that a commit may format what landing only looks at."""
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert local["repo"] == "local"
    hooks = {hook["entry"] for hook in local["hooks"]}
    script = LANDING.read_text(encoding="utf-8")
    lines = [line.removeprefix(".venv/bin/") for line in script.splitlines() if line.startswith(".venv/bin/")]
    landing = {line.removesuffix(" .").removesuffix(" --check") for line in lines}
    assert hooks == landing
