"""Training all units of a sweep, with the processes of a pool."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rnnspec.sweeps.board import Board
from rnnspec.sweeps.layout import last_failures, note_failure
from rnnspec.sweeps.order import Message, Options, Order, Outcome, Progress
from rnnspec.sweeps.pool import Pool
from rnnspec.training.interruption import Interruption

#: A unit is tried so often.
TRIES = 2
#: Its process may be killed so often, without any progress between, before it is given up.
KILLS = 3
#: Seconds between two looks at whether a signal has come.
LOOK = 0.2
#: Seconds between two looks at the units that other processes train.
LOOK_ELSEWHERE = 2.0
#: Seconds after which such a unit is left to the other process: the processes of a controller that was killed
#: need some seconds to save their units.
LINGER = 12.0


class Controller:
    """Trains the units of a sweep that are not done.

    observer: is called after each change, with the message that changed something.
    """

    def __init__(
        self,
        board: Board,
        pool: Pool,
        options: Options,
        observer: Callable[[Message], None] = lambda message: None,
    ) -> None:
        self.board = board
        self.pool = pool
        self.options = options
        self.observer = observer
        waiting = [name for name, place in board.places.items() if place.state != "done"]
        self.waiting = deque(waiting)
        self.running: set[str] = set()
        self.tries: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        #: Of each unit, the most updates that it was ever seen to have made.
        self.furthest = {name: place.completed for name, place in board.places.items()}
        #: Units whose last failure is noted in the folder.
        self.noted = set(last_failures(board.folder))
        self.stopping = False
        self.shared = options.threads
        #: Units that other processes train, and when that was found.
        self.elsewhere: dict[str, float] = {}
        self.looked = 0.0

    def run(self, interruption: Interruption, on_stop: Callable[[], None] = lambda: None) -> None:
        """Train until every unit is done, has failed, or is trained elsewhere, or a signal comes.

        After a signal, the units that are being trained are saved.  on_stop: is called before.
        """
        with self._closing():
            while True:
                if interruption.status is not None and not self.stopping:
                    self.stopping = True
                    self.waiting.clear()
                    on_stop()
                    self.pool.stop()
                while not self.stopping and self.waiting and len(self.running) < self.pool.capacity:
                    self._start(self.waiting.popleft())
                if not self.stopping:
                    self._look_elsewhere()
                if not self.running and (self.stopping or not (self.waiting or self._lingers())):
                    return
                self._share()
                message = self.pool.message(LOOK)
                if message is not None:
                    self._take(message)

    @contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.pool.close()
            for unit in self.running:
                self.board.read(unit)

    def _start(self, unit: str) -> None:
        place = self.board.places[unit]
        self.running.add(unit)
        # A new process begins with as many as at first.
        self.shared = self.options.threads
        if not self.pool.queues:
            self.board.set(unit, "running")
        self.pool.start(Order(unit, self.board.folder / unit, place.unit.specification, self.options))

    def _share(self) -> None:
        """Once no unit waits any more, divide the threads among those that are left."""
        threads = self.options.threads * self.pool.capacity // max(len(self.running), 1)
        if self.running and not self.waiting and threads > self.shared:
            self.shared = threads
            self.pool.share(threads)

    def _look_elsewhere(self) -> None:
        """Take over units that another process has left unfinished."""
        if not self.elsewhere or time.monotonic() - self.looked < LOOK_ELSEWHERE:
            return
        self.looked = time.monotonic()
        for unit in tuple(self.elsewhere):
            state = self.board.read(unit).state
            if state != "elsewhere":
                del self.elsewhere[unit]
            if state in ("waiting", "failed"):
                self.waiting.append(unit)

    def _lingers(self) -> bool:
        """Return whether a unit that another process trains may soon be free."""
        return any(time.monotonic() - since < LINGER for since in self.elsewhere.values())

    def _take(self, message: Message) -> None:
        if isinstance(message, Outcome):
            self._end(message)
        elif isinstance(message, Progress):
            self._advance(message.unit, message.completed)
            self.board.progress(message)
        try:
            self.observer(message)
        except OSError:
            # Its terminal or pipe has gone; the training continues without it.
            self.observer = lambda message: None

    def _advance(self, unit: str, completed: int) -> None:
        """Forget kills and failures of a unit that has come further than ever."""
        if completed <= self.furthest[unit]:
            return
        self.furthest[unit] = completed
        self.kills.pop(unit, None)
        if unit in self.noted:
            self.noted.remove(unit)
            note_failure(self.board.folder, unit, "")

    def _end(self, outcome: Outcome) -> None:
        unit = outcome.unit
        self.running.discard(unit)
        self._advance(unit, self.board.read(unit).completed)
        if outcome.state in ("failed", "killed"):
            counter, most = (self.tries, TRIES) if outcome.state == "failed" else (self.kills, KILLS)
            counter[unit] += 1
            self._note(unit, outcome.reason)
            if counter[unit] < most:
                self.board.set(unit, "waiting", outcome.reason)
                # After the others: what is in its way, such as a full disk, may be gone by then.
                self.waiting.append(unit)
            else:
                self.board.set(unit, "failed", outcome.reason)
        elif outcome.state == "elsewhere":
            self.board.set(unit, "elsewhere", f"{outcome.reason} trains it.")
            self.elsewhere[unit] = time.monotonic()
        elif outcome.state == "stopped" and not self.stopping:
            self._go_on(unit)

    def _go_on(self, unit: str) -> None:
        """Train a unit further that was saved because its job was about to end."""
        self.kills[unit] += 1
        if self.kills[unit] < KILLS:
            self.board.set(unit, "waiting")
            self.waiting.appendleft(unit)
        else:
            reason = f"It was stopped {KILLS} times without any progress: its jobs are too short."
            self._note(unit, reason)
            self.board.set(unit, "failed", reason)

    def _note(self, unit: str, reason: str) -> None:
        note_failure(self.board.folder, unit, reason)
        self.noted.add(unit)
