"""The operations of trainings, and how long they take."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from cli.command import ROOT
from sweeps.samples import SWEEP, load_small
from training.samples import load_tiny

from rnnspec.check.examine import load
from rnnspec.program.nodes import Program
from rnnspec.runs.status import RunStatus
from rnnspec.runtime.cost import evaluation_operations, iteration_cost
from rnnspec.runtime.stages import stage_at
from rnnspec.sweeps.board import Board
from rnnspec.sweeps.left import Forecast, TimeLeft
from rnnspec.sweeps.order import Outcome, Progress
from rnnspec.sweeps.pace import longest_of
from rnnspec.sweeps.work import thetas, whole_work, work_between


def delayed_go(*settings: str, overlays: tuple[str, ...] = ()) -> Program:
    return load(ROOT / "specs" / "delayed_go.yaml", overlays, settings).program


def test_operations_of_a_training_by_hand() -> None:
    """At theta 10 for a quarter of the iterations, then at 1: one increment over half of them."""
    program = delayed_go("coarsening.increments=1", overlays=("cd10",))
    coarse, fine = iteration_cost(program, Fraction(10)), iteration_cost(program)
    work = whole_work(program)
    assert work.forward == 10_000 * coarse.forward + 30_000 * fine.forward
    assert work.backward == 10_000 * coarse.backward + 30_000 * fine.backward
    assert work.evaluation == 4_000 * evaluation_operations(program)
    assert work.operations == work.forward + work.backward + work.evaluation
    assert thetas(program, 0, 40_000) == {Fraction(10): 10_000, Fraction(1): 30_000}


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 1), (0, 6), (1, 5), (3, 6), (5, 6)])
def test_operations_are_the_sum_over_all_iterations(tmp_path: Path, begin: int, end: int) -> None:
    program = load_tiny(tmp_path, "coarsening={from: 4, increments: 2, over: 5 iterations}").program
    costs = [iteration_cost(program, stage_at(program, i).stage.theta) for i in range(begin, end)]
    work = work_between(program, begin, end)
    assert work.forward == sum(cost.forward for cost in costs)
    assert work.backward == sum(cost.backward for cost in costs)


@pytest.mark.parametrize(
    ("settings", "begin", "end", "last", "number"),
    [
        ((), 0, 6, None, 3),
        ((), 0, 5, None, 2),
        ((), 2, 6, None, 2),
        (("training.evaluate.every=4",), 0, 6, None, 2),
        (("training.evaluate.every=4",), 0, 6, 9, 1),
        (("training.evaluate=none",), 0, 6, None, 0),
    ],
)
def test_evaluations_are_counted_as_they_are_made(
    tmp_path: Path, settings: tuple[str, ...], begin: int, end: int, last: int | None, number: int
) -> None:
    """Whenever the iterations are a multiple of `every`, and after the last."""
    program = load_tiny(tmp_path, *settings).program
    each = evaluation_operations(program) if number else 1
    assert work_between(program, begin, end, last).evaluation == number * each


@pytest.mark.parametrize(
    ("seconds", "capacity", "end"), [((3, 1, 1, 1), 2, 3), ((1, 1, 3), 2, 4), ((), 2, 0), ((2, 2), 1, 4)]
)
def test_jobs_begin_in_order(seconds: tuple[float, ...], capacity: int, end: float) -> None:
    assert longest_of(seconds, capacity) == end


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def begun(board: Board, name: str, completed: int, seconds: float, state: str = "finished") -> None:
    """Let a unit have been trained for a while."""
    place = board.places[name]
    run = RunStatus(board.folder / name, name, "cut off", completed=completed, iterations=6, networks=3)
    board.places[name] = replace(
        place,
        state="done" if state == "finished" else "waiting",
        run=replace(run, seconds=seconds),
        completed=completed,
    )


def test_time_left_from_finished_units(tmp_path: Path) -> None:
    """A unit of 6 iterations took 12 s; three are left, two at a time: the last begins when one ends."""
    board = Board(load_small(tmp_path), tmp_path / "runs")
    assert Forecast(board, 2).left() is None
    first, *_ = board.places
    begun(board, first, 6, 12.0)
    left = Forecast(board, 2).left()
    assert left is not None
    assert left.seconds == pytest.approx(24.0)
    assert not left.at_most
    left = Forecast(board, 3).left()
    assert left is not None
    assert left.seconds == pytest.approx(12.0)


def test_time_left_from_units_that_are_being_trained(tmp_path: Path) -> None:
    board = Board(load_small(tmp_path), tmp_path / "runs")
    clock = Clock()
    forecast = Forecast(board, 1, clock)
    first, second, *others = board.places
    for name in (second, *others):
        board.places.pop(name)
    for now, completed in ((100.0, 0), (104.0, 2)):
        clock.now = now
        message = Progress(first, completed, 6, math.nan)
        board.progress(message)
        forecast.take(message)
    left = forecast.left()
    assert left is not None
    # Two iterations with one evaluation took 4 s, and twice as much is left.
    assert left.seconds == pytest.approx(8.0)
    forecast.take(Outcome(first, "over"))
    board.set(first, "failed")
    assert forecast.left() == TimeLeft(0.0, at_most=False)


def test_a_criterion_makes_the_time_an_upper_bound(tmp_path: Path) -> None:
    board = Board(load_small(tmp_path, SWEEP, "training.stop={performance: 0.9}"), tmp_path / "runs")
    begun(board, next(iter(board.places)), 3, 3.0, "waiting")
    left = Forecast(board, 1).left()
    assert left is not None
    assert left.at_most
