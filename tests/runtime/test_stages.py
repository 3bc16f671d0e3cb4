"""Annealing against the equations of section 2 of the science page, written out."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from training.samples import load_tiny

from rnnspec.program.nodes import Annealing, Program
from rnnspec.runtime.batch import Stage
from rnnspec.runtime.stages import next_change, stage_at


def annealed(folder: Path, start: str, increments: int, over: str, theta: str | None = None) -> Program:
    """The tiny program with one skip, annealed as given, and coarsening with the same stages."""
    program = load_tiny(folder, method="fast").program
    beta = Annealing((), Fraction(start), increments, Fraction(over))
    skips = tuple(replace(skip, beta=beta) for skip in program.skips)
    coarsening = replace(beta, start=Fraction(theta)) if theta else None
    return replace(program, skips=skips, coarsening=coarsening)


def test_beta_takes_equal_steps_for_equal_times(tmp_path: Path) -> None:
    program = annealed(tmp_path, "0.5", 5, "20000")
    betas = [stage_at(program, i).stage.betas[0] for i in range(20_001)]
    # Each of six values for a sixth of 20,000 iterations.
    first = {beta: betas.index(beta) for beta in sorted(set(betas))}
    assert first == {0.5: 0, 0.6: 3334, 0.7: 6667, 0.8: 10_000, 0.9: 13_334, 1.0: 16_667}


def test_the_last_beta_is_exactly_one(tmp_path: Path) -> None:
    program = annealed(tmp_path, "0.1", 7, "50")
    assert stage_at(program, 10**6).stage.betas == (1.0,)
    assert stage_at(program, 10**6).edges == (7,)


def test_theta_falls_to_one(tmp_path: Path) -> None:
    program = annealed(tmp_path, "0.5", 5, "60", theta="10")
    thetas = [stage_at(program, i).stage.theta for i in range(0, 60, 10)]
    assert thetas == [10, 8, 6, 4, 2, 1]


def test_theta_need_not_be_whole(tmp_path: Path) -> None:
    program = annealed(tmp_path, "0.5", 4, "100", theta="10")
    assert stage_at(program, 30).stage == Stage(Fraction(15, 2), (0.625,))


def test_each_edge_has_its_own_stages(tmp_path: Path) -> None:
    program = annealed(tmp_path, "0.5", 1, "10")
    other = replace(program.skips[0], beta=Annealing((), Fraction("0.2"), 2, Fraction(30)))
    annealing = stage_at(replace(program, skips=(*program.skips, other)), 10)
    assert annealing.edges == (1, 1)
    assert annealing.stage.betas == (1.0, 0.6)
    assert annealing.coarsening is None


def test_boundaries_are_exact(tmp_path: Path) -> None:
    # 0.1 and 0.3 are no floats: in floats iteration 3 of 0.3 * 10 may fall on either side.
    program = annealed(tmp_path, "0.5", 9, "30")
    assert [stage_at(program, i).edges[0] for i in (2, 3, 5, 6, 26, 27)] == [0, 1, 1, 2, 8, 9]


@pytest.mark.parametrize("iteration", [0, 1, 2, 3, 4, 5, 6, 7, 20])
def test_next_change_is_where_the_stage_changes(tmp_path: Path, iteration: int) -> None:
    program = annealed(tmp_path, "0.5", 2, "7", theta="4")
    now = stage_at(program, iteration).stage
    later = [i for i in range(iteration + 1, 30) if stage_at(program, i).stage != now]
    assert next_change(program, iteration) == (later[0] if later else None)


def test_what_does_not_change_is_not_announced(tmp_path: Path) -> None:
    assert next_change(annealed(tmp_path, "1", 3, "10"), 0) is None
