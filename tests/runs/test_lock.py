"""One process at a time writes into a run folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnspec.errors import RequestError
from rnnspec.runs.layout import LOCK
from rnnspec.runs.lock import RunInUseError, holder, lock_folder, lock_run

HOLD = """
import sys, time
from pathlib import Path
from rnnspec.runs.lock import lock_run
lock_run(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield child
        child.kill()


def test_the_second_is_refused(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    found = holder(tmp_path)
    assert found is not None
    assert (found.process, found.host, found.alive) == (other.pid, socket.gethostname(), True)
    for break_lock in (False, True):
        # What lives is not broken.
        with pytest.raises(RequestError, match=f"is locked: process {other.pid} on ") as refusal:
            lock_run(tmp_path, break_lock=break_lock)
        assert "kill -TERM" in refusal.value.remedy


def test_a_process_that_is_stopped_still_holds_it(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.send_signal(signal.SIGSTOP)
    with pytest.raises(RequestError, match="is locked"):
        lock_run(tmp_path)
    other.send_signal(signal.SIGCONT)


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert json.loads((tmp_path / LOCK).read_text())["process"] == other.pid
    lock = lock_run(tmp_path)
    assert lock.died is not None
    assert lock.died.process == other.pid
    lock.release()
    assert not (tmp_path / LOCK).exists()
    lock.release()


def test_clocks_do_not_matter(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    for when in (0, 2**33):
        os.utime(tmp_path / LOCK, (when, when))
        with pytest.raises(RequestError, match="is locked"):
            lock_run(tmp_path)


def test_another_machine_cannot_be_seen(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text(json.dumps({"process": 1, "host": "node17", "boot": "b"}))
    with pytest.raises(RequestError, match="was locked by process 1 on node17, which cannot") as refusal:
        lock_run(tmp_path)
    assert refusal.value.remedy.endswith(f"If it does not: rnnspec resume {tmp_path} --break-lock")
    lock = lock_run(tmp_path, break_lock=True)
    assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    lock.release()


def test_a_lock_that_says_nothing(tmp_path: Path) -> None:
    """A power cut may tear it; while somebody lives who has it, it counts all the same."""
    (tmp_path / LOCK).write_text("torn")
    lock = lock_run(tmp_path)
    assert str(lock.died) == "process ? on an unknown machine"
    (tmp_path / LOCK).write_text("torn")
    with pytest.raises(RequestError, match="is locked"):
        lock_run(tmp_path)
    lock.release()
    (tmp_path / LOCK).touch()
    lock_run(tmp_path).release()


def test_who_holds_it_can_be_asked(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(RunInUseError) as refusal:
        lock_run(tmp_path)
    assert (refusal.value.folder, refusal.value.holder.process) == (tmp_path, other.pid)


def test_a_folder_of_runs_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second one gets the lock when the first has released it; nothing stays in the folder."""
    script = """
import sys
from pathlib import Path
from rnnspec.runs.lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
    words = [sys.executable, "-c", script, str(tmp_path)]
    waits = []
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "held\n"

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                child.communicate("\n", timeout=600)

        monkeypatch.setattr("rnnspec.runs.lock.time.sleep", wait)
        with lock_folder(tmp_path):
            assert len(waits) >= 3
            assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_runs_that_stays_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnspec.runs.lock.time.sleep", lambda seconds: None)
    with lock_folder(tmp_path), pytest.raises(RequestError, match="more than a minute") as refusal:
        lock_folder(tmp_path).__enter__()
    assert refusal.value.remedy == f"If that process no longer runs, delete {tmp_path / '.lock'}."


def test_many_at_once(tmp_path: Path) -> None:
    """Of processes that come at the same moment, each waiting for none, one gets it."""
    script = """
import sys, time
from pathlib import Path
from rnnspec.errors import RequestError
from rnnspec.runs.lock import lock_run
won = 0
sys.stdin.readline()
try:
    lock = lock_run(Path(sys.argv[1]))
    print("won", flush=True)
    sys.stdin.readline()
    lock.release()
except RequestError:
    print("refused", flush=True)
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    said = [child.stdout.readline().strip() for child in children if child.stdout]
    for child in children:
        child.communicate("\n", timeout=600)
    assert sorted(said) == ["refused"] * 5 + ["won"]


def test_no_lock_where_nothing_is_held(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    lock = lock_run(tmp_path)
    lock.release()
    assert holder(tmp_path) is None
