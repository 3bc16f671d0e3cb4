"""The commands around runs: train, evaluate, simulate; progress, interruption, exit codes."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from cli.command import LIMIT, PROGRAM, ROOT, Child, process, rnnspec, run_process, start
from training.samples import TARGET, write_tiny

from rnnspec.training.events import Event, Updated


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    write_tiny(folder)
    answer = rnnspec(
        "train", folder / "tiny.yaml", "--with", "fast", "--out", folder, "--target", TARGET, "-q"
    )
    assert answer.code == 0, answer.err
    (found,) = folder.glob("tiny-fast-*")
    return found


def train(*words: object) -> tuple[object, ...]:
    return ("train", "tiny.yaml", "--target", TARGET, *words)


def test_train(folder: Path) -> None:
    answer = rnnspec(*train("--with", "fast"))
    assert answer.code == 0
    (run,) = (folder / "runs").iterdir()
    lines = answer.out.splitlines()
    assert lines[0] == "tiny with fast finished all 6 iterations."
    assert lines[1].startswith("  performance  0.")
    assert lines[2].startswith("  phases       hold 0.")
    assert lines[3].startswith("  networks     lowest 0.")
    assert lines[-1] == f"  run          runs/{run.name}"
    progress = answer.err.splitlines()
    assert progress[0] == f"tiny with fast: 3 networks on cpu, target {TARGET} -> runs/{run.name}"
    assert progress[-1].startswith("iteration 6/6  loss 0.")
    assert "\x1b" not in answer.err + answer.out


def test_quiet(folder: Path) -> None:
    answer = rnnspec(*train("--quiet", "--threads", 1))
    assert (answer.code, answer.err) == (0, "")
    (run,) = (folder / "runs").iterdir()
    assert json.loads((run / "manifest.json").read_text())["threads"] == 1


def test_result_as_json(folder: Path) -> None:
    words = train("--quiet", "--json", "--set", "training.stop={performance: 0.001}", "--only-network", 1)
    result = json.loads(rnnspec(*words).out)
    assert (result["name"], result["status"], result["iterations"]) == ("tiny", "reached", 2)
    assert result["reached"] == [1]
    assert len(result["performance"]) == 1
    assert Path(result["run"], "manifest.json").exists()


def test_runs_are_never_written_over(folder: Path) -> None:
    first, second, third = (json.loads(rnnspec(*train("-q", "--json")).out)["run"] for _ in range(3))
    assert (second, third) == (f"{first}-2", f"{first}-3")


def test_errors_of_the_spec(folder: Path) -> None:
    answer = rnnspec(*train("--set", "training.networks=many"))
    assert (answer.code, answer.out) == (1, "")
    assert "--set:1:" in answer.err
    assert not (folder / "runs").exists()


def test_an_unknown_method(folder: Path) -> None:
    answer = rnnspec(*train("--with", "fats"))
    assert answer.code == 1
    assert "did you mean 'fast'?" in answer.err


def test_divergence_has_an_exit_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnspec.training.loop import Loop

    class Spoiling(Loop):
        def _advance(self) -> None:
            if self.completed == 3:
                with torch.no_grad():
                    self.simulation.bias[1] = torch.inf
            super()._advance()

    monkeypatch.setattr("rnnspec.training.session.Loop", Spoiling)
    answer = rnnspec(*train())
    assert answer.code == 4
    assert "  diverged     network 1 in iteration 4: its loss was not finite" in answer.out.splitlines()
    assert "network 1 diverged in iteration 4: its loss was not finite" in answer.err.splitlines()
    assert json.loads(rnnspec(*train("-q", "--json")).out)["diverged"][0]["network"] == 1


UNSCORED = ("--set", "task.correct=null", "--set", "task.epochs.response.correct=null")


def test_a_task_without_a_score(folder: Path) -> None:
    answer = rnnspec(*train(*UNSCORED))
    assert answer.code == 0
    assert "  performance  not scored: no epoch of the task has 'correct'" in answer.out.splitlines()
    (run,) = (folder / "runs").iterdir()
    measured = rnnspec("evaluate", run)
    assert measured.out.splitlines()[1] == "performance  not scored: no epoch of the task has 'correct'"
    shown = [line for line in answer.err.splitlines() if line.startswith("iteration")]
    assert shown
    assert not any(word in line for line in (answer.out, measured.out, *shown) for word in ("none", "nan"))


def test_a_trimmed_mean_is_called_one(folder: Path) -> None:
    stop = "training.stop={performance: 0.001, trim: 0.34}"
    lines = rnnspec(*train("--set", stop)).out.splitlines()
    assert lines[0] == "tiny reached a performance of 0.001 after 2 iterations."
    assert lines[1].endswith(" (trimmed mean, without the best and the worst network)")
    assert lines[4].startswith("  criterion    0.001, reached by ")
    lines = rnnspec(*train("--set", stop, "--set", "training.networks=6")).out.splitlines()
    assert lines[1].endswith(" (trimmed mean, without the best 2 and the worst 2 networks)")
    assert rnnspec(*train()).out.splitlines()[1].endswith(" (mean)")


def test_one_iteration_of_one_network(folder: Path) -> None:
    answer = rnnspec(*train("--set", "training.iterations=1", "--set", "training.networks=1"))
    assert answer.out.startswith("tiny finished its one iteration.\n")
    assert answer.err.startswith("tiny: 1 network on cpu, ")
    assert (
        rnnspec("evaluate", next((folder / "runs").iterdir()), "--sequences", 1)
        .out.split(": ")[1]
        .startswith("1 sequence,")
    )


# --- interruption ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_signals(folder: Path, number: signal.Signals, code: int) -> None:
    with start(*train("--set", "training.iterations=100000")) as child:
        wait_for(folder / "runs", "*/metrics.jsonl", lambda path: path.stat().st_size > 0)
        child.send_signal(number)
        out, err = child.communicate(timeout=LIMIT)
    assert child.returncode == code, err
    assert "Stopping after this iteration" in err
    (run,) = (folder / "runs").iterdir()
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert out.startswith(f"tiny was stopped by {name} after ")
    assert "the networks are saved." in out.splitlines()[0]
    answer = rnnspec("evaluate", run)
    assert answer.code == 0


def test_a_second_ctrl_c(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnspec.cli.display.plain import PlainDisplay

    def twice(self: PlainDisplay, event: Event) -> None:
        if isinstance(event, Updated):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(PlainDisplay, "__call__", twice)
    answer = rnnspec(*train())
    assert (answer.code, answer.out) == (130, "")
    (run,) = (folder / "runs").iterdir()
    assert answer.err == (
        f"rnnspec: Stopped by Ctrl-C; there is no result.\n  Resume it with: rnnspec resume runs/{run.name}\n"
    )


def wait_for(folder: Path, pattern: str, ready: Callable[[Path], object]) -> None:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        if any(ready(path) for path in folder.glob(pattern)):
            return
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} came")


# --- a terminal --------------------------------------------------------------------------------------


def test_the_live_display(folder: Path) -> None:
    """On a terminal of 80 columns, no line is longer, and the last picture stays."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
        "LINES": "24",
        "TERM": "xterm",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    words = [*PROGRAM, *map(str, train("--with", "fast", "--set", "training.iterations=30"))]
    with Child(words, stdout=subprocess.PIPE, stderr=theirs, env=environment) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            shown += chunk
        assert child.stdout is not None
        out = child.stdout.read().decode()
    os.close(ours)
    assert child.returncode == 0, shown.decode()
    assert out.splitlines()[0] == "tiny with fast finished all 30 iterations."
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode()).replace("\r", "")
    for word in ("iteration", "30 of 30", "100 %", "loss", "performance", "quartiles", "stage", "beta 1"):
        assert word in text
    # Where one picture was drawn over another, the title follows the last line of the one before.
    assert max(len(line.split("tiny with fast:")[0].rstrip()) for line in text.splitlines()) <= 80
    assert "█" in text


# --- evaluate, simulate ------------------------------------------------------------------------------


def test_evaluate(run: Path) -> None:
    answer = rnnspec("evaluate", run, "--sequences", 10)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == f"{run}: 10 sequences, true dynamics"
    assert lines[1].split() == ["network", "performance", "hold", "respond"]
    assert [line.split()[0] for line in lines[2:6]] == ["0", "1", "2", "mean"]
    assert lines[6] == "What guessing scores:"
    assert [line.split()[:2] for line in lines[7:]] == [
        ["untrained", "networks"],
        ["constant", "outputs"],
        ["random", "answers"],
    ]


def test_evaluation_as_json(run: Path) -> None:
    result = json.loads(rnnspec("evaluate", run, "--json").out)
    assert (result["run"], result["sequences"], len(result["networks"])) == (str(run), 4, 3)
    mean = sum(row["performance"] for row in result["networks"]) / 3
    assert result["mean"] == pytest.approx(mean, abs=1e-5)
    assert rnnspec("evaluate", run, "--json").out == rnnspec("evaluate", run, "--json").out


def test_trials(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "trials.csv"
    answer = rnnspec("evaluate", run, "--sequences", 5, "--trials", file, "--json")
    with file.open() as text:
        rows = list(csv.DictReader(text))
    assert len(rows) == 3 * 5
    assert list(rows[0]) == ["network", "sequence", "trial", "performance", "direction"]
    network = json.loads(answer.out)["networks"][2]
    mean = np.mean([float(row["performance"]) for row in rows if row["network"] == "2"])
    assert network["performance"] == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("dynamics", ["true", "stage"])
def test_simulate(run: Path, tmp_path: Path, dynamics: str) -> None:
    file = tmp_path / "activity.npz"
    answer = rnnspec("simulate", run, "--sequences", 2, "-o", file, "--dynamics", dynamics)
    assert answer.code == 0
    assert answer.out.splitlines()[:2] == [
        str(file),
        "  activity             network 3, sequence 2, step 9, unit 6",
    ]
    with np.load(file, allow_pickle=False) as data:
        assert data["activity"].shape == (3, 2, 9, 6)
        assert data["activity.axes"].tolist() == ["network", "sequence", "step", "unit"]


def test_simulate_wants_a_file_and_known_dynamics(run: Path, tmp_path: Path) -> None:
    assert rnnspec("simulate", run).code == 2
    assert rnnspec("simulate", run, "-o", tmp_path / "x.npz", "--dynamics", "false").code == 2


def test_what_does_not_fit_is_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = rnnspec("evaluate", run, "--sequences", 10**15)
    assert answer.code == 2
    assert answer.err.startswith("rnnspec: 1,000,000,000,000,000 sequences need about ")
    assert answer.err.splitlines()[1].startswith("  Ask for at most ")

    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    answer = rnnspec("simulate", run, "-o", "x.npz")
    assert answer.code == 2
    assert answer.err == (
        f"rnnspec: The file may need 14 kB, but the disk of {tmp_path} has 1 kB free.\n"
        "  Ask for fewer sequences, or choose a folder on another disk.\n"
    )


def test_training_does_without_the_compiler_of_torch(folder: Path) -> None:
    """To import it takes seconds."""
    script = (
        "import sys\nfrom rnnspec.training.train import train\ntrain('tiny.yaml', target=sys.argv[1])\n"
        "print('torch._dynamo' in sys.modules)"
    )
    for target in ("cpu", "torch"):
        words = [sys.executable, "-c", script, target]
        done = run_process(
            words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        assert done.stdout == "False\n"


def test_two_processes_train_to_the_same_files(folder: Path) -> None:
    """The order of sets differs between the two, the files do not."""
    assert rnnspec("train", "tiny.yaml", "-q", "--out", "here").code == 0
    assert process("train", "tiny.yaml", "-q", "--out", "there", PYTHONHASHSEED="1").code == 0
    (first,), (second,) = ((folder / place).iterdir() for place in ("here", "there"))
    for name in ("spec.yaml", "metrics.jsonl", "weights.safetensors", "manifest.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
