"""A process that trains units, one after the other.

It reads orders from its standard input and writes messages to its standard output, both pickled.  If the
controller ends, however it ends, the input ends too: the unit is saved, and the process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import BinaryIO

from rnnspec.errors import RequestError
from rnnspec.runs.manifest import OVER
from rnnspec.runs.status import run_status
from rnnspec.runtime.targets import RECORDS
from rnnspec.sweeps.order import Message, Order, Outcome, Progress, Remark, Threads

#: Seconds between two reports on the progress of a unit.
EVERY = 1.0


def carry_out(
    order: Order, report: Callable[[Message], None], threads: Callable[[], int | None] = lambda: None
) -> Outcome:
    """Train a unit; never raises but for a signal.

    threads: returns how many threads it may have by now, None for as many as at first.
    """
    from rnnspec.runs.lock import RunInUseError
    from rnnspec.training.unit import train_unit

    options = order.options
    try:
        train_unit(
            order.specification,
            order.folder,
            target=options.target,
            device=options.device,
            dtype=options.dtype,
            threads=options.threads,
            checkpoint_seconds=options.checkpoint_seconds,
            allow_drift=options.allow_drift,
            break_lock=options.break_lock,
            observer=_Reporter(order.unit, report, threads),
            on_note=lambda line: report(Remark(order.unit, line)),
        )
    except RunInUseError as error:
        return Outcome(order.unit, "elsewhere", str(error.holder))
    except KeyboardInterrupt:
        return Outcome(order.unit, "stopped")
    except Exception as error:
        return Outcome(order.unit, "failed", _reason(error))
    state = run_status(order.folder).state
    if state in OVER:
        return Outcome(order.unit, "over")
    if state == "stopped":
        return Outcome(order.unit, "stopped")
    return Outcome(order.unit, "failed", f"Its run is {state}.")


class _Reporter:
    """Reports the progress of a unit, not too often, and changes its number of threads between iterations."""

    def __init__(
        self, unit: str, report: Callable[[Message], None], threads: Callable[[], int | None]
    ) -> None:
        self.unit, self.report, self.threads = unit, report, threads
        self.free = False
        self.iterations, self.performance, self.last = 0, math.nan, 0.0

    def __call__(self, event: object) -> None:
        from rnnspec.training.events import Evaluated, Started, Updated

        match event:
            case Updated():
                if time.monotonic() - self.last >= EVERY:
                    self._tell(event.completed)
                    self._set_threads()
            case Evaluated():
                self.performance = event.trimmed_mean
            case Started():
                self.iterations = event.iterations
                self.free = "threads" not in RECORDS[event.simulation.target].bits_depend_on
                if event.history:
                    self.performance = event.history[-1]
                self._tell(event.completed)

    def _set_threads(self) -> None:
        import torch

        number = self.threads()
        if self.free and number is not None and number != torch.get_num_threads():
            torch.set_num_threads(number)

    def _tell(self, completed: int) -> None:
        self.last = time.monotonic()
        self.report(Progress(self.unit, completed, self.iterations, self.performance))


def _reason(error: Exception) -> str:
    """Return what went wrong, for a person; of a bug, where."""
    if isinstance(error, RequestError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or error}"
    if isinstance(error, MemoryError):
        return "There is not enough memory."
    return "".join(traceback.format_exception(error)).strip()


def main() -> None:
    """Carry out the orders of a controller until it ends."""
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever else is printed here goes to stderr, and not between the messages.
    os.dup2(2, 1)
    # The controller decides what these mean.
    for name in ("SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    # Before the first order, so that it takes no part of a unit's time.
    import rnnspec.training.unit  # noqa: F401

    inbox = _Inbox(incoming)
    threading.Thread(target=inbox.read, daemon=True).start()

    def report(message: Message) -> None:
        # If the controller has ended, the end of the orders stops the unit.
        with contextlib.suppress(OSError):
            pickle.dump(message, outgoing)
            outgoing.flush()

    while (order := inbox.orders.get()) is not None:
        inbox.busy = True
        if inbox.ended:
            break
        outcome = carry_out(order, report, lambda: inbox.threads)
        inbox.busy = False
        report(outcome)
    # To take torch apart would take seconds.
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(0)


class _Inbox:
    """What the controller sends.

    threads: of the unit that is being trained, None for as many as at first.
    """

    def __init__(self, incoming: BinaryIO) -> None:
        self.orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self.threads: int | None = None
        self.busy = self.ended = False
        self._incoming = incoming

    def read(self) -> None:
        """Receive until there is nothing more; then stop the unit that is being trained."""
        try:
            while True:
                match pickle.load(self._incoming):
                    case Threads(number=number):
                        self.threads = number
                    case order:
                        self.threads = None
                        self.orders.put(order)
        except (EOFError, OSError):
            pass
        except Exception:
            # An order that cannot be read, as after an update of rnnspec.
            traceback.print_exc()
        finally:
            self.ended = True
            self.orders.put(None)
            if self.busy:
                os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
