"""Random specs: valid ones compile and agree with the oracle, broken ones end in coded diagnostics."""

from __future__ import annotations

import copy
import re
from fractions import Fraction
from typing import Any

import pytest
from comparison import assert_agree
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from random_specs import specs

from rnnspec.check.examine import examine
from rnnspec.diagnostics import Problems, render_text
from rnnspec.program.nodes import Program
from rnnspec.program.printer import print_program
from rnnspec.runtime.batch import Batch, Stage
from rnnspec.runtime.targets import Target
from rnnspec.syntax.compose import compose_text
from rnnspec.syntax.dump import dump

RELAXED = [HealthCheck.too_slow, HealthCheck.data_too_large]


def lowered(document: dict[str, Any]) -> tuple[Program | None, Problems]:
    problems = Problems()
    read = compose_text(dump(document), "random.yaml", problems)
    return (examine(read, problems) if read else None), problems


def compare(target: Target, document: dict[str, Any], purpose: Any, modified: bool, sequences: int) -> None:
    program, problems = lowered(document)
    assert program is not None, render_text(problems.sorted())
    betas = tuple(float(s.beta.start) if modified else 1.0 for s in program.skips)
    theta = program.coarsening.start if modified and program.coarsening else Fraction(1)
    batch = Batch(sequences, program.training.seed, 3, purpose, Stage(theta, betas))
    assert_agree(program, target, batch)


PURPOSES = st.sampled_from(["train", "evaluate"])


@examples(15, suppress_health_check=RELAXED)
@given(specs(), PURPOSES, st.booleans())
def test_torch_agrees_with_the_oracle(document: dict[str, Any], purpose: Any, modified: bool) -> None:
    compare("torch", document, purpose, modified, 4)


# Numbers of sequences that fill a tile, leave some of it empty, and need more than one.
SEQUENCES = st.integers(1, 6)


@examples(3, suppress_health_check=RELAXED)
@given(specs(), PURPOSES, st.booleans(), SEQUENCES)
def test_cpu_agrees_with_the_oracle(
    document: dict[str, Any], purpose: Any, modified: bool, sequences: int
) -> None:
    """Few examples, since each is a kernel to compile; the next test has many."""
    compare("cpu", document, purpose, modified, sequences)


@examples(2, suppress_health_check=RELAXED)
@given(specs(), PURPOSES, st.booleans(), SEQUENCES)
def test_gpu_agrees_with_the_oracle(
    document: dict[str, Any], purpose: Any, modified: bool, sequences: int
) -> None:
    compare("gpu", document, purpose, modified, sequences)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["cpu", "gpu"])
@examples(60, derandomize=False, print_blob=True, suppress_health_check=RELAXED)
@given(specs(), PURPOSES, st.booleans(), SEQUENCES)
def test_kernels_agree_with_the_oracle_on_many(
    target: Target, document: dict[str, Any], purpose: Any, modified: bool, sequences: int
) -> None:
    compare(target, document, purpose, modified, sequences)


@examples(30, suppress_health_check=RELAXED)
@given(specs())
def test_same_spec_same_program(document: dict[str, Any]) -> None:
    first, second = lowered(document)[0], lowered(copy.deepcopy(document))[0]
    assert first is not None
    assert second is not None
    assert print_program(first) == print_program(second)


WORDS = [
    "none",
    "trial.start",
    "onehot(9)",
    "5 ms",
    "direction",
    "import os",
    "__import__",
    "{{ x }}",
    "a -> b",
]
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(WORDS),
)


@examples(150, suppress_health_check=RELAXED)
@given(specs(), st.data())
def test_broken_specs_end_in_diagnostics(document: dict[str, Any], data: st.DataObject) -> None:
    """Replace, remove or add somewhere: whatever comes of it has a code, and no traceback."""
    for _ in range(data.draw(st.integers(1, 3))):
        node: Any = document
        while isinstance(node, dict) and node:
            key = data.draw(st.sampled_from(sorted(node, key=str)))
            action = data.draw(st.sampled_from(["down", "replace", "remove", "add"]))
            if action == "down" and isinstance(node[key], dict):
                node = node[key]
                continue
            if action == "remove":
                del node[key]
            elif action == "add":
                node[data.draw(st.sampled_from([*WORDS, "kind", "tau", "size"]))] = data.draw(ANYTHING)
            else:
                node[key] = data.draw(ANYTHING)
            break
    problems = Problems()
    read = compose_text(dump(document), "broken.yaml", problems)
    program = examine(read, problems) if read else None
    assert program is not None or problems.failed or document.get("name") is None
    for diagnostic in problems.sorted():
        assert re.fullmatch(r"RS[0-4]\d\d", diagnostic.code)
        assert diagnostic.message
        assert 1 <= diagnostic.span.line <= len(diagnostic.span.source.lines)
    assert render_text(problems.sorted()).count("error[") + render_text(problems.sorted()).count(
        "warning["
    ) >= len(problems.found)
