"""Which kernel simulates a program with conditions; `tests/test_targets.py` has what it computes."""

from __future__ import annotations

import math

import pytest
from support import SPECS, asked, program

from rnnspec.check.examine import load
from rnnspec.codegen.cpu.kernel import emit_cpu
from rnnspec.codegen.gpu.kernel import emit_gpu
from rnnspec.runs.question import load_changed
from rnnspec.runtime.batch import Batch
from rnnspec.runtime.compiled.given import given_values, kernel_program
from rnnspec.runtime.simulation import true_dynamics

WAIT = """
task:
  draw: {drawn: "uniform(0, 0.3)", wait: 2 * drawn}
  epochs: {stimulus: {duration: wait}}
"""
INDEPENDENT = "training: {trials: independent}"


@pytest.mark.parametrize(
    ("name", "conditions"),
    [
        ("delayed_go", "modality=[1, 2]; direction=[0, pi/2, pi]"),
        ("decision_making", "difference=[-0.1, 0.1]"),
        ("rule_reversal", "rule=[1, 2]; answer=[0, 1]"),
        ("delayed_match_to_sample", "match=[true, false]"),
    ],
)
def test_conditions_take_the_kernel_of_the_spec(name: str, conditions: str) -> None:
    path = SPECS / f"{name}.yaml"
    found = kernel_program(load_changed(path, (), (), conditions).specification.program)
    plain = load(path).program
    assert emit_cpu(found) == emit_cpu(plain)
    assert emit_gpu(found) == emit_gpu(plain)


def test_values_are_given_as_the_program_deals_them() -> None:
    balanced = "task: {trials: 2, sequence: {pace: {balanced: [[0.5, 1], [1, pi/2]]}}}"
    found = asked("direction=[0, 1]; wait=[0, 300 ms]", WAIT, balanced)
    batch = Batch(8, 0, 3, "evaluate", true_dynamics(found))
    values = given_values(found, batch)
    assert list(values) == ["condition", "pace", "direction", "wait"]
    # Each condition before any occurs again, then with the other pattern of the balanced variable.
    assert values["direction"] == [[d, d] for d in (0, 0, 1, 1, 0, 0, 1, 1)]
    assert values["wait"] == [[w, w] for w in (0, 0.3, 0, 0.3, 0, 0.3, 0, 0.3)]
    first, second = [0.5, 1], [1, math.pi / 2]
    assert values["pace"] == [first, second, first, second, second, first, second, first]


@pytest.mark.parametrize(
    ("conditions", "overlays", "own"),
    [
        ("wait=[0, 300 ms]", (WAIT,), False),
        # The networks share 'drawn' in the spec, and not under these conditions.
        ("wait=[0, 300 ms]", (WAIT, INDEPENDENT), True),
        ("drawn=[0, 300 ms]", (WAIT, INDEPENDENT), False),
        ("direction=[0, 1]", (WAIT, INDEPENDENT), False),
        ("direction=[0, 1]", ("task: {sequence: {pace: {balanced: [[0.5], ['uniform(0, 1)']]}}}",), True),
        # A duration that is never below 0 only under these conditions.
        ("wait=[0, 300 ms]", (WAIT, "task: {draw: {drawn: 'normal(0, 1)'}}"), True),
    ],
)
def test_what_needs_a_kernel_of_its_own(conditions: str, overlays: tuple[str, ...], own: bool) -> None:
    found = asked(conditions, *overlays)
    assert kernel_program(found) == (found if own else program(*overlays))
    assert bool(given_values(found, Batch(4, 0, 0, "simulate", true_dynamics(found)))) == (not own)
