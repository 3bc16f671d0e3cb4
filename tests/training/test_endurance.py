"""Whatever happens to the machine, no run is lost and no result changes.

Every run of the tests kills a training eight times and fills the disk three times.  Campaigns take minutes:

    pytest -m slow tests/training/test_endurance.py

Most children are forks of this process, which has everything imported, so that hundreds of them take minutes.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType

import pytest
import torch
from support import SPECS
from training.samples import TARGET, write_tiny
from training.test_resume import assert_same

import rnnspec
from rnnspec.runs.checkpoint import load_checkpoint
from rnnspec.runs.lock import holder
from rnnspec.training.events import Checkpointed, Event, Started, Updated
from rnnspec.training.interruption import Stopped
from rnnspec.training.resume import resume

# Children are forks on purpose; the threads of torch are idle.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
slow = pytest.mark.slow


#: What went wrong in a child that ended with 99.
ERRORS = os.path.join(tempfile.gettempdir(), f"endurance-{os.getpid()}.txt")


def forked(work: Callable[[], int]) -> int:
    """Do some work in a process of its own; return its number."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            # Messages of what is killed on purpose would fill the screen.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            code = work()
        except BaseException:
            with Path(ERRORS).open("a") as file:
                traceback.print_exc(file=file)
        finally:
            os._exit(code)
    return child


def code_of(child: int) -> int:
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def dies_at(number: int, work: Callable[[], object]) -> int:
    """Kill this process at its function call of this number; return 0 if the work takes fewer.

    The same number is the same moment, however busy the machine is.
    """
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")
        if calls >= number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    work()
    return 0


def test_kills(tmp_path: Path) -> None:
    """SIGKILL while a training is started, computes or saves: no damage, and in the end the same bytes."""
    spec = write_tiny(tmp_path)
    settings = ["training.iterations=40", "training.evaluate.every=1"]
    train = partial(rnnspec.train, spec, settings=settings, target=TARGET, checkpoint_iterations=1)
    whole = train(out=tmp_path / "whole").folder
    assert whole is not None

    def die(event: Event) -> None:
        if isinstance(event, Checkpointed):
            os.kill(os.getpid(), signal.SIGKILL)

    def begin() -> int:
        train(out=tmp_path / "runs", observer=die)
        return 0

    assert code_of(forked(begin)) == -signal.SIGKILL
    (run,) = (tmp_path / "runs").iterdir()
    reached = [1]
    # Starting takes about 20,000 calls; an iteration, its evaluation and its checkpoint 1600 each.
    for number in random.Random(1).sample(range(10_000, 40_000), 8):
        child = forked(partial(dies_at, number, partial(resume, run, checkpoint_iterations=1)))
        assert code_of(child) == -signal.SIGKILL
        found, damages = load_checkpoint(run)
        assert found is not None
        assert not damages, f"killed at call {number}: {damages}"
        assert found.completed >= reached[-1]
        reached.append(found.completed)
    assert len(set(reached)) > 3
    resume(run)
    assert_same(run, whole)


@slow
def test_200_kills(tmp_path: Path) -> None:
    """SIGKILL at random times of training and saving: every time a complete generation is there."""
    spec = write_tiny(tmp_path)
    settings = ["training.iterations=100000", "training.evaluate.every=3"]
    random_source = random.Random(1)

    def begin() -> int:
        rnnspec.train(spec, settings=settings, out=tmp_path / "runs", target="cpu", checkpoint_iterations=1)
        return 0

    child = forked(begin)
    while not list(tmp_path.glob("runs/*/checkpoints/*.json")):
        time.sleep(0.01)
    (run,) = (tmp_path / "runs").iterdir()
    kills, reached = 0, 0
    while kills < 200:
        time.sleep(random_source.uniform(0.0, 0.25))
        os.kill(child, signal.SIGKILL)
        assert code_of(child) == -signal.SIGKILL
        kills += 1
        found, damages = load_checkpoint(run)
        assert found is not None
        assert not damages, f"kill {kills}: {damages}"
        assert found.completed >= reached
        reached = found.completed
        child = forked(lambda: int(resume(run, checkpoint_iterations=1) is None))
    os.kill(child, signal.SIGKILL)
    code_of(child)
    # What hundreds of processes made is what one makes.
    whole = rnnspec.train(
        spec,
        settings=[*settings, f"training.iterations={reached + 5}"],
        out=tmp_path / "whole",
        target="cpu",
    )
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "iterations": reached + 5}))
    resume(run)
    assert whole.folder is not None
    assert_same(run, whole.folder)


CASES = {
    "delayed_go with dasc40": ("delayed_go.yaml", ["dasc40"], ["skips.beta.over=20 iterations"]),
    "rule_reversal with strategic": (
        "rule_reversal.yaml",
        ["strategic"],
        ["skips.beta.over=20 iterations", "network.dt=20 ms"],
    ),
    "delayed_go with cd10": ("delayed_go.yaml", ["cd10"], ["coarsening.over=20 iterations"]),
}


@slow
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", CASES)
def test_20_stops(tmp_path: Path, case: str, threads: int) -> None:
    """Stopped anywhere, and resumed in a fresh process: the same bytes."""
    name, methods, settings = CASES[case]
    overlays = [str(SPECS / "methods" / f"{method}.yaml") for method in methods]
    settings = [*settings, "training.networks=4", "training.iterations=22", "training.evaluate.batch=8"]
    torch.set_num_threads(threads)

    def train(out: str, stop: int | None = None) -> Path:
        def observe(event: Event) -> None:
            if isinstance(event, Updated) and event.completed == stop:
                os.kill(os.getpid(), signal.SIGUSR1)

        result = rnnspec.train(
            SPECS / name, overlays=overlays, settings=settings, out=tmp_path / out, observer=observe
        )
        assert result.folder is not None
        return result.folder

    whole = train("whole")
    for stop in random.Random(2).sample(range(1, 22), 20):
        run = train("stopped", stop)
        script = f"import torch, rnnspec; torch.set_num_threads({threads}); rnnspec.resume({str(run)!r})"
        subprocess.run([sys.executable, "-c", script], check=True)
        assert_same(run, whole)
        shutil.rmtree(run)


@slow
def test_600_damages(tmp_path: Path) -> None:
    """500 single bits flipped, 100 truncations: all noticed, the file named, the generation before used."""
    result = rnnspec.train(
        write_tiny(tmp_path), out=tmp_path / "runs", target="torch", checkpoint_iterations=3
    )
    run = result.folder
    assert run is not None
    files = sorted((run / "checkpoints").glob("000000006.*"))
    sizes = [file.stat().st_size for file in files]
    source = random.Random(3)
    for number in range(600):
        file = files[number % 2]
        data = file.read_bytes()
        if number < 500:
            place = source.randrange(8 * len(data))
            broken = bytearray(data)
            broken[place // 8] ^= 1 << place % 8
        else:
            broken = bytearray(data[: source.randrange(len(data))])
        file.write_bytes(broken)
        found, damages = load_checkpoint(run)
        file.write_bytes(data)
        assert found is not None
        assert found.completed == 3
        assert [damage.file for damage in damages] == [file]
    assert sizes == [file.stat().st_size for file in files]
    assert load_checkpoint(run)[1] == []


@slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_50_preemptions(tmp_path: Path, number: signal.Signals) -> None:
    """Exit 75 after a signal at any time; resuming gives the same bits."""
    spec = write_tiny(tmp_path)
    settings = ["training.iterations=400", "training.evaluate.every=5"]

    def outcome(work: Callable[[], rnnspec.Result]) -> int:
        try:
            return {"terminated": 75, "finished": 0}[work().status]
        except Stopped:
            # Before the first iteration.
            return 75

    def begin() -> int:
        return outcome(lambda: rnnspec.train(spec, settings=settings, out=tmp_path / "runs", target="cpu"))

    whole = rnnspec.train(spec, settings=settings, out=tmp_path / "whole", target="cpu").folder
    source = random.Random(int(number))
    stops = 0
    while stops < 25:
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
        child = forked(begin)
        while not list(tmp_path.glob("runs/*/metrics.jsonl")):
            time.sleep(0.001)
        (run,) = (tmp_path / "runs").iterdir()
        while True:
            # From when it listens, which is before it holds the run.
            while not (found := holder(run)) or found.process != child:
                if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    break
                time.sleep(0.001)
            time.sleep(source.uniform(0.0, 0.2))
            os.kill(child, number)
            code = code_of(child)
            if json.loads((run / "manifest.json").read_text())["status"] == "finished":
                # The signal may have come when nobody listened any more.
                assert code in (0, -number)
                break
            assert code == 75, Path(ERRORS).read_text()
            stops += 1
            child = forked(partial(outcome, partial(resume, run)))
        assert whole is not None
        assert_same(run, whole)


@pytest.mark.parametrize("count", [3, pytest.param(None, marks=slow)], ids=["three", "all"])
def test_a_disk_that_refuses_any_one_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int | None
) -> None:
    """Whichever write fails: what was saved is whole, no temporary file is left, and the run resumes."""
    spec = write_tiny(tmp_path)
    train = partial(rnnspec.train, spec, target=TARGET, checkpoint_iterations=2)
    whole = train(out=tmp_path / "whole").folder
    assert whole is not None
    real, calls = os.fsync, 0

    def fails_at(number: int, handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    monkeypatch.setattr(os, "fsync", partial(fails_at, 0))
    train(out=tmp_path / "counted")
    every = range(1, calls + 1)
    assert len(every) > 10
    for failing in every if count is None else random.Random(1).sample(every, count):
        calls = 0
        monkeypatch.setattr(os, "fsync", partial(fails_at, failing))
        out = tmp_path / f"out{failing}"
        failures: list[OSError] = []
        try:
            train(out=out)
        except OSError as error:
            failures.append(error)
        monkeypatch.setattr(os, "fsync", real)
        assert all(error.filename for error in failures)
        if not list(out.iterdir()):
            # It had not begun.
            continue
        (run,) = out.iterdir()
        assert not [file for file in run.rglob("*") if file.name.startswith(".")]
        assert not (run / "lock").exists()
        if json.loads((run / "manifest.json").read_text())["status"] != "finished":
            resume(run)
        assert_same(run, whole)


@slow
def test_three_of_a_hundred_diverge(tmp_path: Path) -> None:
    """The others have the bits of a clean run; those three are named with iteration and cause."""
    spec = write_tiny(tmp_path)
    settings = ["training.networks=100", "training.iterations=20"]
    clean = rnnspec.train(spec, settings=settings, out=tmp_path / "clean", target="cpu")
    lost = {7: float("nan"), 41: float("inf"), 99: float("-inf")}

    started: list[Started] = []

    def poison(event: Event) -> None:
        if isinstance(event, Started):
            started.append(event)
        if isinstance(event, Updated) and event.completed == 10:
            with torch.no_grad():
                for network, value in lost.items():
                    started[0].simulation.w_rec[network, 0, 0] = value

    result = rnnspec.train(spec, settings=settings, out=tmp_path / "poisoned", target="cpu", observer=poison)
    assert sorted(d.network for d in result.diverged) == sorted(lost)
    assert {d.iteration for d in result.diverged} == {11}
    assert all("not finite" in d.cause for d in result.diverged)
    for (name, one), (_, other) in zip(
        clean.simulation.named_parameters(), result.simulation.named_parameters(), strict=True
    ):
        kept = [k for k in range(100) if k not in lost]
        assert torch.equal(one[kept], other[kept]), name
