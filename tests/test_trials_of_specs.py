"""The trials of the sixteen standard tasks: what is shown, wanted and correct, and how it is drawn."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from evaluation import Values, evaluate
from shipped import TASKS, program


def bump(direction: float, size: int = 32) -> list[float]:
    """exp(-1/2 (8 d / pi)^2): equations (3) and (4) without their factors."""
    distances = (
        abs((direction - 2 * math.pi * i / size + math.pi) % (2 * math.pi) - math.pi) for i in range(size)
    )
    return [math.exp(-0.5 * (8 * d / math.pi) ** 2) for d in distances]


def distance(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


def trials(name: str, count: int = 60) -> list[Values]:
    """Draw the variables of trials, each from the program's own draws."""
    source = random.Random(f"trials of {name}")
    drawn = []
    for _ in range(count):
        values: Values = {}
        for draw in program(name).timeline.draws:
            (value,) = draw.values
            values[draw.name] = evaluate(value, values, source)
        drawn.append(values)
    return drawn


@pytest.mark.parametrize("name", TASKS)
def test_inputs(name: str) -> None:
    task = TASKS[name]
    for values in trials(name):
        wanted = task.trial(values)
        for e in program(name).timeline.epochs:
            drives = {d.channel: evaluate(d.value, values) for d in e.drives}
            fixating = e.name not in ("context", "response") or (e.name == "response" and task.reaction)
            assert drives.get("fixation", 0) == (1 if fixating else 0)
            for modality in (1, 2):
                ring = [0.0] * 32
                for m, direction, strength in wanted.bumps.get(e.name, []):
                    if m == modality:
                        ring = [r + 0.8 * strength * b for r, b in zip(ring, bump(direction), strict=True)]
                found = drives.get(f"modality_{modality}", 0.0)
                found = found if isinstance(found, list) else [found] * 32
                assert found == pytest.approx(ring, abs=1e-9)


@pytest.mark.parametrize("name", TASKS)
def test_targets(name: str) -> None:
    for values in trials(name):
        answer = TASKS[name].trial(values).answer
        for e in program(name).timeline.epochs[1:]:
            responding = e.name == "response" and answer is not None
            targets = {t.channel: evaluate(t.value, values) for t in e.targets}
            assert targets.keys() == {"fixation", "saccade"}
            assert targets["fixation"] == pytest.approx(0.05 if responding else 0.85)
            ring = (
                [0.05 + 0.8 * b for b in bump(answer)] if responding and answer is not None else [0.05] * 32
            )
            found = targets["saccade"]
            assert (found if isinstance(found, list) else [found] * 32) == pytest.approx(ring, abs=1e-9)


@pytest.mark.parametrize("name", TASKS)
def test_correctness(name: str) -> None:
    """Correct is what equals the target, and what is only just within 0.2 pi; not what lies beyond."""
    for values in trials(name, 20):
        answer = TASKS[name].trial(values).answer
        for e in program(name).timeline.epochs[1:]:
            assert e.correct is not None
            if e.name != "response" or answer is None:
                aimed = bump(1.0)
                assert evaluate(e.correct, {**values, "fixation": 0.51, "saccade": aimed})
                assert not evaluate(e.correct, {**values, "fixation": 0.5, "saccade": aimed})
            else:
                for turn, right in ((0.0, True), (0.19, True), (-0.19, True), (0.21, False), (-0.21, False)):
                    aimed = bump(answer + turn * math.pi)
                    assert bool(evaluate(e.correct, {**values, "fixation": 0.49, "saccade": aimed})) is right
                    assert not evaluate(e.correct, {**values, "fixation": 0.5, "saccade": aimed})


# --- the distributions of the draws ------------------------------------------------------------------


def spread(name: str, of: Callable[[Values], float], count: int = 400) -> tuple[float, float, float]:
    """Return the smallest, mean and largest value over many trials."""
    found = [of(v) for v in trials(name, count)]
    return min(found), sum(found) / count, max(found)


def assert_uniform(found: tuple[float, float, float], low: float, high: float) -> None:
    least, mean, most = found
    assert low <= least < low + 0.03 * (high - low)
    assert high - 0.03 * (high - low) < most <= high
    # Six standard errors of a mean of 400.
    assert abs(mean - (low + high) / 2) < 6 * (high - low) / math.sqrt(12 * 400)


@pytest.mark.parametrize("name", [n for n, t in TASKS.items() if t.label.endswith(("go", "anti"))])
def test_draws_of_one_bump(name: str) -> None:
    assert_uniform(spread(name, lambda v: v["direction"]), 0, 2 * math.pi)
    assert {v["modality"] for v in trials(name)} == {1, 2}


def assert_strengths(name: str, prefix: str) -> None:
    assert_uniform(spread(name, lambda v: v[f"{prefix}mean"]), 0.8, 1.2)
    assert_uniform(spread(name, lambda v: abs(v[f"{prefix}difference"])), 0.1, 0.2)
    assert abs(spread(name, lambda v: float(v[f"{prefix}difference"] > 0))[1] - 0.5) < 0.15


@pytest.mark.parametrize("name", [n for n in TASKS if "decision" in n])
def test_draws_of_decisions(name: str) -> None:
    assert_uniform(spread(name, lambda v: v["first"]), 0, 2 * math.pi)
    assert_uniform(spread(name, lambda v: v["second"] - v["first"]), math.pi / 2, 3 * math.pi / 2)
    for prefix in ("", "other_") if "distractor" in name else ("",):
        assert_strengths(name, prefix)
    if "multisensory" in name:
        assert_uniform(spread(name, lambda v: max(v["gain_1"], v["gain_2"])), 1.2, 1.4)
        assert abs(spread(name, lambda v: float(v["gain_1"] > 1))[1] - 0.5) < 0.15
        assert all(v["gain_1"] + v["gain_2"] == pytest.approx(2) for v in trials(name))


@pytest.mark.parametrize("name", [n for n in TASKS if "match" in n])
def test_draws_of_matches(name: str) -> None:
    assert abs(spread(name, lambda v: v["match"])[1] - 0.5) < 0.15
    drawn = trials(name, 400)
    for which in ("first_modality", "second_modality"):
        assert {v[which] for v in drawn} == {1, 2}
    for v in drawn:
        if "sample" in name:
            apart = distance(v["first"], v["second"])
            assert apart <= math.radians(10) + 1e-9 if v["match"] else apart >= math.pi / 2 - 1e-9
        else:
            first, second = category(v["first"]), category(v["second"])
            assert (first == second) is bool(v["match"])
    if "sample" in name:
        turns = [v["second"] - v["first"] for v in drawn if v["match"]]
        assert max(turns) > math.radians(9)
        assert min(turns) < math.radians(-9)
    else:
        assert {(category(v["first"]), category(v["second"])) for v in drawn} == {
            (0, 0),
            (0, 1),
            (1, 0),
            (1, 1),
        }


def category(direction: float) -> int:
    """[0, pi/2) or [pi, 3 pi/2)."""
    number, rest = divmod(direction, math.pi)
    assert 0 <= rest < math.pi / 2
    return int(number)
