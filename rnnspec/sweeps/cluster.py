"""Units trained by the jobs of a cluster, which Parsl asks for.

Nodes and controller share the folder of the sweep.  Parsl carries orders to the nodes and outcomes back;
progress is read from the run folders.  `parsl/NNN/` in the folder of the sweep holds the scripts and logs of
one controller's jobs, and the file `control` by which it stops them.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import re
import shutil
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnspec.errors import RequestError
from rnnspec.runs.layout import MANIFEST
from rnnspec.runs.status import run_status
from rnnspec.sweeps import remote
from rnnspec.sweeps.order import Message, Order, Outcome, Progress
from rnnspec.sweeps.providers import Jobs

#: Seconds between two looks at the run folders of units that are being trained.
LOOK = 10.0
#: Seconds that units have to be saved after `stop`, before their jobs are cancelled.
SAVING = 45.0
#: Seconds that it takes at most to cancel the jobs.
CANCELLING = 60.0

_Result = Future[Any]


class ClusterPool:
    """The jobs of a cluster.  folder: of the sweep, on a file system that the nodes share."""

    #: A unit that was started may wait in the queue of the cluster.
    queues = True

    def __init__(self, jobs: Jobs) -> None:
        from parsl.app.app import python_app
        from parsl.dataflow.dflow import DataFlowKernel

        self.capacity = jobs.slots
        (self._executor,) = jobs.config.executors
        self._kernel = DataFlowKernel(jobs.config)
        # Parsl's log has details of every few seconds otherwise, for weeks.
        logging.getLogger("parsl").setLevel(logging.INFO)
        self.folder = Path(self._kernel.run_dir)
        self._control = self.folder / "control"
        self._control.write_bytes(b"run\n")
        self._app: Callable[..., _Result] = python_app(remote.train, data_flow_kernel=self._kernel)
        self._orders: dict[str, Order] = {}
        #: The units that a node has begun, with the progress that was reported last.
        self._begun: dict[str, int] = {}
        self._killed: set[str] = set()
        self._ended: queue.SimpleQueue[tuple[str, _Result]] = queue.SimpleQueue()
        self._messages: deque[Message] = deque()
        self._looked = time.monotonic()
        self._until = math.inf

    def start(self, order: Order) -> None:
        if order.unit in self._killed:
            # Its process has ended with its job, but only the machine of the job can see that.
            order = replace(order, options=replace(order.options, break_lock=True))
        order = replace(order, folder=order.folder.absolute())
        self._orders[order.unit] = order
        future = self._app(order, self._control)
        future.add_done_callback(lambda done: self._ended.put((order.unit, done)))

    def message(self, seconds: float) -> Message | None:
        if not self._messages:
            with contextlib.suppress(queue.Empty):
                self._end(*self._ended.get(timeout=seconds))
        if not self._messages and time.monotonic() > self._until:
            self._messages.extend(Outcome(unit, "stopped") for unit in self._orders)
            self._orders.clear()
        if not self._messages and time.monotonic() > self._looked + LOOK:
            self._look()
        return self._messages.popleft() if self._messages else None

    def share(self, threads: int) -> None:
        """Do nothing: a unit has the cores that its job was given."""

    def stop(self) -> None:
        self._until = time.monotonic() + SAVING
        self._control.write_bytes(remote.STOP + b"\n")
        self._look()
        for unit in [unit for unit in self._orders if unit not in self._begun]:
            del self._orders[unit]
            self._messages.append(Outcome(unit, "stopped"))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._control.write_bytes(remote.STOP + b"\n")
        # Cancels all jobs.
        self._kernel.cleanup()
        # Its keys are good for nothing now.
        if self._executor.cert_dir:
            shutil.rmtree(self._executor.cert_dir, ignore_errors=True)

    def _end(self, unit: str, future: _Result) -> None:
        """Take over the result of a unit."""
        if self._orders.pop(unit, None) is None:
            return
        self._begun.pop(unit, None)
        error = future.exception()
        if error is None:
            remarks, outcome = future.result()
            self._messages.extend([*remarks, outcome])
            return
        if self._executor.bad_state_is_set:
            raise self._hopeless()
        self._killed.add(unit)
        self._messages.append(Outcome(unit, "killed", _reason(error)))

    def _hopeless(self) -> RequestError:
        """Return why no job can train units: what the scheduler and the jobs have said."""
        # Parsl lists every job, and the last one has most probably ended like the others.
        *_, last = re.split(r"^Error \d+:\n", str(self._executor.executor_exception), flags=re.MULTILINE)
        said = "\n".join(line.strip() for line in last.splitlines() if line.strip())
        return RequestError(
            f"The jobs of the cluster cannot train units:\n{said}",
            f"Their scripts and logs are in {self.folder}. Check the file of the cluster: partition or "
            "queue, 'worker_init', 'python' and 'address'.",
        )

    def _look(self) -> None:
        """Read the progress of all units that are being trained from their run folders."""
        for unit, order in self._orders.items():
            if not (order.folder / MANIFEST).exists():
                continue
            status = run_status(order.folder)
            if status.state not in ("running", "unseen") or self._begun.get(unit) == status.completed:
                continue
            self._begun[unit] = status.completed
            self._messages.append(Progress(unit, status.completed, status.iterations, status.performance))
        self._looked = time.monotonic()


def _reason(error: BaseException) -> str:
    """Return for a person why Parsl has no result."""
    match type(error).__name__:
        case "ManagerLost":
            where = getattr(error, "hostname", "")
            return f"Its job{f' on {where}' if where else ''} has ended, or its node does not answer."
        case "WorkerLost":
            where = getattr(error, "hostname", "")
            return f"Its process{f' on {where}' if where else ''} was killed."
    return f"On its node: {type(error).__name__}: {error}"
