"""Specs that are well formed and unreasonable: each is checked with little work, and has its code or none."""

from __future__ import annotations

import pytest
from effort import calls_of
from support import codes, problems, program

from rnnspec.diagnostics import Diagnostic

CHAIN = 500


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{i}" for i in range(count)]


def checked(*overlays: str, limit: int) -> tuple[Diagnostic, ...]:
    """Return the problems of a spec; AssertionError if finding them takes too many function calls."""
    found: list[Diagnostic] = []
    calls_of(lambda: found.extend(problems(*overlays)), limit=limit)
    return tuple(found)


def test_a_long_chain_of_draws() -> None:
    """No definition is lowered inside another: the chain is longer than Python's stack allows calls."""
    chain = "".join(f"    v{i}: v{i + 1} + 1\n" for i in range(CHAIN))
    found = program(f"task:\n  draw:\n{chain}    v{CHAIN}: 0\n")
    order = [d.name for d in found.timeline.draws]
    assert order.index(f"v{CHAIN}") < order.index("v0")


def test_a_long_cycle_of_draws() -> None:
    chain = "".join(f"    v{i}: v{i + 1} + 1\n" for i in range(CHAIN))
    (problem,) = checked(f"task:\n  draw:\n{chain}    v{CHAIN}: v0\n", limit=1000 * CHAIN)
    assert problem.code == "RS207"


def test_a_long_cycle_through_previous_trials() -> None:
    chain = "".join(f"    v{i}: previous(v{i + 1}, 0)\n" for i in range(CHAIN))
    draws = f"  draw:\n{chain}    v{CHAIN}: previous(v0, 1)\n"
    assert checked(f"task:\n{draws}  input: {{cue: v0}}\n", limit=1000 * CHAIN) == ()


@pytest.mark.parametrize(
    ("overlay", "limit"),
    [
        ("network: {populations: {%s}}", 1000),
        ("network: {inputs: {%s}}", 1000),
        ("network: {outputs: {%s}}", 1000),
        ("task: {epochs: {%s}}", 1000),
        ("task: {draw: {%s}}", 1000),
    ],
)
def test_too_many_of_a_kind(overlay: str, limit: int) -> None:
    bodies = {"populations": "{size: 1, tau: 1 s}", "epochs": "{duration: 1 s, after: response}", "draw": "1"}
    body = next((text for word, text in bodies.items() if word in overlay), "{}")
    entries = ", ".join(f"{name}: {body}" for name in names("x", limit))
    assert [p.code for p in checked(overlay % entries, limit=500 * limit)] == ["RS013"]


def test_large_expressions_inherited_by_many_epochs() -> None:
    large = " + ".join(["(" + " + ".join(["direction"] * 10) + ")"] * 15)
    epochs = ", ".join(f"{name}: {{duration: 20 ms, after: response}}" for name in names("x", 200))
    inputs = ", ".join(f"{name}: {{to: input}}" for name in names("i", 20))
    drives = ", ".join(f"{name}: {large}" for name in names("i", 20))
    overlays = f"network: {{inputs: {{{inputs}}}}}", f"task: {{input: {{{drives}}}, epochs: {{{epochs}}}}}"
    # Each of the 3000 words of the inputs is lowered once, not once an epoch.
    assert checked(*overlays, limit=1_500_000) == ()


def test_many_errors_that_others_follow_from() -> None:
    edges = ", ".join(f"{name}: {{kind: dasc, every: 1 min}}" for name in names("s", 64))
    jitter = ", ".join(
        f"{name}: {{duration: 20 ms, jitter: 1 s, after: response}}" for name in names("x", 200)
    )
    found = checked(f"skips: {{edges: {{{edges}}}}}", limit=3_000_000)
    assert {d.code for d in found} == {"RS301"}
    found = checked(f"skips: {{edges: {{{edges}}}}}\ntask: {{epochs: {{{jitter}}}}}", limit=3_000_000)
    assert {d.code for d in found} == {"RS215"}


def test_cycles_name_their_members() -> None:
    (problem,) = problems("task: {draw: {a: b + 1, b: 2 * a}}")
    assert problem.code == "RS207"
    assert problem.message == "'a' depends on itself: a -> b -> a"
    assert codes("task: {draw: {a: a}}") == ["RS207"]
    assert codes("task: {draw: {a: 'previous(b, 0)', b: a + 1}, input: {cue: a}}") == []
