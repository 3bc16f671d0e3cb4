"""rnnspec in the repository of a lab: the hook of pre-commit, the action of GitHub, and no torch."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.command import ROOT
from training.samples import write_tiny

WRONG = "rnnspec: 1\nextends: tiny.yaml\nname: wrong\ntask: {epochs: {stimulus: {duration: 100}}}\n"
#: What pip says when no index can be reached.
OFFLINE = re.compile("name resolution|Network is unreachable|NewConnectionError|ProxyError")


def run(words: Sequence[object], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    # Variables of git point at the repository whose hook runs these tests.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT")}
    return subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def commit(folder: Path) -> str:
    """Commit all files of a folder into a new repository; return the commit."""
    identity = ["-c", "user.name=lab", "-c", "user.email=lab@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "all"]):
        done = run(["git", *words], folder)
        assert done.returncode == 0, done.stderr
    return run(["git", "rev-parse", "HEAD"], folder).stdout.strip()


# --- pre-commit --------------------------------------------------------------------------------------


@pytest.mark.skipif(not importlib.util.find_spec("pre_commit"), reason="pre-commit is not installed")
@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
def test_pre_commit_runs_the_hook_without_torch(tmp_path: Path) -> None:
    """In one test, because it installs rnnspec as pre-commit does."""
    offered, lab, home = (tmp_path / name for name in ("rnnspec", "lab", "home"))
    for name in ("rnnspec", "templates", "specs/methods"):
        shutil.copytree(ROOT / name, offered / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, offered / name)
    (lab / "specs").mkdir(parents=True)
    write_tiny(lab / "specs")
    (lab / "environment.yml").write_text("dependencies: [python]\n")
    hooks = [{"repo": str(offered), "rev": commit(offered), "hooks": [{"id": "rnnspec-validate"}]}]
    (lab / ".pre-commit-config.yaml").write_text(yaml.safe_dump({"repos": hooks}))
    commit(lab)

    # The first: pip compiles nothing that it installs.
    settings = {"PRE_COMMIT_HOME": str(home), "PIP_NO_COMPILE": "0", "PRE_COMMIT_COLOR": "never"}
    program = [sys.executable, "-m", "pre_commit", "run"]
    done = run([*program, "--all-files"], lab, **settings)
    if OFFLINE.search(done.stdout):
        pytest.skip("pip reaches no index")
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"rnnspec validate\.+Passed", done.stdout.splitlines()[-1])

    (lab / "specs" / "wrong.yaml").write_text(WRONG)
    assert run(["git", "add", "-A"], lab).returncode == 0
    done = run(program, lab, **settings)
    assert done.returncode == 1
    assert "specs/wrong.yaml:4:38: error[RS014] 100 has no unit" in done.stdout
    assert "1 error in 1 of 3 specs" in done.stdout

    (python,) = home.glob("repo*/py_env-*/bin/python")
    installed = run([python, "-m", "pip", "list", "--format", "freeze"], lab).stdout.lower()
    assert "pydantic==" in installed
    assert not re.search("^(torch|numpy|safetensors|nvidia.*)==", installed, re.MULTILINE)
    built = run([python.parent / "rnnspec", "compile", "specs/tiny.yaml", "--emit", "graph"], lab)
    assert "def step(" in built.stdout, built.stderr


# --- without torch -----------------------------------------------------------------------------------


def test_what_needs_torch_says_how_to_get_it(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    script = "import sys; sys.modules['torch'] = None\nfrom rnnspec.cli.main import main; main()"
    done = run([sys.executable, "-c", script, "train", "tiny.yaml"], tmp_path, PYTHONPATH=str(ROOT))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "rnnspec: The Python package torch is not installed; all that trains, evaluates or simulates "
        "needs it.\n"
        "  Install it: pip install 'rnnspec[train]'\n"
    )
    assert not (tmp_path / "runs").exists()


def test_python_says_it_too(tmp_path: Path) -> None:
    script = "import sys; sys.modules['torch'] = None; import rnnspec; rnnspec.load; rnnspec.compile"
    done = run([sys.executable, "-c", script], tmp_path, PYTHONPATH=str(ROOT))
    last = done.stderr.splitlines()[-1]
    assert last.startswith("The Python package torch is not installed;")
    assert last.endswith("pip install 'rnnspec[train]'")


def test_compile_leaves_out_what_guessing_scores(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    script = "import sys; sys.modules['torch'] = sys.modules['numpy'] = None\n"
    script += "from rnnspec.cli.main import main; main()"
    words = ["compile", "tiny.yaml", "--target", "torch"]
    done = run([sys.executable, "-c", script, *words], tmp_path, PYTHONPATH=str(ROOT), COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "guessing   not measured: this needs numpy. Install it: pip install" in done.stdout


# --- the action --------------------------------------------------------------------------------------


def step(name: str) -> Any:
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert action["runs"]["using"] == "composite"
    return next(found for found in action["runs"]["steps"] if found.get("name") == name)


def run_step(name: str, folder: Path, inputs: dict[str, str], **environment: str) -> Any:
    """Run a step of the action as the runner does, on the folder of a checkout."""
    found = step(name)
    assert found["shell"] == "bash"
    given = {key: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: inputs[m[1]], v) for key, v in found["env"].items()}
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", found["run"]]
    return run(words, folder, RUNNER_TEMP=str(folder / "temp dir"), **given, **environment)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with specs, and rnnspec installed where the action installs it."""
    (tmp_path / "my specs").mkdir()
    write_tiny(tmp_path / "my specs")
    programs = tmp_path / "temp dir" / "rnnspec" / "bin"
    programs.mkdir(parents=True)
    program = programs / "rnnspec"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m rnnspec "$@"\n')
    program.chmod(0o755)
    return tmp_path


def inputs(**given: str) -> dict[str, str]:
    """Return the inputs of the action with their defaults, as its expressions name them."""
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert given.keys() <= action["inputs"].keys()
    values = {name: value["default"] for name, value in action["inputs"].items()} | given
    return {f"inputs.{name}": value for name, value in values.items()}


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_the_action_validates_and_writes_a_summary(checkout: Path) -> None:
    summary = checkout / "summary.md"
    server = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": str(summary),
        "GITHUB_WORKSPACE": str(checkout),
    }
    (checkout / "my specs" / "odd.yaml").write_text(WRONG.replace("100", "110 ms"))
    (checkout / "more.yaml").write_text((checkout / "my specs" / "tiny.yaml").read_text())
    both = "my specs\nmore.yaml\n"
    done = run_step("Validate", checkout, inputs(paths=both, sarif="out.sarif"), **server)
    assert done.returncode == 0
    assert "::warning file=my specs/odd.yaml,line=4," in done.stdout
    assert '"ruleId": "RS216"' in (checkout / "out.sarif").read_text()
    done = run_step("Validate", checkout, inputs(paths=both, strict="true"), **server)
    assert done.returncode == 1
    assert "::error file=my specs/odd.yaml,line=4," in done.stdout
    assert "1 error in 1 of 4 specs" in summary.read_text()
    # The default, where there is no such folder.
    assert run_step("Validate", checkout, inputs(), **server).returncode == 2


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_the_action_installs_itself_and_nothing_else(tmp_path: Path) -> None:
    """A Python that notes what it is asked stands for the one of the runner."""
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; fi\n'
        f'echo "$@" >> "{tmp_path}/asked"\n'
    )
    python.chmod(0o755)
    known = {"steps.python.outputs.python-path": str(python)}
    done = run_step("Install rnnspec", tmp_path, known, GITHUB_ACTION_PATH="/the/action")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().splitlines() == [
        f"-m venv {tmp_path}/temp dir/rnnspec",
        "-m pip install --quiet --disable-pip-version-check /the/action",
    ]
