"""What the controller does with what its pool tells it; the pool is played by the test."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from sweeps.samples import load_small

from rnnspec.sweeps import controller
from rnnspec.sweeps.board import Board
from rnnspec.sweeps.controller import KILLS, TRIES, Controller
from rnnspec.sweeps.layout import last_failures
from rnnspec.sweeps.order import Message, Options, Order, Outcome, Progress, Remark, State
from rnnspec.training.interruption import Interruption


class Played:
    """A pool whose units say what a script says.  orders: the units that were begun, in order."""

    capacity = 2
    queues = False

    def __init__(self, script: Callable[[str, int], Iterable[Message]]) -> None:
        self.script = script
        self.orders: list[str] = []
        self.most = 0
        self.shared: list[tuple[int, int]] = []
        self.stopped = self.closed = False
        self.at_stop: State = "stopped"
        self._open: set[str] = set()
        self._messages: deque[Message] = deque()

    def start(self, order: Order) -> None:
        assert not self.stopped
        self.orders.append(order.unit)
        self._open.add(order.unit)
        self.most = max(self.most, len(self._open))
        self._messages.extend(self.script(order.unit, self.orders.count(order.unit)))

    def message(self, seconds: float) -> Message | None:
        if not self._messages:
            return None
        message = self._messages.popleft()
        if isinstance(message, Outcome):
            self._open.remove(message.unit)
        return message

    def share(self, threads: int) -> None:
        self.shared.append((len(self.orders), threads))

    def stop(self) -> None:
        self.stopped = True
        self._messages.extend(Outcome(unit, self.at_stop) for unit in sorted(self._open))

    def close(self) -> None:
        self.closed = True


def play(folder: Path, script: Callable[[str, int], Iterable[Message]]) -> tuple[Board, Played]:
    board = Board(load_small(folder), folder / "runs")
    board.folder.mkdir()
    pool = Played(script)
    Controller(board, pool, Options()).run(Interruption())
    assert pool.closed
    return board, pool


def ends(state: State, reason: str = "") -> Callable[[str, int], list[Message]]:
    return lambda unit, time: [Outcome(unit, state, reason)]


def test_all_units_are_begun_in_order_as_many_at_a_time_as_the_pool_takes(tmp_path: Path) -> None:
    board, pool = play(tmp_path, ends("over"))
    assert pool.orders == list(board.places)
    assert pool.most == 2
    # The last unit has the threads of both.
    assert pool.shared == [(4, 2)]


def test_a_unit_that_fails_is_tried_again_after_the_others_and_then_listed(tmp_path: Path) -> None:
    bad = "fast-seed_0"

    def script(unit: str, time: int) -> list[Message]:
        return [Outcome(unit, "failed", f"no room, time {time}") if bad in unit else Outcome(unit, "over")]

    board, pool = play(tmp_path, script)
    (unit,) = [name for name in board.places if bad in name]
    assert pool.orders == [*board.places, unit]
    assert pool.orders.count(unit) == TRIES
    assert (board.places[unit].state, board.places[unit].reason) == ("failed", "no room, time 2")
    assert last_failures(board.folder)[unit].reason == "no room, time 2"
    # A later look at the folder says so too.
    assert Board(board.sweep, board.folder).places[unit].reason == "no room, time 2"


def test_a_unit_whose_process_is_killed_goes_on_while_it_makes_progress(tmp_path: Path) -> None:
    def script(unit: str, time: int) -> list[Message]:
        if "tiny-seed_0" not in unit or time == 8:
            return [Outcome(unit, "over")]
        return [Progress(unit, 10 * time, 100, math.nan), Outcome(unit, "killed", "SIGKILL")]

    board, pool = play(tmp_path, script)
    assert max(map(pool.orders.count, board.places)) == 8
    assert board.counts()["failed"] == 0


def test_a_unit_that_is_killed_at_the_same_place_again_and_again_is_given_up(tmp_path: Path) -> None:
    """It begins anew from its last checkpoint each time: that is no progress."""

    def script(unit: str, time: int) -> list[Message]:
        reports = [Progress(unit, completed, 100, math.nan) for completed in (0, 50)]
        return [*reports, Outcome(unit, "killed", "SIGKILL")]

    board, pool = play(tmp_path, script)
    # The first time, it came further than ever before.
    assert {pool.orders.count(unit) for unit in board.places} == {KILLS}
    assert board.counts()["failed"] == 4


def test_nothing_is_begun_after_a_signal(tmp_path: Path) -> None:
    """Not even what fails while it is saved."""
    interruption = Interruption()
    interruption.begin()
    board = Board(load_small(tmp_path), tmp_path / "runs")
    board.folder.mkdir()

    def script(unit: str, time: int) -> list[Message]:
        interruption.status, interruption.signal = "terminated", "SIGTERM"
        return [Progress(unit, 1, 6, math.nan)]

    pool = Played(script)
    pool.at_stop = "failed"
    Controller(board, pool, Options()).run(interruption)
    assert len(pool.orders) == 2


def test_a_failure_counts_until_the_unit_has_come_further(tmp_path: Path) -> None:
    def script(unit: str, time: int) -> list[Message]:
        if time == 1:
            return [Outcome(unit, "failed", "the disk is full")]
        return [Progress(unit, 3, 6, math.nan), Outcome(unit, "over")]

    board, _ = play(tmp_path, script)
    assert last_failures(board.folder) == {}
    assert Board(board.sweep, board.folder).counts()["failed"] == 0


def test_training_goes_on_without_an_observer_whose_terminal_is_gone(tmp_path: Path) -> None:
    def gone(message: Message) -> None:
        raise BrokenPipeError

    board = Board(load_small(tmp_path), tmp_path / "runs")
    board.folder.mkdir()
    pool = Played(ends("over"))
    Controller(board, pool, Options(), gone).run(Interruption())
    assert len(pool.orders) == 4


def test_a_unit_whose_process_is_killed_before_any_progress_is_given_up(tmp_path: Path) -> None:
    board, pool = play(tmp_path, ends("killed", "SIGKILL"))
    assert {pool.orders.count(unit) for unit in board.places} == {KILLS}
    assert board.counts()["failed"] == 4


def test_a_unit_whose_job_ends_goes_on_at_once_while_it_makes_progress(tmp_path: Path) -> None:
    def script(unit: str, time: int) -> list[Message]:
        if "tiny-seed_0" not in unit or time == 8:
            return [Outcome(unit, "over")]
        return [Progress(unit, 10 * time, 100, math.nan), Outcome(unit, "stopped")]

    board, pool = play(tmp_path, script)
    assert max(map(pool.orders.count, board.places)) == 8
    assert board.counts()["failed"] == 0
    # Before the units that have not begun.
    first = next(iter(board.places))
    assert pool.orders.index(first, 1) < len(board.places)


def test_a_unit_whose_jobs_end_before_any_progress_is_given_up(tmp_path: Path) -> None:
    board, pool = play(tmp_path, ends("stopped"))
    assert {pool.orders.count(unit) for unit in board.places} == {KILLS}
    assert board.counts()["failed"] == 4
    assert "its jobs are too short" in next(iter(board.places.values())).reason


def test_a_unit_in_a_queue_is_trained_from_its_first_progress_on(tmp_path: Path) -> None:
    states = []

    def script(unit: str, time: int) -> list[Message]:
        return [Remark(unit, "queued"), Progress(unit, 1, 6, math.nan), Outcome(unit, "over")]

    board = Board(load_small(tmp_path), tmp_path / "runs")
    board.folder.mkdir()
    pool = Played(script)
    pool.capacity, pool.queues = 1, True
    first = next(iter(board.places))
    observer = lambda message: states.append(board.places[first].state)  # noqa: E731
    Controller(board, pool, Options(), observer).run(Interruption())
    assert states[:2] == ["waiting", "running"]


def test_a_unit_that_another_process_trains_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "LINGER", 0.0)
    monkeypatch.setattr(controller, "LOOK_ELSEWHERE", math.inf)
    board, pool = play(tmp_path, ends("elsewhere", "process 7 on node3"))
    assert len(pool.orders) == 4
    assert {place.reason for place in board.places.values()} == {"process 7 on node3 trains it."}


def test_a_unit_that_another_process_leaves_unfinished_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of a controller that was killed, whose processes still save their units."""
    monkeypatch.setattr(controller, "LOOK_ELSEWHERE", 0.01)

    def script(unit: str, time: int) -> list[Message]:
        return [Outcome(unit, "elsewhere" if time == 1 and "fast" in unit else "over", "process 7 here")]

    _, pool = play(tmp_path, script)
    assert sorted(map(pool.orders.count, set(pool.orders))) == [1, 1, 2, 2]


def test_a_signal_stops_and_saves_the_units(tmp_path: Path) -> None:
    interruption = Interruption()
    interruption.begin()
    board = Board(load_small(tmp_path), tmp_path / "runs")
    board.folder.mkdir()
    said = []

    def script(unit: str, time: int) -> list[Message]:
        if len(pool.orders) == 2:
            interruption.status, interruption.signal = "terminated", "SIGTERM"
        return [Progress(unit, 1, 6, math.nan)]

    pool = Played(script)
    Controller(board, pool, Options()).run(interruption, lambda: said.append(pool.stopped))
    assert said == [False]
    assert pool.stopped
    assert len(pool.orders) == 2
    assert board.counts()["waiting"] == 4


def test_what_the_pool_raises_closes_it(tmp_path: Path) -> None:
    def script(unit: str, time: int) -> list[Message]:
        raise KeyboardInterrupt

    board = Board(load_small(tmp_path), tmp_path / "runs")
    pool = Played(script)
    with pytest.raises(KeyboardInterrupt):
        Controller(board, pool, Options()).run(Interruption())
    assert pool.closed
    assert board.counts()["running"] == 0
