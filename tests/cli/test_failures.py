"""What goes wrong around specs: files, disks, pipes, bugs."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from pathlib import Path

import pytest
from cli.command import PROGRAM, ROOT, process, rnnspec
from training.samples import TARGET, write_tiny


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_run_folder(folder: Path) -> None:
    answer = rnnspec("evaluate", "nowhere")
    assert answer.code == 2
    assert answer.err == (
        f"rnnspec: There is no run folder nowhere.\n  Check the spelling; relative paths start in {folder}.\n"
    )
    (folder / "runs").mkdir()
    assert rnnspec("simulate", "runs", "-o", "x.npz").err == (
        "rnnspec: runs is not a run folder: it has no manifest.json.\n"
        "  Give the folder that 'rnnspec train' made.\n"
    )


def test_a_run_folder_of_another_name(folder: Path) -> None:
    assert rnnspec("train", "tiny.yaml", "--target", TARGET, "-q").code == 0
    (run,) = (folder / "runs").iterdir()
    for name in (f"runs/{run.name[:-1]}", run.name, f"run/{run.name}"):
        assert rnnspec("evaluate", name).err == (
            f"rnnspec: There is no run folder {name}.\n  Did you mean runs/{run.name}?\n"
        )


def test_a_build_is_no_run(folder: Path) -> None:
    assert rnnspec("compile", "tiny.yaml", "-o", "build").code == 0
    assert rnnspec("evaluate", "build").err == (
        "rnnspec: build is what 'rnnspec compile' wrote; it has no trained networks.\n"
        "  Give the folder that 'rnnspec train' made.\n"
    )


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (
            ["--networks", "4"],
            "No such option: --networks (Possible options: --from-networks, --only-network)",
        ),
        (["--set", "training.networks", "4"], "Got unexpected extra argument(s) (4)"),
    ],
)
def test_values_of_the_spec_are_no_options(folder: Path, words: list[str], what: str) -> None:
    answer = rnnspec("train", "tiny.yaml", *words)
    assert answer.code == 2
    how = "A value of the spec is set like this: --set training.networks=10."
    assert answer.err.endswith(f"Error: {what}. {how}\n")
    assert "--set" not in rnnspec("evaluate", "runs", "--networks", 4).err


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder(folder: Path) -> None:
    (folder / "runs").mkdir(mode=0o500)
    answer = rnnspec("train", "tiny.yaml", "--target", TARGET)
    assert answer.code == 2
    assert answer.err.startswith("rnnspec: You have no permission for 'runs/tiny-")


def test_a_file_where_the_runs_should_be(folder: Path) -> None:
    (folder / "runs").write_text("")
    answer = rnnspec("train", "tiny.yaml", "--target", TARGET)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("rnnspec: 'runs' exists and is not a folder.\n")


def test_an_output_that_is_a_folder(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "--target", TARGET, "-q")
    (run,) = (folder / "runs").iterdir()
    answer = rnnspec("simulate", run, "-o", folder / "methods")
    assert answer.code == 2
    assert answer.err == f"rnnspec: '{folder}/methods' is a folder.\n  Give a file.\n"
    assert sorted(path.name for path in folder.iterdir()) == ["methods", "runs", "tiny.yaml"]


@pytest.mark.parametrize(
    ("number", "first"),
    [
        (errno.ENOSPC, "rnnspec: The disk is full: 'runs/x' could not be written."),
        (errno.EACCES, "rnnspec: You have no permission for 'runs/x'."),
        (errno.EROFS, "rnnspec: 'runs/x' lies on a disk that is read-only."),
        (errno.ENAMETOOLONG, "rnnspec: The name 'runs/x' is too long."),
        (errno.EIO, "rnnspec: 'runs/x': Input/output error."),
    ],
)
def test_what_the_system_refuses(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, first: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), "runs/x")

    monkeypatch.setattr("rnnspec.training.train.create_run", refuse)
    answer = rnnspec("train", "tiny.yaml", "--target", TARGET)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.splitlines()[0] == first
    assert len(answer.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("train", "tiny.yaml"), "Use fewer networks or sequences: --set training.networks=10, "),
        (("evaluate", "runs"), "Use fewer sequences: --sequences 10.\n"),
        (("simulate", "runs", "-o", "x.npz"), "Use fewer sequences: --sequences 10.\n"),
        (("schema",), "Use a machine with more memory.\n"),
    ],
)
def test_not_enough_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], remedy: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")

    for name in (
        "training.train.train",
        "cli.evaluate.open_stored",
        "cli.simulate.open_stored",
        "spec.schema.json_schema",
    ):
        monkeypatch.setattr(f"rnnspec.{name}", full)
    answer = rnnspec(*words)
    assert answer.code == 2
    assert answer.err.startswith(f"rnnspec: There is not enough memory.\n  {remedy}")


def test_help_names_what_the_memory_advice_names() -> None:
    for command in ("evaluate", "simulate"):
        assert "--sequences" in rnnspec(command, "--help").out


def test_a_reader_that_has_gone(folder: Path) -> None:
    command = [*PROGRAM, "schema"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=environment)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_bug_is_called_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise AssertionError("a state that cannot be")

    monkeypatch.setattr("rnnspec.spec.schema.json_schema", fail)
    answer = rnnspec("schema")
    assert answer.code == 3
    first, *rest = answer.err.splitlines()
    assert first == "rnnspec: This is a bug in rnnspec, not a mistake of yours:"
    assert "AssertionError: a state that cannot be" in rest
    assert rest[-2].startswith("rnnspec: Please report the lines above")
    assert rest[-1].startswith("  rnnspec ")


def test_an_unknown_device(folder: Path) -> None:
    answer = rnnspec("train", "tiny.yaml", "--device", "abacus")
    assert answer.code == 2
    assert answer.err.startswith(
        "rnnspec: There is no device 'abacus' on this machine.\n  Use one of: auto, cpu"
    )
    assert not (folder / "runs").exists()


def test_characters_that_the_terminal_cannot_show(folder: Path) -> None:
    text = (folder / "tiny.yaml").read_text()
    (folder / "tiny.yaml").write_text(text.replace("Hold, look", "Höld, look"), encoding="utf-8")
    answer = process("resolve", "tiny.yaml", PYTHONIOENCODING="ascii")
    assert (answer.code, answer.err) == (0, "")
    assert "H?ld, look" in answer.out


def test_version() -> None:
    answer = rnnspec("--version")
    assert answer.code == 0
    assert answer.out.startswith("rnnspec ")


def test_the_first_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    answer = rnnspec("--help")
    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= 80
    # As in README.
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| (\d+) \| (.*) \|$", readme, flags=re.MULTILINE)
    assert len(codes) == 9
    for code, meaning in codes:
        assert re.search(rf"^ +{code} +{re.escape(meaning)}$", answer.out, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "command",
    [
        "validate",
        "rule",
        "schema",
        "resolve",
        "compile",
        "train",
        "resume",
        "extend",
        "status",
        "evaluate",
        "simulate",
        "bench",
    ],
)
def test_help_fits_and_has_an_example(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    answer = rnnspec(command, "--help")
    assert answer.code == 0
    assert (
        f"Example:\n    rnnspec {command} " in answer.out
        or f"Example:\n    rnnspec {command}\n" in answer.out
    )
    # No names of Python types, nor brackets around what is required.
    assert not re.search(r"<\w|\{", answer.out)
    assert max(map(len, answer.out.splitlines())) <= 80
