"""Steps of any length: exact fractions whose numerators and denominators no machine word holds."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from cli.command import rnnspec
from comparison import assert_agree
from support import program

from rnnspec.catalogue import minimal
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.compiled.engine import _clock
from rnnspec.runtime.targets import Target

#: A value in time, two skips and noise: all that depends on the length of a step.
TIMED = """
network: {noise: {kind: ou, scale: 0.3, tau: 60 ms}}
task:
  epochs:
    stimulus: {target: {fixation: t}, input: {cue: t}}
skips: {edges: {one: {kind: dasc, every: 4 steps}, two: {kind: sctt, every: 3 steps}}}
"""
#: Each with an exact coarsening factor.
STEPS = {
    "9.87654321098765432109 ms": "1",
    "3.3333333333333335 ms": "3.3333333333333335",
    "7.00000000000000000000000000000001 ms": "1.00000000000000000000000000000001",
}
FAST: tuple[Target, ...] = ("cpu", "torch")


@pytest.mark.parametrize("target", FAST)
@pytest.mark.parametrize("dt", STEPS)
def test_engines_agree(dt: str, target: Target) -> None:
    found = program(TIMED, f"network: {{dt: {dt}}}")
    assert_agree(found, target, Batch(3, 1, 7, "train", Stage(Fraction(STEPS[dt]), (0.3, 0.4))))


@pytest.mark.parametrize("dt", STEPS)
def test_commands_agree(dt: str, tmp_path: Path) -> None:
    """Two iterations on every target, with the coarsening factor as it is written."""
    (tmp_path / "spec.yaml").write_text(minimal(), encoding="utf-8")
    settings = [f"network.dt={dt}", "training.networks=2", "training.iterations=2", "training.batch=3"]
    settings += ["training.evaluate.every=1", "training.evaluate.batch=2", f"coarsening.from={STEPS[dt]}"]
    losses = {}
    for target in (*FAST, "reference"):
        options = [word for setting in settings for word in ("--set", setting)]
        answer = rnnspec(
            "train", tmp_path / "spec.yaml", *options, "--target", target, "--out", tmp_path / target
        )
        assert answer.code == 0, answer.err
        (metrics,) = (tmp_path / target).glob("*/metrics.jsonl")
        losses[target] = [json.loads(line)["loss"] for line in metrics.read_text().splitlines()]
    for target in FAST:
        for found, wanted in zip(losses[target], losses["reference"], strict=True):
            assert found == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("dt", ["5 ms", "0.1 ms", *STEPS])
def test_the_clock_is_rounded_once(dt: str) -> None:
    step = program(f"network: {{dt: {dt}}}").network.dt
    assert _clock(step, 2000).tolist() == [float(n * step) for n in range(2001)]


def test_a_step_below_a_nanosecond_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(minimal(), encoding="utf-8")
    answer = rnnspec("train", tmp_path / "spec.yaml", "--set", "network.dt=1e-30 us", "--out", tmp_path)
    assert answer.code == 1
    assert "RS109" in answer.err
