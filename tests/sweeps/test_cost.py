"""What a sweep costs: counted, and measured or recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path

import pytest
from cli.command import rnnspec
from sweeps.samples import SWEEP, load_small, write_sweep
from training.samples import TARGET, load_tiny

from rnnspec.check.examine import load
from rnnspec.codegen.cpu.kernel import emit_cpu
from rnnspec.errors import RequestError
from rnnspec.runs.status import RunStatus
from rnnspec.runtime.compiled import cache
from rnnspec.runtime.compiled.toolchain import users_flags
from rnnspec.runtime.cost import evaluation_operations, iteration_cost, weight_count
from rnnspec.runtime.targets import RECORDS
from rnnspec.sweeps import cost, measuring
from rnnspec.sweeps.board import Board, Place
from rnnspec.sweeps.cost import disk_of, estimate
from rnnspec.sweeps.order import Options
from rnnspec.sweeps.probe import Answer, Job, Times, measure
from rnnspec.sweeps.work import whole_work
from rnnspec.training.unit import train_unit

OPTIONS = Options(target=TARGET)
PLAIN = SWEEP.replace("methods: {plain: [], fast: [fast]}", "")
COARSE = SWEEP.replace("fast: [fast]", "cd: [coarse]")

Measuring = Callable[..., list[Answer | None]]


def answers(*given: Answer | None, asked: list[Job] | None = None) -> Measuring:
    """Return a measuring that gives these answers."""

    def measuring(
        jobs: Sequence[Job], processes: int, seconds: float, progress: object
    ) -> list[Answer | None]:
        if asked is not None:
            asked.extend(jobs)
        return list(given[: len(jobs)])

    return measuring


def board(folder: Path, text: str = SWEEP, *settings: str) -> Board:
    if not (folder / "methods").exists():
        write_sweep(folder)
        (folder / "methods" / "coarse.yaml").write_text(
            "rnnspec: 1\ncoarsening: {from: 2, increments: 1, over: 6 iterations}\n"
        )
    return Board(load_small(folder, text, *settings), folder / "runs" / "small")


def test_the_time_is_that_of_all_iterations_and_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An iteration of 3 networks takes 2 s, an evaluation 1 s: 15 s a unit, four units on two processes."""
    asked: list[Job] = []
    times = Times(3, {Fraction(1): 2.0}, 1.0, 0.0, 10**8)
    monkeypatch.setattr(cost, "measure_all", answers(times, asked=asked))
    sweep = board(tmp_path)
    found = estimate(sweep, OPTIONS, 2)
    assert len(asked) == 1, "the units share a kernel"
    assert found.seconds == pytest.approx(30.0)
    assert [(line.kind, line.units, line.seconds) for line in found.lines] == [
        (("tiny", "plain"), 2, pytest.approx(30.0)),
        (("tiny", "fast"), 2, pytest.approx(30.0)),
    ]
    assert (found.units, found.networks, found.kernels, found.measured, found.earlier) == (4, 12, 1, 1, 0)
    program = sweep.sweep.units[0].specification.program
    assert found.operations == 12 * whole_work(program).operations
    assert found.disk == 4 * disk_of(program)
    assert found.memory > 2 * 10**8


def test_coarsening_is_a_line_through_two_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """3 iterations at theta 2, and 3 at 1; what is measured of both is foreseen."""
    asked: list[Job] = []
    times = Times(3, {Fraction(1): 2.0, Fraction(2): 1.5}, 0.0, 0.0, 0)
    monkeypatch.setattr(cost, "measure_all", answers(times, asked=asked))
    found = estimate(board(tmp_path, COARSE.replace("[0, 1]", "[0]"), "training.evaluate=none"), OPTIONS, 1)
    assert asked[0].thetas == (Fraction(1), Fraction(2))
    assert [line.seconds for line in found.lines] == [
        pytest.approx(12.0),
        pytest.approx(3 * 2.0 + 3 * 1.5),
    ]


def test_a_kernel_that_was_not_measured_gets_the_mean_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PLAIN.replace("training.seed: [0, 1]", "network.activation: [relu, tanh]")
    times = Times(3, {Fraction(1): 2.0}, 1.0, 0.0, 0)
    monkeypatch.setattr(cost, "measure_all", answers(times, None))
    found = estimate(board(tmp_path, text), OPTIONS, 1)
    assert (found.kernels, found.measured) == (2, 1)
    assert found.seconds == pytest.approx(30.0)


def test_recorded_times_are_used_and_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = board(tmp_path, PLAIN, "training.stop={performance: 1}")
    folder = sweep.folder
    unit = sweep.sweep.units[0]
    train_unit(unit.specification, folder / unit.name, target=TARGET)
    (folder / unit.name / "timing.jsonl").write_text(
        '{"finished": "2026-12-01T00:00:00+00:00", "seconds": 60}\n'
    )
    monkeypatch.setattr(cost, "measure_all", answers())
    threads = json.loads((folder / unit.name / "manifest.json").read_text())["threads"]
    found = estimate(Board(sweep.sweep, folder), Options(target=TARGET, threads=threads), 2)
    assert (found.recorded, found.measured, found.done) == (1, 0, 1)
    assert found.seconds == pytest.approx(60.0)
    assert found.earlier == 1
    # Other numbers of threads have other times.
    monkeypatch.setattr(cost, "measure_all", answers(Times(3, {Fraction(1): 2.0}, 1.0, 0.0, 0)))
    found = estimate(Board(sweep.sweep, folder), Options(target=TARGET, threads=threads + 1), 2)
    assert (found.recorded, found.measured) == (0, 1)
    assert found.seconds == pytest.approx(15.0)


def test_a_kernel_that_cannot_be_made_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "measure_all", answers("There is no compiler.\nInstall one."))
    with pytest.raises(RequestError, match="There is no compiler") as caught:
        estimate(board(tmp_path), OPTIONS, 1)
    assert caught.value.remedy == "Install one."


def test_the_size_of_a_run_folder(tmp_path: Path) -> None:
    """What is foreseen is not less than what is there, and not many times more."""
    specification = load_tiny(
        tmp_path, "training.networks=30", "training.iterations=20", "training.evaluate.every=1"
    )
    train_unit(specification, tmp_path / "run", target=TARGET, checkpoint_seconds=0.0)
    size = sum(file.stat().st_size for file in (tmp_path / "run").rglob("*") if file.is_file())
    assert 0.8 * size < disk_of(specification.program) < 1.25 * size


def test_what_is_measured(tmp_path: Path) -> None:
    program = load_tiny(tmp_path, "coarsening={from: 2}").program
    job = Job(program, 30, (Fraction(1), Fraction(2)), TARGET, "cpu", "float32", 1)
    times = measure(job)
    assert times.networks == 10
    assert set(times.iteration) == {Fraction(1), Fraction(2)}
    assert min(*times.iteration.values(), times.evaluation) > 0
    assert times.memory > 10**7
    assert weight_count(program) > 0
    assert iteration_cost(program).forward < evaluation_operations(program) * 10


def test_a_process_measures_until_the_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot measure, it says; the clock allows two of three jobs."""
    program = load_tiny(tmp_path).program
    devices = ("cpu", "abacus", "cpu")
    jobs = [Job(program, 3, (Fraction(1),), TARGET, device, "float32", 1) for device in devices]
    monkeypatch.setattr(time, "monotonic", count().__next__)
    done: list[int] = []
    first, second, third = measuring.measure_all(jobs, 1, 1.5, done.append)
    assert isinstance(first, Times)
    assert isinstance(second, str)
    assert second.startswith("There is no device 'abacus'")
    assert third is None
    assert done == [1, 2]


def test_the_dry_run_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sweep(
        tmp_path, SWEEP.replace("sweep: small", "sweep: small\nset: {training.stop: {performance: 0.9}}")
    )
    monkeypatch.setattr(cost, "measure_all", answers(Times(3, {Fraction(1): 7200.0}, 0.0, 0.0, 0)))
    words = ["sweep", path, "--out", tmp_path / "runs", "--target", TARGET, "--workers", "2", "--dry-run"]
    answer = rnnspec(*words)
    assert answer.code == 0, answer.err
    assert "small: 4 units, 12 networks" in answer.out
    assert "1 d 0 h at most, 2 units at a time" in answer.out
    assert "Every unit may end earlier, at its criterion." in answer.out
    assert "measured with 1 of 1 kernel" in answer.out
    assert not (tmp_path / "runs").exists()
    found = json.loads(rnnspec(*words, "--json").out)
    assert (found["seconds"], found["may_end_earlier"], found["units"]) == (86400.0, 4, 4)


def test_the_places_of_a_board_are_what_is_asked(tmp_path: Path) -> None:
    """A run of another type of number has other times."""
    sweep = board(tmp_path)
    unit = sweep.sweep.units[0]
    run = RunStatus(tmp_path, "x", "finished", target=TARGET, device="cuda:0", dtype="float64", seconds=60.0)
    place = Place(unit, "done", run)
    assert not cost._like_here(place, Options())
    assert cost._like_here(place, Options(dtype="float64"))
    assert not cost._like_here(place, Options(dtype="float64", device="cpu"))
    assert not cost._like_here(place, Options(dtype="float64", target="reference"))


def test_whether_a_kernel_has_to_be_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Betas, seeds and coarsening are no part of a kernel; the compiler is played by the test."""
    (tmp_path / "cache").mkdir(0o700)
    monkeypatch.setenv("RNNSPEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "compile_library", lambda compiler, source, path, flags: path.write_text(""))
    compiled = RECORDS["cpu"].compiled
    assert compiled is not None
    plain = load_tiny(tmp_path).program
    other = load(tmp_path / "tiny.yaml", ["fast"], ["training.seed=9"]).program
    tanh = load(tmp_path / "tiny.yaml", [], ["network.activation=tanh"]).program
    assert not compiled(plain, "float", "cpu")
    source = emit_cpu(plain, "float")
    monkeypatch.setattr(cache, "SOURCE", cache.LIBRARY)
    cache.library(source, users_flags())
    assert compiled(plain, "float", "cpu")
    assert compiled(other, "float", "cpu")
    assert not compiled(tanh, "float", "cpu")
    assert not compiled(plain, "double", "cpu")
