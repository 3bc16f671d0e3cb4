"""`rnnspec train --once`: a command that can be repeated, as in a job array."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli.command import LIMIT, ROOT, Child, rnnspec, start
from cli.test_nothing_is_lost import has_begun, wait_until
from training.samples import write_tiny

import rnnspec as package
from rnnspec.runs.lock import RunInUseError, lock_run
from rnnspec.runs.status import run_status
from rnnspec.training.events import Event, Updated

ONCE = ("train", "tiny.yaml", "--once", "-q")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def the_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def stop_after(iterations: int) -> None:
    """Begin the run, and stop it."""

    def observe(event: Event) -> None:
        if isinstance(event, Updated) and event.completed == iterations:
            os.kill(os.getpid(), signal.SIGTERM)

    assert package.train("tiny.yaml", once=True, observer=observe).status == "terminated"


def test_a_finished_run_is_reported_again(folder: Path) -> None:
    words = (*ONCE, "--set", "training.stop={performance: 0.001, trim: 0.34}")
    first, again, as_json = rnnspec(*words), rnnspec(*words), rnnspec(*words, "--json")
    run = the_run(folder).relative_to(folder)
    assert (first.code, again.code, as_json.code) == (0, 0, 0)
    assert again.out == first.out
    assert first.err == ""
    assert again.err == f"{run} is finished: nothing is left to train.\n"
    manifest = json.loads((run / "manifest.json").read_text())
    result = json.loads(as_json.out)
    assert (result["name"], result["run"], result["status"]) == ("tiny", str(run), "reached")
    for key in ("iterations", "evaluated", "trimmed_mean", "performance", "reached", "diverged", "signal"):
        assert result[key] == manifest["result"][key]


def test_an_unfinished_run_is_resumed(folder: Path) -> None:
    """To the same bits as one that was never stopped."""
    stop_after(3)
    run = the_run(folder).relative_to(folder)
    answer = rnnspec(*ONCE)
    assert answer.code == 0
    assert answer.err.startswith(f"{run} is not finished: it is resumed.\n")
    assert answer.out.startswith("tiny finished all 6 iterations.\n")
    assert rnnspec("train", "tiny.yaml", "--out", "whole", "-q").code == 0
    (whole,) = (folder / "whole").iterdir()
    for name in ("metrics.jsonl", "weights.safetensors"):
        assert (whole / name).read_bytes() == (the_run(folder) / name).read_bytes()


def test_a_failed_run_is_resumed(folder: Path) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, Updated):
            raise ValueError("a display that fails")

    with pytest.raises(ValueError, match="a display that fails"):
        package.train("tiny.yaml", observer=fail)
    assert run_status(the_run(folder)).state == "failed"
    assert rnnspec(*ONCE).code == 0
    assert run_status(the_run(folder)).state == "finished"


def test_a_diverged_run_has_its_exit_code_again(folder: Path) -> None:
    words = (*ONCE, "--set", "training.optimizer={kind: sgd, learning_rate: 1.0e+36, momentum: 0}")
    first, again = rnnspec(*words), rnnspec(*words)
    assert (first.code, again.code) == (4, 4)
    assert "every network has diverged" in first.out
    assert again.out == first.out
    the_run(folder)


def test_other_networks_have_runs_of_their_own(folder: Path) -> None:
    for more in ((), ("--set", "training.seed=1"), ("--only-network", 1), ("--only-network", 2)):
        for _ in range(2):
            assert rnnspec(*ONCE, *more).code == 0
    assert len(list((folder / "runs").iterdir())) == 4


def test_a_finished_run_counts_before_an_unfinished_one(folder: Path) -> None:
    assert rnnspec("train", "tiny.yaml", "-q").code == 0
    finished = the_run(folder)
    stopped = finished.with_name("another name")
    finished.rename(stopped)
    (stopped / "manifest.json").write_text(
        (stopped / "manifest.json").read_text().replace('"status": "finished"', '"status": "terminated"', 1)
    )
    assert rnnspec("train", "tiny.yaml", "-q").code == 0
    assert rnnspec(*ONCE).err == f"runs/{finished.name} is finished: nothing is left to train.\n"


def test_another_target_or_dtype_is_refused(folder: Path) -> None:
    assert rnnspec(*ONCE, "--target", "torch").code == 0
    run = the_run(folder).relative_to(folder)
    for words, what in ((("--target", "cpu"), "target"), (("--dtype", "float64"), "dtype")):
        answer = rnnspec(*ONCE, *words)
        before = {"target": "torch", "dtype": "float32"}[what]
        assert answer.code == 2
        assert answer.err == (
            f"rnnspec: {run} trains the same spec, but with {what} {before}, not {words[1]}.\n"
            f"  Ask for {what} {before}, or use another folder for the runs.\n"
        )


def test_once_in_python(folder: Path) -> None:
    first, again = (package.train("tiny.yaml", once=True) for _ in range(2))
    assert (again.folder, again.status, again.iterations) == (first.folder, "finished", 6)
    assert again.performance == pytest.approx(first.performance, abs=1e-5)
    for name, weights in first.simulation.named_parameters():
        assert (weights == dict(again.simulation.named_parameters())[name]).all()
    with pytest.raises(ValueError, match="which is None"):
        package.train("tiny.yaml", once=True, out=None)


# --- other processes ---------------------------------------------------------------------------------

#: The command, which looks for an earlier run when the other process has looked too, then takes its time.
SIMULTANEOUS = """
import os, pathlib, time
import rnnspec.training.train as train
from rnnspec.cli.main import main

find, create, looks = train.find_earlier, train.create_run, []

def find_with_the_other(*arguments):
    found = find(*arguments)
    if not looks:
        pathlib.Path(f"looked-{os.getpid()}").touch()
        while len(list(pathlib.Path().glob("looked-*"))) < 2:
            time.sleep(0.01)
    looks.append(found)
    return found

def create_slowly(*arguments):
    time.sleep(0.5)
    return create(*arguments)

train.find_earlier, train.create_run = find_with_the_other, create_slowly
main()
"""


def test_two_at_once(folder: Path) -> None:
    """Neither finds a run at first; one creates it and trains, the other finds it then."""
    words = [sys.executable, "-c", SIMULTANEOUS, *ONCE, "--set", "training.iterations=1000000", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def child() -> Child:
        return Child(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    with child() as one, child() as two:
        wait_until(lambda: one.poll() is not None or two.poll() is not None)
        trains, leaves = (two, one) if two.poll() is None else (one, two)
        out, _ = leaves.communicate(timeout=LIMIT)
        run = the_run(folder)
        assert leaves.returncode == 0
        row = json.loads(out)
        assert (row["status"], row["run"], row["process"]) == ("running", f"runs/{run.name}", trains.pid)
        assert trains.poll() is None
        trains.send_signal(signal.SIGTERM)
        out, _ = trains.communicate(timeout=LIMIT)
    assert trains.returncode == 75
    assert json.loads(out)["status"] == "terminated"
    assert the_run(folder) == run
    assert not (folder / "runs" / ".lock").exists()


def test_a_run_that_is_being_trained(folder: Path) -> None:
    long = (*ONCE, "--set", "training.iterations=1000000")
    with start(*long) as child:
        wait_until(lambda: has_begun(folder))
        answer = rnnspec(*long)
        run = the_run(folder)
        assert (answer.code, answer.err) == (0, "")
        first, process, last = answer.out.splitlines()
        assert first == "tiny is being trained by another process; nothing is done here."
        assert process.startswith(f"  process      process {child.pid} on ")
        assert last == f"  run          runs/{run.name}"
        # Without --once it is another run; resume and extend refuse to have it.
        assert rnnspec("resume", run).code == 2
        child.kill()
        child.wait()
    assert run_status(run).state == "cut off"


def test_what_was_found_has_changed_since(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process resumes the run, or finishes it, after it was found to be stopped."""
    stop_after(3)
    run = the_run(folder)
    stopped = run_status(run)
    monkeypatch.setattr("rnnspec.training.train.find_earlier", lambda *_: stopped)
    lock = lock_run(run)
    with pytest.raises(RunInUseError):
        package.train("tiny.yaml", once=True)
    assert rnnspec(*ONCE).code == 0
    lock.release()
    package.resume(run)
    result = package.train("tiny.yaml", once=True)
    assert (result.status, result.iterations, result.folder) == ("finished", 6, run)


def test_what_cannot_be_resumed_is_refused(folder: Path) -> None:
    stop_after(3)
    for file in (the_run(folder) / "checkpoints").iterdir():
        file.unlink()
    answer = rnnspec(*ONCE)
    assert answer.code == 2
    assert "has lost its checkpoints" in answer.err


#: The command, with a pause before each iteration.
SLOW = """
import os, time
import rnnspec.training.interruption as interruption
import rnnspec.training.loop as loop
from rnnspec.cli.main import main
interruption.GRACE = 300.0
iterate = loop.iterate
def slowly(updater, completed):
    time.sleep(float(os.environ["PAUSE"]))
    return iterate(updater, completed)
loop.iterate = slowly
main()
"""


def test_the_job_array_of_the_page(folder: Path) -> None:
    """Preempted, the job goes back into the queue; then it finishes; then there is nothing to do."""
    page = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```bash\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    small = script.replace("specs/delayed_go.yaml --with dasc40", "tiny.yaml --set training.iterations=60")
    assert small != script
    (folder / "job.sh").write_text(small)
    (folder / "bin").mkdir()
    (folder / "slow.py").write_text(SLOW)
    for name, line in (
        ("rnnspec", f'PYTHONPATH={ROOT} exec {sys.executable} slow.py "$@"'),
        ("scontrol", 'echo "$@" >> requeued'),
    ):
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / "bin" / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "SLURM_JOB_ID": "17",
        "SLURM_ARRAY_TASK_ID": "3",
    }

    def job(pause: str) -> Child:
        given, pipe = {**environment, "PAUSE": pause}, subprocess.PIPE
        return Child(["bash", "job.sh"], stdout=pipe, stderr=pipe, text=True, env=given)

    with job("0.5") as child:
        wait_until(lambda: has_begun(folder))
        child.send_signal(signal.SIGUSR1)
        out, said = child.communicate(timeout=LIMIT)
    assert child.returncode == 75, said
    assert "tiny was stopped by SIGUSR1" in out
    assert (folder / "requeued").read_text() == "requeue 17\n"
    with job("0") as child:
        out, said = child.communicate(timeout=LIMIT)
    assert child.returncode == 0, said
    assert "tiny finished all 60 iterations" in out
    (command,) = re.findall(r"^rnnspec (train .* --once -q) &$", small, flags=re.MULTILINE)
    again = rnnspec(*command.replace("$SLURM_ARRAY_TASK_ID", "3").split())
    assert again.code == 0
    assert "is finished: nothing is left to train" in again.err
    assert (folder / "requeued").read_text() == "requeue 17\n"
    assert "training.seed=3" in (the_run(folder) / "manifest.json").read_text()
