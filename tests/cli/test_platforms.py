"""Native Windows has no file locks, fewer signals and no compiler that we use; it is imitated here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command import LIMIT, ROOT, Answer, rnnspec
from training.samples import write_tiny

#: Takes away what native Windows lacks, then runs a command.
WINDOWS = """
import os, platformdirs, signal, subprocess, sys
import numpy  # one that is built for Linux asks os.uname
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    names = {"fcntl", "resource", "pwd", "grp", "pty", "syslog"}
    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
for name in Missing.names:
    sys.modules.pop(name, None)
for name in "SIGURG SIGUSR1 SIGUSR2 SIGHUP SIGKILL SIGSTOP SIGCONT pthread_kill".split():
    delattr(signal, name)
for name in "getuid geteuid getgid fork killpg setsid pread pwrite mkfifo uname confstr".split():
    delattr(os, name)
for name in "sched_getaffinity O_CLOEXEC O_NOFOLLOW O_DIRECTORY O_NONBLOCK".split():
    delattr(os, name)
os.environ["PATH"] = ""

from rnnspec.cli.main import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def on_windows(*words: object) -> Answer:
    """Run a command in a process that lacks what native Windows lacks."""
    command = [sys.executable, "-c", WINDOWS, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    "words",
    [
        ("validate", "tiny.yaml"),
        ("rule", "RS204"),
        ("resolve", "tiny.yaml", "--with", "fast"),
        ("schema",),
        ("compile", "tiny.yaml", "--emit", "program"),
        ("train", "--help"),
    ],
)
def test_what_needs_no_training_works(folder: Path, words: tuple[str, ...]) -> None:
    there, here = on_windows(*words), rnnspec(*words)
    assert (there.code, there.err) == (0, here.err)
    if "--help" not in words:
        assert there.out == here.out


def test_compile_writes_sources_and_builds_no_kernel(folder: Path) -> None:
    answer = on_windows("compile", "tiny.yaml", "-o", "build")
    assert answer.code == 0, answer.err
    text = " ".join(answer.out.split())
    assert "target torch, the default: " in text
    assert "note No C++ compiler was found: " in text
    names = ["graph.py", "kernel.cpp", "kernel.cu", "manifest.json", "program.txt", "spec.yaml"]
    assert sorted(path.name for path in (folder / "build").iterdir()) == names


def test_training_says_in_one_line_what_it_needs(folder: Path) -> None:
    (folder / "runs").mkdir()
    said = (
        "rnnspec: Training needs file locks, which this system does not have.\n"
        "  On Windows, run rnnspec under WSL, the Windows Subsystem for Linux.\n"
    )
    for words in (("train", "tiny.yaml"), ("resume", "runs/x"), ("extend", "runs/x", 5)):
        assert on_windows(*words) == Answer(2, "", said)
    assert list((folder / "runs").iterdir()) == []


def test_status_reads_what_was_trained_elsewhere(folder: Path) -> None:
    assert rnnspec("train", "tiny.yaml", "-q").code == 0
    answer = on_windows("status", "--json")
    assert answer.code == 0, answer.err
    (row,) = json.loads(answer.out)["runs"]
    assert row["state"] == "finished"
