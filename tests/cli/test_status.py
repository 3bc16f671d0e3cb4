"""`rnnspec status`, and going on with runs from the command line."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cli.command import LIMIT, Child, process, rnnspec, run_process, start
from cli.test_nothing_is_lost import has_begun, wait_until
from rich.console import Console
from training.samples import write_tiny

from rnnspec.cli.display.status_table import distinct_settings, status_table
from rnnspec.runs.status import run_status, run_statuses


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def the_run(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def state(run: Path) -> dict[str, object]:
    answer = rnnspec("status", run, "--json")
    assert answer.code == 0
    (row,) = json.loads(answer.out)["runs"]
    return row


def test_a_run_that_is_over(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "--with", "fast", "--set", "training.seed=4", "-q")
    run = the_run(folder)
    row = state(run)
    assert (row["name"], row["methods"], row["state"]) == ("tiny", ["fast"], "finished")
    assert row["settings"] == ["training.seed=4"]
    assert (row["iteration"], row["iterations"], row["networks"], row["diverged"]) == (6, 6, 3, 0)
    assert (row["process"], row["host"], row["from"]) == (None, None, None)
    assert str(row["identity"])[:8] == run.name[-8:]
    shown = rnnspec("status").out
    assert f"runs/{run.name}" in shown
    assert "6 of 6" in shown
    assert "finished" in shown


def test_a_run_from_beginning_to_end(folder: Path) -> None:
    """Training, killed, resumed, preempted, resumed."""
    words = (
        "train",
        "tiny.yaml",
        "--set",
        "training.iterations=100000",
        "--checkpoint-iterations",
        "5",
        "-q",
    )
    with start(*words) as child:
        wait_until(lambda: has_begun(folder))
        run = the_run(folder)
        row = state(run)
        assert (row["state"], row["process"]) == ("running", child.pid)
        refused = process("resume", run)
        assert refused.code == 2
        assert refused.err.startswith(f"rnnspec: {run} is locked: process {child.pid} on ")
        wait_until(lambda: len(list((run / "checkpoints").glob("*.json"))) == 2)
        child.kill()
        child.wait()
    assert state(run)["state"] == "cut off"
    assert "cut off" in rnnspec("status").out
    evaluated = rnnspec("evaluate", run)
    assert evaluated.code == 2
    assert evaluated.err.endswith(f"resume it with: rnnspec resume {run}\n")
    with start("resume", run, "-q") as child:
        wait_until(lambda: state(run)["process"] == child.pid)
        row = state(run)
        wait_until(lambda: int(str(state(run)["iteration"])) > int(str(row["iteration"])) + 2)
        child.send_signal(signal.SIGUSR1)
        _, said = child.communicate(timeout=LIMIT)
    assert child.returncode == 75
    assert "was still there; that process has ended." in said
    assert state(run)["state"] == "stopped"
    assert rnnspec("evaluate", run, "--sequences", 4).code == 0


def test_stopping_on_another_signal(folder: Path) -> None:
    words = ("train", "tiny.yaml", "--set", "training.iterations=100000", "--stop-on", "usr2", "-q")
    with start(*words) as child:
        wait_until(lambda: has_begun(folder))
        child.send_signal(signal.SIGUSR2)
        out, _ = child.communicate(timeout=LIMIT)
    assert child.returncode == 75
    assert "was stopped by SIGUSR2 after" in out


LONG = """
import hashlib, sys
import rnnspec.training.interruption as interruption
import rnnspec.training.loop as loop
from rnnspec.cli.main import main
interruption.GRACE = float(sys.argv[1])
iterate = loop.iterate
def long(updater, completed):
    if completed == 4:
        print("long", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
    return iterate(updater, completed)
loop.iterate = long
sys.argv = ["rnnspec", "train", "tiny.yaml", "-q", "--checkpoint-iterations", "2"]
main()
"""


@pytest.mark.parametrize(
    ("grace", "signals", "code"),
    [(0.5, [signal.SIGTERM], 75), (60, [signal.SIGINT, signal.SIGINT], 130)],
    ids=["SIGTERM", "Ctrl-C twice"],
)
def test_an_iteration_that_takes_too_long(
    folder: Path, grace: float, signals: list[signal.Signals], code: int
) -> None:
    """Python hears no signal in the middle of it: the watch does, and the last checkpoint stays."""
    words = [sys.executable, "-c", LONG, str(grace)]
    with Child(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "long\n"
        for number in signals:
            child.send_signal(number)
            time.sleep(0.2)
        _, said = child.communicate(timeout=LIMIT)
    assert child.returncode == code
    run = the_run(folder)
    assert said.splitlines()[-2:] == [
        "Stopped at once. What was trained up to the last checkpoint is saved.",
        f"Resume it with: rnnspec resume runs/{run.name}",
    ]
    assert not (run / "lock").exists()
    assert state(run)["state"] == "cut off"
    names = sorted(path.name for path in (run / "checkpoints").glob("*.json"))
    assert names == ["000000002.json", "000000004.json"]
    assert rnnspec("resume", run, "-q").code == 0


def test_the_last_words_of_a_second_ctrl_c(folder: Path) -> None:
    with start("train", "tiny.yaml", "--set", "training.iterations=100000", "-q") as child:
        wait_until(lambda: has_begun(folder))
        child.send_signal(signal.SIGSTOP)
        child.send_signal(signal.SIGINT)
        child.send_signal(signal.SIGCONT)
        child.communicate(timeout=LIMIT)
    assert child.returncode == 130
    run = the_run(folder)
    script = """
import os, signal, sys
import rnnspec.training.loop as loop
from rnnspec.cli.main import main
def impatient(updater, completed):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    raise AssertionError
loop.iterate = impatient
sys.argv = ["rnnspec", "resume", sys.argv[1], "-q"]
main()
"""
    words = [sys.executable, "-c", script, str(run)]
    done = run_process(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-2:] == [
        "rnnspec: Stopped by Ctrl-C; there is no result.",
        f"  Resume it with: rnnspec resume {run}",
    ]


def test_extending(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    run = the_run(folder)
    refused = rnnspec("resume", run)
    assert (refused.code, refused.out) == (2, "")
    assert "nothing left to do" in refused.err
    answer = rnnspec("extend", run, 4)
    assert answer.code == 0
    assert "finished all 10 iterations" in answer.out
    assert f"tiny: 3 networks on cpu, target cpu -> {run}, resumed after iteration 6" in answer.err
    assert "iteration 10/10" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train",), "Missing argument 'SPEC'."),
        (
            ("train", "--resume", "runs/x"),
            "'rnnspec train' has no --resume: it trains a spec. Use: rnnspec resume RUN",
        ),
        (("train", "--resume=runs/x"), "Use: rnnspec resume RUN"),
        (("train", "--extend", "5", "runs/x"), "Use: rnnspec extend RUN ITERATIONS"),
        (("train", "tiny.yaml", "--break-lock"), "Use: rnnspec resume RUN"),
        (("train", "tiny.yaml", "--allow-drift"), "Use: rnnspec resume RUN"),
        (("resume",), "Missing argument 'RUN'."),
        (("resume", "runs/x", "--set", "training.seed=1"), "No such option: --set"),
        (("resume", "runs/x"), "There is no run folder runs/x."),
        (("extend", "runs/x", "5"), "There is no run folder runs/x."),
        (("extend", "runs/x"), "Missing argument 'ITERATIONS'."),
        (
            ("extend", "runs/x", "0"),
            "Invalid value for 'ITERATIONS': Input should be greater than or equal to 1",
        ),
        (("extend", "tiny.yaml", "5"), "tiny.yaml is a file, not a run folder."),
        (("train", "tiny.yaml", "--diagnose", "weights"), "'weights' is not one of: gradients."),
        (("train", "tiny.yaml", "--diagnose-at", "5"), "It needs --diagnose gradients."),
        (("train", "tiny.yaml", "--stop-on", "KILL"), "'KILL' is not a signal that can stop a training."),
        (("train", "tiny.yaml", "--stop-on", "URG"), "'URG' is not a signal that can stop a training."),
        (("status",), "There is no folder runs."),
        (("status", "methods"), "methods has no runs."),
        (("status", "methods", "--watch"), "methods has no runs."),
        (("status", "--watch", "--json"), "--watch shows a table; --json is printed once."),
    ],
)
def test_misuse(folder: Path, words: tuple[str, ...], said: str) -> None:
    answer = rnnspec(*words)
    assert (answer.code, answer.out) == (2, "")
    assert said in " ".join(answer.err.split())


def test_runs_that_cannot_be_read(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    run = the_run(folder)
    shutil.copytree(run, run.with_name("old"))
    shutil.copytree(run, run.with_name("torn"))
    manifest = json.loads((run / "manifest.json").read_text())
    (run.with_name("old") / "manifest.json").write_text(json.dumps({**manifest, "format": 1}))
    (run.with_name("torn") / "manifest.json").write_text('{"format": 4,')
    shutil.copytree(run, run.with_name("deep"))
    (run.with_name("deep") / "manifest.json").write_text("[" * 99_999)
    assert rnnspec("resume", run.with_name("deep")).code == 2
    shown = rnnspec("status").out
    assert "made by another version of rnnspec" in shown
    assert "runs/torn/manifest.json is damaged" in shown


def test_a_run_on_another_machine(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    run = the_run(folder)
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "status": "running"}))
    (run / "lock").write_text(json.dumps({"process": 7, "host": "node17", "boot": "x"}))
    row = state(run)
    assert (row["state"], row["host"]) == ("unseen", "node17")
    assert "unseen: process 7 on node17" in rnnspec("status").out
    refused = rnnspec("resume", run)
    assert refused.code == 2
    assert f"rnnspec resume {run} --break-lock" in refused.err
    answer = rnnspec("resume", run, "--break-lock", "-q")
    assert answer.code == 0


def test_past_a_criterion(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "--set", "training.stop={performance: 0.01}", "-q")
    run = the_run(folder)
    assert "reached its criterion" in rnnspec("status").out
    assert "tiny finished all 4 iterations.\n" in rnnspec("extend", run, 2, "-q").out


def test_time_goes_on(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    run = the_run(folder)
    rnnspec("extend", run, 1, "-q", "--checkpoint-seconds", "1000")
    rows = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    (resumed,) = [row for row in rows if "resumed" in row]
    assert resumed["seconds"] > 0


def test_names_of_runs_stay_whole(folder: Path) -> None:
    """They are what one needs to go on with a run, also on a narrow terminal."""
    rnnspec("train", "tiny.yaml", "-q")
    (run,) = (folder / "runs").iterdir()

    def printed(width: int) -> str:
        text = io.StringIO()
        Console(file=text, width=width).print(status_table(run_statuses(["runs"]), width))
        return text.getvalue()

    # 18 columns for the name, 9 for the iteration, 16, 4 and 8 for the rest, and 3 beside each.
    for width, shown in ((71, "time"), (70, "performance"), (50, "iteration"), (40, "state")):
        text = printed(width)
        assert f"runs/{run.name}" in text
        assert "finished" in text
        assert shown in text
    assert "time" not in text
    # Longer than any terminal: its end stands in the next line, and the state beside it.
    rows = [line.split() for line in printed(25).splitlines()[2:]]
    assert "".join(row[0] for row in rows) == f"runs/{run.name}"
    assert "".join(row[1] for row in rows if len(row) > 1) == "finished"


def test_what_tells_runs_apart(folder: Path) -> None:
    """Settings that differ, by the last part of their key; overlays that the name of the folder lacks."""
    rate, short = "training.optimizer.learning_rate=", "training.iterations=1"
    for value in ("0.01", "0.02"):
        words = ("--with", "fast", "--set", short, "--set", f"{rate}0.5", "--set", f"{rate}{value}")
        assert rnnspec("train", "tiny.yaml", "-q", *words).code == 0
    found = run_statuses(["runs"])
    assert sorted(distinct_settings(found)) == ["learning_rate=0.01", "learning_rate=0.02"]
    # Of one run alone, all are shown.
    assert distinct_settings(found[:1])[0].startswith("iterations=1 learning_rate=0.0")
    assert rnnspec("train", "tiny.yaml", "-q", "--set", short, "--set", "network.dt=10 ms").code == 0
    (other,) = (folder / "runs").glob("tiny-[!f]*")
    other.rename(folder / "runs" / "renamed")
    found = run_statuses(["runs"])
    by_name = dict(zip([status.folder.name for status in found], distinct_settings(found), strict=True))
    assert by_name["renamed"] == "dt=10 ms"
    fast = next(status.folder for status in found if status.methods)
    fast.rename(folder / "runs" / "moved")
    found = run_statuses(["runs"])
    by_name = dict(zip([status.folder.name for status in found], distinct_settings(found), strict=True))
    assert by_name["moved"].startswith("fast learning_rate=0.0")
    rows = {row["run"]: row for row in json.loads(rnnspec("status", "--json").out)["runs"]}
    assert rows["runs/moved"]["methods"] == ["fast"]
    assert rows["runs/moved"]["settings"][:2] == [short, f"{rate}0.5"]
    assert "set" in rnnspec("status").out.splitlines()[0].split()
    # In 80 columns no line is longer, and what tells runs apart is there.
    text = io.StringIO()
    Console(file=text, width=80).print(status_table(found, 80))
    assert max(map(len, text.getvalue().splitlines())) <= 80
    for part in ("learning_rate=", "dt=10 ms", "fast"):
        assert part in text.getvalue()


def test_a_long_name_in_a_pipe(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    deep = folder / ("x" * 120) / ("y" * 120)
    deep.parent.mkdir()
    (folder / "runs").rename(deep)
    (line,) = [line for line in rnnspec("status", deep).out.splitlines() if "tiny-" in line]
    assert str(deep / "tiny-") in line
    assert "finished" in line


def test_names_are_no_markup(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    (folder / "runs").rename(folder / "exp[b]")
    answer = rnnspec("status", "exp[b]")
    assert answer.code == 0
    assert "exp[b]/tiny-" in answer.out


def test_metrics_that_cannot_be_read(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    run = the_run(folder)
    for text in (b'{"iteration": null}\n', b"\xff\n"):
        (run / "metrics.jsonl").write_bytes(text)
        assert state(run)["state"] == "finished"
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").mkdir()
    assert state(run)["state"] == "finished"


def test_watching(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look sees what there is then; Ctrl-C is how one leaves."""
    rnnspec("train", "tiny.yaml", "-q")
    looks = 0

    def wait(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            rnnspec("train", "tiny.yaml", "-q")
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr("rnnspec.cli.status.is_terminal", lambda stream: True)
    monkeypatch.setattr("rnnspec.cli.status.time.sleep", wait)
    answer = rnnspec("status", "--watch")
    assert answer.code == 0
    assert {f"runs/{run.name}" in answer.out for run in (folder / "runs").iterdir()} == {True}
    assert len(list((folder / "runs").iterdir())) == 2


def test_a_run_in_place_of_a_spec(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    (run,) = (folder / "runs").iterdir()
    answer = rnnspec("train", run)
    assert answer.code == 2
    assert f"is a run folder, not a spec. Resume it with: rnnspec resume {run}" in answer.err


def test_what_stopped_says_how_to_go_on(folder: Path) -> None:
    with start("train", "tiny.yaml", "--set", "training.iterations=100000", "-q") as child:
        wait_until(lambda: has_begun(folder))
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=LIMIT)
    (run,) = (folder / "runs").iterdir()
    assert f"  resume it    rnnspec resume runs/{run.name}\n" in out


def test_status_needs_no_torch(folder: Path) -> None:
    rnnspec("train", "tiny.yaml", "-q")
    script = (
        "import sys; from rnnspec.runs.status import run_status, run_statuses; "
        "print([s.state for s in run_statuses(['runs'])], 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout == "['finished'] False\n"


def test_keys_that_end_alike_are_shown_in_full(folder: Path) -> None:
    run = replace(damaged := run_status(folder), state="stopped")
    assert damaged.state == "damaged"
    runs = [
        replace(run, settings=("network.noise.scale=1", "training.seed=1")),
        replace(run, settings=("task.noise.scale=2", "training.seed=1")),
    ]
    assert distinct_settings(runs) == ["network.noise.scale=1", "task.noise.scale=2"]
