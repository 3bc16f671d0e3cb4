"""Signals while training: the first lets the iteration finish, a second Ctrl-C does not wait.

Python hears signals between two of its own instructions, and an iteration can be a single long one.  So a
thread watches as well: when the iteration at hand has not ended in time, it ends the process, and what was
kept before is what there is.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Literal

from rnnspec.errors import RequestError

StopStatus = Literal["interrupted", "terminated"]

#: What stops a training unless other signals are asked for.  SLURM sends SIGTERM, or what it is told to.
STOPPING = tuple(name for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))
#: Seconds that an iteration may take to end after a signal, of the ten in which all must be over.
GRACE = 8.0
#: Seconds after a second Ctrl-C in which Python may still end by itself.
AT_ONCE = 0.5

#: What a process that was stopped exits with.
EXIT_CODES: dict[StopStatus, int] = {"interrupted": 130, "terminated": 75}

#: Wakes the main thread, and means nothing: by itself nobody is told.
_WAKE = signal.SIGURG
#: Who listens, if anybody does.
_listening: Interruption | None = None


class Stopped(KeyboardInterrupt):
    """A signal came while there was nothing to wait for.  signal: its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.signal = name


class Interruption:
    """Whether training has been asked to stop, and by what.

    signal: the name of what came first, such as SIGTERM; None before.
    patient: whether it waits for the iteration at hand; if not, it raises Stopped.
    on_request: is told of it.  It may be called at any annealing, so it must not print.
    on_give_up: is called if the process has to be ended.  remedy: what a user can do then.
    """

    def __init__(self) -> None:
        self.status: StopStatus | None = None
        self.signal: str | None = None
        self.patient = False
        self.on_request: Callable[[StopStatus], None] = lambda status: None
        self.on_give_up: Callable[[], None] = lambda: None
        self.remedy = ""

    def request(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal; a Ctrl-C after it raises KeyboardInterrupt."""
        if self.status is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.status, self.signal = _status(number), signal.Signals(number).name
        self.on_request(self.status)
        if not self.patient:
            raise Stopped(self.signal)

    def begin(self) -> None:
        """From now on there is something to save; raises Stopped if a signal has come before."""
        self.patient = True
        self._stop_now()

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Do something that is not worth waiting for: a signal raises Stopped meanwhile."""
        self.patient = False
        try:
            self._stop_now()
            yield
        finally:
            self.patient = True

    def _stop_now(self) -> None:
        if self.signal is not None:
            raise Stopped(self.signal)


def tell(text: str) -> bool:
    """Write to stderr if nobody has to wait for that; return whether it was written."""
    with contextlib.suppress(OSError):
        if is_read():
            os.write(2, text.encode())
            return True
    return False


def is_read() -> bool:
    """Return whether stderr takes a line without waiting for a reader."""
    try:
        return bool(select.select((), (2,), (), 0)[1])
    except OSError:
        return False


def stop_signals(names: Iterable[str]) -> tuple[signal.Signals, ...]:
    """Return the signals of some names, with or without SIG.  Raises RequestError for what is none."""
    found = []
    for name in names:
        full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
        if full in ("SIGKILL", "SIGSTOP", _WAKE.name) or not hasattr(signal.Signals, full):
            raise RequestError(
                f"'{name}' is no signal that can stop a training.", "Give names such as SIGUSR1 or SIGUSR2."
            )
        found.append(signal.Signals[full])
    return tuple(dict.fromkeys(found))


@contextmanager
def listening(names: Iterable[str] = STOPPING) -> Iterator[Interruption]:
    """Listen to signals, in the main thread; no other is reached by them.

    Within another `listening`, this is that one: a command listens until its last words are written.
    """
    global _listening
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    if _listening is not None:
        yield _listening
        return
    # What is ignored stays ignored: `nohup` asks for that.
    wanted = [number for number in stop_signals(names) if signal.getsignal(number) is not signal.SIG_IGN]
    before: dict[signal.Signals, Any] = {}
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    woken = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(reader, set(wanted), over, interruption), daemon=True)
    watch.start()
    try:
        _listening = interruption
        before[_WAKE] = signal.signal(_WAKE, lambda *_: None)
        for number in wanted:
            before[number] = signal.signal(number, interruption.request)
        yield interruption
    finally:
        _listening = None
        over.set()
        signal.set_wakeup_fd(woken)
        writer.close()
        watch.join()
        reader.close()
        for number, handler in before.items():
            # None stands for a handler that was not set from Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _watch(
    reader: socket.socket, wanted: set[signal.Signals], over: threading.Event, interruption: Interruption
) -> None:
    """End the process if it has not ended some seconds after a signal, or soon after a second Ctrl-C."""
    heard: list[int] = []
    deadline: float | None = None
    while not over.is_set():
        reader.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
        try:
            data = reader.recv(64)
            if not data:
                return
        except TimeoutError:
            break
        before = len(heard)
        heard += [number for number in data if number in wanted]
        if len(heard) > before and (main := threading.main_thread().ident):
            # The system may have told any thread.  Where this one waits, for a reader say, it must hear too.
            signal.pthread_kill(main, _WAKE)
        if heard and deadline is None:
            deadline = time.monotonic() + GRACE
        if signal.SIGINT in heard[max(before, 1) :]:
            deadline = min(deadline or math.inf, time.monotonic() + AT_ONCE)
    if heard and not over.is_set():
        kept = "; what was kept before is there.\n" if interruption.remedy else "."
        tell(f"\nStopped without waiting for what was at hand{kept}{interruption.remedy}\n")
        # Last: nobody may take the run while this process can still write.
        interruption.on_give_up()
        os._exit(EXIT_CODES[_status(heard[0])])


def _status(number: int) -> StopStatus:
    return "interrupted" if number == signal.SIGINT else "terminated"
