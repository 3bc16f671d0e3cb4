"""A hostile spec cannot put code into a source: whatever is generated from it calls what it should."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from codegen.sources import ragged
from support import program

from rnnspec.codegen.torch.graph import emit
from rnnspec.codegen.torch.language import OWN_NAMES, TORCH
from rnnspec.program.nodes import Program

HOSTILE = '"""\n__import__("os").system("echo pwned")\n"""\\\u2028'
INNOCENT = {"dict", "enumerate", "int", "len", "list", "max", "min", "print", "range"} | {
    *("reversed", "sorted", "sum", "super", "zip")
}


def calls(source: str) -> Iterator[str]:
    """Yield what is called by a plain name, and the module of what is called in a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            root: ast.expr = node.func
            while isinstance(root, ast.Attribute):
                assert not root.attr.startswith("__") or root.attr == "__dict__", root.attr
                root = root.value
            if isinstance(root, ast.Name) and root.id in dir(builtins):
                yield root.id


def defined(source: str) -> set[str]:
    """Return the functions and classes of a module."""
    body = ast.parse(source).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("found", [program(), ragged()], ids=["minimal", "ragged"])
def test_sources_call_what_they_define_and_little_else(found: Program) -> None:
    source = emit(found)
    local = {"white", "judge", "slice"}
    assert set(calls(source)) <= defined(source) | INNOCENT | local
    imported = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in imported] == [
        "import math",
        "import torch",
        "from torch import Tensor",
    ]


def test_a_summary_is_words_and_nothing_else() -> None:
    found = program()
    plain, hostile = emit(replace(found, summary="words")), emit(replace(found, summary=HOSTILE))
    assert "pwned" in hostile
    # But for the module's docstring the two are the same program.
    trees = [ast.parse(source).body[1:] for source in (plain, hostile)]
    assert [ast.dump(node) for node in trees[0]] == [ast.dump(node) for node in trees[1]]


def hostile_programs() -> Iterator[tuple[str, Program]]:
    """Yield programs no spec can be lowered to: each has one name that is none."""
    plain = program("skips: {edges: {one: {kind: sctt, every: 2 steps}}}")
    network, timeline = plain.network, plain.timeline
    bad = 'x"]; import os  #'
    changed: dict[str, Any]

    def first(items: tuple[Any, ...], **change: object) -> tuple[Any, ...]:
        return (replace(items[0], **change), *items[1:])

    yield "program", replace(plain, name=bad)
    yield "skip", replace(plain, skips=first(plain.skips, name=bad))
    for part in ("populations", "inputs", "outputs"):
        changed = {part: first(getattr(network, part), name=bad)}
        yield part, replace(plain, network=replace(network, **changed))
    for word in ("targets", "sources"):
        part = "inputs" if word == "targets" else "outputs"
        changed = {part: first(getattr(network, part), **{word: (bad,)})}
        yield word, replace(plain, network=replace(network, **changed))
    for word in ("name", "phase"):
        epochs = first(timeline.epochs, **{word: bad})
        yield f"epoch {word}", replace(plain, timeline=replace(timeline, epochs=epochs))
    draws = first(timeline.draws, name=bad)
    yield "draw", replace(plain, timeline=replace(timeline, draws=draws))
    drives = first(timeline.epochs[0].drives, channel=bad)
    epochs = first(timeline.epochs, drives=drives)
    yield "drive", replace(plain, timeline=replace(timeline, epochs=epochs))


@pytest.mark.parametrize(("place", "found"), [*hostile_programs()])
def test_a_name_that_is_none_is_refused(place: str, found: Program) -> None:
    with pytest.raises(ValueError, match="is no name"):
        emit(found)


def test_names_of_a_spec_may_be_any_word_of_python_or_of_the_module() -> None:
    """Every word that the module uses as a draw: each steps aside, and none onto another."""
    words = sorted({*OWN_NAMES, "lambda_", "None_", "print", "self"} - {"t"})
    draws = "\n".join(f"    {word}: uniform(0, {n + 1})" for n, word in enumerate(words))
    total = " + ".join(words)
    found = program(f"task:\n  draw:\n{draws}\n    total: {total}\n  input: {{cue: total}}")
    source = emit(found)
    tree = ast.parse(source)
    draw = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "draw")
    targets = [target for n in ast.walk(draw) if isinstance(n, ast.Assign) for target in n.targets]
    assigned = {target.id for target in targets if isinstance(target, ast.Name)}
    assert not assigned & OWN_NAMES
    assert len(assigned) == len(words) + 2


def test_own_names_are_all_that_functions_of_a_spec_use() -> None:
    """What such a function takes from the module stays clear of what the spec names."""
    found = ragged()
    roles = ("input", "varying", "target", "weight", "correct", "read", "after", "duration")
    epochs = {f"{role}_{epoch.name}" for epoch in found.timeline.epochs for role in roles}
    names = {"draw", "recall", "success", "scored"} | epochs
    for node in ast.parse(emit(found)).body:
        if isinstance(node, ast.FunctionDef) and node.name in names:
            assigned = {
                n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
            }
            used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
            assert used - assigned <= OWN_NAMES
            assert not assigned - {"t"} & OWN_NAMES
    assert set(TORCH.defined) <= OWN_NAMES
