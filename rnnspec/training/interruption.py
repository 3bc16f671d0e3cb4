"""Signals while training: the first lets the iteration finish, a second Ctrl-C does not wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

StopStatus = Literal["interrupted", "terminated"]

_STATUS: dict[int, StopStatus] = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
}
if hasattr(signal, "SIGHUP"):
    # The terminal, or the connection to it, has gone.
    _STATUS[signal.SIGHUP] = "terminated"


class Interruption:
    """Whether training has been asked to stop, and by what.

    signal: the name of what came first, such as SIGTERM; None before.
    on_request: is told of it.  It may be called at any moment, so it must not print.
    """

    def __init__(self) -> None:
        self.status: StopStatus | None = None
        self.signal: str | None = None
        self.on_request: Callable[[StopStatus], None] = lambda status: None

    def request(self, number: int, frame: FrameType | None = None) -> None:
        """Handle a signal; a Ctrl-C after it raises KeyboardInterrupt."""
        if self.status is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.status, self.signal = _STATUS[number], signal.Signals(number).name
        self.on_request(self.status)


@contextmanager
def listening() -> Iterator[Interruption]:
    """Listen to SIGINT, SIGTERM and SIGHUP, in the main thread; no other is reached by signals."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    # What is ignored stays ignored: `nohup` asks for that.
    heard = [number for number in _STATUS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interruption.request) for number in heard}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set from Python, which cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
