"""Evaluation and its trimmed mean."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from training.samples import TARGET, load_tiny

from rnnspec.analysis.criterion import trimmed_count, trimmed_mean
from rnnspec.analysis.evaluation import evaluate_simulation
from rnnspec.analysis.tables import evaluation_summary, trial_table
from rnnspec.runtime.simulation import Simulation


def test_trimmed_mean_leaves_out_both_ends() -> None:
    values = [0.0, 1.0, 0.5, 0.9, 0.1, 0.6, 0.7, 0.8, 0.2, 0.3]
    assert trimmed_mean(values, 0.0) == pytest.approx(0.51)
    assert trimmed_mean(values, 0.1) == pytest.approx((0.5 + 0.9 + 0.1 + 0.6 + 0.7 + 0.8 + 0.2 + 0.3) / 8)
    assert trimmed_mean(values, 0.19) == trimmed_mean(values, 0.1)
    assert trimmed_mean(values[:3], 0.1) == pytest.approx(0.5)


def test_trim_is_a_decimal() -> None:
    assert 0.29 * 100 < 29
    assert trimmed_count(100, 0.29) == 29


def test_trimmed_mean_of_what_is_not_known() -> None:
    assert math.isnan(trimmed_mean([1.0, math.nan, 1.0], 0.1))
    assert math.isnan(trimmed_mean([], 0.0))


def test_a_network_that_has_diverged_scores_nothing(tmp_path: Path) -> None:
    simulation = Simulation(load_tiny(tmp_path).program, target=TARGET)
    whole = evaluate_simulation(simulation, 5, 0)
    part = evaluate_simulation(simulation, 5, 0, {1})
    assert part.performance == (whole.performance[0], 0.0, whole.performance[2])
    assert {values[1] for values in part.phases.values()} == {0.0}
    assert part.trials[1].sum() == 0
    assert torch.equal(part.trials[0], whole.trials[0])


def test_evaluation_is_on_the_true_dynamics(tmp_path: Path) -> None:
    """Skips change nothing in it, and neither does jitter."""
    plain = Simulation(load_tiny(tmp_path).program, target=TARGET)
    (tmp_path / "again").mkdir()
    skipping = Simulation(load_tiny(tmp_path / "again", method="fast").program, target=TARGET)
    assert evaluate_simulation(plain, 6, 3).performance == evaluate_simulation(skipping, 6, 3).performance


def test_tables(tmp_path: Path) -> None:
    program = load_tiny(tmp_path).program
    simulation = Simulation(program, networks=2, first_network=1, target=TARGET)
    evaluation = evaluate_simulation(simulation, 3, 0, {1})
    lines = trial_table(simulation, evaluation).splitlines()
    assert lines[0] == "network,sequence,trial,performance,direction"
    assert [line.split(",")[:3] for line in lines[1:4]] == [["1", str(b), "0"] for b in range(3)]
    assert lines[4].startswith("2,0,0,0,")
    # The trials are shared, so the draws are the same for both networks.
    assert [line.split(",")[4] for line in lines[1:4]] == [line.split(",")[4] for line in lines[4:]]
    summary: dict[str, Any] = evaluation_summary(simulation, evaluation, {1}).as_dict()
    assert summary["mean"] == pytest.approx(evaluation.performance[0] / 2)
    assert [row["diverged"] for row in summary["networks"]] == [False, True]
