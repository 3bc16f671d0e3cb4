"""Signals during a training: after the first, the current iteration ends; a second Ctrl-C stops at once.

Python handles a signal between two of its own instructions, and an iteration can be one long instruction: a
call of a kernel.  So a thread receives the signals as well.  If the iteration does not end in time, the
thread ends the process; the last checkpoint remains.
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

#: The signals that stop a training.  SLURM sends SIGTERM, or the signal that a job asks for.
STOPPING = tuple(name for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP") if hasattr(signal, name))
#: Seconds that an iteration may take to end after a signal: clusters kill a process after about ten.
GRACE = 8.0
#: Seconds that Python has to end by itself after a second Ctrl-C.
AT_ONCE = 0.5

#: The exit code of a process that was stopped.
EXIT_CODES: dict[StopStatus, int] = {"interrupted": 130, "terminated": 75}

#: Wakes the main thread out of a system call, and does nothing else.  Native Windows has no such signal.
_WAKE: signal.Signals | None = getattr(signal, "SIGURG", None)
#: The interruption that receives the signals of this process, if there is one.
_listening: Interruption | None = None


class Stopped(KeyboardInterrupt):
    """A signal came while no iteration had to end first.  signal: its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.signal = name


class Interruption:
    """Whether training has been asked to stop, and by what.

    signal: the name of the first signal, such as SIGTERM; None before.
    patient: whether the current iteration ends first; if not, the signal raises Stopped.
    on_request: is called at the first signal.  That may be at any moment, so it must not print.
    on_give_up: is called before the watching thread ends the process.  remedy: what the user can do then.
    grace, at_once: seconds that the process has to end by itself after a signal, and after a second Ctrl-C.
    """

    def __init__(self) -> None:
        self.status: StopStatus | None = None
        self.signal: str | None = None
        self.patient = False
        self.on_request: Callable[[StopStatus], None] = lambda status: None
        self.on_give_up: Callable[[], None] = lambda: None
        self.remedy = ""
        self.grace, self.at_once = GRACE, AT_ONCE

    def request(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal; a later Ctrl-C raises KeyboardInterrupt."""
        if self.status is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.status, self.signal = _status(number), signal.Signals(number).name
        self.on_request(self.status)
        if not self.patient:
            raise Stopped(self.signal)

    def begin(self) -> None:
        """From now on, let the current iteration end first; raises Stopped if a signal came before."""
        self.patient = True
        self._stop_now()

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """Do something that a signal may cut short, by raising Stopped."""
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
    """Write to stderr unless that would block; return whether it was written."""
    with contextlib.suppress(OSError):
        if is_read():
            os.write(2, text.encode())
            return True
    return False


def is_read() -> bool:
    """Return whether stderr takes a line at once, without waiting for a reader."""
    if os.name != "posix":
        # Elsewhere, only sockets can be asked.
        return True
    try:
        return bool(select.select((), (2,), (), 0)[1])
    except OSError:
        return False


def stop_signals(names: Iterable[str]) -> tuple[signal.Signals, ...]:
    """Return the signals with these names, with or without SIG.  Raises RequestError for other names."""
    found = []
    for name in names:
        full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
        if full in ("SIGKILL", "SIGSTOP", "SIGURG") or not hasattr(signal.Signals, full):
            raise RequestError(
                f"'{name}' is not a signal that can stop a training.",
                "Give names such as SIGUSR1 or SIGUSR2.",
            )
        found.append(signal.Signals[full])
    return tuple(dict.fromkeys(found))


@contextmanager
def listening(names: Iterable[str] = STOPPING) -> Iterator[Interruption]:
    """Receive signals in the main thread; in another thread, yield an interruption that receives none.

    Within another `listening`, yields the same interruption: a command listens until its result is printed.
    """
    global _listening
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    if _listening is not None:
        yield _listening
        return
    # A signal that is ignored stays ignored: `nohup` relies on that.
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
        if _WAKE is not None:
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
            # None stands for a handler that was not set from Python and cannot be restored.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _watch(
    reader: socket.socket, wanted: set[signal.Signals], over: threading.Event, interruption: Interruption
) -> None:
    """End the process if it does not end in time after a signal, or after a second Ctrl-C."""
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
        if len(heard) > before and _WAKE is not None and (main := threading.main_thread().ident):
            # The system delivers a signal to any thread.  If the main thread waits in a system call, such as
            # a write to a full pipe, only a signal of its own lets it run the handler.
            signal.pthread_kill(main, _WAKE)
        if heard and deadline is None:
            deadline = time.monotonic() + interruption.grace
        if signal.SIGINT in heard[max(before, 1) :]:
            deadline = min(deadline or math.inf, time.monotonic() + interruption.at_once)
    if heard and not over.is_set():
        saved = " What was trained up to the last checkpoint is saved.\n" if interruption.remedy else ""
        tell(f"\nStopped at once.{saved}{interruption.remedy}\n")
        # Last: no other process may lock the run while this one can still write.
        interruption.on_give_up()
        os._exit(EXIT_CODES[_status(heard[0])])


def _status(number: int) -> StopStatus:
    return "interrupted" if number == signal.SIGINT else "terminated"
