"""What a job does with a unit: it trains it, and saves it when it is told to or when its time is over.

Its process is played by the test; `test_parsl.py` and `test_slurm.py` train for real.
"""

from __future__ import annotations

import os
import runpy
import threading
import time
from collections import deque
from pathlib import Path

import pytest
from sweeps.samples import load_small

from rnnspec.sweeps import interchange, remote
from rnnspec.sweeps.order import Message, Options, Order, Outcome, Progress, Remark
from rnnspec.sweeps.providers import STOPS_AT


class Process:
    """A pool of one process.  script: its messages while it trains; None where there is none in time."""

    def __init__(self, capacity: int) -> None:
        assert capacity == 1
        self.script: deque[Message | None] = deque()
        self.orders: list[Order] = []
        self.waits: list[float] = []
        self.stopped = self.closed = False

    def start(self, order: Order) -> None:
        self.orders.append(order)

    def message(self, seconds: float) -> Message | None:
        self.waits.append(seconds)
        if self.stopped:
            return Outcome(self.orders[-1].unit, "stopped")
        return self.script.popleft()

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def order(tmp_path: Path) -> Order:
    unit = load_small(tmp_path).units[0]
    return Order(unit.name, tmp_path / unit.name, unit.specification, Options())


@pytest.fixture
def control(tmp_path: Path) -> Path:
    (tmp_path / "control").write_bytes(b"run\n")
    return tmp_path / "control"


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setattr(remote, "LocalPool", Process)
    monkeypatch.delenv(STOPS_AT, raising=False)
    found = Process(1)
    monkeypatch.setattr(remote, "_pool", found)
    return found


def test_one_process_trains_unit_after_unit(order: Order, control: Path, process: Process) -> None:
    remark, over = Remark(order.unit, "resumed"), Outcome(order.unit, "over")
    for _ in range(2):
        process.script.extend([remark, None, Progress(order.unit, 1, 6, 0.5), over])
        assert remote.train(order, control) == ([remark], over)
    assert process.orders == [order, order]
    assert not process.stopped
    assert not process.closed


def test_a_job_that_has_to_stop_begins_no_unit(
    order: Order, control: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: tuple[list[Remark], Outcome] = ([], Outcome(order.unit, "stopped"))
    monkeypatch.setenv(STOPS_AT, str(time.time() - 1))
    assert remote.train(order, control) == stopped
    monkeypatch.delenv(STOPS_AT)
    control.write_bytes(remote.STOP + b"\n")
    assert remote.train(order, control) == stopped
    assert process.orders == []


def test_a_unit_is_saved_when_the_time_of_its_job_is_over(
    order: Order, control: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1e9
    monkeypatch.setattr(time, "time", lambda: now + len(process.waits))
    monkeypatch.setenv(STOPS_AT, str(now + 2.5))
    process.script.extend([None, Remark(order.unit, "resumed"), None])
    remarks, outcome = remote.train(order, control)
    assert remarks == [Remark(order.unit, "resumed")]
    assert outcome == Outcome(order.unit, "stopped")
    # It does not wait beyond the end.
    assert process.waits[:3] == [2.0, 1.5, 0.5]
    assert process.stopped
    # A process that was stopped is not used again.
    assert process.closed
    assert remote._pool is None


def test_a_unit_is_saved_when_the_process_of_parsl_has_ended(
    order: Order, control: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1 if len(process.waits) > 1 else 7)
    process.script.extend([None, None])
    assert remote.train(order, control)[1] == Outcome(order.unit, "stopped")
    assert len(process.waits) == 3


def test_a_unit_is_saved_when_the_controller_says_so(
    order: Order, control: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told(deque[Message | None]):
        def popleft(self) -> Message | None:
            assert control.read_bytes() == b"run\n"
            control.write_bytes(remote.STOP + b"\n")
            return None

    process.script = Told()
    assert remote.train(order, control)[1] == Outcome(order.unit, "stopped")
    assert len(process.waits) == 2
    # A control file that cannot be read for a moment stops nothing.
    control.unlink()
    again = Process(1)
    monkeypatch.setattr(remote, "_pool", again)
    again.script.extend([None, Outcome(order.unit, "over")])
    assert remote.train(order, control)[1] == Outcome(order.unit, "over")


def test_the_interchange_has_a_session_of_its_own_and_ends_with_the_controller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    parents = iter([7, 7, 7, 1])
    monkeypatch.setattr(os, "setsid", lambda: calls.append("session"))
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    monkeypatch.setattr(os, "_exit", lambda code: calls.append(f"exit {code}"))
    monkeypatch.setattr(interchange, "LOOK", 0.0)

    def run(module: str, run_name: str) -> None:
        calls.append(module)
        for thread in threading.enumerate():
            if thread.name == interchange.WATCH:
                thread.join(60)

    monkeypatch.setattr(runpy, "run_module", run)
    interchange.main()
    assert calls[0] == "session"
    assert sorted(calls[1:]) == ["exit 0", "parsl.executors.high_throughput.interchange"]
