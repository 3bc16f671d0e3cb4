"""The wheel and the sdist hold what a user needs, and the wheel works away from the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "templates").rglob("*.j2"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_wheel_holds_templates_and_types(unpacked: Path) -> None:
    assert TEMPLATES
    for template in TEMPLATES:
        assert (unpacked / "rnnspec" / template).is_file()
    for method in (ROOT / "specs" / "methods").iterdir():
        assert (unpacked / "rnnspec" / "methods" / method.name).is_file()
    assert (unpacked / "rnnspec" / "py.typed").is_file()
    assert (unpacked / "rnnspec" / "rules.toml").is_file()


def test_torch_is_asked_for_only_where_it_is_needed(unpacked: Path) -> None:
    """What a pull request or pre-commit installs has no torch, and what trains has it."""
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    lines = metadata.read_text(encoding="utf-8").splitlines()
    needed = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    plain = {re.split("[<>=]", line)[0] for line in needed if "extra ==" not in line}
    assert plain == {"jinja2", "platformdirs", "pydantic", "pyyaml", "rich", "typer"}
    for extra in ("train", "dev"):
        assert f"torch<3,>=2.10; extra == '{extra}'" in needed


def test_sdist_holds_sources(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    wanted = {
        *TEMPLATES,
        "specs/go.yaml",
        "tests/test_packaging.py",
        "constraints.txt",
        "README.md",
        "LICENSE",
    }
    assert wanted <= names
    assert not any(name.startswith(("runs/", ".venv")) for name in names)


def test_wheel_compiles_away_from_the_checkout(unpacked: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    script = (
        "import rnnspec, sys; from rnnspec.cli.main import main; print(rnnspec.__file__); sys.exit(main())"
    )
    command = [
        sys.executable,
        "-P",
        "-c",
        script,
        "compile",
        str(ROOT / "specs" / "go.yaml"),
        "--emit",
        "graph",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert str(unpacked) in done.stdout
    assert "def step(" in done.stdout
