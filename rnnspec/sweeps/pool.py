"""The processes that train units on this machine."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Protocol

from rnnspec.sweeps.order import Message, Order, Outcome, Threads


class Pool(Protocol):
    """Trains units for a controller.

    capacity: how many at a time.  queues: whether a unit that was started may wait; then it is being trained
    from the first report of its progress on.
    """

    capacity: int
    queues: bool

    def start(self, order: Order) -> None:
        """Begin to train a unit; at most `capacity` have no outcome yet."""

    def message(self, seconds: float) -> Message | None:
        """Return the next message; None if there is none for so many seconds."""

    def share(self, threads: int) -> None:
        """Give every unit that is being trained so many threads, if that changes no bits."""

    def stop(self) -> None:
        """Save and stop all units; each still has its outcome."""

    def close(self) -> None:
        """End all processes at once."""


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def division(workers: int | None, units: int) -> tuple[int, int]:
    """Return how many units are trained at a time, and how many threads each has.

    workers: what the user wants, if anything.  units: that are left.
    """
    capacity = workers or max(1, min(processors(), units))
    return capacity, max(1, processors() // capacity)


#: A Python that runs a module, and imports nothing from the folder of the user.
PYTHON = (sys.executable, "-P", "-m")


def environment() -> dict[str, str]:
    """Return the environment of a process that imports this very package."""
    package = str(Path(__file__).resolve().parents[2])
    if package in sysconfig.get_paths().values():
        return dict(os.environ)
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


class LocalPool:
    """Processes on this machine; one that ends is replaced when it is needed."""

    queues = False

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._messages: queue.Queue[tuple[_Process, Message | None]] = queue.Queue()
        self._idle: list[_Process] = []
        self._busy: list[_Process] = []
        self._stopping = False

    def start(self, order: Order) -> None:
        while self._idle:
            process = self._idle.pop()
            if process.send(order):
                break
        else:
            process = _Process(self._messages)
            process.send(order)
        process.unit = order.unit
        self._busy.append(process)

    def message(self, seconds: float) -> Message | None:
        try:
            process, message = self._messages.get(timeout=seconds)
        except queue.Empty:
            return None
        if message is None:
            return self._ended(process)
        if isinstance(message, Outcome) and process in self._busy:
            process.unit = ""
            self._busy.remove(process)
            self._idle.append(process)
            if self._stopping:
                # While the others still save their units.
                process.end()
        return message

    def share(self, threads: int) -> None:
        for process in self._busy:
            process.send(Threads(threads))

    def stop(self) -> None:
        self._stopping = True
        for process in self._busy:
            process.signal(signal.SIGTERM)

    def close(self) -> None:
        processes = [*self._busy, *self._idle]
        for process in processes:
            process.end()
        for process in processes:
            process.wait()
        self._busy, self._idle = [], []

    def _ended(self, process: _Process) -> Message | None:
        """Return the outcome of the unit that a process was training when it ended."""
        code = process.wait()
        if process in self._idle:
            self._idle.remove(process)
        if process not in self._busy:
            return None
        self._busy.remove(process)
        if self._stopping and code in (75, -signal.SIGTERM):
            return Outcome(process.unit, "stopped")
        how = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
        memory = " The system may have run out of memory." if code == -signal.SIGKILL else ""
        return Outcome(process.unit, "killed", f"Its process was ended by {how}.{memory}")


class _Process:
    """A worker.  unit: what it trains; empty if nothing."""

    def __init__(self, messages: queue.Queue[tuple[_Process, Message | None]]) -> None:
        self.unit = ""
        self._messages = messages
        self._process = subprocess.Popen(
            [*PYTHON, "rnnspec.sweeps.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C reaches only the controller, which decides.
            start_new_session=True,
            env=environment(),
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def send(self, message: Order | Threads) -> bool:
        """Send it a message; False if it has ended."""
        assert self._process.stdin is not None
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError):
            self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended; return its exit code."""
        code = self._process.wait()
        self._listener.join()
        return code

    def end(self) -> None:
        """End it: by the end of its orders if it is idle, else at once."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if self.unit:
            self._process.kill()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            with self._process.stdout as stream:
                while True:
                    self._messages.put((self, pickle.load(stream)))
        except (EOFError, OSError):
            pass
        except Exception:
            # Not messages: something else has written there.
            self._process.kill()
        finally:
            self._messages.put((self, None))
