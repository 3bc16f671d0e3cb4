"""Whatever becomes of the terminal, and wherever a user points an output, no work is lost."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.command import LIMIT, PROGRAM, ROOT, Child, rnnspec, run_process
from training.samples import write_tiny

from rnnspec.files import replace_file, write_file
from rnnspec.training.events import Event, Updated

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Path:
    assert rnnspec("train", "tiny.yaml", "-q").code == 0
    (found,) = (folder / "runs").iterdir()
    return found


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it never came to this"
        time.sleep(0.05)


def is_trained(folder: Path, status: str) -> None:
    (manifest,) = (folder / "runs").glob("*/manifest.json")
    assert json.loads(manifest.read_text())["status"] == status
    assert rnnspec("evaluate", manifest.parent, "--sequences", 4).code == 0


def has_begun(folder: Path) -> bool:
    return any(file.stat().st_size for file in (folder / "runs").glob("*/metrics.jsonl"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_reads_the_progress_has_gone(folder: Path, number: signal.Signals) -> None:
    """`train 2>&1 | tee log` and Ctrl-C: the signal ends tee as well."""
    reader, writer = os.pipe()
    words = [*PROGRAM, "train", "tiny.yaml", "--set", "training.iterations=100000"]
    with Child(words, stdout=subprocess.DEVNULL, stderr=writer, env=ENVIRONMENT) as child:
        os.close(writer)
        wait_until(lambda: has_begun(folder))
        os.close(reader)
        child.send_signal(number)
        child.wait(timeout=LIMIT)
    assert child.returncode == (130 if number == signal.SIGINT else 75)
    is_trained(folder, "interrupted" if number == signal.SIGINT else "terminated")


def test_progress_that_nobody_ever_read(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [*PROGRAM, "train", "tiny.yaml"]
    done = run_process(words, stdout=subprocess.PIPE, stderr=writer, env=ENVIRONMENT)
    os.close(writer)
    assert done.returncode == 0
    assert b"tiny" in done.stdout
    is_trained(folder, "finished")


def test_a_hangup_that_is_ignored(folder: Path) -> None:
    """`nohup` sets SIGHUP to be ignored, and it stays so."""
    interpreter, option, script = PROGRAM
    nohup = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    train = ("train", "tiny.yaml", "--set", "training.iterations=60", "-q")
    words = [interpreter, option, nohup + script, *train]
    with Child(
        words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=ENVIRONMENT
    ) as child:
        wait_until(lambda: has_begun(folder))
        child.send_signal(signal.SIGHUP)
        child.communicate(timeout=LIMIT)
    assert child.returncode == 0
    is_trained(folder, "finished")


#: The command, which leaves a file behind when it is about to print its first line of progress.
PRINTING = """
import pathlib
import rnnspec.cli.display.plain as plain
import rnnspec.training.interruption as interruption
from rnnspec.cli.main import main
interruption.GRACE = 100.0
note = plain.note
def about_to_print(text):
    pathlib.Path("printing").touch()
    note(text)
plain.note = about_to_print
main()
"""


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="sets the size of a pipe")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_reads_the_progress_has_paused(folder: Path, number: signal.Signals) -> None:
    """`train 2>&1 | less`: the pipe is full, and a print waits for a reader who does not come."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writer, b"." * 4096)
    words = [sys.executable, "-c", PRINTING, "train", "tiny.yaml", "--set", "training.iterations=100000"]
    with Child(words, stdout=subprocess.DEVNULL, stderr=writer, env=ENVIRONMENT) as child:
        os.close(writer)
        try:
            wait_until((folder / "printing").exists)
            # Most often the print waits by then.  If it does not yet, the same must come of the signal.
            time.sleep(0.5)
            child.send_signal(number)
            child.wait(timeout=LIMIT)
        finally:
            child.kill()
            os.close(reader)
    assert child.returncode == (130 if number == signal.SIGINT else 75)
    is_trained(folder, "interrupted" if number == signal.SIGINT else "terminated")
    assert not list((folder / "runs").glob("*/lock"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_stopped_before_there_is_anything_to_save(
    folder: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """While a kernel is compiled: the compiler goes too."""
    compiler = tmp_path / "slow"
    compiler.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo c++ 1 && exit\necho $$ > pid; exec sleep 60\n'
    )
    compiler.chmod(0o755)
    environment = {**ENVIRONMENT, "CXX": str(compiler), "RNNSPEC_CACHE": str(tmp_path / "cache")}
    words = [*PROGRAM, "train", "tiny.yaml", "--target", "cpu"]
    with Child(words, stderr=subprocess.PIPE, text=True, env=environment) as child:
        wait_until(lambda: list((tmp_path / "cache").glob("**/pid")) + list(tmp_path.glob("pid")))
        child.send_signal(number)
        _, said = child.communicate(timeout=LIMIT)
    assert child.returncode == code
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert said == f"rnnspec: Stopped by {name}; there is no result.\n"
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
@pytest.mark.parametrize("words", [["train", "tiny.yaml"], ["resume"]], ids=["new", "resumed"])
def test_stopped_while_torch_is_imported(
    run: Path, tmp_path: Path, number: signal.Signals, code: int, words: list[str]
) -> None:
    """Imports swallow exceptions, and go on with half a module: the process leaves at once, all as it was."""
    (tmp_path / "slow" / "torch").mkdir(parents=True)
    slow = "import pathlib, time\npathlib.Path('begun').touch()\n"
    slow += "try: time.sleep(60)\nexcept BaseException: pass\n"
    (tmp_path / "slow" / "torch" / "__init__.py").write_text(slow)
    before = sorted((tmp_path / "runs").rglob("*"))
    environment = {**ENVIRONMENT, "PYTHONPATH": f"{tmp_path / 'slow'}{os.pathsep}{ROOT}"}
    given = [*words, *([str(run)] if words == ["resume"] else [])]
    with Child([*PROGRAM, *given], stderr=subprocess.PIPE, text=True, env=environment) as child:
        wait_until((tmp_path / "begun").exists)
        child.send_signal(number)
        _, said = child.communicate(timeout=LIMIT)
    assert child.returncode == code
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert said == f"rnnspec: Stopped by {name}; there is no result.\n"
    assert sorted((tmp_path / "runs").rglob("*")) == before


def test_stopped_while_gradients_are_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That may take long, and can be done again."""

    ended = []

    def long(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(30)
        ended.append("it was waited for")

    monkeypatch.setattr("rnnspec.training.session.diagnose_gradients", long)
    answer = rnnspec("train", "tiny.yaml", "--diagnose", "gradients", "--diagnose-at", 3)
    assert answer.code == 75
    assert not ended
    is_trained(folder, "terminated")


def test_the_result_of_a_training_that_was_stopped_has_no_reader(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def stop(self: object, event: Event) -> None:
        if isinstance(event, Updated):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("rnnspec.cli.display.training_report.print_result", gone)
    monkeypatch.setattr("rnnspec.cli.display.plain.PlainDisplay.__call__", stop)
    assert rnnspec("train", "tiny.yaml").code == 75


def test_weights_are_saved_where_a_checkpoint_does_not_fit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.parent.name == "checkpoints":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        replace_file(path, data)

    monkeypatch.setattr("rnnspec.runs.checkpoint.replace_file", full)
    answer = rnnspec("train", "tiny.yaml", "--checkpoint-iterations", 2)
    assert answer.code == 2
    assert "The networks are saved as they were after iteration 2, in runs/" in answer.err
    is_trained(folder, "failed")


def test_commands_can_be_typed_as_they_are_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: object, event: Event) -> None:
        if isinstance(event, Updated):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("rnnspec.cli.display.plain.PlainDisplay.__call__", stop)
    answer = rnnspec("train", "tiny.yaml", "--set", "training.iterations=100000", "--out", "my runs; here")
    (run,) = (folder / "my runs; here").iterdir()
    assert answer.code == 75
    shown = f"'my runs; here/{run.name}'"
    assert f"rnnspec resume {shown}" in answer.out
    assert f"rnnspec resume {shown}" in rnnspec("train", run.relative_to(folder)).err
    (run / "weights.safetensors").unlink()
    assert f"rnnspec resume {shown}" in rnnspec("evaluate", run.relative_to(folder)).err


def test_streams_that_are_closed() -> None:
    command = " ".join([*PROGRAM, "rule", "RS204", ">&-", "2>&-"])
    done = subprocess.run(["sh", "-c", command], env=ENVIRONMENT, timeout=LIMIT, check=False)
    assert done.returncode == 0


def test_whoever_reads_the_result_has_gone(folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [*PROGRAM, "train", "tiny.yaml", "-q"]
    done = run_process(words, stdout=writer, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    os.close(writer)
    (run,) = (folder / "runs").iterdir()
    assert done.stderr.splitlines()[0] == f"The training has ended, and its run is in runs/{run.name}."
    is_trained(folder, "finished")


# --- a disk that fills up ----------------------------------------------------------------------------


def limited(size: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command that can write no file of more bytes."""
    interpreter, option, script = PROGRAM
    limit = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
    words = (interpreter, option, limit + script, *words)
    return run_process(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def test_a_disk_that_fills_up_while_training(folder: Path) -> None:
    done = limited(8000, "train", "tiny.yaml", "-q", "--set", "training.iterations=1000")
    assert (done.returncode, done.stdout) == (2, "")
    (run,) = (folder / "runs").iterdir()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["iteration"] == 2 * len(rows) > 2
    first, remedy, saved, resume = done.stderr.splitlines()
    assert first == f"rnnspec: The disk is full: 'runs/{run.name}/metrics.jsonl' could not be written."
    assert remedy.startswith("  Make room")
    last = rows[-1]["iteration"] + 2
    assert saved == f"  The networks are saved as they were after iteration {last}, in runs/{run.name}."
    assert resume == f"  Resume it with: rnnspec resume runs/{run.name}"
    is_trained(folder, "failed")
    # The metrics lack the last evaluation, so what has no checkpoint before it begins anew.
    assert not list((run / "checkpoints").glob("*")) if (run / "checkpoints").exists() else True


@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json"])
def test_a_disk_that_is_full_at_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    written: list[str] = []

    def full(path: Path, data: bytes) -> None:
        # The manifest that is written before training fits.
        if path.name == name and "manifest.json" in written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path.name)
        replace_file(path, data)

    monkeypatch.setattr("rnnspec.runs.writer.replace_file", full)
    monkeypatch.setattr("rnnspec.runs.manifest.replace_file", full)
    answer = rnnspec("train", "tiny.yaml", "-q")
    (run,) = (folder / "runs").iterdir()
    assert answer.code == 2
    first, _, networks, resume = answer.err.splitlines()
    assert first == f"rnnspec: The disk is full: 'runs/{run.name}/{name}' could not be written."
    assert networks == f"  The networks could not be saved: runs/{run.name}/{name}: No space left on device."
    assert resume == f"  Resume it with: rnnspec resume runs/{run.name}"
    status = json.loads((run / "manifest.json").read_text())["status"]
    assert status == ("running" if name == "manifest.json" else "failed")
    assert "has no trained networks" in rnnspec("evaluate", run).err
    # The checkpoint was written before; once there is room, nothing is lost.
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert rnnspec("resume", run, "-q").code == 0
    is_trained(folder, "finished")


def test_the_last_time_is_of_no_consequence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        if "finished" in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr("rnnspec.runs.writer.append_line", full)
    assert rnnspec("train", "tiny.yaml", "-q").code == 0
    is_trained(folder, "finished")


def test_no_line_is_torn(tmp_path: Path) -> None:
    """The part of a line that still fitted is taken back."""
    script = (
        "import resource, sys; from pathlib import Path; from rnnspec.runs.regular import append_line\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))\n"
        "append_line(Path(sys.argv[1]), 'a whole line')\n"
        "append_line(Path(sys.argv[1]), 'a torn line')\n"
    )
    file = tmp_path / "lines"
    words = [sys.executable, "-c", script, str(file)]
    done = run_process(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert f"OSError: [Errno {errno.EFBIG}]" in done.stderr
    assert file.read_text() == "a whole line\n"


# --- outputs -----------------------------------------------------------------------------------------


def test_compile_keeps_the_users_spec(folder: Path) -> None:
    spec = folder / "spec.yaml"
    spec.write_text("# mine\n" + (folder / "tiny.yaml").read_text())
    before = spec.read_text()
    answer = rnnspec("compile", "spec.yaml", "-o", ".")
    assert answer.code == 2
    assert "was not written by a build, or was changed since; compiling would overwrite it" in answer.err
    assert spec.read_text() == before
    assert not (folder / "graph.py").exists()


def test_compile_keeps_a_graph_that_was_changed(folder: Path) -> None:
    assert rnnspec("compile", "tiny.yaml", "-o", "build").code == 0
    assert rnnspec("compile", "tiny.yaml", "--set", "training.seed=1", "-o", "build").code == 0
    graph = folder / "build" / "graph.py"
    graph.write_text("# an experiment of mine\n")
    assert rnnspec("compile", "tiny.yaml", "-o", "build").code == 2
    assert graph.read_text() == "# an experiment of mine\n"


def test_compile_either_prints_or_writes(folder: Path) -> None:
    answer = rnnspec("compile", "tiny.yaml", "--emit", "graph", "-o", "build")
    assert answer.code == 2
    assert "give only one of them" in " ".join(answer.err.split())


@pytest.mark.parametrize(
    ("words", "right"), [(["evaluate", "--trials"], "table.csv"), (["simulate", "-o"], "recording.npz")]
)
def test_results_replace_no_file_of_another_kind(
    run: Path, folder: Path, words: list[str], right: str
) -> None:
    spec = (folder / "tiny.yaml").read_bytes()
    answer = rnnspec(words[0], run, *words[1:], "tiny.yaml")
    assert answer.code == 2
    assert "tiny.yaml does not end in" in answer.err
    assert (folder / "tiny.yaml").read_bytes() == spec
    assert rnnspec(words[0], run, *words[1:], right).code == 0
    assert (folder / right).is_file()


@pytest.mark.parametrize("words", [["evaluate", "--trials", "no/x.csv"], ["simulate", "-o", "no/x.npz"]])
def test_outputs_are_checked_before_the_work(
    run: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr("rnnspec.runtime.simulation.Simulation.forward", work)
    answer = rnnspec(words[0], run, *words[1:])
    assert answer.code == 2
    assert "There is no folder" in answer.err
    Path("no").touch()
    answer = rnnspec(words[0], run, *words[1:])
    assert answer.code == 2
    assert "no is a file, not a folder for x." in answer.err


def test_what_is_no_ordinary_file_is_never_replaced(tmp_path: Path, run: Path) -> None:
    pipe = tmp_path / "pipe.npz"
    os.mkfifo(pipe)
    answer = rnnspec("simulate", run, "-o", pipe)
    assert answer.code == 2
    assert "not an ordinary file" in answer.err
    assert pipe.is_fifo()


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
