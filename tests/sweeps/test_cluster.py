"""What the pool of a cluster tells the controller; Parsl is played by the test."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from sweeps.samples import load_small

from rnnspec.errors import RequestError
from rnnspec.runs.layout import MANIFEST
from rnnspec.runs.status import RunStatus
from rnnspec.sweeps import cluster, remote
from rnnspec.sweeps.cluster import ClusterPool
from rnnspec.sweeps.order import Message, Options, Order, Outcome, Progress, Remark
from rnnspec.sweeps.providers import Jobs


class Parsl:
    """Parsl as far as the pool uses it.  tasks: what was submitted, in order."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tasks: list[tuple[Order, Path, Future[Any]]] = []
        self.run_dir = str(folder)
        self.cleaned = False
        self.executor = SimpleNamespace(bad_state_is_set=False, executor_exception=None, cert_dir=None)
        for name, attribute, value in (
            ("parsl.app.app", "python_app", self.app),
            ("parsl.dataflow.dflow", "DataFlowKernel", lambda config: self),
        ):
            module: Any = ModuleType(name)
            setattr(module, attribute, value)
            monkeypatch.setitem(sys.modules, name, module)

    def app(self, function: object, data_flow_kernel: object) -> Callable[[Order, Path], Future[Any]]:
        assert function is remote.train
        assert data_flow_kernel is self

        def submit(order: Order, control: Path) -> Future[Any]:
            future: Future[Any] = Future()
            self.tasks.append((order, control, future))
            return future

        return submit

    def cleanup(self) -> None:
        self.cleaned = True

    def pool(self) -> ClusterPool:
        config: Any = SimpleNamespace(executors=[self.executor])
        return ClusterPool(Jobs(config, slots=3, threads=2))


@pytest.fixture
def parsl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parsl:
    monkeypatch.setattr(cluster, "LOOK", 0.0)
    monkeypatch.setattr(cluster, "run_status", status)
    return Parsl(tmp_path, monkeypatch)


@pytest.fixture
def orders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    units = load_small(tmp_path).units
    monkeypatch.chdir(tmp_path)
    return [Order(u.name, Path("runs") / u.name, u.specification, Options()) for u in units]


def status(folder: Path) -> RunStatus:
    """Read the state of a run, which the test has written as `STATE COMPLETED`."""
    state, completed = (folder / MANIFEST).read_text().split()
    return RunStatus(folder, folder.name, state, completed=int(completed), iterations=6)  # type: ignore[arg-type]


def write_status(order: Order, text: str) -> None:
    order.folder.mkdir(parents=True, exist_ok=True)
    (order.folder / MANIFEST).write_text(text)


def messages(pool: ClusterPool) -> list[Message]:
    """Return all messages that there are now."""
    found = []
    while (message := pool.message(0.0)) is not None:
        found.append(message)
    return found


class ManagerLost(Exception):  # noqa: N818
    """What Parsl reports of a job that has ended."""

    hostname = "node7"


def test_orders_go_out_and_outcomes_come_back(parsl: Parsl, orders: list[Order]) -> None:
    pool = parsl.pool()
    assert pool.capacity == 3
    assert messages(pool) == []
    pool.start(orders[0])
    (order, control, future), *_ = parsl.tasks
    # Nodes have another working directory.
    assert order.folder == orders[0].folder.absolute()
    assert control.read_bytes() == b"run\n"
    remark, outcome = Remark(order.unit, "resumed"), Outcome(order.unit, "over")
    future.set_result(([remark], outcome))
    assert messages(pool) == [remark, outcome]
    pool.close()
    assert parsl.cleaned


def test_progress_is_read_from_the_run_folders(parsl: Parsl, orders: list[Order]) -> None:
    pool = parsl.pool()
    pool.start(orders[0])
    assert messages(pool) == []
    write_status(orders[0], "running 0")
    (begun,) = messages(pool)
    assert isinstance(begun, Progress)
    assert (begun.unit, begun.completed, begun.iterations) == (orders[0].unit, 0, 6)
    assert math.isnan(begun.performance)
    assert messages(pool) == []
    write_status(orders[0], "unseen 2")
    assert [m.completed for m in messages(pool) if isinstance(m, Progress)] == [2]
    write_status(orders[0], "stopped 4")
    assert messages(pool) == []


def test_a_unit_whose_job_is_lost_takes_the_lock_that_it_left(parsl: Parsl, orders: list[Order]) -> None:
    pool = parsl.pool()
    pool.start(orders[0])
    assert not parsl.tasks[0][0].options.break_lock
    parsl.tasks[0][2].set_exception(ManagerLost())
    (outcome,) = messages(pool)
    reason = "Its job on node7 has ended, or its node does not answer."
    assert outcome == Outcome(orders[0].unit, "killed", reason)
    pool.start(orders[0])
    assert parsl.tasks[1][0].options.break_lock
    pool.start(orders[1])
    assert not parsl.tasks[2][0].options.break_lock
    parsl.tasks[2][2].set_exception(ModuleNotFoundError("No module named 'rnnspec'"))
    (outcome,) = messages(pool)
    assert isinstance(outcome, Outcome)
    assert outcome.reason == "On its node: ModuleNotFoundError: No module named 'rnnspec'"


def test_stopping_waits_for_the_units_that_have_begun(
    parsl: Parsl, orders: list[Order], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = parsl.pool()
    for order in orders[:3]:
        pool.start(order)
    write_status(orders[0], "running 2")
    write_status(orders[1], "running 4")
    pool.stop()
    assert parsl.tasks[0][1].read_bytes().startswith(remote.STOP)
    outcomes = [message for message in messages(pool) if isinstance(message, Outcome)]
    assert outcomes == [Outcome(orders[2].unit, "stopped")]
    parsl.tasks[0][2].set_result(([], Outcome(orders[0].unit, "stopped")))
    # What comes too late is not told twice.
    parsl.tasks[2][2].set_result(([], Outcome(orders[2].unit, "stopped")))
    assert messages(pool) == [Outcome(orders[0].unit, "stopped")]
    # A node that does not answer is not waited for.
    monkeypatch.setattr(pool, "_until", 0.0)
    assert messages(pool) == [Outcome(orders[1].unit, "stopped")]


def test_jobs_that_cannot_begin_end_the_sweep(parsl: Parsl, orders: list[Order]) -> None:
    pool = parsl.pool()
    pool.start(orders[0])
    said = "Error 1:\n\tno partition a\nError 2:\n\tno partition b\n\n\tSTDERR: x\n"
    parsl.executor.bad_state_is_set, parsl.executor.executor_exception = True, RuntimeError(said)
    parsl.tasks[0][2].set_exception(RuntimeError("bad state"))
    with pytest.raises(RequestError) as caught:
        pool.message(0.0)
    assert caught.value.reason == "The jobs of the cluster cannot train units:\nno partition b\nSTDERR: x"
    assert str(parsl.run_dir) in caught.value.remedy
